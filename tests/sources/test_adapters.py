"""Adapters: every row is accounted for, every event is valid, nothing protected gets out."""

from collections import Counter
from itertools import islice
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ops.errors import ConfigurationError
from schemas.codec import Limits, decode_event
from tideline.sources import AdapterReport, open_sources

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
NOW_MS = 1_790_000_000_000
REAL = {
    "sme-invoices": (["sme_invoices_labelled.parquet", "sme_labels.csv"], 261_575, 260_187),
    "terminals": (["terminals_transactions.parquet"], 1_169_723, 1_179_188),
    "marketplace": (["."], 22_988, 20_743),
    "loans": (["loans_previous.parquet", "loans_current.parquet"], 15_933, 63_712),
    "wholesale": (["wholesale_lines.parquet"], 285_421, 15_490),
    "cards": (["cards_monthly.parquet"], 19_891, 256_136),
}


def read(paths: list[Path], format: str) -> tuple[list[dict], AdapterReport]:
    """Events as dicts, each checked by the codec."""
    report = AdapterReport()
    events = []
    for record in open_sources(paths, format, report):
        decode_event(record.value, now_ms=NOW_MS, limits=Limits(), privacy_key=bytes(32))
        events.append(msgspec.json.decode(record.value))
    return events, report


def days(*numbers: int) -> pa.Array:
    """Days of January 2017."""
    moments = [np.datetime64(f"2017-01-{n:02d}T00:00:00", "us") for n in numbers]
    return pa.array(moments, pa.timestamp("us"))


def test_invoices_voids_reversals_and_outcomes(tmp_path: Path) -> None:
    path, labels = tmp_path / "sme_invoices_x.parquet", tmp_path / "labels.csv"
    pq.write_table(
        pa.table(
            {
                "ent": ["A", "A", "B", "A", "A"],
                "date": days(2, 1, 3, 4, 5),
                "counterparty": ["c", "d", "c", "c", "c"],
                "total": [10.5, 20.0, -5.25, 7.0, 0.0],
                "tax": [1.0, 2.0, -0.5, 1.0, 0.0],
                "void": [False, False, False, True, False],
                "side": pa.array(["out", "in", "out", "in", "out"]),
            }
        ),
        path,
    )
    labels.write_text("ent,default\nA,1\nB,0\nC,1\n")
    events, report = read([path, labels], "sme-invoices")
    seen = [(e["type"], e["merchant_id"], e.get("amount")) for e in events]
    assert seen == [
        ("merchant.registered", "A", None),
        ("invoice.received", "A", 2000),
        ("invoice.issued", "A", 1050),
        ("merchant.registered", "B", None),
        ("invoice.voided", "B", 525),
        ("loan.settled", "B", None),
        ("invoice.voided", "A", 700),
        ("loan.defaulted", "A", None),
    ]
    assert [(e["side"], e["reversal"]) for e in events if e["type"] == "invoice.voided"] == [
        ("issued", True),
        ("received", False),
    ]
    assert report.summary() == {
        "rows_in": 5,
        "events_out": 8,
        "rows_skipped": {"total is zero": 1},
    }


def test_a_fraud_is_known_seven_days_later(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(
        pa.table(
            {
                "TRANSACTION_ID": [1, 2],
                "TX_DATETIME": days(1, 9).cast(pa.timestamp("ms")),
                "CUSTOMER_ID": [7, 8],
                "TERMINAL_ID": [3, 3],
                "TX_AMOUNT": [1.25, 2.0],
                "TX_FRAUD": [1, 0],
            }
        ),
        path,
    )
    events, _ = read([path], "terminals")
    assert [e["type"] for e in events] == ["order.paid", "order.disputed", "order.paid"]
    paid, dispute, _ = events
    assert dispute["occurred_at"] - paid["occurred_at"] == 7 * 86_400_000
    assert dispute["ordered_at"] == paid["occurred_at"]


def test_a_file_of_another_kind_names_the_column_that_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "loans_current.parquet"
    pq.write_table(pa.table({"a": [1]}), path)
    for format in ("terminals", "loans", "wholesale"):
        with pytest.raises(ConfigurationError, match="no column"):
            list(open_sources([path], format))


@pytest.mark.parametrize("format", REAL)
def test_real_rows_are_all_accounted_for_in_the_order_of_their_times(format: str) -> None:
    if not DATA.is_dir():
        pytest.skip("the real data sets are not here")
    names, rows_in, events_out = REAL[format]
    report = AdapterReport()
    latest, checked = 0, Counter()
    for number, record in enumerate(open_sources([DATA / n for n in names], format, report)):
        assert record.occurred_at is not None
        assert record.occurred_at >= latest
        latest = record.occurred_at
        if number % 211 == 0:
            event, _ = decode_event(
                record.value, now_ms=NOW_MS, limits=Limits(), privacy_key=bytes(32)
            )
            checked[type(event).__name__] += 1
    assert (report.rows_in, report.events_out) == (rows_in, events_out)
    assert len(checked) >= 2


def test_protected_attributes_of_card_holders_never_get_out() -> None:
    if not DATA.is_dir():
        pytest.skip("the real data sets are not here")
    records = islice(open_sources([DATA / "cards_monthly.parquet"], "cards"), 60_000)
    fields = {name for r in records for name in msgspec.json.decode(r.value)}
    assert not {name.upper() for name in fields} & {"SEX", "EDUCATION", "MARRIAGE", "AGE"}
