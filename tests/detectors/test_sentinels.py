"""Rules fire on falls from the usual with evidence behind them, and on nothing else."""

import math

import pytest
from hypothesis import given, settings
from msgspec.structs import replace

from detectors.rules import RuleBook
from detectors.sentinels import SEVERITY_RANK, cleared, evaluate
from features.catalogue import INDEX
from tests.detectors.merchants import HEALTHY, any_vector, vector_of
from tests.detectors.rulebook import BOOK, KINDS, ORDINARY, PLANTED

FIRES = {
    "sales_silence": ({"silence_days": 8}, {"silence_days": 22}),
    "sales_collapse": (
        {"turnover_28d_minor": 450_000, "turnover_7d_minor": 100_000},
        {"turnover_28d_minor": 150_000, "turnover_7d_minor": 20_000},
    ),
    "refunds_and_disputes": ({"refund_share_28d": 0.15}, {"refund_share_28d": 0.4}),
    "overdue_shipments": (
        {"overdue_shipments": 6, "overdue_shipment_share": 0.3},
        {"overdue_shipments": 30, "overdue_shipment_share": 0.7},
    ),
    "voided_invoices": ({"void_share_28d": 0.2}, {"void_share_28d": 0.5}),
    "repayment_overdue": ({"days_past_due": 4}, {"days_past_due": 20}),
}


def test_every_kind_has_a_case() -> None:
    assert tuple(PLANTED) == KINDS
    assert len(KINDS) >= 25


@pytest.mark.parametrize("kind", KINDS)
def test_a_planted_sign_fires_its_rule_and_no_other(kind: str) -> None:
    (hit,) = evaluate(BOOK, vector_of(ORDINARY, **PLANTED[kind]), "retail", currency="CNY")
    assert hit.kind == kind and hit.reasons
    assert not cleared(BOOK, kind, vector_of(ORDINARY, **PLANTED[kind]))
    assert cleared(BOOK, kind, vector_of(ORDINARY))


def test_a_merchant_of_whom_everything_is_known_and_ordinary_fires_nothing() -> None:
    vector = vector_of(ORDINARY)
    assert not any(math.isnan(value) for value in vector)
    assert evaluate(BOOK, vector, "retail") == []


@pytest.mark.parametrize("kind", KINDS)
def test_without_what_it_tests_a_rule_neither_fires_nor_clears(kind: str) -> None:
    rule = BOOK.rule(kind)
    assert rule is not None
    tested = {check.feature for level in rule.levels for check in level.tests}
    held = {check.feature for tests in rule.hold for check in tests}
    nothing = dict.fromkeys(tested | held, math.nan)
    vector = vector_of(ORDINARY, **{**PLANTED[kind], **nothing})
    assert kind not in [hit.kind for hit in evaluate(BOOK, vector, "retail")]
    assert not cleared(BOOK, kind, vector)
    for name in {check.feature for check in rule.evidence} & {*ORDINARY}:
        vector = vector_of(ORDINARY, **{**PLANTED[kind], name: math.nan})
        assert kind not in [hit.kind for hit in evaluate(BOOK, vector, "retail")], name


@pytest.mark.parametrize("kind", KINDS)
def test_a_merchant_of_whom_nothing_is_known_but_the_sign_fires_at_most_facts(kind: str) -> None:
    """Without history only what needs none may speak: arrears, bills, courts, the register."""
    vector = vector_of({}, **PLANTED[kind])
    facts = {
        *("repayment_overdue", "instalments_missed", "repayment_slippage", "repayment_delays_rose"),
        *("bills_dishonoured", "court_cases", "registration_changes"),
    }
    assert {hit.kind for hit in evaluate(BOOK, vector, "retail")} <= facts


def test_rules_for_some_segments_leave_the_others_alone() -> None:
    rule = replace(BOOK.rules[0], segments=frozenset({"tea"}))
    book = RuleBook("one", [rule])
    vector = vector_of(silence_days=30)
    assert [hit.kind for hit in evaluate(book, vector, "tea")] == ["sales_silence"]
    assert evaluate(book, vector, "retail") == []


@pytest.mark.parametrize("kind", FIRES)
def test_a_fall_fires_a_warning_and_a_deep_one_is_critical(kind: str) -> None:
    for changes, severity in zip(FIRES[kind], ("warning", "critical"), strict=True):
        hits = evaluate(BOOK, vector_of(**changes), "retail", currency="CNY")
        assert [(hit.kind, hit.severity) for hit in hits] == [(kind, severity)]
        assert hits[0].reasons


