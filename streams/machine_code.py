"""The machine code of features and detectors, compiled or loaded by one process at a time.

Numba's cache has no lock: it enters code in its index before it writes the file, and a process that
reads in between runs what an older version left there. Processes that start together must not.
"""

import fcntl
import os
import tempfile
from pathlib import Path

import numpy as np

from detectors.anomaly_score import BLANK, rate
from detectors.assess import HISTORY, judge
from detectors.boosted import GROW_EARLY, BoostedTrees
from detectors.contest import Contest
from detectors.default_risk import PRIOR_MODEL, PRIOR_SCORECARD
from detectors.floors import FLOORS
from features.catalogue import NAMES
from features.engine import EngineConfig, FeatureEngine
from features.texts import json_texts


def load_machine_code(*, learns: bool = False) -> None:
    """Load all compiled code, from the cache where it has it; other processes wait meanwhile.

    To be called by every process that scores, before its first ``FeatureEngine``, and by one that
    ``learns`` before its first label.
    """
    folder = os.environ.get("NUMBA_CACHE_DIR", tempfile.gettempdir())
    with Path(folder, f"tideline-{os.getuid()}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        FeatureEngine(EngineConfig(dedup_events=1))
        vectors = np.zeros((1, len(NAMES)))
        json_texts(vectors)
        HISTORY.met_by_each(vectors)
        boosted = BoostedTrees.from_model(PRIOR_MODEL)
        unlearnt = boosted.to_model(version="unlearnt", parent=None, trained_until=0)
        for model in (PRIOR_MODEL, PRIOR_SCORECARD, unlearnt):
            judge(vectors, model)
        rate(BLANK, vectors, [""])
        if learns:
            contest = Contest()
            for _ in range(GROW_EARLY):
                contest.learn({}, False, at=0, naive=[0.0] * len(FLOORS))
