"""Rule files through intake and scoring: published, put in force at a place, kept, and obeyed."""

import base64
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from detectors.rule_loading import load_rules
from schemas import topics
from schemas.digests import content_digest
from schemas.outputs import Alert, Assessment
from streams.artifacts import MemoryArtifacts, builtin_policy, builtin_rules, genesis
from streams.checkpoints import Checkpointer, Shelf, latest_manifest, load
from streams.intake import Intake
from streams.records import Output, Record, artifact_of
from streams.scoring import Scoring

from .conftest import NOW_MS

DAY_MS = 86_400_000
START = NOW_MS - 300 * DAY_MS
Make = Callable[..., dict[str, Any]]
ToRecord = Callable[..., Record]


def rule_file(version: str = "mine-1", **changes: Any) -> str:
    """A file of one rule: orders cancelled at a high share."""
    rule = {
        "kind": "many_cancelled",
        "family": "refunds_and_disputes",
        "label": {"en": "Many cancelled", "zh": "大量取消"},
        "rationale": {"en": "A test.", "zh": "测试。"},
        "feeds": ["transactions"],
        "levels": [
            {"severity": "critical", "tests": [{"feature": "cancel_share_28d", "ge": 0.6}]},
            {"severity": "warning", "tests": [{"feature": "cancel_share_28d", "ge": 0.4}]},
        ],
        "hold": [[{"feature": "cancel_share_28d", "ge": 0.2}]],
        **changes,
    }
    return f"version: {version}\nrules:\n  - {msgspec.json.encode(rule).decode()}\n"


class Shop:
    """One merchant whose orders are cancelled in part; a day is one record of the log."""

    def __init__(self, *published: str) -> None:
        self.artifacts = MemoryArtifacts()
        self.scoring = Scoring(self.artifacts, genesis())
        self.offset = 0
        self.day = 0
        self.assessments: list[Assessment] = []
        self.alerts: list[Alert] = []
        for text in published:
            self.publish(text)

    def publish(self, text: str) -> None:
        """Put a rule file in force here."""
        raw = text.encode()
        version = load_rules(text).version
        self.artifacts.put("rules", version, raw)
        self.log(
            {
                "type": "policy.activated",
                "event_id": f"a-{version}",
                "merchant_id": "*",
                "occurred_at": START + self.day * DAY_MS,
                "version": version,
                "digest": content_digest(raw),
                "artifact": "rules",
            }
        )

    def trade(self, days: int, cancelled: int = 0, orders: int = 10) -> None:
        """So many days of orders, some of them cancelled."""
        for _ in range(days):
            at = START + self.day * DAY_MS + DAY_MS // 2
            self.log(
                *(self._order("order.paid", number, at) for number in range(orders)),
                *(self._order("order.cancelled", number, at) for number in range(cancelled)),
            )
            self.day += 1

    def _order(self, kind: str, number: int, at: int) -> dict[str, Any]:
        return {
            "type": kind,
            "event_id": f"{kind}/{self.day}/{number}",
            "merchant_id": "m",
            "occurred_at": at + number,
            "order_id": f"o{self.day}/{number}",
            "amount": 10_000,
            "currency": "CNY",
        }

    def close(self, alert: Alert) -> None:
        """The desk closes an alert as a false alarm."""
        self.log(
            {
                "type": "alert.close",
                "event_id": f"close/{alert.alert_id}",
                "merchant_id": "m",
                "occurred_at": START + self.day * DAY_MS,
                "actor": "ann",
                "alert_id": alert.alert_id,
                "outcome": "false_alarm",
            }
        )

    def log(self, *lines: dict[str, Any]) -> list[Output]:
        value = b"".join(msgspec.json.encode(line) + b"\n" for line in lines)
        outputs = self.scoring.process(Record(topics.EVENTS, 0, self.offset, None, value, [], 0))
        self.offset += 1
        for output in outputs:
            value = output.value or b""
            if output.topic == topics.ASSESSMENTS:
                self.assessments.append(msgspec.json.decode(value, type=Assessment))
            elif output.topic == topics.ALERTS:
                self.alerts.append(msgspec.json.decode(value, type=Alert))
        return outputs

    def opened(self) -> list[Alert]:
        """The first state of each episode."""
        return [alert for alert in self.alerts if alert.version == 1]

    def copy(self) -> "Shop":
        """The same after a restore from a checkpoint."""
        checkpointer = Checkpointer(self.scoring, Shelf(0))
        checkpointer.begin()
        records: dict[bytes, bytes] = {}
        while checkpointer.running:
            records |= {o.key or b"": o.value or b"" for o in checkpointer.carry(1 << 20)}
        manifest = latest_manifest(records, Shelf(0))
        assert manifest is not None
        other = Shop()
        other.artifacts = self.artifacts
        other.scoring = Scoring(self.artifacts, genesis())
        other.offset, other.day = self.offset, self.day
        load(other.scoring, manifest, records, Shelf(0))
        return other


