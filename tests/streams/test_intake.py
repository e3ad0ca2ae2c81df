"""Intake: what becomes a line of the log, what becomes a dead letter, and when it stops."""

import base64
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.prior import PRIOR_VERSION
from ops.metrics import Metrics
from ops.settings import Settings
from schemas import topics
from schemas.digests import content_digest
from schemas.fast_codec import FastCodec
from streams.artifacts import MemoryArtifacts, builtin_policy
from streams.host import Committed, RunHost
from streams.intake import (
    ANYWHERE,
    NDJSON,
    DeadLetterLimit,
    InputHealth,
    InputStopped,
    Intake,
)
from streams.intake_host import IntakeHost
from streams.records import Output, Record

from .conftest import KEY, NOW_MS

Make = Callable[..., dict[str, Any]]
ToRecord = Callable[..., Record]


def log_lines(outputs: list[Output]) -> dict[int, list[dict[str, Any]]]:
    """Lines of risk.events by partition."""
    lines: dict[int, list[dict[str, Any]]] = {}
    for output in outputs:
        if output.topic == topics.EVENTS:
            found = msgspec.json.Decoder().decode_lines(output.value or b"")
            lines.setdefault(output.partition, []).extend(found)
    return lines


def letters(outputs: list[Output]) -> list[dict[str, Any]]:
    """Dead letters as dicts."""
    return [msgspec.json.decode(o.value or b"") for o in outputs if o.topic == topics.DEAD_LETTERS]


def test_a_valid_event_becomes_a_line_with_its_unknown_fields(
    intake: Intake, make_event: Make, to_record: ToRecord
) -> None:
    event = make_event("order.paid", counterparty_id="Bob", colour={"deep": [1, None]})
    record = to_record(event)
    intake.take(record, NOW_MS)
    (line,) = log_lines(intake.flush())[record.partition]
    assert line["colour"] == {"deep": [1, None]}
    assert line["counterparty_id"].startswith("cp_")
    assert {k: v for k, v in line.items() if k != "counterparty_id"} == {
        k: v for k, v in event.items() if k != "counterparty_id"
    }


def test_lines_of_a_partition_keep_their_order_and_batches_are_bounded(
    make_event: Make, to_record: ToRecord, artifacts: MemoryArtifacts
) -> None:
    intake = Intake(partitions=4, privacy_key=KEY, artifacts=artifacts, lines_max=3)
    events = [make_event("order.paid") for _ in range(8)]
    for event in events:
        intake.take(to_record(event), NOW_MS)
    outputs = intake.flush()
    assert [len((o.value or b"").splitlines()) for o in outputs] == [3, 3, 2]
    (lines,) = log_lines(outputs).values()
    assert [line["event_id"] for line in lines] == [event["event_id"] for event in events]


def test_a_batch_record_is_taken_line_by_line_and_one_bad_line_harms_no_other(
    intake: Intake, make_event: Make, to_record: ToRecord
) -> None:
    good = [msgspec.json.encode(make_event("order.paid")) for _ in range(2)]
    value = good[0] + b"\n{broken\n" + good[1] + b"\n"
    record = to_record(make_event("order.paid"), value=value, key=b"whatever")
    record = record._replace(headers=[("content-type", b"application/x-ndjson")])
    intake.take(record, NOW_MS)
    outputs = intake.flush()
    assert len(log_lines(outputs)[record.partition]) == 2
    (letter,) = letters(outputs)
    assert (letter["reason"], letter["line"]) == ("not_json", 2)
    assert base64.b64decode(letter["value"]) == b"{broken"


