"""How unusual merchants are: scores of a batch by the version in force, and what makes them so.

Three measures are compared with what a segment shows: how strange a merchant is among its segment
by half-space trees, which see what is odd only together; how far it is from the segment's usual,
which sees one number far out, as trees hardly do; and how far it is from its own usual (see
``detectors.anomaly``). The one that lies furthest beyond the middle of the segment, in the
segment's own unit, is the score, as a quantile: 0.95 is more unusual than 95 % of the assessments
of its segment.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from detectors.anomaly import (
    PART_FEATURES,
    ROBUST_DISTANCE,
    distance_scores,
    own_distances,
)
from detectors.anomaly_inputs import INPUTS, Rows, input_rows
from detectors.anomaly_kernel import count_masses, measure_excess, rank_excess, scale_rows
from detectors.anomaly_model import (
    BLANK_FOREST,
    SCHEMA,
    AnomalyModel,
    Floats,
    Ints,
    Tables,
)
from features.catalogue import FEATURE_VERSION

UNUSUAL_FROM = 0.99
"""Score from which on it is said what makes it so high."""
UNUSUAL_MAX = 3
DEVIATION_MIN = 1.0
"""Deviation from a usual, in spreads or noise, below which nothing is said of it."""


class Anomaly(NamedTuple):
    """Score (0-1, None where there is too little to compare) and the features that make it so high.

    ``unusual`` names at most ``UNUSUAL_MAX``, the one that does most first; none below
    ``UNUSUAL_FROM``.
    """

    score: float | None
    unusual: tuple[str, ...] = ()


NO_ANOMALY = Anomaly(None)


BLANK = AnomalyModel(
    schema=SCHEMA,
    version="blank",
    feature_version=FEATURE_VERSION,
    inputs=INPUTS,
    pooled=BLANK_FOREST,
    segments={},
    n_learned=0,
    trained_until=0,
    river_version="",
    parameters={},
    parent=None,
)
"""A version that was shown nothing: it takes the way of any other, so code can be loaded by it."""


def anomaly_version(model: AnomalyModel | None) -> str:
    """The version that speaks; without a model, the robust distance."""
    return ROBUST_DISTANCE if model is None else model.version


def rate(model: AnomalyModel | None, vectors: Floats, segments: Sequence[str]) -> list[Anomaly]:
    """Of each of ``vectors`` (catalogue order, NaN = not available), a merchant of ``segments``.

    Without a model the distance from the own usual speaks, which is no quantile.
    """
    distances = own_distances(vectors)
    if model is None:
        return [
            Anomaly(score) if score == score else NO_ANOMALY
            for score in distance_scores(distances.total).tolist()
        ]
    which = np.array([model.place_of.get(segment, 0) for segment in segments], np.int64)
    rows = input_rows(vectors)
    excess = excess_of(model.tables, which, rows, distances.total)
    scores = rank(model.tables, which, excess).tolist()
    found = [Anomaly(score) if score == score else NO_ANOMALY for score in scores]
    for i, score in enumerate(scores):
        if score >= UNUSUAL_FROM:
            names = _unusual(model.tables, int(which[i]), rows[i], excess[i], distances.parts[i])
            found[i] = Anomaly(score, names)
    return found


class Walked(NamedTuple):
    """What rows came to in their forests: sums of masses, distances, and known inputs."""

    totals: Ints
    distances: Floats
    known: Ints


def walk(tables: Tables, which: Ints, rows: Rows) -> Walked:
    """Scale rows and let them go through the trees; ``which`` is the place of each row's forest."""
    scaled, distances = np.empty_like(rows), np.empty(len(rows))
    totals, known = np.empty(len(rows), np.int64), np.empty(len(rows), np.int64)
    scale_rows(rows, which, tables.medians, tables.spreads, scaled, known, distances)
    count_masses(scaled, which, tables.places, tables.cuts, tables.masses, tables.least, totals)
    return Walked(totals, distances, known)


def excess_of(tables: Tables, which: Ints, rows: Rows, own: Floats) -> Floats:
    """The three measures of rows in the unit of their forests, NaN where not available.

    ``own`` is the distance of each row from its own usual.
    """
    excess = np.empty((len(rows), 3))
    totals, distances, known = walk(tables, which, rows)
    measure_excess(totals, tables.most, distances, known, own, which, tables.scales, excess)
    return excess


def rank(tables: Tables, which: Ints, excess: Floats) -> Floats:
    """The greatest as a quantile of the held-out rows of its forest; NaN where there is none."""
    scores = np.empty(len(which))
    rank_excess(excess, which, tables.excesses, tables.ends, scores)
    return scores


def _unusual(
    tables: Tables, place: int, row: Floats, excess: Floats, parts: Floats
) -> tuple[str, ...]:
    """What did most, by the measure that gave the score.

    In trees that is occlusion: how much less strange the row is with the median in the place of an
    input. Of a distance it is the largest deviations.
    """
    measure = int(np.nanargmax(excess))
    if measure == 0:
        without = np.repeat(row[None], len(INPUTS) + 1, axis=0)
        np.fill_diagonal(without, np.nan)
        totals = walk(tables, np.full(len(without), place), without).totals
        return _greatest(totals[:-1] - totals[-1], INPUTS, 1)
    if measure == 1:
        spreads = tables.spreads[place]
        deviations = (row - tables.medians[place]) / np.where(spreads > 0, spreads, np.inf)
        return _greatest(np.abs(deviations), INPUTS, DEVIATION_MIN)
    return _greatest(np.abs(parts), PART_FEATURES, DEVIATION_MIN)


def _greatest(effects: Ints | Floats, names: Sequence[str], least: float) -> tuple[str, ...]:
    ranked = sorted((-e, i) for i, e in enumerate(effects.tolist()) if e >= least)
    return tuple(names[i] for _, i in ranked[:UNUSUAL_MAX])
