"""The alerts of a partition: episodes open, gather evidence and close, and the desk works them."""

from collections import Counter
from collections.abc import Callable, Sequence

from detectors import episodes
from detectors.holds import rests_on
from detectors.lasting import cooling_after, may_open
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
    ) -> None:
        """What an assessment at ``at`` (epoch ms) means for the episodes.

        ``hits`` are the rules that fire, ``held`` the feeds that the vector does without,
        ``evidence`` the ids of the events at hand.
        """
        rules = self._versions.rules
        seen = set()
        for each in hits:
            seen.add(each.kind)
            episode = ledger.episodes.get(each.kind)
            if episode is None:
                if ledger.cooling and not may_open(ledger.cooling, each, at):
                    continue
                episode = episodes.open_episode(
                    merchant, each.kind, each.severity, each.reasons, evidence, at
                )
                self._put(merchant, ledger, episode)
                self._stats[f"alerts.{each.kind}.{each.severity}"] += 1
                continue
            episode, news = episodes.hit(episode, each.severity, each.reasons, evidence, at)
            self._put(merchant, ledger, episode, news=news)
        for kind in sorted(ledger.episodes):
            if kind in seen or rests_on(rules, kind, held):
                continue
            if cleared(rules, kind, vector):
                episode, news = episodes.clear(ledger.episodes[kind], at)
                self._put(merchant, ledger, episode, news=news)

    def raise_one(
        self,
        merchant: str,
        ledger: Ledger,
        kind: str,
        severity: Severity,
        reasons: list[Reason],
        evidence: list[str],
        at: int,
    ) -> None:
        """An alert of a kind that no rule has; while one is open no other opens."""
        if kind in ledger.episodes:
            return
        episode = episodes.open_episode(merchant, kind, severity, reasons, evidence, at)
        self._put(merchant, ledger, episode)
        self._stats[f"alerts.{kind}.{severity}"] += 1

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
            return
        episode, news = episodes.hit(episode, severity, reasons, evidence, at)
        self._put(merchant, ledger, episode, news=news)

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
            return None
        episode, actor = ledger.episodes[kind], line.actor or ""
        if line.type == "alert.assign":
            episode = episodes.assign(episode, line.assignee or actor, actor, at)
        elif line.type == "alert.acknowledge":
            episode = episodes.acknowledge(episode, actor, at)
        elif line.type == "alert.snooze":
            episode = episodes.snooze(episode, line.until_at or at, actor, at)
        elif line.type == "alert.close":
            episode = episodes.close(episode, line.outcome, actor, at)  # type: ignore[arg-type]
        self._put(merchant, ledger, episode)
        return episode.outcome

    def _put(
        self, merchant: str, ledger: Ledger, episode: episodes.Episode, *, news: bool = True
    ) -> None:
        if episode.state == "closed":
            ledger.episodes.pop(episode.kind, None)
            rules, at = self._versions.rules, episode.updated_at
            ledger.cooling = cooling_after(rules, ledger.cooling or {}, episode, at) or None
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
            **self._versions.stamps,
        )
        self._emit(topics.ALERTS, merchant, alert)
