"""Reason codes and their texts, in the merchant's own numbers, from the table of facts.

A code names a fact (``days_past_due``); with ``_good`` at its end it says that the fact speaks for
the merchant. Each text states the fact of one feature, with the merchant's usual and its place
among peers where there are any, so that it fits an adverse-action notice: specific and true of this
merchant alone.
"""

import math
from collections.abc import Sequence
from typing import Literal

from detectors.facts import FACTS, Measure
from features.catalogue import INDEX
from schemas.currencies import minor_digits
from schemas.outputs import Reason

Currency = str | None
"""ISO 4217 code, or None where it is not known: then money has two digits and no code."""
Language = Literal["en", "zh"]
GOOD = "_good"
"""End of the code of a reason that speaks for the merchant."""
INSUFFICIENT_HISTORY = "insufficient_history"

_SPANS: dict[Measure, tuple[str, str]] = {"days": ("day", "天"), "hours": ("hour", "小时")}
_FLAG: dict[Language, tuple[str, str]] = {"en": ("no", "yes"), "zh": ("否", "是")}
_PEERS: dict[Language, str] = {
    "en": ", above {value} of the merchants of its segment",
    "zh": "，高于同业{value}的商户",
}
_INSUFFICIENT: dict[Language, str] = {
    "en": "The history is too short to judge: known for {value}, and no loan repaid or due so far",
    "zh": "历史不足，无法评估：已知{value}，且尚无还款记录",
}


def make_reason(
    feature: str,
    vector: Sequence[float],
    *,
    currency: Currency = None,
    contribution: float = 0.0,
    language: Language = "en",
) -> Reason:
    """The reason that states ``feature`` of ``vector`` (catalogue order, NaN = not available).

    ``contribution`` is signed, positive towards higher risk; a negative one makes it ``_good``.
    """
    fact = FACTS[feature]
    value = _known(vector[INDEX[feature]])
    usual = None
    if fact.usual is not None:
        usual = _known(vector[INDEX[fact.usual]] * fact.usual_scale)
    peers = None if fact.peers is None else _known(vector[INDEX[fact.peers]])
    return Reason(
        code=fact.code + GOOD if contribution < 0 else fact.code,
        text=render(feature, value, usual, peers, currency=currency, language=language),
        feature=feature,
        value=value,
        usual=usual,
        contribution=contribution,
        peer_percentile=peers,
    )


def insufficient_history(tenure_days: float, *, language: Language = "en") -> Reason:
    """The reason of the band of the same name; ``tenure_days`` is NaN where not available."""
    days = _known(tenure_days)
    shown = format_value("days", days if days is not None else 0.0, language=language)
    return Reason(
        code=INSUFFICIENT_HISTORY,
        text=_INSUFFICIENT[language].format(value=shown),
        feature="tenure_days",
        value=days,
    )


def render(
    feature: str,
    value: float | None,
    usual: float | None,
    peers: float | None = None,
    *,
    currency: Currency = None,
    language: Language = "en",
) -> str:
    """The text of a reason again, in another language say, from what the reason carries."""
    fact = FACTS[feature]
    body, end = (fact.en, fact.en_usual) if language == "en" else (fact.zh, fact.zh_usual)
    if value is None:
        body = body.format(value="an unknown amount" if language == "en" else "未知")
    else:
        body = body.format(
            value=format_value(fact.measure, value, currency=currency, language=language)
        )
    if usual is not None:
        shown = format_value(fact.measure, usual, currency=currency, language=language)
        body += end.format(usual=shown)
    if peers is not None:
        body += _PEERS[language].format(value=format_value("share", peers))
    return body


def format_value(
    measure: Measure, value: float, *, currency: Currency = None, language: Language = "en"
) -> str:
    """A finite value as a person writes it; money (minor units) in major units of ``currency``."""
    if measure == "money":
        digits = 2 if currency is None else minor_digits(currency)
        amount = f"{round(value) / 10**digits:,.{digits}f}"
        return amount if currency is None else f"{amount} {currency}"
    if measure == "share":
        return f"{value * 100:.{0 if abs(value) >= 0.1 else 1}f}%"
    if measure == "flag":
        return _FLAG[language][value != 0]
    shown = _plain(value)
    if measure in _SPANS:
        en, zh = _SPANS[measure]
        if language == "zh":
            return shown + zh
        return f"{shown} {en}" if shown == "1" else f"{shown} {en}s"
    return shown


def _plain(value: float) -> str:
    return f"{value:,.0f}" if value == round(value) else f"{value:,.1f}"


def _known(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
