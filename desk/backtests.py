"""Summaries of backtests from a folder: what ``tideline backtest`` wrote with ``--json`` or
``--out``."""

from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta, Struct

BACKTESTS_MAX = 10
BYTES_MAX = 4 << 20
LISTED_MAX = 500

Count = Annotated[int, Meta(ge=0)]


class Difference(Struct, frozen=True):
    """A policy less the first one over the same merchants, minor units, with a 95 % interval."""

    field: str
    total_minor: float
    low_minor: float
    high_minor: float


class Currency(Struct, frozen=True):
    """Totals by policy and what they differ by, of one currency."""

    currency: str
    merchants: Count
    totals_minor: dict[str, dict[str, float]]
    differences: dict[str, list[Difference]]


class Behaviour(Struct, frozen=True):
    """How a policy's lines moved."""

    approvals: Count
    cuts: Count
    cuts_reverted: Count


class Summary(Struct, frozen=True):
    """The part of a summary that the page shows; other fields are let be."""

    policies: list[str]
    events: Count
    merchants: Count
    loans_ended: Count
    loans_defaulted: Count
    currencies: list[Currency]
    behaviour: dict[str, Behaviour]


class Found(NamedTuple):
    """A file of the folder: its summary, or why it cannot be read. ``made_ms`` is its time."""

    name: str
    made_ms: int
    summary: Summary | None
    fault: str


_read = msgspec.json.Decoder(Summary).decode


def newest(folder: Path) -> list[Found]:
    """Summaries in a folder and in the folders in it, the newest first.

    Raises ``OSError`` where the folder cannot be read.
    """
    root = folder.resolve(strict=True)
    paths = [path for path in root.iterdir() if path.suffix == ".json"]
    paths += [path / "backtest.json" for path in root.iterdir() if path.is_dir()]
    # A link that leads out of the folder is none of it.
    dated = [
        (int(path.stat().st_mtime * 1000), path)
        for path in paths[:LISTED_MAX]
        if path.is_file() and path.resolve().is_relative_to(root)
    ]
    dated.sort(key=lambda each: (-each[0], str(each[1])))
    return [_found(root, path, made_ms) for made_ms, path in dated[:BACKTESTS_MAX]]


def _found(root: Path, path: Path, made_ms: int) -> Found:
    name = path.relative_to(root).as_posix()
    if path.stat().st_size > BYTES_MAX:
        return Found(name, made_ms, None, f"larger than {BYTES_MAX >> 20} MiB")
    try:
        return Found(name, made_ms, _read(path.read_bytes()), "")
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        return Found(name, made_ms, None, str(error))
