"""The economy obeys its own books, and what is planted shows in the events."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credit.policy import load_policy
from ops.errors import ConfigurationError
from schemas.codec import Limits, decode_event
from streams.artifacts import builtin_policy
from tideline.simulator.arrivals import Delivery
from tideline.simulator.economy import Economy, Scenario
from tideline.simulator.planted import KINDS
from tideline.simulator.rows import FEED_OF, FEEDS, TYPES, Rows

GOLDEN = Path(__file__).parent / "golden.ndjson"
GOLDEN_LINES = 40
DAY_MS = 86_400_000
LONG = Scenario(merchants=200, days=190, seed=11, share_bad=0.6)
Event = dict[str, Any]


class Ran:
    """A run with all that it gave."""

    def __init__(self, scenario: Scenario) -> None:
        self.economy = Economy(scenario)
        self.lines = list(self.economy.lines())
        self.events: list[Event] = [msgspec.json.decode(line) for line in self.lines]
        records = list(self.economy.truth())
        self.world = [record for record in records if "event" in record]
        self.truth = {r["merchant_id"]: r for r in records if "merchant_id" in r}
        self._by: defaultdict[tuple[str, str], list[Event]] = defaultdict(list)
        for event in self.events:
            self._by[event["merchant_id"], event["type"]].append(event)

    def told(self, merchant_id: str, kind: str) -> list[Event]:
        """Events of one merchant and type in order of arrival."""
        return self._by[merchant_id, kind]

    def of_kind(self, kind: str) -> list[dict[str, Any]]:
        """Truth of the merchants with one planted kind."""
        return [r for r in self.truth.values() if r["kind"] == kind]


@pytest.fixture(scope="module")
def ran() -> Ran:
    """One run of which much is asked."""
    return Ran(LONG)


def small(**changes: Any) -> Scenario:
    """A scenario of few merchants and days."""
    scenario = Scenario(merchants=40, days=12, seed=3)
    return msgspec.structs.replace(scenario, **changes)


def test_the_bytes_are_those_of_the_golden_run() -> None:
    economy = Economy(small())
    lines = list(economy.lines())
    truth = b"\n".join(msgspec.json.encode(record) for record in economy.truth())
    digest = hashlib.sha256(b"\n".join(lines) + truth).hexdigest()
    head = b"\n".join([*lines[:GOLDEN_LINES], digest.encode()]) + b"\n"
    assert head == GOLDEN.read_bytes()


def test_merchants_apply_for_products_that_ship_through_channels_that_they_have(ran: Ran) -> None:
    offered = load_policy(builtin_policy("portfolio-1.yaml")).terms
    applied = [event for event in ran.events if event["type"] == "credit.applied"]
    assert len({event["product"] for event in applied}) == 6
    for event in applied:
        names = {channel.name for channel in offered[event["product"]].channels}
        assert event.get("channel") in (names or {None})


@given(seed=st.integers(0, 2**63 - 1))
@settings(max_examples=5, deadline=None)
def test_equal_scenarios_give_equal_bytes_and_other_seeds_others(seed: int) -> None:
    def lines(seed: int) -> list[bytes]:
        return list(Economy(small(seed=seed, days=4)).lines())

    first = lines(seed)
    assert first == lines(seed)
    assert first != lines(seed ^ 1)


def test_every_event_is_taken_by_intake(ran: Ran) -> None:
    now = ran.economy.start_ms + LONG.days * DAY_MS
    for line in ran.lines:
        decode_event(line, now_ms=now, limits=Limits(), privacy_key=b"k" * 32)
    seen = {event["type"] for event in ran.events}
    assert set(TYPES) - seen <= {"bill.dishonoured"}  # a core enterprise must fail for one


def test_an_identifier_comes_again_only_where_the_whole_event_does() -> None:
    ran = Ran(small(merchants=200, days=60, share_bad=0.8, delivery=Delivery(twice=0.02)))
    lines: defaultdict[str, set[bytes]] = defaultdict(set)
    for event, line in zip(ran.events, ran.lines, strict=True):
        lines[event["event_id"]].add(line)
    assert max(map(len, lines.values())) == 1
    assert 0.01 < 1 - len(lines) / len(ran.lines) < 0.03


def test_events_come_in_order_of_arrival_and_only_the_stated_share_is_late() -> None:
    def late(share: float) -> float:
        economy = Economy(small(merchants=150, days=30, delivery=Delivery(late=share, twice=0.0)))
        rows = np.concatenate(list(economy.rows()))
        assert (np.diff(rows["arrives"]) >= 0).all()
        outages = economy.world.outages
        apart = np.ones(len(rows), np.bool_)
        for outage in outages:
            apart &= FEED_OF[rows["kind"]] != outage.feed
        return float((rows["arrives"] - rows["at"] > 60_000)[apart].mean())

    assert late(0.0) == 0.0
    assert late(0.05) == pytest.approx(0.05, rel=0.15)


def test_what_waits_is_bounded_by_merchants_and_not_by_days() -> None:
    economy = Economy(small(merchants=500, days=80))
    waiting = []
    for _ in economy.rows():
        waiting.append(economy.arrivals.waiting)  # noqa: PERF401
    third = len(waiting) // 3
    assert max(waiting[2 * third :]) < 1.6 * max(waiting[third : 2 * third])
    assert max(waiting) < 16 * economy.scenario.merchants


def test_money_lent_is_repaid_outstanding_or_written_off(ran: Ran) -> None:
    lent: Counter[str] = Counter()
    for event in unique(ran.events):
        if event["type"] == "loan.disbursed":
            lent[event["merchant_id"]] += event["amount"]
    for name, truth in ran.truth.items():
        parts = truth["repaid_minor"], truth["outstanding_minor"], truth["written_off_minor"]
        assert truth["disbursed_minor"] == sum(parts) == lent[name]
        assert min(parts) >= 0
    assert any(truth["written_off_minor"] for truth in ran.truth.values())


def test_a_default_is_ninety_days_after_a_missed_repayment(ran: Ran) -> None:
    defaulted = [r for r in ran.truth.values() if r["defaulted_at"] is not None]
    told = {e["merchant_id"] for e in ran.events if e["type"] == "loan.defaulted"}
    assert {r["merchant_id"] for r in defaulted} == told
    assert defaulted
    for record in defaulted:
        if not record["missed_before_onset"]:
            assert record["defaulted_at"] - record["first_missed_at"] >= 89 * DAY_MS


def unique(events: Iterable[Event]) -> list[Event]:
    """Events without those that came twice."""
    return list({event["event_id"]: event for event in events}.values())


def daily(ran: Ran, record: dict[str, Any], kind: str, since: int, until: int) -> float:
    """Events of a kind a day, from ``since`` to ``until`` days after the onset."""
    onset = record["onset_at"]
    low, high = onset + since * DAY_MS, onset + until * DAY_MS
    told = ran.told(record["merchant_id"], kind)
    return sum(low <= event["occurred_at"] < high for event in told) / (until - since)


def before_and_after(
    ran: Ran, planted: str, kind: str, since: int, until: int
) -> tuple[float, float]:
    """Events of a kind a day over all merchants with a planted kind, 30 days before and after."""
    found = ran.of_kind(planted)
    assert found, f"nothing of {planted} in the run"
    before = sum(daily(ran, record, kind, -30, 0) for record in found)
    return before, sum(daily(ran, record, kind, since, until) for record in found)


def test_sales_that_collapse_do_fall(ran: Ran) -> None:
    before, after = before_and_after(ran, "sales_collapse", "order.paid", 10, 40)
    assert after < 0.5 * before


def test_a_slow_decline_is_slow(ran: Ran) -> None:
    before, after = before_and_after(ran, "slow_decline", "order.paid", 0, 20)
    assert after > 0.7 * before
    assert before_and_after(ran, "slow_decline", "order.paid", 70, 90)[1] < 0.8 * before


def test_fabricated_sales_have_no_parcels(ran: Ran) -> None:
    orders = before_and_after(ran, "fabricated_sales", "order.paid", 15, 60)
    parcels = before_and_after(ran, "fabricated_sales", "shipment.dispatched", 15, 60)
    assert orders[1] > 1.5 * orders[0]
    assert parcels[1] < parcels[0]


def test_a_bust_out_bursts_borrows_and_falls_silent(ran: Ran) -> None:
    before, burst = before_and_after(ran, "bust_out", "order.paid", 0, 17)
    assert burst > 1.8 * before
    assert before_and_after(ran, "bust_out", "order.paid", 19, 50)[1] == 0
    assert all(daily(ran, record, "loan.disbursed", 5, 8) for record in ran.of_kind("bust_out"))


def test_refunds_and_disputes_rise_where_they_are_abused(ran: Ran) -> None:
    orders = before_and_after(ran, "refund_abuse", "order.paid", 15, 45)
    refunds = before_and_after(ran, "refund_abuse", "order.refunded", 15, 45)
    assert refunds[1] / orders[1] > 3 * refunds[0] / orders[0]
    disputes = before_and_after(ran, "refund_abuse", "order.disputed", 30, 60)
    assert disputes[1] > 3 * disputes[0]


def test_a_taken_over_merchant_changes_its_payout_account_and_is_paid_no_more(ran: Ran) -> None:
    taken = ran.of_kind("takeover")
    assert taken
    for record in taken:
        changes = [
            event["field"]
            for event in ran.told(record["merchant_id"], "registration.changed")
            if 0 <= event["occurred_at"] - record["onset_at"] < 10 * DAY_MS
        ]
        assert "payout_account" in changes
    settled = [sums(ran, record, "settlement.received") for record in taken]
    assert sum(after for _, after in settled) < 0.15 * sum(before for before, _ in settled)


def sums(ran: Ran, record: dict[str, Any], kind: str) -> tuple[int, int]:
    """Money of a kind in the 30 days before the onset and in days 10 to 40 after it."""
    before = after = 0
    for event in ran.told(record["merchant_id"], kind):
        since = (event["occurred_at"] - record["onset_at"]) / DAY_MS
        before += event["amount"] if -30 <= since < 0 else 0
        after += event["amount"] if 10 <= since < 40 else 0
    return before, after


def test_planted_merchants_miss_more_repayments_than_others(ran: Ran) -> None:
    def missed(records: list[dict[str, Any]]) -> float:
        lent = [r for r in records if r["loans"]]
        return sum(r["first_missed_at"] is not None for r in lent) / len(lent)

    planted = [r for r in ran.truth.values() if r["kind"] != KINDS[0]]
    assert missed(planted) > 3 * missed(ran.of_kind(KINDS[0])) > 0


def test_a_silent_feed_brings_nothing_from_anyone_while_it_is_silent() -> None:
    economy = Economy(small(merchants=60, days=230))
    rows = np.concatenate(list(economy.rows()))
    outages = economy.world.outages
    assert outages
    for outage in outages:
        mine = FEED_OF[rows["kind"]] == outage.feed
        silent = (rows["arrives"] >= outage.from_ms) & (rows["arrives"] < outage.until_ms)
        assert not (mine & silent).any()
        assert (~mine & silent).any()
        # Some of a feed that lost all of it was late anyway, and came after.
        came = within(rows[mine], outage.from_ms, outage.until_ms)
        usual = within(rows[mine], outage.from_ms - 7 * DAY_MS, outage.until_ms - 7 * DAY_MS)
        assert came > 0.5 * usual if outage.delivered_later else came < 0.1 * usual
    told = {r["feed"] for r in economy.truth() if r.get("event") == "feed_outage"}
    assert told == {FEEDS[outage.feed] for outage in outages}


def within(rows: Rows, start: int, end: int) -> int:
    """How many events occurred in a span of time."""
    return int(((rows["at"] >= start) & (rows["at"] < end)).sum())


def test_suppliers_of_a_core_enterprise_that_fails_are_not_paid() -> None:
    ran = Ran(small(merchants=60, days=150, seed=2, share_bad=0.1, segments=("manufacturer",)))
    hit = ran.of_kind("core_default")
    assert hit
    pairs = [sums(ran, record, "settlement.received") for record in hit]
    assert sum(before for before, _ in pairs) > 0 == sum(after for _, after in pairs)


def test_without_trouble_nothing_is_planted_and_few_miss_a_repayment() -> None:
    ran = Ran(small(merchants=100, days=200, share_bad=0.0))
    assert {record["kind"] for record in ran.truth.values()} == {"none"}
    assert {record["event"] for record in ran.world} <= {"feed_outage"}
    missed = sum(record["first_missed_at"] is not None for record in ran.truth.values())
    assert missed < 0.15 * len(ran.truth)


def test_the_new_year_dips_and_double_eleven_peaks() -> None:
    start = date(2023, 10, 1)
    ran = Ran(small(merchants=80, days=140, start=start, share_bad=0.0))
    paid: Counter[date] = Counter()
    first = ran.economy.start_ms // DAY_MS
    for event in unique(ran.events):
        if event["type"] == "order.paid" and event.get("promised_at"):
            paid[start + timedelta(event["occurred_at"] // DAY_MS - first)] += 1
    usual = sum(paid[date(2023, 10, day)] for day in range(9, 29)) / 20
    assert paid[date(2023, 11, 11)] > 2.5 * usual
    assert sum(paid[date(2024, 2, day)] for day in range(10, 16)) / 6 < 0.5 * usual


def test_broken_lines_are_as_many_as_asked_for() -> None:
    lines = list(Economy(small(malformed=0.1)).lines())
    broken = 0
    for line in lines:
        try:
            msgspec.json.decode(line)
        except msgspec.DecodeError:
            broken += 1
    assert broken / len(lines) == pytest.approx(0.1, rel=0.3)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"merchants": 0}, "--merchants"),
        ({"days": 0}, "--days"),
        ({"seed": -1}, "--seed"),
        ({"share_bad": 1.5}, "--share-bad"),
        ({"activity": 0.0}, "--activity"),
        ({"delivery": Delivery(late=2.0)}, "--late-share"),
        ({"delivery": Delivery(twice=-0.1)}, "--duplicate-share"),
        ({"malformed": -1.0}, "--malformed-share"),
        ({"segments": ("bakers",)}, "bakers"),
        ({"start": date(1999, 1, 1)}, "--start"),
        ({"start": date(2034, 12, 1), "days": 900}, "--start"),
    ],
)
def test_what_is_out_of_bounds_is_named(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        Economy(small(**changes))
