"""``features``: the catalogue, and where a merchant's values come from."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.table import Table

from features import document
from features.catalogue import CATALOGUE
from ops.errors import ConfigurationError, FatalError
from ops.settings import Settings, load_settings, privacy_key
from streams.artifacts import MemoryArtifacts
from streams.cadence import engine_config
from streams.explain import Explained, Explainer
from streams.intake import InputStopped
from streams.intake_host import intake_of
from streams.machine_code import load_machine_code
from streams.runtime import wall_clock_ms
from streams.versions import Genesis
from tideline.commands.replay import REPLAY_KEY
from tideline.console import console, progress, show
from tideline.explained import as_json, as_text
from tideline.sources import estimate_total, open_sources
from tideline.sources.files import TIME_MAX, TIME_MIN

app = typer.Typer(
    help="The feature catalogue; `explain` shows a merchant's values with their events.",
    invoke_without_command=True,
)
EVENTS_MAX = 10_000


@app.callback()
def features(
    context: typer.Context,
    json: Annotated[bool, typer.Option("--json", help="print the catalogue as JSON")] = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="print the page docs/features.md")
    ] = False,
) -> None:
    """Print the feature catalogue."""
    if context.invoked_subcommand is not None:
        return
    if markdown:
        sys.stdout.write(document.markdown())
    elif json:
        rows = [{**msgspec.to_builtins(f), "money": f.money} for f in CATALOGUE]
        sys.stdout.write(msgspec.json.encode(rows).decode() + "\n")
    else:
        table = Table("name", "unit", "windows", "risk", "label", "标签")
        for f in CATALOGUE:
            windows = ", ".join(f.windows)
            table.add_row(f.name, f.unit, windows, f.direction, f.label, f.label_zh)
        console.print(table)


@app.command()
def explain(
    merchant: Annotated[str, typer.Argument(help="the merchant_id")],
    files: Annotated[list[str], typer.Argument(help="event files, or -")],
    at: Annotated[str, typer.Option("--at", help="time T: RFC 3339, or epoch milliseconds")],
    format: Annotated[str, typer.Option(help="events, or a data set's adapter")] = "events",
    partitions: Annotated[int | None, typer.Option(min=1, max=1024)] = None,
    events: Annotated[
        int, typer.Option(min=0, max=EVENTS_MAX, help="event ids shown per feature, latest first")
    ] = 5,
    json: Annotated[bool, typer.Option("--json", help="print the result as JSON")] = False,
) -> None:
    """Show each feature of a merchant as of T, with the events of the files behind it.

    The values are those after all events of the files that occurred up to T, however late they
    arrive.
    """
    settings = load_settings()
    if partitions is not None:
        kafka = settings.kafka.model_copy(update={"partitions": partitions})
        settings = settings.model_copy(update={"kafka": kafka})
    found = explain_files(settings, files, format, merchant, time_of(at), quiet=json)
    if json:
        show(as_json(found, events), as_json=True)
        return
    for line in as_text(found, events):
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def explain_files(
    settings: Settings,
    files: list[str],
    format: str,
    merchant_id: str,
    as_of: int,
    *,
    quiet: bool,
    start: Genesis | None = None,
) -> Explained:
    """Run the files up to ``as_of`` (epoch ms) and return the merchant as it stood.

    ``start`` is what is in force before the first event, the shipped versions unless given.
    """
    key = privacy_key(settings) if settings.privacy.key_file else REPLAY_KEY
    artifacts = MemoryArtifacts()
    intake = intake_of(settings, key, artifacts)
    load_machine_code()
    explainer = Explainer(intake, artifacts, merchant_id, as_of, engine_config(settings), start)
    paths: list[Path | str] = [path if path == "-" else Path(path) for path in files]
    now_ms = wall_clock_ms()
    with progress(quiet) as display:
        task = display.add_task("reading", total=estimate_total(paths, format))
        try:
            for number, record in enumerate(open_sources(paths, format), 1):
                explainer.feed(
                    *(record.source, record.line, record.value, now_ms),
                    merchant_id=record.key.decode() if record.key is not None else None,
                    occurred_at=record.occurred_at,
                )
                if number % 1000 == 0:
                    display.update(task, completed=number)
        except InputStopped as stopped:
            raise FatalError(f"{stopped}; mend the input, see `tideline replay`") from None
        return explainer.finish()


def time_of(text: str) -> int:
    """Epoch ms of a time given on the command line. Raises ``ConfigurationError``."""
    remedy = "give RFC 3339 with its zone, 2025-01-31T16:00:00+08:00, or epoch milliseconds"
    if text.isascii() and text.isdigit():
        at = int(text)
    else:
        try:
            moment = datetime.fromisoformat(text.upper())
        except ValueError:
            raise ConfigurationError(f"--at {text!r} is no time; {remedy}") from None
        if moment.tzinfo is None:
            raise ConfigurationError(f"--at {text!r} has no zone; {remedy}")
        at = round(moment.timestamp() * 1000)
    if not TIME_MIN <= at < TIME_MAX:
        first, last = (datetime.fromtimestamp(t / 1000, UTC).year for t in (TIME_MIN, TIME_MAX))
        raise ConfigurationError(f"--at {text!r} is not within {first} to {last}; {remedy}")
    return at
