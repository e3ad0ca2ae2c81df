"""Challengers take the champion's place by rule: better than it, better than every floor, paced."""

import itertools
import math
import random
from collections.abc import Iterator

import msgspec
import numpy as np
import pytest

from detectors.contest import CHAMPION, CLASS_MIN, LOOK_EVERY, PACE_MS, START, WINDOW, Contest
from detectors.default_risk import PRIOR_MODEL, Model, decode_model, encode_model
from detectors.floors import FLOORS, naive_scores
from detectors.transform import model_inputs
from tests.detectors.merchants import vector_of

HOUR_MS = 3_600_000


def cases(count: int, seed: int, *, signal: str = "many") -> Iterator[tuple[list[float], bool]]:
    """Merchants of whom a fifth defaults: told by several features, by smallness, or by none."""
    rng = random.Random(seed)
    for _ in range(count):
        bad = rng.random() < 0.2
        told = bad and signal == "many"
        amount = math.exp(rng.gauss(9 if bad and signal == "size" else 13, 0.5))
        yield (
            vector_of(
                repayment_late_share=min(max(rng.gauss(0.5 if told else 0.1, 0.2), 0), 1),
                silence_days=rng.expovariate(1 / (6 if told else 1)),
                turnover_92d_minor=amount,
                turnover_28d_minor=math.exp(rng.gauss(13, 1)),
            ).tolist(),
            bad,
        )


def teach(
    contest: Contest, vector: list[float], bad: bool, at: int, exposure_minor: int = 0
) -> None:
    naive = naive_scores(np.array([vector]))[0].tolist()
    contest.learn(model_inputs(vector), bad, at=at, naive=naive, exposure_minor=exposure_minor)


def run(contest: Contest, some: Iterator[tuple[list[float], bool]], start: int = 1) -> list[Model]:
    """Promote whoever wins; an hour between labels."""
    promoted = []
    for number, (vector, bad) in enumerate(some):
        at = start + number * HOUR_MS
        teach(contest, vector, bad, at, 100 * (number % 7))
        winner = contest.winner(at)
        if winner is not None:
            version = f"v{contest.labels}"
            promoted.append(contest.promote(winner, version=version, at=at))
    return promoted


def test_challengers_that_learn_what_defaults_are_promoted_and_say_how_they_did() -> None:
    contest = Contest()
    kinds = {
        name: each.to_model(version="v", parent=None, trained_until=0).kind
        for name, each in contest.challengers.items()
    }
    promoted = run(contest, cases(600, 1))
    assert promoted and contest.champion == promoted[-1]
    assert [m.parent for m in promoted] == [
        PRIOR_MODEL.version,
        *(m.version for m in promoted[:-1]),
    ]
    for model in promoted:
        assert decode_model(encode_model(model)) == model
        floor = max(model.metrics[f"{name}.roc_auc"] for name in FLOORS)
        (best,) = (name for name in START if f"{name}.brier" in model.metrics)
        assert model.kind == kinds[best]
        assert model.metrics[f"{best}.roc_auc"] > floor
        assert model.metrics[f"{best}.log_loss"] <= model.metrics[f"{CHAMPION}.log_loss"]
        assert model.trained_from == 1 and model.trained_until > PACE_MS


def test_a_version_says_how_far_its_probabilities_could_be_believed() -> None:
    contest = Contest()
    some = list(cases(4 * LOOK_EVERY, 9))
    for vector, bad in some:
        teach(contest, vector, bad, 1)
    said = [outcome.said["bayesian"] for outcome in contest.outcomes]
    metrics = contest.promote("bayesian", version="v", at=1).metrics
    brier = sum((p - bad) ** 2 for p, (_, bad) in zip(said, some, strict=True)) / len(some)
    assert metrics["bayesian.brier"] == pytest.approx(brier)
    table = [
        [
            metrics[f"bayesian.reliability.{n}.{field}"]
            for field in ("count", "predicted", "observed")
        ]
        for n in range(10)
    ]
    assert sum(count for count, _, _ in table) == len(some)
    gap = sum(count * abs(predicted - observed) for count, predicted, observed in table)
    assert metrics["bayesian.expected_calibration_error"] == pytest.approx(gap / len(some))
    assert [predicted for _, predicted, _ in table] == sorted(p for _, p, _ in table)


