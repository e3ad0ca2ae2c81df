"""Parts of pages that many look at, made once for each state of the store."""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, NamedTuple, TypeVar

Version = tuple[int, ...]
"""A state of the store; a later one is greater."""

KEPT_MAX = 500

T = TypeVar("T")


class Fragment(NamedTuple):
    """HTML and the digest by which a browser says that it shows it already."""

    html: str
    digest: str


def fragment(html: str) -> Fragment:
    """HTML with its digest."""
    return Fragment(html, hashlib.sha256(html.encode()).hexdigest()[:16])


class _Slot(Generic[T]):
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.version: Version = ()
        self.value: T | None = None


class Cache(Generic[T]):
    """Values by key, each as of a version or later. Of those who ask at once, one makes it for all.

    The key holds everything that the value depends on besides the version: above all the scope.
    """

    def __init__(self, kept_max: int = KEPT_MAX) -> None:
        self._kept_max = kept_max
        self._lock = threading.Lock()
        self._slots: OrderedDict[Hashable, _Slot[T]] = OrderedDict()

    def get(self, key: Hashable, version: Version, make: Callable[[], T]) -> T:
        """The value at ``version`` or later, made where there is none; raises what ``make`` does.

        Whoever waited while somebody else made a later one takes that, however old its own version
        is by then: else many who wait would make it one after the other.
        """
        with self._lock:
            slot = self._slots.setdefault(key, _Slot())
            self._slots.move_to_end(key)
            while len(self._slots) > self._kept_max:
                self._slots.popitem(last=False)
        with slot.lock:
            if slot.value is None or slot.version < version:
                slot.value, slot.version = make(), version
            return slot.value
