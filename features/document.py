"""The catalogue as a page for people."""

from itertools import groupby

from features import catalogue, windows
from features.catalogue import CATALOGUE, FEATURE_VERSION
from features.feature import Feature

_COLUMNS = ("feature", "what it is", "unit, windows", "risk", "formula", "without history", "needs")
_RISK = {"up": "higher is riskier", "down": "lower is riskier", "none": "–"}


def markdown() -> str:
    """Every feature by family, after the definitions that the formulas rest on."""
    parts = [
        f"# Features ({FEATURE_VERSION})",
        f"What each of the {len(CATALOGUE)} features means. Written by `tideline features "
        "--markdown` from the catalogue, which is what the vector, the reasons and the desk come "
        "from. `tideline features explain MERCHANT --at T FILE…` shows the values of one merchant "
        "with the events behind them.",
        "Units: `minor` is money in minor units of the merchant's currency, `ratio` a plain "
        "ratio (1 = 100 %), `days` and `hours` spans of time, `flag` 1 or 0.",
        "## Definitions",
        _plain(catalogue.__doc__ or ""),
        "## Windows",
        _plain(windows.__doc__ or ""),
    ]
    for family, members in groupby(CATALOGUE, key=lambda feature: feature.family):
        parts += [f"## {family.capitalize()}", _table(list(members))]
    return "\n\n".join(parts) + "\n"


def _plain(docstring: str) -> str:
    return docstring.strip().replace("``", "`")


def _table(features: list[Feature]) -> str:
    rows = [_COLUMNS, ("---",) * len(_COLUMNS), *(_row(feature) for feature in features)]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _row(feature: Feature) -> tuple[str, ...]:
    usual = f"; usual: `{feature.usual}`" if feature.usual else ""
    cells = (
        f"`{feature.name}`",
        f"{feature.label}<br>{feature.label_zh}",
        f"{feature.unit}; {', '.join(feature.windows)}",
        _RISK[feature.direction],
        feature.formula + usual,
        feature.cold_start,
        f"{', '.join(feature.feeds) or 'any feed'}: {', '.join(feature.types)}",
    )
    return tuple(cell.replace("|", "\\|") for cell in cells)
