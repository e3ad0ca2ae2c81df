"""Online learning of the anomaly models: a window of rows a segment, and a forest of each window.

The newest ``WINDOW`` rows of a segment are what its trees know; they are grown again after every
``REFIT_EVERY`` rows, so that what is normal moves with the segment and no row counts for ever. A
segment warms up for ``WARM_UP`` rows; until then, and where it is none of the segments that are
kept, the forest of all merchants speaks for it. Nothing is kept out of a window, however unusual:
the score is a rank among all that was seen. One merchant alone cannot make itself normal, since
whoever calls ``learn`` takes one row of it in each ``turn_of``.
"""

from collections.abc import Iterator
from zlib import crc32

import numpy as np
import river
from msgspec import Struct, field

from detectors.anomaly import own_distances
from detectors.anomaly_fit import fit_forest
from detectors.anomaly_inputs import INPUTS, Rows, input_rows
from detectors.anomaly_model import (
    HEIGHT,
    SCHEMA,
    SEGMENTS_MAX,
    TREES,
    AnomalyModel,
    Floats,
    Forest,
    Tables,
    check_anomaly,
    tables_of,
)
from detectors.anomaly_score import excess_of, rank
from features.catalogue import FEATURE_VERSION

DAY_MS = 86_400_000
LEARN_EVERY_MS = 7 * DAY_MS
"""A merchant gives one row in each of its own weeks."""
WINDOW = 512
WARM_UP = 256
REFIT_EVERY = 128
ABANDONED_MS = 28 * DAY_MS
"""A segment without a row for so long gives its place to a new one."""
PACE_MS = DAY_MS
"""Least event time between two versions."""
CHANGE_MIN = 0.1
"""A version is due when the scores of some segment's window would change by so much on average.

Two windows of like merchants differ by 0.04 to 0.09, by chance alone."""
PARAMETERS: dict[str, float] = {
    "trees": float(TREES),
    "height": float(HEIGHT),
    "window": float(WINDOW),
    "warm_up": float(WARM_UP),
    "learn_every_ms": float(LEARN_EVERY_MS),
}
"""What a version says of how it was made."""
CHUNK = 32
"""Rows that are written together when one of them changes; ``WINDOW`` is a multiple."""
FOREST, HEAD = -1, -2
"""What else of a window is written by itself."""


def turn_of(merchant_id: str, at: int) -> int:
    """Number of the merchant's own week that ``at`` (epoch ms) lies in.

    Weeks of merchants begin at times of their own, so that a window is of all days of the week also
    where a log begins with all merchants at once.
    """
    return (at + crc32(merchant_id.encode()) % LEARN_EVERY_MS) // LEARN_EVERY_MS


class Seen(Struct, frozen=True, array_like=True):
    """One row: event time (epoch ms), and numbers as little-endian float32, NaN = not available.

    The numbers are the ``INPUTS``, and the distance from the own usual last.
    """

    at: int
    values: bytes


class Window(Struct, kw_only=True):
    """The newest rows of a segment (``None``: of all merchants), and the forest grown of them.

    Row number n, of ``count`` ever, is at place n modulo ``WINDOW``. ``moved`` says that the forest
    is to be published.
    """

    segment: str | None
    count: int = 0
    rows: list[Seen] = field(default_factory=list)
    forest: Forest | None = None
    moved: bool = False

    @property
    def last_at(self) -> int:
        """Event time of the newest row, 0 without any."""
        return self.rows[(self.count - 1) % WINDOW].at if self.count else 0

    def add(self, row: Seen) -> int:
        """Take a row in place of the oldest. Returns its place."""
        place = self.count % WINDOW
        self.rows[place : place + 1] = [row]
        self.count += 1
        return place

    @property
    def is_due(self) -> bool:
        """Whether the forest is to be grown again."""
        return self.count >= WARM_UP and self.count % REFIT_EVERY == 0

    def matrix(self) -> tuple[Rows, Floats]:
        """Inputs and own distances of the rows, in the order of their places."""
        values = np.frombuffer(b"".join(row.values for row in self.rows), "<f4")
        table = values.reshape(-1, len(INPUTS) + 1).astype(np.float64)
        return np.ascontiguousarray(table[:, :-1]), np.ascontiguousarray(table[:, -1])

    def refit(self) -> None:
        """Grow the forest anew from the rows; where no input varies it stays as it was."""
        times = [row.at for row in self.rows]
        name = "" if self.segment is None else self.segment
        found = fit_forest(
            *self.matrix(), name=name, trained_from=min(times), trained_until=max(times)
        )
        self.forest = found or self.forest


