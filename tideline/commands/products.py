"""``products``: the credit products and policies that ship, and checks of such files."""

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import typer
from rich.table import Table

from credit import document
from credit.bundle import bundle
from credit.policy import PolicyError, load_policy
from credit.product import Product, load_product
from schemas.digests import content_digest
from schemas.strict_yaml import top_level_keys
from streams.artifacts import builtin_products
from tideline.commands.rules import text_of
from tideline.console import EXIT_USAGE, console, show

app = typer.Typer(
    help="The credit products; `check` checks product and policy files.",
    invoke_without_command=True,
)


@app.callback()
def products(
    context: typer.Context,
    json: Annotated[bool, typer.Option("--json", help="print the products as JSON")] = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="print the page docs/products.md")
    ] = False,
    schema: Annotated[
        Literal["product", "policy"] | None,
        typer.Option(help="print the JSON Schema of product or policy files"),
    ] = None,
) -> None:
    """List the products that ship with Tideline."""
    if context.invoked_subcommand is not None:
        return
    shipped = [load_product(text) for text in builtin_products().values()]
    if markdown:
        sys.stdout.write(document.markdown(shipped))
    elif schema is not None:
        made = document.product_schema() if schema == "product" else document.policy_schema()
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(made), indent=2).decode() + "\n")
    elif json:
        show({"products": [msgspec.to_builtins(product) for product in shipped]}, as_json=True)
    else:
        console.print(_table(shipped))


@app.command()
def check(
    files: Annotated[list[Path], typer.Argument(help="product or policy files (YAML)")],
    json: Annotated[bool, typer.Option("--json", help="print the result as JSON")] = False,
) -> None:
    """Check files as a publication would; shipped products need not be repeated.

    Ends with 2 where one is refused.
    """
    checked = [_checked(file) for file in files]
    if json:
        show({"files": checked}, as_json=True)
    else:
        for each in checked:
            if each["fault"] is not None:
                typer.echo(f"{each['file']}: {each['fault']}", err=True)
            else:
                said = ", ".join(f"{key} {each[key]}" for key in each if key not in _HEAD)
                typer.echo(f"{each['file']}: {said}")
    if any(each["fault"] is not None for each in checked):
        raise typer.Exit(EXIT_USAGE)


_HEAD = ("file", "fault")


def _checked(file: Path) -> dict[str, Any]:
    text = text_of(file)
    shown: dict[str, Any] = {"file": str(file), "fault": None}
    try:
        if "products" not in top_level_keys(text):
            product = load_product(text)
            return shown | {"product": product.version, "name": product.name}
        whole = bundle(text, builtin_products())
        policy = load_policy(whole)
    except PolicyError as error:
        return shown | {"fault": str(error)}
    digest = content_digest(whole.encode())
    return shown | {
        "policy": policy.version,
        "products": ", ".join(policy.products),
        "digest": digest,
    }


def _table(shipped: list[Product]) -> Table:
    table = Table("product", "name", "rests on", "currencies", "what it is")
    for product in shipped:
        kind = document.kind_of(product)
        table.add_row(
            product.version, product.name, kind, ", ".join(product.currencies), product.title
        )
    return table
