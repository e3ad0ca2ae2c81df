"""Vectors of many merchants as models take them: ``detectors.transform`` by columns."""

import numpy as np
from numpy.typing import NDArray

from detectors.prior import PRIOR
from detectors.transform import IDENTITY_MAX, INDICATED, INPUT_NAMES, LOG_MAX
from features.catalogue import CATALOGUE, INDEX

Numbers = NDArray[np.float64]

_READ = [(INDEX[f.name], f.transform) for f in CATALOGUE if f.name in PRIOR]


def input_rows(vectors: Numbers) -> Numbers:
    """The inputs of vectors in catalogue order (NaN = not available), columns as ``INPUT_NAMES``.

    As ``model_inputs`` of each, but for rounding in the last place.
    """
    rows = np.empty((len(vectors), len(INPUT_NAMES)))
    for column, (place, transform) in enumerate(_READ):
        values = np.where(np.isfinite(vectors[:, place]), vectors[:, place], np.nan)
        if transform == "log1p":
            rows[:, column] = np.minimum(np.log1p(np.maximum(values, 0.0)), LOG_MAX)
        elif transform == "asinh":
            rows[:, column] = np.clip(np.arcsinh(values), -LOG_MAX, LOG_MAX)
        else:
            rows[:, column] = np.clip(values, -IDENTITY_MAX, IDENTITY_MAX)
    absent = ~np.isfinite(vectors[:, [INDEX[name] for name in INDICATED]])
    rows[:, len(_READ) :] = absent
    return rows
