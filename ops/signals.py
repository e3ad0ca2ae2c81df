"""A graceful stop: the first SIGTERM or SIGINT asks for it, the second one insists."""

import signal
import threading
from types import FrameType


class StopFlag:
    """Set when the process should end."""

    def __init__(self) -> None:
        self._event = threading.Event()

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
        self._event.set()

    def is_set(self) -> bool:
        """Whether the stop was asked for."""
        return self._event.is_set()

    def wait(self, timeout_s: float) -> bool:
        """Wait for the stop, at most so long; returns whether it was asked for."""
        return self._event.wait(timeout_s)
