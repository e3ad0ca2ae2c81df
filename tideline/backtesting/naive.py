"""Three naive policies to compare with: they keep the openings of the first real policy.

- ``never-change``: a line keeps the limit that it opened with.
- ``late-cut``: the same, but nothing may be drawn while a repayment is late, and the line comes
  back when nothing is.
- ``static-score``: the opening limit, looked at once a year: it stays while the band is A to C and
  goes otherwise.
"""

from msgspec import Struct

YEAR_MS = 365 * 86_400_000
NAIVE: tuple[str, ...] = ("never-change", "late-cut", "static-score")
_KEPT = ("A", "B", "C")


class _Line(Struct):
    opening_minor: int
    limit_minor: int
    reviewed_at: int


class Naive:
    """Limits of one naive policy, told of openings and of assessments in log order."""

    def __init__(self, name: str) -> None:
        assert name in NAIVE, name
        self.name = name
        self._lines: dict[str, dict[str, _Line]] = {}

    def opened(self, merchant_id: str, line_id: str, limit_minor: int, at: int) -> int | None:
        """The real policy opened a line; the limit here, or None where it was open before."""
        lines = self._lines.setdefault(merchant_id, {})
        if line_id in lines:
            return None
        lines[line_id] = _Line(limit_minor, limit_minor, at)
        return limit_minor

    def assessed(
        self, merchant_id: str, band: str, days_past_due: float | None, at: int
    ) -> list[tuple[str, int]]:
        """Lines that move on an assessment, with their new limits.

        ``days_past_due`` is None where nothing was ever due.
        """
        lines = self._lines.get(merchant_id)
        if not lines or self.name == "never-change":
            return []
        moved = []
        for line_id, line in lines.items():
            limit = line.limit_minor
            if self.name == "late-cut":
                limit = 0 if (days_past_due or 0) >= 1 else line.opening_minor
            elif at - line.reviewed_at >= YEAR_MS:
                line.reviewed_at = at
                limit = line.opening_minor if band in _KEPT else 0
            if limit != line.limit_minor:
                line.limit_minor = limit
                moved.append((line_id, limit))
        return moved
