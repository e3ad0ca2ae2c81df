"""Who asks, what that person may do, and of whose merchants. Pure."""

from typing import Literal, NamedTuple, get_args

Role = Literal["viewer", "analyst", "approver", "administrator"]
ROLES: tuple[Role, ...] = get_args(Role)

Permission = Literal[
    "read",
    "work_alerts",
    "freeze",
    "release",
    "propose_limit",
    "approve_limit",
    "publish_policy",
    "pause_automation",
    "roll_back_model",
    "unmask",
    "read_audit",
    "administer",
]
PERMISSIONS: tuple[Permission, ...] = get_args(Permission)

_ANALYST: frozenset[Permission] = frozenset(
    {"read", "work_alerts", "freeze", "propose_limit", "unmask"}
)
_APPROVER: frozenset[Permission] = _ANALYST | {
    "release",
    "approve_limit",
    "publish_policy",
    "pause_automation",
    "roll_back_model",
    "read_audit",
}
MAY: dict[Role, frozenset[Permission]] = {
    "viewer": frozenset({"read"}),
    "analyst": _ANALYST,
    "approver": _APPROVER,
    "administrator": frozenset({"read", "pause_automation", "read_audit", "administer"}),
}
"""What each role may do. Who administers accounts neither proposes nor approves money."""

GLOBAL: frozenset[Permission] = frozenset(
    {"publish_policy", "pause_automation", "roll_back_model", "read_audit", "administer"}
)
"""What concerns all merchants, and so nobody whose sight is bounded to a funder's own."""


class Viewer(NamedTuple):
    """Somebody who was let in.

    ``funders`` bounds what is seen to merchants with a line that one of them funds; None is all.
    ``via`` says how: a session of a browser, or an API token.
    """

    name: str
    role: Role
    funders: tuple[str, ...] | None = None
    via: Literal["session", "token"] = "session"

    def may(self, permission: Permission) -> bool:
        """Whether the role allows it, and the bound on merchants does not forbid it."""
        if self.funders is not None and permission in GLOBAL:
            return False
        return permission in MAY[self.role]
