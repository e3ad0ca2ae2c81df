"""The portfolio's figures in the shape of its page: pure, from the rows of its queries."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

from desk.ports import Row

TREND_DAYS = 60
MAP_NAMES_MAX = 12
HEAT_LEVELS = 5
VINTAGES_MAX = 18
"""Opening months that are shown, the latest."""
MONTHS_PER_YEAR = 12
DAY_S = 86_400
DIMENSIONS = ("segment", "region", "product", "funder")


class Vintage(NamedTuple):
    """Merchants whose first line opened in one month (such as ``2025-11``).

    ``late`` and ``defaulted`` are the shares that were ever 30 days late, or in default, by months
    on book from 0.
    """

    month: str
    merchants: int
    late: list[float]
    defaulted: list[float]


class Cell(NamedTuple):
    """A segment in a region. ``heat`` is 0 (nothing) to ``HEAT_LEVELS``."""

    merchants: int
    alerted: int
    open_alerts: int
    exposure_minor: float
    heat: int


class Map(NamedTuple):
    """Segments down, regions across, each with the most exposure first; None where nobody is."""

    segments: list[str]
    regions: list[str]
    cells: list[list[Cell | None]]
    left_out: int


def by_dimension(rows: Sequence[Row]) -> dict[str, list[dict[str, Any]]]:
    """Rows of a break-down by dimension, each with its share of the dimension's exposure."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in DIMENSIONS}
    for row in rows:
        found[row["dimension"]].append(dict(row))
    for members in found.values():
        total = sum(row["exposure_minor"] for row in members)
        for row in members:
            row["exposure_share"] = row["exposure_minor"] / total if total else 0.0
            row["loss_rate"] = ratio(row["expected_loss_minor"], row["exposure_minor"])
    return found


def ratio(part: float, whole: float) -> float | None:
    """A share, None of nothing."""
    return part / whole if whole else None


def cohort_map(rows: Sequence[Row]) -> Map:
    """The heat map of segments and regions by the share of merchants with an open alert."""
    by_segment: dict[str, float] = defaultdict(float)
    by_region: dict[str, float] = defaultdict(float)
    for row in rows:
        by_segment[row["segment"]] += row["exposure"]
        by_region[row["region"]] += row["exposure"]
    segments, regions = _largest(by_segment), _largest(by_region)
    placed = {(row["segment"], row["region"]): row for row in rows}
    cells = [[_cell(placed.get((s, r))) for r in regions] for s in segments]
    shown = sum(cell.merchants for line in cells for cell in line if cell is not None)
    return Map(segments, regions, cells, sum(row["merchants"] for row in rows) - shown)


def _largest(amounts: Mapping[str, float]) -> list[str]:
    return sorted(amounts, key=lambda name: (-amounts[name], name))[:MAP_NAMES_MAX]


def _cell(row: Row | None) -> Cell | None:
    if row is None:
        return None
    share = row["alerted"] / row["merchants"]
    # Any alert is at least the first level; from a half of the merchants on it is the last.
    heat = min(HEAT_LEVELS, 1 + int(share * 2 * (HEAT_LEVELS - 1))) if row["alerted"] else 0
    return Cell(row["merchants"], row["alerted"], row["open_alerts"], row["exposure"], heat)


def vintages(rows: Sequence[Row], latest_month: int) -> list[Vintage]:
    """Curves of the latest vintages, the newest first, up to the month of the latest data."""
    by_month: dict[int, list[Row]] = defaultdict(list)
    for row in rows:
        by_month[row["opened"]].append(row)
    return [
        _vintage(month, by_month[month], max(latest_month - month, 0))
        for month in sorted(by_month, reverse=True)[:VINTAGES_MAX]
    ]


def _vintage(month: int, rows: Sequence[Row], age: int) -> Vintage:
    merchants = sum(row["merchants"] for row in rows)

    def curve(name: str) -> list[float]:
        ended = [0] * (age + 1)
        for row in rows:
            if 0 <= row[name] <= age:
                ended[row[name]] += row["merchants"]
        return [n / merchants for n in accumulate(ended)]

    return Vintage(month_name(month), merchants, curve("late"), curve("bad"))


def month_name(number: int) -> str:
    """A month that is counted from year 0, as ``2025-11``."""
    year, month = divmod(number - 1, MONTHS_PER_YEAR)
    return f"{year:04}-{month + 1:02}"


def daily_levels(steps: Sequence[Row], first_day_s: int, days: int) -> list[float]:
    """The level at the end of each day, from what moved it on each day (epoch seconds)."""
    moved = {int(row["day_s"]): float(row["step"]) for row in steps}
    return list(accumulate(moved.get(first_day_s + n * DAY_S, 0.0) for n in range(days)))