def test_the_challenger_of_the_least_loss_over_all_labels_wins_not_that_of_the_last_window() -> (
    None
):
    contest = Contest()
    for vector, bad in cases(3 * WINDOW, 10):
        teach(contest, vector, bad, 5)
    winner = contest.winner(5)
    assert winner is not None
    contest.outcomes = [
        msgspec.structs.replace(
            outcome,
            said={
                n: p if n == winner else float(outcome.defaulted) for n, p in outcome.said.items()
            },
        )
        for outcome in contest.outcomes
    ]
    assert contest.winner(5) is None, "nor is it promoted against the champion's of the window"


def test_no_challenger_is_promoted_that_a_naive_ranking_beats() -> None:
    assert run(Contest(), cases(400, 2, signal="size")) == []


def test_promotions_keep_their_pace() -> None:
    contest = Contest()
    promoted = run(contest, cases(900, 3))
    times = [model.trained_until for model in promoted]
    assert len(times) > 1
    assert all(later - earlier >= PACE_MS for earlier, later in itertools.pairwise(times))


def test_labels_loaded_in_bulk_promote_once_a_window() -> None:
    contest, promoted = Contest(), []
    for number, (vector, bad) in enumerate(cases(3 * WINDOW, 8), 1):
        teach(contest, vector, bad, 5)
        winner = contest.winner(5)
        if winner is not None:
            contest.promote(winner, version=f"v{number}", at=5)
            promoted.append(number)
    assert len(promoted) > 1
    assert all(later - earlier >= WINDOW for earlier, later in itertools.pairwise(promoted))


def test_one_class_alone_promotes_nobody() -> None:
    contest = Contest()
    assert run(contest, ((vector, False) for vector, _ in cases(5 * LOOK_EVERY, 4))) == []
    assert contest.standings()[CHAMPION].roc_auc is None
    assert contest.standings()[CHAMPION].defaults < CLASS_MIN


def test_a_promotion_starts_a_new_window_which_is_bounded() -> None:
    contest = Contest()
    run(contest, cases(2 * LOOK_EVERY, 5))
    contest.promote("scorecard", version="v", at=5)
    assert contest.standings() == {} and contest.champion.kind == "scorecard"
    for vector, _ in cases(WINDOW + 9, 6):
        teach(contest, vector, False, 9)
    assert contest.standings()[CHAMPION].n == WINDOW


def test_standings_of_a_case_worked_by_hand() -> None:
    contest = Contest()
    late = vector_of(days_past_due=60, repayment_late_share=1.0).tolist()
    fine = vector_of(days_past_due=0, repayment_late_share=0.0).tolist()
    for number in range(20):
        bad = number in (0, 1, 2)
        vector = late if number < 2 else fine
        teach(contest, vector, bad, 1, 50 if bad else 7)
    found = contest.standings()["days-past-due"]
    assert (found.n, found.defaults, found.log_loss) == (20, 3, None)
    assert found.precision == 1.0 and found.recall == pytest.approx(2 / 3)
    assert found.exposure_found == pytest.approx(2 / 3)
    assert found.roc_auc == pytest.approx((2 * 17 + 17 / 2) / (3 * 17))
    champion = contest.standings()[CHAMPION]
    said = [outcome.said[CHAMPION] for outcome in contest.outcomes]
    assert champion.calibration_error == pytest.approx(sum(said) / 20 - 0.15)


@pytest.mark.parametrize("stop", [0, 26, 130])
def test_restore_and_go_on_equals_never_having_stopped(stop: int) -> None:
    some = list(cases(200, 7))
    whole, first = Contest(), Contest()
    models = run(whole, iter(some))
    before = run(first, iter(some[:stop]))
    second = Contest.restore(first.snapshot())
    after = [
        model
        for number, (vector, bad) in enumerate(some[stop:], stop)
        for model in _step(second, vector, bad, number)
    ]
    assert before + after == models
    assert second.snapshot() == whole.snapshot()


def _step(contest: Contest, vector: list[float], bad: bool, number: int) -> list[Model]:
    at = 1 + number * HOUR_MS
    teach(contest, vector, bad, at, 100 * (number % 7))
    winner = contest.winner(at)
    return [] if winner is None else [contest.promote(winner, version=f"v{number + 1}", at=at)]


def test_foreign_bytes_are_no_snapshot() -> None:
    with pytest.raises(msgspec.DecodeError):
        Contest.restore(b"\x80\x04\x95pickle")
