"""What an assessment costs on one core: merchants with a history, the whole of scoring.

``python -m bench.assessments FILE…`` runs the event files (as for ``tideline replay``) through
intake once, then the log through scoring twice: once whole, once the feature engine alone. What a
micro-batch took beyond the engine, divided by the assessments that it made, is the cost of each:
vector, rules, models, reasons, episodes, decision and JSON.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from features.engine import FeatureEngine
from features.scan import scan
from ops.settings import Settings, load_settings
from schemas import topics
from streams.artifacts import MemoryArtifacts, genesis
from streams.cadence import engine_config
from streams.intake_host import intake_of
from streams.machine_code import load_machine_code
from streams.pipeline import Pipeline
from streams.records import Record
from streams.runtime import wall_clock_ms
from streams.scoring import Scoring
from tideline.commands.replay import REPLAY_KEY
from tideline.sources import open_sources

BAND = b'"band":"insufficient_history"'


def cost(files: list[str]) -> dict[str, Any]:
    """Assessments per second on one core, and p50 and p99 of the cost of each in µs."""
    load_machine_code()
    settings = load_settings()
    log = _log(settings, files)
    config = engine_config(settings)
    scorings: dict[int, Scoring] = {}
    costs, counts = [], []
    engines: dict[int, FeatureEngine] = {}
    known = 0
    for record in log:
        scoring = scorings.get(record.partition)
        if scoring is None:
            scoring = scorings[record.partition] = Scoring(MemoryArtifacts(), genesis(), config)
            engines[record.partition] = FeatureEngine(config)
        started = time.perf_counter()
        outputs = scoring.process(record)
        whole = time.perf_counter() - started
        started = time.perf_counter()
        for _ in engines[record.partition].run(scan(record.value or b"")):
            pass
        engine = time.perf_counter() - started
        made = [o.value or b"" for o in outputs if o.topic == topics.ASSESSMENTS]
        known += sum(BAND not in value for value in made)
        if made:
            costs.append(max(whole - engine, 0.0))
            counts.append(len(made))
    each = np.repeat(np.array(costs) / np.array(counts), counts)
    return {
        "assessment": {
            "count": int(each.size),
            "with_history": known,
            "per_s": round(each.size / float(sum(costs))),
            "us_p50": round(float(np.percentile(each, 50)) * 1e6, 1),
            "us_p99": round(float(np.percentile(each, 99)) * 1e6, 1),
        }
    }


def _log(settings: Settings, files: list[str]) -> list[Record]:
    """The log that intake makes of the files, with the clock's ticks at its end."""
    log: list[Record] = []
    artifacts = MemoryArtifacts()
    pipeline = Pipeline(
        intake_of(settings, REPLAY_KEY, artifacts),
        artifacts,
        lambda topic, value: None,
        learner=None,
        config=engine_config(settings),
        tap=log.append,
    )
    now_ms = wall_clock_ms()
    for record in open_sources([Path(each) for each in files]):
        pipeline.feed(record.source, record.line, record.value, now_ms)
    pipeline.finish(now_ms)
    return log


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+")
    sys.stdout.write(json.dumps(cost(parser.parse_args().files)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
