"""From rows of ClickHouse back to the records that were stored, and to answers. Pure."""

from collections.abc import Iterable
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from desk.ports import Row
from schemas.outputs import FunderShare, Reason

S = TypeVar("S", bound=Struct)

_NESTED: dict[str, tuple[str, ...]] = {
    # A percentile among peers is not stored.
    "reasons": tuple(n for n in Reason.__struct_fields__ if n != "peer_percentile"),
    "funders": FunderShare.__struct_fields__,
}
"""Fields that are lists of records, with the parts that are stored of each."""
_TIMES = frozenset({"as_of", "at", "until"})
_TIME_ENDS = ("_at", "_until", "_by")


def is_time(name: str) -> bool:
    """Whether a field of this name is a DateTime64 in ClickHouse and epoch ms here."""
    return name in _TIMES or name.endswith(_TIME_ENDS)


def columns_of(struct: type[Struct]) -> str:
    """The columns that hold the fields of ``struct``, for a SELECT whose rows go to ``records``."""
    columns = []
    for name in struct.__struct_fields__:
        if name in _NESTED:
            columns += [f"{name}.{part} AS {name}_{part}" for part in _NESTED[name]]
        elif is_time(name):
            columns.append(f"toUnixTimestamp64Milli({name}) AS {name}_ms")
        else:
            columns.append(name)
    return ", ".join(columns)


def records(struct: type[S], rows: Iterable[Row]) -> list[S]:
    """Rows as records. Columns that are no field are left out."""
    return [msgspec.convert(_fields(struct, row), struct, strict=False) for row in rows]


def _fields(struct: type[Struct], row: Row) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in struct.__struct_fields__:
        if name in _NESTED:
            parts = _NESTED[name]
            columns = (row[f"{name}_{part}"] for part in parts)
            found[name] = [
                dict(zip(parts, values, strict=True)) for values in zip(*columns, strict=True)
            ]
        elif is_time(name):
            found[name] = row[f"{name}_ms"]
        else:
            found[name] = row[name]
    return found
