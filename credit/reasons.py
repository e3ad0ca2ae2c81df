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
    "capacity_invoices": {
        "en": "Invoices of {usual} in 28 days, what of them was declared for tax and the present "
        "risk support a limit of {value}",
        "zh": "28天开票额{usual}、纳税申报情况及当前风险水平支持额度{value}",
    },
    "capacity_settled": {
        "en": "Sales of {usual} in 28 days, what of them the platform settled and the present "
        "risk support a limit of {value}",
        "zh": "28天销售额{usual}、平台结算情况及当前风险水平支持额度{value}",
    },
    "capacity_receivables": {
        "en": "Open claims of {usual}, their age and debtors and the present risk support a limit "
        "of {value}",
        "zh": "应收账款{usual}、账龄、债务人及当前风险水平支持额度{value}",
    },
    "capacity_bills": {
        "en": "Accepted bills of {usual}, their acceptors and the present risk support a limit of "
        "{value}",
        "zh": "已承兑票据{usual}、承兑人及当前风险水平支持额度{value}",
    },
    "capacity_instalments": {
        "en": "Cash of {usual} coming in within 28 days, the use of the machine and the present "
        "risk support a limit of {value}",
        "zh": "28天现金流入{usual}、设备使用情况及当前风险水平支持额度{value}",
    },
    "capacity_season": {
        "en": "Sales of {usual} in 28 days without season, the season ahead and the present risk "
        "support a limit of {value}",
        "zh": "剔除季节因素的28天销售额{usual}、未来季节及当前风险水平支持额度{value}",
    },
    "thin_file": {
        "en": "Too little is known of the merchant yet; peers of its segment support a start of "
        "{value}",
        "zh": "商户历史信息不足，同业水平支持起步额度{value}",
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
    "affordability": {
        "en": "All known debt together may be at most {value} by the cash flow",
        "zh": "按现金流，全部已知负债合计不得超过{value}",
    },
    "debt_unknown": {
        "en": "The debts elsewhere are not known yet",
        "zh": "尚不了解其他负债情况",
    },
    "margin": {
        "en": "The expected loss leaves no sufficient margin at the price of the product",
        "zh": "按产品定价，预期损失后收益不足",
    },
    "stress": {
        "en": "Limits of the segment are lowered in the present downturn",
        "zh": "因经济下行，所在行业额度下调",
    },
    "not_eligible": {
        "en": "The product is not for merchants of this segment, region or channel, or lacks the "
        "data that it rests on",
        "zh": "该产品不适用于商户所在行业、地区或渠道，或缺少所需数据",
    },
    "product_not_offered": {
        "en": "The product is not offered any more",
        "zh": "该产品已停止提供",
    },
    "currency_not_offered": {
        "en": "The product is not offered in this currency",
        "zh": "该产品不支持此币种",
    },
    "no_consent": {
        "en": "The merchant has not consented to the use of its data",
        "zh": "商户未授权使用数据",
    },
    "history_short": {
        "en": "The merchant has been known or active for too short a time",
        "zh": "商户经营时间或活跃天数不足",
    },
    "capacity_unknown": {
        "en": "What the limit would rest on is not known over all periods yet",
        "zh": "额度所依据的数据尚不完整",
    },
    "below_floor": {
        "en": "What is supported lies below the least limit of {value}",
        "zh": "可支持额度低于最低额度{value}",
    },
    "cooling": {
        "en": "The line was closed too short a time ago",
        "zh": "额度关闭时间过短",
    },
    "approved": {
        "en": "Approved by the risk desk: {value}",
        "zh": "风险团队批准：{value}",
    },
    "proposal_turned_down": {
        "en": "Turned down by the risk desk: {value}",
        "zh": "风险团队否决：{value}",
    },
    "approval_timed_out": {
        "en": "Nobody approved the proposal in time",
        "zh": "未在规定时间内获得批准",
    },
    "proposal_overtaken": {
        "en": "A later decision took the place of the proposal",
        "zh": "提议被后续决定取代",
    },
    "core_rejected": {
        "en": "The lending core did not book the change: {value}",
        "zh": "核心系统未入账该变更：{value}",
    },
    "core_silent": {
        "en": "The lending core has not answered a limit change in time",
        "zh": "核心系统未按时确认额度变更",
    },
    "desk": {
        "en": "Decided by the risk desk: {value}",
        "zh": "风险团队决定：{value}",
    },
}
"""Code -> text by language. ``{value}`` and ``{usual}`` are money; of ``SAID``, what was said."""

SAID = frozenset({"desk", "approved", "proposal_turned_down", "core_rejected"})
"""Codes whose text repeats what a person or the lending core gave as the reason."""

_FEATURES = {
    "capacity": "turnover_28d_minor",
    "capacity_invoices": "invoiced_28d_minor",
    "capacity_settled": "turnover_28d_minor",
    "capacity_instalments": "inflow_28d_minor",
    "capacity_season": "turnover_92d_minor",
    "debt_unknown": "other_debt_minor",
    "history_short": "tenure_days",
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


def plain_reason(code: str, *, language: Literal["en", "zh"] = "en") -> Reason:
    """A reason of ``TEXTS`` without amounts."""
    return Reason(code=code, text=TEXTS[code][language], feature=_FEATURES.get(code, NO_FEATURE))


def said_reason(code: str, said: str, *, language: Literal["en", "zh"] = "en") -> Reason:
    """A reason of ``SAID`` with what was given."""
    text = TEXTS[code][language].format(value=said or "no reason given")
    return Reason(code=code, text=text, feature=NO_FEATURE)


def desk_reason(said: str, *, language: Literal["en", "zh"] = "en") -> Reason:
    """What a person gave as the reason."""
    return said_reason("desk", said, language=language)


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
