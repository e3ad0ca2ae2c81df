"""Rows of ``learner_reports``: one of each report, its lists as nested columns. Pure."""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from schemas.learner_report import (
    CalibrationBin,
    DriftAlarm,
    LabelCount,
    LearnerReport,
    ModelStanding,
    PublishedVersion,
    VariableDrift,
)

_LISTS: dict[str, type[Struct]] = {
    "standings": ModelStanding,
    "drift": VariableDrift,
    "alarms": DriftAlarm,
    "label_counts": LabelCount,
    "calibration": CalibrationBin,
    "versions": PublishedVersion,
}
_PLAIN = tuple(name for name in LearnerReport.__struct_fields__ if name not in _LISTS)
COLUMNS: tuple[str, ...] = (
    *_PLAIN,
    *(f"{name}.{part}" for name, struct in _LISTS.items() for part in struct.__struct_fields__),
)
"""Columns of the table before the Kafka position, in the order of ``learner_report_row``."""
_INT64 = 2**63

_read = msgspec.json.Decoder(LearnerReport).decode


def learner_report_row(value: bytes) -> tuple[Any, ...]:
    """Values of ``COLUMNS``. Raises ``msgspec.MsgspecError`` or ``ValueError`` on other bytes."""
    report = _read(value)
    row = [getattr(report, name) for name in _PLAIN]
    for name, struct in _LISTS.items():
        each = getattr(report, name)
        row += [_column(name, part, each) for part in struct.__struct_fields__]
    return tuple(row)


def _column(name: str, part: str, records: Sequence[Struct]) -> list[Any]:
    """One field of all records of a list; truth is 0 or 1, whole numbers fit 64 bits."""
    values = [getattr(record, part) for record in records]
    for value in values:
        if isinstance(value, int) and not -_INT64 <= value < _INT64:
            raise ValueError(f"`{name}` has a {part} of {value}, which does not fit 64 bits")
    return [int(value) if isinstance(value, bool) else value for value in values]
