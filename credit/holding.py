"""The lending side of one merchant, and what a partition knows to bound its changes."""

from collections.abc import Mapping

from msgspec import Struct, field

from credit.changes import Case
from credit.guardrails import BreakerState, Purse, Spent
from credit.lines import Line, line_id_of
from credit.opening import Application
from credit.policy import Policy
from schemas.outputs import LimitChange

LINES_MAX = 16
"""Lines of one merchant; applications for products beyond them are not answered, but counted."""


class Guard(Struct):
    """What bounds the changes of one partition as a whole; part of its state."""

    purse: Purse = field(default_factory=Purse)
    breaker: BreakerState = field(default_factory=BreakerState)


class Holding(Struct):
    """The lending side of one merchant: its lines by product, and what they still wait for.

    ``applications`` are those not answered yet, by product; ``spent`` what rules moved today.
    """

    lines: dict[str, Line] = field(default_factory=dict)
    applications: dict[str, Application] = field(default_factory=dict)
    spent: Spent | None = None

    @property
    def granted_minor(self) -> int:
        """What all lines grant."""
        return sum(line.limit_minor for line in self.lines.values())

    @property
    def oldest(self) -> Line | None:
        """The line to which loans that name none belong: the first that was not just declined."""
        lines = self.lines.values()
        return min(
            lines,
            key=lambda each: (each.last_action == "decline", each.opened_at, each.product),
            default=None,
        )

    def drawn_minor(self, line_id: str, owed_minor: Mapping[str, int], exposure_minor: int) -> int:
        """What is owed under a line; what belongs to no line counts for the oldest.

        ``owed_minor`` is what is owed by line id, ``exposure_minor`` all debt.
        """
        oldest = self.oldest
        if oldest is not None and oldest.line_id != line_id:
            return owed_minor.get(line_id, 0)
        others = (each.line_id for each in self.lines.values() if each.line_id != line_id)
        return exposure_minor - sum(owed_minor.get(each, 0) for each in others)

    def headroom_minor(
        self, owed_minor: Mapping[str, int], exposure_minor: int, currency: str | None
    ) -> int:
        """What could still be drawn on the lines in ``currency``; nothing on a frozen one."""
        return sum(
            max(line.limit_minor - self.drawn_minor(line.line_id, owed_minor, exposure_minor), 0)
            for line in self.lines.values()
            if line.currency == currency
        )

    def by_id(self, line_id: str) -> Line | None:
        """The line of an id."""
        return next((line for line in self.lines.values() if line.line_id == line_id), None)


class Who(Struct, kw_only=True, frozen=True):
    """A merchant and the versions under which its lines are decided at ``as_of`` (epoch ms).

    ``owed_minor`` is what is owed by line id; what belongs to none is ``exposure_minor`` less
    their sum. ``causes`` are the ids of the events at hand.
    """

    merchant_id: str
    segment: str
    region: str | None
    registered: bool
    exposure_minor: int
    owed_minor: Mapping[str, int]
    as_of: int
    causes: list[str]
    model_version: str
    feature_version: str
    rules_version: str
    horizon_days: int


class Outcome(Struct):
    """What happened: changes in order, and what waited for which guardrail.

    ``tripped`` says that the circuit breaker opened; ``taken`` that a command or an answer met what
    it meant, ``effective`` that it changed something.
    """

    changes: list[LimitChange] = field(default_factory=list)
    waited: list[str] = field(default_factory=list)
    tripped: bool = False
    taken: bool = False
    effective: bool = False


def case_of(
    policy: Policy, who: Who, holding: Holding, name: str, application: Application | None
) -> Case:
    """What decisions about the merchant's line of one product have in common."""
    line_id = line_id_of(who.merchant_id, name)
    owed = holding.drawn_minor(line_id, who.owed_minor, who.exposure_minor)
    line = holding.lines.get(name)
    causes = who.causes
    if application is not None and application.cause not in causes:
        causes = [application.cause, *causes]
    return Case(
        policy=policy,
        name=name,
        product=policy.terms.get(name),
        merchant_id=who.merchant_id,
        segment=who.segment,
        region=who.region,
        registered=who.registered,
        drawn_minor=owed,
        exposure_minor=who.exposure_minor,
        others_minor=holding.granted_minor - (0 if line is None else line.limit_minor),
        as_of=who.as_of,
        causes=causes,
        model_version=who.model_version,
        feature_version=who.feature_version,
        rules_version=who.rules_version,
        horizon_days=who.horizon_days,
    )
