"""Event files: what comes out is what was in them, in the order in which it arrived."""

import gzip
import itertools
from pathlib import Path

import cramjam
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ops.errors import ConfigurationError
from tideline.sources import estimate_total, open_sources
from tideline.sources.sample import sample_path

START = 1_760_000_000_000


def event(number: int, at: int | str = START) -> bytes:
    """One event's bytes."""
    return msgspec.json.encode(
        {
            "type": "order.paid",
            "event_id": f"e{number}",
            "merchant_id": f"m{number % 3}",
            "occurred_at": at,
            "amount": 5,
            "currency": "CNY",
        }
    )


def ids(records) -> list[str]:  # type: ignore[no-untyped-def]
    """Event ids of records that can be read."""
    return [msgspec.json.decode(r.value)["event_id"] for r in records]


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_lines_come_out_as_they_are_whatever_the_compression(tmp_path: Path, suffix: str) -> None:
    body = b"\n".join(event(n) for n in range(50)) + b"\n"
    packed = {"": body, ".gz": gzip.compress(body), ".zst": bytes(cramjam.zstd.compress(body))}
    path = tmp_path / f"events.ndjson{suffix}"
    path.write_bytes(packed[suffix])
    records = list(open_sources([path]))
    assert b"\n".join(r.value for r in records) + b"\n" == body
    assert [r.line for r in records] == list(range(1, 51))
    assert {(r.topic, r.source) for r in records} == {("merchant.transactions", str(path))}
    assert records[4].key == b"m1"


def test_broken_lines_keep_their_bytes_and_their_line_numbers(tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    path.write_bytes(event(1) + b"\n\n\xff{\r\n" + event(2))
    found = [(r.line, r.topic, r.value) for r in open_sources([path])]
    assert found == [
        (1, "merchant.transactions", event(1)),
        (3, None, b"\xff{"),
        (4, "merchant.transactions", event(2)),
    ]


def test_file_order_is_arrival_order_and_a_late_event_keeps_its_place(tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    path.write_bytes(b"\n".join([event(1, START + 10), event(2, START), event(3, START + 20)]))
    assert ids(open_sources([path])) == ["e1", "e2", "e3"]


def test_several_files_are_merged_by_time_and_each_keeps_its_own_order(tmp_path: Path) -> None:
    first, second = tmp_path / "a.ndjson", tmp_path / "b.jsonl"
    first.write_bytes(b"\n".join([event(1, START), event(2, START + 30), event(3, START + 5)]))
    second.write_bytes(b"\n".join([event(4, "2025-10-09T08:53:20.010Z"), event(5, START + 40)]))
    assert ids(open_sources([first, second])) == ["e1", "e4", "e2", "e3", "e5"]


def test_rows_of_parquet_become_events_without_their_nulls(tmp_path: Path) -> None:
    path = tmp_path / "events.parquet"
    table = pa.table(
        {
            "type": ["order.paid", "order.paid"],
            "event_id": ["e1", "e2"],
            "merchant_id": ["m", "m"],
            "occurred_at": pa.array([START, START + 1], pa.timestamp("ms")),
            "amount": [5, 7],
            "currency": ["CNY", "CNY"],
            "order_id": [None, "o"],
        }
    )
    pq.write_table(table, path)
    first, second = (msgspec.json.decode(r.value) for r in open_sources([path]))
    assert "order_id" not in first
    assert second["order_id"] == "o"
    assert first["occurred_at"] == START
    assert estimate_total([path]) == 2


def test_an_empty_file_has_no_events(tmp_path: Path) -> None:
    path = tmp_path / "none.ndjson"
    path.write_bytes(b"")
    assert list(open_sources([path])) == []


def test_what_is_not_a_file_of_events_is_said_so(tmp_path: Path) -> None:
    text = tmp_path / "events.txt"
    text.write_text("hello")
    with pytest.raises(ConfigurationError, match="unknown kind of file"):
        list(open_sources([text]))
    columns = tmp_path / "other.parquet"
    pq.write_table(pa.table({"a": [1]}), columns)
    with pytest.raises(ConfigurationError, match="no column `type`"):
        list(open_sources([columns]))
    damaged = tmp_path / "bad.ndjson.gz"
    damaged.write_bytes(b"not gzip")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        list(open_sources([damaged]))
    with pytest.raises(FileNotFoundError):
        list(open_sources([tmp_path / "missing.ndjson"]))
    with pytest.raises(ConfigurationError, match="--format is 'nonsense'"):
        open_sources([text], "nonsense")


def test_the_bundled_sample_is_events_in_order() -> None:
    records = list(itertools.islice(open_sources([sample_path()]), 2_000))
    times = [r.occurred_at for r in records]
    assert all(t is not None for t in times)
    assert times == sorted(times)
    assert sample_path().stat().st_size < 5 << 20
