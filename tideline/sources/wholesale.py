"""Invoice lines of a wholesaler (UCI Online Retail): each reseller is a merchant that pays orders.

A reseller's purchases stand for its trade: the more it sells on, the more it orders.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tideline.sources.records import AdapterReport, SourceRecord
from tideline.sources.streams import Event, Stream, merged, spans
from tideline.sources.tables import epoch_ms, load

CURRENCY = "GBP"
COLUMNS = ("CustomerID", "InvoiceNo", "InvoiceDate", "Quantity", "UnitPrice", "Country")


def read(paths: list[Path], report: AdapterReport) -> Iterator[SourceRecord]:
    """``wholesale_lines.parquet``: lines are summed to invoices, one event each.

    An invoice whose number begins with C is a cancellation; it names no original. An invoice that
    sums to zero or to the wrong side of it (a correction of price) is skipped, as are lines
    without a customer.
    """
    rows = load(paths, report, required=COLUMNS)
    table = rows.table
    quantity = np.asarray(table["Quantity"], dtype=np.float64)
    pence = np.rint(quantity * np.asarray(table["UnitPrice"], dtype=np.float64) * 100)
    invoices, first, inverse = np.unique(
        np.array(table["InvoiceNo"].to_pylist(), dtype=str), return_index=True, return_inverse=True
    )
    totals = np.zeros(len(invoices), np.int64)
    np.add.at(totals, inverse, pence.astype(np.int64))
    lines = np.bincount(inverse, minlength=len(invoices))
    times = epoch_ms(table["InvoiceDate"])[first]
    customers = [f"R{c}" for c in np.asarray(table["CustomerID"])[first].tolist()]
    countries = np.array(table["Country"].to_pylist(), dtype=object)[first].tolist()
    numbers = invoices.tolist()
    amounts = totals.tolist()
    cancelled = np.char.startswith(invoices, "C")
    valid = np.where(cancelled, totals < 0, totals > 0)
    kept = np.flatnonzero(valid)
    report.skipped["line of an invoice that sums to nothing"] += int(lines[~valid].sum())
    places = kept.tolist()

    def order(i: int) -> Event:
        place = places[i]
        number = numbers[place]
        return {
            "type": "order.cancelled" if number.startswith("C") else "order.paid",
            "event_id": f"wholesale-{number}",
            "merchant_id": customers[place],
            "amount": abs(amounts[place]),
            "currency": CURRENCY,
            "order_id": number,
        }

    found = spans(customers, times)
    country = dict(zip(customers, countries, strict=True))

    def merchant(i: int) -> Event:
        name = found.names[i]
        home = country[name] == "United Kingdom"
        return {
            "type": "merchant.registered",
            "event_id": f"wholesale-merchant-{name}",
            "merchant_id": name,
            "segment": "reseller-uk" if home else "reseller-abroad",
            "region": country[name],
            "currency": CURRENCY,
        }

    streams = [
        Stream(found.first, merchant, rows, first[found.place]),
        Stream(times[kept], order, rows, first[kept]),
    ]
    yield from merged(streams, report)
