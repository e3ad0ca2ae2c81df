"""Which features say nothing for a merchant while feeds are quiet for everyone.

A feature is not available to a merchant that has used a quiet feed which the feature needs: one of
its ``feeds`` in the catalogue, which are also those of the sales that it divides by or counts.
Presence is of all feeds together: while any of the event feeds that a merchant uses is quiet, it
may be silent only because its feed is, so ``silence_days`` and ``active_days_28d`` say nothing.
``tenure_days`` and ``silence_usual_days`` look at the past and stay. Lending is no business of the
merchant: it takes only its own features.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.catalogue import CATALOGUE
from features.feeds import FEED_NAMES
from features.layout import entry


def feeds_mask(names: tuple[str, ...]) -> int:
    """The mask of feeds by name."""
    return sum(1 << feed for feed, name in enumerate(FEED_NAMES) if name in names)


def feeds_named(mask: int) -> tuple[str, ...]:
    """Inverse of ``feeds_mask``, in the order of the codes."""
    return tuple(name for feed, name in enumerate(FEED_NAMES) if mask >> feed & 1)


NEEDS: NDArray[np.uint8] = np.array([feeds_mask(f.feeds) for f in CATALOGUE], np.uint8)
"""The mask of the feeds that each feature needs, in vector order."""
NEEDS.setflags(write=False)


@entry
def _mask(vector: Any, needs: Any, lost: int) -> None:
    for i in range(vector.size):
        if needs[i] & lost:
            vector[i] = np.nan


def mask(vector: NDArray[np.float64], quiet: int, used: int) -> None:
    """Set what is not available to NaN, in place.

    ``vector`` is in catalogue order, ``quiet`` the mask of quiet feeds (``feeds.quiet_feeds``),
    ``used`` that of the feeds on which the merchant was ever heard of.
    """
    lost = quiet & used
    if lost:
        _mask(vector, NEEDS, lost)
