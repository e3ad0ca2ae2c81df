"""From the text of a rule file to a rule book."""

from functools import lru_cache

from detectors.checks import Check
from detectors.rule_file import FORM, FileRule, FileTest, RulesError
from detectors.rule_sense import problems
from detectors.rules import Level, Rule, RuleBook, Text


def faults(text: str) -> list[RulesError]:
    """Everything wrong with a rule file, none where it may be used.

    A file that does not have the format has one fault, the first.
    """
    try:
        file, lines = FORM.load(text)
    except RulesError as error:
        return [error]
    return [FORM.refusal(lines, path, detail) for path, detail in problems(file)]


@lru_cache(maxsize=8)
def load_rules(text: str) -> RuleBook:
    """Read and check a rule file. Raises ``RulesError`` for the first of what is wrong."""
    file, lines = FORM.load(text)
    for path, detail in problems(file):
        raise FORM.refusal(lines, path, detail)
    return RuleBook(file.version, map(_rule, file.rules))


def _rule(rule: FileRule) -> Rule:
    return Rule(
        kind=rule.kind,
        family=rule.family,
        label=Text(rule.label.en, rule.label.zh),
        rationale=Text(rule.rationale.en, rule.rationale.zh),
        source=rule.source,
        feeds=rule.feeds,
        segments=None if rule.segments is None else frozenset(rule.segments),
        evidence=_checks(rule.evidence),
        levels=tuple(Level(e.severity, _checks(e.tests), _checks(e.given)) for e in rule.levels),
        hold=tuple(_checks(tests) for tests in rule.hold),
        yields_to=rule.yields_to,
        persistence_hours=rule.persistence_hours,
        cool_down_days=rule.cool_down_days,
        unless=tuple(_checks(tests) for tests in rule.unless),
    )


def _checks(tests: tuple[FileTest, ...]) -> tuple[Check, ...]:
    return tuple(test.check() for test in tests)
