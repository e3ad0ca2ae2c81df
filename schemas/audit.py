"""What the desk says of its users: one entry for each thing done, tried or looked at.

Fields may be added with defaults, never renamed or retyped.
"""

from typing import Literal

from msgspec import Struct

AuditAction = Literal[
    "login",
    "login_failed",
    "logout",
    "unmask",
    "command",
    "token_created",
    "token_revoked",
    "export",
    "denied",
]
"""``unmask`` is a look at personal data in clear, ``denied`` what a role or a tenancy refused."""


class AuditEntry(Struct, kw_only=True, frozen=True, gc=False):
    """One entry, at ``at`` (epoch ms, the desk's clock); keyed by ``actor`` on Kafka.

    ``role`` is the role in which it was done, empty before a login. ``subject`` is the merchant,
    alert, line or path that it was about, ``reason`` what the user gave as one, ``detail`` the
    type and event id of a command or why something was refused; each is empty if there is none.
    """

    audit_id: str
    at: int
    actor: str
    action: AuditAction
    role: str = ""
    subject: str = ""
    reason: str = ""
    detail: str = ""
