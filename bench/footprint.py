"""What a merchant with a long history takes: bytes of its row and in a checkpoint, and time.

In this process: the other parts have merchants with little history, whose rows are mostly zeros and
compress well, and whose assessments say ``insufficient_history``; this has few merchants with more
than the longest window of history, which are judged by the model.
"""

from typing import Any

from bench import inprocess
from bench.workload import DAY_MS, START_MS, events
from features import layout
from streams.checkpoints import Checkpointer, Shelf

DAYS = 100
EVENTS_PER_DAY = 4
PORTION_BYTES = 1 << 20


def footprint(merchants: int) -> dict[str, Any]:
    """Bytes per merchant after ``DAYS`` days of trade, and what an assessment costs in them."""
    batch = events(
        merchants * DAYS * EVENTS_PER_DAY,
        merchants,
        seed=5,
        start_ms=START_MS - DAYS * DAY_MS,
        span_ms=DAYS * DAY_MS,
    )
    log = inprocess.log_records(inprocess.run_intake(inprocess.input_records(batch)).outputs)
    timed, scorings = inprocess.run_scoring(log)
    engine_s, due = inprocess.run_engine(log)
    known = pages = 0
    for partition, scoring in enumerate(scorings):
        known += len(scoring.engine.index)
        checkpointer = Checkpointer(scoring, Shelf(partition))
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
            "assessments": due,
            "assessment_us_each": round((timed.seconds - engine_s) / due * 1e6, 1),
        },
    }
