"""``simulate``: a seeded economy of merchants as an event file, and the truth beside it."""

import resource
import time
from datetime import date
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from ops.errors import ConfigurationError
from tideline.console import progress, progress_console, show
from tideline.simulator.arrivals import Delivery
from tideline.simulator.economy import Economy, Scenario
from tideline.simulator.write import check_path, truth_path, write_run
from tideline.sources.files import STDIN as TERMINAL


def simulate(
    merchants: Annotated[int, typer.Option(help="how many merchants")] = 1_000,
    days: Annotated[int, typer.Option(help="how many days")] = 30,
    seed: Annotated[int, typer.Option(help="equal seeds give equal bytes")] = 1,
    out: Annotated[
        str, typer.Option(help="event file (.ndjson, also .gz or .zst), or - for the terminal")
    ] = "simulated.ndjson",
    truth: Annotated[
        Path | None, typer.Option(help="truth file; FILE.truth.ndjson if not given")
    ] = None,
    start: Annotated[str, typer.Option(help="first day")] = "2024-01-01",
    share_bad: Annotated[
        float, typer.Option(help="share of merchants with a planted trouble; 0: no trouble at all")
    ] = 0.06,
    segments: Annotated[
        str, typer.Option(help="only these, with commas between; all if not given")
    ] = "",
    activity: Annotated[float, typer.Option(help="factor of all order rates")] = 1.0,
    late_share: Annotated[float, typer.Option(help="events that arrive hours or days late")] = 0.01,
    duplicate_share: Annotated[float, typer.Option(help="events that arrive twice")] = 0.001,
    malformed_share: Annotated[float, typer.Option(help="lines broken on purpose")] = 0.0,
    json: Annotated[bool, typer.Option("--json", help="print the summary as JSON")] = False,
) -> None:
    """Simulate merchants: trade, parcels, money, papers and loans, with planted troubles.

    The events are as `tideline replay` and `tideline publish` take them, in order of arrival. The
    truth has one record for each event of the world and for each merchant: what was planted, since
    when, the first repayment missed since, and the default. docs/simulator.md says what is
    simulated and what is not.
    """
    scenario = Scenario(
        merchants=merchants,
        days=days,
        seed=seed,
        start=_day(start),
        share_bad=share_bad,
        segments=tuple(name for name in segments.split(",") if name),
        activity=activity,
        delivery=Delivery(late=late_share, twice=duplicate_share),
        malformed=malformed_share,
    )
    check_path(out)
    began = time.monotonic()
    economy = Economy(scenario)
    path = truth or truth_path(out)
    with progress(json or out == TERMINAL) as display:
        task = display.add_task("simulating", total=None)
        counts = write_run(economy, out, path, lambda done: display.update(task, completed=done))
    seconds = time.monotonic() - began
    summary = {
        "file": out,
        "truth_file": None if path is None else str(path),
        "merchants": merchants,
        "days": days,
        "seed": seed,
        "start": scenario.start.isoformat(),
        **counts,
        "seconds": round(seconds, 3),
        "events_per_s": round(counts["events"] / seconds),
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    if out == TERMINAL:  # its own lines are the events
        progress_console.print(msgspec.json.encode(summary).decode(), highlight=False, markup=False)
    else:
        show(summary, as_json=json, title=f"Simulated into {out}")


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(f"--start {text!r} is no day; write it as 2024-01-31") from None
