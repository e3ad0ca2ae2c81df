"""The probability of default: a decoded model version, its encoding and its score.

A version is plain JSON, so a forged message can run no code; decoding checks all of it. The model
adds up log-odds: of standardised inputs (a logistic regression), of bins (a points scorecard), each
input's share being exact, or of gradient-boosted trees, whose splits share out what they add. Where
the catalogue states a direction, a higher risk on that side never lowers the probability.
"""

import math
from collections.abc import Mapping
from functools import cached_property
from typing import Literal, TypeVar

import msgspec
import numpy as np
from msgspec import Struct

from detectors import scorer
from detectors.bins import (
    BIN_BOUNDS,
    BIN_DIRECTIONS,
    BIN_NAMES,
    MIDDLES,
    feature_of,
    middle_of,
)
from detectors.monotone import rising
from detectors.prior import (
    MISSING_SHARE,
    PRIOR,
    PRIOR_HORIZON_DAYS,
    PRIOR_PROBABILITY,
    PRIOR_VERSION,
)
from detectors.transform import DIRECTIONS, INPUT_NAMES, Matrix, Numbers, row_of
from detectors.trees import Tree, fault_of
from features.catalogue import FEATURE_VERSION

SCHEMA: Literal["tideline.default-risk/3"] = "tideline.default-risk/3"
Kind = Literal["logistic", "scorecard", "boosted"]
Z_BOUND = 4.0
"""A standardised input counts as at most so many standard deviations, so that no single number,
however absurd, decides alone."""
_ENCODED_BYTES_MAX = 1 << 20
_KNOWN: dict[str, frozenset[str]] = {
    "logistic": frozenset(INPUT_NAMES),
    "scorecard": frozenset(BIN_NAMES),
    "boosted": frozenset(INPUT_NAMES),
}
_SIDES = dict(zip(INPUT_NAMES, DIRECTIONS.tolist(), strict=True))


V = TypeVar("V", bound=Struct)


class ModelError(ValueError):
    """A model version that cannot be used; the message names the field and the remedy."""


