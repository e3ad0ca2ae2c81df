"""Alerts about cohorts, at their place in the log: a cohort is a merchant of its own here.

A monitor's ``cohort.alerted`` opens an episode of kind ``cohort_DIMENSION`` or adds its evidence;
``cohort.calmed`` closes it as cured. The desk works it like any other, but a verdict on a cohort
is no label: it says nothing of one merchant's features.
"""

from detectors.cohorts import CRITICAL_SHARE
from features.lines import LogLine
from schemas.outputs import Reason, Severity
from streams.alerts import Alerts
from streams.ledger import Ledger

PREFIX = "cohort:"
KIND = "cohort_"
FEATURE = "cohort_struck_share"
"""What a reason's ``value`` and ``usual`` are: the struck share of the cohort's merchants, 0-1."""


def cohort_id(dimension: str, name: str) -> str:
    """The ``merchant_id`` of a cohort, as in ``cohort:region:north``."""
    return f"{PREFIX}{dimension}:{name}"


def is_cohort(merchant_id: str) -> bool:
    """Whether the id is a cohort's and no merchant's."""
    return merchant_id.startswith(PREFIX)


def kind_of(merchant_id: str) -> str:
    """The kind of a cohort's alerts, by its dimension."""
    return KIND + merchant_id.removeprefix(PREFIX).partition(":")[0]


def take(alerts: Alerts, merchant: str, ledger: Ledger, line: LogLine, at: int) -> None:
    """A line about a cohort: what its monitor found, or a command of the desk."""
    kind = kind_of(merchant)
    if line.type == "cohort.calmed":
        alerts.end_one(merchant, ledger, kind, at)
    elif line.type == "cohort.alerted":
        members, struck = line.members or 1, line.struck or 0
        severity: Severity = "critical" if struck >= CRITICAL_SHARE * members else "warning"
        reason = Reason(
            code=kind,
            text=line.reason or "",
            feature=FEATURE,
            value=struck / members,
            usual=(line.expected or 0.0) / members,
        )
        evidence = [line.event_id, *(line.evidence or "").split()]
        alerts.raise_or_add(merchant, ledger, kind, severity, [reason], evidence, at)
    else:
        alerts.command(merchant, ledger, line, at)
