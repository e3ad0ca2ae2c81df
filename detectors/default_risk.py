"""The probability of default: a decoded model version, its encoding and its score.

A version is plain JSON, so a forged message can run no code; decoding checks all of it. The model
adds up log-odds, of standardised inputs (a logistic regression) or of bins (a points scorecard), so
each input's share is exact.
"""

import math
from collections.abc import Mapping
from functools import cached_property
from typing import Literal, NamedTuple

import msgspec
from msgspec import Struct

from detectors.bins import BIN_NAMES, MIDDLES, binned, feature_of, middle_of
from detectors.prior import (
    MISSING_SHARE,
    PRIOR,
    PRIOR_HORIZON_DAYS,
    PRIOR_PROBABILITY,
    PRIOR_VERSION,
)
from detectors.transform import INPUT_NAMES
from features.catalogue import FEATURE_VERSION

SCHEMA: Literal["tideline.default-risk/2"] = "tideline.default-risk/2"
Kind = Literal["logistic", "scorecard"]
Z_BOUND = 4.0
"""A standardised input counts as at most so many standard deviations, so that no single number,
however absurd, decides alone."""
_ENCODED_BYTES_MAX = 1 << 20
_KNOWN: dict[str, frozenset[str]] = {
    "logistic": frozenset(INPUT_NAMES),
    "scorecard": frozenset(BIN_NAMES),
}


class ModelError(ValueError):
    """A model version that cannot be used; the message names the field and the remedy."""


class Calibration(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Maps the raw log-odds to calibrated ones: ``slope * raw + offset`` (Platt's form).

    The offset undoes the class weighting of learning: a positive class weighted by w shifts the
    fitted log-odds by ln w (King and Zeng, 2001, prior correction).
    """

    slope: float = 1.0
    offset: float = 0.0


class Part(NamedTuple):
    """One input as it is scored: its share of the log-odds is ``factor * z``."""

    name: str
    feature: str
    factor: float
    mean: float
    deviation: float


class Model(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True, dict=True):
    """One immutable version of the default-risk model.

    ``features`` are inputs of ``detectors.transform``, or for a scorecard bins of
    ``detectors.bins``; ``weights``, ``means`` and ``variances`` (of the transformed inputs; 0 and 1
    for bins) are in their order. ``trained_from`` and ``trained_until`` are the event times of the
    first and the last label learnt (epoch milliseconds, 0 = none), ``horizon_days`` the span of the
    probability, ``parent`` the version that it took the place of.
    """

    schema: Literal["tideline.default-risk/2"]
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

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """The inputs that ever varied in training, in order."""
        rows = zip(self.features, self.weights, self.means, self.variances, strict=True)
        return tuple(
            Part(name, feature_of(name), self.calibration.slope * weight, mean, variance**0.5)
            for name, weight, mean, variance in rows
            if variance > 0
        )


def encode_model(model: Model) -> bytes:
    """Plain JSON; the same version gives the same bytes."""
    return msgspec.json.encode(model)


def decode_model(raw: bytes) -> Model:
    """Inverse of ``encode_model``, checked whole. Raises ``ModelError``."""
    if len(raw) > _ENCODED_BYTES_MAX:
        raise ModelError(f"model of {len(raw)} bytes; at most {_ENCODED_BYTES_MAX} are taken")
    try:
        model = msgspec.json.decode(raw, type=Model)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ModelError(
            f"not a model version that this release reads: {error}; publish one of {SCHEMA}"
        ) from None
    check_model(model)
    return model


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
        if len(getattr(model, field)) != len(model.features):
            raise ModelError(f"model {name}: `{field}` has not one number for each feature")
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


def score(model: Model, inputs: Mapping[str, float]) -> tuple[float, dict[str, float]]:
    """Probability of default within ``model.horizon_days``, and what each feature added to it.

    Contributions are log-odds relative to the merchant that has the mean of every input: with
    ``base_log_odds(model)`` they sum to the log-odds of the probability. Inputs that are absent,
    or that never varied in training, contribute 0. ``inputs`` come from ``model_inputs``.
    """
    if model.kind == "scorecard":
        inputs = binned(inputs)
    contributions = {}
    total = base_log_odds(model)
    for name, feature, factor, mean, deviation in model.parts:
        value = inputs.get(name)
        if value is not None:
            contribution = factor * clip_z((value - mean) / deviation)
            contributions[feature] = contribution
            total += contribution
    return sigmoid(total), contributions


def base_log_odds(model: Model) -> float:
    """Calibrated log-odds of the mean merchant."""
    return model.calibration.slope * model.intercept + model.calibration.offset


def clip_z(z: float) -> float:
    """A standardised input within its bounds."""
    # Comparisons cost a third of calls of min and max, and this is called for every input.
    return -Z_BOUND if z < -Z_BOUND else Z_BOUND if z > Z_BOUND else z


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
