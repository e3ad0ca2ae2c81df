"""Boosted trees as a challenger: grown anew from the last labels, calibrated on what was said.

The last outcomes are kept as coded inputs. Where defaults are rare only a share of the good ones is
kept, over the same time, and each counts for those left out. At fixed counts of labels the trees
are grown from them from scratch; what a label finds said of it calibrates the trees
(``detectors.platt``) before it joins those that are grown from. So learning is bounded, forgets,
needs no seed, and a restored learner goes on exactly like one never stopped: state is plain data
(msgpack). Incremental trees allow neither (see
docs/decisions/0017-boosted-trees-from-the-last-labels.md).
"""

import math
from collections.abc import Mapping

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from detectors import scorer
from detectors.boosting import grow
from detectors.default_risk import SCHEMA, Calibration, Model, check_model
from detectors.platt import PARAMETERS, Platt
from detectors.transform import DIRECTIONS, INPUT_NAMES, row_of
from detectors.trees import INNER, NO_SPLIT, NODES, Tree

ROWS_MAX = 4096
"""Outcomes that trees are grown from, at most: the last ones."""
GOOD_TO_BAD = 4
"""Good outcomes kept for each default, or so, once there are more of both than ``ROWS_MAX``."""
GROW_EVERY = 250
"""Labels after which trees are grown anew; while there are fewer, ``GROW_EARLY``."""
GROW_EARLY = 50
TREES = 60
RATE = 0.1
RIDGE = 1.0
COVER_MIN = 10.0
"""Least sum of p (1 - p) in a leaf: some 60 merchants where a fifth defaults."""
_GOLDEN = 2_654_435_769
"""2 ** 32 over the golden ratio."""
_LEAF = Tree(inputs=(NO_SPLIT,) * INNER, thresholds=(0,) * INNER, values=(0.0,) * NODES)
Codes = NDArray[np.uint8]


class _State(Struct, kw_only=True, forbid_unknown_fields=True):
    """All of a learner. ``kept`` are outcomes, oldest first: codes, label, weight; a byte each."""

    start: Model
    kept: bytes = b""
    believed: Platt
    trees: tuple[Tree, ...] = (_LEAF,)
    intercept: float
    n_learned: int = 0
    n_defaults: int = 0
    trained_from: int = 0


