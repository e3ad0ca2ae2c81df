"""Inputs by columns are those of ``model_inputs``, row by row."""

import numpy as np
import pytest
from hypothesis import given

from detectors.transform import INPUT_NAMES, model_inputs
from tests.detectors.merchants import any_vector
from tideline.evaluation.inputs import input_rows


@given(any_vector)
def test_inputs_by_columns_are_those_of_each_merchant(vector: np.ndarray) -> None:
    (row,) = input_rows(vector[None])
    expected = model_inputs(vector)
    for name, value in zip(INPUT_NAMES, row, strict=True):
        if name in expected:
            assert value == pytest.approx(expected[name], rel=1e-12, abs=1e-12)
        else:
            assert np.isnan(value)
