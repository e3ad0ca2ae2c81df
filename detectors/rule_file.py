"""The format of rule files: the sentinels' rules as versioned YAML.

``tideline rules --schema`` prints it as JSON Schema.
"""

from typing import Annotated

from msgspec import Meta, Struct

from detectors.checks import Check
from detectors.rules import EventFeed, Family
from schemas.outputs import Severity
from schemas.strict_yaml import DocumentError, Form

Identifier = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
Kind = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
Words = Annotated[str, Meta(min_length=1, max_length=2000)]


class RulesError(DocumentError):
    """A rule file that is refused; the message names line, key and remedy. Lines count from 1."""


class FileText(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """The same in English and in Simplified Chinese."""

    en: Words
    zh: Words


class FileTest(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """One test: ``feature`` is at least ``ge``, or at most ``le``; one of the two.

    With ``times`` (the name of a feature) the threshold is that many times its value: a comparison
    with the merchant's own usual. A comparison with peers is a test on a ``…_peer_percentile``.
    """

    feature: str
    ge: float | None = None
    le: float | None = None
    times: str | None = None

    def check(self) -> Check:
        """The test as the detectors take it."""
        if self.ge is not None:
            return Check(self.feature, "ge", self.ge, self.times)
        assert self.le is not None
        return Check(self.feature, "le", self.le, self.times)


Tests = Annotated[tuple[FileTest, ...], Meta(min_length=1, max_length=16)]


class FileLevel(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A severity and the tests that must all be met for it; ``given`` is evidence beside them."""

    severity: Severity
    tests: Tests
    given: Annotated[tuple[FileTest, ...], Meta(max_length=16)] = ()


class FileRule(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """One rule; see ``detectors.rules.Rule``.

    ``hold`` and ``unless`` have groups: one that is met is enough.
    """

    kind: Kind
    family: Family
    label: FileText
    rationale: FileText
    source: Words | None = None
    feeds: Annotated[tuple[EventFeed, ...], Meta(min_length=1)]
    segments: Annotated[tuple[Words, ...], Meta(min_length=1)] | None = None
    evidence: Annotated[tuple[FileTest, ...], Meta(max_length=16)] = ()
    levels: Annotated[tuple[FileLevel, ...], Meta(min_length=1, max_length=16)]
    hold: Annotated[tuple[Tests, ...], Meta(min_length=1, max_length=16)]
    unless: Annotated[tuple[Tests, ...], Meta(max_length=16)] = ()
    yields_to: tuple[Kind, ...] = ()
    persistence_hours: Annotated[int, Meta(ge=0, le=24 * 92)] = 0
    cool_down_days: Annotated[int, Meta(ge=0, le=366)] = 0


class RuleFile(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A version of the rules. Equal severities are reported in the order of ``rules``."""

    version: Identifier
    rules: Annotated[tuple[FileRule, ...], Meta(min_length=1, max_length=200)]


FORM = Form(noun="rule file", struct=RuleFile, error=RulesError, bytes_max=200_000, depth_max=8)
"""Reads the format; whether the rules make sense is for ``detectors.rule_sense``."""