class Calibration(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Maps the raw log-odds to calibrated ones: ``slope * raw + offset`` (Platt's form).

    The offset undoes the class weighting of learning: a positive class weighted by w shifts the
    fitted log-odds by ln w (King and Zeng, 2001, prior correction).
    """

    slope: float = 1.0
    offset: float = 0.0


class Model(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True, dict=True):
    """One immutable version of the default-risk model.

    ``features`` are inputs of ``detectors.transform``, or for a scorecard bins of
    ``detectors.bins``; ``weights``, ``means`` and ``variances`` (of the transformed inputs; 0 and 1
    for bins) are in their order; boosted trees have no weights, and their means and variances are
    the scale of ``scorer.coded``. ``trained_from`` and ``trained_until`` are the event times of the
    first and the last label learnt (epoch milliseconds, 0 = none), ``horizon_days`` the span of the
    probability, ``parent`` the version that it took the place of.
    """

    schema: Literal["tideline.default-risk/3"]
    version: str
    kind: Kind
    feature_version: str
    features: tuple[str, ...]
    weights: tuple[float, ...]
    intercept: float
    means: tuple[float, ...]
    variances: tuple[float, ...]
    horizon_days: int
    calibration: Calibration
    trained_from: int
    trained_until: int
    n_learned: int
    n_defaults: int
    river_version: str
    parameters: dict[str, float]
    metrics: dict[str, float]
    seed: int
    parent: str | None
    trees: tuple[Tree, ...] = ()

    @cached_property
    def scorer(self) -> scorer.Scorer:
        """The model made ready to score rows of ``transform.input_rows``."""
        base, slope = base_log_odds(self), self.calibration.slope
        if self.kind == "scorecard":
            table = slope * _by_name(self, self.weights, BIN_NAMES)
            return scorer.points(BIN_BOUNDS, table.reshape(len(BIN_BOUNDS), -1), base)
        means = _by_name(self, self.means, INPUT_NAMES)
        deviations = np.sqrt(_by_name(self, self.variances, INPUT_NAMES))
        if self.kind == "logistic":
            factors = slope * _by_name(self, self.weights, INPUT_NAMES)
            return scorer.linear(factors, means, deviations, Z_BOUND, base)
        place = np.array([*(INPUT_NAMES.index(name) for name in self.features), -1])
        columns = place[np.array([tree.inputs for tree in self.trees])]
        thresholds = np.array([tree.thresholds for tree in self.trees])
        values = slope * np.array([tree.values for tree in self.trees])
        return scorer.trees(means, deviations, columns, thresholds, values, base)


def _by_name(model: Model, numbers: tuple[float, ...], names: tuple[str, ...]) -> Numbers:
    """The numbers of a model's features in the order of ``names``, 0 for others."""
    given = dict(zip(model.features, numbers, strict=True))
    return np.array([given.get(name, 0.0) for name in names])


def encode_model(model: Model) -> bytes:
    """Plain JSON; the same version gives the same bytes."""
    return msgspec.json.encode(model)


def decode_model(raw: bytes) -> Model:
    """Inverse of ``encode_model``, checked whole. Raises ``ModelError``."""
    model = read_version(raw, Model, "a model version", SCHEMA, _ENCODED_BYTES_MAX)
    check_model(model)
    return model


def read_version(raw: bytes, struct: type[V], what: str, schema: str, bytes_max: int) -> V:
    """A version of any kind of model from its JSON, its numbers not checked yet.

    ``what`` and ``schema`` name it in the message. Raises ``ModelError``.
    """
    if len(raw) > bytes_max:
        raise ModelError(f"model of {len(raw)} bytes; at most {bytes_max} are taken")
    try:
        return msgspec.json.decode(raw, type=struct)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ModelError(
            f"not {what} that this release reads: {error}; publish one of {schema}"
        ) from None


def check_model(model: Model) -> None:
    """Raises ``ModelError`` unless every number is usable and every feature known."""
    name = model.version
    if not 0 < len(name) <= 128 or not name.isprintable():
        raise ModelError("`version` is empty, too long or not printable")
    if not model.features or len(set(model.features)) != len(model.features):
        raise ModelError(f"model {name}: `features` is empty or names one twice")
    if model.feature_version != FEATURE_VERSION:
        raise ModelError(
            f"model {name} was made for features {model.feature_version}, this release has "
            f"{FEATURE_VERSION}; publish a model made with it"
        )
    unknown = [feature for feature in model.features if feature not in _KNOWN[model.kind]]
    if unknown:
        raise ModelError(
            f"model {name}: `features` has {unknown[0]!r}, which is no input of this release"
        )
    for field in ("weights", "means", "variances"):
        expected = 0 if field == "weights" and model.kind == "boosted" else len(model.features)
        if len(getattr(model, field)) != expected:
            raise ModelError(f"model {name}: `{field}` has not {expected} numbers")
    numbers = (
        *model.weights,
        *model.means,
        *model.variances,
        model.intercept,
        model.calibration.slope,
        model.calibration.offset,
        *model.parameters.values(),
        *model.metrics.values(),
    )
    # JSON has no NaN, but 1e999 reads as infinity; and log-odds of 1e4 are no finding but a fault.
    if not all(math.isfinite(number) and abs(number) <= 1e12 for number in numbers):
        raise ModelError(f"model {name}: a number is not finite or beyond 1e12")
    if any(abs(weight) > 1e3 for weight in (*model.weights, model.intercept)):
        raise ModelError(f"model {name}: a weight beyond 1000 log-odds; it has diverged")
    if any(variance < 0 for variance in model.variances):
        raise ModelError(f"model {name}: a negative variance")
    if model.calibration.slope <= 0:
        raise ModelError(f"model {name}: `calibration.slope` must be above 0")
    if model.horizon_days < 1 or model.n_defaults > model.n_learned or model.n_defaults < 0:
        raise ModelError(f"model {name}: `horizon_days` or the label counts are impossible")
    fault = _turned_round(model)
    if fault is not None:
        raise ModelError(f"model {name}: {fault}; publish one learnt within the directions")


def _turned_round(model: Model) -> str | None:
    """Where the model's numbers are not of its kind, or lower the risk on the riskier side."""
    if model.kind == "boosted":
        return fault_of(model.trees, [_SIDES[feature] for feature in model.features])
    if model.trees:
        return f"`trees` in a {model.kind}"
    if model.kind == "logistic":
        pairs = zip(model.features, model.weights, strict=True)
        turned = [feature for feature, weight in pairs if weight * _SIDES[feature] < 0]
        return f"the weight of {turned[0]} is against its direction" if turned else None
    if any(model.means) or any(variance != 1 for variance in model.variances):
        return "`means` and `variances` of bins are 0 and 1"
    table = _by_name(model, model.weights, BIN_NAMES).reshape(len(BIN_BOUNDS), -1)
    if not np.array_equal(rising(table, BIN_DIRECTIONS), table):
        return "points fall on the riskier side of an input"
    return None


def score(model: Model, inputs: Mapping[str, float]) -> tuple[float, dict[str, float]]:
    """Probability of default within ``model.horizon_days``, and what each feature added to it.

    Contributions are log-odds: with ``base_log_odds(model)`` they sum to the log-odds of the
    probability. Features that add nothing are left out: absent ones (but in trees, where an absent
    input counts as the mean) and those that never varied in training. ``inputs`` come from
    ``transform.model_inputs``; many merchants are scored at once by ``Model.scorer``.
    """
    scored = model.scorer(row_of(inputs)[None])
    added = zip(INPUT_NAMES, scored.contributions[0].tolist(), strict=True)
    return float(scored.probabilities[0]), {name: part for name, part in added if part}


def score_rows(model: Model, rows: Matrix) -> Numbers:
    """Probabilities of default of rows of ``transform.input_rows``."""
    return model.scorer(rows).probabilities


def base_log_odds(model: Model) -> float:
    """Calibrated log-odds before any input is looked at.

    Those of the merchant that has the mean of every input; of boosted trees, the mean of all
    merchants learnt from.
    """
    raw = model.intercept
    for tree in model.trees:
        raw += tree.values[0]
    return model.calibration.slope * raw + model.calibration.offset


def sigmoid(log_odds: float) -> float:
    """Probability of log-odds, without overflow."""
    if log_odds >= 0:
        return 1.0 / (1.0 + math.exp(-log_odds))
    odds = math.exp(log_odds)
    return odds / (1.0 + odds)


def _prior(
    kind: Kind, version: str, features: tuple[str, ...], entries: list[tuple[float, float, float]]
) -> Model:
    """A version of means, deviations and weights, with the prior's base."""
    return Model(
        schema=SCHEMA,
        version=version,
        kind=kind,
        feature_version=FEATURE_VERSION,
        features=features,
        weights=tuple(weight for _, _, weight in entries),
        intercept=math.log(PRIOR_PROBABILITY / (1 - PRIOR_PROBABILITY)),
        means=tuple(mean for mean, _, _ in entries),
        variances=tuple(deviation * deviation for _, deviation, _ in entries),
        horizon_days=PRIOR_HORIZON_DAYS,
        calibration=Calibration(),
        trained_from=0,
        trained_until=0,
        n_learned=0,
        n_defaults=0,
        river_version="",
        parameters={},
        metrics={},
        seed=0,
        parent=None,
    )


_SPREAD = (MISSING_SHARE * (1 - MISSING_SHARE)) ** 0.5
PRIOR_MODEL: Model = _prior(
    "logistic",
    PRIOR_VERSION,
    INPUT_NAMES,
    [PRIOR.get(name, (MISSING_SHARE, _SPREAD, 0.0)) for name in INPUT_NAMES],
)
"""The version in force from the first day: see ``detectors.prior``."""
PRIOR_SCORECARD: Model = _prior(
    "scorecard",
    PRIOR_VERSION + "-scorecard",
    BIN_NAMES,
    [(0.0, 1.0, PRIOR[feature_of(name)][2] * MIDDLES[middle_of(name)]) for name in BIN_NAMES],
)
"""The same beliefs as points by bin, from which a scorecard starts to learn."""
