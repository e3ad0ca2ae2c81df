"""Alert episodes: at most one open per merchant and kind, evidence joins, closing has an outcome.

Pure: an episode and what happened go in, the next episode and whether it is news come out.
"""

import hashlib
from typing import Literal

from msgspec import Struct, structs

from schemas.outputs import Reason, Severity

DAY_MS = 86_400_000
EVIDENCE_KEPT = 20
"""Event ids kept on an episode (the latest); ``evidence_count`` counts all."""
CURED_AFTER_MS = 7 * DAY_MS
"""An episode whose condition has been clear for so long closes with the outcome ``cured``."""
NEWS_EVERY_MS = DAY_MS
"""Evidence of equal severity is told at most so often; a higher severity at once."""
_RANK: dict[str, int] = {"info": 0, "warning": 1, "critical": 2}

Outcome = Literal["confirmed", "false_alarm", "cured", "defaulted"]


class Episode(Struct, kw_only=True, frozen=True, gc=False):
    """State of one episode. ``clear_since`` is when its condition was first seen gone, or None."""

    alert_id: str
    kind: str
    severity: Severity
    opened_at: int
    updated_at: int
    state: Literal["open", "assigned", "acknowledged", "snoozed", "closed"]
    version: int
    reasons: list[Reason]
    evidence: list[str]
    evidence_count: int
    clear_since: int | None = None
    assignee: str | None = None
    actor: str | None = None
    snoozed_until: int | None = None
    outcome: str | None = None


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
    )


def hit(
    episode: Episode, severity: Severity, reasons: list[Reason], causes: list[str], at: int
) -> tuple[Episode, bool]:
    """Evidence joins an open episode. Returns it and whether the change is news."""
    rises = _RANK[severity] > _RANK[episode.severity]
    new = [c for c in causes if c not in episode.evidence]
    woken = episode.state == "snoozed" and at >= (episode.snoozed_until or 0)
    news = rises or woken or (bool(new) and at - episode.updated_at >= NEWS_EVERY_MS)
    changed = structs.replace(
        episode,
        severity=severity if rises else episode.severity,
        reasons=reasons if news else episode.reasons,
        evidence=(episode.evidence + new)[-EVIDENCE_KEPT:],
        evidence_count=episode.evidence_count + len(new),
        clear_since=None,
        state="open" if woken or (rises and episode.state == "snoozed") else episode.state,
        actor=None if news else episode.actor,
        updated_at=max(at, episode.updated_at) if news else episode.updated_at,
        version=episode.version + news,
    )
    return changed, news


def clear(episode: Episode, at: int) -> tuple[Episode, bool]:
    """The condition is gone as of ``at``; after ``CURED_AFTER_MS`` of that the episode closes."""
    since = at if episode.clear_since is None else episode.clear_since
    if at - since < CURED_AFTER_MS:
        return structs.replace(episode, clear_since=since), False
    return close(episode, "cured", None, at), True


def close(episode: Episode, outcome: Outcome, actor: str | None, at: int) -> Episode:
    """Close with an outcome, which is a label."""
    return structs.replace(
        episode,
        state="closed",
        outcome=outcome,
        actor=actor,
        updated_at=max(at, episode.updated_at),
        version=episode.version + 1,
    )


def assign(episode: Episode, assignee: str, actor: str, at: int) -> Episode:
    """Give the episode to somebody."""
    return _commanded(episode, at, actor, state="assigned", assignee=assignee)


def acknowledge(episode: Episode, actor: str, at: int) -> Episode:
    """Somebody has seen the episode."""
    return _commanded(episode, at, actor, state="acknowledged")


def snooze(episode: Episode, until: int, actor: str, at: int) -> Episode:
    """Hide the episode until ``until``; a rise in severity wakes it earlier."""
    return _commanded(episode, at, actor, state="snoozed", snoozed_until=until)


def _commanded(episode: Episode, at: int, actor: str, **changes: object) -> Episode:
    return structs.replace(
        episode,
        actor=actor,
        updated_at=max(at, episode.updated_at),
        version=episode.version + 1,
        **changes,
    )
