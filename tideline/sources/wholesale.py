"""Invoice lines of a wholesaler (UCI Online Retail): each reseller is a merchant that pays orders.

A reseller's purchases stand for its trade: the more it sells on, the more it orders.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tideline.sources.records import AdapterReport, SourceRecord
from tideline.sources.streams import Event, Stream, epoch_ms, merged, spans

CURRENCY = "GBP"


def read(paths: list[Path], report: AdapterReport) -> Iterator[SourceRecord]:
    """``wholesale_lines.parquet``: lines are summed to invoices, one event each.

    An invoice whose number begins with C is a cancellation; it names no original. An invoice that
    sums to zero or below (a correction of price) is skipped, as are lines without a customer.
    """
    table = pa.concat_tables([pq.read_table(path) for path in paths])
    report.rows_in += len(table)
    known = table.filter(pa.compute.is_valid(table["CustomerID"]))
    report.skipped["line without a customer"] += len(table) - len(known)
    pence = np.rint(
        np.asarray(known["Quantity"], dtype=np.float64)
        * np.asarray(known["UnitPrice"], dtype=np.float64)
        * 100
    ).astype(np.int64)
    invoices, first, inverse = np.unique(
        np.array(known["InvoiceNo"].to_pylist()), return_index=True, return_inverse=True
    )
    totals = np.zeros(len(invoices), np.int64)
    np.add.at(totals, inverse, pence)
    lines = np.bincount(inverse, minlength=len(invoices))
    times = epoch_ms(known["InvoiceDate"])[first]
    customers = [f"R{c}" for c in np.asarray(known["CustomerID"])[first].tolist()]
    countries = np.array(known["Country"].to_pylist())[first].tolist()
    numbers = invoices.tolist()
    amounts = totals.tolist()
    cancelled = np.char.startswith(invoices.astype(str), "C")
    kept = np.flatnonzero(np.where(cancelled, totals < 0, totals > 0))
    dropped = np.setdiff1d(np.arange(len(invoices)), kept)
    report.skipped["line of an invoice that sums to nothing"] += int(lines[dropped].sum())
    rows = kept.tolist()

    def order(i: int) -> Event:
        row = rows[i]
        number = numbers[row]
        return {
            "type": "order.cancelled" if number.startswith("C") else "order.paid",
            "event_id": f"wholesale-{number}",
            "merchant_id": customers[row],
            "amount": abs(amounts[row]),
            "currency": CURRENCY,
            "order_id": number,
        }

    names, starts, _ = spans(customers, times)
    country = dict(zip(customers, countries, strict=True))

    def merchant(i: int) -> Event:
        return {
            "type": "merchant.registered",
            "event_id": f"wholesale-merchant-{names[i]}",
            "merchant_id": names[i],
            "segment": "reseller-uk"
            if country[names[i]] == "United Kingdom"
            else "reseller-abroad",
            "region": country[names[i]],
            "currency": CURRENCY,
        }

    streams = [Stream(starts, merchant), Stream(times[kept], order)]
    yield from merged("+".join(p.name for p in paths), streams, report)
