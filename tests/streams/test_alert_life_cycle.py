"""The life of alerts in the log: falls, cures, snoozes, deadlines, suppression and commands."""

from itertools import pairwise
from typing import Any

import msgspec
import pytest

from schemas import topics
from schemas.digests import content_digest
from schemas.outputs import Alert
from streams.artifacts import builtin_policy
from streams.intake import Intake
from tests.streams.test_cohort_alerts import FOUND, NORTH

from .conftest import NOW_MS
from .test_rules import DAY_MS, START, Shop, rule_file

HOUR_MS = 3_600_000
KIND = "many_cancelled"


def policy(version: str, **alerts: Any) -> str:
    """The shipped policy with other terms for alerts."""
    head, line, rest = builtin_policy().partition("products:")
    terms = msgspec.json.encode(alerts).decode()
    head = head.replace("version: working-capital-1", f"version: {version}")
    return f"{head}alerts: {terms}\n{line}{rest}"


class Desk(Shop):
    """A shop whose alerts people work, under a policy with terms of its own."""

    def __init__(self, **alerts: Any) -> None:
        super().__init__(rule_file())
        self.say_policy("mine-1", **alerts)

    def restored(self) -> "Desk":
        """The same after a restore from a checkpoint; what was said before is forgotten."""
        copied = self.copy()
        other = Desk.__new__(Desk)
        other.__dict__ = copied.__dict__
        return other

    def say_policy(self, version: str, **alerts: Any) -> None:
        """Put a policy in force here."""
        raw = policy(version, **alerts).encode()
        self.artifacts.put("policy", version, raw)
        self.log(
            self.line("policy.activated", "*", 0)
            | {"version": version, "digest": content_digest(raw), "artifact": "policy"}
        )

    def line(self, kind: str, merchant: str, hours: float, **fields: Any) -> dict[str, Any]:
        """A line so many hours into the present day."""
        at = START + self.day * DAY_MS + int(hours * HOUR_MS)
        return {
            "type": kind,
            "event_id": f"{kind}/{self.offset}",
            "merchant_id": merchant,
            "occurred_at": at,
            **fields,
        }

    def command(self, kind: str, alert: Alert, hours: float = 0, **fields: Any) -> list[Alert]:
        """The desk says something of an alert; the alerts that are told."""
        told = len(self.alerts)
        merchant = alert.merchant_id
        self.log(
            self.line(
                f"alert.{kind}", merchant, hours, actor="ann", alert_id=alert.alert_id, **fields
            )
        )
        return self.alerts[told:]

    def open(self, severity: str = "warning") -> Alert:
        """The one alert that opens as orders are cancelled."""
        before = len(self.alerts)
        self.trade(40, cancelled=5 if severity == "warning" else 7)
        first, *_ = self.alerts[before:]
        assert (first.kind, first.state, first.reopened) == (KIND, "open", 0)
        return self.alerts[-1]


def test_severity_falls_once_the_lower_one_has_held() -> None:
    desk = Desk(falls_after_hours=240)
    worst = desk.open("critical")
    assert worst.severity == "critical"
    desk.trade(40, cancelled=5)
    ((before, fallen),) = [(a, b) for a, b in pairwise(desk.alerts) if a.severity != b.severity]
    assert (before.severity, fallen.severity) == ("critical", "warning")
    assert fallen.alert_id == worst.alert_id and fallen.version == before.version + 1
    share = [(a.as_of, a.features["cancel_share_28d"] or 0) for a in desk.assessments if a.features]
    last_critical = max(at for at, value in share if value >= 0.6)
    first_lower = min(at for at, value in share if at > last_critical)
    assert fallen.updated_at - first_lower >= 240 * HOUR_MS
    assert fallen.updated_at - first_lower < 264 * HOUR_MS, "as soon as it has held"


def test_a_cured_alert_opens_again_within_the_time_and_is_another_after_it() -> None:
    desk = Desk(reopen_within_days=20)
    first = desk.open()
    desk.trade(60)
    cured = desk.alerts[-1]
    assert (cured.state, cured.outcome, cured.alert_id) == ("closed", "cured", first.alert_id)
    days = (START + desk.day * DAY_MS - cured.updated_at) // DAY_MS
    assert days > 20, "too long ago"
    second = desk.open()
    assert second.alert_id != first.alert_id

    desk = Desk(reopen_within_days=90)
    first = desk.open()
    desk.trade(60)
    cured = desk.alerts[-1]
    desk = desk.restored()
    desk.trade(40, cancelled=5)
    again = desk.alerts[0]
    assert (again.alert_id, again.version) == (first.alert_id, cured.version + 1)
    assert (again.state, again.reopened, again.outcome) == ("open", 1, None)
    assert again.opened_at == first.opened_at
    assert again.acknowledge_by == again.updated_at + 24 * HOUR_MS
    assert desk.scoring.stats[f"alerts_reopened.{KIND}"] == 1
    assert desk.scoring.stats[f"alerts.{KIND}.warning"] == 1, "opened once"
    assert desk.scoring.ledgers[0].cured is None


