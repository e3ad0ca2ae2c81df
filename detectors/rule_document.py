"""The rule book as a page for people, and the format of rule files as JSON Schema."""

from typing import Any, get_args

import msgspec

from detectors.checks import Check
from detectors.facts import FACTS
from detectors.reasons import format_value
from detectors.rule_file import RuleFile
from detectors.rules import Family, Level, Rule, RuleBook
from features.catalogue import NAMES

_INTRODUCTION = """What each rule of the sentinels looks for, on which evidence, and why. Written \
by `tideline rules --markdown` from the rule file that ships with Tideline. \
`tideline rules explain MERCHANT --at T FILE…` shows every test of every rule \
with one merchant's numbers, `tideline rules check FILE…` checks a rule file.

- A condition is met when all of the evidence and all tests of one level are met; a feature \
that is not available meets no test, so that a missing feed fires nothing. It is not met while all \
tests of one exception (*unless*) are met; what is not available excuses nothing.
- The rule fires once its condition has lasted: it was met at every assessment for that time \
(event time). A merchant is assessed at least at the close of each day with business.
- An open episode clears when its hold is no longer met. Once it closed, no other of its kind \
opens during the cool-down, unless it is more severe; one that was cured opens again instead \
([alerts.md](alerts.md)). The cool-down spares the desk alone: decisions on lines go by what fires.
- A rule yields to another of at least its severity that says the same better.
- While a feed that a rule needs is quiet for everyone, the rule neither fires nor clears.

A rule file is put in force by a `policy.publish` command whose document it is (a document \
with the key `rules`). Intake refuses a bad one with its line, key and remedy \
(`invalid_rules`); scoring changes over at the activation's place in the log, and every output \
names its `rules_version`. A kind that a new rule file lacks raises no further alerts, its \
open episodes stay until the desk closes them, and a credit policy that freezes on it freezes \
on it no longer. A credit policy may name the kinds of any rule file that ships with Tideline \
or was published before it. Time that a condition has lasted counts on under new rules."""
_UNBUILT = """## What the events cannot show

- *Payout account*: `registration.changed` carries what changed in `field`, which the features \
do not tell apart: a changed payout account counts as any change of the register does.
- *Related parties*: buyers and suppliers are kept apart, so that one who is both is not seen; \
`circular_trade` goes by concentration and matching amounts.
- *Fall of a bureau score*: only the latest score is kept, and its scale differs from bureau \
to bureau; the rules use the debt that comes with it.
- *Usual level* of cancellations, late deliveries, losses, returns and failed payments: the \
features have none, hence absolute thresholds, high ones, that must last."""


def markdown(book: RuleBook) -> str:
    """Every rule by family, after what holds of all."""
    rules = book.rules
    parts = [f"# Rules ({book.version})", _INTRODUCTION, _contents(book)]
    for family in get_args(Family):
        members = [rule for rule in rules if rule.family == family]
        if members:
            parts.append(f"## {family_title(family)}")
            parts += [_section(rule) for rule in members]
    parts.append(_UNBUILT)
    return "\n\n".join(parts) + "\n"


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of rule files, with the names of all features."""
    schema: dict[str, Any] = msgspec.json.schema(RuleFile)
    test = schema["$defs"]["FileTest"]["properties"]
    names = sorted(NAMES)
    test["feature"] = {"enum": names}
    test["times"] = {"anyOf": [{"enum": names}, {"type": "null"}], "default": None}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:tideline:rules",
        "title": "Tideline rule file",
        **schema,
    }


def family_title(family: str) -> str:
    """A family as a heading."""
    return family.replace("_", " ").capitalize()


def text_of(check: Check) -> str:
    """A test as it is read: ``silence_days ≥ 3 × silence_usual_days``."""
    sign = "≥" if check.op == "ge" else "≤"
    if check.times is not None:
        return f"{check.feature} {sign} {check.threshold:g} × {check.times}"
    measure = FACTS[check.feature].measure
    if measure == "money":
        return f"{check.feature} {sign} {check.threshold:,g} minor units"
    return f"{check.feature} {sign} {format_value(measure, check.threshold)}"


def _contents(book: RuleBook) -> str:
    rows = ["| rule | what it says | 含义 | severities |", "| --- | --- | --- | --- |"]
    for rule in book.rules:
        severities = ", ".join(dict.fromkeys(level.severity for level in rule.levels))
        cells = (f"[`{rule.kind}`](#{rule.kind})", rule.label.en, rule.label.zh, severities)
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows)


def _section(rule: Rule) -> str:
    lines = [f"### {rule.kind}", "", f"**{rule.label.en}** · {rule.label.zh}", ""]
    lines += [rule.rationale.en, "", rule.rationale.zh, ""]
    if rule.source:
        lines += [f"Source: {rule.source}.", ""]
    if rule.evidence:
        lines.append(f"- evidence: {_all(rule.evidence)}")
    lines += [f"- {level.severity}: {_level(level)}" for level in rule.levels]
    if rule.unless:
        lines.append(f"- unless: {'; or '.join(_all(tests) for tests in rule.unless)}")
    lines.append(f"- hold: {'; or '.join(_all(tests) for tests in rule.hold)}")
    lines.append(f"- needs: {', '.join(rule.feeds)}")
    if rule.segments is not None:
        lines.append(f"- segments: {', '.join(sorted(rule.segments))}")
    if rule.persistence_hours:
        lines.append(f"- must have lasted: {rule.persistence_hours} hours")
    if rule.cool_down_days:
        lines.append(f"- cool-down: {rule.cool_down_days} days")
    if rule.yields_to:
        lines.append(f"- yields to: {', '.join(f'`{kind}`' for kind in rule.yields_to)}")
    return "\n".join(lines)


def _level(level: Level) -> str:
    given = f", given {_all(level.given)}" if level.given else ""
    return _all(level.tests) + given


def _all(checks: tuple[Check, ...]) -> str:
    return " and ".join(f"`{text_of(check)}`" for check in checks)
