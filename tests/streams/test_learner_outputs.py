"""The learner's report of itself: when it goes out, and that it says what the learner knows."""

from itertools import pairwise

import msgspec

from detectors.contest import CHAMPION
from detectors.default_risk import decode_model
from detectors.drift import REFERENCE
from detectors.drift_alarms import PAUSE_LABELS
from detectors.envelope import open_envelope
from detectors.prior import PRIOR_VERSION
from schemas import topics
from schemas.learner_report import LearnerReport
from streams.learner import SCORE, Learner
from streams.learner_report import REPORT_EVERY_MS
from streams.model_keys import REPLAY_KEYS
from streams.records import Output

from .test_learner import DAY_MS, assessment, burst, merchants, process


def reports(outputs: list[Output]) -> list[LearnerReport]:
    found = [output for output in outputs if output.topic == topics.LEARNER_REPORTS]
    assert all(output.partition == 0 for output in found)
    return [msgspec.json.decode(output.value or b"", type=LearnerReport) for output in found]


def test_a_report_a_day_goes_out_while_something_changes_and_none_while_nothing_does() -> None:
    learner = Learner()
    assert reports(process(learner, [assessment("m", 0, None)])) == []
    (first,) = reports(process(learner, [assessment("m", REPORT_EVERY_MS, None)]))
    assert (first.number, first.as_of, first.champion) == (1, REPORT_EVERY_MS, PRIOR_VERSION)
    quiet = [assessment("m", day * DAY_MS, None) for day in range(2, 20)]
    assert reports(process(learner, quiet)) == [], "the merchant is remembered every 28 days only"
    outcome = assessment("m", 20 * DAY_MS, "defaulted")
    (second,) = reports(process(learner, [outcome, outcome]))
    assert (second.number, second.labels_learnt) == (2, 1)
    assert second.last_label_at == 20 * DAY_MS


def test_reports_are_a_day_apart_unless_a_version_or_an_alarm_is_new() -> None:
    learner = Learner()
    outputs = process(learner, merchants(0, 600, 1))
    found = reports(outputs)
    assert [report.number for report in found] == list(range(1, len(found) + 1))
    for before, after in pairwise(found):
        assert after.as_of >= before.as_of
        early = after.as_of - before.as_of < REPORT_EVERY_MS
        news = (after.versions, after.alarms) != (before.versions, before.alarms)
        assert news or not early


def test_reports_never_go_back_where_assessments_do() -> None:
    learner = Learner()
    outcome = assessment("m", 30 * DAY_MS, "defaulted", "l1")
    process(learner, [assessment("m", 0, None), outcome])
    learner.reporter.ring()
    (report,) = reports(process(learner, [assessment("m", 29 * DAY_MS, "defaulted", "l2")]))
    assert report.as_of == 30 * DAY_MS and report.labels_learnt == 2


def test_every_version_is_reported_at_once_with_what_it_was_promoted_for() -> None:
    learner = Learner()
    seen = 0
    for record in merchants(0, 600, 1):
        outputs = learner.process(record)
        models = [o for o in outputs if (o.key or b"").startswith(b"default-risk-")]
        if not models:
            continue
        seen += len(models)
        (report,) = reports(outputs)
        raw = models[-1].value or b""
        name = report.versions[-1].version
        envelope = open_envelope(raw, REPLAY_KEYS, kind="default-risk", version=name)
        model, version = decode_model(bytes(envelope.payload)), report.versions[-1]
        assert (version.version, version.parent) == (model.version, model.parent)
        assert report.champion == model.version and report.champion_since == version.published_at
        assert version.challenger in learner.contest.challengers
        assert version.log_loss == model.metrics[f"{version.challenger}.log_loss"]
        assert version.champion_log_loss == model.metrics[f"{CHAMPION}.log_loss"]
        assert version.log_loss <= version.champion_log_loss
        assert (version.roc_auc or 0) > (version.best_floor_roc_auc or 0)
        assert version.compared == model.metrics[f"{version.challenger}.n"]
        assert (version.labels, version.defaults) == (model.n_learned, model.n_defaults)
    assert seen == learner.counters.published > 0