def test_after_a_false_alarm_it_is_another_alert() -> None:
    desk = Desk(reopen_within_days=90)
    first = desk.open()
    (closed,) = desk.command("close", first, outcome="false_alarm", reason="a promotion")
    assert (closed.outcome, closed.actor, closed.note) == ("false_alarm", "ann", "a promotion")
    desk.trade(2, cancelled=5)
    again = desk.alerts[-1]
    assert again.alert_id != first.alert_id and again.reopened == 0


def test_a_snoozed_alert_wakes_by_the_clock_though_its_merchant_says_nothing() -> None:
    desk = Desk()
    alert = desk.open()
    (asleep,) = desk.command(
        "snooze", alert, until_at=START + desk.day * DAY_MS + 10 * HOUR_MS + 1, reason="call back"
    )
    assert (asleep.state, asleep.note) == ("snoozed", "call back")
    told = len(desk.alerts)
    for hours in range(1, 13):
        desk.log(desk.line("order.paid", "another", hours, amount=1, currency="CNY"))
        woken = desk.alerts[told:]
        if hours < 12:  # the watermark is an hour behind, and snoozes end on the hour
            assert woken == [], hours
    (awake,) = woken
    assert (awake.alert_id, awake.state, awake.snoozed_until) == (alert.alert_id, "open", None)
    assert asleep.snoozed_until is not None
    assert awake.updated_at == (asleep.snoozed_until // HOUR_MS + 1) * HOUR_MS - 1
    assert awake.actor is None


def test_a_snooze_is_shortened_to_what_the_policy_allows_and_one_of_the_past_has_no_effect() -> (
    None
):
    desk = Desk(snooze_days_max=3)
    alert = desk.open()
    now = START + desk.day * DAY_MS
    assert desk.command("snooze", alert, until_at=now - 1) == []
    assert desk.scoring.stats["commands_without_effect"] == 1
    (asleep,) = desk.command("snooze", alert, until_at=now + 30 * DAY_MS)
    assert asleep.snoozed_until == now + 3 * DAY_MS
    assert asleep.note == "shortened to 3 days, the longest that the policy allows"


def test_the_wake_of_one_alert_outlives_other_commands_and_a_restore() -> None:
    desk = Desk()
    alert = desk.open()
    desk.command("snooze", alert, until_at=START + desk.day * DAY_MS + 40 * HOUR_MS)
    desk = desk.restored()
    desk.log(
        desk.line("alert.acknowledge", "m", 1, actor="ann", alert_id="al_unknown"),
        desk.line("order.paid", "another", 20, amount=1, currency="CNY", event_id="x1"),
        desk.line("order.paid", "third", 43, amount=1, currency="CNY", event_id="x2"),
    )
    assert [a.state for a in desk.alerts] == ["open"]


def test_a_cohort_wakes_without_an_assessment_of_it() -> None:
    desk = Desk()
    desk.trade(3)
    desk.log(desk.line("cohort.alerted", NORTH, 0, **FOUND))
    until = START + desk.day * DAY_MS + 5 * HOUR_MS
    desk.command("snooze", desk.alerts[-1], until_at=until)
    for hours in range(1, 10):
        desk.log(desk.line("order.paid", "another", hours, amount=1, currency="CNY"))
    assert [a.state for a in desk.alerts] == ["open", "snoozed", "open"]
    assert not [a for a in desk.assessments if a.merchant_id == NORTH]
    desk.command("snooze", desk.alerts[-1], hours=9, until_at=until + 20 * HOUR_MS)
    desk.log(desk.line("cohort.calmed", NORTH, 10, actor="monitor"))
    for hours in range(11, 40):
        desk.log(desk.line("order.paid", "another", hours, amount=1, currency="CNY"))
    assert [a.state for a in desk.alerts[-2:]] == ["snoozed", "closed"]
    assert not [a for a in desk.assessments if a.merchant_id == NORTH]


@pytest.mark.parametrize(
    "suppression",
    [
        {"kinds": [KIND]},
        {"segments": ["unspecified"]},
        {"merchants": ["m"]},
        {"kinds": [KIND], "segments": ["unspecified"], "merchants": ["m"]},
    ],
)
def test_a_suppressed_alert_does_not_open_but_is_counted(suppression: dict[str, Any]) -> None:
    desk = Desk(suppress=[{"until": "2999-12-31", "reason": "Known.", **suppression}])
    desk.trade(40, cancelled=5)
    assert desk.alerts == []
    assert desk.scoring.stats[f"alerts_suppressed.{KIND}"] > 5
    assert desk.scoring.stats[f"alerts.{KIND}.warning"] == 0


@pytest.mark.parametrize(
    "suppression",
    [
        {"kinds": ["core_silent"]},
        {"segments": ["elsewhere"]},
        {"merchants": ["n"]},
        {"products": ["working-capital"]},
        {"kinds": [KIND], "merchants": ["n"]},
        {"kinds": [KIND], "until": "2000-01-01"},
    ],
)
def test_a_suppression_of_something_else_leaves_it_alone(suppression: dict[str, Any]) -> None:
    desk = Desk(suppress=[{"until": "2999-12-31", "reason": "Known.", **suppression}])
    assert desk.open().kind == KIND


def test_an_open_alert_is_not_touched_by_a_suppression() -> None:
    desk = Desk()
    first = desk.open()
    desk.say_policy("mine-2", suppress=[{"until": "2999-12-31", "reason": "x", "kinds": [KIND]}])
    desk.trade(10, cancelled=9)
    risen = desk.alerts[-1]
    assert (risen.alert_id, risen.severity) == (first.alert_id, "critical")
    desk.command("close", risen, outcome="cured")
    desk.trade(3, cancelled=9)
    assert desk.alerts[-1].state == "closed", "it does not open again either"


@pytest.mark.parametrize("kind", ["assign", "acknowledge", "snooze", "close"])
def test_a_command_about_a_closed_or_unknown_alert_is_counted_by_type(kind: str) -> None:
    desk = Desk()
    alert = desk.open()
    fields: dict[str, Any] = {
        "assign": {"assignee": "bo"},
        "snooze": {"until_at": START + (desk.day + 1) * DAY_MS},
        "close": {"outcome": "confirmed"},
    }.get(kind, {})
    assert len(desk.command(kind, alert, **fields)) == 1
    stats = desk.scoring.stats
    if kind != "close":
        desk.command("close", alert, outcome="confirmed")
    assert desk.command(kind, alert, **fields) == []
    unknown = msgspec.structs.replace(alert, alert_id="al_unknown")
    assert desk.command(kind, unknown, **fields) == []
    assert stats[f"commands_without_target.alert.{kind}"] == 2
    assert stats["commands_without_target"] == 2


@pytest.mark.parametrize("outcome", [{}, {"outcome": None}, {"outcome": "escalated"}])
def test_closing_needs_an_outcome(
    intake: Intake, make_event: Any, to_record: Any, outcome: dict[str, Any]
) -> None:
    event = make_event("alert.close", "m", actor="ann", alert_id="al_1", **outcome)
    intake.take(to_record(event), NOW_MS)
    (letter,) = [each for each in intake.flush() if each.topic == topics.DEAD_LETTERS]
    assert b"outcome" in (letter.value or b"")


def test_an_alert_says_by_when_and_what_its_rank_rests_on() -> None:
    desk = Desk(
        acknowledge_within_hours={"critical": 1, "warning": 5, "info": 9},
        close_within_hours={"critical": 10, "warning": 50, "info": 90},
    )
    desk.open()
    alert = next(a for a in desk.alerts if a.version == 1)
    assert alert.acknowledge_by == alert.opened_at + 5 * HOUR_MS
    assert alert.close_by == alert.opened_at + 50 * HOUR_MS
    assessed = {a.as_of: a for a in desk.assessments}
    assert alert.probability_of_default == assessed[alert.updated_at].probability_of_default
    (seen,) = desk.command("acknowledge", desk.alerts[-1], hours=2)
    latest = desk.assessments[-1]
    assert seen.probability_of_default == latest.probability_of_default is not None
    assert seen.acknowledged_at == seen.updated_at


def test_however_the_log_is_cut_into_records_the_alerts_are_the_same() -> None:
    """Snoozes set deadlines, and these must not depend on what is assessed together."""

    def run(size: int) -> list[Alert]:
        desk = Desk(falls_after_hours=48, reopen_within_days=60)
        alert = desk.open("critical")
        now = START + desk.day * DAY_MS
        desk.log(
            desk.line(
                "alert.snooze", "m", 0, actor="ann", alert_id=alert.alert_id,
                until_at=now + 30 * HOUR_MS,
            )
        )  # fmt: skip
        lines = []
        for hours in range(1, 24 * 60):
            for merchant in ("m", "n", "o"):
                if merchant == "m" and 20 < hours < 70:
                    continue  # silent while it sleeps
                name = f"{merchant}/{hours}"
                lines.append(
                    desk.line(
                        "order.paid", merchant, hours, event_id=name, order_id=name,
                        amount=100, currency="CNY",
                    )
                )  # fmt: skip
        for first in range(0, len(lines), size):
            desk.log(*lines[first : first + size])
        return desk.alerts

    one = run(1)
    assert {"snoozed", "open", "closed"} <= {a.state for a in one}
    assert one == run(7) == run(1000)
