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
from detectors.boosted import GROW_EARLY
from detectors.contest import Contest
from detectors.floors import FLOORS
from features.catalogue import NAMES
from features.engine import EngineConfig, FeatureEngine
from features.texts import json_texts


def load_machine_code() -> None:
    """Load all compiled code, from the cache where it has it; other processes wait meanwhile.

    To be called by every process that scores or learns, before it does.
    """
    folder = os.environ.get("NUMBA_CACHE_DIR", tempfile.gettempdir())
    with Path(folder, f"tideline-{os.getuid()}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        FeatureEngine(EngineConfig(dedup_events=1))
        vectors = np.zeros((1, len(NAMES)))
        json_texts(vectors)
        HISTORY.met_by_each(vectors)
        contest = Contest()
        for _ in range(GROW_EARLY):
            contest.learn({}, False, at=0, naive=[0.0] * len(FLOORS))
        for each in contest.challengers.values():
            judge(vectors, each.to_model(version="none", parent=None, trained_until=0))
        rate(BLANK, vectors, [""])
