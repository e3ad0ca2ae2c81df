"""From the bytes of output topics to rows of ClickHouse tables. Pure.

Every record of an output topic gives exactly one row: in the table of its topic, or, when its bytes
are not that output, in ``sink_rejects`` with the bytes and the reason. So the rows of both add up
to the topic. The log, whose records give many rows or none, is in ``sinks.log_rows``.
"""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec

from schemas import topics
from schemas.audit import AuditEntry
from schemas.outputs import Alert, Assessment, DeadLetter, LimitChange, Reason
from sinks import report_rows

Row = tuple[Any, ...]
Columns = list[Sequence[Any]]


class Record(NamedTuple):
    """One record as it came. ``topic`` is the name on Kafka, the time is Kafka's (0 if none)."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None


class Table(NamedTuple):
    """Where the records of one topic go: the table's name, its columns and their bounds.

    ``bounds`` gives for each bounded column its place, least and greatest value. ``row`` makes the
    values before the Kafka position; it raises ``msgspec.MsgspecError`` or ``ValueError``.
    """

    name: str
    columns: tuple[str, ...]
    bounds: tuple[tuple[int, int, int], ...]
    row: Callable[[bytes], Row]


class Part(NamedTuple):
    """Rows for one table: its name, its columns and their values, none if there are no rows."""

    table: str
    columns: tuple[str, ...]
    data: Columns


class Sorted(NamedTuple):
    """Records of one topic partition as columns of its table and of ``sink_rejects``."""

    rows: Columns
    rejects: Columns


KAFKA = ("kafka_topic", "kafka_partition", "kafka_offset", "kafka_timestamp_ms")
_REASONS = ("code", "text", "feature", "value", "usual", "contribution")

_INT64 = (-(2**63), 2**63 - 1)
_UINT16 = (0, 2**16 - 1)
_UINT32 = (0, 2**32 - 1)
_TIME_MS = (0, 7_258_118_400_000)  # 1970 to 2200: what DateTime64 and month partitions both hold

REJECTS = "sink_rejects"
REJECT_COLUMNS = ("reason", "detail", "key", "value", *KAFKA)


def _reasons(reasons: list[Reason]) -> tuple[list[Any], ...]:
    return (
        [r.code for r in reasons],
        [r.text for r in reasons],
        [r.feature for r in reasons],
        [r.value for r in reasons],
        [r.usual for r in reasons],
        [r.contribution for r in reasons],
    )


_read_assessment = msgspec.json.Decoder(Assessment).decode
_read_alert = msgspec.json.Decoder(Alert).decode
_read_limit_change = msgspec.json.Decoder(LimitChange).decode
_read_dead_letter = msgspec.json.Decoder(DeadLetter).decode
_read_audit_entry = msgspec.json.Decoder(AuditEntry).decode


def _assessment(value: bytes) -> Row:
    a = _read_assessment(value)
    return (
        a.assessment_id,
        a.merchant_id,
        a.as_of,
        a.segment,
        a.trigger,
        a.probability_of_default,
        a.horizon_days,
        a.anomaly_score,
        a.band,
        a.exposure_minor,
        a.currency,
        *_reasons(a.reasons),
        a.features,
        a.causes,
        a.model_version,
        a.policy_version,
        a.feature_version,
        a.outcome,
        a.rules_version,
        a.outcome_of,
        a.anomaly_version,
        a.unusual,
    )


def _alert(value: bytes) -> Row:
    a = _read_alert(value)
    return (
        a.alert_id,
        a.merchant_id,
        a.segment,
        a.kind,
        a.severity,
        a.opened_at,
        a.updated_at,
        a.state,
        a.version,
        a.exposure_minor,
        a.currency,
        *_reasons(a.reasons),
        a.evidence,
        a.evidence_count,
        a.model_version,
        a.policy_version,
        a.feature_version,
        a.assignee,
        a.actor,
        a.snoozed_until,
        a.outcome,
        a.rules_version,
        a.acknowledge_by,
        a.close_by,
        a.acknowledged_at,
        a.reopened,
        a.probability_of_default,
        a.headroom_minor,
        a.note,
    )


def _limit_change(value: bytes) -> Row:
    c = _read_limit_change(value)
    for share in c.funders:
        if not _INT64[0] <= share.limit_minor <= _INT64[1]:
            raise ValueError(f"`funders` has {share.limit_minor}, which does not fit 64 bits")
    return (
        c.decision_id,
        c.line_id,
        c.merchant_id,
        c.segment,
        c.product,
        c.version,
        c.action,
        c.previous_limit_minor,
        c.new_limit_minor,
        c.drawn_minor,
        c.currency,
        c.decided_at,
        c.effective_at,
        c.expires_at,
        *_reasons(c.reasons),
        c.causes,
        c.approval,
        [f.funder for f in c.funders],
        [f.limit_minor for f in c.funders],
        c.model_version,
        c.policy_version,
        c.feature_version,
        c.actor,
        c.rules_version,
        c.state,
        c.region,
    )


def _dead_letter(value: bytes) -> Row:
    d = _read_dead_letter(value)
    return (
        d.reason,
        d.detail,
        d.topic,
        d.partition,
        d.offset,
        d.line,
        _unbase64("key", d.key),
        _unbase64("value", d.value),
        [h.name for h in d.headers],
        [_unbase64("headers", h.value) for h in d.headers],
    )


def _audit_entry(value: bytes) -> Row:
    e = _read_audit_entry(value)
    return e.audit_id, e.at, e.actor, e.role, e.action, e.subject, e.reason, e.detail


def _unbase64(name: str, text: str | None) -> bytes | None:
    if text is None:
        return None
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"`{name}` is not base64: {error}") from None


def _table(
    name: str, columns: str, bounds: dict[str, tuple[int, int]], row: Callable[[bytes], Row]
) -> Table:
    names: list[str] = []
    for column in columns.split():
        if column == "reasons":
            names += [f"reasons.{part}" for part in _REASONS]
        else:
            names.append(column)
    places = tuple((names.index(column), *bound) for column, bound in bounds.items())
    return Table(name, (*names, *KAFKA), places, row)


TABLES: dict[str, Table] = {
    topics.ASSESSMENTS: _table(
        "assessments",
        "assessment_id merchant_id as_of segment trigger probability_of_default horizon_days"
        " anomaly_score band exposure_minor currency reasons features causes model_version"
        " policy_version feature_version outcome rules_version outcome_of"
        " anomaly_version unusual",
        {"as_of": _TIME_MS, "horizon_days": _UINT16, "exposure_minor": _INT64},
        _assessment,
    ),
    topics.ALERTS: _table(
        "alerts",
        "alert_id merchant_id segment kind severity opened_at updated_at state version"
        " exposure_minor currency reasons evidence evidence_count model_version policy_version"
        " feature_version assignee actor snoozed_until outcome rules_version acknowledge_by"
        " close_by acknowledged_at reopened probability_of_default headroom_minor note",
        {
            "opened_at": _TIME_MS,
            "updated_at": _TIME_MS,
            "snoozed_until": _TIME_MS,
            "acknowledge_by": _TIME_MS,
            "close_by": _TIME_MS,
            "acknowledged_at": _TIME_MS,
            "reopened": _UINT32,
            "headroom_minor": _INT64,
            "version": _UINT32,
            "evidence_count": _UINT32,
            "exposure_minor": _INT64,
        },
        _alert,
    ),
    topics.LIMIT_CHANGES: _table(
        "limit_changes",
        "decision_id line_id merchant_id segment product version action previous_limit_minor"
        " new_limit_minor drawn_minor currency decided_at effective_at expires_at reasons causes"
        " approval funders.funder funders.limit_minor model_version policy_version feature_version"
        " actor rules_version state region",
        {
            "version": _UINT32,
            "previous_limit_minor": _INT64,
            "new_limit_minor": _INT64,
            "drawn_minor": _INT64,
            "decided_at": _TIME_MS,
            "effective_at": _TIME_MS,
            "expires_at": _TIME_MS,
        },
        _limit_change,
    ),
    topics.DEAD_LETTERS: _table(
        "dead_letters",
        "reason detail source_topic source_partition source_offset source_line key value"
        " headers.name headers.value",
        {
            "source_partition": (-(2**31), 2**31 - 1),
            "source_offset": _INT64,
            "source_line": _INT64,
        },
        _dead_letter,
    ),
    topics.LEARNER_REPORTS: _table(
        "learner_reports",
        " ".join(report_rows.COLUMNS),
        {
            "as_of": _TIME_MS,
            "champion_since": _TIME_MS,
            "held_since": _TIME_MS,
            "last_label_at": _TIME_MS,
            "last_due_at": _TIME_MS,
            "number": _UINT32,
            "pause_labels": _UINT32,
            "labels_learnt": _INT64,
            "labels_ripening": _INT64,
            "labels_held": _INT64,
            "labels_given_up": _INT64,
            "outcomes_without_history": _INT64,
        },
        report_rows.learner_report_row,
    ),
    topics.DESK_AUDIT: _table(
        "desk_audit",
        "audit_id at actor role action subject reason detail",
        {"at": _TIME_MS},
        _audit_entry,
    ),
}
"""The table of each output topic, by the topic's logical name."""

