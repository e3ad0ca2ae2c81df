"""How an alert reads: what it is called, why, its money, its clock, and what was done. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from desk import present
from desk.capacity import DRAWING_SHARE, Row
from desk.filters import SOON_MS
from desk.i18n import Translate
from desk.present import Labels

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
COHORT = "cohort:"
PEERS = "_peer_percentile"
_COHORT_SHARE = "cohort_struck_share"
"""What a reason of a cohort counts: the struck share of its merchants, a ratio."""
_SHOWN_AS_IT_IS = ("minor", "ratio", "score", "count")


class KindLabel(NamedTuple):
    """What a kind of alert is called, in English and Chinese."""

    text: str
    text_zh: str


Kinds = Mapping[str, KindLabel]


class Clock(NamedTuple):
    """The deadline that runs: ``acknowledge`` or ``close``, and ``overdue``, ``soon``, ``later``.

    ``left_ms`` is negative by how much it is overdue.
    """

    what: str
    at_ms: int
    state: str
    left_ms: int


class Why(NamedTuple):
    """A reason in words and numbers; ``peers`` is the share of peers below the value, 0-1."""

    text: str
    label: str
    value: str | None
    usual: str | None
    peers: float | None
    weight: float


class Transition(NamedTuple):
    """One state of an episode: who did what when; nobody is Tideline itself."""

    version: int
    at_ms: int
    actor: str
    what: str
    note: str


def kind_text(kind: str, kinds: Kinds, language: str, t: Translate) -> str:
    """A kind in words of a language."""
    label = kinds.get(kind)
    if label is None:
        return t(present.words(kind))
    return label.text_zh if language == "zh" and label.text_zh else label.text


def clock_of(row: Row, now_ms: int) -> Clock | None:
    """The deadline of an alert that is not closed; None where it has none."""
    seen = row["acknowledged_ms"] is not None
    at_ms = row["close_by_ms"] if seen else row["acknowledge_by_ms"]
    if at_ms is None or row["state"] == "closed":
        return None
    left = at_ms - now_ms
    state = "overdue" if left < 0 else "soon" if left < SOON_MS else "later"
    return Clock("close" if seen else "acknowledge", at_ms, state, left)


def at_risk_minor(row: Row) -> int:
    """Exposure and the part of what could still be drawn that counts, in minor units."""
    return int(row["exposure_minor"]) + round(int(row["headroom_minor"]) * DRAWING_SHARE)


def duration(ms: int, t: Translate) -> str:
    """A length of time in its two largest units down to minutes."""
    minutes = abs(ms) // 60_000
    days, hours, rest = minutes // 1440, minutes // 60 % 24, minutes % 60
    if days:
        return t("{days} d {hours} h", days=days, hours=hours)
    if hours:
        return t("{hours} h {minutes} min", hours=hours, minutes=rest)
    return t("{minutes} min", minutes=rest)


def why(
    row: Mapping[str, Any],
    labels: Labels,
    language: str,
    t: Translate,
    peers: Mapping[str, float] | None = None,
) -> list[Why]:
    """The ranked reasons of a row. ``peers`` are values of the features that rank among peers."""
    found = []
    for code, text, feature, value, usual, weight in zip(
        row["codes"],
        row["texts"],
        row["reason_features"],
        row["reason_values"],
        row["reason_usuals"],
        row["contributions"],
        strict=True,
    ):
        label = labels.get(feature)
        unit = label.unit if label else "ratio" if feature == _COHORT_SHARE else ""
        value_text = _quantity(value, unit, row["currency"], t)
        usual_text = _quantity(usual, unit, row["currency"], t)
        sentence = text or t(present.words(code))
        if language == "zh" and label is not None and label.text_zh:
            sentence = _in_chinese(label.text_zh, value_text, usual_text, t)
        elif language == "zh":
            sentence = t(sentence)
        name = "" if label is None else label.text
        if label is not None and language == "zh":
            name = label.text_zh or label.text
        rank = (peers or {}).get(feature + PEERS)
        found.append(Why(sentence, name, value_text, usual_text, rank, weight))
    return found


def _in_chinese(label: str, value: str | None, usual: str | None, t: Translate) -> str:
    if value is None:
        return label
    if usual is None:
        return t("{label}: {value}", label=label, value=value)
    return t("{label}: {value} (usually {usual})", label=label, value=value, usual=usual)


def _quantity(value: float | None, unit: str, currency: str, t: Translate) -> str | None:
    if value is None:
        return None
    if unit == "flag":
        return t("yes") if value else t("no")
    if unit in _SHOWN_AS_IT_IS or not unit:
        return present.quantity(value, unit, currency)
    return f"{present.number(value)} {t(unit)}"


def transitions(
    rows: Sequence[Row], kinds_of_outcome: Mapping[str, str], t: Translate
) -> list[Transition]:
    """What happened to an episode, the latest first. ``rows`` are its states by version."""
    found = []
    before: Row | None = None
    for row in rows:
        found.append(
            Transition(
                row["version"],
                row["updated_ms"],
                row["actor"],
                "; ".join(_changes(before, row, kinds_of_outcome, t)),
                row["note"],
            )
        )
        before = row
    return found[::-1]


def _changes(
    before: Row | None, row: Row, kinds_of_outcome: Mapping[str, str], t: Translate
) -> list[str]:
    if before is None:
        return [t("Opened as {severity}", severity=t(row["severity"]))]
    said = []
    if row["reopened"] > before["reopened"]:
        said.append(t("Opened again"))
    elif row["state"] == "closed":
        outcome = t(kinds_of_outcome.get(row["outcome"], present.words(row["outcome"])))
        said.append(t("Closed: {outcome}", outcome=outcome))
    elif row["state"] == "assigned" and row["actor"]:
        said.append(t("Assigned to {name}", name=row["assignee"]))
    elif row["state"] == "acknowledged" and row["actor"]:
        said.append(t("Acknowledged"))
    elif row["state"] == "snoozed" and row["actor"]:
        until = present.moment(row["snoozed_until_ms"])
        said.append(t("Snoozed until {until} UTC", until=until))
    elif before["state"] == "snoozed" and row["state"] != "snoozed":
        said.append(t("Woke up"))
    if row["severity"] != before["severity"]:
        to = t(row["severity"])
        said.append(
            t("Severity rose to {severity}", severity=to)
            if _RANK[row["severity"]] > _RANK[before["severity"]]
            else t("Severity fell to {severity}", severity=to)
        )
    new = row["evidence_count"] - before["evidence_count"]
    if new > 0:
        said.append(t("{n} more events as evidence", n=new))
    return said or [t("Brought up to date")]


_RANK = {"info": 0, "warning": 1, "critical": 2}

OUTCOMES = {
    "confirmed": "Confirmed",
    "false_alarm": "False alarm",
    "cured": "Cured",
    "defaulted": "Defaulted",
}
"""Outcomes with which an alert is closed, and how they read in English."""
