"""From outcomes to labels that may be learnt: once each, ripe, through the quarantine, in portions.

Whatever comes, a day with a hundred times the usual labels included, what is learnt in one step and
what is held in memory are bounded.
"""

from collections import deque
from collections.abc import Sequence

import msgspec
from msgspec import Struct, field

from detectors.labels import DAY_MS, TEACHINGS, Labelled, Teaching, admit, stands
from detectors.quarantine import Held, Quarantine
from detectors.ripening import PREFIX as RIPENING_PREFIX
from detectors.ripening import Ripening
from detectors.snapshots import Snapshot

MATURITY_MS = 30 * DAY_MS
"""An outcome is learnt on features from at least so long before it, where there are any."""
GOOD_WAITS_MS = 30 * DAY_MS
"""A good outcome is learnt so much later: bad ones of the same loans are known by then. Learnt as
they come, the good first, probabilities would be far too low."""
STEP_MAX = 20
"""Labels learnt in one step; the others wait for the next."""
_VERDICT = "verdict_"
_KEY, _QUARANTINE_KEY, _VERDICTS_KEY = b"labelling", b"quarantine", b"verdicts"
"""Items of their own: each may hold thousands of labels, and a record of Kafka has its bound."""
_LABELLED_PREFIX = b"labelled/"
_OF_LOANS = Teaching(bad=True)
"""Stands for the teaching of labels from before their outcome was noted."""


class Case(Struct, frozen=True, array_like=True):
    """What is learnt from one outcome: the merchant as it was known before, and whose it is."""

    snapshot: Snapshot
    exposure_minor: int
    merchant_id: str = ""
    outcome: str = ""
    loan: str | None = None


class Counters(Struct, kw_only=True):
    """Progress of the learner.

    ``outcomes`` counts what came, by outcome; ``labels_repeated`` are of loans labelled before,
    ``labels_superseded`` waited and were no longer true, ``labels_thinned`` were left out to give
    the others their weight, ``labels_given_up`` are of bursts that did not last or found no room.
    ``rolled_back`` counts roll-backs that the contest followed, ``rollbacks_unknown`` those to a
    version that it does not have.
    """

    published: int = 0
    learned: int = 0
    outcomes_without_history: int = 0
    labels_ripening: int = 0
    labels_held: int = 0
    labels_given_up: int = 0
    labels_repeated: int = 0
    labels_superseded: int = 0
    labels_thinned: int = 0
    rolled_back: int = 0
    rollbacks_unknown: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)


class _State(Struct, kw_only=True):
    ready: list[Held]
    waited: dict[str, int]
    found_no_room: int


