"""Reason codes and their texts, in the merchant's own numbers, from one table.

A code names a fact (``days_past_due``); with ``_good`` at its end it says that the fact speaks for
the merchant. Each text states the fact of one feature, with the merchant's usual where there is
one, so that it fits an adverse-action notice: specific and true of this merchant alone.
"""

import math
from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from features.catalogue import INDEX
from schemas.currencies import minor_digits
from schemas.outputs import Reason

Currency = str | None
"""ISO 4217 code, or None where it is not known: then money has two digits and no code."""
Language = Literal["en", "zh"]
Measure = Literal["money", "share", "ratio", "days", "count", "number"]
GOOD = "_good"
"""End of the code of a reason that speaks for the merchant."""
INSUFFICIENT_HISTORY = "insufficient_history"


class Fact(Struct, frozen=True):
    """What one feature says. ``{value}`` stands for its value; the ends take ``{usual}``.

    ``usual`` names the feature that holds the usual level, ``usual_scale`` brings it to the span of
    this one.
    """

    code: str
    measure: Measure
    en: str
    zh: str
    usual: str | None = None
    usual_scale: float = 1.0
    en_usual: str = ", against a usual {usual}"
    zh_usual: str = "，通常为{usual}"


FACTS: dict[str, Fact] = {
    "turnover_7d_minor": Fact(
        "sales_7d",
        "money",
        "Sales of the last 7 days came to {value}",
        "近7天销售额为{value}",
        "turnover_usual_28d_minor",
        0.25,
    ),
    "turnover_28d_minor": Fact(
        "sales_28d",
        "money",
        "Sales of the last 28 days came to {value}",
        "近28天销售额为{value}",
        "turnover_usual_28d_minor",
    ),
    "turnover_usual_28d_minor": Fact(
        "sales_size", "money", "Sales usually come to {value} in 28 days", "通常28天销售额为{value}"
    ),
    "turnover_change_7d_ratio": Fact(
        "sales_change_7d",
        "ratio",
        "Sales of the last 7 days stand at {value} of the usual",
        "近7天销售额为平常的{value}",
    ),
    "turnover_change_28d_ratio": Fact(
        "sales_change_28d",
        "ratio",
        "Sales of the last 28 days stand at {value} of the usual",
        "近28天销售额为平常的{value}",
    ),
    "turnover_volatility_ratio": Fact(
        "sales_volatility",
        "ratio",
        "Sales vary from week to week by {value} of their mean",
        "每周销售额波动为均值的{value}",
    ),
    "sales_count_28d": Fact(
        "sales_count", "count", "{value} sales were made in the last 28 days", "近28天成交{value}笔"
    ),
    "sale_size_28d_minor": Fact(
        "sale_size",
        "money",
        "The mean sale of the last 28 days was {value}",
        "近28天平均每笔销售额为{value}",
    ),
    "active_days_28d": Fact(
        "active_days",
        "days",
        "There was business on {value} of the last 28",
        "近28天中有{value}有经营活动",
    ),
    "silence_days": Fact(
        "days_silent",
        "days",
        "There was no business for {value}",
        "已有{value}无经营活动",
        "silence_usual_days",
        1.0,
        ", against a longest usual pause of {usual}",
        "，通常最长间隔{usual}",
    ),
    "silence_usual_days": Fact(
        "usual_pause",
        "days",
        "The longest usual pause in business is {value}",
        "通常最长经营间隔为{value}",
    ),
    "refund_share_28d": Fact(
        "refund_share",
        "share",
        "Refunds took {value} of sales in the last 28 days",
        "近28天退款占销售额{value}",
        "refund_share_usual",
    ),
    "refund_share_usual": Fact(
        "refund_share_usual",
        "share",
        "Refunds usually take {value} of sales",
        "退款通常占销售额{value}",
    ),
    "dispute_share_28d": Fact(
        "dispute_share",
        "share",
        "{value} of the sales of the last 28 days were disputed",
        "近28天有{value}的销售被争议",
        "dispute_share_usual",
    ),
    "dispute_share_usual": Fact(
        "dispute_share_usual",
        "share",
        "{value} of sales are usually disputed",
        "通常有{value}的销售被争议",
    ),
    "cancel_share_28d": Fact(
        "cancel_share",
        "share",
        "{value} of the orders of the last 28 days were cancelled",
        "近28天有{value}的订单被取消",
    ),
    "void_share_28d": Fact(
        "void_share",
        "share",
        "{value} of the amount invoiced in the last 28 days was voided",
        "近28天开票金额有{value}被作废或冲红",
        "void_share_usual",
    ),
    "void_share_usual": Fact(
        "void_share_usual",
        "share",
        "{value} of the amount invoiced is usually voided",
        "通常有{value}的开票金额被作废或冲红",
    ),
    "overdue_shipments": Fact(
        "overdue_shipments",
        "count",
        "{value} deliveries are past their promised date",
        "{value}笔订单超过承诺送达时间",
    ),
    "overdue_shipment_share": Fact(
        "overdue_shipment_share",
        "share",
        "{value} of the deliveries promised for the last 28 days are overdue",
        "近28天应送达订单中有{value}逾期未达",
    ),
    "late_delivery_share_28d": Fact(
        "late_delivery_share",
        "share",
        "{value} of the deliveries of the last 28 days came after their promised date",
        "近28天有{value}的订单晚于承诺送达",
    ),
    "unshipped_share_28d": Fact(
        "unshipped_share",
        "share",
        "{value} of the paid orders of a month, the last 3 days aside, were not shipped",
        "近一月（最近3天除外）有{value}的已付款订单未发货",
    ),
    "settlement_to_sales_28d_ratio": Fact(
        "settlement_share",
        "ratio",
        "Settlements received in the last 28 days came to {value} of sales",
        "近28天到账结算款为销售额的{value}",
    ),
    "purchases_to_sales_28d_ratio": Fact(
        "purchases_share",
        "ratio",
        "Purchases of the last 28 days came to {value} of sales",
        "近28天采购额为销售额的{value}",
    ),
    "net_inflow_28d_minor": Fact(
        "net_inflow",
        "money",
        "The account's net inflow of the last 28 days was {value}",
        "近28天账户净流入为{value}",
    ),
    "failed_payments_28d": Fact(
        "failed_payments",
        "count",
        "{value} payments by the merchant failed in the last 28 days",
        "近28天有{value}笔付款失败",
    ),
    "dishonoured_bills_92d": Fact(
        "dishonoured_bills",
        "count",
        "{value} bills were dishonoured in the last 92 days",
        "近92天有{value}张票据被拒付",
    ),
    "court_cases_92d": Fact(
        "court_cases",
        "count",
        "{value} court cases named the merchant in the last 92 days",
        "近92天有{value}起涉诉案件",
    ),
    "registration_changes_92d": Fact(
        "registration_changes",
        "count",
        "The business registration changed {value} times in the last 92 days",
        "近92天工商登记变更{value}次",
    ),
    "review_mean_92d": Fact(
        "reviews",
        "number",
        "The mean review of the last 92 days is {value} of 5 stars",
        "近92天平均评分为{value}（满分5星）",
    ),
    "tenure_days": Fact(
        "tenure", "days", "The merchant has been known for {value}", "已知该商户{value}"
    ),
    "exposure_minor": Fact(
        "exposure", "money", "The amount outstanding is {value}", "未偿还金额为{value}"
    ),
    "utilisation": Fact(
        "utilisation", "share", "{value} of the limit is drawn", "额度已使用{value}"
    ),
    "days_past_due": Fact(
        "days_past_due",
        "days",
        "The oldest unpaid instalment is {value} past due",
        "最早未还款项已逾期{value}",
    ),
    "repayment_late_share": Fact(
        "repayment_late_share",
        "share",
        "{value} of past repayments came late",
        "历史还款中有{value}逾期",
    ),
    "repayment_delay_mean_days": Fact(
        "repayment_delay_mean",
        "days",
        "Past repayments came {value} after their due date on average",
        "历史还款平均晚于到期日{value}",
    ),
    "repayment_delay_last_days": Fact(
        "repayment_delay_last",
        "days",
        "The last repayment came {value} after its due date",
        "最近一次还款晚于到期日{value}",
    ),
    "loans_settled_count": Fact(
        "loans_settled",
        "count",
        "{value} loans were repaid in full so far",
        "已全额结清{value}笔贷款",
    ),
}
"""Feature -> what it says."""

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
    return Reason(
        code=fact.code + GOOD if contribution < 0 else fact.code,
        text=render(feature, value, usual, currency=currency, language=language),
        feature=feature,
        value=value,
        usual=usual,
        contribution=contribution,
    )


def insufficient_history(vector: Sequence[float], *, language: Language = "en") -> Reason:
    """The reason of the band of the same name."""
    days = _known(vector[INDEX["tenure_days"]])
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
    if usual is None:
        return body
    shown = format_value(fact.measure, usual, currency=currency, language=language)
    return body + end.format(usual=shown)


def format_value(
    measure: Measure, value: float, *, currency: Currency = None, language: Language = "en"
) -> str:
    """A finite value as a person writes it; money (minor units) in major units of ``currency``."""
    if measure == "money":
        digits = 2 if currency is None else minor_digits(currency)
        amount = f"{round(value) / 10**digits:,.{digits}f}"
        return amount if currency is None else f"{amount} {currency}"
    if measure in ("share", "ratio"):
        return f"{value * 100:.{0 if abs(value) >= 0.1 else 1}f}%"
    if measure == "days":
        shown = _plain(value)
        if language == "zh":
            return f"{shown}天"
        return f"{shown} day" if shown == "1" else f"{shown} days"
    return _plain(value)


def _plain(value: float) -> str:
    return f"{value:,.0f}" if value == round(value) else f"{value:,.1f}"


def _known(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
