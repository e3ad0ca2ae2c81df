"""Trees of a model version: plain numbers, and what makes them usable.

A tree is a heap of fixed depth: the children of node i are 2i + 1, for a code of at most the
threshold, and 2i + 2. Codes are those of ``scorer.coded``.
"""

import math
from collections.abc import Sequence

from msgspec import Struct

from detectors.scorer import LEVELS

DEPTH = 3
INNER = (1 << DEPTH) - 1
"""Nodes that may split."""
NODES = (1 << (DEPTH + 1)) - 1
TREES_MAX = 100
NO_SPLIT = -1
VALUE_MAX = 50.0
"""Log-odds of a node; more is no finding but a fault."""


class Tree(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """``inputs`` (places among the features of the model, -1 for no split) and ``thresholds`` by
    inner node, ``values`` (log-odds that the tree adds) by node: of an inner node the mean of what
    is below it, of a node that is not reached 0.
    """

    inputs: tuple[int, ...]
    thresholds: tuple[int, ...]
    values: tuple[float, ...]


def fault_of(trees: Sequence[Tree], directions: Sequence[float]) -> str | None:
    """What makes trees unusable, with the place of the tree, or None.

    ``directions`` are the riskier sides of the model's features: 1 up, -1 down, 0 not stated. A
    tree keeps to them when at each split on such a feature no leaf of its riskier side is below a
    leaf of the other; then raising the feature never lowers a score.
    """
    if not 0 < len(trees) <= TREES_MAX:
        return f"`trees` has {len(trees)}; 1 to {TREES_MAX} are taken"
    for number, tree in enumerate(trees):
        fault = _fault(tree, directions)
        if fault is not None:
            return f"`trees[{number}]`: {fault}"
    return None


def _fault(tree: Tree, directions: Sequence[float]) -> str | None:
    if (len(tree.inputs), len(tree.thresholds), len(tree.values)) != (INNER, INNER, NODES):
        return f"not {INNER} inputs and thresholds and {NODES} values"
    if not all(NO_SPLIT <= place < len(directions) for place in tree.inputs):
        return "`inputs` names a place that is none of `features`"
    if not all(0 <= threshold < LEVELS - 1 for threshold in tree.thresholds):
        return f"a threshold is not within 0 to {LEVELS - 2}"
    if not all(math.isfinite(value) and abs(value) <= VALUE_MAX for value in tree.values):
        return f"a value is not finite or beyond {VALUE_MAX:g} log-odds"
    for node in range(1, NODES):
        if tree.inputs[(node - 1) // 2] == NO_SPLIT and (
            tree.values[node] or (node < INNER and tree.inputs[node] != NO_SPLIT)
        ):
            return f"node {node} is below a leaf"
    for node, place in enumerate(tree.inputs):
        if place == NO_SPLIT:
            continue
        lower, upper = _leaves(tree, 2 * node + 1), _leaves(tree, 2 * node + 2)
        below = (max(lower) > min(upper), min(lower) < max(upper))
        if directions[place] and below[directions[place] < 0]:
            return f"node {node} lowers the risk on the riskier side of its input"
    return None


def _leaves(tree: Tree, node: int) -> list[float]:
    if node >= INNER or tree.inputs[node] == NO_SPLIT:
        return [tree.values[node]]
    return _leaves(tree, 2 * node + 1) + _leaves(tree, 2 * node + 2)
