"""The anomaly scores as candidates that never see a label."""

from itertools import pairwise

import numpy as np

from detectors.anomaly import distance_scores, own_distances
from detectors.anomaly_learning import WARM_UP
from detectors.floors import centred
from features.catalogue import INDEX
from tests.detectors.usual import usual
from tests.evaluation.test_report import asked
from tideline.evaluation import judge
from tideline.evaluation.unlabelled import TITLES, Unlabelled
from tideline.evaluation.watch import Batch


def test_the_distance_speaks_until_enough_is_learnt_and_odd_ones_come_first_then() -> None:
    tried = Unlabelled()
    vectors = usual(40, 3)
    vectors[7, INDEX["late_delivery_share_28d"]] = 0.9
    first = tried.score(vectors)
    distances = centred(distance_scores(own_distances(vectors).total))
    assert first["anomaly"].tolist() == first["robust-distance"].tolist() == distances.tolist()
    tried.learn([f"m{i}" for i in range(WARM_UP)], usual(WARM_UP, 1), [0] * WARM_UP)
    assert int(np.argmax(tried.score(vectors)["anomaly"])) == 7
    assert tried.score(vectors)["robust-distance"].tolist() == distances.tolist()


def test_labels_change_nothing_and_the_scores_are_no_floors() -> None:
    cases = asked()
    turned = cases._replace(labels=~cases.labels)
    found = []
    for each in (cases, turned):
        vectors = usual(len(each.at), 2)
        rows = np.full((len(each.at), 1), np.nan)
        edges = [0, *(np.flatnonzero(np.diff(each.at)) + 1).tolist(), len(each.at)]
        batches = [(Batch(a, b, vectors[a:b]), rows[a:b]) for a, b in pairwise(edges)]
        made = judge.in_time(
            each, batches, chosen=(), seeds=1, negatives=1.0, progress=lambda done: None
        )
        assert made.unlabelled == frozenset(TITLES) and not made.probabilities
        found.append([made.scores[name][0].tolist() for name in TITLES])
    assert found[0] == found[1] and len(found[0][0]) == len(cases.at)
