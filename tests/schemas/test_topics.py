"""The topic catalogue, currencies, and the documents made from them."""

import json
import re
from pathlib import Path

import jsonschema
import msgspec
import pytest
import yaml

from schemas import documents
from schemas.currencies import CURRENCIES, minor_digits
from schemas.events import BY_TAG, EVENT_TYPES, Event, tag_of
from schemas.topics import BY_NAME, CATALOGUE, INPUT_TOPICS, OUTPUT_TOPICS

ROOT = Path(__file__).parents[2]
GENERATED = ROOT / "schemas" / "generated"


def test_every_type_that_others_send_is_on_exactly_one_input_topic() -> None:
    listed = [tag for topic in CATALOGUE for tag in topic.types]
    assert sorted(listed) == sorted(set(BY_TAG) - {"clock.tick"})
    for topic in CATALOGUE:
        assert bool(topic.types) == (topic.name in INPUT_TOPICS)
        assert all(BY_TAG[tag].topic == topic.name for tag in topic.types)


def test_tags_are_unique_and_name_their_structs() -> None:
    assert len(BY_TAG) == len(EVENT_TYPES)
    for struct in EVENT_TYPES:
        assert tag_of(struct).replace(".", "").replace("_", "") == struct.__name__.lower()


def test_topic_names_are_legal_and_do_not_collide_in_metrics() -> None:
    assert len(BY_NAME) == len(CATALOGUE)
    for topic in CATALOGUE:
        assert re.fullmatch(r"[a-z]+(\.[a-z-]+)+", topic.name)
        assert (topic.retention_ms is None) == (topic.cleanup == "compact")
        assert topic.description
    assert set(OUTPUT_TOPICS) <= set(BY_NAME)


def test_currencies_have_the_digits_of_iso_4217() -> None:
    assert {"CNY", "USD", "EUR", "JPY", "KWD"} <= CURRENCIES
    assert not {"XXX", "XTS", "XAU", "XDR", "CHE"} & CURRENCIES
    assert [minor_digits(c) for c in ("CNY", "JPY", "KWD")] == [2, 0, 3]


@pytest.mark.parametrize("name", sorted(documents.render()))
def test_committed_documents_are_what_the_structs_say(name: str) -> None:
    committed = (GENERATED / name).read_text("utf-8")
    assert committed == documents.render()[name], (
        f"schemas/generated/{name} is out of date; run: tideline schema --out schemas/generated"
    )


def test_no_other_file_is_among_the_documents() -> None:
    assert {path.name for path in GENERATED.iterdir()} == set(documents.render())


def _validator(definition: str) -> jsonschema.Draft202012Validator:
    schema = documents.json_schema()
    schema = {**schema, "anyOf": [{"$ref": f"#/$defs/{definition}"}]}
    return jsonschema.Draft202012Validator(schema)


def test_the_json_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(documents.json_schema())


@pytest.mark.parametrize("struct", EVENT_TYPES, ids=tag_of)
def test_an_event_validates_with_all_and_with_only_its_required_fields(
    struct: type[Event],
) -> None:
    event = documents.example(struct)
    required = {f.name for f in msgspec.structs.fields(struct) if f.required} | {"type"}
    validator = _validator("Event")
    validator.validate(event)
    validator.validate({k: v for k, v in event.items() if k in required})
    validator.validate(event | {"a_later_field": {"x": 1}})
    for name in required:
        assert not validator.is_valid({k: v for k, v in event.items() if k != name})


@pytest.mark.parametrize(
    "change",
    [
        {"amount": -1},
        {"amount": 1.5},
        {"amount": None},
        {"currency": "XXX"},
        {"currency": "cny"},
        {"event_id": ""},
        {"event_id": "e" * 129},
        {"occurred_at": "yesterday"},
        {"type": "order.exploded"},
    ],
    ids=json.dumps,
)
def test_the_json_schema_refuses_what_the_codec_refuses(change: dict[str, object]) -> None:
    assert not _validator("Event").is_valid(documents.example(BY_TAG["order.paid"]) | change)


@pytest.mark.parametrize("struct", documents.OUTPUT_TYPES, ids=lambda struct: struct.__name__)
def test_outputs_validate_and_round_trip(struct: type[msgspec.Struct]) -> None:
    value = documents.example(struct)
    _validator(struct.__name__).validate(value)
    record = msgspec.convert(value, struct)
    line = msgspec.json.encode(record)
    assert b"\n" not in line
    assert msgspec.json.decode(line, type=struct) == record
    assert msgspec.to_builtins(record) == value


def test_every_topic_is_a_channel_with_its_binding() -> None:
    document = documents.asyncapi()
    assert set(document["channels"]) == set(BY_NAME)
    for name, channel in document["channels"].items():
        topic, binding = BY_NAME[name], channel["bindings"]["kafka"]
        assert channel["address"] == binding["topic"] == name
        assert binding["bindingVersion"] == "0.5.0"
        assert binding["topicConfiguration"]["cleanup.policy"] == [topic.cleanup]
        assert binding["topicConfiguration"].get("retention.ms") == topic.retention_ms
        assert binding.get("partitions") == (1 if topic.single_partition else None)
        assert set(topic.types) <= set(channel["messages"])


def test_inputs_are_received_and_outputs_are_sent() -> None:
    operations = documents.asyncapi()["operations"].values()
    way = {(o["action"], o["channel"]["$ref"].removeprefix("#/channels/")) for o in operations}
    assert {name for action, name in way if action == "receive"} >= set(INPUT_TOPICS)
    assert {name for action, name in way if action == "send"} >= set(OUTPUT_TOPICS)
    assert {name for _, name in way} == set(BY_NAME)


def _references(node: object) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return own + [r for value in node.values() for r in _references(value)]
    if isinstance(node, list):
        return [r for value in node for r in _references(value)]
    return []


@pytest.mark.parametrize("name", sorted(documents.render()))
def test_every_reference_within_a_document_leads_somewhere(name: str) -> None:
    document = yaml.safe_load((GENERATED / name).read_text("utf-8"))
    references = _references(document)
    assert len(references) > 100
    for reference in references:
        node = document
        for step in reference.removeprefix("#/").split("/"):
            node = node[step]


def test_examples_of_messages_validate_against_their_payloads() -> None:
    document = documents.asyncapi()
    seen = 0
    for message in document["components"]["messages"].values():
        for example in message.get("examples", ()):
            jsonschema.validate(
                example["payload"],
                {**message["payload"], "components": document["components"]},
                cls=jsonschema.Draft202012Validator,
            )
            seen += 1
    assert seen == len(EVENT_TYPES) - 1 + len(documents.OUTPUT_TYPES)


def test_the_shape_of_the_asyncapi_document_is_that_of_version_3() -> None:
    document = documents.asyncapi()
    assert document["asyncapi"] == "3.1.0"
    assert set(document) == {
        *("asyncapi", "info", "defaultContentType", "servers"),
        *("channels", "operations", "components"),
    }
    for name, operation in document["operations"].items():
        assert re.fullmatch(r"[\w.\-]+", name)
        assert operation["action"] in ("send", "receive")
        channel = operation["channel"]["$ref"]
        assert all(m["$ref"].startswith(f"{channel}/messages/") for m in operation["messages"])
    for message in document["components"]["messages"].values():
        assert re.fullmatch(r"[a-z]+/[a-z.-]+", message["contentType"])
        assert {"name", "title", "summary", "payload"} <= set(message)
