"""The users file on the disc: read at start, and again when it changes."""

import logging
import os
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path

from desk.users import FORM, Users, load_users
from ops.errors import ConfigurationError
from schemas.strict_yaml import DocumentError

log = logging.getLogger(__name__)

VARIABLE = "TIDELINE_DESK__USERS_FILE"
LOOK_S = 1.0
"""The file is looked at no more often, and only when somebody asks for something."""

_Mark = tuple[int, int, int]


def read_users(path: Path) -> Users:
    """The users of a file. Raises ``ConfigurationError`` with file, line, entry and remedy."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            raw = file.read(FORM.bytes_max + 1)
    except OSError as error:
        raise ConfigurationError(
            f"{path}: {error.strerror}; make it with `tideline users add`, or correct {VARIABLE}"
        ) from None
    if mode & stat.S_IWOTH:
        raise ConfigurationError(f"{path}: everybody may write it; `chmod 600` it")
    try:
        return load_users(raw.decode("utf-8"))
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path}: not UTF-8; save it as UTF-8") from None
    except DocumentError as error:
        raise ConfigurationError(f"{path}: {error}") from None


class UsersFile:
    """Users as of now. A file that became invalid is refused, logged and counted; the old stay.

    Raises ``ConfigurationError`` where the file is invalid at the start.
    """

    def __init__(
        self,
        path: Path,
        *,
        refused: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        self._refused = refused
        self._clock = clock
        self._lock = threading.Lock()
        # The mark is taken first: a change between the two is seen at the next look.
        self._mark = self._marked()
        self._users = read_users(path)
        self._looked_at = clock()

    def now(self) -> Users:
        """The users in force."""
        return self._users

    def is_due(self) -> bool:
        """Whether it is time for another look; true for one who asks, who then has to look."""
        now = self._clock()
        with self._lock:
            if now - self._looked_at < LOOK_S:
                return False
            self._looked_at = now
            return True

    def look(self) -> None:
        """Read the file again if it has changed."""
        mark = self._marked()
        if mark == self._mark:
            return
        self._mark = mark
        try:
            self._users = read_users(self._path)
        except ConfigurationError as error:
            self._refused()
            log.error("users_file_refused", extra={"error": str(error)})
        else:
            log.info("users_file_read", extra={"path": str(self._path)})

    def _marked(self) -> _Mark | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino
