"""What commands share on a terminal: results as text or JSON, progress bars, exit codes."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

EXIT_FAILED = 1
EXIT_USAGE = 2

console = Console()
progress_console = Console(stderr=True)


def show(result: dict[str, Any], *, as_json: bool, title: str = "") -> None:
    """Print a command's result: one JSON object, or aligned lines."""
    if as_json:
        sys.stdout.write(msgspec.json.encode(result).decode() + "\n")
        return
    if title:
        console.print(f"[bold]{title}[/bold]")
    width = max((len(k) for k in result), default=0)
    for key, value in result.items():
        text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
        console.print(f"  {key:<{width}}  {text}", highlight=False, markup=False)


@contextmanager
def progress(quiet: bool) -> Iterator[Progress]:
    """A progress display on standard error; nothing when quiet or not on a terminal."""
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=progress_console,
        disable=quiet,
        transient=False,
    ) as display:
        yield display
