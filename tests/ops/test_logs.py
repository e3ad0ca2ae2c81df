"""Logs: one JSON object a line, or plain text that no value can forge."""

import json
import logging
import warnings
from collections.abc import Iterator

import pytest

from ops.logs import configure_logging
from ops.settings import Log, Settings


@pytest.fixture(autouse=True)
def restored_logging() -> Iterator[None]:
    """The process's logging as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    root.setLevel(level)


def _lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    captured = capsys.readouterr()
    assert captured.out == "", "standard output belongs to results"
    return captured.err.splitlines()


def test_a_record_is_one_json_object_with_its_fields(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(Settings())
    logging.getLogger("streams.runtime").info("restored", extra={"partition": 3, "name_zh": "潮"})
    (line,) = _lines(capsys)
    found = json.loads(line)
    assert found.pop("at").endswith("+00:00")
    assert found == {
        "level": "info",
        "logger": "streams.runtime",
        "event": "restored",
        "partition": 3,
        "name_zh": "潮",
    }


def test_an_exception_stays_on_the_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(Settings())
    try:
        raise ValueError("two\nlines")
    except ValueError:
        logging.getLogger("x").exception("worker_ends")
    (line,) = _lines(capsys)
    assert "ValueError: two\nlines" in json.loads(line)["exception"]


def test_a_field_cannot_replace_what_every_line_has(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(Settings())
    logging.getLogger("x").warning("real", extra={"event": "forged", "level": "debug"})
    (line,) = _lines(capsys)
    assert (json.loads(line)["event"], json.loads(line)["level"]) == ("real", "warning")


@pytest.mark.parametrize("format_", ["json", "console"])
def test_a_value_cannot_forge_a_line(format_: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(Settings(log=Log(format=format_)))  # type: ignore[arg-type]
    logging.getLogger("x").warning("got %s", "a\nb\x1b[2J", extra={"key": "c\r\nd"})
    (line,) = _lines(capsys)
    assert "\x1b" not in line and "\\n" in line and "\\r" in line


def test_the_console_shows_fields_and_tracebacks(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(Settings(log=Log(format="console")))
    try:
        raise ValueError("潮")
    except ValueError:
        logging.getLogger("x").exception("ends", extra={"partition": 3})
    lines = _lines(capsys)
    assert lines[0].endswith("ERROR x ends partition=3")
    assert lines[-1] == "ValueError: 潮"


def test_the_level_holds_and_chatty_libraries_are_held_to_warnings(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logging(Settings(log=Log(level="DEBUG")))
    logging.getLogger("x").debug("shown")
    for name in ("faust", "mode.worker", "aiokafka.consumer"):
        logging.getLogger(name).info("chat")
        logging.getLogger(name).warning("trouble")
    assert [json.loads(line)["event"] for line in _lines(capsys)] == ["shown", *["trouble"] * 3]


def test_warnings_are_logged_and_not_printed(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(Settings())
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        warnings.warn("old", stacklevel=1)
    (line,) = _lines(capsys)
    assert json.loads(line)["logger"] == "py.warnings"
