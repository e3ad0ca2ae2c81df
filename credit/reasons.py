"""Reasons that belong to a limit rather than to the merchant's risk, from one table."""

from typing import Literal

from detectors.facts import FACTS
from detectors.reasons import GOOD, format_value
from schemas.outputs import Reason

REASONS_MAX = 4
"""Principal reasons of a decision: a notice with more says less (commentary to 12 CFR 1002.9)."""
NO_FEATURE = ""
"""``feature`` of reasons that rest on no number of the catalogue."""

TEXTS: dict[str, dict[Literal["en", "zh"], str]] = {
    "capacity": {
        "en": "Sales of {usual} in 28 days and the present risk support a limit of {value}",
        "zh": "28天销售额{usual}及当前风险水平支持额度{value}",
    },
    "applied_amount": {
        "en": "The merchant applied for {value}",
        "zh": "商户申请额度{value}",
    },
    "above_cap": {
        "en": "The limit exceeds what the policy allows at most, {value}",
        "zh": "额度超过政策上限{value}",
    },
    "held_at_drawn": {
        "en": "The limit stays at the drawn amount of {value}, below which no cut goes",
        "zh": "额度维持在已用金额{value}，不再下调",
    },
    "limit_below_drawn": {
        "en": "The limit falls below the drawn amount of {value}: nothing more can be drawn, and "
        "what is drawn is repaid as agreed",
        "zh": "额度低于已用金额{value}：不得再支用，已用部分按约定偿还",
    },
    "cause_gone": {
        "en": "The cause of the freeze has been absent for long enough",
        "zh": "冻结原因已消除足够时间",
    },
    "term_ended": {
        "en": "The term of the line ended and it was reviewed",
        "zh": "额度到期并已复审",
    },
    "override_ended": {
        "en": "The limit set by hand has run out",
        "zh": "人工设定的额度已到期",
    },
    "desk": {
        "en": "Decided by the risk desk: {value}",
        "zh": "风险团队决定：{value}",
    },
}
"""Code -> text by language. ``{value}`` and ``{usual}`` are money; for ``desk``, what was said."""

_FEATURES = {
    "capacity": "turnover_28d_minor",
    "held_at_drawn": "exposure_minor",
    "limit_below_drawn": "exposure_minor",
}


def money_reason(
    code: str,
    currency: str,
    value: int | None = None,
    usual: float | None = None,
    *,
    language: Literal["en", "zh"] = "en",
) -> Reason:
    """A reason of ``TEXTS`` with amounts in minor units of ``currency``.

    ``value`` and ``usual`` of the reason are the amounts of the text: for ``capacity`` the limit
    supported and the sales that support it.
    """
    shown = {
        name: format_value("money", amount, currency=currency, language=language)
        for name, amount in (("value", value), ("usual", usual))
        if amount is not None
    }
    return Reason(
        code=code,
        text=TEXTS[code][language].format(**shown),
        feature=_FEATURES.get(code, NO_FEATURE),
        value=None if value is None else float(value),
        usual=usual,
    )


def desk_reason(said: str, *, language: Literal["en", "zh"] = "en") -> Reason:
    """What a person gave as the reason."""
    text = TEXTS["desk"][language].format(value=said or "no reason given")
    return Reason(code="desk", text=text, feature=NO_FEATURE)


def adverse(reasons: list[Reason]) -> list[Reason]:
    """The reasons that speak against the merchant."""
    return [reason for reason in reasons if not reason.code.endswith(GOOD)]


def favourable(reasons: list[Reason]) -> list[Reason]:
    """The reasons that speak for the merchant."""
    return [reason for reason in reasons if reason.code.endswith(GOOD)]


def principal(reasons: list[Reason]) -> list[Reason]:
    """The first ``REASONS_MAX`` reasons, none of a code twice."""
    return list({reason.code: reason for reason in reversed(reasons)}.values())[::-1][:REASONS_MAX]


CODES: frozenset[str] = frozenset(TEXTS) | {fact.code for fact in FACTS.values()}
"""Every code that an adverse-action notice may carry."""
