"""One data set from its files to its result."""

import os
import platform
import resource
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from detectors.candidates import CANDIDATES
from detectors.default_risk import PRIOR_MODEL
from detectors.transform import input_rows
from features.catalogue import FEATURE_VERSION, NAMES
from ops.settings import Settings
from streams.artifacts import MemoryArtifacts
from streams.cadence import engine_config
from streams.intake_host import intake_of
from streams.pipeline import Pipeline
from tideline.commands.replay import REPLAY_KEY
from tideline.evaluation import figures, judge, leaks
from tideline.evaluation.questions import (
    Event,
    Protocol,
    Questions,
    Reference,
    check_judged,
)
from tideline.evaluation.unlabelled import TITLES
from tideline.evaluation.watch import Batch, Watched, watch
from tideline.sources import AdapterReport, SourceRecord, open_sources

MANY_CASES = 100_000
"""Judged cases from which on slow candidates are left out, unless they are asked for by name."""
STORED_MAX = 60_000
"""Questions of a protocol in time whose vectors are kept, so that merchants can be split too."""
Numbers = NDArray[np.float64]
Say = Callable[[str, int | None], None]
"""Told what goes on: a text with the number of steps to come, or "" with steps done."""


class Options(Struct, frozen=True, kw_only=True):
    """What the user chose; ``candidates`` empty means all that are quick enough.

    ``allowed`` names features that may tell the answers alone.
    """

    seeds: int = 5
    folds: int = 5
    candidates: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()


class Evaluation(Struct, frozen=True, kw_only=True):
    """The result of one data set, as it is written."""

    dataset: str
    title: str
    made_at: str
    machine: str
    versions: dict[str, str]
    seconds: float
    seconds_streaming: float
    peak_memory_mb: int
    events: int
    withheld: int
    refused: int
    assessments: int
    merchants: int
    seeds: int
    folds: int
    capacity: float
    candidates: dict[str, str]
    left_out: tuple[str, ...]
    alert_volume: dict[str, float]
    results: tuple[figures.Result, ...]
    references: tuple[Reference, ...]
    notes: tuple[str, ...]
    checks: tuple[str, ...]
    fairness: figures.Fairness


class _Pass:
    """The pass of one data set through the pipeline; batches come with their inputs."""

    def __init__(self, settings: Settings, protocol: Protocol, files: list[Path]) -> None:
        self.watched = Watched()
        self.seconds = 0.0
        self._protocol = protocol
        self._files = files
        self._settings = settings

    def told(self) -> Iterator[tuple[SourceRecord, Event]]:
        """All records that can be read as events; intake refuses the others anyway."""
        decode = msgspec.json.Decoder().decode
        for record in open_sources(self._files, self._protocol.format, AdapterReport()):
            if record.key is not None and record.topic is not None:
                yield record, decode(record.value)

    def batches(self, asked: Questions, now_ms: int) -> Iterator[tuple[Batch, Numbers]]:
        """The questions of each time with their inputs; ``seconds`` is what the stream took."""
        artifacts = MemoryArtifacts()
        pipeline = Pipeline(
            intake_of(self._settings, REPLAY_KEY, artifacts),
            artifacts,
            self.watched.emit,
            learner=None,
            config=engine_config(self._settings),
        )
        started = time.monotonic()
        for batch in watch(
            pipeline, self.watched, self.told(), asked, self._protocol.withheld, now_ms
        ):
            rows = input_rows(batch.vectors)
            self.seconds += time.monotonic() - started
            yield batch, rows
            started = time.monotonic()
        self.seconds += time.monotonic() - started


def evaluate(
    settings: Settings,
    protocol: Protocol,
    files: list[Path],
    folder: Path,
    options: Options,
    now_ms: int,
    say: Say,
) -> Evaluation:
    """Judge one data set. Raises ``LeakError`` where an answer is known before its question."""
    started = time.monotonic()
    run = _Pass(settings, protocol, files)
    say("reading the questions", None)
    asked = protocol.ask(run.told())
    check_judged(asked)
    leaks.check_times(asked)
    leaks.check_columns(tuple(asked.floors), _columns(asked), asked.labels, options.allowed)
    chosen = options.candidates or tuple(
        key
        for key, entry in CANDIDATES.items()
        if not (entry.slow and int((asked.at >= asked.judged_from).sum()) > MANY_CASES)
    )
    pairs = run.batches(asked, now_ms)
    if protocol.split == "entity" or len(asked.at) <= STORED_MAX:
        vectors, rows = _stored(asked, pairs, say)
        leaks.check_columns(NAMES, vectors, asked.labels, options.allowed)
        judged = [
            (split, _judge(split, protocol, asked, vectors, rows, chosen, options, say))
            for split in _splits(protocol, asked)
        ]
    else:
        say("one pass in time", len(asked.at))
        pairs = _checked(asked, pairs, options.allowed)
        judged = [("time", _in_time(protocol, asked, pairs, chosen, options, say))]
    say("figures", None)
    results = tuple(
        figures.measure(protocol, split, found, asked, run.watched.opened)
        for split, found in judged
    )
    fairness = _fairness(protocol, judged, folder, chosen)
    seconds = time.monotonic() - started
    return _evaluation(protocol, options, chosen, run, results, fairness, now_ms, seconds)