class BoostedTrees:
    """Gradient-boosted trees over the last labels, from nothing but a base rate."""

    def __init__(self, state: _State) -> None:
        self._state = state
        self._means = np.array(state.start.means)
        self._deviations = np.sqrt(np.array(state.start.variances))
        self._scorer = self._model("", None, 0, {}, Calibration()).scorer

    @classmethod
    def from_model(cls, model: Model) -> "BoostedTrees":
        """A learner with the base rate and the scale of a version, and nothing else of it.

        Raises ``ValueError`` unless the version has all inputs in their order.
        """
        check_model(model)
        if model.features != INPUT_NAMES:
            raise ValueError(f"model {model.version} has not the inputs of this release")
        return cls(_State(start=model, believed=Platt(), intercept=model.intercept))

    def predict(self, inputs: Mapping[str, float]) -> float:
        """Calibrated probability of default; ``inputs`` come from ``transform.model_inputs``."""
        log_odds = float(self._scorer(row_of(inputs)[None]).log_odds[0])
        return self._state.believed.probability(log_odds)

    def learn(self, inputs: Mapping[str, float], label: bool, at: int = 0) -> None:
        """Learn from one merchant's outcome at ``at`` (epoch ms).

        Raises ``ValueError``, and learns nothing, if an input is not finite.
        """
        s, rows = self._state, row_of(inputs)[None]
        s.believed.learn(float(self._scorer(rows).log_odds[0]), label)
        s.n_learned += 1
        s.n_defaults += label
        weight = 1 if label else self._goods_for_one()
        # Multiples of the golden ratio fall evenly whatever the period of the labels.
        if s.n_learned * _GOLDEN % 2**32 * weight < 2**32:
            codes = scorer.coded(rows, self._means, self._deviations).tobytes()
            row = codes + bytes((label, weight))
            s.kept = (s.kept + row)[-ROWS_MAX * len(row) :]
        s.trained_from = s.trained_from or at
        if s.n_learned % (GROW_EVERY if s.n_learned > GROW_EVERY else GROW_EARLY) == 0:
            self._grow()

    def to_model(
        self,
        *,
        version: str,
        parent: str | None,
        trained_until: int,
        metrics: Mapping[str, float] | None = None,
    ) -> Model:
        """What was learnt as an immutable version; changes nothing here."""
        calibration = self._state.believed.of(Calibration())
        model = self._model(version, parent, trained_until, metrics or {}, calibration)
        check_model(model)
        return model

    def snapshot(self) -> bytes:
        """All of the state, as msgpack."""
        return msgspec.msgpack.encode(self._state)

    @classmethod
    def restore(cls, raw: bytes) -> "BoostedTrees":
        """Inverse of ``snapshot``. Raises ``msgspec.DecodeError`` on other bytes."""
        return cls(msgspec.msgpack.decode(raw, type=_State))

    def _goods_for_one(self) -> int:
        """Good outcomes that each one kept stands for."""
        s = self._state
        if s.n_learned <= ROWS_MAX:
            return 1
        goods = s.n_learned - s.n_defaults
        return min(max(goods // (GOOD_TO_BAD * s.n_defaults + 1), 1), 255)

    def _grow(self) -> None:
        s = self._state
        kept = np.frombuffer(s.kept, np.uint8).reshape(-1, len(s.start.features) + 2)
        codes = np.ascontiguousarray(kept[:, :-2])
        labels, weights = kept[:, -2].astype(np.float64), kept[:, -1].astype(np.float64)
        bad, all_of = float((labels * weights).sum()), float(weights.sum())
        # Half a case of each class: the log-odds are finite while there is one class only.
        s.intercept = math.log((bad + 0.5) / (all_of - bad + 0.5))
        inputs = np.empty((TREES, INNER), np.int64)
        thresholds = np.empty((TREES, INNER), np.int64)
        values = np.empty((TREES, NODES))
        grow(
            codes,
            labels,
            weights,
            DIRECTIONS,
            scorer.LEVELS,
            s.intercept,
            RATE,
            RIDGE,
            COVER_MIN,
            inputs,
            thresholds,
            values,
        )
        split = inputs[:, 0] != NO_SPLIT
        grown = zip(
            inputs[split].tolist(), thresholds[split].tolist(), values[split].tolist(), strict=True
        )
        s.trees = tuple(
            Tree(inputs=tuple(a), thresholds=tuple(b), values=tuple(c)) for a, b, c in grown
        ) or (_LEAF,)
        self._scorer = self._model("", None, 0, {}, Calibration()).scorer

    def _model(
        self,
        version: str,
        parent: str | None,
        trained_until: int,
        metrics: Mapping[str, float],
        calibration: Calibration,
    ) -> Model:
        s = self._state
        return Model(
            schema=SCHEMA,
            version=version,
            kind="boosted",
            feature_version=s.start.feature_version,
            features=s.start.features,
            weights=(),
            intercept=s.intercept,
            means=s.start.means,
            variances=s.start.variances,
            horizon_days=s.start.horizon_days,
            calibration=calibration,
            trained_from=s.trained_from,
            trained_until=trained_until,
            n_learned=s.n_learned,
            n_defaults=s.n_defaults,
            river_version="",
            parameters={
                "trees": float(TREES),
                "rate": RATE,
                "ridge": RIDGE,
                "cover_min": COVER_MIN,
                "rows_max": float(ROWS_MAX),
                "good_to_bad": float(GOOD_TO_BAD),
                "grow_every": float(GROW_EVERY),
                **PARAMETERS,
            },
            metrics=dict(metrics),
            seed=s.start.seed,
            parent=parent,
            trees=s.trees,
        )
