"""``schema``: the contracts as documents."""

import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from tideline.console import show


def schema(
    out: Annotated[Path | None, typer.Option(help="folder to write the documents to")] = None,
    openapi: Annotated[
        bool, typer.Option("--openapi", help="print that of the desk's API")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="print the result as JSON")] = False,
) -> None:
    """Write JSON Schema and AsyncAPI documents, or print the JSON Schema or the OpenAPI one."""
    if openapi:
        from desk.api.openapi import render as render_api

        sys.stdout.write(render_api())
        return
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
