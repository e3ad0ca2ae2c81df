"""How figures read on a page: units, currencies, times. Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from schemas.currencies import minor_digits

NOTHING = "–"
Labels = Mapping[str, tuple[str, str]]

_UNITS = {"days": "days", "score": "", "count": ""}


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
    return NOTHING if ratio is None else f"{ratio * 100:,.1f} %"


def number(value: float | None) -> str:
    """A plain number with at most three significant decimals."""
    if value is None:
        return NOTHING
    text = f"{value:,.3f}" if abs(value) < 10 else f"{value:,.1f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text).replace("-", "−")


def quantity(value: float | None, unit: str, currency: str) -> str:
    """A feature's value in its unit (see ``tideline features``)."""
    if value is None:
        return "not available"
    if unit == "minor":
        return money(value, currency)
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
        label, unit = labels.get(feature, (words(feature), ""))
        found.append(
            {
                "text": text or words(code),
                "label": label,
                "value": None if value is None else quantity(value, unit, currency),
                "usual": None if usual is None else quantity(usual, unit, currency),
                "contribution": contribution,
            }
        )
    return found


def features(row: Mapping[str, Any], labels: Labels, currency: str) -> list[tuple[str, str, str]]:
    """Name, label and value of each feature of an assessment, in the order of ``labels``."""
    vector = dict(zip(row["names"], row["vector"], strict=True))
    order = [name for name in labels if name in vector]
    order += sorted(name for name in vector if name not in labels)
    result = []
    for name in order:
        label, unit = labels.get(name, (words(name), ""))
        result.append((name, label, quantity(vector[name], unit, currency)))
    return result


def movement(change: Mapping[str, Any]) -> str:
    """Whether a limit change raised, lowered or kept the limit: ``up``, ``down`` or ``same``."""
    before, after = change["previous_limit_minor"], change["new_limit_minor"]
    return "up" if after > before else "down" if after < before else "same"