def test_a_dead_letter_has_original_bytes_headers_and_coordinates(
    intake: Intake, to_record: ToRecord
) -> None:
    raw = b'\xff\xfe{"a": 1}'
    record = to_record(raw, partition=2, offset=77, key=b"\x00k")
    record = record._replace(headers=[("trace", b"\x01\x02"), ("none", None)])
    intake.take(record, NOW_MS)
    (letter,) = letters(intake.flush())
    assert letter["reason"] == "not_utf8"
    assert (letter["topic"], letter["partition"], letter["offset"]) == (
        "merchant.transactions",
        2,
        77,
    )
    assert base64.b64decode(letter["value"]) == raw
    assert base64.b64decode(letter["key"]) == b"\x00k"
    assert base64.b64decode(letter["headers"][0]["value"]) == b"\x01\x02"
    assert letter["headers"][1] == {"name": "none", "value": None}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"key": b"other"}, "wrong_key"),
        ({"key": None}, "wrong_key"),
        ({"topic": "merchant.payments"}, "wrong_topic"),
        ({"partition": 99}, "wrong_partition"),
        ({"value": None}, "empty"),
    ],
)
def test_what_is_in_the_wrong_place_is_a_dead_letter(
    intake: Intake, make_event: Make, to_record: ToRecord, changes: dict[str, Any], reason: str
) -> None:
    intake.take(to_record(make_event("order.paid"))._replace(**changes), NOW_MS)
    outputs = intake.flush()
    assert [letter["reason"] for letter in letters(outputs)] == [reason]
    assert not log_lines(outputs)


def test_control_lines_cannot_be_forged_on_a_merchant_topic(
    intake: Intake, make_event: Make, to_record: ToRecord
) -> None:
    for kind in ("clock.tick", "model.activated"):
        event = make_event(kind, version="v", digest="d")
        intake.take(to_record(event)._replace(topic="merchant.transactions"), NOW_MS)
        from_file = Record("file", ANYWHERE, 1, None, msgspec.json.encode(event), [], 0)
        intake.take(from_file, NOW_MS)
    assert {letter["reason"] for letter in letters(intake.flush())} == {"wrong_topic"}


def test_an_activation_reaches_every_partition_once(
    intake: Intake, make_event: Make, to_record: ToRecord
) -> None:
    event = make_event("model.activated", "*", version="v2", digest="d")
    intake.take(to_record(event), NOW_MS)
    lines = log_lines(intake.flush())
    assert sorted(lines) == [0, 1, 2, 3]
    assert all(len(found) == 1 for found in lines.values())


def test_a_published_policy_is_kept_and_activated_everywhere_by_its_digest(
    intake: Intake, make_event: Make, to_record: ToRecord
) -> None:
    text = builtin_policy("working-capital-2.yaml")
    event = make_event("policy.publish", "*", actor="ann", document=text)
    intake.take(to_record(event), NOW_MS)
    outputs = intake.flush()
    (kept,) = [o for o in outputs if o.topic == topics.POLICIES]
    assert kept.value == text.encode()
    for (line,) in log_lines(outputs).values():
        assert line["type"] == "policy.activated"
        assert line["version"].encode() == kept.key
        assert line["digest"] == content_digest(text.encode())


def test_a_policy_that_names_shipped_products_is_kept_with_their_texts(
    intake: Intake, make_event: Make, to_record: ToRecord
) -> None:
    whole = builtin_policy("portfolio-1.yaml")
    alone = whole.split("\n---\n")[0]
    event = make_event("policy.publish", "*", actor="ann", document=alone)
    intake.take(to_record(event), NOW_MS)
    (kept,) = [o for o in intake.flush() if o.topic == topics.POLICIES]
    assert kept.value == whole.encode()


def test_a_lease_reaches_its_own_partition_alone(
    intake: Intake, make_event: Make, to_record: ToRecord
) -> None:
    lease = {"budget_id": "portfolio.cuts.CNY", "partition": 2, "amount_minor": 5, "day": 1}
    event = make_event("budget.leased", "*", currency="CNY", **lease)
    intake.take(to_record(event), NOW_MS)
    lines = log_lines(intake.flush())
    assert sorted(lines) == [2]
    assert [line["partition"] for line in lines[2]] == [2]


