"""Old bytes under today's code, later bytes under today's code, and what a release may change.

``corpus/v0.1`` holds records as that release read and wrote them; its files are never edited.
``events.normal.ndjson`` states, line by line, what ``events.ndjson`` becomes in the log.
"""

import copy
import json
from typing import Any

import msgspec
import pytest

from schemas.codec import decode_event, encode
from schemas.documents import OUTPUT_TYPES, example
from schemas.events import BY_TAG, EVENT_TYPES, tag_of
from tests.schemas.contract import CONTRACT, CORPUS, Contract, breaks, describe
from tests.schemas.malformed import LIMITS, NOW_MS, PRIVACY_KEY

EVENTS = (CORPUS / "events.ndjson").read_bytes().splitlines()
NORMAL = (CORPUS / "events.normal.ndjson").read_bytes().splitlines()
OUTPUTS = [json.loads(line) for line in (CORPUS / "outputs.ndjson").read_bytes().splitlines()]
ADDED_SINCE = {"AuditEntry"}
"""Outputs that came after v0.1."""
OUTPUT_BY_NAME = {struct.__name__: struct for struct in OUTPUT_TYPES}
PAIRS = list(zip(EVENTS, NORMAL, strict=True))


@pytest.mark.parametrize(("raw", "normal"), PAIRS, ids=[json.loads(n)["event_id"] for n in NORMAL])
def test_an_event_of_v0_1_becomes_the_same_line_of_the_log(raw: bytes, normal: bytes) -> None:
    event, fields = decode_event(raw, now_ms=NOW_MS, limits=LIMITS, privacy_key=PRIVACY_KEY)
    assert encode(fields) == normal
    stated = json.loads(normal)
    values = msgspec.to_builtins(event)
    assert {k: v for k, v in stated.items() if k != "later_field"}.items() <= values.items()


@pytest.mark.parametrize("normal", NORMAL, ids=[json.loads(n)["event_id"] for n in NORMAL])
def test_a_line_of_the_log_of_v0_1_decodes_by_its_type_alone(normal: bytes) -> None:
    struct = BY_TAG[json.loads(normal)["type"]]
    values = msgspec.to_builtins(msgspec.json.decode(normal, type=struct))
    assert {k: v for k, v in json.loads(normal).items() if k in values} == {
        k: v for k, v in values.items() if k in json.loads(normal)
    }


@pytest.mark.parametrize("line", OUTPUTS, ids=lambda line: line["struct"])
def test_an_output_of_v0_1_decodes_to_its_values(line: dict[str, Any]) -> None:
    record = json.dumps(line["record"]).encode()
    values = msgspec.to_builtins(msgspec.json.decode(record, type=OUTPUT_BY_NAME[line["struct"]]))
    assert stated_then(values, line["record"]) == line["record"]


def stated_then(values: Any, record: Any) -> Any:
    """Values without the fields, here and in what is nested, that were added since."""
    if isinstance(record, dict):
        return {name: stated_then(values[name], each) for name, each in record.items()}
    if isinstance(record, list):
        return [stated_then(*pair) for pair in zip(values, record, strict=True)]
    return values


def test_the_corpus_of_v0_1_has_every_type_and_output_in_full_and_bare() -> None:
    tags = [json.loads(line)["type"] for line in EVENTS]
    recorded = json.loads(CONTRACT.read_text("utf-8"))
    assert {spec["tag"] for spec in recorded.values() if spec["tag"]} >= set(tags)
    assert all(tags.count(tag) == 2 for tag in tags)
    assert len(set(tags)) == 52
    released = [name for name in OUTPUT_BY_NAME if name not in ADDED_SINCE]
    assert sorted(line["struct"] for line in OUTPUTS) == sorted(released * 2)


@pytest.mark.parametrize("struct", EVENT_TYPES, ids=tag_of)
def test_fields_of_a_later_version_survive_in_the_log(struct: type[msgspec.Struct]) -> None:
    later = {"new_text": "x", "new_object": {"deep": [1, None, 2.5]}, "new_flag": False}
    event = example(struct) | later
    _, fields = decode_event(
        json.dumps(event).encode(), now_ms=NOW_MS, limits=LIMITS, privacy_key=PRIVACY_KEY
    )
    line = json.loads(encode(fields))
    assert {name: line[name] for name in later} == later


@pytest.mark.parametrize("struct", OUTPUT_TYPES, ids=lambda struct: struct.__name__)
def test_an_output_of_a_later_version_decodes_today(struct: type[msgspec.Struct]) -> None:
    value = example(struct)
    later = copy.deepcopy(value) | {"new_field": {"x": 1}}
    for inner in later.values():
        for each in inner if isinstance(inner, list) else ():
            if isinstance(each, dict):
                each["new_field"] = 1
    assert msgspec.to_builtins(msgspec.json.decode(json.dumps(later), type=struct)) == value


def test_nothing_that_was_released_is_broken() -> None:
    assert breaks(json.loads(CONTRACT.read_text("utf-8")), describe()) == []


# --- the check itself --------------------------------------------------------------------------


@pytest.fixture
def today() -> Contract:
    return describe()


def _broken(change: Any, today: Contract) -> list[str]:
    later = copy.deepcopy(today)
    change(later)
    return breaks(today, later)


def _field(name: str, value: Any) -> Any:
    def change(contract: Contract) -> None:
        if value is None:
            del contract["OrderPaid"]["fields"][name]
        else:
            contract["OrderPaid"]["fields"].setdefault(name, {}).update(value)

    return change


def _replace(contract: Contract) -> None:
    contract["OrderSold"] = contract.pop("OrderPaid")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_field("amount", None), "OrderPaid.amount was removed"),
        (_field("amount", {"schema": {"type": "number"}}), "OrderPaid.amount changed"),
        (_field("channel", {"required": True}), "OrderPaid.channel became required"),
        (_field("shop", {"schema": {}, "required": True}), "OrderPaid.shop is new and required"),
        (
            _field("event_id", {"schema": {"type": "string", "minLength": 1, "maxLength": 64}}),
            "OrderPaid.event_id changed",
        ),
        (lambda c: c.pop("ClockTick"), "ClockTick was removed"),
        (lambda c: c["OrderPaid"].update(tag="order.sold"), "tag changed"),
        (lambda c: c["OrderPaid"].update(topic="merchant.signals"), "topic changed"),
        (_replace, "the tag order.paid is used again by OrderSold"),
        (
            lambda c: c["Alert"]["fields"]["severity"]["schema"]["enum"].remove("info"),
            "Alert.severity changed",
        ),
    ],
)
def test_a_break_is_found(change: Any, said: str, today: Contract) -> None:
    found = _broken(change, today)
    assert any(said in text for text in found), found


@pytest.mark.parametrize(
    "change",
    [
        _field("shop", {"schema": {"type": "string"}, "required": False}),
        _field("amount", {"schema": {"type": "integer", "minimum": 0, "maximum": 10**16}}),
        _field("event_id", {"schema": {"type": "string", "minLength": 1}}),
        lambda c: c["Alert"]["fields"]["severity"]["schema"]["enum"].append("notice"),
        lambda c: c.update(OrderGifted={"tag": "order.gifted", "topic": "t", "fields": {}}),
    ],
    ids=["optional field", "wider bound", "bound dropped", "one more choice", "new type"],
)
def test_an_addition_is_no_break(change: Any, today: Contract) -> None:
    assert _broken(change, today) == []
