"""Labels that wait until bad outcomes of their age are known, the oldest first.

Each is an item of state of its own, so that what is written is what changed, however many wait.
"""

import heapq

import msgspec

from detectors.quarantine import Held

WAITING_MAX = 200_000
"""Labels that wait, about 100 MB; beyond it new ones are given up, and counted. Those that wait
are good outcomes and verdicts, of which there is no lack then."""
PREFIX = b"ripening/"


class Ripening:
    """The waiting labels, in the order of their event time, equal ones in order of arrival."""

    def __init__(self) -> None:
        self._queue: list[tuple[int, int, Held]] = []
        self._next = 0
        self._changed: dict[int, Held | None] = {}

    def __len__(self) -> int:
        return len(self._queue)

    def put(self, label: Held) -> bool:
        """Let a label wait; False if there are too many already."""
        if len(self._queue) >= WAITING_MAX:
            return False
        heapq.heappush(self._queue, (label.at, self._next, label))
        self._changed[self._next] = label
        self._next += 1
        return True

    def take(self, until: int, most: int) -> list[Held]:
        """At most ``most`` labels of ``until`` (event time, epoch ms) or before; they are gone."""
        taken: list[Held] = []
        while self._queue and self._queue[0][0] <= until and len(taken) < most:
            _, number, label = heapq.heappop(self._queue)
            taken.append(label)
            if self._changed.get(number) is None:
                self._changed[number] = None
            else:
                del self._changed[number]  # it came and went since the last commit
        return taken

    def dirty(self) -> list[tuple[bytes, bytes | None]]:
        """Items that changed since the last call; None for a label that is gone."""
        items = [
            (PREFIX + b"%020d" % number, None if label is None else msgspec.msgpack.encode(label))
            for number, label in self._changed.items()
        ]
        self._changed.clear()
        return items

    def restore(self, key: bytes, raw: bytes) -> None:
        """Take one item of the state."""
        number = int(key.removeprefix(PREFIX))
        label = msgspec.msgpack.decode(raw, type=Held)
        heapq.heappush(self._queue, (label.at, number, label))
        self._next = max(self._next, number + 1)