def test_a_healthy_merchant_fires_nothing() -> None:
    assert evaluate(BOOK, vector_of(), "retail") == []


def test_disputes_alone_fire_too() -> None:
    (hit,) = evaluate(BOOK, vector_of(dispute_share_28d=0.025), "retail")
    assert (hit.kind, hit.severity) == ("refunds_and_disputes", "warning")
    assert [reason.code for reason in hit.reasons] == ["dispute_share"]


@pytest.mark.parametrize(
    ("share", "sales", "fires"),
    [
        *[(1 / 38, 38, False), (2 / 60, 60, False), (3 / 60, 60, True), (2 / 200, 200, False)],
        *[(4 / 200, 200, True), (3 / 333, 333, True), (0.008, 900, False)],
    ],
)
def test_disputes_are_counted_before_their_share_is_judged(share, sales, fires) -> None:
    vector = vector_of(dispute_share_28d=share, sales_count_28d=sales)
    assert [hit.kind for hit in evaluate(BOOK, vector, "retail")] == (
        ["refunds_and_disputes"] if fires else []
    )


@pytest.mark.parametrize(
    ("share", "sales", "fires"),
    [(0.3, 25, False), (0.5, 25, True), (0.2, 60, False), (0.3, 60, True), (0.22, 200, True)],
)
def test_voids_must_be_out_of_reach_of_chance(share, sales, fires) -> None:
    vector = vector_of(void_share_28d=share, void_share_usual=0.05, sales_count_28d=sales)
    assert [hit.kind for hit in evaluate(BOOK, vector, "retail")] == (
        ["voided_invoices"] if fires else []
    )


HALVED = {"turnover_28d_minor": 450_000, "turnover_7d_minor": 100_000}


@pytest.mark.parametrize(
    ("known", "fires"),
    [
        ({}, True),
        ({"turnover_year_ratio": 0.95}, False),
        ({"turnover_year_ratio": 0.5}, True),
        (
            {
                "turnover_28d_peer_percentile": 0.58,
                "turnover_usual_28d_peer_percentile": 0.6,
            },
            False,
        ),
        (
            {
                "turnover_28d_peer_percentile": 0.3,
                "turnover_usual_28d_peer_percentile": 0.6,
            },
            True,
        ),
        ({"sale_size_28d_minor": 50_000}, False),
    ],
)
def test_the_season_the_market_and_few_sales_excuse_a_fall_where_they_are_known(
    known: dict[str, float], fires: bool
) -> None:
    hits = evaluate(BOOK, vector_of(**HALVED, **known), "retail")
    assert [hit.kind for hit in hits] == (["sales_collapse"] if fires else [])


@pytest.mark.parametrize(("month", "size"), [(150_000, 100_000), (340_000, 80_000)])
def test_few_sales_do_not_excuse_a_deeper_fall(month: float, size: float) -> None:
    fall = {"turnover_28d_minor": month, "turnover_7d_minor": 20_000}
    hits = evaluate(BOOK, vector_of(**fall, sale_size_28d_minor=size), "retail")
    assert [hit.kind for hit in hits] == ["sales_collapse"]
    assert evaluate(BOOK, vector_of(**HALVED, sale_size_28d_minor=size), "retail") == []


DRAIN = {"outflow_to_inflow_28d_ratio": 1.6, "inflow_change_14d_ratio": 0.6}
UNDER_WAY = {"invoices_open_minor": 1_500_000, "invoices_open_8w_minor": 20_000}


@pytest.mark.parametrize(
    ("known", "fires"),
    [
        ({}, True),
        ({"balance_runway_days": 40}, False),
        (UNDER_WAY, False),
        ({**UNDER_WAY, "invoices_open_8w_minor": 900_000}, True),
        ({**UNDER_WAY, "failed_payments_28d": 1}, True),
    ],
)
def test_a_reserve_and_invoices_on_their_way_excuse_a_drain(
    known: dict[str, float], fires: bool
) -> None:
    hits = evaluate(BOOK, vector_of(ORDINARY, **DRAIN, **known), "retail")
    assert ("cash_drain" in [hit.kind for hit in hits]) is fires


def test_a_first_repayment_has_no_mean_to_be_later_than() -> None:
    late = {"repayment_delay_last_days": 3.0, "repayment_late_share": 1.0}
    first = vector_of(ORDINARY, **late, repayment_delay_mean_days=3.0)
    assert evaluate(BOOK, first, "retail") == []
    later = vector_of(ORDINARY, **late, repayment_delay_mean_days=2.0)
    assert [hit.kind for hit in evaluate(BOOK, later, "retail")] == ["repayment_slippage"]


