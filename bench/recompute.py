"""Recompute assessments at random: ``python -m bench.recompute FILE... [--draws 100] [--seed 1]``.

The files (events as for ``tideline replay``) are run once, with the learner, as production would.
Then each drawn assessment is made anew by a fresh scoring processor that is given the log of its
partition up to its place, and the versions that were published, and nothing else. Both must be the
same bytes. What was found is printed as one JSON line; the exit code is 1 if any differ.
"""

import argparse
import json
import random
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from ops.settings import Settings, load_settings
from schemas import topics
from schemas.outputs import Assessment
from streams.artifacts import MemoryArtifacts, genesis
from streams.cadence import engine_config
from streams.intake_host import intake_of
from streams.learner import Learner
from streams.machine_code import load_machine_code
from streams.pipeline import Pipeline
from streams.records import Output, Record
from streams.runtime import wall_clock_ms
from streams.scoring import Scoring
from tideline.commands.replay import REPLAY_KEY
from tideline.sources import open_sources


class Draw(NamedTuple):
    """An assessment as it was written, and the record of the log that it came from."""

    partition: int
    offset: int
    value: bytes


class Run:
    """The job over one input that keeps its log, and a uniform sample of its assessments."""

    def __init__(self, settings: Settings, draws: int, seed: int) -> None:
        self.artifacts = MemoryArtifacts()
        self.config = engine_config(settings)
        self.log: dict[int, list[bytes]] = {}
        self.drawn: list[Draw] = []
        self.assessments = 0
        self.pipeline = Pipeline(
            intake_of(settings, REPLAY_KEY, self.artifacts),
            self.artifacts,
            self._said,
            learner=Learner(),
            config=self.config,
            tap=self._keep,
        )
        self._draws = draws
        self._random = random.Random(seed)
        self._at: Record | None = None

    def _keep(self, record: Record) -> None:
        self._at = record
        self.log.setdefault(record.partition, []).append(record.value or b"")

    def _said(self, topic: str, value: bytes) -> None:
        if topic != topics.ASSESSMENTS:
            return
        assert self._at is not None
        self.assessments += 1
        draw = Draw(self._at.partition, self._at.offset, value)
        if len(self.drawn) < self._draws:
            self.drawn.append(draw)
        elif (place := self._random.randrange(self.assessments)) < self._draws:
            self.drawn[place] = draw


def recompute(run: Run, draw: Draw) -> bytes | None:
    """The assessment again, from the log and the versions alone; None if it does not come."""
    wanted = msgspec.json.decode(draw.value, type=Assessment).assessment_id
    scoring = Scoring(run.artifacts, genesis(), run.config)
    outputs: list[Output] = []
    for offset in range(draw.offset + 1):
        value = run.log[draw.partition][offset]
        record = Record(topics.EVENTS, draw.partition, offset, None, value, [], 0)
        outputs = scoring.process(record)
    for output in outputs:
        value = output.value or b""
        if output.topic == topics.ASSESSMENTS and wanted.encode() in value:
            return value
    return None


def measure(files: list[str], draws: int, seed: int) -> dict[str, Any]:
    """Run the files, then recompute what was drawn."""
    load_machine_code()
    run = Run(load_settings(), draws, seed)
    now_ms, events = wall_clock_ms(), 0
    started = time.monotonic()
    paths: list[Path | str] = [Path(each) for each in files]
    for record in open_sources(paths):
        run.pipeline.feed(record.source, record.line, record.value, now_ms)
        events += 1
    run.pipeline.finish(now_ms)
    ran_s = time.monotonic() - started
    started = time.monotonic()
    equal = sum(recompute(run, draw) == draw.value for draw in run.drawn)
    stated = [msgspec.json.decode(draw.value, type=Assessment) for draw in run.drawn]
    return {
        "events": events,
        "assessments": run.assessments,
        "drawn": len(run.drawn),
        "equal": equal,
        "model_versions": dict(sorted(Counter(a.model_version for a in stated).items())),
        "run_s": round(ran_s, 1),
        "recompute_s": round(time.monotonic() - started, 1),
    }


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+")
    parser.add_argument("--draws", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    found = measure(given.files, given.draws, given.seed)
    sys.stdout.write(json.dumps(found) + "\n")
    return 0 if found["drawn"] and found["equal"] == found["drawn"] else 1


if __name__ == "__main__":
    sys.exit(main())
