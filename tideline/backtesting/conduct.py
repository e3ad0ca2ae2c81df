"""How the lines of one policy moved: counts of changes, cuts that were taken back, approvals."""

from collections import Counter

from msgspec import Struct

from schemas.outputs import LimitChange

REVERTED_WITHIN_MS = 90 * 86_400_000
"""A cut is taken back if the line is at its old limit again so soon, and no default came first."""


class _Cut(Struct, frozen=True):
    at: int
    from_minor: int


class Conduct:
    """Told of every limit change of one policy and of every default, in log order."""

    def __init__(self) -> None:
        self.actions: Counter[str] = Counter()
        self.approvals = self.approvals_granted = self.cuts = self.reverted = 0
        self._cuts: dict[str, dict[str, list[_Cut]]] = {}
        self._cut_merchants: set[str] = set()
        self._bad: set[str] = set()

    @property
    def merchants_cut(self) -> int:
        """Merchants that were cut or frozen at least once."""
        return len(self._cut_merchants)

    @property
    def merchants_cut_good(self) -> int:
        """Those of them that never defaulted."""
        return len(self._cut_merchants - self._bad)

    def changed(self, change: LimitChange) -> None:
        """One limit change in force."""
        self.actions[change.action] += 1
        self.approvals_granted += change.approval == "granted"
        merchant = change.merchant_id
        open_cuts = self._cuts.setdefault(merchant, {}).setdefault(change.line_id, [])
        if change.action in ("decrease", "freeze"):
            self.cuts += 1
            self._cut_merchants.add(merchant)
            open_cuts.append(_Cut(change.decided_at, change.previous_limit_minor))
            return
        kept = []
        for cut in open_cuts:
            if change.decided_at - cut.at > REVERTED_WITHIN_MS:
                continue
            if change.new_limit_minor >= cut.from_minor:
                self.reverted += 1
            else:
                kept.append(cut)
        open_cuts[:] = kept

    def proposed(self) -> None:
        """A change that waits for a person."""
        self.approvals += 1

    def defaulted(self, merchant_id: str) -> None:
        """A loan of the merchant ended in default: earlier cuts were right."""
        self._bad.add(merchant_id)
        self._cuts.pop(merchant_id, None)
