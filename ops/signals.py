"""A graceful stop: the first SIGTERM or SIGINT asks for it, the second one insists."""

import queue
import signal
from types import FrameType


class StopFlag:
    """Set when the process should end."""

    def __init__(self) -> None:
        # A handler runs between two instructions of the main thread, which may hold the lock of a
        # threading.Event just then; put() of a SimpleQueue is made for that.
        self._asked = False
        self._wake: queue.SimpleQueue[None] = queue.SimpleQueue()

    @classmethod
    def install(cls) -> "StopFlag":
        """A flag that SIGTERM and SIGINT set; a second signal ends the process as usual."""
        flag = cls()

        def handle(number: int, _frame: FrameType | None) -> None:
            flag.set()
            signal.signal(number, signal.SIG_DFL)

        signal.signal(signal.SIGTERM, handle)
        signal.signal(signal.SIGINT, handle)
        return flag

    def set(self) -> None:
        """Ask for the stop."""
        self._asked = True
        self._wake.put(None)

    def is_set(self) -> bool:
        """Whether the stop was asked for."""
        return self._asked

    def wait(self, timeout_s: float) -> bool:
        """Wait for the stop, at most so long; returns whether it was asked for."""
        if not self._asked:
            try:
                self._wake.get(timeout=max(timeout_s, 0.0))
            except queue.Empty:
                return self._asked
            self._wake.put(None)  # for whoever waits besides
        return self._asked
