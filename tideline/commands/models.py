"""``models``: the model cards of what may be in force."""

import sys
from typing import Annotated

import msgspec
import typer
from rich.table import Table

from detectors import model_document
from tideline.console import console, show


def models(
    json: Annotated[bool, typer.Option("--json", help="print the cards as JSON")] = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="print the page docs/models.md")
    ] = False,
) -> None:
    """List the models that may be in force, with what each is for and its limits."""
    if markdown:
        sys.stdout.write(model_document.markdown())
    elif json:
        show({"models": msgspec.to_builtins(model_document.ALL_CARDS)}, as_json=True)
    else:
        table = Table("model", "family", "what it is for", "known limits")
        for card in model_document.ALL_CARDS:
            table.add_row(card.name, card.family, card.purpose, card.limits)
        console.print(table)
