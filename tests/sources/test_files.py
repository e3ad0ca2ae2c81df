"""Event files: what comes out is what was in them, in the order in which it arrived."""

import datetime
import gzip
import io
import itertools
from decimal import Decimal
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


def test_parquet_as_tables_of_data_frames_have_it(tmp_path: Path) -> None:
    path = tmp_path / "events.parquet"
    table = pa.table(
        {
            "type": pa.array(["order.paid", "order.paid"]).dictionary_encode(),
            "occurred_at": pa.array([datetime.date(2025, 1, 1)] * 2),
            "promised_at": pa.array([START * 1000 + 1] * 2, pa.timestamp("us", "Asia/Shanghai")),
            "amount": [5.0, float("nan")],
            "tax": [Decimal("5.00"), Decimal("5.25")],
            "share": [0.5, float("inf")],
        }
    )
    pq.write_table(table, path)
    first, second = (r.value for r in open_sources([path]))
    assert msgspec.json.decode(first) == {
        "type": "order.paid",
        "occurred_at": 1_735_689_600_000,
        "promised_at": START,
        "amount": 5,
        "tax": 5,
        "share": 0.5,
    }
    assert second.endswith(b'"tax":"5.25","share":Infinity}')  # for intake to refuse
    assert b"amount" not in second


@pytest.mark.parametrize(
    ("fields", "topic", "key", "at"),
    [
        (b'"type":"loan.settled","merchant_id":"m","occurred_at":1760000000000.0', 1, b"m", START),
        (b'"type":"loan.settled","merchant_id":5,"occurred_at":1760000000000', 1, None, START),
        (b'"type":"loan.settled","merchant_id":"m","occurred_at":1760000000', 1, b"m", None),
        (b'"type":"loan.settled","merchant_id":"","occurred_at":"soon"', 1, None, None),
        (b'"type":"loan.settled","occurred_at":"2025-10-09t16:53:20+08:00"', 1, None, START),
        (b'"type":["loan.settled"],"merchant_id":"m"', 0, b"m", None),
        (b'"type":"loan.settled","merchant_id":"m","amount":NaN', 0, None, None),
    ],
)
def test_a_line_is_routed_by_what_can_be_read_of_it(
    tmp_path: Path, fields: bytes, topic: int, key: bytes | None, at: int | None
) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"{" + fields + b"}")
    (record,) = open_sources([path])
    assert record.topic == ("lending.events" if topic else None)
    assert (record.key, record.occurred_at) == (key, at)


def test_a_time_that_is_a_slip_does_not_hold_its_file_back(tmp_path: Path) -> None:
    first, second = tmp_path / "a.ndjson", tmp_path / "b.ndjson"
    slip = START * 1_000_000
    first.write_bytes(b"\n".join([event(1), event(2, slip), event(3, START + 1)]))
    second.write_bytes(b"\n".join([event(4, START + 2), event(5, START + 3)]))
    assert ids(open_sources([first, second])) == ["e1", "e2", "e3", "e4", "e5"]


def test_a_line_without_a_time_stays_behind_the_one_before_it(tmp_path: Path) -> None:
    first, second = tmp_path / "a.ndjson", tmp_path / "b.ndjson"
    first.write_bytes(b"\n".join([event(1), b"broken", event(2, START + 5)]))
    second.write_bytes(b"\n".join([event(3), event(4, START + 1)]))
    found = [(Path(r.source).stem, r.line) for r in open_sources([second, first])]
    assert found == [("b", 1), ("a", 1), ("a", 2), ("b", 2), ("a", 3)]


@pytest.mark.parametrize(
    ("suffix", "damage"), [(".gz", "cut"), (".zst", "cut"), (".gz", "changed")]
)
def test_a_damaged_archive_is_told_after_the_lines_before_it(
    tmp_path: Path, suffix: str, damage: str
) -> None:
    body = b"".join(event(n, START + (n * 7919) % 100_003) + b"\n" for n in range(40_000))
    packed = bytearray(gzip.compress(body) if suffix == ".gz" else cramjam.zstd.compress(body))
    if damage == "cut":
        del packed[-2_000:]
    else:
        middle = len(packed) * 3 // 4
        packed[middle : middle + 64] = bytes(64)
    path = tmp_path / f"events.ndjson{suffix}"
    path.write_bytes(packed)
    read = []
    with pytest.raises(ConfigurationError, match=f"ndjson{suffix}: cannot be read further"):
        read.extend(r.line for r in open_sources([path]))
    assert len(read) > 1_000


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_the_number_of_lines_is_guessed_from_the_first_of_them(tmp_path: Path, suffix: str) -> None:
    body = b"".join(event(n, START + (n * 7919) % 100_003) + b"\n" for n in range(60_000))
    packed = {"": body, ".gz": gzip.compress(body), ".zst": bytes(cramjam.zstd.compress(body))}
    path = tmp_path / f"events.ndjson{suffix}"
    path.write_bytes(packed[suffix])
    guess = estimate_total([path])
    assert guess is not None
    assert 45_000 < guess < 75_000
    assert estimate_total([path, "-"]) is None
    path.write_bytes(b"")
    assert estimate_total([path]) == 0


def test_standard_input_is_read_as_ndjson(monkeypatch: pytest.MonkeyPatch) -> None:
    text = io.TextIOWrapper(io.BytesIO(event(1) + b"\n" + event(2)))
    monkeypatch.setattr("sys.stdin", text)
    assert [(r.source, r.line) for r in open_sources(["-"])] == [("-", 1), ("-", 2)]


def test_a_line_without_end_is_refused_before_it_fills_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    path.write_bytes(b"x" * (18 << 20))
    with pytest.raises(ConfigurationError, match="a line exceeds"):
        list(open_sources([path]))


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
