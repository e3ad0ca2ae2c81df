"""What people and machines did at the desk: the records of ``desk.audit``."""

from typing import Literal

from msgspec import Struct

AuditAction = Literal[
    "login",
    "login_failed",
    "logout",
    "unmask",
    "command",
    "denied",
    "export",
    "token_created",
    "token_revoked",
]


class AuditEntry(Struct, kw_only=True, frozen=True):
    """One thing that somebody did, or was refused.

    ``at`` is the desk's clock (epoch milliseconds). ``actor`` is the name that was logged in, or
    that was tried. ``subject`` names what it was about: a merchant, an alert, a decision, or a
    path; ``reason`` is what the person stated, ``detail`` what the desk adds, such as the type and
    id of the command.
    """

    audit_id: str
    at: int
    actor: str
    role: str
    action: AuditAction
    subject: str
    reason: str | None = None
    detail: str | None = None
