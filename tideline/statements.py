"""Statements of a lending core as files: NDJSON, or CSV where the name ends so.

Every row says what it is (``record``): ``line``, ``total`` or ``position``. The totals are checked
on reading, so that a file that was cut off or altered is not taken for the book.
"""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from credit.core_statement import Statement, StatementLine, Totals, totals_of
from ops.errors import ConfigurationError

_LINE = StatementLine.__struct_fields__
_TOTAL = Totals.__struct_fields__
_COLUMNS = ("record", *_LINE, "lines", "partition", "offset")


def write_statement(statement: Statement, path: Path) -> None:
    """Write a statement; the file is there whole or not at all."""
    beside = path.with_name(path.name + ".part")
    with beside.open("w", encoding="utf-8", newline="") as file:
        if path.suffix.lower() == ".csv":
            writer = csv.DictWriter(file, _COLUMNS, lineterminator="\n")
            writer.writeheader()
            for row in _rows(statement):
                writer.writerow({k: _cell(v) for k, v in row.items()})
        else:
            for row in _rows(statement):
                file.write(msgspec.json.encode(row).decode() + "\n")
    beside.replace(path)


def read_statement(path: Path) -> Statement:
    """Read a statement. Raises ``ConfigurationError`` that names the row and the remedy."""
    lines: list[StatementLine] = []
    totals: list[Totals] = []
    positions: dict[int, int] = {}
    seen: set[str] = set()
    for number, row in _read_rows(path):
        try:
            kind = row.pop("record", None)
            if kind == "line":
                lines.append(_convert(row, StatementLine, _LINE))
                if lines[-1].line_id in seen:
                    raise ConfigurationError(
                        f"{path}: row {number}: line {lines[-1].line_id} is there twice; "
                        "send one row a line"
                    )
                seen.add(lines[-1].line_id)
            elif kind == "total":
                totals.append(_convert(row, Totals, _TOTAL))
            elif kind == "position":
                place = _convert(row, dict[str, int], ("partition", "offset"))
                positions[place["partition"]] = place["offset"]
            else:
                raise ConfigurationError(
                    f"{path}: row {number}: `record` is {kind!r}; send line, total or position"
                )
        except (msgspec.ValidationError, KeyError) as error:
            raise ConfigurationError(
                f"{path}: row {number}: {error}; docs/lending-core.md has the fields"
            ) from None
    totals.sort(key=lambda each: each.currency)
    if totals != totals_of(lines):
        raise ConfigurationError(
            f"{path}: the totals are not those of its {len(lines)} lines; it was cut off or "
            "altered: have the core write it again"
        )
    return Statement(lines=lines, totals=totals, positions=positions)


def _rows(statement: Statement) -> Iterator[dict[str, Any]]:
    for line in statement.lines:
        yield {"record": "line", **msgspec.structs.asdict(line)}
    for total in statement.totals:
        yield {"record": "total", **msgspec.structs.asdict(total)}
    for partition, offset in sorted(statement.positions.items()):
        yield {"record": "position", "partition": partition, "offset": offset}


def _cell(value: object) -> object:
    return str(value).lower() if isinstance(value, bool) else value


def _convert(row: dict[str, Any], type: Any, names: tuple[str, ...]) -> Any:
    """A row as what it says it is; text cells are read as what their field needs."""
    return msgspec.convert({k: row[k] for k in names if k in row}, type, strict=False)


def _read_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with path.open(encoding="utf-8", newline="") as file:
        try:
            if path.suffix.lower() == ".csv":
                for number, row in enumerate(csv.DictReader(file), 2):
                    yield number, {k: v for k, v in row.items() if v not in ("", None)}
                return
            for number, text in enumerate(file, 1):
                if text.strip():
                    yield number, msgspec.json.decode(text, type=dict[str, Any])
        except UnicodeDecodeError as error:
            raise ConfigurationError(f"{path} is not UTF-8: {error}; save it so") from None
        except msgspec.DecodeError as error:
            raise ConfigurationError(
                f"{path}: row {number}: {error}; send one JSON object a line, or name it .csv"
            ) from None
