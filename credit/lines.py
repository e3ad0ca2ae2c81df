"""A credit line: the state that its limit changes leave behind."""

import hashlib
from typing import Literal

from msgspec import Struct

from schemas.outputs import FunderShare, LimitAction, Reason

CoreState = Literal["none", "sent", "acknowledged", "rejected"]
"""What the lending core said of the latest change that was sent to it; ``none`` before any."""


class Proposal(Struct, kw_only=True, frozen=True, gc=False):
    """A change that waits for people. ``decision_id`` is that of the change that proposed it.

    ``approvers`` persons must agree, none of them ``proposed_by``, before ``ends_at``; then the
    line moves to ``limit_minor`` by ``action``, with ``term_ends_at``, ``override_until`` and
    ``cut_at`` as they would have been. ``expires_at`` is what the change announces.
    """

    decision_id: str
    action: LimitAction
    limit_minor: int
    reasons: list[Reason]
    approvers: int
    proposed_by: str | None
    approved_by: tuple[str, ...]
    ends_at: int
    expires_at: int | None
    term_ends_at: int
    override_until: int | None
    cut_at: int | None


class Line(Struct, kw_only=True, frozen=True, gc=False, omit_defaults=True):
    """One line of one merchant. Times are epoch milliseconds, money is minor units of ``currency``.

    ``version`` counts the changes from 1. While frozen, ``limit_minor`` is 0 and
    ``frozen_limit_minor`` what a release may give back. ``cut_at`` is the last decrease,
    ``override_until`` the end of a limit set by hand, during which no rule moves it but a freeze,
    ``waived_until`` the time before which no rule freezes it again after the desk released it.

    ``pending`` is the one proposal that may be open. ``shares`` are the funders' parts of what is
    committed: the limit, or what is kept behind a freeze. ``band`` is that of the latest decision
    by rule, ``channel`` where the merchant applied. ``sent_*`` is the latest change that the
    lending core was told, ``core_state`` its answer, ``booked_minor`` the limit that it last
    acknowledged (None before any), and ``before_minor`` the limit before the latest change.
    """

    line_id: str
    product: str
    currency: str
    version: int
    limit_minor: int
    frozen_by: Literal["rule", "desk"] | None
    frozen_limit_minor: int
    opened_at: int
    changed_at: int
    cut_at: int | None
    expires_at: int
    last_action: LimitAction
    override_until: int | None = None
    waived_until: int | None = None
    pending: Proposal | None = None
    shares: tuple[FunderShare, ...] = ()
    band: str = ""
    channel: str | None = None
    sent_decision_id: str = ""
    sent_at: int = 0
    core_state: CoreState = "none"
    booked_minor: int | None = None
    before_minor: int = 0

    @property
    def closed(self) -> bool:
        """Whether nothing is granted, without a freeze: the line may open again."""
        return self.limit_minor == 0 and self.frozen_by is None

    @property
    def committed_minor(self) -> int:
        """What is granted, or would be again by a release."""
        return self.limit_minor if self.frozen_by is None else self.frozen_limit_minor


def line_id_of(merchant_id: str, product: str) -> str:
    """Stable identifier of a merchant's line of one product."""
    return "ln_" + _digest(merchant_id, product)


def decision_id_of(
    line_id: str, version: int, as_of: int, causes: list[str], policy_version: str
) -> str:
    """Stable identifier of one change: a retry or a replay of the same decision has the same."""
    return "dc_" + _digest(line_id, str(version), str(as_of), policy_version, *causes)


def _digest(*parts: str) -> str:
    # Lengths before the parts: no two lists of parts hash the same text.
    text = "".join(f"{len(part)}:{part}" for part in parts)
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()
