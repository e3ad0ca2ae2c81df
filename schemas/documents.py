"""The wire contract for other people's tools: JSON Schema and AsyncAPI, made from the structs.

The files under ``schemas/generated`` are what ``render`` gives; a test holds them equal. Both
describe the normal form, in which times are epoch milliseconds; what JSON Schema cannot say (time
bounds, an amount needs a currency) is in ``schemas.codec``.
"""

import inspect
import json
from typing import Any

import msgspec
import yaml
from msgspec import Struct
from msgspec.inspect import (
    BoolType,
    DictType,
    FloatType,
    IntType,
    ListType,
    LiteralType,
    StrType,
    StructType,
    Type,
    UnionType,
    type_info,
)

from schemas import topics
from schemas.audit import AuditEntry
from schemas.codec import TIME_FIELDS
from schemas.currencies import CURRENCIES
from schemas.events import (
    BY_TAG,
    EVENT_TYPES,
    CurrencyCode,
    Id,
    LongText,
    Minor,
    ShortText,
    TimestampMs,
)
from schemas.learner_report import LearnerReport
from schemas.outputs import Alert, Assessment, DeadLetter, LimitChange
from schemas.topics import CATALOGUE, Topic

CONTRACT_VERSION = "0.1.0"
"""Version of the contract: a minor step adds fields, types or topics; nothing is ever removed."""

OUTPUT_TYPES: tuple[type[Struct], ...] = (
    Assessment,
    Alert,
    LimitChange,
    DeadLetter,
    LearnerReport,
    AuditEntry,
)
"""What Tideline says, one record each, by the name that the topic catalogue uses."""

JSON_SCHEMA_FILE = "tideline.schema.json"
ASYNCAPI_FILE = "asyncapi.yaml"

_SHARED: dict[str, tuple[Any, str]] = {
    "Id": (Id, "An identifier: no control characters, no outer spaces."),
    "ShortText": (ShortText, "A word or a line."),
    "LongText": (LongText, "A paragraph."),
    "Minor": (Minor, "Money in minor units of its currency (cents, fen); never a float."),
    "CurrencyCode": (CurrencyCode, "ISO 4217 code of a circulating currency."),
    "TimestampMs": (
        TimestampMs,
        "Epoch milliseconds, UTC. Input may also be RFC 3339 with an offset; it becomes this.",
    ),
}
_CONTENT_TYPE = {
    "Event": "application/json",
    "NDJSON of Event": "application/x-ndjson",
    "Policy (YAML)": "application/yaml",
    "Model": "application/json",
    "page (binary)": "application/octet-stream",
    "msgpack": "application/msgpack",
    "BookLine": "application/json",
    "BudgetRequest": "application/json",
    **{t.__name__: "application/json" for t in OUTPUT_TYPES},
}
_BOTH_WAYS = frozenset(
    {
        topics.COMMANDS,
        topics.CONTROL,
        topics.EVENTS,
        topics.MODELS,
        topics.POLICIES,
        topics.CHECKPOINTS,
        topics.LEARNER_STATE,
        topics.CORE_BOOK,
        topics.BUDGET_REQUESTS,
        topics.TREASURY_STATE,
        topics.SHADOW_CHECKPOINTS,
    }
)
_EXAMPLE_MS = 1_767_225_600_000


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of every event (``#/$defs/Event``) and of every output."""
    defs = _definitions("#/$defs/")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:tideline:contract",
        "title": "Tideline events and outputs",
        "description": "An event as it stands in risk.events, or an output. Unknown fields are "
        "allowed and kept.",
        "anyOf": [{"$ref": f"#/$defs/{n}"} for n in ("Event", *(t.__name__ for t in OUTPUT_TYPES))],
        "$defs": defs,
    }


