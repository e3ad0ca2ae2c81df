"""The credit lines of a partition: decided, commanded, answered, and each change told."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from credit.bills import Bills
from credit.capacity.amounts import Seen
from credit.decide import Facts
from credit.fields import band_at_least
from credit.guardrails import STANDING, utc_day
from credit.holding import Guard, Holding, Outcome, Who
from credit.kinds import Bills as BillsKind
from credit.kinds import Receivables as ReceivablesKind
from credit.merchant import (
    answer_merchant,
    command_merchant,
    decide_merchant,
    overdue_lines,
)
from credit.opening import Application
from credit.reasons import plain_reason
from credit.receivables import Receivables
from detectors.alert_terms import CORE_SILENT
from detectors.assess import Verdict
from detectors.sentinels import Hit
from detectors.vectors import Vector, as_floats
from features.catalogue import FEATURE_VERSION, INDEX
from features.engine import FeatureEngine
from features.lines import LogLine
from schemas import topics
from schemas.outputs import BudgetRequest, LimitChange
from streams.alerts import Alerts
from streams.ledger import Ledger
from streams.versions import Versions

LINE_COMMANDS = frozenset(
    {"merchant.freeze", "merchant.release", "limit.override", "limit.approve", "limit.reject"}
)
"""Commands of the desk about lines."""
_DELIVERED_OPEN = INDEX["delivered_unsettled_minor"]
_INVOICES_OPEN = INDEX["invoices_open_minor"]

Emit = Callable[[str, str, LimitChange], None]
"""Told the topic, the merchant and the value of an output."""
Request = Callable[[BudgetRequest], None]
"""Told what the partition says to the treasury."""


class Limits:
    """Keeps the lines of ledgers. ``paused`` and ``guard`` are part of the partition's state.

    ``partition`` is the number of the partition. ``share_of`` 0 leaves budgets that span partitions
    to the treasury; else the partition has that part of each for its own, one of so many.
    """

    def __init__(
        self,
        versions: Versions,
        engine: FeatureEngine,
        alerts: Alerts,
        stats: Counter[str],
        emit: Emit,
        request: Request,
    ) -> None:
        self.partition = self.share_of = 0
        self.paused = False
        self.guard = Guard()
        self._versions = versions
        self._engine = engine
        self._alerts = alerts
        self._stats = stats
        self._emit = emit
        self._tell_treasury = request

    def control(self, line: LogLine) -> None:
        """A line that concerns all merchants: the kill switch, or a lease of this partition."""
        if line.type in ("automation.pause", "automation.resume"):
            self.paused = line.type == "automation.pause"
            if not self.paused:
                self.guard.breaker.reset()
        elif (
            line.type == "budget.leased" and not self.share_of and line.partition == self.partition
        ):
            day = STANDING if line.day is None else line.day
            self.guard.purse.grant(line.budget_id or "", day, line.amount_minor or 0)

    def apply(self, slot: int, ledger: Ledger, line: LogLine, vector: Vector) -> None:
        """Note a ``credit.applied``; the assessment of its line decides it.

        ``vector`` is the merchant's as of then: it says what a book that begins now has missed.
        Without a product it is for the first that the policy offers. A later one for the same
        product takes the place of one that still waits.
        """
        if line.amount is None or line.currency is None:
            return
        if ledger.lending is None:
            ledger.lending = Holding()
        terms = self._versions.policy.terms
        ledger.lending.applications[line.product or next(iter(terms))] = Application(
            line.amount, line.occurred_at, line.event_id, line.currency, line.channel
        )
        had_book = ledger.receivables is not None
        self._watch(slot, ledger)
        if ledger.receivables is not None and not had_book:
            ledger.receivables.begin(vector[_DELIVERED_OPEN], vector[_INVOICES_OPEN])

    def keep_books(self, slot: int, ledger: Ledger, line: LogLine) -> None:
        """Enter a business line into the books that the merchant's lines rest on.

        Here, before the line is decided, the merchant is also let go where no line rests on books
        any more: what a batch decides late must not change which lines of it are seen.
        """
        self._watch(slot, ledger)
        if ledger.receivables is not None:
            ledger.receivables.apply(line)
        if ledger.bills is not None:
            ledger.bills.apply(line)

    def decide(
        self,
        slot: int,
        ledger: Ledger,
        verdict: Verdict,
        vector: Vector,
        *,
        merchant: str,
        currency: str,
        hits: Sequence[Hit],
        held: tuple[str, ...],
        exposure_minor: int,
        causes: list[str],
        as_of: int,
    ) -> None:
        """What an assessment at ``as_of`` (epoch ms) means for the merchant's lines."""
        self._begin_day(as_of)
        if ledger.lending is None and (self.paused or not self._opens_by_itself(verdict.band)):
            return
        policy = self._versions.policy
        holding = ledger.lending or Holding()
        who = self._who(merchant, ledger, exposure_minor, causes, as_of)
        facts = Facts(
            verdict=verdict,
            seen=Seen(as_floats(vector), as_of, ledger.books(as_of)),
            currency=currency,
            hits=hits,
            paused=self.paused,
            held=held,
            consent=ledger.consent,
        )
        outcome = decide_merchant(policy, who, holding, facts, self.guard)
        self._ask(as_of)
        for what in outcome.waited:
            self._stats[f"guardrail_{what}"] += 1
        if outcome.tripped:
            self._stats["guardrail_breaker_tripped"] += 1
        if ledger.lending is None and not holding.lines:
            return
        ledger.lending = holding
        self._tell(merchant, outcome)
        for line in overdue_lines(policy, who, holding):
            reasons, evidence = [plain_reason(CORE_SILENT)], [line.sent_decision_id]
            probability = verdict.probability_of_default
            self._alerts.raise_one(
                merchant, ledger, CORE_SILENT, "warning", reasons, evidence, as_of, probability
            )

    def command(self, slot: int, ledger: Ledger, said: LogLine, as_of: int) -> None:
        """What a person at the desk decided about lines."""
        if ledger.lending is None:
            self._stats["commands_without_target"] += 1
            return
        merchant = self._engine.index.id_of(slot)
        exposure_minor = ledger.book.exposure_minor
        who = self._who(merchant, ledger, exposure_minor, [said.event_id], as_of)
        policy, holding = self._versions.policy, ledger.lending
        self._begin_day(as_of)
        outcome = command_merchant(policy, who, holding, said, self.guard)
        self._ask(as_of)
        if not outcome.taken:
            self._stats["commands_without_target"] += 1
        elif not outcome.effective:
            self._stats["commands_without_effect"] += 1
        self._tell(merchant, outcome)

    def answer(self, slot: int, ledger: Ledger, answer: LogLine, as_of: int) -> None:
        """What the lending core said of a change. One of a change that is not the latest counts
        as ``answers_without_target``."""
        self._stats[answer.type] += 1
        if ledger.lending is None:
            self._stats["answers_without_target"] += 1
            return
        merchant = self._engine.index.id_of(slot)
        exposure_minor = ledger.book.exposure_minor
        who = self._who(merchant, ledger, exposure_minor, [answer.event_id], as_of)
        policy, holding = self._versions.policy, ledger.lending
        outcome = answer_merchant(policy, who, holding, answer, self.guard)
        self._ask(as_of)
        if not outcome.taken:
            self._stats["answers_without_target"] += 1
        self._tell(merchant, outcome)
        if not overdue_lines(policy, who, holding):
            self._alerts.end_one(merchant, ledger, CORE_SILENT, as_of)

    # --- budgets that span partitions -----------------------------------------------------------

    def _begin_day(self, as_of: int) -> None:
        policy, purse = self._versions.policy, self.guard.purse
        # Most merchants are assessed as their day ends: the next must have its leases by its end.
        if not purse.begins(utc_day(as_of + 1), policy):
            return
        if self.share_of:
            purse.fill(policy, self.share_of)
        else:
            self._request(as_of, day=purse.day)

    def _ask(self, as_of: int) -> None:
        asks = self.guard.purse.take_asks()
        for ask in () if self.share_of else asks:
            self._request(
                as_of,
                day=None if ask.day == STANDING else ask.day,
                budget_id=ask.budget,
                granted_minor=ask.granted_minor,
                spent_minor=ask.spent_minor,
                wanted_minor=ask.wanted_minor,
            )

    def _request(self, as_of: int, **what: Any) -> None:
        version = self._versions.policy.version
        self._tell_treasury(
            BudgetRequest(partition=self.partition, as_of=as_of, policy_version=version, **what)
        )

    # --- helpers -----------------------------------------------------------------------------

    def _who(
        self, merchant: str, ledger: Ledger, exposure_minor: int, causes: list[str], as_of: int
    ) -> Who:
        versions = self._versions
        return Who(
            merchant_id=merchant,
            segment=ledger.segment,
            region=ledger.region,
            registered=ledger.registered,
            exposure_minor=exposure_minor,
            owed_minor=ledger.book.owed_by_line_minor,
            as_of=as_of,
            causes=causes,
            model_version=versions.model.version,
            feature_version=FEATURE_VERSION,
            rules_version=versions.rules.version,
            horizon_days=versions.model.horizon_days,
        )

    def _opens_by_itself(self, band: str) -> bool:
        return any(
            product.opening.pre_approved and band_at_least(band, product.opening.worst_band)
            for product in self._versions.policy.terms.values()
        )

    def _tell(self, merchant: str, outcome: Outcome) -> None:
        for change in outcome.changes:
            self._emit(topics.LIMIT_CHANGES, merchant, change)
            self._stats[f"limit_changes.{change.action}"] += 1

    def _watch(self, slot: int, ledger: Ledger) -> None:
        """Keep books for as long as a line rests on them or an application wants one that does."""
        holding, terms = ledger.lending, self._versions.policy.terms
        assert holding is not None
        wanted = set(holding.applications)
        wanted |= {
            name for name, line in holding.lines.items() if line.committed_minor or line.pending
        }
        kinds = [terms[name].capacity for name in sorted(wanted) if name in terms]
        currency = ledger.currency or next(
            (each.currency for each in holding.applications.values()), None
        )
        claims = any(isinstance(kind, ReceivablesKind) for kind in kinds)
        bills = any(isinstance(kind, BillsKind) for kind in kinds)
        if not claims:
            ledger.receivables = None
        elif ledger.receivables is None and currency is not None:
            ledger.receivables = Receivables(currency)
        if not bills:
            ledger.bills = None
        elif ledger.bills is None and currency is not None:
            ledger.bills = Bills(currency)
        self._engine.watch(slot, claims or bills)
