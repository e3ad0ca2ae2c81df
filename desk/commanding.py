"""From what a person asked for to a command on ``desk.commands``: checked, unique, audited.

A command has the id of the form or request that asked for it, so that a double click, a retry or a
repeated request is one command: intake takes an ``event_id`` once.
"""

import hashlib
from collections.abc import Callable, Mapping

import msgspec

from desk.identity import Permission, Viewer
from desk.ports import Outbox
from ops.errors import TidelineError
from schemas import topics
from schemas.audit import AuditAction, AuditEntry
from schemas.codec import InvalidEvent, Limits, decode_event
from schemas.events import BY_TAG, GLOBAL_MERCHANT, Command

NEEDS: dict[str, Permission] = {
    "alert.assign": "work_alerts",
    "alert.acknowledge": "work_alerts",
    "alert.snooze": "work_alerts",
    "alert.close": "work_alerts",
    "limit.override": "propose_limit",
    "limit.approve": "approve_limit",
    "limit.reject": "approve_limit",
    "merchant.freeze": "freeze",
    "merchant.release": "release",
    "policy.publish": "publish_policy",
    "model.rollback": "roll_back_model",
    "automation.pause": "pause_automation",
    "automation.resume": "pause_automation",
}
"""The permission that each command of the desk needs. Monitors' commands are not the desk's."""

GLOBAL_TYPES = frozenset(
    {"policy.publish", "model.rollback", "automation.pause", "automation.resume"}
)
ACTOR_MAX = 128


class NotAllowed(TidelineError):
    """The viewer's role, or the bound on its merchants, does not allow the command."""


class InvalidCommand(TidelineError, ValueError):
    """A field of a command is missing or wrong; the text names it and says what to do."""


class Commanding:
    """Sends commands and audit entries. ``clock_ms`` is wall-clock epoch milliseconds."""

    def __init__(self, outbox: Outbox, clock_ms: Callable[[], int]) -> None:
        self._outbox = outbox
        self._clock_ms = clock_ms

    def send(
        self,
        viewer: Viewer,
        kind: str,
        merchant_id: str,
        fields: Mapping[str, str | int | None],
        *,
        request_id: str,
        occurred_at: int,
    ) -> str:
        """Send one command; returns its ``event_id``.

        ``fields`` are those of the event's struct, without ``actor``, which is the viewer. Whether
        the viewer may see ``merchant_id`` is for the caller to have checked. ``occurred_at`` is the
        event time at which it shall count. Raises ``NotAllowed``, ``InvalidCommand`` and
        ``desk.outbox.OutboxUnavailable``.
        """
        needed = NEEDS.get(kind)
        if needed is None:
            raise InvalidCommand(f"`type` {kind!r} is no command of the desk")
        if not viewer.may(needed):
            self.audit(viewer, "denied", merchant_id, detail=kind)
            raise NotAllowed(f"{viewer.role} may not send {kind}")
        if (merchant_id == GLOBAL_MERCHANT) != (kind in GLOBAL_TYPES):
            raise InvalidCommand(f"`merchant_id` {merchant_id!r} does not go with {kind}")
        digest = hashlib.sha256(f"{viewer.name}\0{kind}\0{request_id}".encode()).hexdigest()
        event = {
            **{name: value for name, value in fields.items() if value not in (None, "")},
            # Last, so that no field of a request stands in their place.
            "type": kind,
            "event_id": f"desk-{digest[:32]}",
            "merchant_id": merchant_id,
            "occurred_at": occurred_at,
            "actor": viewer.name,
        }
        raw = msgspec.json.encode(event)
        self._check(kind, raw)
        self._outbox.send(topics.COMMANDS, merchant_id, raw)
        subject = str(fields.get("alert_id") or fields.get("decision_id") or merchant_id)
        reason = fields.get("reason")
        self.audit(
            viewer,
            "command",
            subject,
            reason=None if reason is None else str(reason),
            detail=f"{kind} {event['event_id']}",
        )
        return str(event["event_id"])

    def audit(
        self,
        viewer: Viewer,
        action: AuditAction,
        subject: str,
        *,
        reason: str | None = None,
        detail: str | None = None,
    ) -> None:
        """Write down what somebody did. Raises ``desk.outbox.OutboxUnavailable``."""
        self._write(viewer.name, viewer.role, action, subject, reason or "", detail or "")

    def audit_unknown(self, name: str, action: AuditAction, subject: str, *, detail: str) -> None:
        """Write down what somebody tried who was not let in; ``name`` is who that claimed to be.

        Raises ``desk.outbox.OutboxUnavailable``.
        """
        self._write(name, "", action, subject, "", detail)

    def _write(
        self, actor: str, role: str, action: AuditAction, subject: str, reason: str, detail: str
    ) -> None:
        at = self._clock_ms()
        name = actor[:ACTOR_MAX]
        text = f"{at}\0{name}\0{action}\0{subject}\0{reason}\0{detail}"
        entry = AuditEntry(
            audit_id=hashlib.sha256(text.encode()).hexdigest()[:32],
            at=at,
            actor=name,
            role=role,
            action=action,
            subject=subject,
            reason=reason or "",
            detail=detail or "",
        )
        self._outbox.send(topics.DESK_AUDIT, name, msgspec.json.encode(entry))

    def _check(self, kind: str, raw: bytes) -> None:
        struct = BY_TAG[kind]
        assert issubclass(struct, Command)
        known = {field.name for field in msgspec.structs.fields(struct)} | {"type"}
        unknown = set(msgspec.json.decode(raw)) - known
        if unknown:
            raise InvalidCommand(f"`{sorted(unknown)[0]}` is no field of {kind}")
        try:
            # No command names a counterparty, so the key of the pseudonyms is not needed.
            decode_event(raw, now_ms=self._clock_ms(), limits=Limits(), privacy_key=b"")
        except InvalidEvent as error:
            raise InvalidCommand(error.detail) from error
