"""What counts as found, how early, and as a false alert; and a whole small run."""

from pathlib import Path

import msgspec
import numpy as np
import pytest

from ops.settings import load_settings
from tideline.evaluation import report, simulated_report
from tideline.evaluation.simulated import DAY_MS, Run, Seen, Truth, raised
from tideline.evaluation.simulated_figures import (
    ALL,
    ANOMALY,
    BAD_LUCK,
    BAND,
    DETECTORS,
    HALF,
    LATE,
    RULES,
    Judge,
)
from tideline.simulator.economy import Scenario

DAYS = 365
HEALTHY = 20


def truth(number: int, kind: str = "none", **more: int | None) -> Truth:
    """A merchant's record; times in days."""
    times = {
        name: None if more.get(name) is None else int(more[name] or 0) * DAY_MS
        for name in ("onset_at", "first_missed_at", "defaulted_at")
    }
    return Truth(merchant_id=f"m{number:07d}", segment="retail", kind=kind, loans=1, **times)


def run(records: list[Truth], seen: Seen, seed: int = 1) -> Run:
    """A run of a year that said what ``seen`` holds."""
    return Run(
        seed=seed,
        truth=records,
        seen=seen,
        outages=[(100 * DAY_MS, 101 * DAY_MS)],
        start_ms=0,
        end_ms=DAYS * DAY_MS,
        events=1,
        versions=0,
    )


def seen(
    alerts: dict[str, list[tuple[int, int]]] | None = None,
    high: list[tuple[int, int]] | None = None,
    scores: list[tuple[int, int, float]] | None = None,
) -> Seen:
    """What was said: alerts by rule, and assessments of a high band or with an anomaly score."""
    made = Seen(
        alerts={
            kind: [(who, day * DAY_MS) for who, day in found]
            for kind, found in (alerts or {}).items()
        }
    )
    for who, day in high or []:
        note(made, who, day, True, 0.0)
    for who, day, score in scores or []:
        note(made, who, day, False, score)
    return made


def note(made: Seen, who: int, day: int, high: bool, score: float) -> None:
    made.who.append(who)
    made.at.append(day * DAY_MS)
    made.high_band.append(high)
    made.anomaly.append(score)
    made.halved.append(False)
    made.late.append(False)


def healthy(first: int) -> list[Truth]:
    return [truth(number) for number in range(first, first + HEALTHY)]


