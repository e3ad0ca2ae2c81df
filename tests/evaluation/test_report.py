"""Plots and tables: well formed, within their frames, and true to the figures."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from tideline.evaluation import figures, judge, plots, present
from tideline.evaluation.questions import Protocol, Questions, nothing_withheld, questions

DAY_MS = 86_400_000


def asked(count: int = 120) -> Questions:
    """Each day ten merchants, of whom those of the first half are likelier to be bad."""
    rng = np.random.default_rng(5)
    merchant = np.arange(count) % 10
    return questions(
        [f"m{i}" for i in merchant.tolist()],
        np.arange(count) // 10 * DAY_MS,
        rng.random(count) < np.where(merchant < 5, 0.8, 0.1),
        np.arange(count) // 10 * DAY_MS + DAY_MS,
        groups=["low" if i < 5 else "high" for i in merchant.tolist()],
        floors={"number": (10.0 - merchant)},
        sizes=merchant + 1.0,
    )


def judged(cases: Questions, by: str) -> figures.Result:
    """A champion that knows the halves, beside the floor that ranks by number."""
    said = np.where(cases.merchants < "m5", 0.8, 0.1).astype(float)
    made = judge.Judged(
        asked=cases,
        scores={
            "champion": [said, said],
            "number": [cases.floors["number"]] * 2,
            "random": [np.random.default_rng(seed).random(len(said)) for seed in (0, 1)],
            "absent": [np.zeros(len(said))] * 2,
        },
        probabilities=frozenset({"champion"}),
    )
    protocol = Protocol(
        name="p",
        title="P",
        format="events",
        files=(),
        ask=lambda told: cases,
        withheld=nothing_withheld,
        split="time",
        by=by,  # type: ignore[arg-type]
        capacity=2 if by == "period" else 0.5,
    )
    return figures.measure(protocol, "time", made, cases, [])


@pytest.mark.parametrize("by", ["together", "period"])
def test_figures_have_seeds_intervals_and_the_best_floor(by: str) -> None:
    cases = asked()
    found = judged(cases, by)
    champion, number = found.figures["champion"], found.figures["number"]
    assert found.best_floor == "number"
    assert champion.roc_auc is not None and len(champion.roc_auc.seeds) == 2
    assert champion.roc_auc.low is not None and champion.roc_auc.high is not None
    assert champion.roc_auc.low <= champion.roc_auc.mean <= champion.roc_auc.high
    assert found.figures["absent"].roc_auc is None
    assert number.log_loss is None and champion.log_loss is not None
    assert champion.calibration_error is not None and champion.calibration_error.mean < 0.1
    if by == "together":
        halves = cases.labels[cases.groups == "low"].sum() / cases.labels.sum()
        assert champion.recall_at_capacity.mean == pytest.approx(halves)
    else:
        assert champion.pooled_roc_auc is not None
        assert number.precision_at_capacity.mean == pytest.approx(
            cases.labels[np.isin(cases.merchants, ["m0", "m1"])].mean()
        )
        calls = champion.precision_at_capacity.mean * 24 / cases.labels.sum()
        assert champion.recall_at_capacity.mean == pytest.approx(calls)
    sides = {verdict.tone for verdict in present.verdicts(found)}
    assert sides <= {"good", "bad", "plain"} and sides


def test_without_a_floor_that_tells_chance_is_the_one_to_beat() -> None:
    cases = asked()
    found = judged(cases._replace(floors={"number": np.zeros(len(cases.at))}), "together")
    assert found.best_floor == "random"
    gap = found.figures["champion"].against_best_floor
    assert gap is not None and gap.mean > 0.2


def test_a_table_leaves_out_columns_and_rows_that_say_nothing() -> None:
    table = present.main_table(judged(asked(), "together"))
    assert [row[0] for row in table.rows] == ["champion", "number", "random"]
    assert "lead, days" not in table.columns and "AUC, size-matched" in table.columns
    assert "AUC pooled" not in table.columns
    assert set(present.short_table(judged(asked(), "together")).columns) >= {"AUC [95 %]", "ECE"}


def test_plots_are_well_formed_and_stay_in_their_frames() -> None:
    names = ["champion", "<floor> & co"]
    colour_of = plots.colours(names, ["<floor> & co"])
    assert colour_of["<floor> & co"] == plots.GREY != colour_of["champion"]
    curves = {name: [(0.0, 0.0), (0.4, 0.9), (1.0, 1.0)] for name in names}
    drawn = [
        plots.lines(curves, colour_of, across="x", up="y", diagonal=True, marks=True),
        plots.intervals(
            [(name, 0.7, 0.6, 0.8) for name in names], colour_of, [("others", 0.9)], across="AUC"
        ),
    ]
    for text in drawn:
        root = ElementTree.fromstring(text)  # noqa: S314 - our own text
        _, _, wide, high = map(float, root.attrib["viewBox"].split())
        for circle in root.iter("circle"):
            assert 0 <= float(circle.attrib["cx"]) <= wide
            assert 0 <= float(circle.attrib["cy"]) <= high
        for line in root.iter("polyline"):
            for x, y in re.findall(r"([\d.]+),([\d.]+)", line.attrib["points"]):
                assert 0 <= float(x) <= wide and 0 <= float(y) <= high
        assert "<floor> & co" in [title.text for title in root.iter("title")] or "others" in text


def test_folds_keep_a_merchant_together_and_share_the_bad_out() -> None:
    cases = asked(600)
    names = np.array([f"m{i}" for i in range(60)] * 10, dtype=object)
    labels = np.array([i % 6 == 0 for i in range(60)] * 10)
    cases = cases._replace(merchants=names, labels=labels)
    fold = judge.stratified_folds(cases, 5, np.random.default_rng(1))
    for name in set(names):
        assert len(set(fold[names == name].tolist())) == 1
    for number in range(5):
        assert len(set(names[fold == number])) == 12
        assert len(set(names[(fold == number) & labels])) == 2
