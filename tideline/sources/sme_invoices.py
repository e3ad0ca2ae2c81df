"""Invoices of small enterprises, with a later default or not where labels are given."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ops.errors import ConfigurationError
from tideline.sources.records import AdapterReport, SourceRecord
from tideline.sources.streams import Event, Stream, epoch_ms, merged, minor, spans

SEGMENT = "sme-invoices"
CURRENCY = "CNY"


def read(paths: list[Path], report: AdapterReport) -> Iterator[SourceRecord]:
    """``sme_invoices_*.parquet`` and, for outcomes, ``sme_labels.csv``.

    ``side`` in is a purchase, out a sale; ``void`` is a voided invoice; a negative total is a
    reversal, which voids as much of an invoice that is not named. A total of zero says nothing and
    is skipped. The outcome follows the enterprise's last invoice.
    """
    labels: dict[str, bool] = {}
    tables = []
    for path in paths:
        if path.suffix == ".csv":
            with path.open(newline="") as file:
                labels |= {row["ent"]: row["default"] == "1" for row in csv.DictReader(file)}
        else:
            tables.append((path, pq.read_table(path)))
    if not tables:
        raise ConfigurationError("sme-invoices needs sme_invoices_*.parquet, and sme_labels.csv")
    streams: list[Stream] = []
    for path, table in tables:
        stem = path.stem.removeprefix("sme_invoices_")
        times = epoch_ms(table["date"])
        ents = table["ent"].to_pylist()
        others = table["counterparty"].to_pylist()
        totals, taxes = minor(table["total"]), minor(table["tax"])
        voids = np.asarray(table["void"])
        outs = np.asarray(table["side"].cast("string").to_numpy(zero_copy_only=False)) == "out"
        report.rows_in += len(ents)
        kept = np.flatnonzero(totals != 0)
        report.skipped["total is zero"] += int(len(ents) - len(kept))
        streams += _merchants(ents, times)
        streams.append(_invoices(stem, kept, times, ents, others, totals, taxes, voids, outs))
        streams += _outcomes(ents, times, labels)
    yield from merged("+".join(p.name for p in paths), streams, report)


def _merchants(ents: list[str], times: NDArray[np.int64]) -> list[Stream]:
    names, starts, _ = spans(ents, times)

    def build(i: int) -> Event:
        return {
            "type": "merchant.registered",
            "event_id": f"sme-merchant-{names[i]}",
            "merchant_id": names[i],
            "segment": SEGMENT,
            "currency": CURRENCY,
        }

    return [Stream(starts, build)]


def _invoices(
    stem: str,
    kept: NDArray[Any],
    times: NDArray[Any],
    ents: list[str],
    others: list[str],
    totals: NDArray[Any],
    taxes: NDArray[Any],
    voids: NDArray[Any],
    outs: NDArray[Any],
) -> Stream:
    rows = kept.tolist()
    total, tax, void, out = totals.tolist(), taxes.tolist(), voids.tolist(), outs.tolist()

    def build(i: int) -> Event:
        row = rows[i]
        event: Event = {
            "type": "invoice.issued" if out[row] else "invoice.received",
            "event_id": f"sme-{stem}-{row}",
            "merchant_id": ents[row],
            "amount": abs(total[row]),
            "currency": CURRENCY,
            "counterparty_id": others[row],
        }
        if void[row] or total[row] < 0:
            event["type"] = "invoice.voided"
            event["side"] = "issued" if out[row] else "received"
            event["reversal"] = not void[row]
        elif tax[row] >= 0:
            event["tax_minor"] = tax[row]
        return event

    return Stream(times[kept], build)


def _outcomes(ents: list[str], times: NDArray[np.int64], labels: dict[str, bool]) -> list[Stream]:
    names, _, ends = spans(ents, times)
    labelled = [i for i, name in enumerate(names) if name in labels]

    def build(i: int) -> Event:
        ent = names[labelled[i]]
        kind = "loan.defaulted" if labels[ent] else "loan.settled"
        return {"type": kind, "event_id": f"sme-outcome-{ent}", "merchant_id": ent}

    return [Stream(ends[labelled], build)]
