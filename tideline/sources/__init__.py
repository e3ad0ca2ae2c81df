"""Where events come from: files of events, and adapters of real data sets."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ops.errors import ConfigurationError
from tideline.sources import cards, loans, marketplace, sme_invoices, terminals, wholesale
from tideline.sources.files import estimate_total as estimate_events
from tideline.sources.files import read_events
from tideline.sources.records import AdapterReport, SourceRecord

__all__ = ["ADAPTERS", "AdapterReport", "SourceRecord", "estimate_total", "open_sources"]

Adapter = Callable[[list[Path], AdapterReport], Iterator[SourceRecord]]
ADAPTERS: dict[str, Adapter] = {
    "sme-invoices": sme_invoices.read,
    "terminals": terminals.read,
    "marketplace": marketplace.read,
    "loans": loans.read,
    "wholesale": wholesale.read,
    "cards": cards.read,
}
"""``--format`` names of data sets; ``events`` is events as the contract has them."""
EVENTS_PER_ROW = {"marketplace": 0.9, "loans": 4.0, "wholesale": 0.054, "cards": 17.0}
"""About how many events a row gives, where it is not one."""


def open_sources(
    paths: Sequence[Path | str], format: str = "events", report: AdapterReport | None = None
) -> Iterator[SourceRecord]:
    """Events of files in arrival order.

    ``report`` is filled while reading by adapters. Raises ``ConfigurationError`` on an unknown
    format or a file that is not of it, ``FileNotFoundError`` where there is none.
    """
    if format == "events":
        return read_events(paths)
    adapter = ADAPTERS.get(format)
    if adapter is None:
        raise ConfigurationError(f"--format is {format!r}; use events, {', '.join(ADAPTERS)}")
    for path in paths:
        if not Path(path).exists():
            raise FileNotFoundError(2, "no such file", str(path))
    return adapter([Path(p) for p in paths], report or AdapterReport())


def estimate_total(paths: Sequence[Path | str], format: str = "events") -> int | None:
    """About how many events there are, for a progress bar; None when there is no telling."""
    if format == "events":
        return estimate_events(paths)
    files = [
        f for p in map(Path, paths) for f in (p.glob(f"{format}_*.parquet") if p.is_dir() else [p])
    ]
    rows = estimate_events([f for f in files if f.suffix == ".parquet"])
    return None if rows is None else round(rows * EVENTS_PER_ROW.get(format, 1.0))
