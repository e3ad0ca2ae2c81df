"""Machine code is compiled anew when any part of it changes, and only then."""

from types import ModuleType

import pytest

from features import compiled, scanner, tokens
from features.compiled import code_type

CODE = """
import numpy as np
from features.layout import inner
LIMIT = 3
WORD = np.uint64(1)
@inner
def double(n):
    return n * 2
def emitted(context):
    def emit(builder):
        return builder.load(8)
    return emit
"""


def module(code: str) -> ModuleType:
    made = ModuleType("made")
    exec(code, vars(made))  # noqa: S102
    return made


def test_the_same_code_has_the_same_type() -> None:
    assert code_type(module(CODE)).dtype == code_type(module("# a remark" + CODE)).dtype


@pytest.mark.parametrize(
    ("before", "after"), [("= 3", "= 4"), ("int64(1)", "int64(2)"), ("n * 2", "n + n"), ("8", "4")]
)
def test_a_change_of_code_or_of_a_constant_changes_the_type(before: str, after: str) -> None:
    assert code_type(module(CODE)).dtype != code_type(module(CODE.replace(before, after))).dtype


def test_every_module_counts() -> None:
    assert code_type(compiled, tokens, scanner).dtype != code_type(compiled, scanner).dtype
