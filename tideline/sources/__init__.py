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
    return _checked(adapter, [Path(p) for p in paths], format, report or AdapterReport())


def _checked(
    adapter: Adapter, paths: list[Path], format: str, report: AdapterReport
) -> Iterator[SourceRecord]:
    try:
        yield from adapter(paths, report)
    except KeyError as error:
        raise ConfigurationError(f"--format {format}: there is no column {error}") from error


def estimate_total(paths: Sequence[Path | str], format: str = "events") -> int | None:
    """About how many events there are, for a progress bar; None when there is no telling."""
    return estimate_events(paths) if format == "events" else None
