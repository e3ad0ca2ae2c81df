"""What a merchant with a long history takes: bytes of its row, and in a checkpoint.

In this process: the growth part has many merchants with little history, whose rows are mostly
zeros and compress well; this has few merchants with more than the longest window of history.
"""

from typing import Any

from bench import inprocess
from bench.workload import DAY_MS, START_MS, events
from features import layout
from streams.checkpoints import Checkpointer

DAYS = 100
EVENTS_PER_DAY = 4
PORTION_BYTES = 1 << 20


def footprint(merchants: int) -> dict[str, Any]:
    """Bytes per merchant after ``DAYS`` days of trade."""
    batch = events(
        merchants * DAYS * EVENTS_PER_DAY,
        merchants,
        seed=5,
        start_ms=START_MS - DAYS * DAY_MS,
        span_ms=DAYS * DAY_MS,
    )
    log = inprocess.log_records(inprocess.run_intake(inprocess.input_records(batch)).outputs)
    _, scorings = inprocess.run_scoring(log)
    known = pages = 0
    for partition, scoring in enumerate(scorings):
        known += len(scoring.engine.index)
        checkpointer = Checkpointer(scoring, partition)
        checkpointer.begin()
        while checkpointer.running:
            for output in checkpointer.carry(PORTION_BYTES):
                if b"/page/" in (output.key or b""):
                    pages += len(output.value or b"")
    return {
        "row_bytes": layout.ROW.itemsize,
        "history": {
            "merchants": known,
            "days": DAYS,
            "events_per_merchant": round(len(batch) / known),
            "changelog_bytes_per_merchant": round(pages / known),
        },
    }
