"""Statements of a lending core as files, and what is said of a bad one."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credit.core_statement import Statement, StatementLine, totals_of
from ops.errors import ConfigurationError
from tests.cli.test_commands import tideline
from tideline.statements import read_statement, write_statement

texts = st.text(min_size=1, max_size=8).filter(str.isprintable)
lines = st.lists(
    st.builds(
        StatementLine,
        line_id=texts,
        merchant_id=texts,
        product=texts,
        currency=st.sampled_from(["CNY", "USD"]),
        version=st.integers(0, 10**6),
        limit_minor=st.integers(0, 10**15),
        drawn_minor=st.integers(0, 10**15),
        frozen=st.booleans(),
        quarantined=st.booleans(),
    ),
    max_size=6,
    unique_by=lambda line: line.line_id,
)
positions = st.dictionaries(st.integers(0, 63), st.integers(0, 10**12), max_size=4)


@pytest.mark.parametrize("name", ["book.ndjson", "book.csv", "BOOK.CSV"])
@settings(deadline=None)
@given(found=lines, places=positions)
def test_a_statement_comes_back_from_its_file(
    tmp_path_factory: pytest.TempPathFactory,
    name: str,
    found: list[StatementLine],
    places: dict[int, int],
) -> None:
    path = tmp_path_factory.mktemp("statement") / name
    statement = Statement(lines=found, totals=totals_of(found), positions=places)
    write_statement(statement, path)
    assert read_statement(path) == statement
    assert [each.name for each in path.parent.iterdir()] == [name]


LINE = (
    '{"record":"line","line_id":"a","merchant_id":"m","product":"p","currency":"CNY",'
    '"version":1,"limit_minor":5,"drawn_minor":0,"frozen":false}\n'
)
TOTAL = '{"record":"total","currency":"CNY","lines":1,"limit_minor":5,"drawn_minor":0}\n'


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str, str], Path]:
    """Writes a file."""

    def write(name: str, text: str) -> Path:
        (tmp_path / name).write_text(text, "utf-8")
        return tmp_path / name

    return write


def test_a_statement_without_positions_counts_as_read_to_the_end(written) -> None:  # type: ignore[no-untyped-def]
    statement = read_statement(written("a.ndjson", LINE + "\n" + TOTAL))
    assert statement.positions == {}
    assert statement.lines[0].quarantined is False


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.ndjson", LINE, "the totals are not those of its 1 lines"),
        ("a.ndjson", LINE + LINE + TOTAL, "row 2: line a is there twice"),
        ("a.ndjson", LINE.replace('"limit_minor":5,', "") + TOTAL, "row 1.*limit_minor"),
        ("a.ndjson", LINE.replace(":5,", ':"five",') + TOTAL, "row 1.*limit_minor"),
        ("a.ndjson", LINE.replace('"line"', '"row"') + TOTAL, "row 1: `record` is 'row'"),
        ("a.ndjson", TOTAL.replace("}", ""), "row 1.*one JSON object a line, or name it .csv"),
        ("a.ndjson", "[1]\n", "row 1.*one JSON object a line"),
        ("a.ndjson", '{"record":"position","partition":0}', "row 1.*offset"),
        ("a.csv", "record,line_id\nline,a\n", "row 2.*merchant_id"),
        ("a.csv", "", None),
    ],
)
def test_a_bad_statement_is_refused_with_its_row_and_field(
    written,  # type: ignore[no-untyped-def]
    name: str,
    text: str,
    said: str | None,
) -> None:
    path = written(name, text)
    if said is None:
        assert read_statement(path).lines == []
        return
    with pytest.raises(ConfigurationError, match=said):
        read_statement(path)


def test_a_file_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"record\n\xff\n")
    with pytest.raises(ConfigurationError, match="UTF-8"):
        read_statement(tmp_path / "a.csv")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--statement", "a.csv", "--draw"), "are three commands"),
        (("--reconcile", "nowhere.csv"), "no such file"),
    ],
)
def test_wrong_usage_ends_with_two(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    done = tideline("lending-core", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert said in " ".join(done.stderr.split())


def test_a_kafka_that_does_not_answer_is_said_in_one_line(tmp_path: Path) -> None:
    nowhere = {"TIDELINE_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1"}
    done = tideline("lending-core", "--statement", "a.csv", cwd=tmp_path, **nowhere)
    assert done.returncode == 1
    assert "failed: Kafka at 127.0.0.1:1" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr and not (tmp_path / "a.csv").exists()
