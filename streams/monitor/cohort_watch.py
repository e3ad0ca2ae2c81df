"""When to tell of a cohort: once a day while it stands out, and once when it has calmed.

What was told comes back as an alert; until then it is remembered here. A restart may tell again,
under the same event id: the log takes it once, and an open alert is not opened twice.
"""

import hashlib
from collections.abc import Callable, Iterable

from detectors.cohorts import WINDOW_DAYS, Finding
from schemas.events import CohortAlerted, CohortCalmed
from streams.cohort_alerts import PREFIX
from streams.monitor.cohorts import DAY_MS, Cohorts, Member, causes
from streams.monitor.portfolio import Episode

ACTOR = "monitor"
EVIDENCE_MAX = 20
LOOK_EVERY_MS = 3_600_000
"""Of event time: what changes within an hour is told an hour later."""

Members = Callable[[], Iterable[Member]]


class CohortWatch:
    """Looks at the cohorts every hour of event time; ``members`` goes through all of them."""

    def __init__(self, members: Members) -> None:
        self.counts = Cohorts()
        self._members = members
        self._open: dict[str, set[str]] = {}
        self._told: dict[str, tuple[str, int]] = {}
        self._looked_at = -LOOK_EVERY_MS

    @property
    def open(self) -> frozenset[str]:
        """Cohorts with an open alert, as ids."""
        return frozenset(self._open)

    def put_episode(self, alert_id: str, episode: Episode) -> None:
        """The state of an alert that holds now; those about merchants are of no interest."""
        if not episode.cohort:
            return
        if episode.state != "closed":
            self._open.setdefault(episode.cohort, set()).add(alert_id)
        elif episode.cohort in self._open:
            self._open[episode.cohort].discard(alert_id)
            if not self._open[episode.cohort]:
                del self._open[episode.cohort]

    def look(self, now_ms: int) -> list[CohortAlerted | CohortCalmed]:
        """What there is to tell as of ``now_ms`` (event time)."""
        if now_ms < self._looked_at + LOOK_EVERY_MS:
            return []
        self._looked_at = now_ms
        day = now_ms // DAY_MS
        findings = self.counts.judge(day)
        told: list[CohortAlerted | CohortCalmed] = []
        for name, finding in causes(findings, day, self._members).items():
            if self._tell(PREFIX + name, "alerted", day):
                told.append(self._alerted(name, finding, now_ms))
        for cohort in sorted(self._open) if findings else ():
            seen = findings.get(cohort.removeprefix(PREFIX))
            if (seen is None or seen.calm) and self._tell(cohort, "calmed", day):
                told.append(
                    CohortCalmed(
                        event_id=_event_id(cohort, "calmed", day),
                        merchant_id=cohort,
                        occurred_at=now_ms,
                        actor=ACTOR,
                    )
                )
        return told

    def _tell(self, cohort: str, what: str, day: int) -> bool:
        news = self._told.get(cohort) != (what, day)
        self._told[cohort] = (what, day)
        return news

    def _alerted(self, name: str, finding: Finding, now_ms: int) -> CohortAlerted:
        counts, cohort = finding.counts, PREFIX + name
        start = now_ms // DAY_MS - WINDOW_DAYS
        alerts = sorted(
            (strike.day, strike.alert_id)
            for member in self._members()
            if name in member.cohorts
            for strike in member.strikes
            if strike.day > start
        )
        dimension, _, value = name.partition(":")
        return CohortAlerted(
            event_id=_event_id(cohort, "alerted", now_ms // DAY_MS),
            merchant_id=cohort,
            occurred_at=now_ms,
            actor=ACTOR,
            reason=(
                f"{counts.struck} of {counts.members} merchants of {dimension} {value} had a new "
                f"alert within {WINDOW_DAYS} days; {finding.expected:.1f} would be usual"
            ),
            members=counts.members,
            struck=counts.struck,
            expected=finding.expected,
            evidence=" ".join(alert_id for _, alert_id in alerts[-EVIDENCE_MAX + 1 :]),
        )


def _event_id(cohort: str, what: str, day: int) -> str:
    """The same for what is told again after a restart."""
    text = f"{cohort}\0{what}\0{day}".encode()
    return "co_" + hashlib.blake2b(text, digest_size=12).hexdigest()
