"""When a merchant is looked at, and what bounds the clock."""

from enum import IntEnum
from typing import NamedTuple

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from features.layout import DAY_MS


class Trigger(IntEnum):
    """Why a merchant is due an assessment (see ``EngineConfig`` for the timers)."""

    BUCKET_CLOSE = 1
    IDLE_CHECK = 2
    EVENT = 4
    LENDING = 8
    PROFILE = 16
    COMMAND = 32
    CONTROL = 64
    SILENCE_CHECK = 128
    OVERDUE_CHECK = 256


class Due(NamedTuple):
    """A merchant that is due at ``as_of`` (epoch ms).

    ``line`` is the place of the line in the batch, -1 for a timer; ``slot`` the merchant's row, -1
    for a line that concerns all; ``vector`` float64 in catalogue order, NaN where not available,
    its lending part left NaN for ``LendingBook.fill``.
    """

    line: int
    slot: int
    trigger: int
    as_of: int
    vector: NDArray[np.float64]


class EngineConfig(Struct, kw_only=True, frozen=True):
    """What bounds the clock and the cadence; part of what makes a replay equal.

    The watermark trails the latest event time by ``lateness_ms``; one merchant's events move that
    time by at most ``step_ms`` each; a clock tick moves it only from within ``live_distance_ms``.
    Duplicates are known among the last ``dedup_events`` lines.

    *Events that matter* make their merchant due at once, at most once per
    ``event_trigger_gap_ms``: a refund, dispute, voided invoice, court case as defendant,
    dishonoured bill, change of the register, failed payment or lost parcel; and the sale at which
    the sales of its clock hour reach max(20, 6 x (sales of days 2-28, counted from its day) / 27),
    rounded up.

    Of merchants that are *watched* (``FeatureEngine.watch``) every parcel delivered or returned,
    settlement, refund, invoice issued or voided, and bill makes them due.

    *Timers* make a merchant due when the watermark reaches a deadline, a multiple of an hour;
    ``as_of`` is the millisecond before it. One deadline makes a merchant due once, under the first
    name of these that fits:

    - BUCKET_CLOSE: the end of each ``close_hours`` of the day (a divisor of 24) in which it had a
      business event.
    - SILENCE_CHECK: the end of the clock hour 24, and again 48, hours after that of its latest
      activity, where it was active on 20 or more of days 2-29 as of then.
    - OVERDUE_CHECK: the end of each day for which a promise is still open.
    - IDLE_CHECK: 1, 2, 4 ... 64 days after its last bucket's close; and deadlines set by
      ``FeatureEngine.set_lending_deadline``: lending's, and the end of a snooze.

    Checks other than the close are looked up when a bucket closes, a check passes, or an event
    comes too late for its bucket's close; one whose cause is gone when it passes is left out.
    """

    lateness_ms: int = 3_600_000
    step_ms: int = DAY_MS
    live_distance_ms: int = 3_600_000
    event_trigger_gap_ms: int = 3_600_000
    dedup_events: int = 1 << 20
    close_hours: int = 24

    def __post_init__(self) -> None:
        if self.dedup_events < 1:
            raise ValueError(f"dedup_events is {self.dedup_events}; set 1 or more")
        if self.close_hours < 1 or 24 % self.close_hours:
            raise ValueError(f"close_hours is {self.close_hours}; set a divisor of 24")
        for name in ("lateness_ms", "step_ms", "live_distance_ms", "event_trigger_gap_ms"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}; set 0 or more")