def publish(make_event: Make, document: str) -> dict[str, Any]:
    return make_event("policy.publish", "*", actor="ann", document=document)


def refused(outputs: list[Output]) -> list[tuple[str, str]]:
    """Reason and detail of the dead letters."""
    letters = [
        msgspec.json.decode(o.value or b"") for o in outputs if o.topic == "risk.dead-letters"
    ]
    return [(letter["reason"], letter["detail"]) for letter in letters]


def test_a_published_rule_file_is_kept_and_activated_everywhere_by_its_digest(
    intake: Intake, make_event: Make, to_record: ToRecord
) -> None:
    text = rule_file()
    intake.take(to_record(publish(make_event, text)), NOW_MS)
    outputs = intake.flush()
    (kept,) = [o for o in outputs if o.topic == topics.POLICIES]
    assert artifact_of(kept.topic, kept.key) == ("rules", "mine-1")
    assert kept.value == text.encode()
    lines = [msgspec.json.decode(o.value or b"") for o in outputs if o.topic == topics.EVENTS]
    assert len(lines) == 4
    for line in lines:
        assert (line["type"], line["artifact"]) == ("policy.activated", "rules")
        assert (line["version"], line["digest"]) == ("mine-1", content_digest(text.encode()))


def test_a_policy_and_a_rule_file_of_one_version_do_not_meet(
    intake: Intake, make_event: Make, to_record: ToRecord
) -> None:
    policy = builtin_policy("working-capital-2.yaml")
    for text in (policy, rule_file("working-capital-2")):
        intake.take(to_record(publish(make_event, text)), NOW_MS)
    keys = [o.key for o in intake.flush() if o.topic == topics.POLICIES]
    assert len(set(keys)) == 2


@pytest.mark.parametrize(
    ("document", "says"),
    [
        (rule_file(feeds=["payments"]), "line 3: `rules.0.feeds.0` is payments, which no feature"),
        (rule_file(kind="A"), "line 3: `rules.0.kind`"),
        ("version: x\nrules: [", "not YAML"),
        (builtin_rules() + "# changed\n", "version sentinels-3 is in use with another text"),
    ],
)
def test_a_bad_rule_file_is_a_dead_letter_with_line_and_remedy(
    intake: Intake, make_event: Make, to_record: ToRecord, document: str, says: str
) -> None:
    event = publish(make_event, document)
    intake.take(to_record(event), NOW_MS)
    outputs = intake.flush()
    ((reason, detail),) = refused(outputs)
    assert reason == "invalid_rules" and says in detail
    (letter,) = [msgspec.json.decode(o.value or b"") for o in outputs]
    assert msgspec.json.decode(base64.b64decode(letter["value"]))["document"] == document


def test_a_policy_may_name_kinds_of_a_rule_file_published_before_it(
    intake: Intake, artifacts: MemoryArtifacts, make_event: Make, to_record: ToRecord
) -> None:
    policy = builtin_policy("working-capital-2.yaml").replace(
        "- voided_invoices", "- many_cancelled"
    )
    intake.take(to_record(publish(make_event, policy)), NOW_MS)
    ((reason, detail),) = refused(intake.flush())
    assert reason == "invalid_policy" and "'many_cancelled', no kind of alert" in detail
    artifacts.put("rules", "mine-1", rule_file().encode())
    intake.take(to_record(publish(make_event, policy)), NOW_MS)
    assert refused(intake.flush()) == []


def test_rules_govern_from_their_place_in_the_log_and_are_named_in_what_is_said() -> None:
    shop = Shop()
    shop.trade(40, cancelled=5)
    assert "many_cancelled" not in {alert.kind for alert in shop.alerts}
    shop.publish(rule_file())
    shop.trade(3, cancelled=5)
    (alert,) = [alert for alert in shop.opened() if alert.kind == "many_cancelled"]
    assert alert.severity == "warning" and alert.rules_version == "mine-1"
    assert [reason.feature for reason in alert.reasons] == ["cancel_share_28d"]
    versions = [assessment.rules_version for assessment in shop.assessments]
    assert versions == sorted(versions, reverse=True)
    assert set(versions) == {"sentinels-3", "mine-1"}


