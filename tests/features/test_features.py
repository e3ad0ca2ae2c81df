"""Features by hand, one small drawing each; ``test_oracle`` covers their combinations."""

import random
from collections import deque

import pytest

from features.catalogue import INDEX
from features.engine import EngineConfig, FeatureEngine
from features.layout import DAY_MS, ROW
from features.lines import LogLine
from tests.features.build import SMALL, at, last_values, line, probe, scanned


def days(first: int, last: int, amount: int = 100) -> list[LogLine]:
    return [line("order.paid", d + 0.5, amount=amount) for d in range(first, last + 1)]


def test_usual_turnover_is_scaled_to_the_history_there_is() -> None:
    # |-- 40 days at 100 a day --|-- 28 days at 50 a day --|
    found = last_values(*days(0, 39), *days(40, 67, 50), probe(67.9))
    assert found["turnover_28d_minor"] == 1400
    assert found["turnover_7d_minor"] == 350
    assert found["turnover_usual_28d_minor"] == 2800
    assert found["turnover_change_28d_ratio"] == 0.5
    assert found["turnover_change_7d_ratio"] == 0.5


def test_usual_turnover_needs_28_days_of_history_before_the_window() -> None:
    assert "turnover_usual_28d_minor" not in last_values(*days(0, 54), probe(54.9))
    assert "turnover_usual_28d_minor" in last_values(*days(0, 55), probe(55.9))


def test_a_merchant_without_a_sales_feed_has_no_turnover_rather_than_none() -> None:
    found = last_values(line("bureau.scored", 0), probe(0.1))
    assert "turnover_28d_minor" not in found
    assert found["court_cases_92d"] == 0


def test_a_merchant_that_only_borrows_has_no_kernel_features() -> None:
    assert last_values(probe(0)) == {}


def test_orders_and_invoices_of_the_same_sales_count_once() -> None:
    found = last_values(
        line("order.paid", 0, amount=1000),
        line("invoice.issued", 0, amount=900),
        line("invoice.issued", 0, amount=400),
        probe(1),
    )
    assert found["turnover_28d_minor"] == 1300
    assert found["sales_count_28d"] == 2
    assert found["sale_size_28d_minor"] == 650


def test_a_correction_counts_on_the_day_of_the_original() -> None:
    # day  0 paid 100        40 paid 100, refund of the order of day 0
    found = last_values(
        line("order.paid", 0, amount=100),
        line("order.paid", 40, amount=100),
        line("order.refunded", 40, amount=100, ordered_at=at(0)),
        probe(40.5),
    )
    assert found["turnover_28d_minor"] == 100
    assert found["refund_share_28d"] == 0


def test_a_void_without_its_original_day_counts_on_its_own() -> None:
    found = last_values(
        line("invoice.issued", 0, amount=100),
        line("invoice.voided", 1, amount=30),
        probe(2),
    )
    assert found["void_share_28d"] == 0.3
    assert found["turnover_28d_minor"] == 70


def test_refunds_without_sales_are_a_full_share_and_turnover_never_negative() -> None:
    found = last_values(
        line("order.paid", 0, amount=10), line("order.refunded", 40, amount=50), probe(41)
    )
    assert found["refund_share_28d"] == 1
    assert found["turnover_28d_minor"] == 0


def test_a_late_event_counts_where_it_belongs_until_the_ring_ends() -> None:
    engine = FeatureEngine(SMALL)
    lines = [
        line("order.paid", 120, amount=1),
        line("order.paid", 100, amount=10),
        line("order.paid", 10, amount=1000),
        probe(120.5),
    ]
    (due,) = list(engine.run(scanned(lines)))
    assert due.vector[INDEX["turnover_28d_minor"]] == 11
    assert engine.counters["late_dropped"] == 1


def test_money_of_another_currency_is_counted_but_not_summed() -> None:
    engine = FeatureEngine(SMALL)
    lines = [
        line("order.paid", 0, amount=10),
        line("order.paid", 0, amount=10_000, currency="USD"),
        probe(0.1),
    ]
    (due,) = list(engine.run(scanned(lines)))
    assert due.vector[INDEX["turnover_28d_minor"]] == 10
    assert engine.counters["currency_mismatch"] == 1
    assert engine.currency_of(due.slot) == "CNY"


def test_a_duplicate_changes_nothing_and_is_counted() -> None:
    engine = FeatureEngine(SMALL)
    paid = line("order.paid", 0, amount=10)
    (due,) = list(engine.run(scanned([paid, paid, probe(0.1)])))
    assert due.vector[INDEX["turnover_28d_minor"]] == 10
    assert engine.counters["duplicates"] == 1


