"""Errors that end a command with a clear line.

TidelineError
  ConfigurationError   wrong settings or usage: exit code 2, nothing was done
  FatalError           the process must end; a restart restores: exit code 1
  RetryableError       the same call may succeed later
"""


class TidelineError(Exception):
    """Root of all errors that carry their own remedy."""


class ConfigurationError(TidelineError):
    """Settings or arguments are wrong."""


class FatalError(TidelineError):
    """This process cannot go on."""


class RetryableError(TidelineError):
    """Try again later."""
