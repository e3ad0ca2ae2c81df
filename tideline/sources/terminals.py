"""Card transactions at terminals with a fraud flag (simulated): each terminal is a merchant."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tideline.sources.records import AdapterReport, SourceRecord
from tideline.sources.streams import Event, Stream, merged
from tideline.sources.tables import epoch_ms, load, minor

CURRENCY = "EUR"
"""Assumed: the data names none."""
DISPUTE_AFTER_MS = 7 * 86_400_000
"""When a fraud becomes known, and hence a label."""
COLUMNS = (
    "TRANSACTION_ID",
    "TX_DATETIME",
    "CUSTOMER_ID",
    "TERMINAL_ID",
    "TX_AMOUNT",
    "TX_FRAUD",
)


def read(paths: list[Path], report: AdapterReport) -> Iterator[SourceRecord]:
    """``terminals_transactions.parquet``: a payment each, and a dispute 7 days after a fraud."""
    rows = load(paths, report, required=COLUMNS)
    table = rows.table
    times = epoch_ms(table["TX_DATETIME"])
    ids = table["TRANSACTION_ID"].to_pylist()
    terminals = table["TERMINAL_ID"].to_pylist()
    customers = table["CUSTOMER_ID"].to_pylist()
    amounts = minor(table["TX_AMOUNT"]).tolist()
    moments = times.tolist()
    frauds = np.flatnonzero(np.asarray(table["TX_FRAUD"]) == 1)
    disputed = frauds.tolist()

    def paid(i: int) -> Event:
        return {
            "type": "order.paid",
            "event_id": f"terminals-{ids[i]}",
            "merchant_id": f"T{terminals[i]}",
            "amount": amounts[i],
            "currency": CURRENCY,
            "order_id": str(ids[i]),
            "counterparty_id": f"C{customers[i]}",
        }

    def dispute(i: int) -> Event:
        row = disputed[i]
        return {
            **paid(row),
            "type": "order.disputed",
            "event_id": f"terminals-{ids[row]}-dispute",
            "ordered_at": moments[row],
        }

    streams = [
        Stream(times, paid, rows, np.arange(len(times))),
        Stream(times[frauds] + DISPUTE_AFTER_MS, dispute, rows, frauds),
    ]
    yield from merged(streams, report)
