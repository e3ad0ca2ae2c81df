"""How figures read on a page: units, currencies, times. Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from schemas.currencies import minor_digits

NOTHING = "–"
ABSENT = "not available"


class Label(NamedTuple):
    """How a feature is shown: its name in English and Chinese, its unit and its family.

    ``usual`` names the feature that holds its usual level, times ``usual_scale``; ``percentile``
    the one that holds its place among peers. ``worse`` is where more risk lies: ``up`` or ``down``.
    """

    text: str
    text_zh: str
    unit: str
    family: str
    usual: str | None = None
    usual_scale: float = 1.0
    percentile: str | None = None
    worse: str = ""


Labels = Mapping[str, Label]
"""By the feature's name, in the order in which features are shown."""


_UNITS = {"score": "", "count": ""}
_OTHER = "others"
"""Family of features that the catalogue at hand does not know."""


def money(minor: int | float | None, currency: str) -> str:
    """Minor units as major units with grouping and currency: 1250000 CNY → ``12,500.00 CNY``."""
    if minor is None:
        return NOTHING
    digits = minor_digits(currency)
    scale = 10**digits
    whole, rest = divmod(abs(round(minor)), scale)
    sign = "−" if minor < 0 else ""
    cents = f".{rest:0{digits}}" if digits else ""
    return f"{sign}{whole:,}{cents} {currency}".rstrip()


def share(ratio: float | None) -> str:
    """A ratio of 0-1 as percent with one digit."""
    return NOTHING if ratio is None else f"{ratio * 100:,.1f} %".replace("-", "−")


def number(value: float | None) -> str:
    """A plain number with at most three significant decimals."""
    if value is None:
        return NOTHING
    text = f"{value:,.3f}" if abs(value) < 10 else f"{value:,.1f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text).replace("-", "−")


def measure(value: float | None) -> str:
    """A measure of a forecast, such as a log loss or an area: three decimals, so that all align."""
    return NOTHING if value is None else f"{value:.3f}".replace("-", "−")


def quantity(value: float | None, unit: str, currency: str) -> str:
    """A feature's value in its unit (see ``tideline features``)."""
    if value is None:
        return ABSENT
    if unit == "minor":
        return money(value, currency)
    if unit == "flag":
        return "yes" if value else "no"
    if unit == "ratio":
        return share(value)
    return f"{number(value)} {_UNITS.get(unit, unit)}".rstrip()


def moment(ms: int | None) -> str:
    """Epoch milliseconds as UTC to the minute."""
    if ms is None:
        return NOTHING
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")


def iso(ms: int) -> str:
    """Epoch milliseconds as RFC 3339, for machines."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="seconds")


def words(code: str) -> str:
    """A code as words: ``sales_silence`` → ``Sales silence``."""
    return code.replace("_", " ").replace("-", " ").strip().capitalize() or NOTHING


def reasons(row: Mapping[str, Any], labels: Labels, currency: str) -> list[dict[str, Any]]:
    """Ranked reasons of a row with their numbers in words."""
    found = []
    for code, text, feature, value, usual, contribution in zip(
        row["codes"],
        row["texts"],
        row["reason_features"],
        row["reason_values"],
        row["reason_usuals"],
        row["contributions"],
        strict=True,
    ):
        label = _label(feature, labels)
        found.append(
            {
                "text": text or words(code),
                "label": label.text,
                "label_zh": label.text_zh,
                "value": None if value is None else quantity(value, label.unit, currency),
                "usual": None if usual is None else quantity(usual, label.unit, currency),
                "contribution": contribution,
            }
        )
    return found


def _label(name: str, labels: Labels) -> Label:
    return labels.get(name) or Label(words(name), "", "", _OTHER)


def movement(change: Mapping[str, Any]) -> str:
    """Whether a limit change raised, lowered or kept the limit: ``up``, ``down`` or ``same``."""
    before, after = change["previous_limit_minor"], change["new_limit_minor"]
    return "up" if after > before else "down" if after < before else "same"