@pytest.mark.parametrize("size", [1, 7, 16, 100])
def test_duplicates_are_known_among_exactly_the_last_lines(size: int) -> None:
    choose = random.Random(size)
    engine = FeatureEngine(EngineConfig(dedup_events=size))
    names = [f"e{choose.randrange(size * 3)}" for _ in range(20_000)]
    list(engine.run(scanned([line("sensor.reading", 0, event_id=name) for name in names])))
    recent: deque[str] = deque(maxlen=size)
    duplicates = 0
    for name in names:
        if name in recent:
            duplicates += 1
        else:
            recent.append(name)
    assert engine.counters["duplicates"] == duplicates > 0


def test_the_same_event_id_of_another_merchant_is_no_duplicate() -> None:
    engine = FeatureEngine(SMALL)
    list(
        engine.run(
            scanned([line("order.paid", 0, m, amount=1, event_id="same") for m in ("a", "b")])
        )
    )
    assert engine.counters["duplicates"] == 0


# day of promise  ...|--- promised day ---|--- next day ...
#                                         ^ overdue from here
def test_a_delivery_is_overdue_from_the_end_of_the_promised_day() -> None:
    paid = line("order.paid", 0, amount=1, promised_at=at(3))
    assert last_values(paid, probe(3.9))["overdue_shipments"] == 0
    found = last_values(paid, probe(4))
    assert (found["overdue_shipments"], found["overdue_shipment_share"]) == (1, 1)


@pytest.mark.parametrize(
    "kind", ["shipment.delivered", "shipment.returned", "shipment.lost", "order.cancelled"]
)
def test_a_promise_is_closed_by_whatever_ends_the_order(kind: str) -> None:
    paid = line("order.paid", 0, amount=1, promised_at=at(3))
    assert last_values(paid, line(kind, 5), probe(5.1))["overdue_shipments"] == 0


def test_a_delivery_closes_the_promise_that_it_names_else_the_oldest() -> None:
    promised = [line("order.paid", 0, amount=1, promised_at=at(d)) for d in (2, 3)]
    named = last_values(*promised, line("shipment.delivered", 3.5, promised_at=at(3)), probe(3.6))
    oldest = last_values(*promised, line("shipment.delivered", 3.5), probe(3.6))
    assert (named["overdue_shipments"], oldest["overdue_shipments"]) == (1, 0)


def test_a_promise_given_by_order_and_by_parcel_counts_once() -> None:
    found = last_values(
        line("order.paid", 0, amount=1, promised_at=at(3)),
        line("shipment.dispatched", 1, promised_at=at(3)),
        probe(4.5),
    )
    assert found["overdue_shipments"] == 1


def test_a_promise_of_the_parcel_counts_where_orders_give_none() -> None:
    found = last_values(
        line("order.paid", 0, amount=1),
        line("shipment.dispatched", 1, promised_at=at(3)),
        line("shipment.delivered", 5, promised_at=at(3)),
        line("shipment.dispatched", 5, promised_at=at(5)),
        probe(7),
    )
    assert found["overdue_shipments"] == 1
    assert found["overdue_shipment_share"] == 0.5
    assert found["late_delivery_share_28d"] == 1


def test_sales_without_shipments_show_once_they_had_time_to_ship() -> None:
    # orders on days 0 and 1, one parcel: the older order gets it
    lines = [line("order.paid", d, amount=1) for d in (0, 1)]
    lines.append(line("shipment.dispatched", 1.5))
    assert "unshipped_share_28d" not in last_values(*lines, probe(2))
    assert last_values(*lines, probe(3))["unshipped_share_28d"] == 0
    assert last_values(*lines, probe(4))["unshipped_share_28d"] == 0.5


def test_silence_is_measured_against_the_longest_pause() -> None:
    found = last_values(*[line("order.paid", d, amount=1) for d in (0, 1, 4, 5, 6)], probe(10.5))
    assert found["silence_days"] == 4.5
    assert found["silence_usual_days"] == 3


def test_a_dispute_or_court_case_is_no_sign_of_life() -> None:
    found = last_values(
        line("order.paid", 0, amount=1), line("order.disputed", 5), line("court.case", 6), probe(8)
    )
    assert found["silence_days"] == 8
    assert found["active_days_28d"] == 1


def test_purchases_net_of_those_voided_are_set_against_sales() -> None:
    found = last_values(
        line("invoice.issued", 0, amount=100),
        line("invoice.received", 0, amount=90),
        line("invoice.voided", 1, amount=40, side="received"),
        probe(2),
    )
    assert found["purchases_to_sales_28d_ratio"] == 0.5
    assert found["void_share_28d"] == 0


