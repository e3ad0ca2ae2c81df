"""The alerts of a partition: episodes open, gather evidence and close, and the desk works them."""

from collections import Counter
from collections.abc import Callable, Sequence

from detectors import episodes
from detectors.holds import rests_on
from detectors.lasting import cooling_after, cured_after, may_open, may_reopen
from detectors.sentinels import Hit, cleared
from detectors.vectors import Vector
from features.lines import LogLine
from schemas import topics
from schemas.outputs import Alert, Reason, Severity
from streams.ledger import Ledger
from streams.versions import Versions

NO_CURRENCY = "XXX"
"""ISO 4217 for "no currency": a merchant of whom no money was ever seen."""

Emit = Callable[[str, str, Alert], None]
"""Told the topic, the merchant and the value of an output."""


class Alerts:
    """Keeps the episodes of ledgers by what fires, and tells of each news."""

    def __init__(self, versions: Versions, stats: Counter[str], emit: Emit) -> None:
        self._versions = versions
        self._stats = stats
        self._emit = emit

    def update(
        self,
        merchant: str,
        ledger: Ledger,
        vector: Vector,
        hits: Sequence[Hit],
        held: tuple[str, ...],
        evidence: list[str],
        at: int,
        probability_of_default: float | None,
    ) -> None:
        """What an assessment at ``at`` (epoch ms) means for the episodes.

        ``hits`` are the rules that fire, ``held`` the feeds that the vector does without,
        ``evidence`` the ids of the events at hand.
        """
        rules = self._versions.rules
        ledger.probability_of_default = probability_of_default
        self.wake(merchant, ledger, at)
        seen = set()
        for each in hits:
            seen.add(each.kind)
            episode = ledger.episodes.get(each.kind)
            if episode is not None:
                self._join(merchant, ledger, episode, each.severity, each.reasons, evidence, at)
            elif not self._reopened(merchant, ledger, each, evidence, at) and (
                not ledger.cooling or may_open(ledger.cooling, each, at)
            ):
                self._open(merchant, ledger, each, evidence, at)
        for kind in sorted(ledger.episodes):
            if kind in seen or rests_on(rules, kind, held):
                continue
            if cleared(rules, kind, vector):
                episode, news = episodes.clear(ledger.episodes[kind], at)
                self._put(merchant, ledger, episode, news=news)
        if not ledger.episodes:
            ledger.probability_of_default = None

    def wake(self, merchant: str, ledger: Ledger, at: int) -> None:
        """Episodes whose snooze is over by ``at`` (epoch ms) are open again."""
        for kind in sorted(ledger.episodes):
            episode, news = episodes.wake(ledger.episodes[kind], at)
            if news:
                self._put(merchant, ledger, episode)

    def raise_one(
        self,
        merchant: str,
        ledger: Ledger,
        kind: str,
        severity: Severity,
        reasons: list[Reason],
        evidence: list[str],
        at: int,
        probability_of_default: float | None = None,
    ) -> None:
        """An alert of a kind that no rule has; while one is open no other opens."""
        if kind in ledger.episodes:
            return
        ledger.probability_of_default = probability_of_default
        raised = Hit(kind=kind, severity=severity, reasons=reasons)
        if not self._reopened(merchant, ledger, raised, evidence, at):
            self._open(merchant, ledger, raised, evidence, at)

    def raise_or_add(
        self,
        merchant: str,
        ledger: Ledger,
        kind: str,
        severity: Severity,
        reasons: list[Reason],
        evidence: list[str],
        at: int,
    ) -> None:
        """As ``raise_one``, but where one is open the evidence joins it."""
        episode = ledger.episodes.get(kind)
        if episode is None:
            self.raise_one(merchant, ledger, kind, severity, reasons, evidence, at)
        else:
            self._join(merchant, ledger, episode, severity, reasons, evidence, at)

    def end_one(self, merchant: str, ledger: Ledger, kind: str, at: int) -> None:
        """The cause of an alert that ``raise_one`` opened is gone: it closes as cured."""
        episode = ledger.episodes.get(kind)
        if episode is not None:
            self._put(merchant, ledger, episodes.close(episode, "cured", None, at))

    def command(self, merchant: str, ledger: Ledger, line: LogLine, at: int) -> str | None:
        """A command of the desk about one alert; one about none of them is counted.

        Returns the outcome with which it was closed, None where it stays open.
        """
        kind = next((k for k, e in ledger.episodes.items() if e.alert_id == line.alert_id), None)
        if kind is None:
            self._stats["commands_without_target"] += 1
            self._stats[f"commands_without_target.{line.type}"] += 1
            return None
        episode, actor, note = ledger.episodes[kind], line.actor or "", line.reason
        if line.type == "alert.assign":
            episode = episodes.assign(episode, line.assignee or actor, actor, at, note)
        elif line.type == "alert.acknowledge":
            episode = episodes.acknowledge(episode, actor, at, note)
        elif line.type == "alert.snooze":
            if line.until_at is None or line.until_at <= at:
                self._stats["commands_without_effect"] += 1
                return None
            terms = self._versions.policy.alerts
            episode = episodes.snooze(episode, line.until_at, actor, at, terms, note)
        elif line.type == "alert.close":
            episode = episodes.close(episode, line.outcome, actor, at, note)  # type: ignore[arg-type]
        self._put(merchant, ledger, episode)
        return episode.outcome

    def _open(self, merchant: str, ledger: Ledger, hit: Hit, evidence: list[str], at: int) -> None:
        """A new episode, unless the policy suppresses it."""
        if self._is_suppressed(merchant, ledger, hit.kind, at):
            return
        terms = self._versions.policy.alerts
        episode = episodes.open_episode(
            merchant, hit.kind, hit.severity, hit.reasons, evidence, at, terms
        )
        self._put(merchant, ledger, episode)
        self._stats[f"alerts.{hit.kind}.{hit.severity}"] += 1

    def _reopened(
        self, merchant: str, ledger: Ledger, hit: Hit, evidence: list[str], at: int
    ) -> bool:
        """Whether a cured episode is there to open again rather than a new one."""
        closed = may_reopen(ledger.cured or {}, hit.kind, at)
        if closed is None:
            return False
        if not self._is_suppressed(merchant, ledger, hit.kind, at):
            assert ledger.cured is not None
            del ledger.cured[hit.kind]
            ledger.cured = ledger.cured or None
            terms = self._versions.policy.alerts
            episode = episodes.reopen(closed, hit.severity, hit.reasons, evidence, at, terms)
            self._put(merchant, ledger, episode)
            self._stats[f"alerts_reopened.{hit.kind}"] += 1
        return True

    def _join(
        self,
        merchant: str,
        ledger: Ledger,
        episode: episodes.Episode,
        severity: Severity,
        reasons: list[Reason],
        evidence: list[str],
        at: int,
    ) -> None:
        terms = self._versions.policy.alerts
        episode, news = episodes.hit(episode, severity, reasons, evidence, at, terms)
        self._put(merchant, ledger, episode, news=news)

    def _is_suppressed(self, merchant: str, ledger: Ledger, kind: str, at: int) -> bool:
        products = () if ledger.lending is None else ledger.lending.lines
        terms = self._versions.policy.alerts
        if not terms.suppresses(kind, merchant, ledger.segment, products, at):
            return False
        self._stats[f"alerts_suppressed.{kind}"] += 1
        return True

    def _put(
        self, merchant: str, ledger: Ledger, episode: episodes.Episode, *, news: bool = True
    ) -> None:
        if episode.state == "closed":
            ledger.episodes.pop(episode.kind, None)
            self._remember(ledger, episode, episode.updated_at)
        else:
            ledger.episodes[episode.kind] = episode
        if not news:
            return
        alert = Alert(
            alert_id=episode.alert_id,
            merchant_id=merchant,
            segment=ledger.segment,
            kind=episode.kind,
            severity=episode.severity,
            opened_at=episode.opened_at,
            updated_at=episode.updated_at,
            state=episode.state,
            version=episode.version,
            exposure_minor=ledger.book.exposure_minor,
            currency=ledger.currency or NO_CURRENCY,
            reasons=episode.reasons,
            evidence=episode.evidence,
            evidence_count=episode.evidence_count,
            assignee=episode.assignee,
            actor=episode.actor,
            snoozed_until=episode.snoozed_until,
            outcome=episode.outcome,
            acknowledge_by=episode.acknowledge_by,
            close_by=episode.close_by,
            acknowledged_at=episode.acknowledged_at,
            reopened=episode.reopened,
            probability_of_default=ledger.probability_of_default,
            headroom_minor=ledger.headroom_minor,
            note=episode.note,
            **self._versions.stamps,
        )
        self._emit(topics.ALERTS, merchant, alert)

    def _remember(self, ledger: Ledger, closed: episodes.Episode, at: int) -> None:
        """What of an episode that closed at ``at`` (epoch ms) bears on the next of its kind."""
        rules, terms = self._versions.rules, self._versions.policy.alerts
        ledger.cooling = cooling_after(rules, ledger.cooling or {}, closed, at) or None
        ledger.cured = cured_after(terms, ledger.cured or {}, closed, at) or None
