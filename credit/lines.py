"""A credit line: the state that its limit changes leave behind."""

import hashlib
from typing import Literal

from msgspec import Struct

from schemas.outputs import LimitAction


class Line(Struct, kw_only=True, frozen=True, gc=False):
    """One line of one merchant. Times are epoch milliseconds, money is minor units of ``currency``.

    ``version`` counts the changes from 1. While frozen, ``limit_minor`` is 0 and
    ``frozen_limit_minor`` what a release may give back. ``cut_at`` is the last decrease,
    ``override_until`` the end of a limit set by hand, during which no rule moves it but a freeze,
    ``waived_until`` the time before which no rule freezes it again after the desk released it.
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

    @property
    def closed(self) -> bool:
        """Whether nothing is granted, without a freeze: the line may open again."""
        return self.limit_minor == 0 and self.frozen_by is None


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
