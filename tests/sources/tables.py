"""Small tables of the kind that adapters read, and what comes out of them."""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from schemas.codec import Limits, decode_event
from tideline.sources import AdapterReport, open_sources

NOW_MS = 1_790_000_000_000
DAY_MS = 86_400_000


def read(paths: list[Path], format: str) -> tuple[list[dict[str, Any]], AdapterReport]:
    """Events as dicts, each checked by the codec, and what the adapter reports."""
    report = AdapterReport()
    events = []
    for record in open_sources(paths, format, report):
        decode_event(record.value, now_ms=NOW_MS, limits=Limits(), privacy_key=bytes(32))
        events.append(msgspec.json.decode(record.value))
    return events, report


def days(*numbers: int) -> pa.Array:
    """Days of January 2017."""
    moments = [np.datetime64(f"2017-01-{n:02d}T00:00:00", "us") for n in numbers]
    return pa.array(moments, pa.timestamp("us"))


def day(event: dict[str, Any], field: str = "occurred_at") -> str:
    """A time of an event as a date."""
    return str(np.datetime64(event[field], "ms").astype("datetime64[D]"))