class AnomalyLearning:
    """Windows of the segments, and the version in force.

    ``windows`` has the one of all merchants first. ``touched`` names what changed since it was last
    cleared: place of the window, and number of the chunk of rows or ``FOREST`` or ``HEAD``.
    """

    def __init__(self) -> None:
        self.windows = [Window(segment=None)]
        self.published: AnomalyModel | None = None
        self.published_at = 0
        self.latest = 0
        self.touched: dict[tuple[int, int], None] = {}

    def learn(self, segment: str, vector: Floats, at: int) -> None:
        """Take a merchant's vector (catalogue order, NaN = not available) as of ``at`` (epoch ms).

        A number that is not finite counts as not available.
        """
        self.latest = max(self.latest, at)
        vectors = vector[None]
        numbers = np.append(input_rows(vectors)[0], own_distances(vectors).total)
        seen = Seen(at, numbers.astype("<f4").tobytes())
        for number in self._places(segment, at):
            window = self.windows[number]
            self.touched[number, window.add(seen) // CHUNK] = None
            self.touched[number, HEAD] = None
            if window.is_due:
                window.refit()
                window.moved = window.moved or self._has_moved(window)
                self.touched[number, FOREST] = None

    def is_due(self) -> bool:
        """Whether a version is to be published now."""
        if self.published is not None and self.latest < self.published_at + PACE_MS:
            return False
        pooled, *own = self.windows
        return pooled.forest is not None and any(w.moved for w in (pooled, *own))

    def publish(self, version: str) -> AnomalyModel:
        """What was learnt as an immutable version, which is in force from here on."""
        pooled, *own = self.windows
        assert pooled.forest is not None, "ask `is_due` first"
        model = AnomalyModel(
            schema=SCHEMA,
            version=version,
            feature_version=FEATURE_VERSION,
            inputs=INPUTS,
            pooled=pooled.forest,
            segments={str(w.segment): w.forest for w in own if w.forest is not None},
            n_learned=pooled.count,
            trained_until=self.latest,
            river_version=river.__version__,
            parameters=dict(PARAMETERS),
            parent=None if self.published is None else self.published.version,
        )
        check_anomaly(model)
        self.published, self.published_at = model, self.latest
        for number, window in enumerate(self.windows):
            window.moved = False
            self.touched[number, HEAD] = None
        return model

    def _places(self, segment: str, at: int) -> Iterator[int]:
        yield 0
        for number, window in enumerate(self.windows[1:], 1):
            if window.segment == segment:
                yield number
                return
        if len(self.windows) <= SEGMENTS_MAX:
            self.windows.append(Window(segment=segment))
            yield len(self.windows) - 1
            return
        number = min(range(1, len(self.windows)), key=lambda i: self.windows[i].last_at)
        if self.windows[number].last_at < at - ABANDONED_MS:
            self.windows[number] = Window(segment=segment)
            self.touched[number, FOREST] = None
            yield number

    def _has_moved(self, window: Window) -> bool:
        """Whether the scores of a window's rows differ from what the version in force says."""
        if window.forest is None:
            return False
        model = self.published
        if model is None:
            return True
        rows, own = window.matrix()
        place = 0 if window.segment is None else model.place_of.get(window.segment, 0)
        then = _scores(model.tables, place, rows, own)
        now = _scores(tables_of([window.forest]), 0, rows, own)
        both = np.isfinite(then) & np.isfinite(now)
        return bool(both.any()) and float(np.abs(now - then)[both].mean()) >= CHANGE_MIN


def _scores(tables: Tables, place: int, rows: Rows, own: Floats) -> Floats:
    which = np.full(len(rows), place)
    return rank(tables, which, excess_of(tables, which, rows, own))