def asyncapi() -> dict[str, Any]:
    """AsyncAPI 3.1.0: every topic of the catalogue as a channel, seen from Tideline."""
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    messages: dict[str, Any] = {}
    for topic in CATALOGUE:
        of_topic = _messages(topic)
        messages.update(of_topic)
        channels[topic.name] = _channel(topic, list(of_topic))
        for action in _actions(topic):
            operations[f"{action}.{topic.name}"] = {
                "action": action,
                "channel": {"$ref": f"#/channels/{topic.name}"},
                "messages": [
                    {"$ref": f"#/channels/{topic.name}/messages/{name}"} for name in of_topic
                ],
            }
    return {
        "asyncapi": "3.1.0",
        "info": {
            "title": "Tideline",
            "version": CONTRACT_VERSION,
            "description": "Merchant, logistics, payment and lending events in; assessments, "
            "alerts and limit changes out. Topic names are logical: settings may put a prefix "
            "before them. All topics but those with one partition share one partition count, and "
            "every client partitions by murmur2 of the key.",
            "license": {
                "name": "Apache-2.0",
                "url": "https://www.apache.org/licenses/LICENSE-2.0",
            },
        },
        "defaultContentType": "application/json",
        "servers": {
            "kafka": {
                "host": "{bootstrap_servers}",
                "protocol": "kafka",
                "description": "Apache Kafka",
                "variables": {
                    "bootstrap_servers": {
                        "default": "localhost:9092",
                        "description": "TIDELINE_KAFKA__BOOTSTRAP_SERVERS",
                    }
                },
            }
        },
        "channels": channels,
        "operations": operations,
        "components": {
            "messages": messages,
            "schemas": _definitions("#/components/schemas/"),
        },
    }


def render() -> dict[str, str]:
    """File name -> text of the contract's documents; the same bytes on every machine."""
    return {
        JSON_SCHEMA_FILE: json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n",
        ASYNCAPI_FILE: yaml.safe_dump(asyncapi(), sort_keys=False, allow_unicode=True, width=100),
    }


def example(struct: type[Struct]) -> dict[str, Any]:
    """A valid record with every field set, derived from the struct."""
    value = _example("", type_info(struct))
    assert isinstance(value, dict)
    return value


def _definitions(prefix: str) -> dict[str, Any]:
    """Schemas by name: the shared scalars, ``Event`` (any type) and one per struct."""
    _, components = msgspec.json.schema_components(
        (*EVENT_TYPES, *OUTPUT_TYPES), ref_template=prefix + "{name}"
    )
    shared = {name: msgspec.json.schema(annotated) for name, (annotated, _) in _SHARED.items()}
    references = {json.dumps(schema, sort_keys=True): name for name, schema in shared.items()}
    structs = {name: _refer(schema, references, prefix) for name, schema in components.items()}
    scalars: dict[str, Any] = {
        name: {**schema, "description": _SHARED[name][1]} for name, schema in shared.items()
    }
    scalars["CurrencyCode"] = {
        "type": "string",
        "enum": sorted(CURRENCIES),
        "description": _SHARED["CurrencyCode"][1],
    }
    event = {
        "title": "Event",
        "description": "Any event; `type` says which.",
        "oneOf": [{"$ref": prefix + t.__name__} for t in EVENT_TYPES],
    }
    return {**scalars, "Event": event, **structs}


def _refer(schema: Any, references: dict[str, str], prefix: str) -> Any:
    """The schema with shared scalars by reference, and docstrings as Markdown."""
    if isinstance(schema, list):
        return [_refer(each, references, prefix) for each in schema]
    if not isinstance(schema, dict):
        return schema
    name = references.get(json.dumps(schema, sort_keys=True))
    if name is not None:
        return {"$ref": prefix + name}
    return {
        key: inspect.cleandoc(value).replace("``", "`")
        if key == "description" and isinstance(value, str)
        else _refer(value, references, prefix)
        for key, value in schema.items()
    }


def _actions(topic: Topic) -> tuple[str, ...]:
    if topic.name in _BOTH_WAYS:
        return ("receive", "send")
    return ("receive",) if topic.name in topics.INPUT_TOPICS else ("send",)