def test_a_policy_with_an_error_is_refused_with_the_reason(
    intake: Intake, make_event: Make, to_record: ToRecord
) -> None:
    event = make_event("policy.publish", "*", actor="ann", document="version: [broken")
    intake.take(to_record(event), NOW_MS)
    outputs = intake.flush()
    assert [letter["reason"] for letter in letters(outputs)] == ["invalid_policy"]
    assert not [o for o in outputs if o.topic in (topics.POLICIES, topics.EVENTS)]


def test_a_roll_back_names_a_known_model_version(
    intake: Intake, make_event: Make, to_record: ToRecord
) -> None:
    intake.take(
        to_record(make_event("model.rollback", "*", actor="a", version=PRIOR_VERSION)), NOW_MS
    )
    intake.take(to_record(make_event("model.rollback", "*", actor="a", version="no")), NOW_MS)
    outputs = intake.flush()
    assert {line["version"] for (line,) in log_lines(outputs).values()} == {PRIOR_VERSION}
    assert [letter["reason"] for letter in letters(outputs)] == ["bad_value"]


def test_a_partition_stops_after_a_run_of_bad_records_and_others_go_on(
    make_event: Make, to_record: ToRecord, artifacts: MemoryArtifacts
) -> None:
    limit = DeadLetterLimit(run_max=3, share_max=0.9, window=100)
    intake = Intake(partitions=4, privacy_key=KEY, artifacts=artifacts, dead_letter_limit=limit)
    for _ in range(3):
        intake.take(to_record(b"bad"), NOW_MS)
    with pytest.raises(InputStopped, match="3 bad records in a row"):
        intake.take(to_record(b"bad"), NOW_MS)
    assert len(letters(intake.flush())) == 3
    stopped = to_record(b"bad").partition
    others = (f"m{n}" for n in range(100))
    elsewhere = next(m for m in others if intake.partition_of(m) != stopped)
    intake.take(to_record(make_event("order.paid", elsewhere)), NOW_MS)
    assert intake.accepted == 1


def test_a_partition_stops_when_too_large_a_share_is_bad(
    make_event: Make, to_record: ToRecord, artifacts: MemoryArtifacts
) -> None:
    limit = DeadLetterLimit(run_max=100, share_max=0.4, window=10)
    intake = Intake(partitions=1, privacy_key=KEY, artifacts=artifacts, dead_letter_limit=limit)
    with pytest.raises(InputStopped, match="50% of the last 10"):
        for _ in range(10):
            intake.take(to_record(make_event("order.paid"))._replace(partition=0), NOW_MS)
            intake.take(to_record(b"bad"), NOW_MS)
    assert intake.accepted == 5


def test_the_health_of_an_input_survives_a_restart() -> None:
    limit = DeadLetterLimit(run_max=5)
    health = InputHealth()
    for bad in (False, True, True):
        health.note(bad, limit)
    again = InputHealth.unpack(health.pack())
    assert (again.run, sum(again.recent), len(again.recent)) == (2, 2, 3)
    assert InputHealth.unpack("rubbish").run == 0


def _mixed_records(to_record: ToRecord, make_event: Make) -> list[Record]:
    """Trade of twelve merchants; every few records one is bad, misplaced, NDJSON or a command."""
    records = []
    for number in range(240):
        event = make_event(
            "order.paid" if number % 3 else "shipment.lost",
            f"m{number % 12}" if number % 8 else "商户",
            counterparty_id=f"c{number % 5}",
        )
        record = to_record(event)
        raw = record.value or b""
        odd: dict[int, dict[str, Any]] = {
            1: {"value": raw.replace(b":", b": ")},
            2: {"value": raw[:-1] + b',"note":[1.50]}'},
            3: {"key": b"other"},
            4: {"partition": (record.partition + 1) % 4},
            5: {"topic": "merchant.payments"},
            6: {"value": raw.replace(b"1000", b"-1")},
            7: {"value": raw + b"\n{}\n\n" + raw, "headers": [("content-type", NDJSON)]},
            8: {"value": None, "headers": [("trace", b"1")]},
            9: {"partition": ANYWHERE, "topic": "file", "key": None},
            10: {"timestamp_ms": 0},
            11: {"value": raw.replace(b'"m', b'"*')},
        }
        records.append(record._replace(**odd.get(number % 17, {})))
    commands = [make_event("automation.pause", "*", actor="a"), make_event("clock.tick", "*")]
    return records + [to_record(command) for command in commands]


