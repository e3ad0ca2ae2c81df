"""How unusual merchants are: scores of a batch by the version in force, and what makes them so.

Two measures are compared with what a segment shows: how strange a merchant is among its segment,
by half-space trees, and how far it is from its own usual (see ``detectors.anomaly``). The one that
lies further beyond the middle of the segment, in the segment's own unit, is the score, as a
quantile: 0.95 is more unusual than 95 % of the assessments of its segment.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from detectors.anomaly import (
    PART_FEATURES,
    ROBUST_DISTANCE,
    Distances,
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

KNOWN_MIN = 3
"""Inputs of a merchant that must be known for its forest to speak of it."""
UNUSUAL_FROM = 0.99
"""Score from which on it is said what makes it so high."""
UNUSUAL_MAX = 3
PART_MIN = 1.0
"""Deviation from the own usual, in its noise, below which nothing is said of it."""


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


def judge(model: AnomalyModel | None, vectors: Floats, segments: Sequence[str]) -> list[Anomaly]:
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
    found = []
    for i, score in enumerate(rank(model.tables, which, excess).tolist()):
        if score >= UNUSUAL_FROM:
            if excess[i, 0] >= excess[i, 1] or excess[i, 1] != excess[i, 1]:
                unusual = _strange_inputs(model.tables, int(which[i]), rows[i])
            else:
                unusual = _own_deviations(distances, i)
            found.append(Anomaly(score, unusual))
        else:
            found.append(Anomaly(score) if score == score else NO_ANOMALY)
    return found


def masses_of(tables: Tables, which: Ints, rows: Rows) -> tuple[Ints, Ints]:
    """What the masses on the ways of rows add up to, and how many of their inputs are known."""
    scaled = np.empty_like(rows)
    totals, known = np.empty(len(rows), np.int64), np.empty(len(rows), np.int64)
    scale_rows(rows, which, tables.medians, tables.spreads, scaled, known)
    count_masses(scaled, which, tables.places, tables.cuts, tables.masses, tables.least, totals)
    return totals, known


def excess_of(tables: Tables, which: Ints, rows: Rows, own: Floats) -> Floats:
    """Both measures of rows in the unit of their forests, NaN where not available.

    ``which`` is the place of each row's forest, ``own`` its distance from its own usual.
    """
    totals, known = masses_of(tables, which, rows)
    excess = np.empty((len(rows), 2))
    measure_excess(totals, tables.most, known, KNOWN_MIN, own, which, tables.scales, excess)
    return excess


def rank(tables: Tables, which: Ints, excess: Floats) -> Floats:
    """The greater of both as a quantile of the held-out rows of its forest; NaN where none is."""
    scores = np.empty(len(which))
    rank_excess(excess, which, tables.excesses, tables.ends, scores)
    return scores


def _strange_inputs(tables: Tables, place: int, row: Floats) -> tuple[str, ...]:
    """Occlusion: what an input does is how much less strange the row is with the median instead."""
    without = np.repeat(row[None], len(INPUTS) + 1, axis=0)
    np.fill_diagonal(without, np.nan)
    totals, _ = masses_of(tables, np.full(len(without), place), without)
    return _greatest((totals[:-1] - totals[-1]).tolist(), INPUTS, 1)


def _own_deviations(distances: Distances, i: int) -> tuple[str, ...]:
    """The parts of the distance, largest first."""
    return _greatest(np.nan_to_num(np.abs(distances.parts[i])).tolist(), PART_FEATURES, PART_MIN)


def _greatest(effects: list[float], names: Sequence[str], least: float) -> tuple[str, ...]:
    ranked = sorted((-effect, i) for i, effect in enumerate(effects) if effect >= least)
    return tuple(names[i] for _, i in ranked[:UNUSUAL_MAX])
