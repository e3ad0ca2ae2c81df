"""The released contract as data, and what would break those who rely on it.

``corpus/v0.1/contract.json`` describes every struct as released. A release that adds fields or
types records them with ``python -m tests.schemas.contract``, which refuses to record a break.
"""

import json
from pathlib import Path
from typing import Any

import msgspec

from schemas.documents import OUTPUT_TYPES
from schemas.events import EVENT_TYPES, tag_of
from schemas.learner_report import (
    CalibrationBin,
    DriftAlarm,
    LabelCount,
    ModelStanding,
    PublishedVersion,
    VariableDrift,
)
from schemas.outputs import FunderShare, Header, Reason

CORPUS = Path(__file__).parent / "corpus" / "v0.1"
CONTRACT = CORPUS / "contract.json"
PARTS: tuple[type[msgspec.Struct], ...] = (
    Reason,
    FunderShare,
    Header,
    ModelStanding,
    VariableDrift,
    DriftAlarm,
    LabelCount,
    CalibrationBin,
    PublishedVersion,
)
"""Structs within outputs."""
_BOUNDS = {"minimum": 1, "maximum": -1, "minLength": 1, "maxLength": -1}
"""Bounds by JSON Schema name; the sign of the change that would refuse what was once valid."""

Contract = dict[str, dict[str, Any]]
"""Struct name -> ``tag`` and ``topic`` (null for outputs) and ``fields``: name -> schema, required.
"""


def describe() -> Contract:
    """Today's structs."""
    contract: Contract = {}
    for event in EVENT_TYPES:
        contract[event.__name__] = {
            "tag": tag_of(event),
            "topic": event.topic,
            "fields": _fields(event),
        }
    for output in (*OUTPUT_TYPES, *PARTS):
        contract[output.__name__] = {"tag": None, "topic": None, "fields": _fields(output)}
    return contract


def _fields(struct: type[msgspec.Struct]) -> dict[str, Any]:
    fields = {}
    for field in msgspec.structs.fields(struct):
        schema, components = msgspec.json.schema_components((field.type,), ref_template="{name}")
        fields[field.encode_name] = {"schema": schema[0], "required": field.required}
        assert {part.__name__ for part in PARTS} >= set(components)
    return fields


def breaks(old: Contract, new: Contract) -> list[str]:
    """What of ``old`` no longer holds in ``new``; empty when every old byte still decodes."""
    found: list[str] = []
    owner = {spec["tag"]: name for name, spec in new.items() if spec["tag"]}
    for name, spec in old.items():
        if name not in new:
            found.append(f"{name} was removed")
            if spec["tag"] in owner:
                found.append(f"the tag {spec['tag']} is used again by {owner[spec['tag']]}")
            continue
        today = new[name]
        found += [
            f"{name}: {what} changed from {spec[what]} to {today[what]}"
            for what in ("tag", "topic")
            if spec[what] != today[what]
        ]
        if owner.get(spec["tag"], name) != name:
            found.append(f"the tag {spec['tag']} is used again by {owner[spec['tag']]}")
        found += [f"{name}.{text}" for text in _field_breaks(spec["fields"], today["fields"])]
    return found


def _field_breaks(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    found = []
    for name, was in old.items():
        if name not in new:
            found.append(f"{name} was removed")
        elif not _widened(was["schema"], new[name]["schema"]):
            found.append(f"{name} changed: {was['schema']} -> {new[name]['schema']}")
        elif new[name]["required"] and not was["required"]:
            found.append(f"{name} became required")
    found += [
        f"{name} is new and required"
        for name, spec in new.items()
        if name not in old and spec["required"]
    ]
    return found


def _widened(old: Any, new: Any) -> bool:
    """Whether ``new`` allows all that ``old`` did: same type, looser bounds, more choices."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        return bool(old == new)
    for bound, sign in _BOUNDS.items():
        if bound in new and (bound not in old or sign * (new[bound] - old[bound]) > 0):
            return False
    if not set(new.get("enum", ())) >= set(old.get("enum", ())):
        return False
    loose = {*_BOUNDS, "enum"}
    if {k for k in old if k not in _BOUNDS} != {k for k in new if k not in _BOUNDS}:
        return False
    if "anyOf" in old:
        return len(old["anyOf"]) == len(new["anyOf"]) and all(
            _widened(a, b) for a, b in zip(old["anyOf"], new["anyOf"], strict=True)
        )
    return all(old[key] == new[key] for key in old if key not in loose)


def main() -> None:
    """Record today's structs as released."""
    today = describe()
    if CONTRACT.exists():
        broken = breaks(json.loads(CONTRACT.read_text("utf-8")), today)
        if broken:
            raise SystemExit("not recorded, this breaks the contract:\n" + "\n".join(broken))
    lines = (f"{json.dumps(name)}: {json.dumps(spec)}" for name, spec in today.items())
    CONTRACT.write_text("{\n" + ",\n".join(lines) + "\n}\n", "utf-8")


if __name__ == "__main__":
    main()
