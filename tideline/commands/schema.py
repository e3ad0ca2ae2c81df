"""``schema`` and ``features``: the contracts, for machines and people."""

import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.table import Table

from tideline.console import console, show


def schema(
    out: Annotated[Path | None, typer.Option(help="folder to write the documents to")] = None,
    json: Annotated[bool, typer.Option("--json", help="print the result as JSON")] = False,
) -> None:
    """Write JSON Schema and AsyncAPI documents, or print the JSON Schema."""
    from schemas.documents import json_schema, render

    if out is None:
        schema_text = msgspec.json.format(msgspec.json.encode(json_schema()), indent=2)
        sys.stdout.write(schema_text.decode() + "\n")
        return
    out.mkdir(parents=True, exist_ok=True)
    written = {}
    for name, text in render().items():
        (out / name).write_text(text, "utf-8")
        written[name] = len(text.encode())
    show({"folder": str(out), "bytes": written}, as_json=json, title="Schema")


def features(
    json: Annotated[bool, typer.Option("--json", help="print the catalogue as JSON")] = False,
) -> None:
    """Print the feature catalogue."""
    from features.catalogue import CATALOGUE

    if json:
        sys.stdout.write(msgspec.json.encode(CATALOGUE).decode() + "\n")
        return
    table = Table("name", "unit", "windows", "direction", "label")
    for feature in CATALOGUE:
        table.add_row(
            feature.name, feature.unit, ", ".join(feature.windows), feature.direction, feature.label
        )
    console.print(table)
