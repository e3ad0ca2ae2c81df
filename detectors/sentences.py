"""The sentences of reasons: what a feature says where its label alone would not read as one."""

from msgspec import Struct


class Sentence(Struct, frozen=True):
    """Code and texts of a fact; ``usual`` is the catalogue's unless given."""

    code: str
    en: str
    zh: str
    usual: str | None = None
    usual_scale: float = 1.0
    en_usual: str = ", against a usual {usual}"
    zh_usual: str = "，通常为{usual}"


SENTENCES: dict[str, Sentence] = {
    "turnover_7d_minor": Sentence(
        "sales_7d",
        "Sales of the last 7 days came to {value}",
        "近7天销售额为{value}",
        usual="turnover_usual_28d_minor",
        usual_scale=0.25,
    ),
    "turnover_28d_minor": Sentence(
        "sales_28d", "Sales of the last 28 days came to {value}", "近28天销售额为{value}"
    ),
    "turnover_total_minor": Sentence(
        "sales_so_far", "All sales so far came to {value}", "累计销售额为{value}"
    ),
    "turnover_usual_28d_minor": Sentence(
        "sales_size", "Sales usually come to {value} in 28 days", "通常28天销售额为{value}"
    ),
    "sales_count_28d": Sentence(
        "sales_count", "{value} sales were made in the last 28 days", "近28天成交{value}笔"
    ),
    "turnover_change_7d_ratio": Sentence(
        "sales_change_7d",
        "Sales of the last 7 days stand at {value} of the usual",
        "近7天销售额为平常的{value}",
    ),
    "turnover_change_28d_ratio": Sentence(
        "sales_change_28d",
        "Sales of the last 28 days stand at {value} of the usual",
        "近28天销售额为平常的{value}",
    ),
    "turnover_trend_12w_ratio": Sentence(
        "sales_trend",
        "Sales changed by {value} a week over the last 12 weeks",
        "近12周销售额平均每周变化{value}",
    ),
    "turnover_year_ratio": Sentence(
        "sales_year",
        "Sales of the last 4 weeks stand at {value} of those a year before",
        "近4周销售额为上年同期的{value}",
    ),
    "turnover_volatility_ratio": Sentence(
        "sales_volatility",
        "Sales vary from week to week by {value} of their mean",
        "每周销售额波动为均值的{value}",
    ),
    "zero_sales_days_28d": Sentence(
        "days_without_sales",
        "There were no sales on {value} of the last 28 days",
        "近28天中有{value}天没有销售",
    ),
    "daily_sales_surprise_score": Sentence(
        "daily_sales_surprise",
        "Sales of the last full day lay {value} deviations from the usual of that weekday",
        "昨日销售额偏离同星期平日水平{value}个标准差",
    ),
    "sales_burst_24h_ratio": Sentence(
        "sales_burst",
        "The number of sales in 24 hours stands at {value} of a usual day",
        "近24小时成交笔数为平常一天的{value}",
    ),
    "sales_hour_surprise_score": Sentence(
        "hourly_sales_surprise",
        "The number of sales of the last 6 hours lay {value} deviations from the usual",
        "近6小时成交笔数偏离平常水平{value}个标准差",
    ),
    "sale_size_28d_minor": Sentence(
        "sale_size",
        "The mean sale of the last 28 days was {value}",
        "近28天平均每笔销售额为{value}",
    ),
    "sale_size_change_ratio": Sentence(
        "sale_size_change",
        "The mean sale of the last 7 days stands at {value} of that of 28 days",
        "近7天笔单价为近28天的{value}",
    ),
    "refund_share_28d": Sentence(
        "refund_share",
        "Refunds took {value} of sales in the last 28 days",
        "近28天退款占销售额{value}",
    ),
    "refund_share_7d": Sentence(
        "refund_share_7d",
        "Refunds took {value} of sales in the last 7 days",
        "近7天退款占销售额{value}",
    ),
    "refund_share_usual": Sentence(
        "refund_share_usual", "Refunds usually take {value} of sales", "退款通常占销售额{value}"
    ),
    "cancel_share_28d": Sentence(
        "cancel_share",
        "{value} of the orders of the last 28 days were cancelled",
        "近28天有{value}的订单被取消",
    ),
    "dispute_share_28d": Sentence(
        "dispute_share",
        "{value} of the sales of the last 28 days were disputed",
        "近28天有{value}的销售被争议",
    ),
    "dispute_share_lagged_28d": Sentence(
        "dispute_share_lagged",
        "Disputes of the last 28 days came to {value} of the sales that they come from",
        "近28天的争议占对应时段成交的{value}",
    ),
    "dispute_share_lagged_7d": Sentence(
        "dispute_share_lagged_7d",
        "Disputes of the last 7 days came to {value} of the sales that they come from",
        "近7天的争议占对应时段成交的{value}",
    ),
    "dispute_share_usual": Sentence(
        "dispute_share_usual", "{value} of sales are usually disputed", "通常有{value}的销售被争议"
    ),
    "review_mean_4w": Sentence(
        "reviews_4w",
        "The mean review of the last 4 weeks is {value} of 5 stars",
        "近4周平均评分为{value}（满分5星）",
    ),
    "review_mean_13w": Sentence(
        "reviews",
        "The mean review of the last 13 weeks is {value} of 5 stars",
        "近13周平均评分为{value}（满分5星）",
    ),
    "buyers_estimate": Sentence(
        "buyers", "About {value} buyers bought in the last two months", "近两个月约有{value}个买家"
    ),
    "buyer_top_share": Sentence(
        "buyer_concentration",
        "The largest buyer makes up {value} of sales",
        "最大买家占销售额{value}",
    ),
    "buyer_new_share": Sentence(
        "new_buyers", "{value} of recent sales went to new buyers", "近期有{value}的成交来自新买家"
    ),
    "dispatch_delay_28d_hours": Sentence(
        "dispatch_delay",
        "Orders of the last 28 days took {value} from order to dispatch on average",
        "近28天订单平均{value}发货",
    ),
    "late_delivery_share_28d": Sentence(
        "late_delivery_share",
        "{value} of the deliveries of the last 28 days came after their promised date",
        "近28天有{value}的订单晚于承诺送达",
    ),
    "lost_share_28d": Sentence(
        "lost_share",
        "{value} of the parcels of the last 28 days were lost",
        "近28天有{value}的包裹丢失",
    ),
    "return_share_28d": Sentence(
        "return_share",
        "{value} of the parcels of the last 28 days came back",
        "近28天有{value}的包裹被退回",
    ),
    "overdue_shipments": Sentence(
        "overdue_shipments",
        "{value} deliveries are past their promised date",
        "{value}笔订单超过承诺送达时间",
    ),
    "overdue_shipment_share": Sentence(
        "overdue_shipment_share",
        "{value} of the deliveries promised for the last 28 days are overdue",
        "近28天应送达订单中有{value}逾期未达",
    ),
    "promises_due_14d": Sentence(
        "promises_due",
        "{value} deliveries are promised for the next 14 days and open",
        "未来14天应送达且尚未完成的订单有{value}笔",
    ),
    "late_orders_expected_14d": Sentence(
        "late_orders_expected",
        "At the present rate {value} orders of the next 14 days will come late",
        "按目前情况，未来14天预计有{value}笔订单逾期",
    ),
    "unshipped_share_28d": Sentence(
        "unshipped_share",
        "{value} of the paid orders of a month, the last 3 days aside, were not shipped",
        "近一月（最近3天除外）有{value}的已付款订单未发货",
    ),
    "unshipped_orders_28d": Sentence(
        "unshipped_orders",
        "{value} paid orders of a month, the last 3 days aside, were not shipped",
        "近一月（最近3天除外）有{value}笔已付款订单未发货",
    ),
    "oldest_unshipped_days": Sentence(
        "oldest_unshipped",
        "The oldest paid order not shipped has waited {value}",
        "最早未发货的已付款订单已等待{value}",
    ),
    "parcels_without_orders_share": Sentence(
        "parcels_without_orders",
        "{value} of the parcels of the last 28 days had no order behind them",
        "近28天有{value}的包裹没有对应订单",
    ),
    "settlement_to_sales_28d_ratio": Sentence(
        "settlement_share",
        "Settlements received in the last 28 days came to {value} of sales",
        "近28天到账结算款为销售额的{value}",
    ),
    "net_inflow_28d_minor": Sentence(
        "net_inflow",
        "The account's net inflow of the last 28 days was {value}",
        "近28天账户净流入为{value}",
    ),
    "inflow_change_14d_ratio": Sentence(
        "inflow_change",
        "Money that came in over 14 days stands at {value} of the 14 days before",
        "近14天账户流入为此前14天的{value}",
    ),
    "outflow_to_inflow_28d_ratio": Sentence(
        "outflow_share",
        "Money that went out in 28 days came to {value} of money that came in",
        "近28天账户流出为流入的{value}",
    ),
    "balance_runway_days": Sentence(
        "balance_runway",
        "The account's balance lasts {value} at the present outflow",
        "按目前支出，账户余额可支撑{value}",
    ),
    "failed_payments_28d": Sentence(
        "failed_payments",
        "{value} payments by the merchant failed in the last 28 days",
        "近28天有{value}笔付款失败",
    ),
    "failed_payments_7d": Sentence(
        "failed_payments_7d",
        "{value} payments by the merchant failed in the last 7 days",
        "近7天有{value}笔付款失败",
    ),
    "utility_gap_days": Sentence(
        "utility_gap", "No utility bill was paid for {value}", "已有{value}未缴纳水电费"
    ),
    "void_share_28d": Sentence(
        "void_share",
        "{value} of the amount invoiced in the last 28 days was voided",
        "近28天开票金额有{value}被作废或冲红",
    ),
    "void_share_usual": Sentence(
        "void_share_usual",
        "{value} of the amount invoiced is usually voided",
        "通常有{value}的开票金额被作废或冲红",
    ),
    "purchases_to_sales_28d_ratio": Sentence(
        "purchases_share",
        "Purchases of the last 28 days came to {value} of sales",
        "近28天采购额为销售额的{value}",
    ),
    "margin_28d_ratio": Sentence(
        "margin",
        "Purchases leave {value} of the sales of 28 days",
        "扣除采购后，近28天销售额余{value}",
    ),
    "supplier_top_share": Sentence(
        "supplier_concentration",
        "The largest supplier makes up {value} of purchases",
        "最大供应商占采购额{value}",
    ),
    "declared_to_invoiced_ratio": Sentence(
        "declared_share",
        "Turnover declared for tax came to {value} of what was invoiced",
        "纳税申报收入为开票金额的{value}",
    ),
    "tax_gap_days": Sentence(
        "tax_gap", "No tax return was filed for {value}", "已有{value}未作纳税申报"
    ),
    "dishonoured_bills_92d": Sentence(
        "dishonoured_bills",
        "{value} bills were dishonoured in the last 92 days",
        "近92天有{value}张票据被拒付",
    ),
    "court_cases_92d": Sentence(
        "court_cases",
        "{value} court cases named the merchant in the last 92 days",
        "近92天有{value}起涉诉案件",
    ),
    "registration_changes_92d": Sentence(
        "registration_changes",
        "The business registration changed {value} times in the last 92 days",
        "近92天工商登记变更{value}次",
    ),
    "bureau_score": Sentence(
        "bureau_score", "The credit bureau's score is {value}", "征信评分为{value}"
    ),
    "other_debt_minor": Sentence(
        "other_debt", "Debt with other lenders is {value}", "在其他机构的负债余额为{value}"
    ),
    "other_debt_to_sales_ratio": Sentence(
        "other_debt_share",
        "Debt with other lenders comes to {value} of the sales of 28 days",
        "在其他机构的负债为近28天销售额的{value}",
    ),
    "sensor_days_28d": Sentence(
        "machine_days", "Machines ran on {value} of the last 28 days", "近28天中设备有{value}天运行"
    ),
    "active_days_28d": Sentence(
        "active_days",
        "There was business on {value} of the last 28 days",
        "近28天中有{value}天有经营活动",
    ),
    "silence_days": Sentence(
        "days_silent",
        "There was no business for {value}",
        "已有{value}无经营活动",
        en_usual=", against a longest usual pause of {usual}",
        zh_usual="，通常最长间隔{usual}",
    ),
    "silence_usual_days": Sentence(
        "usual_pause", "The longest usual pause in business is {value}", "通常最长经营间隔为{value}"
    ),
    "transactions_silence_days": Sentence(
        "days_without_orders",
        "There was no order or review for {value}",
        "已有{value}没有订单或评价",
    ),
    "logistics_silence_days": Sentence(
        "days_without_parcels", "No parcel moved for {value}", "已有{value}没有物流动态"
    ),
    "payments_silence_days": Sentence(
        "days_without_payments", "No money moved for {value}", "已有{value}没有资金往来"
    ),
    "tenure_days": Sentence(
        "tenure", "The merchant has been known for {value}", "已知该商户{value}"
    ),
    "exposure_minor": Sentence(
        "exposure", "The amount outstanding is {value}", "未偿还金额为{value}"
    ),
    "utilisation": Sentence("utilisation", "{value} of the limit is drawn", "额度已使用{value}"),
    "days_past_due": Sentence(
        "days_past_due",
        "The oldest unpaid instalment is {value} past due",
        "最早未还款项已逾期{value}",
    ),
    "past_due_minor": Sentence("past_due_amount", "{value} is past due", "逾期未还金额为{value}"),
    "past_due_count": Sentence(
        "past_due_count", "{value} instalments are past due", "有{value}期未按时还款"
    ),
    "due_next_28d_minor": Sentence(
        "due_next_28d", "{value} falls due within 28 days", "未来28天内应还{value}"
    ),
    "repayment_late_share": Sentence(
        "repayment_late_share", "{value} of past repayments came late", "历史还款中有{value}逾期"
    ),
    "repayment_delay_mean_days": Sentence(
        "repayment_delay_mean",
        "Past repayments came {value} after their due date on average",
        "历史还款平均晚于到期日{value}",
    ),
    "repayment_delay_last_days": Sentence(
        "repayment_delay_last",
        "The last repayment came {value} after its due date",
        "最近一次还款晚于到期日{value}",
    ),
    "sales_fall_cusum_score": Sentence(
        "sales_fall_lasting",
        "Daily sales of the last 4 weeks fell short of the usual by {value}, where a day without "
        "any counts 2.5",
        "近4周日销售额低于平常的累积缺口为{value}（无销售的一天计2.5）",
    ),
    "inflow_fall_cusum_score": Sentence(
        "inflow_fall_lasting",
        "Money that came in over the last 4 weeks fell short of the usual by {value}, where a day "
        "without any counts 2.5",
        "近4周资金流入低于平常的累积缺口为{value}（无流入的一天计2.5）",
    ),
    "repayment_delay_cusum_days": Sentence(
        "repayment_delays_rise",
        "The last repayments came {value} later than usual in sum",
        "最近几次还款比平常累计多延迟{value}",
    ),
    "sales_cut_days": Sentence(
        "sales_level_since", "The level of sales changed {value} ago", "销售水平于{value}前发生变化"
    ),
    "sales_cut_ratio": Sentence(
        "sales_level_change",
        "Daily sales stand at {value} of those before their level last changed",
        "日均销售额为最近一次水平变化前的{value}",
    ),
    "loans_settled_count": Sentence(
        "loans_settled", "{value} loans were repaid in full so far", "已全额结清{value}笔贷款"
    ),
}
"""Feature -> its sentence."""
