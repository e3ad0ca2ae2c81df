"""One merchant on one time axis: what its plots show, as plain values. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from desk.ports import Row
from desk.series_queries import Window

FLOWS = (
    "orders",
    "orders_minor",
    "shipments",
    "deliveries",
    "inflow_minor",
    "outflow_minor",
    "disbursed_minor",
    "due_minor",
    "repaid_minor",
    "late_repayments",
)
_RANK = {"info": 0, "warning": 1, "critical": 2}


def flows(of: Window, rows: Sequence[Row]) -> dict[str, list[int]]:
    """Sums by bucket under the names of ``FLOWS``; 0 where nothing happened."""
    found = {name: [0] * of.buckets for name in FLOWS}
    for row in rows:
        for name in FLOWS:
            found[name][int(row["bucket"])] = int(row[f"{name}_sum"])
    return found


def risk(of: Window, rows: Sequence[Row]) -> dict[str, list[Any]]:
    """Probability of default and band by bucket; None where nothing was assessed."""
    probability: list[float | None] = [None] * of.buckets
    band: list[str | None] = [None] * of.buckets
    for row in rows:
        probability[int(row["bucket"])] = row["probability"]
        band[int(row["bucket"])] = row["last_band"]
    return {"probability": probability, "band": band}


def line(
    of: Window, changes: Sequence[Row], assessed: Sequence[Row], owed_before: int | None = None
) -> dict[str, list[Any]]:
    """Limits of all lines together and what is owed, as steps.

    Each value holds from its time (``at_ms``) until the next. The first is the beginning of the
    window with what held then; None is not known yet. ``assessed`` are buckets of ``risk``,
    ``owed_before`` is what was owed before the first.
    """
    steps: dict[int, dict[str, int]] = {}
    limits: dict[str, int] = {}
    start_ms = of.first * 86_400_000
    for row in sorted(changes, key=lambda row: (row["decided_ms"], row["line_id"], row["version"])):
        limits.setdefault(row["line_id"], row["previous_limit_minor"])
        limits[row["line_id"]] = row["new_limit_minor"]
        at_ms = max(row["decided_ms"], start_ms)
        steps.setdefault(at_ms, {})["limit"] = sum(limits.values())
    if owed_before is not None:
        steps.setdefault(start_ms, {})["drawn"] = owed_before
    for row in assessed:
        steps.setdefault(int(row["as_of_ms"]), {})["drawn"] = int(row["owed_minor"])
    ends = {start_ms, of.until_ms} if steps else set()
    at = sorted({each for each in (*steps, *ends) if start_ms <= each <= of.until_ms})
    held: dict[str, int | None] = {"limit": None, "drawn": None}
    found: dict[str, list[Any]] = {"at_ms": at, "limit_minor": [], "drawn_minor": []}
    for each in at:
        held |= steps.get(each, {})
        found["limit_minor"].append(held["limit"])
        found["drawn_minor"].append(held["drawn"])
    return found


def moves(of: Window, changes: Sequence[Row]) -> list[dict[str, Any]]:
    """Limit changes within the window that moved a limit, the earliest first."""
    return [
        {
            "at_ms": row["decided_ms"],
            "product": row["product"],
            "action": row["action"],
            "previous_minor": row["previous_limit_minor"],
            "new_minor": row["new_limit_minor"],
        }
        for row in reversed(changes)
        if of.first * 86_400_000 <= row["decided_ms"] < of.until_ms
    ]


def episodes(of: Window, states: Sequence[Row]) -> list[dict[str, Any]]:
    """When which alert was open, the earliest first; ``until_ms`` None is still open.

    An episode that was opened again gives a span for each time. ``severity`` is the worst within
    the span.
    """
    by_alert: dict[str, list[Row]] = {}
    for row in sorted(states, key=lambda row: (row["alert_id"], row["version"])):
        by_alert.setdefault(row["alert_id"], []).append(row)
    spans: list[dict[str, Any]] = []
    for rows in by_alert.values():
        span: dict[str, Any] | None = None
        for row in rows:
            if row["state"] == "closed":
                if span is not None:
                    span["until_ms"] = row["updated_ms"]
                span = None
                continue
            if span is None:
                first = row is rows[0]
                span = {
                    "kind": row["kind"],
                    "severity": row["severity"],
                    "from_ms": row["opened_ms"] if first else row["updated_ms"],
                    "until_ms": None,
                }
                spans.append(span)
            span["severity"] = max(span["severity"], row["severity"], key=_rank)
    start_ms = of.first * 86_400_000
    shown = [
        span
        for span in spans
        if span["from_ms"] < of.until_ms and (span["until_ms"] or of.until_ms) >= start_ms
    ]
    return sorted(shown, key=lambda span: (span["from_ms"], span["kind"]))


def _rank(severity: str) -> int:
    return _RANK.get(severity, -1)


def labelled(spans: list[dict[str, Any]], names: Mapping[str, str]) -> list[dict[str, Any]]:
    """Episodes with the label of their kind."""
    return [{**span, "label": names.get(span["kind"], span["kind"])} for span in spans]
