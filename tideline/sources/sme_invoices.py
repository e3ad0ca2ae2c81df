"""Invoices of small enterprises, with a later default or not where labels are given."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ops.errors import ConfigurationError
from tideline.sources.records import AdapterReport, SourceRecord
from tideline.sources.streams import Event, Spans, Stream, merged, spans
from tideline.sources.tables import Rows, epoch_ms, load, minor, texts

SEGMENT = "sme-invoices"
CURRENCY = "CNY"
OUTCOMES = {"1": "loan.defaulted", "0": "loan.settled"}
COLUMNS = ("ent", "date", "counterparty", "total", "tax", "void", "side")


class Label(NamedTuple):
    """The outcome of an enterprise: an event type, and where it was read."""

    type: str
    file: int
    line: int


def read(paths: list[Path], report: AdapterReport) -> Iterator[SourceRecord]:
    """``sme_invoices_*.parquet`` and, for outcomes, ``sme_labels.csv``.

    ``side`` in is a purchase, out a sale; ``void`` is a voided invoice; a negative total is a
    reversal, which voids as much of an invoice that is not named. A total of zero says nothing and
    is skipped. The outcome follows the enterprise's last invoice.
    """
    labels: dict[str, Label] = {}
    label_files = [path for path in paths if path.suffix == ".csv"]
    for number, path in enumerate(label_files):
        labels |= _labels(path, number, report)
    tables = [path for path in paths if path.suffix != ".csv"]
    if not tables:
        raise ConfigurationError("sme-invoices needs sme_invoices_*.parquet, and sme_labels.csv")
    streams: list[Stream] = []
    known: set[str] = set()
    for path in tables:
        rows = load([path], report, required=COLUMNS, optional=("inv_no",))
        ents = texts(rows.table["ent"])
        found = spans(ents, epoch_ms(rows.table["date"]))
        streams.append(_merchants(rows, found))
        streams.append(_invoices(path.stem.removeprefix("sme_invoices_"), rows, ents, report))
        streams.append(_outcomes(found, labels, tuple(str(p) for p in label_files)))
        known.update(found.names)
    report.skipped["label of an enterprise without invoices"] += len(labels.keys() - known)
    yield from merged(streams, report)


def _labels(path: Path, number: int, report: AdapterReport) -> dict[str, Label]:
    labels: dict[str, Label] = {}
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        for row in reader:
            ent, default = row.get("ent"), row.get("default")
            if not ent or default not in OUTCOMES:
                raise ConfigurationError(
                    f"{path}, line {reader.line_num}: needs `ent` and `default` (0 or 1), "
                    f"got {ent!r} and {default!r}"
                )
            labels[ent] = Label(OUTCOMES[default], number, reader.line_num)
            report.rows_in += 1
    return labels


def _merchants(rows: Rows, found: Spans) -> Stream:
    def build(i: int) -> Event:
        return {
            "type": "merchant.registered",
            "event_id": f"sme-merchant-{found.names[i]}",
            "merchant_id": found.names[i],
            "segment": SEGMENT,
            "currency": CURRENCY,
        }

    return Stream(found.first, build, rows, found.place)


def _invoices(stem: str, rows: Rows, ents: list[str], report: AdapterReport) -> Stream:
    table = rows.table
    totals = minor(table["total"])
    sides = np.array(texts(table["side"]), dtype=object)
    known = (sides == "in") | (sides == "out")
    kept = np.flatnonzero(known & (totals != 0))
    report.skipped["side is neither in nor out"] += int((~known).sum())
    report.skipped["total is zero"] += int((known & (totals == 0)).sum())
    places, lines = kept.tolist(), rows.line.tolist()
    total, tax = totals.tolist(), minor(table["tax"]).tolist()
    void, out = table["void"].to_pylist(), (sides == "out").tolist()
    others = texts(table["counterparty"])
    numbers = table["inv_no"].to_pylist() if "inv_no" in table.column_names else None

    def build(i: int) -> Event:
        row = places[i]
        event: Event = {
            "type": "invoice.issued" if out[row] else "invoice.received",
            "event_id": f"sme-{stem}-{lines[row]}",
            "merchant_id": ents[row],
            "amount": abs(total[row]),
            "currency": CURRENCY,
            "counterparty_id": others[row],
        }
        if numbers is not None and numbers[row] is not None:
            event["invoice_id"] = str(numbers[row])
        if void[row] or total[row] < 0:
            event["type"] = "invoice.voided"
            event["side"] = "issued" if out[row] else "received"
            event["reversal"] = not void[row]
        elif tax[row] >= 0:
            event["tax_minor"] = tax[row]
        return event

    return Stream(epoch_ms(table["date"])[kept], build, rows, kept)


def _outcomes(found: Spans, labels: dict[str, Label], sources: tuple[str, ...]) -> Stream:
    labelled = [i for i, name in enumerate(found.names) if name in labels]
    at = [labels[found.names[i]] for i in labelled]
    rows = Rows(
        None,
        sources,
        np.array([label.file for label in at], dtype=np.int32),
        np.array([label.line for label in at], dtype=np.int32),
    )

    def build(i: int) -> Event:
        ent = found.names[labelled[i]]
        return {"type": at[i].type, "event_id": f"sme-outcome-{ent}", "merchant_id": ent}

    return Stream(found.last[labelled], build, rows, np.arange(len(labelled)))