def test_rules_outlive_a_checkpoint_and_so_does_what_must_last() -> None:
    shop = Shop(rule_file(persistence_hours=96, cool_down_days=30))
    shop.trade(30)
    shop.trade(16, cancelled=10)
    assert shop.scoring.ledgers[0].met_since
    assert shop.opened() == []
    other = shop.copy()
    assert other.scoring.rules.version == "mine-1"
    assert other.scoring.ledgers == shop.scoring.ledgers
    for each in (shop, other):
        each.assessments, each.alerts = [], []
        each.trade(8, cancelled=10)
    assert other.assessments == shop.assessments and other.alerts == shop.alerts
    assert other.scoring.digest == shop.scoring.digest
    assert [alert.kind for alert in shop.opened()] == ["many_cancelled"]
    shop.close(shop.opened()[0])
    assert shop.scoring.ledgers[0].cooling
    assert shop.copy().scoring.ledgers == shop.scoring.ledgers


@pytest.mark.parametrize("hours", [0, 24, 96])
def test_an_alert_opens_when_its_condition_has_lasted(hours: int) -> None:
    """The share first reaches 0.4 on a day; the alert comes ``hours`` after that, no earlier."""
    shop = Shop(rule_file(persistence_hours=hours))
    shop.trade(30)
    shop.trade(20, cancelled=10)
    first = next(a for a in shop.assessments if a.features.get("cancel_share_28d", 0) >= 0.4)
    (alert,) = shop.opened()
    waited = (alert.opened_at - first.as_of) / 3_600_000
    assert hours <= waited <= hours + 24
    assert alert.opened_at in {a.as_of for a in shop.assessments}


def test_a_condition_that_pauses_has_not_lasted() -> None:
    busy = {"tests": [{"feature": "sales_count_24h", "ge": 15}], "severity": "warning"}
    hold = [[{"feature": "sales_count_24h", "ge": 15}]]
    shop = Shop(rule_file(persistence_hours=96, levels=[busy], hold=hold))
    shop.trade(30)
    for _ in range(3):
        shop.trade(4, orders=20)
        assert shop.scoring.ledgers[0].met_since
        shop.trade(2)
        assert not shop.scoring.ledgers[0].met_since
    assert shop.opened() == []
    shop.trade(6, orders=20)
    assert [alert.kind for alert in shop.opened()] == ["many_cancelled"]


def test_a_closed_alert_stays_away_for_the_cool_down_unless_it_gets_worse() -> None:
    shop = Shop(rule_file(cool_down_days=10))
    shop.trade(40, cancelled=5)
    (alert,) = shop.opened()
    shop.close(alert)
    shop.trade(9, cancelled=5)
    assert len(shop.opened()) == 1
    shop.trade(4, cancelled=5)
    assert len(shop.opened()) == 2, "the cool-down is over"
    again = shop.opened()[1]
    assert again.opened_at - shop.alerts[1].updated_at >= 10 * DAY_MS
    shop.close(again)
    shop.trade(9, cancelled=10)
    assert [a.severity for a in shop.opened()] == ["warning", "warning", "critical"]


def test_the_episode_of_a_kind_that_new_rules_lack_waits_for_the_desk() -> None:
    shop = Shop(rule_file())
    shop.trade(40, cancelled=5)
    (alert,) = shop.opened()
    shop.publish(rule_file("mine-2", kind="other_kind"))
    shop.trade(60)
    assert list(shop.scoring.ledgers[0].episodes) == ["many_cancelled"]
    shop.close(alert)
    assert not shop.scoring.ledgers[0].episodes


def test_a_merchant_on_whom_nothing_fires_is_looked_at_by_no_rule(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked: list[float] = []
    monkeypatch.setattr("streams.scoring.met_rules", lambda *_, **__: looked.append(1) or [])
    shop = Shop()
    shop.trade(60)
    assert len(shop.assessments) > 50 and looked == []
    shop.publish(rule_file())
    shop.trade(30, cancelled=6)
    assert looked


def test_a_policy_that_freezes_on_kinds_without_a_rule_is_counted() -> None:
    shop = Shop()
    assert shop.scoring.stats["freeze_kinds_without_rule"] == 0
    shop.publish(builtin_rules().replace("version: sentinels-3", "version: same-again"))
    assert shop.scoring.stats["freeze_kinds_without_rule"] == 0
    shop.publish(rule_file())
    assert shop.scoring.stats["freeze_kinds_without_rule"] == 4
