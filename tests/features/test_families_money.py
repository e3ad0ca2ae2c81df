"""Cash, invoices, tax, signals and presence, each feature worked out by hand."""

from math import log

import pytest

from features.lines import LogLine
from tests.features.build import at, check, line, probe
from tests.features.test_families_sales import Case, daily, issued, paid
from tests.features.test_families_trade import delivered, refunded, sent


def settled(day: float, amount: int, **fields: object) -> LogLine:
    return line("settlement.received", day, amount=amount, **fields)


def credited(day: float, amount: int, **fields: object) -> LogLine:
    return line("account.credited", day, amount=amount, **fields)


def debited(day: float, amount: int, **fields: object) -> LogLine:
    return line("account.debited", day, amount=amount, **fields)


def received(day: float, amount: int = 100, **fields: object) -> LogLine:
    return line("invoice.received", day, amount=amount, **fields)


def voided(day: float, amount: int, **fields: object) -> LogLine:
    return line("invoice.voided", day, amount=amount, **fields)


def utility(day: float) -> LogLine:
    return line("utility.paid", day, amount=1)


def filed(day: float, declared: int, first: float, last: float) -> LogLine:
    return line(
        "tax.filed",
        day,
        amount=1,
        declared_turnover_minor=declared,
        period_start_at=at(first),
        period_end_at=at(last),
    )


def bureau(day: float, **fields: object) -> LogLine:
    return line("bureau.scored", day, **fields)


OPEN = [delivered(1, amount=100), delivered(2, amount=50, ordered_at=at(0))]
FLOWS = [credited(0, 100), credited(20, 50, balance_minor=500), debited(19, 30, balance_minor=7)]
UTILITIES = [utility(d) for d in (0, 30, 30, 60, 92)]
LATE_VOID = [received(20, 90), voided(30, 4, side="received", issued_at=at(0))]
INVOICES = [issued(0, 100), issued(9, 50)]
RETURN = [issued(0, 100), issued(1, 60), filed(40, 80, 0.5, 1.5)]
READINGS = [line("sensor.reading", 1), line("sensor.reading", 0)]
BUREAU = [bureau(5, score=600.5, other_debt_minor=50, currency="CNY"), bureau(4, score=700.0)]