def _channel(topic: Topic, names: list[str]) -> dict[str, Any]:
    configuration: dict[str, Any] = {"cleanup.policy": [topic.cleanup]}
    if topic.retention_ms is not None:
        configuration["retention.ms"] = topic.retention_ms
    binding: dict[str, Any] = {"topic": topic.name}
    if topic.single_partition:
        binding["partitions"] = 1
    binding["topicConfiguration"] = configuration
    binding["bindingVersion"] = "0.5.0"
    channel: dict[str, Any] = {
        "address": topic.name,
        "description": f"{topic.description}. Key: {topic.key}.",
        "servers": [{"$ref": "#/servers/kafka"}],
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
        "bindings": {"kafka": binding},
    }
    if topic.internal:
        channel["x-internal"] = True
    return channel


def _messages(topic: Topic) -> dict[str, Any]:
    if topic.types:
        batch = _opaque(topic, "EventBatch", "application/x-ndjson")
        batch["EventBatch"]["headers"] = {
            "type": "object",
            "properties": {"content-type": {"const": "application/x-ndjson"}},
            "required": ["content-type"],
        }
        batch["EventBatch"]["payload"]["description"] = (
            "One event a line, all of merchants of this partition; the key is not looked at."
        )
        return {tag: _message(tag, BY_TAG[tag], topic) for tag in topic.types} | batch
    for output in OUTPUT_TYPES:
        if topic.value == output.__name__:
            return {topic.value: _message(topic.value, output, topic)}
    return _opaque(topic, _opaque_name(topic), _CONTENT_TYPE[topic.value])


def _opaque_name(topic: Topic) -> str:
    """``risk.learner-state`` -> ``LearnerState``."""
    return "".join(word.capitalize() for word in topic.name.split(".")[-1].split("-"))


def _message(name: str, struct: type[Struct], topic: Topic) -> dict[str, Any]:
    return {
        "name": name,
        "title": struct.__name__,
        "summary": inspect.cleandoc(struct.__doc__ or "").split("\n")[0].replace("``", "`"),
        "contentType": "application/json",
        "payload": {"$ref": f"#/components/schemas/{struct.__name__}"},
        "bindings": {"kafka": _key_binding(topic)},
        "examples": [{"payload": example(struct)}],
    }


def _opaque(topic: Topic, name: str, content_type: str) -> dict[str, Any]:
    """A message whose payload JSON Schema cannot describe."""
    message: dict[str, Any] = {
        "name": name,
        "title": name,
        "summary": topic.description if name != "EventBatch" else "many events in one record",
        "contentType": content_type,
        "payload": {"type": "string", "description": topic.value},
    }
    if name != "EventBatch" and not topic.key.startswith("none"):
        message["bindings"] = {"kafka": _key_binding(topic)}
    return {name: message}


def _key_binding(topic: Topic) -> dict[str, Any]:
    # Written out: the binding's own schema takes a reference for a schema as well, and then
    # refuses it for being two things at once.
    bounds = msgspec.json.schema(Id) if topic.key == "merchant_id" else {"type": "string"}
    return {"key": {**bounds, "description": topic.key}, "bindingVersion": "0.5.0"}


def _example(name: str, kind: Type) -> Any:
    if isinstance(kind, StructType):
        tag = {kind.tag_field: kind.tag} if kind.tag_field else {}
        return {**tag, **{f.encode_name: _example(f.name, f.type) for f in kind.fields}}
    if isinstance(kind, UnionType):
        return _example(name, kind.types[0])
    if isinstance(kind, ListType):
        return [_example(name, kind.item_type)]
    if isinstance(kind, DictType):
        return {"orders_28d": _example(name, kind.value_type)}
    if isinstance(kind, LiteralType):
        return kind.values[0]
    if isinstance(kind, BoolType):
        return True
    if isinstance(kind, FloatType):
        return 0.5
    if isinstance(kind, IntType):
        if name in TIME_FIELDS or name.endswith(("_at", "_until", "as_of")):
            return _EXAMPLE_MS
        return 125_000 if name == "amount" or name.endswith("_minor") else 1
    assert isinstance(kind, StrType), kind
    return _TEXT_EXAMPLES.get(name) or f"{name.removesuffix('_id').replace('_', '-')}-1"


_TEXT_EXAMPLES = {"currency": "CNY", "key": "bS0x", "value": "e30=", "reason": "a reason"}