def test_the_codecs_short_way_changes_nothing_of_what_intake_does(
    make_event: Make,
    to_record: ToRecord,
    artifacts: MemoryArtifacts,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    records = _mixed_records(to_record, make_event)
    limit = DeadLetterLimit(share_max=0.9)
    results = []
    for short in (True, False):
        if not short:
            monkeypatch.setattr(FastCodec, "decode", lambda *_: None)
        intake = Intake(
            partitions=4,
            privacy_key=KEY,
            artifacts=artifacts,
            dead_letter_limit=limit,
            lines_max=7,
            batch_bytes_max=1000,
        )
        for record in records:
            intake.take(record, NOW_MS)
        packed = {source: health.pack() for source, health in intake.health.items()}
        results.append((intake.flush(), intake.accepted, intake.dead_letters, packed))
    assert results[0] == results[1]
    outputs, accepted, dead_letters, _ = results[0]
    assert accepted > 100
    assert len(letters(outputs)) == sum(dead_letters.values()) > 50
    assert len(dead_letters) >= 6


def test_a_run_of_records_is_taken_as_one_by_one_up_to_where_it_stops(
    make_event: Make, to_record: ToRecord, artifacts: MemoryArtifacts
) -> None:
    limit = DeadLetterLimit(run_max=2)
    good = [to_record(make_event("order.paid")) for _ in range(2)]
    bad = [good[0]._replace(offset=10 + n, value=b"bad") for n in range(3)]
    run = [good[0], bad[0], good[1], bad[1], bad[2], good[1]._replace(offset=20)]
    outputs = []
    for step in (1, len(run)):
        intake = Intake(partitions=4, privacy_key=KEY, artifacts=artifacts, dead_letter_limit=limit)
        with pytest.raises(InputStopped) as stopped:
            for at in range(0, len(run), step):
                intake.take_run(run[at : at + step], NOW_MS)
        assert stopped.value.record is run[5]
        assert intake.accepted == 2
        outputs.append(intake.flush())
    assert outputs[0] == outputs[1]


@given(
    st.lists(st.booleans(), max_size=60),
    st.integers(1, 6),
    st.integers(1, 6),
    st.floats(0, 1),
)
def test_health_counts_every_record_of_the_window(
    verdicts: list[bool], window: int, run_max: int, share_max: float
) -> None:
    """Against a plain recount of the records so far."""
    limit = DeadLetterLimit(share_max=share_max, window=window, run_max=run_max)
    health = InputHealth()
    for seen, bad in enumerate(verdicts, 1):
        health.note(bad, limit)
        recent = verdicts[max(0, seen - window) : seen]
        run = next((n for n, b in enumerate(reversed(verdicts[:seen])) if not b), seen)
        assert health.pack() == f"{run},{sum(recent)},{len(recent)}"
        full_and_over = len(recent) == window and sum(recent) / window > share_max
        assert bool(health.exceeded(limit)) == (run >= run_max or full_and_over)


def test_the_hosted_intake_takes_runs_and_keeps_its_lines_for_the_drain(
    make_event: Make, to_record: ToRecord, artifacts: MemoryArtifacts
) -> None:
    host = IntakeHost(Settings(), Metrics(), artifacts, KEY)
    assert isinstance(host, RunHost), "the runtime would take one record at a time"
    run = [to_record(make_event("order.paid")) for _ in range(3)]
    source = (run[0].topic, run[0].partition)
    host.assign({source: Committed(None, "2,2,5")})
    host.take_run(run[:2], NOW_MS)
    assert host.take(run[2], NOW_MS) == []
    (lines,) = log_lines(host.drain()).values()
    assert len(lines) == 3
    assert host.metadata(source) == "0,2,8"
    assert host.drain() == []
