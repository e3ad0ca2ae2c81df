"""Adapters: every row is accounted for, every event is valid, nothing protected gets out."""

from collections import Counter
from itertools import islice
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ops.errors import ConfigurationError
from schemas.codec import Limits, decode_event
from tests.sources.tables import NOW_MS, days, read
from tideline.sources import ADAPTERS, AdapterReport, estimate_total, open_sources

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
REAL = {
    "sme-invoices": (["sme_invoices_labelled.parquet", "sme_labels.csv"], 261_657, 260_187),
    "terminals": (["terminals_transactions.parquet"], 1_169_723, 1_179_188),
    "marketplace": (["."], 22_988, 20_743),
    "loans": (["loans_previous.parquet", "loans_current.parquet"], 15_933, 65_140),
    "wholesale": (["wholesale_lines.parquet"], 285_421, 15_490),
    "cards": (["cards_monthly.parquet"], 19_891, 340_772),
}


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
        "rows_in": 8,
        "events_out": 8,
        "rows_skipped": {"label of an enterprise without invoices": 1, "total is zero": 1},
    }


def test_an_event_names_the_file_and_the_row_that_it_comes_from(tmp_path: Path) -> None:
    first, second = tmp_path / "a.parquet", tmp_path / "b.parquet"
    for path, numbers, moments in ((first, [1, 2], (3, 1)), (second, [3, 4], (2, 9))):
        pq.write_table(
            pa.table(
                {
                    "TRANSACTION_ID": numbers,
                    "TX_DATETIME": days(*moments),
                    "CUSTOMER_ID": [7, 8],
                    "TERMINAL_ID": [3, None if path == second else 3],
                    "TX_AMOUNT": [1.25, 2.0],
                    "TX_FRAUD": [0, 0],
                }
            ),
            path,
        )
    report = AdapterReport()
    found = [(r.source, r.line, r.key) for r in open_sources([first, second], "terminals", report)]
    assert found == [(str(first), 2, b"T3"), (str(second), 1, b"T3"), (str(first), 1, b"T3")]
    assert report.summary()["rows_skipped"] == {"no TERMINAL_ID": 1}


def test_a_label_that_is_neither_0_nor_1_is_refused_with_its_line(tmp_path: Path) -> None:
    labels = tmp_path / "sme_labels.csv"
    labels.write_text("ent,default\nA,1\nB,yes\n")
    with pytest.raises(ConfigurationError, match=r"sme_labels.csv, line 3: .*'yes'"):
        list(open_sources([labels], "sme-invoices"))


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
    for format in ("terminals", "loans", "wholesale", "cards", "sme-invoices"):
        with pytest.raises(ConfigurationError, match=r"loans_current\.parquet: no column"):
            list(open_sources([path], format))
    path.write_bytes(b"no Parquet")
    for format in set(ADAPTERS) - {"marketplace"}:
        with pytest.raises(ConfigurationError, match="cannot be read as Parquet"):
            list(open_sources([path], format))
    with pytest.raises(ConfigurationError, match="marketplace lacks marketplace_orders"):
        list(open_sources([tmp_path], "marketplace"))


def test_lines_are_summed_to_invoices_and_numbers_with_c_are_cancellations(
    tmp_path: Path,
) -> None:
    path = tmp_path / "wholesale_lines.parquet"
    pq.write_table(
        pa.table(
            {
                "InvoiceNo": ["1", "1", "C2", "3", "4"],
                "Quantity": [2, 1, -1, 1, 5],
                "UnitPrice": [1.5, 0.25, 1.5, 0.0, 2.0],
                "InvoiceDate": days(1, 1, 2, 3, 4),
                "CustomerID": pa.array([7, 7, 7, 7, None], pa.int32()),
                "Country": ["France"] * 5,
            }
        ),
        path,
    )
    events, report = read([path], "wholesale")
    assert [(e["type"], e["merchant_id"], e.get("amount")) for e in events] == [
        ("merchant.registered", "R7", None),
        ("order.paid", "R7", 325),
        ("order.cancelled", "R7", 150),
    ]
    assert report.summary()["rows_skipped"] == {
        "line of an invoice that sums to nothing": 1,
        "no CustomerID": 1,
    }


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
    guess = estimate_total([DATA / n for n in names], format)
    assert guess is not None
    assert 0.8 < guess / events_out < 1.25
    assert len(checked) >= 2


def test_protected_attributes_of_card_holders_never_get_out() -> None:
    if not DATA.is_dir():
        pytest.skip("the real data sets are not here")
    records = islice(open_sources([DATA / "cards_monthly.parquet"], "cards"), 60_000)
    fields = {name for r in records for name in msgspec.json.decode(r.value)}
    assert not {name.upper() for name in fields} & {"SEX", "EDUCATION", "MARRIAGE", "AGE"}
