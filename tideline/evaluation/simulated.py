"""Simulated merchants: what is planted goes through the real pipeline, learner included.

Alerts are judged as times at which something was raised: an episode of a rule that reaches
``warning``, the anomaly score rising above a level, the band falling to D or E. What stays raised,
or is raised again within four weeks, is one alert.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from ops.errors import FatalError
from ops.settings import Settings
from schemas import topics
from streams.artifacts import MemoryArtifacts
from streams.cadence import engine_config
from streams.intake import InputStopped
from streams.intake_host import intake_of
from streams.learner import Learner
from streams.pipeline import Pipeline
from tideline.commands.replay import REPLAY_KEY
from tideline.simulator.economy import Economy, Scenario

DAY_MS = 86_400_000
YEAR_DAYS = 365.25
AGAIN_DAYS = 28
"""What is raised again within so long is the same alert."""
FEED_LINES = 10_000
LATE_DAYS, HALF = 3.0, 0.5
"""The naive floors: an instalment so many days late; sales at half of their usual."""
Flags = NDArray[np.bool_]
Times = NDArray[np.int64]
Say = Callable[[str, int | None], None]


class _Needed(Struct):
    turnover_change_28d_ratio: float | None = None
    days_past_due: float | None = None


class _Assessed(Struct):
    merchant_id: str
    as_of: int
    band: str
    anomaly_score: float | None
    features: _Needed


class _Alert(Struct):
    alert_id: str
    merchant_id: str
    kind: str
    severity: str
    updated_at: int
    reopened: int


class Truth(Struct, kw_only=True):
    """One merchant's record of the truth file."""

    merchant_id: str
    segment: str
    kind: str
    onset_at: int | None
    first_missed_at: int | None
    defaulted_at: int | None
    loans: int


_assessed = msgspec.json.Decoder(_Assessed).decode
_alert = msgspec.json.Decoder(_Alert).decode


class Raised(NamedTuple):
    """Alerts of one source by merchant and time (epoch ms), ordered so."""

    who: Times
    at: Times


class Seen(Struct, kw_only=True):
    """What one run of the pipeline said, in the order of its saying; merchants by number."""

    who: list[int] = []
    at: list[int] = []
    high_band: list[bool] = []
    anomaly: list[float] = []
    halved: list[bool] = []
    late: list[bool] = []
    alerts: dict[str, list[tuple[int, int]]] = {}
    refused: int = 0
    known: set[tuple[str, int]] = set()

    def emit(self, topic: str, value: bytes) -> None:
        """Told every output of the pipeline."""
        if topic == topics.ASSESSMENTS:
            self._note(_assessed(value))
        elif topic == topics.DEAD_LETTERS:
            self.refused += 1
        elif topic == topics.ALERTS:
            alert = _alert(value)
            name = alert.alert_id, alert.reopened
            if alert.severity != "info" and name not in self.known:
                self.known.add(name)
                raised = (number_of(alert.merchant_id), alert.updated_at)
                self.alerts.setdefault(alert.kind, []).append(raised)

    def _note(self, found: _Assessed) -> None:
        change, late = found.features.turnover_change_28d_ratio, found.features.days_past_due
        self.who.append(number_of(found.merchant_id))
        self.at.append(found.as_of)
        self.high_band.append(found.band in ("D", "E"))
        score = found.anomaly_score
        self.anomaly.append(-1.0 if score is None else score)
        self.halved.append(change is not None and change <= HALF)
        self.late.append(late is not None and late >= LATE_DAYS)


class Run(Struct, kw_only=True):
    """One seed: the truth, what was said, and the end (epoch ms)."""

    seed: int
    truth: list[Truth]
    seen: Seen
    outages: list[tuple[int, int]]
    start_ms: int
    end_ms: int
    events: int
    versions: int


def number_of(merchant_id: str) -> int:
    """The number in the name of a simulated merchant."""
    return int(merchant_id[1:])


def raised(who: Times, at: Times, flags: Flags) -> Raised:
    """The times at which a condition is newly met, those within ``AGAIN_DAYS`` left out."""
    place = np.flatnonzero(flags)
    place = place[np.lexsort((at[place], who[place]))]
    found, times = who[place], at[place]
    first = np.ones(len(place), np.bool_)
    first[1:] = (found[1:] != found[:-1]) | (times[1:] - times[:-1] > AGAIN_DAYS * DAY_MS)
    return Raised(found[first], times[first])


def joined(parts: list[Raised]) -> Raised:
    """All alerts of several sources, each as it is."""
    none = np.zeros(0, np.int64)
    who = np.concatenate([none, *(part.who for part in parts)])
    at = np.concatenate([none, *(part.at for part in parts)])
    order = np.lexsort((at, who))
    return Raised(who[order], at[order])


def run_seed(settings: Settings, scenario: Scenario, say: Say) -> Run:
    """Simulate one seed straight into the pipeline. Raises ``FatalError`` where intake stops."""
    economy = Economy(scenario)
    seen = Seen()
    artifacts = MemoryArtifacts()
    learner = Learner()
    pipeline = Pipeline(
        intake_of(settings, REPLAY_KEY, artifacts),
        artifacts,
        seen.emit,
        learner=learner,
        config=engine_config(settings),
    )
    end = economy.start_ms + scenario.days * DAY_MS
    say(f"seed {scenario.seed}", None)
    number = 0
    try:
        for number, line in enumerate(economy.lines(), 1):
            pipeline.feed("simulated", number, line, end)
            if number % FEED_LINES == 0:
                say("", FEED_LINES)
    except InputStopped as stopped:
        raise FatalError(f"{stopped}; a simulated event was refused") from None
    pipeline.finish(end)
    records = [r for r in economy.truth() if "merchant_id" in r]
    return Run(
        seed=scenario.seed,
        truth=msgspec.convert(records, list[Truth]),
        seen=seen,
        outages=[(outage.from_ms, outage.until_ms) for outage in economy.world.outages],
        start_ms=economy.start_ms,
        end_ms=end,
        events=number,
        versions=learner.counters.published,
    )


def spread(runs: list[Run]) -> Iterator[tuple[int, Run]]:
    """Runs, and what is added to the numbers of their merchants so that all differ."""
    first = 0
    for run in runs:
        yield first, run
        first += len(run.truth)
