"""The expert prior: what the default-risk model believes before the first label.

Each entry is (mean, standard deviation, weight) of an input on its transformed scale (see
``detectors.transform``): a plausible micro-merchant, and the log-odds that one standard deviation
adds. Weights are judgement, as in a points scorecard set up without data (Siddiqi, 2006, ch. 1),
not estimates: repayment behaviour first, then cash events, size, and the trend of sales; of size
the whole of it, all sales so far, before that of a month (small firms fail more often: Altman and
Sabato, 2007). Their signs follow the catalogue's ``direction`` (a test holds that); features
without a direction weigh 0 and wait for data. Learning replaces all three numbers; they count as
``PRIOR_COUNT`` merchants.

The features named here are the inputs of the model; the others serve rules, the desk and reasons.
A logistic regression shares a weight out among inputs that say the same, which then move and
explain a score by accident, and a label is rare: so an input must say what no other says. Left out:

- the same amount or count over another window (a day, a week, 92 days), of two mirror images one
  (margin against purchases, orders not shipped against their share), and of disputes the share that
  divides by sales too young to be disputed;
- amounts that follow the size of the business without a trend of it (balance, inflow, invoices
  open, dues ahead): shares, ratios and days of them are inputs instead;
- percentiles of amounts but three: sales, net inflow and debt among peers, by which a file too thin
  for a usual of its own is judged. All others repeat their amount on another scale.
"""

PRIOR_VERSION = "prior-3"
PRIOR_HORIZON_DAYS = 90
PRIOR_PROBABILITY = 0.035
"""Default within the horizon of the mean merchant."""
MISSING_SHARE = 0.5
"""Share of merchants assumed to lack a feed; its indicator weighs 0 until learnt."""

PRIOR: dict[str, tuple[float, float, float]] = {
    "turnover_7d_minor": (13.0, 3.0, -0.05),
    "turnover_28d_minor": (14.5, 3.0, -0.15),
    "turnover_total_minor": (16.7, 3.0, -0.50),
    "turnover_usual_28d_minor": (14.5, 3.0, -0.15),
    "sales_count_28d": (3.5, 1.5, -0.15),
    "turnover_change_7d_ratio": (0.69, 0.50, -0.20),
    "turnover_change_28d_ratio": (0.69, 0.45, -0.35),
    "turnover_trend_12w_ratio": (0.0, 0.05, -0.10),
    "turnover_year_ratio": (0.72, 0.40, -0.10),
    "turnover_volatility_ratio": (0.8, 0.60, 0.20),
    "zero_sales_days_28d": (5.0, 6.0, 0.05),
    "daily_sales_surprise_score": (0.0, 2.5, -0.05),
    "sales_burst_24h_ratio": (0.69, 0.50, 0.05),
    "sale_size_28d_minor": (10.0, 3.0, 0.0),
    "sale_size_change_ratio": (0.69, 0.30, 0.0),
    "refund_share_28d": (0.03, 0.06, 0.15),
    "refund_share_usual": (0.03, 0.05, 0.0),
    "cancel_share_28d": (0.04, 0.08, 0.10),
    "dispute_share_lagged_28d": (0.002, 0.006, 0.15),
    "dispute_share_lagged_7d": (0.002, 0.010, 0.10),
    "dispute_share_usual": (0.002, 0.005, 0.0),
    "review_mean_13w": (4.3, 0.6, -0.10),
    "buyers_estimate": (3.5, 1.3, -0.05),
    "buyer_top_share": (0.30, 0.25, 0.10),
    "buyer_new_share": (0.5, 0.3, 0.0),
    "dispatch_delay_28d_hours": (3.2, 0.8, 0.05),
    "late_delivery_share_28d": (0.07, 0.12, 0.10),
    "lost_share_28d": (0.005, 0.02, 0.05),
    "return_share_28d": (0.03, 0.06, 0.05),
    "overdue_shipments": (0.7, 1.0, 0.10),
    "overdue_shipment_share": (0.05, 0.12, 0.20),
    "promises_due_14d": (1.5, 1.3, 0.0),
    "late_orders_expected_14d": (0.7, 0.8, 0.05),
    "unshipped_share_28d": (0.05, 0.12, 0.15),
    "parcels_without_orders_share": (0.05, 0.15, 0.05),
    "settlement_to_sales_28d_ratio": (0.6, 0.25, -0.15),
    "net_inflow_28d_minor": (5.0, 12.0, -0.15),
    "inflow_change_14d_ratio": (0.69, 0.40, -0.10),
    "outflow_to_inflow_28d_ratio": (0.69, 0.30, 0.10),
    "balance_runway_days": (2.7, 1.2, -0.20),
    "failed_payments_28d": (0.10, 0.35, 0.35),
    "utility_gap_days": (3.0, 0.7, 0.10),
    "void_share_28d": (0.05, 0.10, 0.15),
    "void_share_usual": (0.05, 0.10, 0.0),
    "purchases_to_sales_28d_ratio": (0.45, 0.30, 0.05),
    "supplier_top_share": (0.40, 0.25, 0.05),
    "declared_to_invoiced_ratio": (0.69, 0.30, 0.0),
    "tax_gap_days": (3.6, 0.7, 0.05),
    "dishonoured_bills_92d": (0.02, 0.15, 0.30),
    "court_cases_92d": (0.02, 0.15, 0.30),
    "registration_changes_92d": (0.03, 0.17, 0.10),
    "bureau_score": (7.1, 0.3, -0.25),
    "other_debt_to_sales_ratio": (1.0, 0.8, 0.15),
    "sensor_days_28d": (20.0, 7.0, -0.10),
    "active_days_28d": (18.0, 8.0, -0.20),
    "silence_days": (0.9, 0.8, 0.30),
    "silence_usual_days": (1.5, 0.7, 0.0),
    "transactions_silence_days": (0.9, 0.9, 0.05),
    "payments_silence_days": (1.0, 0.9, 0.10),
    "tenure_days": (5.5, 1.0, -0.25),
    "thin_file": (0.4, 0.5, 0.0),
    "exposure_minor": (7.0, 7.0, 0.0),
    "utilisation": (0.4, 0.35, 0.30),
    "days_past_due": (0.15, 0.6, 0.70),
    "repayment_late_share": (0.15, 0.25, 0.40),
    "repayment_delay_mean_days": (-0.3, 1.5, 0.20),
    "repayment_delay_last_days": (-0.3, 1.7, 0.20),
    "loans_settled_count": (0.7, 0.8, -0.25),
    "sales_fall_cusum_score": (1.3, 1.0, 0.20),
    "inflow_fall_cusum_score": (1.3, 1.0, 0.10),
    "repayment_delay_cusum_days": (0.5, 1.0, 0.15),
    "sales_cut_ratio": (0.69, 0.20, -0.10),
    "turnover_28d_peer_percentile": (0.5, 0.29, -0.10),
    "net_inflow_28d_peer_percentile": (0.5, 0.29, -0.05),
    "exposure_peer_percentile": (0.5, 0.29, 0.0),
}
"""Feature -> (mean, standard deviation, weight in log-odds per standard deviation)."""
