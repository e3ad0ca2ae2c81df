"""Lasting changes against the merchant's own past: CUSUM and ADWIN, worked out anew each time."""

from features.feature import Feature

_SALES = ("order.paid", "order.cancelled", "order.refunded", "invoice.issued", "invoice.voided")
_INFLOW = ("settlement.received", "account.credited")
_REPAID = ("repayment.due", "repayment.received", "loan.settled")

FEATURES: tuple[Feature, ...] = (
    Feature(
        name="sales_fall_cusum_score",
        family="change",
        unit="score",
        windows=("28d before 1d", "63d before 29d"),
        formula="fall (see changes) of the daily turnover, usual over days 30-92",
        direction="up",
        label="Lasting shortfall of sales",
        label_zh="销售额持续下降累积值",
        cold_start="NaN unless the first sale is on day 57 or before, or where the usual is 0",
        types=_SALES,
        feeds=("transactions", "signals"),
        transform="log1p",
    ),
    Feature(
        name="inflow_fall_cusum_score",
        family="change",
        unit="score",
        windows=("28d before 1d", "28d before 29d"),
        formula="fall (see changes) of the daily inflow, usual over days 30-57",
        direction="up",
        label="Lasting shortfall of money coming in",
        label_zh="资金流入持续下降累积值",
        cold_start="NaN until the first settlement or account movement, unless the merchant's "
        "first event is on day 57 or before, or where the usual is 0",
        types=_INFLOW,
        feeds=("payments",),
        transform="log1p",
    ),
    Feature(
        name="repayment_delay_cusum_days",
        family="change",
        unit="days",
        windows=("last 8", "all"),
        formula="S after the last 8 dues paid (by time of payment), S = max(S + min(d - u, 15) - "
        "1, 0) from 0; d as in repayment_delay_mean_days, u = max(mean d of the dues paid before "
        "those, 0) where they are at least 4, else 0",
        direction="up",
        label="Lasting rise of repayment delays",
        label_zh="还款延迟持续上升累积天数",
        cold_start="NaN with fewer than 4 dues paid",
        types=_REPAID,
        feeds=("lending",),
        transform="log1p",
    ),
    Feature(
        name="sales_cut_days",
        family="change",
        unit="days",
        windows=("91d before 1d",),
        formula="days since the cut (see cut) of the daily turnover",
        direction="none",
        label="Days since the level of sales changed",
        label_zh="销售水平变化距今天数",
        cold_start="NaN without a cut, or unless the first sale is on day 29 or before",
        types=_SALES,
        feeds=("transactions", "signals"),
        transform="log1p",
    ),
    Feature(
        name="sales_cut_ratio",
        family="change",
        unit="ratio",
        windows=("91d before 1d",),
        formula="mean daily turnover since the cut (see cut) / before it; 1 without a cut",
        direction="down",
        label="Level of sales after its change against before",
        label_zh="销售水平变化前后之比",
        cold_start="NaN unless the first sale is on day 29 or before, or without sales before",
        types=_SALES,
        feeds=("transactions", "signals"),
        transform="log1p",
    ),
)