def test_what_stays_or_comes_again_within_four_weeks_is_one_alert() -> None:
    days = np.array([0, 10, 30, 90, 5, 200])
    found = raised(np.array([1, 1, 1, 1, 2, 2]), days * DAY_MS, np.array([1, 1, 1, 1, 1, 0]) > 0)
    assert list(zip(found.who.tolist(), (found.at // DAY_MS).tolist(), strict=True)) == [
        (1, 0), (1, 90), (2, 5),
    ]  # fmt: skip


def test_an_alert_counts_between_onset_and_default_alone() -> None:
    records = [
        truth(0, "sales_collapse", onset_at=100, first_missed_at=150, defaulted_at=240),
        truth(1, "sales_collapse", onset_at=100, first_missed_at=150, defaulted_at=240),
        truth(2, "sales_collapse", onset_at=100, first_missed_at=150, defaulted_at=240),
        *healthy(3),
    ]
    said = seen({"a": [(0, 99), (1, 241)], "b": [(2, 120)]}, high=[(0, 170)])
    (kind,) = Judge([run(records, said)]).kinds()
    assert (kind.merchants, kind.missed, kind.defaulted) == (3, 3, 3)
    assert kind.found[RULES].share == pytest.approx(1 / 3)
    assert kind.found[RULES].lead_days == 30
    assert kind.found[RULES].in_time == pytest.approx(1 / 3)
    assert kind.found[RULES].soon == pytest.approx(1 / 3)
    assert kind.found[BAND].share == pytest.approx(1 / 3)
    assert kind.found[BAND].soon == 0
    assert (kind.found[BAND].in_time, kind.found[BAND].lead_days) == (0, -20)
    assert kind.found[ALL].share == pytest.approx(2 / 3)
    assert kind.found[LATE].share == kind.found[HALF].share == 0
    assert kind.rules == {"b": pytest.approx(1 / 3)}


def test_alerts_of_healthy_merchants_are_false_and_others_are_not() -> None:
    records = [truth(0, "takeover", onset_at=50), truth(1, first_missed_at=200), *healthy(2)]
    judge = Judge([run(records, seen({"a": [(0, 10), (1, 10), (2, 10), (3, 104)]}))])
    assert judge.healthy == HEALTHY
    years = HEALTHY * DAYS / 365.25
    assert judge.years == pytest.approx(years)
    assert judge.false_per_year(judge.sources[RULES]) == pytest.approx(2 / years)
    inside, outside = judge.outages(judge.sources[RULES])
    assert inside == pytest.approx(365.25 / (HEALTHY * 8))
    assert outside == pytest.approx(1 / (years - HEALTHY * 8 / 365.25))
    (rule,) = judge.rules()
    assert (rule.kind, rule.planted) == ("a", 0)


def test_bad_luck_without_anything_planted_has_a_row_of_its_own() -> None:
    records = [truth(0, first_missed_at=200), *healthy(1)]
    (kind,) = Judge([run(records, seen({"a": [(0, 150)]}))]).kinds()
    assert kind.kind == BAD_LUCK
    assert kind.found[RULES].lead_days == 50


def test_the_anomaly_level_is_set_by_the_false_alerts_of_the_healthy() -> None:
    records = [truth(0, "takeover", onset_at=50), *healthy(1)]
    noise = [
        (who, day, 0.2 + who / 1000) for who in range(1, HEALTHY + 1) for day in range(30, 360)
    ]
    judge = Judge([run(records, seen(scores=[*noise, (0, 70, 0.9)]))])
    assert judge.false_per_year(judge.sources[ANOMALY]) <= 1
    assert judge.kinds()[0].found[ANOMALY].share == 1


def test_seeds_are_pooled_and_shown_apart() -> None:
    records = [truth(0, "takeover", onset_at=50), *healthy(1)]
    runs = [run(records, seen({"a": [(0, 60)]}), 1), run(records, seen({"a": [(1, 60)]}), 2)]
    judge = Judge(runs)
    (kind,) = judge.kinds()
    assert (kind.merchants, kind.found[RULES].seeds) == (2, (1.0, 0.0))
    assert judge.healthy == 2 * HEALTHY


def test_chance_finds_more_the_more_false_alerts_there_are() -> None:
    records = [truth(0, "takeover", onset_at=50), *healthy(1)]

    def by_chance(false: int) -> float:
        said = seen({"a": [(1 + i, i * 40) for i in range(false)]} if false else {})
        return Judge([run(records, said)]).kinds()[0].found[RULES].by_chance

    assert 0 == by_chance(0) < by_chance(2) < by_chance(8) < 1


def test_a_whole_run_is_judged_written_and_shown(tmp_path: Path) -> None:
    steps: list[str] = []
    result = simulated_report.judge_simulated(
        load_settings(),
        Scenario(merchants=25, days=60, seed=5, share_bad=0.5),
        2,
        1_735_000_000_000,
        lambda text, _: steps.append(text),
    )
    assert (result.refused, result.seeds) == (0, 2)
    assert result.assessments > 500
    assert sum(kind.merchants for kind in result.kinds) > 10
    assert set(result.false_per_year) == set(DETECTORS)
    assert "seed 5" in steps and "seed 6" in steps
    simulated_report.write_simulated(result, tmp_path)
    assert simulated_report.read_simulated(tmp_path) == result
    page = report.write_html([], tmp_path, result).read_text("utf-8")
    report.write_markdown([], tmp_path / "q.md", result)
    text = (tmp_path / "q.md").read_text("utf-8")
    for kind in result.kinds:
        assert kind.kind in page
        assert f"| {kind.kind} |" in text
    assert msgspec.json.decode((tmp_path / "simulated.json").read_bytes())["seeds"] == 2