def test_what_is_usual_for_the_merchant_fires_nothing() -> None:
    assert evaluate(BOOK, vector_of(refund_share_28d=0.15, refund_share_usual=0.12), "retail") == []
    assert evaluate(BOOK, vector_of(void_share_28d=0.3, void_share_usual=0.25), "retail") == []
    assert evaluate(BOOK, vector_of(silence_days=9, silence_usual_days=7), "retail") == []


def test_a_small_share_fires_nothing_however_unusual() -> None:
    assert evaluate(BOOK, vector_of(refund_share_28d=0.05, refund_share_usual=0.0), "retail") == []


@pytest.mark.parametrize(
    "changes",
    [
        {"turnover_28d_minor": 0, "turnover_7d_minor": 0, "tenure_days": 40},
        {"turnover_28d_minor": 300_000, "turnover_7d_minor": 9_000, "turnover_volatility_ratio": 2},
        {"refund_share_28d": 0.5, "sales_count_28d": 4},
        {"void_share_28d": 0.9, "sales_count_28d": 3},
        {"overdue_shipments": 2, "overdue_shipment_share": 1.0},
        {"silence_days": 30, "silence_usual_days": 28},
    ],
)
def test_thin_young_and_volatile_merchants_fire_nothing(changes: dict[str, float]) -> None:
    assert evaluate(BOOK, vector_of(**changes), "retail") == []


def test_a_steady_daily_seller_shows_its_fall_within_a_week() -> None:
    vector = vector_of(turnover_28d_minor=780_000, turnover_7d_minor=30_000)
    (hit,) = evaluate(BOOK, vector, "retail")
    assert (hit.kind, hit.severity) == ("sales_collapse", "warning")
    assert [reason.feature for reason in hit.reasons] == ["turnover_7d_minor"]


def test_silence_speaks_for_the_collapse_that_it_brings() -> None:
    vector = vector_of(silence_days=25, turnover_28d_minor=0, turnover_7d_minor=0)
    assert [hit.kind for hit in evaluate(BOOK, vector, "retail")] == ["sales_silence"]


def test_most_severe_hits_come_first() -> None:
    vector = vector_of(void_share_28d=0.2, days_past_due=30)
    assert [hit.severity for hit in evaluate(BOOK, vector, "retail")] == ["critical", "warning"]


@pytest.mark.parametrize("kind", FIRES)
def test_an_episode_clears_later_than_its_rule_stops_firing(kind: str) -> None:
    warning, _ = FIRES[kind]
    assert not cleared(BOOK, kind, vector_of(**warning))
    rule = next(rule for rule in BOOK.rules if rule.kind == kind)
    between: dict[str, float] = {}
    for check in rule.hold[0]:
        bound = check.threshold * (1 if check.times is None else HEALTHY.get(check.times, 0.0))
        tighter = max if check.op == "ge" else min
        between[check.feature] = tighter(bound, between.get(check.feature, bound))
    vector = vector_of(**between)
    assert kind not in [hit.kind for hit in evaluate(BOOK, vector, "retail")]
    assert not cleared(BOOK, kind, vector)
    assert cleared(BOOK, kind, vector_of(days_past_due=0))


@pytest.mark.parametrize("kind", FIRES)
def test_a_missing_feed_neither_fires_nor_clears(kind: str) -> None:
    vector = vector_of(**FIRES[kind][1])
    rule = next(rule for rule in BOOK.rules if rule.kind == kind)
    for tests in rule.hold:
        for check in tests:
            vector[INDEX[check.feature]] = math.nan
    assert kind not in [hit.kind for hit in evaluate(BOOK, vector, "retail")]
    assert not cleared(BOOK, kind, vector)


def test_a_kind_without_a_rule_never_clears_by_itself() -> None:
    assert not cleared(BOOK, "raised_by_hand", vector_of())


@settings(deadline=None)
@given(any_vector)
def test_no_number_however_absurd_breaks_the_rules(vector) -> None:
    hits = evaluate(BOOK, vector, "retail", currency="JPY")
    assert len({hit.kind for hit in hits}) == len(hits)
    ranks = [SEVERITY_RANK[hit.severity] for hit in hits]
    assert ranks == sorted(ranks, reverse=True)
    assert all(hit.reasons for hit in hits)
    for kind in KINDS:
        if kind in {hit.kind for hit in hits}:
            assert not cleared(BOOK, kind, vector)
