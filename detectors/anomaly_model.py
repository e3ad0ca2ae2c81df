"""A published version of the anomaly models: its encoding and its checks.

A version is plain JSON, so a forged message can run no code; decoding checks all of it. It holds a
forest of half-space trees for each segment that has one, and one of all merchants for the others:
the split points and masses of River, the scale of the inputs, and what rows that the trees never
saw came to, by which a score is calibrated.
"""

from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise
from typing import Literal, NamedTuple

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from detectors.anomaly_inputs import INPUTS, Rows
from detectors.default_risk import ModelError, read_version
from features.catalogue import FEATURE_VERSION

SCHEMA: Literal["tideline.anomaly/1"] = "tideline.anomaly/1"
TREES = 10
HEIGHT = 6
BRANCHES: int = 2**HEIGHT - 1
NODES = 2 * BRANCHES + 1
SEGMENTS_MAX = 15
"""Segments with a forest of their own: all of them fit a record of Kafka."""
ROWS_MAX = 4096
SPREAD_MIN = 1e-9
"""An input that spreads less does not vary."""
NUMBER_MAX = 1e12
LEAST_SHARE = 0.1
"""A way ends at a node with less than this share of the rows, as in River (Tan et al., 2011)."""
_ENCODED_BYTES_MAX = 900_000
"""Below the greatest record that Kafka takes by default, with room for an envelope."""

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class Scale(Struct, frozen=True, forbid_unknown_fields=True, array_like=True):
    """Median and spread (above 0) of a measure over the held-out rows."""

    median: float
    spread: float