CASES: list[Case] = [
    ("settlement_to_sales_28d_ratio", 0.8, [paid(0), settled(1, 80), probe(2)]),
    ("settlement_to_sales_28d_ratio", None, [paid(0), probe(2)]),
    ("settlement_usual_ratio", 0.75, [paid(2, 200), issued(3, 100), settled(4, 150), probe(37)]),
    ("settlement_usual_ratio", None, [paid(2, 200), settled(4, 150), probe(36)]),
    ("delivered_unsettled_minor", 30, [*OPEN, settled(3, 120), probe(4)]),
    ("delivered_unsettled_minor", 90, [*OPEN, settled(3, 60, ordered_at=at(1)), probe(4)]),
    ("delivered_unsettled_minor", 80, [*OPEN, settled(3, 70, ordered_at=at(0)), probe(4)]),
    ("delivered_unsettled_minor", 0, [*OPEN, settled(3, 999), probe(4)]),
    ("delivered_unsettled_minor", 30, [*OPEN, settled(3, 90), refunded(3, 30), probe(4)]),
    ("delivered_unsettled_minor", 80, [*OPEN, refunded(3, 70, ordered_at=at(0)), probe(4)]),
    ("delivered_unsettled_minor", 100, [*OPEN, sent(30), probe(30)]),
    ("delivered_unsettled_minor", None, [delivered(1), probe(2)]),
    ("delivered_unsettled_14d_minor", 50, [*OPEN, probe(14)]),
    ("delivered_unsettled_14d_minor", 150, [*OPEN, probe(15)]),
    ("inflow_28d_minor", 150, [*FLOWS, probe(20.5)]),
    ("inflow_28d_minor", None, [settled(0, 1), probe(1)]),
    ("outflow_28d_minor", 30, [*FLOWS, probe(20.5)]),
    ("net_inflow_28d_minor", 120, [*FLOWS, probe(20.5)]),
    ("inflow_change_14d_ratio", 0.5, [*FLOWS, probe(20.5)]),
    ("inflow_change_14d_ratio", None, [*FLOWS, probe(28)]),
    ("outflow_to_inflow_28d_ratio", 0.2, [*FLOWS, probe(20.5)]),
    ("balance_minor", 500, [*FLOWS, probe(20.5)]),
    ("balance_minor", -5, [*FLOWS, credited(20, 1, balance_minor=-5), probe(20.5)]),
    ("balance_minor", None, [credited(0, 1), probe(1)]),
    ("balance_runway_days", 365, [*FLOWS, probe(20.5)]),
    ("balance_runway_days", 140, [*FLOWS, debited(20, 70), probe(20.5)]),
    ("balance_runway_days", None, [credited(0, 1, balance_minor=9), probe(1)]),
    ("failed_payments_28d", 2, [line("payment.failed", d) for d in (0, 1, 28)]),
    ("failed_payments_7d", 1, [line("payment.failed", d) for d in (0, 1, 28)]),
    ("utility_gap_days", 3, [*UTILITIES, probe(95.9)]),
    ("utility_gap_days", None, [paid(0), probe(1)]),
    ("utility_usual_days", 30, [*UTILITIES, probe(93)]),
    ("utility_usual_days", None, [*UTILITIES[:4], probe(93)]),
    ("invoiced_28d_minor", 120, [*INVOICES, voided(10, 30), probe(11)]),
    ("invoiced_28d_minor", None, [paid(0), probe(1)]),
    ("void_share_28d", 0.2, [*INVOICES, voided(10, 30), probe(11)]),
    ("void_share_28d", 0, [*INVOICES, voided(30, 30, issued_at=at(0)), probe(30)]),
    ("void_share_usual", 0.25, [issued(2, 200), voided(9, 50, issued_at=at(3)), probe(37)]),
    ("invoices_open_minor", 30, [*INVOICES, credited(10, 120), probe(11)]),
    ("invoices_open_minor", 10, [*INVOICES, settled(10, 120), voided(10, 20), probe(11)]),
    ("invoices_open_minor", 100, [*INVOICES, voided(10, 70), probe(11)]),
    # One payment, told by the platform and a day later by the bank.
    ("invoices_open_minor", 30, [*INVOICES, settled(12, 120), credited(13, 120), probe(14)]),
    ("invoices_open_minor", 20, [*INVOICES, credited(12, 130), settled(13, 90), probe(14)]),
    # The period began on day 12: what came before it is not set against what came after.
    ("invoices_open_minor", 30, [*INVOICES, settled(11, 60), credited(12, 60), probe(14)]),
    ("invoices_open_minor", None, [paid(0), probe(1)]),
    ("invoices_open_8w_minor", 50, [issued(3, 50), probe(65)]),
    ("invoices_open_8w_minor", 0, [issued(3, 50), probe(64)]),
    ("purchases_28d_minor", 50, [received(0, 90), voided(1, 40, side="received"), probe(2)]),
    ("purchases_28d_minor", 90, [*LATE_VOID, probe(30)]),
    ("purchases_28d_minor", None, [voided(1, 40, side="received"), probe(2)]),
    ("purchases_to_sales_28d_ratio", 0.9, [paid(0), received(0, 90), probe(2)]),
    ("margin_28d_ratio", 0.1, [paid(0), received(0, 90), probe(2)]),
    ("margin_28d_ratio", -10, [paid(0, 1), received(0, 90), probe(2)]),
    ("suppliers_estimate", -512 * log(511 / 512), [received(0, counterparty_id="s"), probe(1)]),
    ("supplier_top_share", 1, [received(0, counterparty_id="s"), probe(1)]),
    (
        "supplier_new_share",
        0.2,
        [*[received(0, counterparty_id="s") for _ in range(5)], probe(1)],
    ),
    ("declared_to_invoiced_ratio", 0.5, [*RETURN, probe(41)]),
    ("declared_to_invoiced_ratio", 0.5, [*RETURN, voided(41, 9, issued_at=at(1)), probe(42)]),
    ("declared_to_invoiced_ratio", 0.8, [*RETURN, filed(40, 80, 0, 0.9), probe(41)]),
    ("declared_to_invoiced_ratio", 0.5, [*RETURN, filed(39, 80, 0, 0.9), probe(41)]),
    ("declared_to_invoiced_ratio", None, [*RETURN, line("tax.filed", 41, amount=1), probe(41)]),
    ("declared_to_invoiced_ratio", None, [issued(0), issued(94), filed(94, 9, 0, 94), probe(94)]),
    ("tax_gap_days", 5, [*RETURN, probe(45.9)]),
    ("tax_gap_days", None, [paid(0), probe(1)]),
    ("dishonoured_bills_92d", 3, [line("bill.dishonoured", d) for d in (0, 8, 9, 99)]),
    ("dishonoured_bills_92d", 8, [line("bill.dishonoured", 50) for _ in range(11)]),
    ("court_cases_92d", 1, [line("court.case", 99), line("court.case", 99, role="plaintiff")]),
    ("court_cases_92d", 0, [paid(99)]),
    ("registration_changes_92d", 1, [line("registration.changed", 99)]),
    ("bureau_score", 600.5, [*BUREAU, probe(6)]),
    ("bureau_score", 700.0, [*BUREAU, bureau(5, score=700.0), bureau(5.1), probe(6)]),
    ("other_debt_minor", 50, [*BUREAU, probe(6)]),
    ("other_debt_minor", 50, [*BUREAU, bureau(6, other_debt_minor=9, currency="USD"), probe(6)]),
    ("other_debt_minor", 9, [*BUREAU, bureau(6, other_debt_minor=9), probe(6)]),
    ("other_debt_minor", None, [bureau(5, score=1.0), probe(6)]),
    ("other_debt_to_sales_ratio", 0.5, [paid(4), *BUREAU, probe(6)]),
    ("other_debt_to_sales_ratio", None, [*BUREAU, probe(6)]),
    ("sensor_days_28d", 2, [line("sensor.reading", d) for d in (0, 1, 1.5, 28)]),
    ("sensor_days_28d", None, [paid(0), probe(1)]),
    (
        "sensor_silence_days",
        1.5,
        [*READINGS, probe(2.5)],
    ),
    ("active_days_28d", 3, [*daily(0, 2), line("order.disputed", 3), probe(4)]),
    ("silence_days", 1.5, [paid(1), paid(0), line("order.disputed", 2), probe(2.5)]),
    ("silence_days", None, [line("order.disputed", 2), probe(2.5)]),
    ("silence_usual_days", 3, [*[paid(d) for d in (0, 1, 4, 5, 6)], probe(7)]),
    ("silence_usual_days", None, [*daily(0, 3), probe(7)]),
    ("transactions_silence_days", 0.5, [paid(1), line("review.posted", 2), probe(2.5)]),
    ("logistics_silence_days", 1.5, [sent(1), sent(0), paid(2), probe(2.5)]),
    ("logistics_silence_days", None, [paid(2), probe(2.5)]),
    ("payments_silence_days", 0.5, [line("payment.failed", 2), probe(2.5)]),
    ("signals_silence_days", 0.5, [line("court.case", 2), probe(2.5)]),
    ("tenure_days", 3, [line("court.case", 1), paid(0), probe(2.5)]),
    ("thin_file", 1, [*daily(0, 8), probe(60)]),
    ("thin_file", 0, [*daily(46, 55), paid(0), probe(55.9)]),
    ("thin_file", 1, [*daily(46, 55), paid(1), probe(55.9)]),
    ("thin_file", 1, [line("sensor.reading", 0), probe(60)]),
]


@pytest.mark.parametrize(("name", "expected", "lines"), CASES)
def test_a_feature_of_money_or_presence_is_what_the_hand_finds(
    name: str, expected: float | None, lines: list[LogLine]
) -> None:
    check(name, expected, lines)
