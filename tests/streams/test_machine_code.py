"""Processes that start together load machine code one after the other."""

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys, time
from streams import machine_code

class Engine:
    def __init__(self, config):
        print("begin", time.monotonic(), flush=True)
        time.sleep(0.3)
        print("end", time.monotonic(), flush=True)

machine_code.FeatureEngine = Engine
machine_code.load_machine_code()
"""


def test_processes_that_start_together_take_turns(tmp_path: Path) -> None:
    environment = {"PYTHONPATH": str(ROOT), "NUMBA_CACHE_DIR": str(tmp_path)}
    started = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            env=environment,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    spans = []
    for process in started:
        text, _ = process.communicate(timeout=240)
        assert process.returncode == 0
        spans.append(tuple(float(line.split()[1]) for line in text.splitlines()))
    spans.sort()
    assert len(spans) == 3
    assert all(end <= begin for (_, end), (begin, _) in pairwise(spans))
