"""Other data: files of events, with their outcomes as events or in a file of labels."""

import csv
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from ops.errors import ConfigurationError
from tideline.evaluation.protocols.outcomes import is_bad, is_outcome
from tideline.evaluation.questions import (
    NO_TIME,
    Event,
    Protocol,
    Questions,
    Told,
    questions,
)
from tideline.sources.records import SourceRecord

NAME = "events"
DAY_MS = 86_400_000
COLUMNS = ("merchant_id", "as_of", "label", "known_at")
_BAD = {"1": True, "0": False}


class _Label(NamedTuple):
    merchant_id: str
    as_of: int
    label: bool
    known_at: int
    bad_at: int
    outcome_id: str
    group: str


def protocol(labels: Path | None, before_days: float, split: str) -> Protocol:
    """The protocol of given files.

    Without a file of labels, each ``loan.defaulted`` or ``loan.settled`` is an answer, its question
    ``before_days`` earlier, and all of them are kept from the features. With one, the outcome
    events that it names are.
    """
    if split not in ("entity", "time"):
        raise ConfigurationError(f"--split is {split!r}; use entity or time")
    found = None if labels is None else list(_read(labels))
    named = {label.outcome_id for label in found or () if label.outcome_id}

    def withheld(record: SourceRecord, event: Event) -> bool:
        if found is None:
            return is_outcome(record, event)
        return event.get("event_id") in named

    return Protocol(
        name=NAME,
        title="Files of events",
        format="events",
        files=(),
        ask=_by_outcomes(before_days) if found is None else _by_labels(found),
        withheld=withheld,
        split="time" if split == "time" else "entity",
    )


def _by_outcomes(before_days: float) -> Callable[[Told], Questions]:
    def ask(told: Told) -> Questions:
        segments: dict[str, str] = {}
        outcomes = []
        for record, event in told:
            _note_segment(segments, event)
            if is_outcome(record, event):
                outcomes.append((event, record.occurred_at or 0))
        bad = [is_bad(event) for event, _ in outcomes]
        times = [at for _, at in outcomes]
        return questions(
            [event["merchant_id"] for event, _ in outcomes],
            [at - round(before_days * DAY_MS) for at in times],
            bad,
            times,
            bad_at=[at if is_so else NO_TIME for is_so, at in zip(bad, times, strict=True)],
            outcome_ids=[event["event_id"] for event, _ in outcomes],
            groups=[segments.get(event["merchant_id"], "") for event, _ in outcomes],
        )

    return ask


def _by_labels(labels: list[_Label]) -> Callable[[Told], Questions]:
    def ask(told: Told) -> Questions:
        segments: dict[str, str] = {}
        for _, event in told:
            _note_segment(segments, event)
        return questions(
            [label.merchant_id for label in labels],
            [label.as_of for label in labels],
            [label.label for label in labels],
            [label.known_at for label in labels],
            bad_at=[label.bad_at for label in labels],
            outcome_ids=[label.outcome_id for label in labels],
            groups=[label.group or segments.get(label.merchant_id, "") for label in labels],
        )

    return ask


def _note_segment(segments: dict[str, str], event: Event) -> None:
    if event["type"] in ("merchant.registered", "merchant.updated") and event.get("segment"):
        segments[event["merchant_id"]] = event["segment"]


def _read(path: Path) -> Iterator[_Label]:
    if not path.is_file():
        raise FileNotFoundError(2, "no such file", str(path))
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
        if missing:
            raise ConfigurationError(
                f"{path}: no column {', '.join(missing)}; see `docs/quality.md`"
            )
        for row in reader:
            place = f"{path}, line {reader.line_num}"
            if not row["merchant_id"] or row["label"] not in _BAD:
                raise ConfigurationError(
                    f"{place}: needs `merchant_id` and `label` (0 or 1), "
                    f"got {row['merchant_id']!r} and {row['label']!r}"
                )
            yield _Label(
                row["merchant_id"],
                _time(row["as_of"], f"{place}: `as_of`"),
                _BAD[row["label"]],
                _time(row["known_at"], f"{place}: `known_at`"),
                _time(row["bad_at"], f"{place}: `bad_at`") if row.get("bad_at") else NO_TIME,
                row.get("outcome_id") or "",
                row.get("group") or "",
            )


def _time(text: str, what: str) -> int:
    if text and text.isascii() and text.isdigit():
        return int(text)
    try:
        moment = datetime.fromisoformat((text or "").upper())
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ConfigurationError(
            f"{what} is {text!r}; give RFC 3339 with its zone, or epoch milliseconds"
        )
    return round(moment.timestamp() * 1000)