assert set(TABLES) == set(topics.OUTPUT_TOPICS), "every output topic has its table"


def sort_records(table: Table, records: Sequence[Record]) -> Sorted:
    """Rows of ``table`` and of ``sink_rejects`` for these records, as columns, in their order."""
    rows: list[Row] = []
    rejects: list[Row] = []
    for record in records:
        row = _row(table, record)
        if isinstance(row, Rejected):
            rejects.append((row.reason, row.detail, record.key, record.value, *position(record)))
        else:
            rows.append(row)
    return Sorted(
        list(zip(*rows, strict=True)) if rows else [],
        list(zip(*rejects, strict=True)) if rejects else [],
    )


class Rejected(NamedTuple):
    """Why a record is not a row: ``empty``, ``not_readable`` or ``out_of_range``."""

    reason: str
    detail: str


def _row(table: Table, record: Record) -> Row | Rejected:
    if record.value is None:
        return Rejected("empty", "the record has no value")
    try:
        row = table.row(record.value)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        return Rejected("not_readable", str(error)[:500] or type(error).__name__)
    for place, least, greatest in table.bounds:
        number = row[place]
        if number is not None and not least <= number <= greatest:
            column = table.columns[place]
            return Rejected("out_of_range", f"`{column}` is {number}, not {least} to {greatest}")
    return row + position(record)


def position(record: Record) -> Row:
    """Values of the columns ``KAFKA``."""
    return record.topic, record.partition, record.offset, max(record.timestamp_ms, 0)
