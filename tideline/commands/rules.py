"""``rules``: the sentinels' rules, checks of rule files, and what each rule says of a merchant."""

import sys
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.table import Table

from detectors import rule_document
from detectors.rule_file import RulesError
from detectors.rule_loading import faults, load_rules
from detectors.rules import Rule
from ops.errors import ConfigurationError
from ops.settings import load_settings
from schemas.digests import content_digest
from streams.artifacts import builtin_rules, genesis
from streams.versions import Genesis
from tideline.commands.features import explain_files, time_of
from tideline.console import EXIT_USAGE, console, show
from tideline.ruled import as_json, as_text

app = typer.Typer(
    help="The rules of the sentinels; `check` checks rule files, `explain` shows a merchant's.",
    invoke_without_command=True,
)


@app.callback()
def rules(
    context: typer.Context,
    json: Annotated[bool, typer.Option("--json", help="print the rules as JSON")] = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="print the page docs/rules.md")
    ] = False,
    schema: Annotated[
        bool, typer.Option("--schema", help="print the JSON Schema of rule files")
    ] = False,
) -> None:
    """List the rules that ship with Tideline."""
    if context.invoked_subcommand is not None:
        return
    book = load_rules(builtin_rules())
    if markdown:
        sys.stdout.write(rule_document.markdown(book))
    elif schema:
        text = msgspec.json.encode(rule_document.json_schema())
        sys.stdout.write(msgspec.json.format(text, indent=2).decode() + "\n")
    elif json:
        shown = {"version": book.version, "rules": [_as_json(rule) for rule in book.rules]}
        show(shown, as_json=True)
    else:
        table = Table("kind", "family", "severities", "lasts", "cool-down", "label", "标签")
        for rule in book.rules:
            severities = ", ".join(dict.fromkeys(level.severity for level in rule.levels))
            lasts = f"{rule.persistence_hours} h" if rule.persistence_hours else ""
            cool_down = f"{rule.cool_down_days} d" if rule.cool_down_days else ""
            row = (rule.kind, rule.family, severities, lasts, cool_down)
            table.add_row(*row, rule.label.en, rule.label.zh)
        console.print(table)


@app.command()
def check(
    files: Annotated[list[Path], typer.Argument(help="rule files (YAML)")],
    json: Annotated[bool, typer.Option("--json", help="print the result as JSON")] = False,
) -> None:
    """Check rule files as a publication would. Ends with 2 where one is refused."""
    checked = [_checked(file) for file in files]
    if json:
        show({"files": checked}, as_json=True)
    else:
        for each in checked:
            for fault in each["faults"]:
                typer.echo(f"{each['file']}: line {fault['line']}: {fault['detail']}", err=True)
            if not each["faults"]:
                said = f"{each['version']}, {each['rules']} rules, digest {each['digest']}"
                typer.echo(f"{each['file']}: {said}")
    if any(each["faults"] for each in checked):
        raise typer.Exit(EXIT_USAGE)


@app.command()
def explain(
    merchant: Annotated[str, typer.Argument(help="the merchant_id")],
    files: Annotated[list[str], typer.Argument(help="event files, or -")],
    at: Annotated[str, typer.Option("--at", help="time T: RFC 3339, or epoch milliseconds")],
    rules: Annotated[
        Path | None, typer.Option(help="a rule file to go by instead of the shipped one")
    ] = None,
    format: Annotated[str, typer.Option(help="events, or a data set's adapter")] = "events",
    every: Annotated[
        bool, typer.Option("--every", help="also show rules that do not fire, test by test")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="print the result as JSON")] = False,
) -> None:
    """Show what each rule says of a merchant as of T, and the tests behind it.

    Rules published in the files govern from their place on.
    """
    start = genesis() if rules is None else _start(rules)
    settings = load_settings()
    found = explain_files(settings, files, format, merchant, time_of(at), quiet=json, start=start)
    if json:
        show(as_json(found), as_json=True)
        return
    for line in as_text(found, every=every):
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _start(file: Path) -> Genesis:
    text = text_of(file)
    try:
        load_rules(text)
    except RulesError as error:
        raise ConfigurationError(f"{file}: {error}") from None
    return msgspec.structs.replace(genesis(), rules_text=text)


def _checked(file: Path) -> dict[str, Any]:
    text = text_of(file)
    found = faults(text)
    shown: dict[str, Any] = {
        "file": str(file),
        "faults": [{"line": fault.line, "detail": fault.detail} for fault in found],
    }
    if not found:
        book = load_rules(text)
        digest = content_digest(text.encode())
        shown |= {"version": book.version, "rules": len(book.rules), "digest": digest}
    return shown


def text_of(file: Path) -> str:
    """The text of a file. Raises ``ConfigurationError`` where it is none."""
    try:
        return file.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{file} is not UTF-8 at byte {error.start}; save it so") from None
    except IsADirectoryError:
        raise ConfigurationError(f"{file} is a folder; name the files in it") from None


def _as_json(rule: Rule) -> dict[str, Any]:
    shown: dict[str, Any] = msgspec.to_builtins(rule)
    if rule.segments is not None:
        shown["segments"] = sorted(rule.segments)
    return shown
