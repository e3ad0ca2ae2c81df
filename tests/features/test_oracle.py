"""Every feature of the engine against exact arithmetic over the raw events of the history."""

from fractions import Fraction
from random import Random
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bench import oracle as bench
from features.catalogue import INDEX, MONEY
from features.lines import LogLine
from tests.features.build import histories, line
from tests.features.oracle import check as checking
from tests.features.oracle.check import check
from tests.features.oracle.drive import Assessed, compare, drive, drive_line_by_line
from tests.features.oracle.generate import generate
from tests.features.oracle.peers import PEERS_MIN, PeersOracle, bin_of
from tests.features.oracle.values import OWN, oracle_values

LIMIT = 1_000_000


@settings(deadline=None, max_examples=60)
@given(histories(), st.lists(st.integers(0, 60), max_size=8), st.integers(0, 60))
def test_every_feature_at_every_due_is_that_of_exact_arithmetic(
    lines: list[LogLine], cuts: list[int], hand_over: int
) -> None:
    single = drive_line_by_line(lines, LIMIT)
    dues = drive(lines, [*cuts, hand_over], hand_over, LIMIT)
    assert [due.plain for due in dues] == [due.plain for due in single]
    for due, exact in zip(dues, single, strict=True):
        assert [str(d) for d in compare(lines, due, exact.seen, LIMIT).differences] == []


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32))
@example(1)
def test_dense_histories_have_the_values_of_exact_arithmetic(seed: int) -> None:
    assert check(generate(seed)).faults == []


def test_a_seed_gives_the_same_history_again() -> None:
    assert generate(7) == generate(7)
    assert generate(7).lines != generate(8).lines


def _last(lines: list[LogLine]) -> Assessed:
    return drive(lines, [])[-1]


@pytest.mark.parametrize(
    ("name", "value"),
    [("sales_count_28d", 3.0), ("turnover_28d_minor", float("nan")), ("utilisation", 0.0)],
)
def test_a_wrong_value_is_found(name: str, value: float) -> None:
    lines = [line("order.paid", day, amount=7) for day in range(4)]
    lines.append(line("merchant.updated", 3))
    due = _last(lines)
    assert compare(lines, due, due.seen, 0).differences == []
    due.vector[INDEX[name]] = value
    (found,) = compare(lines, due, due.seen, 0).differences
    assert found.name == name and name in str(found)


def test_what_is_not_a_whole_number_may_be_rounded_and_no_more() -> None:
    lines = [line("order.paid", day, amount=day) for day in (1, 1, 2)]
    lines.append(line("merchant.updated", 2))
    due = _last(lines)
    place = INDEX["sale_size_28d_minor"]
    for factor, wrong in ((1 + 1e-12, 0), (1 + 1e-6, 1)):
        due.vector[place] = 4 / 3 * factor
        assert len(compare(lines, due, due.seen, 0).differences) == wrong


def test_a_history_worked_by_hand() -> None:
    lines = [
        line("order.paid", 0, amount=100, counterparty_id="a"),
        line("order.paid", 1, amount=50, counterparty_id="b"),
        line("order.refunded", 2, amount=30, ordered_at=lines_day(1)),
        line("order.paid", 2, "other", amount=5),
        line("loan.disbursed", 2, amount=80, loan_id="l"),
        line("repayment.received", 2, amount=20, loan_id="l"),
    ]
    found = oracle_values(lines, "m", lines_day(2), 240)
    assert found["turnover_7d_minor"] == 120
    assert found["refund_share_28d"] == Fraction(30, 150)
    assert found["buyer_top_share"] == Fraction(2, 3)
    assert found["sale_size_28d_minor"] == 60
    assert (found["exposure_minor"], found["utilisation"]) == (60, Fraction(1, 4))
    assert found["turnover_usual_28d_minor"] is None
    assert tuple(found) == OWN


def lines_day(day: int) -> int:
    return line("order.paid", day).occurred_at


@pytest.mark.parametrize(
    ("amount", "number"),
    [
        (Fraction(0), 128),
        (Fraction(99, 100), 128),
        (Fraction(1), 129),
        (Fraction(-1), 127),
        (Fraction(2), 131),
        (Fraction(3), 132),
        (Fraction(-3), 124),
        (Fraction(1414), 149),
        (Fraction(1449), 150),
        (Fraction(10**30), bin_of(Fraction(2**63 - 1))),
    ],
)
def test_bins_are_half_octaves_with_a_sign(amount: Fraction, number: int) -> None:
    assert bin_of(amount) == number


def test_percentiles_rank_the_last_values_of_a_segment() -> None:
    peers, name = PeersOracle(), MONEY[0]
    for i in range(PEERS_MIN - 1):
        value = Fraction(4**i)
        assert peers.percentiles(f"m{i}", "food", {name: value}) == {name: None}
    peers.percentiles("elsewhere", "toys", {name: Fraction(1)})
    assert peers.percentiles("unknown", "food", {name: None}) == {name: None}
    last = peers.percentiles("last", "food", {name: Fraction(4**18)})
    assert last == {name: Fraction(18 + 1, 20)}
    again = peers.percentiles("last", "food", {name: Fraction(1, 2)})
    assert again == {name: Fraction(1, 40)}


def test_the_bench_ends_well_where_all_is_equal(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.main(["--histories", "3", "--seed", "11"]) == 0
    assert "no difference" in capsys.readouterr().out


def test_the_bench_names_the_seed_of_the_history_that_differs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(*arguments: Any) -> list[Assessed]:
        dues = drive(*arguments)
        dues[-1].vector[INDEX["tenure_days"]] += 1
        return dues

    monkeypatch.setattr(checking, "drive", wrong)
    monkeypatch.setattr(checking, "_first_apart", lambda *_: None)
    assert bench.main(["--histories", "2", "--seed", "11"]) == 1
    told = capsys.readouterr().out
    assert "2 histories differ" in told
    assert "--seed 11 --histories 1" in told and "tenure_days of m" in told


def test_a_cut_that_changes_a_due_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(*arguments: Any) -> list[Assessed]:
        dues = drive(*arguments)
        dues[Random(1).randrange(len(dues))].vector[0] = 1.5
        return dues

    monkeypatch.setattr(checking, "drive", wrong)
    (fault,) = check(generate(11)).faults
    assert "how the log is cut" in fault