class Labelling:
    """All labels that are not learnt yet, and what is known of those that are.

    Verdicts have a quarantine of their own, ``verdicts``: their share of bad ones is another.
    """

    def __init__(self, counters: Counters) -> None:
        self.counters = counters
        self.quarantine = Quarantine()
        self.verdicts = Quarantine()
        self.ripening = Ripening()
        self._ready: deque[Held] = deque()
        self._waited: dict[str, int] = {}
        self._found_no_room = 0
        self._labelled: dict[str, Labelled] = {}
        self._changed: dict[str, None] = {}
        self._state_changed = False
        self._quarantines_changed: dict[bytes, None] = {}

    def take(
        self,
        merchant_id: str,
        outcome: str,
        of: str | None,
        *,
        at: int,
        exposure_minor: int,
        snapshots: Sequence[Snapshot],
    ) -> None:
        """An outcome that came at ``at`` (epoch ms), with the merchant's snapshots until then.

        ``of`` is the loan, or for a verdict the alert, that it is about, None where it has no name.
        """
        counts = self.counters.outcomes
        counts[outcome] = counts.get(outcome, 0) + 1
        teaching = TEACHINGS.get(outcome)
        if teaching is None:
            return
        if not snapshots:
            self.counters.outcomes_without_history += 1
            return
        loan = None if outcome.startswith(_VERDICT) else of
        self._changed[merchant_id] = None
        labelled = self._labelled.setdefault(merchant_id, Labelled())
        if not admit(labelled, outcome, loan, at):
            self.counters.labels_repeated += 1
            return
        mature = [s for s in snapshots if s.as_of <= at - MATURITY_MS]
        snapshot = mature[-1] if mature else snapshots[0]
        case = Case(snapshot, exposure_minor, merchant_id, outcome, loan)
        label = Held(at, teaching.bad, msgspec.msgpack.encode(case))
        if not teaching.waits:
            self._pass_on(label, teaching)
        elif not self.ripening.put(label):
            self._found_no_room += 1
            self._state_changed = True
        self._count()

    def ripen(self, now_ms: int) -> None:
        """Pass on what is old enough at ``now_ms``, as far as what is ready leaves room."""
        room = STEP_MAX - len(self._ready)
        if room > 0:
            for label in self.ripening.take(now_ms - GOOD_WAITS_MS, room):
                self._ripe(label)
            self._count()

    def ready(self) -> list[tuple[Held, Case, bool]]:
        """The labels to learn now, at most ``STEP_MAX``: each with its case, and if it judges."""
        found: list[tuple[Held, Case, bool]] = []
        while self._ready and len(found) < STEP_MAX:
            label = self._ready.popleft()
            case = msgspec.msgpack.decode(label.snapshot, type=Case)
            self._state_changed = True
            if not case.snapshot.fits:  # it waited since another release
                self.counters.outcomes_without_history += 1
                continue
            found.append((label, case, TEACHINGS.get(case.outcome, _OF_LOANS).of_loans))
        return found

    def _ripe(self, label: Held) -> None:
        case = msgspec.msgpack.decode(label.snapshot, type=Case)
        teaching = TEACHINGS.get(case.outcome, _OF_LOANS)
        labelled = self._labelled.get(case.merchant_id)
        if labelled is not None and not stands(labelled, case.outcome, case.loan, label.at):
            self.counters.labels_superseded += 1
            return
        if teaching.every > 1:
            waited = self._waited[case.outcome] = self._waited.get(case.outcome, 0) + 1
            self._state_changed = True
            if waited % teaching.every:
                self.counters.labels_thinned += 1
                return
        self._pass_on(label, teaching)

    def _pass_on(self, label: Held, teaching: Teaching) -> None:
        quarantine = self.quarantine if teaching.of_loans else self.verdicts
        self._quarantines_changed[_QUARANTINE_KEY if teaching.of_loans else _VERDICTS_KEY] = None
        self._ready.extend(quarantine.take(label))
        self._state_changed = True

    def _count(self) -> None:
        both = self.quarantine, self.verdicts
        self.counters.labels_ripening = len(self.ripening)
        self.counters.labels_held = sum(len(each.held) for each in both)
        self.counters.labels_given_up = sum(each.dropped for each in both) + self._found_no_room

    # --- state -----------------------------------------------------------------------------

    def dirty(self) -> list[tuple[bytes, bytes | None]]:
        """Items that changed since the last call; None for one that is gone."""
        items: list[tuple[bytes, bytes | None]] = [
            (_LABELLED_PREFIX + name.encode(), msgspec.msgpack.encode(self._labelled[name]))
            for name in self._changed
        ]
        items += self.ripening.dirty()
        for key in self._quarantines_changed:
            quarantine = self.quarantine if key == _QUARANTINE_KEY else self.verdicts
            items.append((key, msgspec.msgpack.encode(quarantine)))
        if self._state_changed:
            state = _State(
                ready=list(self._ready),
                waited=self._waited,
                found_no_room=self._found_no_room,
            )
            items.append((_KEY, msgspec.msgpack.encode(state)))
        self._changed.clear()
        self._quarantines_changed.clear()
        self._state_changed = False
        return items

    def restore(self, key: bytes, raw: bytes) -> bool:
        """Take one item of the state; False if it is not one of these."""
        if key == _KEY:
            state = msgspec.msgpack.decode(raw, type=_State)
            self._ready, self._waited = deque(state.ready), state.waited
            self._found_no_room = state.found_no_room
        elif key == _QUARANTINE_KEY:
            self.quarantine = msgspec.msgpack.decode(raw, type=Quarantine)
        elif key == _VERDICTS_KEY:
            self.verdicts = msgspec.msgpack.decode(raw, type=Quarantine)
        elif key.startswith(_LABELLED_PREFIX):
            name = key.removeprefix(_LABELLED_PREFIX).decode()
            self._labelled[name] = msgspec.msgpack.decode(raw, type=Labelled)
        elif key.startswith(RIPENING_PREFIX):
            self.ripening.restore(key, raw)
        else:
            return False
        return True