def test_a_report_says_what_the_learner_knows() -> None:
    learner = Learner()
    report = reports(process(learner, merchants(0, 500, 3)))[-1]
    standings = {each.name: each for each in report.standings}
    assert {each.role for each in report.standings} == {"champion", "challenger", "floor"}
    assert standings[CHAMPION].labels == sum(each.labels for each in report.calibration)
    assert standings["volume-rank"].log_loss is None
    counts = {(each.outcome, each.bad): each.labels for each in report.label_counts}
    assert set(counts) == {("defaulted", True), ("settled", False)}
    everywhere = report.labels_learnt + report.labels_ripening + report.labels_held
    everywhere += report.labels_given_up + report.outcomes_without_history
    assert sum(counts.values()) == everywhere
    assert report.last_due_at is None


def test_drift_is_reported_by_variable_with_its_level_the_largest_first() -> None:
    learner = Learner()
    process(learner, [assessment(f"a{n}", n, None, silence_days=0.1) for n in range(REFERENCE)])
    process(learner, [assessment(f"b{n}", n, None, silence_days=30.0) for n in range(REFERENCE)])
    (report,) = reports(process(learner, [assessment("c", 9 * DAY_MS, None)]))
    drift = {each.variable: each for each in report.drift}
    assert drift[SCORE].level == drift["silence_days"].level == "act" and drift[SCORE].moving
    assert drift["refund_share_28d"].level == "none"
    indices = [each.psi for each in report.drift]
    assert indices == sorted(indices, reverse=True)
    assert report.pause == "score_moves" and report.pause_labels == 0


def test_quarantine_is_reported_with_its_beginning() -> None:
    learner = Learner()
    process(learner, merchants(0, 400, 3))
    found = reports(process(learner, burst(at=90 * DAY_MS)))
    later = assessment("x", 92 * DAY_MS, None)
    (report,) = [r for r in found + reports(process(learner, [later])) if r.as_of > 91 * DAY_MS]
    assert report.pause == "labels_held" and report.labels_held == len(learner.quarantine.held)
    assert report.held_since == learner.quarantine.held[0].at


def test_an_error_that_rises_restarts_the_comparison_and_holds_promotions_for_its_labels() -> None:
    learner = Learner()
    process(learner, merchants(0, 420, 1))
    published, learned = learner.counters.published, learner.counters.learned
    assert published and learner.alarms.pause_labels == 0
    # Outcomes turn round: whoever looks safe defaults, in the usual share, so that none is held.
    outputs: list[Output] = []
    number = 0
    while learner.alarms.count("error", "up") == 0:
        at = (100 + number // 4) * DAY_MS
        bad = number % 5 == 0
        values = {"silence_days": 0.1 if bad else 9.0, "repayment_late_share": 0.0 if bad else 0.7}
        outputs += learner.process(assessment(f"t{number}", at, None, **values))
        outcome = "defaulted" if bad else "settled"
        outputs += learner.process(assessment(f"t{number}", at + 30 * DAY_MS, outcome, **values))
        number += 1
        assert number < 1_500, learner.counters
    assert learner.counters.learned > learned
    assert learner.contest.outcomes == []
    assert learner.alarms.pause_labels == PAUSE_LABELS and learner.pause == "error_rose"
    report = reports(outputs)[-1]
    assert (report.pause, report.pause_labels) == ("error_rose", PAUSE_LABELS)
    assert (report.alarms[-1].signal, report.alarms[-1].direction) == ("error", "up")
    published = learner.counters.published
    while learner.alarms.pause_labels > 1:
        at = (100 + number // 4) * DAY_MS
        learner.process(assessment(f"t{number}", at, None, silence_days=float(number % 9)))
        late = at + 30 * DAY_MS
        learner.process(
            assessment(f"t{number}", late, "defaulted" if number % 5 == 0 else "settled")
        )
        number += 1
        assert learner.counters.published == published


def test_labels_are_awaited_from_the_first_due_or_the_last_label_on() -> None:
    learner = Learner()
    reporter = learner.reporter
    process(learner, [assessment("a", 5 * DAY_MS, None)])
    assert reporter.labels_awaited_ms == 0
    due = {"due_next_28d_minor": 1_000.0}
    process(learner, [assessment("b", 10 * DAY_MS, None, **due)])
    assert reporter.labels_awaited_ms == 0
    process(learner, [assessment("c", 80 * DAY_MS, None, **due)])
    assert reporter.labels_awaited_ms == 70 * DAY_MS
    process(learner, [assessment("c", 75 * DAY_MS, "settled")])
    assert reporter.labels_awaited_ms == 5 * DAY_MS
    process(learner, [assessment("c", 90 * DAY_MS, "defaulted")])
    assert reporter.labels_awaited_ms == 0