def test_windows_end_with_the_day_of_as_of_although_no_event_came() -> None:
    found = last_values(line("order.paid", 0, amount=10), line("order.paid", 1, "n"), probe(1.9))
    assert found["turnover_7d_minor"] == 10
    lone = [line("order.paid", 0, amount=10), probe(7)]
    assert last_values(*lone)["turnover_7d_minor"] == 0
    assert last_values(*lone)["tenure_days"] == 8


def test_a_line_of_an_unknown_type_is_counted_and_skipped() -> None:
    engine = FeatureEngine(SMALL)
    assert list(engine.run(scanned([line("order.teleported", 0)]))) == []
    assert engine.counters["unknown_types"] == 1


def test_a_day_is_a_day_of_utc() -> None:
    assert at(0) % DAY_MS == 0
    late = line("order.paid", 0, amount=1)
    late.occurred_at += DAY_MS - 1
    found = last_values(late, line("order.paid", 1, amount=1), probe(1))
    assert found["active_days_28d"] == 2


def test_a_row_is_no_larger_than_its_budget() -> None:
    assert ROW.itemsize <= 7_360
    assert ROW.itemsize % 8 == 0


def test_counts_stop_where_they_would_run_over_and_say_so() -> None:
    engine = FeatureEngine(SMALL)
    failed = [line("payment.failed", 0) for _ in range(300)]
    reviews = [line("review.posted", 0, rating=5.0) for _ in range(65_600)]
    (*_, due) = list(engine.run(scanned([*failed, *reviews, probe(0.5)])))
    assert due.vector[INDEX["failed_payments_28d"]] == 255
    assert due.vector[INDEX["review_count_4w"]] == 65_535
    assert due.vector[INDEX["review_mean_4w"]] == 5.0
    assert engine.counters["counts_saturated"] == 45 + 65


def test_money_features_of_the_merchants_first_currency_only() -> None:
    usd = {"currency": "USD"}
    found = last_values(
        line("order.paid", 0, amount=10, counterparty_id="a"),
        line("order.paid", 0, amount=1000, counterparty_id="b", **usd),
        line("account.credited", 0, amount=5, balance_minor=7),
        line("account.credited", 0.1, amount=5, balance_minor=9, **usd),
        line("shipment.delivered", 0, amount=5, **usd),
        line("invoice.received", 0, amount=5, **usd),
        probe(0.5),
    )
    assert found["buyer_top_share"] == 1
    assert (found["balance_minor"], found["inflow_28d_minor"]) == (7, 5)
    assert "delivered_unsettled_minor" not in found
    assert found["purchases_28d_minor"] == 0


def test_the_year_ring_keeps_the_net_of_weeks_that_leave_the_week_ring() -> None:
    # days 2-8 are a week; corrections reach it while it is young, old, and beyond a year
    sales = [
        line("order.paid", 2, amount=1000),
        line("invoice.issued", 8, amount=500),
        line("order.cancelled", 9, amount=100, ordered_at=at(3)),
        line("invoice.voided", 120, amount=200, issued_at=at(8)),
        line("order.paid", 355, amount=600),
    ]
    year = 2 + 52 * 7
    assert last_values(*sales, probe(year))["turnover_year_ratio"] == 600 / 1200
    engine = FeatureEngine(SMALL)
    late = line("order.refunded", 400, amount=1, ordered_at=at(2))
    list(engine.run(scanned([*sales, late, probe(400)])))
    assert engine.counters["late_dropped"] == 1


def test_a_long_pause_empties_every_ring() -> None:
    start = [
        line("order.paid", 0, amount=9, promised_at=at(2), counterparty_id="a"),
        line("shipment.dispatched", 1),
        line("shipment.delivered", 1, amount=5),
        line("invoice.issued", 1, amount=7),
        line("sensor.reading", 1),
        line("account.debited", 1, amount=3),
    ]
    found = last_values(*start, line("order.disputed", 2000), probe(2000))
    silent = {n for n, v in found.items() if v != 0}
    assert silent == {
        "silence_days",
        "sensor_silence_days",
        "logistics_silence_days",
        "payments_silence_days",
        "signals_silence_days",
        "tenure_days",
        "thin_file",
        "zero_sales_days_28d",
        "dispute_share_28d",
        "dispute_share_lagged_28d",
        "dispute_share_lagged_7d",
        "turnover_total_minor",
    }
