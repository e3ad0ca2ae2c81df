"""The learner's part for the anomaly models: which assessments are learnt, and keyed state.

State is a set of keyed items of plain data (msgpack): a chunk of rows is written when one of them
changes, a forest when it was grown again, the version in force when it was published. A restored
learner goes on exactly like one never stopped.
"""

from collections.abc import Mapping

import msgspec
import numpy as np
from msgspec import Struct

from detectors.anomaly_inputs import INPUTS
from detectors.anomaly_learning import (
    CHUNK,
    FOREST,
    HEAD,
    WINDOW,
    AnomalyLearning,
    Seen,
    Window,
    turn_of,
)
from detectors.anomaly_model import AnomalyModel, Forest
from features.catalogue import FEATURE_VERSION, NAMES
from schemas.digests import content_digest
from schemas.outputs import Assessment

_MADE_FOR = content_digest(" ".join((FEATURE_VERSION, *INPUTS)).encode())
PREFIX = b"anomaly/"
"""Begins the key of every item of this part."""


class _Head(Struct, kw_only=True, array_like=True):
    """All of a window but its rows and its forest, and the event time of learning (epoch ms).

    ``made_for`` names the inputs of the rows: under others they say nothing.
    """

    segment: str | None
    count: int
    moved: bool
    latest: int
    made_for: str


class _Published(Struct, kw_only=True, array_like=True):
    """The version in force, since when (event time, epoch ms), and how many there were."""

    model: AnomalyModel | None
    at: int
    versions: int


class AnomalyLearner:
    """Learns from assessments in the order in which they come; ``versions`` counts publications."""

    def __init__(self) -> None:
        self.learning = AnomalyLearning()
        self.versions = 0
        self._learnt: dict[str, int] = {}
        self._changed: dict[str, None] = {}
        self._published_changed = False

    @property
    def learned(self) -> int:
        """Assessments learnt so far."""
        return self.learning.windows[0].count

    def take(self, assessment: Assessment) -> AnomalyModel | None:
        """Learn from an assessment. Returns a version where one is to be published.

        A merchant counts once in each of its turns, and only with enough history to be judged.
        """
        merchant, at = assessment.merchant_id, assessment.as_of
        if assessment.band == "insufficient_history":
            return None
        turn = turn_of(merchant, at)
        if turn <= self._learnt.get(merchant, -1):
            return None
        self._learnt[merchant] = turn
        self._changed[merchant] = None
        found = assessment.features
        # An absent feature and one that is null, as in records of 0.1, are alike.
        vector = np.array([found.get(name) for name in NAMES], np.float64)
        self.learning.learn(assessment.segment, vector, at)
        if not self.learning.is_due():
            return None
        self.versions += 1
        self._published_changed = True
        return self.learning.publish(f"anomaly-{self.versions}")

    def dirty(self) -> list[tuple[bytes, bytes]]:
        """Items that changed since the last call."""
        items = [
            (PREFIX + b"learnt/" + merchant.encode(), _encode(self._learnt[merchant]))
            for merchant in self._changed
        ]
        items += [self._item(number, part) for number, part in self.learning.touched]
        if self._published_changed:
            learning = self.learning
            state = _Published(
                model=learning.published, at=learning.published_at, versions=self.versions
            )
            items.append((PREFIX + b"published", _encode(state)))
        self._changed.clear()
        self.learning.touched.clear()
        self._published_changed = False
        return items

    def _item(self, number: int, part: int) -> tuple[bytes, bytes]:
        window = self.learning.windows[number]
        if part == FOREST:
            return PREFIX + b"forest/%d" % number, _encode(window.forest)
        if part == HEAD:
            head = _Head(
                segment=window.segment,
                count=window.count,
                moved=window.moved,
                latest=self.learning.latest,
                made_for=_MADE_FOR,
            )
            return PREFIX + b"head/%d" % number, _encode(head)
        first = part * CHUNK
        return PREFIX + b"rows/%d/%d" % (number, part), _encode(window.rows[first : first + CHUNK])

    def restore(self, items: Mapping[bytes, bytes]) -> None:
        """State as of the last commit; ``items`` are those whose keys begin with ``PREFIX``.

        What was made for other inputs, those of another release, is left out: all warms up again.
        """
        heads: dict[int, _Head] = {}
        forests: dict[int, Forest | None] = {}
        chunks: dict[tuple[int, int], list[Seen]] = {}
        for key, raw in items.items():
            kind, _, name = key.removeprefix(PREFIX).partition(b"/")
            if kind == b"learnt":
                self._learnt[name.decode()] = _decode(raw, type=int)
            elif kind == b"published":
                state = _decode(raw, type=_Published)
                self.learning.published, self.learning.published_at = state.model, state.at
                self.versions = state.versions
            elif kind == b"head":
                heads[int(name)] = _decode(raw, type=_Head)
            elif kind == b"forest":
                forests[int(name)] = _decode(raw, type=Forest | None)
            else:
                number, part = map(int, name.split(b"/"))
                chunks[number, part] = _decode(raw, type=list[Seen])
        if not heads:
            return
        if any(head.made_for != _MADE_FOR for head in heads.values()):
            self.learning = AnomalyLearning()
            return
        self.learning.latest = max(head.latest for head in heads.values())
        self.learning.windows = [
            Window(
                segment=head.segment,
                count=head.count,
                # A window that gave its place to a new segment leaves chunks behind.
                rows=[
                    row
                    for part in range(-(-min(head.count, WINDOW) // CHUNK))
                    for row in chunks[number, part]
                ],
                forest=forests.get(number),
                moved=head.moved,
            )
            for number, head in sorted(heads.items())
        ]


_encode = msgspec.msgpack.encode
_decode = msgspec.msgpack.decode
