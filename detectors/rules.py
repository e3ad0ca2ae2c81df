"""Rules of the sentinels as data: what fires, what still holds, and on which evidence.

A rule's condition is met when all tests of its ``evidence`` and all tests of one of its ``levels``
are met. It fires once that has lasted for its persistence. An open episode of its kind clears by
``hold``, whose thresholds are lower (hysteresis). A test on a feature that is not available is not
met: a missing feed never fires a rule. ``unless`` are exceptions: the condition is not met while
all tests of one of them are, so that what is not known (last year, peers) excuses nothing.

The rules themselves are a versioned rule file (``detectors.rule_file``, shipped under
``detectors/rulebooks``). Two principles hold for the shipped ones:

- *Own usual and an absolute floor*: a level compares the merchant with itself, and also asks for a
  size that matters by itself, so that 2 refunds instead of 1 are no alert.
- *Minimum evidence*: young, thin, irregular and strongly seasonal merchants are left to the model.
"""

from collections.abc import Iterable
from typing import Literal, NamedTuple

from msgspec import Struct

from detectors.checks import AnyOf, Check, Placed, place
from schemas.outputs import Severity

SEVERITY_RANK: dict[str, int] = {"info": 0, "warning": 1, "critical": 2}
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS

EventFeed = Literal["transactions", "logistics", "payments", "signals", "lending"]
Family = Literal[
    "sales_level",
    "silence",
    "fabricated_sales",
    "refunds_and_disputes",
    "logistics",
    "settlement",
    "cash_flow",
    "invoices",
    "counterparties",
    "tax_and_legal",
    "registration",
    "bureau_debt",
    "repayment",
    "machines",
]
"""What a rule is about, in the order of the rule book's page."""


class Text(Struct, frozen=True):
    """The same in English and in Simplified Chinese."""

    en: str
    zh: str


class Level(Struct, frozen=True):
    """A severity and the tests that must all be met for it.

    The reasons of a hit state the features of ``tests``; ``given`` is evidence beside them.
    """

    severity: Severity
    tests: tuple[Check, ...]
    given: tuple[Check, ...] = ()


class Rule(Struct, frozen=True, kw_only=True):
    """One sentinel.

    ``feeds`` names what it needs, ``segments`` those that it applies to (None = all), ``yields_to``
    kinds that say the same better, ``unless`` groups of tests that each excuse the condition. The
    condition must have been met for ``persistence_hours`` of event time before the rule fires;
    after an episode closed, no other of its kind opens for ``cool_down_days`` unless it is more
    severe.
    """

    kind: str
    family: Family
    label: Text
    rationale: Text
    source: str | None
    feeds: tuple[EventFeed, ...]
    segments: frozenset[str] | None
    evidence: tuple[Check, ...]
    levels: tuple[Level, ...]
    hold: tuple[tuple[Check, ...], ...]
    yields_to: tuple[str, ...]
    persistence_hours: int
    cool_down_days: int
    unless: tuple[tuple[Check, ...], ...] = ()

    @property
    def persistence_ms(self) -> int:
        """How long the condition must have been met before the rule fires."""
        return self.persistence_hours * HOUR_MS

    @property
    def cool_down_ms(self) -> int:
        """Least time between the close of an episode and the next one of no higher severity."""
        return self.cool_down_days * DAY_MS

    def applies_to(self, segment: str) -> bool:
        """Whether merchants of the segment are watched by this rule."""
        return self.segments is None or segment in self.segments


class PlacedRule(NamedTuple):
    """A rule with its tests as they are made."""

    rule: Rule
    evidence: Placed
    levels: tuple[tuple[Level, Placed], ...]
    hold: tuple[Placed, ...]
    unless: tuple[Placed, ...]


class RuleBook:
    """A version of the rules, ready to be evaluated. Never changed after it is made.

    ``firing`` tells the vectors on which the condition of any rule is met, whatever the segment
    and the exceptions: nothing fires on any other. Equal severities are reported in the order of
    ``rules``.
    """

    def __init__(self, version: str, rules: Iterable[Rule]) -> None:
        self.version = version
        self.placed: dict[str, PlacedRule] = {
            rule.kind: PlacedRule(
                rule,
                place(rule.evidence),
                tuple((level, place((*level.given, *level.tests))) for level in rule.levels),
                tuple(place(tests) for tests in rule.hold),
                tuple(place(tests) for tests in rule.unless),
            )
            for rule in rules
        }
        self.firing = AnyOf(
            (*placed.evidence, *tests)
            for placed in self.placed.values()
            for _, tests in placed.levels
        )

    @property
    def rules(self) -> tuple[Rule, ...]:
        """All rules, in their order."""
        return tuple(placed.rule for placed in self.placed.values())

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of alert that the rules raise."""
        return tuple(self.placed)

    def rule(self, kind: str) -> Rule | None:
        """The rule of a kind, or None."""
        placed = self.placed.get(kind)
        return None if placed is None else placed.rule
