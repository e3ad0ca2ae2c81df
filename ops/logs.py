"""Logging: one JSON object a line (or plain text), event names in snake_case, no personal data."""

import json
import logging
import sys
from datetime import UTC, datetime

from ops.settings import Settings

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """A record as one JSON line with its extra fields."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {
            "at": at,
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        line |= {k: v for k, v in vars(record).items() if k not in _STANDARD and k not in line}
        return json.dumps(line, default=str, ensure_ascii=False)


class ConsoleFormatter(logging.Formatter):
    """A record as plain text with its extra fields; only a traceback takes further lines."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The text before a traceback. A control character in a value cannot forge a line."""
        extra = (f" {k}={v}" for k, v in vars(record).items() if k not in _STANDARD)
        text = super().formatMessage(record) + "".join(extra)
        return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def configure_logging(settings: Settings) -> None:
    """Send all logging, librdkafka's and Faust's included, to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    if settings.log.format == "json":
        handler.setFormatter(JsonFormatter())
    else:
        handler.setFormatter(ConsoleFormatter())
    logging.basicConfig(level=settings.log.level, handlers=[handler], force=True)
    logging.captureWarnings(True)
    for noisy in ("aiokafka", "faust", "mode", "asyncio"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, logging.getLogger().level))