class Forest(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Half-space trees, the scale on which they read, and what rows held out from them came to.

    ``medians`` and ``spreads`` are in the order of the version's ``inputs``, on the scale of their
    transforms; a spread of 0 means an input that the trees leave out. ``places`` (of inputs) and
    ``cuts`` (on the 0-1 scale; below it goes to the first child) are of each branch, ``masses``
    (rows that came by) of each node, tree by tree; the children of node n are 2n + 1 and 2n + 2.
    ``strangeness``, ``distance`` and ``own_distance`` scale the three measures of
    ``anomaly_kernel``, and ``excesses`` are the greatest of them of each held-out row, ascending.
    ``rows`` counts those that the trees saw; times are event times (epoch milliseconds) of the
    first and the last row.
    """

    medians: tuple[float, ...]
    spreads: tuple[float, ...]
    places: tuple[int, ...]
    cuts: tuple[float, ...]
    masses: tuple[int, ...]
    rows: int
    strangeness: Scale
    distance: Scale
    own_distance: Scale
    excesses: tuple[float, ...]
    trained_from: int
    trained_until: int
    seed: int

    @property
    def scales(self) -> tuple[Scale, Scale, Scale]:
        """Those of the measures, in their order."""
        return self.strangeness, self.distance, self.own_distance


class AnomalyModel(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True, dict=True):
    """One immutable version.

    ``segments`` has a forest by name of segment, ``pooled`` is of all merchants and serves the
    segments without one. Times are event times (epoch milliseconds): the first and the last
    assessment learnt. ``n_learned`` counts all assessments learnt so far.
    """

    schema: Literal["tideline.anomaly/1"]
    version: str
    feature_version: str
    inputs: tuple[str, ...]
    pooled: Forest
    segments: dict[str, Forest]
    n_learned: int
    trained_until: int
    river_version: str
    parameters: dict[str, float]
    parent: str | None

    @cached_property
    def tables(self) -> "Tables":
        """All forests as arrays, the pooled one first."""
        return tables_of([self.pooled, *self.segments.values()])

    @cached_property
    def place_of(self) -> dict[str, int]:
        """Segment -> place of its forest in ``tables``; others have place 0."""
        return {name: i + 1 for i, name in enumerate(self.segments)}


BLANK_FOREST = Forest(
    medians=(0.0,) * len(INPUTS),
    spreads=(0.0,) * len(INPUTS),
    places=(0,) * (TREES * BRANCHES),
    cuts=(0.0,) * (TREES * BRANCHES),
    masses=(0,) * (TREES * NODES),
    rows=1,
    strangeness=Scale(0.0, 1.0),
    distance=Scale(0.0, 1.0),
    own_distance=Scale(0.0, 1.0),
    excesses=(0.0,),
    trained_from=0,
    trained_until=0,
    seed=0,
)
"""One that was shown nothing."""


class Tables(NamedTuple):
    """Forests as ``anomaly_kernel`` reads them."""

    medians: Rows
    spreads: Rows
    places: Ints
    cuts: Floats
    masses: Ints
    least: Floats
    most: Floats
    scales: Floats
    excesses: Floats
    ends: Ints


def tables_of(forests: Sequence[Forest]) -> Tables:
    """Checked forests as arrays."""
    shape = len(forests), TREES, -1
    return Tables(
        np.array([f.medians for f in forests]),
        np.array([f.spreads for f in forests]),
        np.array([f.places for f in forests], np.int64).reshape(shape),
        np.array([f.cuts for f in forests]).reshape(shape),
        np.array([f.masses for f in forests], np.int64).reshape(shape),
        np.array([LEAST_SHARE * f.rows for f in forests]),
        np.array([float(most_mass(f.rows)) for f in forests]),
        np.array([[(s.median, s.spread) for s in f.scales] for f in forests]),
        np.array([excess for f in forests for excess in f.excesses]),
        np.cumsum([len(f.excesses) for f in forests]),
    )


def most_mass(rows: int) -> int:
    """What the masses on a way can add up to at most, over all trees."""
    return TREES * rows * NODES


def encode_anomaly(model: AnomalyModel) -> bytes:
    """Plain JSON; the same version gives the same bytes."""
    return msgspec.json.encode(model)


def decode_anomaly(raw: bytes) -> AnomalyModel:
    """Inverse of ``encode_anomaly``, checked whole. Raises ``ModelError``."""
    model = read_version(raw, AnomalyModel, "an anomaly version", SCHEMA, _ENCODED_BYTES_MAX)
    check_anomaly(model)
    return model


def check_anomaly(model: AnomalyModel) -> None:
    """Raises ``ModelError`` unless every number is usable and every input known."""
    name = model.version
    if not 0 < len(name) <= 128 or not name.isprintable():
        raise ModelError("`version` is empty, too long or not printable")
    if model.feature_version != FEATURE_VERSION:
        raise ModelError(
            f"model {name} was made for features {model.feature_version}, this release has "
            f"{FEATURE_VERSION}; publish a model made with it"
        )
    if model.inputs != INPUTS:
        raise ModelError(f"model {name}: `inputs` are not those of this release")
    if len(model.segments) > SEGMENTS_MAX:
        raise ModelError(f"model {name}: more than {SEGMENTS_MAX} `segments`")
    for segment, forest in (("", model.pooled), *model.segments.items()):
        where = f"model {name}: " + (f"segment {segment!r}" if segment else "`pooled`")
        _check_sizes(where, forest)
        _check_numbers(where, forest)


def _check_sizes(where: str, forest: Forest) -> None:
    wanted = {
        "medians": len(INPUTS),
        "spreads": len(INPUTS),
        "places": TREES * BRANCHES,
        "cuts": TREES * BRANCHES,
        "masses": TREES * NODES,
    }
    for field, size in wanted.items():
        found = len(getattr(forest, field))
        if found != size:
            raise ModelError(f"{where}: `{field}` has {found} numbers, not {size}")
    shown = len(forest.excesses)
    if not 0 < shown <= ROWS_MAX:
        raise ModelError(f"{where}: `excesses` has {shown} numbers, not 1 to {ROWS_MAX}")
    if not 0 < forest.rows <= ROWS_MAX:
        raise ModelError(f"{where}: `rows` is {forest.rows}, not 1 to {ROWS_MAX}")


def _check_numbers(where: str, forest: Forest) -> None:
    numbers = (
        *forest.medians,
        *forest.spreads,
        *forest.excesses,
        *(number for scale in forest.scales for number in (scale.median, scale.spread)),
    )
    if not all(abs(number) <= NUMBER_MAX for number in numbers):
        raise ModelError(f"{where}: a number is not finite or beyond {NUMBER_MAX:g}")
    if not all(spread == 0 or spread >= SPREAD_MIN for spread in forest.spreads):
        raise ModelError(f"{where}: `spreads` has one that is neither 0 nor {SPREAD_MIN:g} or more")
    if min(scale.spread for scale in forest.scales) < SPREAD_MIN:
        raise ModelError(f"{where}: a measure with a spread below {SPREAD_MIN:g}")
    if not all(0 <= place < len(INPUTS) for place in forest.places):
        raise ModelError(f"{where}: `places` has one that no input has")
    if not all(0 <= cut <= 1 for cut in forest.cuts):
        raise ModelError(f"{where}: a cut that is not within 0-1")
    if not all(0 <= mass <= forest.rows for mass in forest.masses):
        raise ModelError(f"{where}: a mass that is not within 0 and the number of rows")
    if not all(a <= b for a, b in pairwise(forest.excesses)):
        raise ModelError(f"{where}: `excesses` do not ascend")