def _evaluation(
    protocol: Protocol,
    options: Options,
    chosen: tuple[str, ...],
    run: _Pass,
    results: tuple[figures.Result, ...],
    fairness: figures.Fairness,
    now_ms: int,
    seconds: float,
) -> Evaluation:
    watched = run.watched
    return Evaluation(
        dataset=protocol.name,
        title=protocol.title,
        made_at=datetime.fromtimestamp(now_ms / 1000, UTC).isoformat(timespec="seconds"),
        machine=machine(),
        versions={
            "tideline": version("tideline"),
            "features": FEATURE_VERSION,
            "prior": PRIOR_MODEL.version,
            "river": version("river"),
            "python": platform.python_version(),
        },
        seconds=round(seconds, 1),
        seconds_streaming=round(run.seconds, 1),
        peak_memory_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        events=watched.events,
        withheld=watched.withheld,
        refused=watched.refused,
        assessments=watched.assessments,
        merchants=len(watched.first_at),
        seeds=options.seeds,
        folds=options.folds,
        capacity=protocol.capacity,
        candidates={name: CANDIDATES[key].title for key in chosen for name in CANDIDATES[key].says}
        | TITLES,
        left_out=tuple(key for key in CANDIDATES if key not in chosen),
        alert_volume=watched.alert_volume(),
        results=results,
        references=protocol.references,
        notes=protocol.notes,
        checks=CHECKS,
        fairness=fairness,
    )


CHECKS = (
    "no answer is known before its question",
    "no outcome event reached the features before its question",
    "no feature or floor tells the answer alone, by value or by absence",
    "turning the answers of the scored fold round changes no score (entity splits)",
)


def machine() -> str:
    """The machine in a few words."""
    try:
        text = Path("/proc/meminfo").read_text("ascii").split()
        size = int(text[text.index("MemTotal:") + 1]) // 1024**2
    except (OSError, ValueError):
        size = 0
    memory = f", {size} GB" if size else ""
    return f"{platform.machine()}, {os.cpu_count()} cores{memory}"


def _columns(asked: Questions) -> Numbers:
    if not asked.floors:
        return np.zeros((len(asked.at), 0))
    return np.stack(list(asked.floors.values()), axis=1)


def _stored(
    asked: Questions, pairs: Iterable[tuple[Batch, Numbers]], say: Say
) -> tuple[Numbers, Numbers]:
    say("streaming", len(asked.at))
    vectors, rows = [], []
    for batch, inputs in pairs:
        vectors.append(batch.vectors)
        rows.append(inputs)
        say("", batch.last - batch.first)
    return np.concatenate(vectors), np.concatenate(rows)


def _checked(
    asked: Questions, pairs: Iterable[tuple[Batch, Numbers]], allowed: tuple[str, ...]
) -> Iterator[tuple[Batch, Numbers]]:
    """The batches, of which the first and every tenth after are looked at.

    All of them together would not fit; what tells the answers does so every day.
    """
    for number, (batch, rows) in enumerate(pairs):
        if number % 10 == 0:
            labels = asked.labels[batch.first : batch.last]
            leaks.check_columns(NAMES, batch.vectors, labels, allowed)
        yield batch, rows


def _splits(protocol: Protocol, asked: Questions) -> list[str]:
    """The protocol's own split first; one in time needs an answer before the last question."""
    timed = bool((asked.known_at <= asked.at.max()).any()) and len(np.unique(asked.at)) > 1
    if protocol.split == "time":
        return ["time", "entity"]
    return ["entity", "time"] if timed else ["entity"]


def _judge(
    split: str,
    protocol: Protocol,
    asked: Questions,
    vectors: Numbers,
    rows: Numbers,
    chosen: tuple[str, ...],
    options: Options,
    say: Say,
) -> judge.Judged:
    if split == "time":
        say("one pass in time", len(asked.at))
        return _in_time(
            protocol, asked, judge.batches_of(asked, vectors, rows), chosen, options, say
        )
    say("folds of merchants", options.seeds * len(chosen))
    return judge.by_entity(
        asked,
        rows,
        vectors,
        chosen=chosen,
        seeds=options.seeds,
        folds=options.folds,
        progress=lambda done: say("", done),
    )


def _in_time(
    protocol: Protocol,
    asked: Questions,
    batches: Iterable[tuple[Batch, Numbers]],
    chosen: tuple[str, ...],
    options: Options,
    say: Say,
) -> judge.Judged:
    return judge.in_time(
        asked,
        batches,
        chosen=chosen,
        seeds=options.seeds,
        negatives=protocol.negatives,
        progress=lambda done: say("", done),
    )


def _fairness(
    protocol: Protocol,
    judged: list[tuple[str, judge.Judged]],
    folder: Path,
    chosen: tuple[str, ...],
) -> figures.Fairness:
    if protocol.fairness is None or "production" not in chosen:
        return {}
    return figures.fairness(judged[0][1], protocol.fairness(folder))
