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
SUMMED = (
    "merchants",
    "alerted",
    "exposure",
    "granted",
    "loss",
    "unrated",
    "unrated_minor",
    "open_alerts",
    "alerted_minor",
)
"""What adds up over cells: numbers, and amounts in minor units."""


class Vintage(NamedTuple):
    """Merchants whose first line opened in one month (such as ``2025-11``).

    ``late`` and ``defaulted`` are the shares that were ever 30 days late, or in default, by months
    on book from 0.
    """

    month: str
    merchants: int
    late: list[float]
    defaulted: list[float]


class Concentration(NamedTuple):
    """How much lies with few: the largest name's share, and the Herfindahl index.

    The index is the sum of squared shares: 1 / number of equals, 1 where all lies with one.
    """

    dimension: str
    names: int
    largest: str
    largest_share: float
    herfindahl_index: float


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


def totals(cells: Sequence[Row]) -> dict[str, Any]:
    """All of one currency: the sums of its cells."""
    return {name: sum(row[name] for row in cells) for name in SUMMED}


def by_dimension(cells: Sequence[Row], lines: Sequence[Row]) -> dict[str, list[dict[str, Any]]]:
    """Exposure, limits and expected loss by name, the most exposure first, for each dimension.

    Segments and regions are summed over merchants, products and funders over the parts of lines.
    """
    found: dict[str, list[dict[str, Any]]] = {
        name: [_summed(name, rows) for rows in _grouped(cells, name).values()]
        for name in ("segment", "region")
    }
    for name in ("product", "funder"):
        found[name] = [dict(row) for row in lines if row["dimension"] == name]
    for members in found.values():
        members.sort(key=lambda row: (-row["exposure"], -row["granted"], row["name"]))
        whole = sum(row["exposure"] for row in members)
        for row in members:
            row["exposure_share"] = row["exposure"] / whole if whole else 0.0
            row["utilisation"] = ratio(row["exposure"], row["granted"])
            row["loss_rate"] = ratio(row["loss"], row["exposure"])
    return found


def _grouped(cells: Sequence[Row], dimension: str) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in cells:
        groups[row[dimension]].append(row)
    return groups


def _summed(dimension: str, rows: Sequence[Row]) -> dict[str, Any]:
    return {"name": rows[0][dimension], **totals(rows)}


def concentration(
    cells: Sequence[Row], dimensions: Mapping[str, Sequence[Mapping[str, Any]]]
) -> list[Concentration]:
    """How much lies with few, of exposure by merchant and segment, of limits by the others.

    As the view ``portfolio_concentration`` has it.
    """
    found = []
    whole = sum(row["exposure"] for row in cells)
    if whole > 0:
        top = max(cells, key=lambda row: row["largest_minor"])
        squares = sum(row["squares"] for row in cells)
        borrowers = sum(row["borrowers"] for row in cells)
        share = top["largest_minor"] / whole
        found.append(
            Concentration("merchant", borrowers, top["largest"], share, squares / whole**2)
        )
    for dimension in DIMENSIONS:
        figure = "exposure" if dimension == "segment" else "granted"
        amounts = {row["name"]: row[figure] for row in dimensions[dimension] if row[figure] > 0}
        whole = sum(amounts.values())
        if whole > 0:
            largest = max(amounts, key=lambda name: amounts[name])
            index = sum((amount / whole) ** 2 for amount in amounts.values())
            share = amounts[largest] / whole
            found.append(Concentration(dimension, len(amounts), largest, share, index))
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
