"""How an attempt to deliver ends, when it does not end well."""

from ops.errors import RetryableError, TidelineError


class Failed(RetryableError):
    """It may go better later; ``wait_s`` is the pause that the endpoint asked for, 0 if none."""

    def __init__(self, why: str, wait_s: float = 0.0) -> None:
        super().__init__(why)
        self.wait_s = wait_s


class Refused(TidelineError):
    """The endpoint says that this message is wrong: it will say so again."""
