"""Measures of a probability forecast, over lists of predictions and labels of equal length."""

import math
from collections.abc import Sequence

_TINY = 1e-15


def log_loss(predictions: Sequence[float], labels: Sequence[bool]) -> float:
    """Mean negative log-likelihood, in nats; predictions are kept 1e-15 off 0 and 1."""
    total = 0.0
    for p, label in zip(predictions, labels, strict=True):
        said = min(max(p, _TINY), 1 - _TINY)
        total -= math.log(said if label else 1.0 - said)
    return total / len(labels)


def roc_auc(predictions: Sequence[float], labels: Sequence[bool]) -> float | None:
    """Area under the ROC curve by mean ranks (Mann-Whitney U, ties count half).

    None unless both classes occur.
    """
    n_true = sum(labels)
    n_false = len(labels) - n_true
    if n_true == 0 or n_false == 0:
        return None
    order = sorted(range(len(predictions)), key=predictions.__getitem__)
    rank_sum, start = 0.0, 0
    while start < len(order):
        end = start
        while end < len(order) and predictions[order[end]] == predictions[order[start]]:
            end += 1
        mean_rank = (start + 1 + end) / 2
        rank_sum += mean_rank * sum(labels[order[i]] for i in range(start, end))
        start = end
    return (rank_sum - n_true * (n_true + 1) / 2) / (n_true * n_false)
