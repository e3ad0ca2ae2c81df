"""Alert episodes: at most one open per merchant and kind, evidence joins, closing has an outcome.

Pure: an episode and what happened go in, the next episode and whether it is news come out. What
the policy says of it (clocks, falls, snoozes) comes in as its terms. docs/alerts.md has the table
of states.
"""

import hashlib
from typing import Any, Literal

from msgspec import Struct, structs

from detectors.alert_terms import AlertTerms
from schemas.outputs import AlertState, Reason, Severity

DAY_MS = 86_400_000
EVIDENCE_KEPT = 20
"""Event ids kept on an episode (the latest); ``evidence_count`` counts all."""
CURED_AFTER_MS = 7 * DAY_MS
"""An episode whose condition has been clear for so long closes with the outcome ``cured``."""
NEWS_EVERY_MS = DAY_MS
"""Evidence of equal severity is told at most so often; another severity at once."""
_RANK: dict[str, int] = {"info": 0, "warning": 1, "critical": 2}

Outcome = Literal["confirmed", "false_alarm", "cured", "defaulted"]


class Episode(Struct, kw_only=True, frozen=True, gc=False, omit_defaults=True):
    """State of one episode. ``clear_since`` is when its condition was first seen gone, or None.

    ``lower_since`` is since when only a lower severity was met, ``lower`` the highest of those.
    ``acknowledge_by`` and ``close_by`` are its deadlines, ``acknowledged_at`` is when somebody
    first took note of it, ``reopened`` how often it opened again, ``note`` why the latest state
    came about, where a person or a bound of the policy says so.
    """

    alert_id: str
    kind: str
    severity: Severity
    opened_at: int
    updated_at: int
    state: AlertState
    version: int
    reasons: list[Reason]
    evidence: list[str]
    evidence_count: int
    acknowledge_by: int
    close_by: int
    clear_since: int | None = None
    assignee: str | None = None
    actor: str | None = None
    snoozed_until: int | None = None
    outcome: str | None = None
    lower_since: int | None = None
    lower: Severity | None = None
    acknowledged_at: int | None = None
    reopened: int = 0
    note: str | None = None


def alert_id_of(merchant_id: str, kind: str, opened_at: int) -> str:
    """Stable identifier of an episode: a hash of merchant, kind and opening time."""
    text = f"{merchant_id}\0{kind}\0{opened_at}".encode()
    return "al_" + hashlib.blake2b(text, digest_size=12).hexdigest()


def open_episode(
    merchant_id: str,
    kind: str,
    severity: Severity,
    reasons: list[Reason],
    causes: list[str],
    at: int,
    terms: AlertTerms,
) -> Episode:
    """A new episode, open since ``at``. ``causes`` are event ids; a timer brings none."""
    return Episode(
        alert_id=alert_id_of(merchant_id, kind, at),
        kind=kind,
        severity=severity,
        opened_at=at,
        updated_at=at,
        state="open",
        version=1,
        reasons=reasons,
        evidence=causes[-EVIDENCE_KEPT:],
        evidence_count=len(causes),
        acknowledge_by=at + terms.acknowledge_within_hours.ms(severity),
        close_by=at + terms.close_within_hours.ms(severity),
    )


def reopen(
    closed: Episode,
    severity: Severity,
    reasons: list[Reason],
    causes: list[str],
    at: int,
    terms: AlertTerms,
) -> Episode:
    """A closed episode, open again since ``at``. Its clocks start anew; its assignee is kept."""
    joined = _joined(closed, causes)
    return _told(
        structs.replace(joined, acknowledged_at=None),
        at,
        severity=severity,
        state="open",
        outcome=None,
        reasons=reasons,
        reopened=closed.reopened + 1,
        acknowledge_by=at + terms.acknowledge_within_hours.ms(severity),
        close_by=at + terms.close_within_hours.ms(severity),
    )


def hit(
    episode: Episode,
    severity: Severity,
    reasons: list[Reason],
    causes: list[str],
    at: int,
    terms: AlertTerms,
) -> tuple[Episode, bool]:
    """Evidence joins an open episode. Returns it and whether the change is news.

    A higher severity holds at once; a lower one once no higher was met for the time that the terms
    state, and then the highest that was.
    """
    rises = _RANK[severity] > _RANK[episode.severity]
    new = [c for c in causes if c not in episode.evidence]
    woken = _sleeps_no_more(episode, at)
    joined = _lowered(_joined(episode, causes), severity, at)
    falls = joined.lower_since is not None and at - joined.lower_since >= terms.falls_after_ms
    news = rises or falls or woken or (bool(new) and at - episode.updated_at >= NEWS_EVERY_MS)
    if not news:
        return joined, False
    changes: dict[str, Any] = {"reasons": reasons}
    if woken or (rises and episode.state == "snoozed"):
        changes |= {"state": "open", "snoozed_until": None}
    if rises:
        changes |= _graver(episode, severity, at, terms)
    elif falls:
        changes |= {"severity": joined.lower, "lower": None, "lower_since": None}
    return _told(joined, at, **changes), True


