"""The events behind a feature are those of its types that count within its windows."""

from features.catalogue import CATALOGUE, INDEX
from features.evidence import TypeTotal, counted_at, evidence, types_of
from features.feature import Feature
from features.lines import LogLine
from schemas.events import BY_TAG

DAY_MS = 86_400_000
TODAY = 20_160 * DAY_MS
NOW = TODAY + 36_000_000


def feature(name: str) -> Feature:
    return CATALOGUE[INDEX[name]]


def event(type: str, days_ago: int, amount: int | None = None, **fields: object) -> LogLine:
    at = NOW - days_ago * DAY_MS
    currency = None if amount is None else "CNY"
    given = {"event_id": f"{type}-{days_ago}", "currency": currency, **fields}
    return LogLine(type=type, merchant_id="m", occurred_at=at, amount=amount, **given)


def ids(name: str, lines: list[LogLine], events_max: int = 100) -> list[str]:
    found = evidence(feature(name), lines, NOW, currency="CNY", events_max=events_max)
    return list(found.event_ids)


def test_events_within_the_window_are_counted_summed_and_named_latest_first() -> None:
    lines = [event("order.paid", n, 100) for n in range(40)] + [event("order.refunded", 1, 30)]
    found = evidence(feature("turnover_28d_minor"), lines, NOW, currency="CNY", events_max=2)
    assert found.count == 29
    assert found.by_type == (
        TypeTotal(type="order.paid", count=28, amount_minor=2800),
        TypeTotal(type="order.refunded", count=1, amount_minor=30),
    )
    assert (found.first_at, found.last_at) == (NOW - 27 * DAY_MS, NOW)
    assert found.event_ids == ("order.paid-0", "order.refunded-1")


def test_without_events_there_is_neither_first_nor_last() -> None:
    found = evidence(feature("court_cases_92d"), [], NOW, currency=None, events_max=5)
    assert (found.count, found.by_type, found.first_at, found.last_at) == (0, (), None, None)


def test_no_ids_are_named_where_none_are_wanted() -> None:
    assert ids("sales_count_28d", [event("order.paid", 1, 5)], events_max=0) == []


def test_another_currency_counts_but_is_not_summed() -> None:
    lines = [event("order.paid", 0, 100), event("order.paid", 1, 7, currency="USD")]
    found = evidence(feature("turnover_7d_minor"), lines, NOW, currency="CNY", events_max=5)
    assert found.by_type == (TypeTotal(type="order.paid", count=2, amount_minor=100),)


def test_a_correction_counts_at_its_original() -> None:
    old, new = NOW - 60 * DAY_MS, NOW - 5 * DAY_MS
    assert counted_at(event("order.refunded", 1, ordered_at=old)) == old
    assert counted_at(event("order.refunded", 6, ordered_at=new)) == NOW - 6 * DAY_MS
    assert counted_at(event("invoice.voided", 1, issued_at=old)) == old
    assert counted_at(event("shipment.delivered", 1, ordered_at=old)) == NOW - DAY_MS
    assert ids("refund_share_28d", [event("order.refunded", 1, 9, ordered_at=old)]) == []
    assert ids("refund_share_usual", [event("order.refunded", 1, 9, ordered_at=old)]) == [
        "order.refunded-1"
    ]


def test_dues_ahead_count_when_they_fall_due() -> None:
    lines = [
        event("repayment.due", 10, 500, due_at=NOW + 3 * DAY_MS),
        event("repayment.due", 9, 500, due_at=NOW + 40 * DAY_MS),
        event("repayment.due", 8, 500, due_at=NOW - 2 * DAY_MS),
    ]
    assert ids("due_next_28d_minor", lines) == ["repayment.due-10"]


def test_promises_ahead_count_when_they_are_due() -> None:
    lines = [
        event("order.paid", 10, 500, promised_at=NOW + 3 * DAY_MS),
        event("order.paid", 9, 500, promised_at=NOW + 20 * DAY_MS),
        event("order.paid", 8, 500, promised_at=NOW - 2 * DAY_MS),
        event("order.paid", 1, 500),
    ]
    assert ids("promises_due_14d", lines) == ["order.paid-10"]
    assert ids("late_orders_expected_14d", lines)[0] == "order.paid-1"


def test_things_as_they_stand_rest_on_everything_however_old() -> None:
    lines = [event("loan.disbursed", 300, 500), event("repayment.received", 2, 100)]
    assert ids("exposure_minor", lines) == ["repayment.received-2", "loan.disbursed-300"]


def test_what_is_read_as_it_stands_joins_what_lies_within_the_window() -> None:
    lines = [
        event("bureau.scored", 200),
        event("bureau.scored", 100),
        event("order.paid", 90, 5),
        event("order.paid", 2, 5),
    ]
    assert ids("other_debt_to_sales_ratio", lines) == ["order.paid-2", "bureau.scored-100"]


def test_voids_belong_to_the_invoices_of_their_side() -> None:
    lines = [
        event("invoice.voided", 1, 5, side="received", event_id="bought"),
        event("invoice.voided", 2, 5, side="issued", event_id="sold"),
        event("invoice.voided", 3, 5, event_id="unsaid"),
    ]
    assert ids("purchases_28d_minor", lines) == ["bought"]
    assert ids("void_share_28d", lines) == ["sold", "unsaid"]
    assert ids("margin_28d_ratio", lines) == ["bought", "sold", "unsaid"]


def test_a_feed_stands_for_all_its_types() -> None:
    assert types_of(feature("logistics_silence_days")) == {
        tag for tag, struct in BY_TAG.items() if struct.topic == "merchant.logistics"
    }


def test_every_feature_is_made_of_events_of_the_contract() -> None:
    topics = {struct.topic for struct in BY_TAG.values()}
    for each in CATALOGUE:
        assert types_of(each)
        assert set(each.types) <= set(BY_TAG) | topics
