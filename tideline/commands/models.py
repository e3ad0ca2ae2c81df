"""``models``: the model cards of what may be in force."""

import sys
from typing import Annotated

import msgspec
import typer
from rich.table import Table

from detectors import model_document
from detectors.labelling import GOOD_WAITS_MS, MATURITY_MS
from detectors.labels import DAY_MS
from tideline.console import console, show


def models(
    json: Annotated[bool, typer.Option("--json", help="print the cards as JSON")] = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="print the page docs/models.md")
    ] = False,
) -> None:
    """List the models that may be in force, with what each is for and its limits."""
    if markdown:
        sys.stdout.write(page())
    elif json:
        show({"models": msgspec.to_builtins(model_document.CARDS)}, as_json=True)
    else:
        table = Table("model", "family", "what it is for", "known limits")
        for card in model_document.CARDS:
            table.add_row(card.name, card.family, card.purpose, card.limits)
        console.print(table)


def page() -> str:
    """The page of the model cards."""
    return model_document.markdown(
        matures_days=MATURITY_MS // DAY_MS, good_waits_days=GOOD_WAITS_MS // DAY_MS
    )