def wake(episode: Episode, at: int) -> tuple[Episode, bool]:
    """A snooze that is over by ``at`` ends: the episode is open again, which is news."""
    if not _sleeps_no_more(episode, at):
        return episode, False
    return _told(episode, at, state="open", snoozed_until=None), True


def clear(episode: Episode, at: int) -> tuple[Episode, bool]:
    """The condition is gone as of ``at``; after ``CURED_AFTER_MS`` of that the episode closes."""
    since = at if episode.clear_since is None else episode.clear_since
    if at - since < CURED_AFTER_MS:
        return structs.replace(episode, clear_since=since), False
    return close(episode, "cured", None, at), True


def close(
    episode: Episode, outcome: Outcome, actor: str | None, at: int, note: str | None = None
) -> Episode:
    """Close with an outcome, which is a label."""
    return _told(
        structs.replace(episode, clear_since=None, lower=None, lower_since=None),
        at,
        state="closed",
        outcome=outcome,
        actor=actor,
        note=note,
        snoozed_until=None,
    )


def assign(
    episode: Episode, assignee: str, actor: str, at: int, note: str | None = None
) -> Episode:
    """Give the episode to somebody; that alone is no acknowledgement."""
    return _told(
        episode,
        at,
        state="assigned",
        assignee=assignee,
        actor=actor,
        note=note,
        snoozed_until=None,
    )


def acknowledge(episode: Episode, actor: str, at: int, note: str | None = None) -> Episode:
    """Somebody has seen the episode."""
    return _told(
        _acknowledged(episode, at),
        at,
        state="acknowledged",
        actor=actor,
        note=note,
        snoozed_until=None,
    )


def snooze(
    episode: Episode, until: int, actor: str, at: int, terms: AlertTerms, note: str | None = None
) -> Episode:
    """Hide the episode until ``until``; a rise in severity wakes it earlier.

    Longer than the terms allow is shortened to that, and the note says so.
    """
    latest = at + terms.snooze_max_ms
    if until > latest:
        cut = f"shortened to {terms.snooze_days_max} days, the longest that the policy allows"
        note = cut if note is None else f"{note} ({cut})"
    return _told(
        _acknowledged(episode, at),
        at,
        state="snoozed",
        snoozed_until=min(until, latest),
        actor=actor,
        note=note,
    )


def _joined(episode: Episode, causes: list[str]) -> Episode:
    new = [c for c in causes if c not in episode.evidence]
    return structs.replace(
        episode,
        evidence=(episode.evidence + new)[-EVIDENCE_KEPT:],
        evidence_count=episode.evidence_count + len(new),
        clear_since=None,
    )


def _lowered(episode: Episode, severity: Severity, at: int) -> Episode:
    """The memory of lower severities after one was met."""
    if _RANK[severity] >= _RANK[episode.severity]:
        return structs.replace(episode, lower=None, lower_since=None)
    # A late event may be assessed at an earlier time than the one before it.
    since = at if episode.lower_since is None else min(episode.lower_since, at)
    lower = max(episode.lower or severity, severity, key=_RANK.__getitem__)
    return structs.replace(episode, lower=lower, lower_since=since)


def _graver(episode: Episode, severity: Severity, at: int, terms: AlertTerms) -> dict[str, Any]:
    """What a rise changes: from then on the hours of the new severity run, if they end sooner."""
    return {
        "severity": severity,
        "acknowledge_by": min(
            episode.acknowledge_by, at + terms.acknowledge_within_hours.ms(severity)
        ),
        "close_by": min(episode.close_by, at + terms.close_within_hours.ms(severity)),
    }


def _sleeps_no_more(episode: Episode, at: int) -> bool:
    return episode.state == "snoozed" and at >= (episode.snoozed_until or 0)


def _acknowledged(episode: Episode, at: int) -> Episode:
    return episode if episode.acknowledged_at else structs.replace(episode, acknowledged_at=at)


def _told(
    episode: Episode, at: int, *, actor: str | None = None, note: str | None = None, **changes: Any
) -> Episode:
    """The next version of an episode."""
    return structs.replace(
        episode,
        actor=actor,
        note=note,
        updated_at=max(at, episode.updated_at),
        version=episode.version + 1,
        **changes,
    )
