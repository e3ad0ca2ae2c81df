"""``evaluate``: how well the detectors tell risk on labelled data, against floors and others."""

import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.progress import Progress
from rich.table import Table

from detectors.candidates import CANDIDATES
from ops.errors import ConfigurationError
from ops.settings import Settings, load_settings
from streams.machine_code import load_machine_code
from streams.runtime import wall_clock_ms
from tideline.console import console, progress
from tideline.evaluation import present, report, simulated_report
from tideline.evaluation.protocols import PROTOCOLS, files
from tideline.evaluation.questions import Protocol
from tideline.evaluation.run import Evaluation, Options
from tideline.evaluation.run import evaluate as evaluate_one
from tideline.evaluation.simulated_figures import NAME as SIMULATED
from tideline.evaluation.simulated_figures import Simulated
from tideline.simulator.economy import Scenario

ALL = "all"


def evaluate(
    datasets: Annotated[
        list[str],
        typer.Argument(
            help=f"{', '.join(PROTOCOLS)}, {ALL} of these; {SIMULATED}; or `events` and event files"
        ),
    ],
    data: Annotated[Path, typer.Option(help="folder of the data sets")] = Path(),
    out: Annotated[Path, typer.Option(help="folder for JSON and HTML")] = Path("evaluate-out"),
    labels: Annotated[
        Path | None, typer.Option(help="with `events`: CSV of questions and answers")
    ] = None,
    before_days: Annotated[
        float, typer.Option(min=0, help="with `events`: how long before an outcome to ask")
    ] = 30.0,
    split: Annotated[str, typer.Option(help="with `events`: entity or time")] = "time",
    seeds: Annotated[int, typer.Option(min=1, max=100)] = 5,
    folds: Annotated[int, typer.Option(min=2, max=100)] = 5,
    candidate: Annotated[
        list[str] | None, typer.Option(help="only these; all that are quick enough if not given")
    ] = None,
    allow: Annotated[
        list[str] | None, typer.Option(help="a feature that may tell the answer alone")
    ] = None,
    merchants: Annotated[
        int, typer.Option(min=10, help=f"with `{SIMULATED}`: merchants of each seed")
    ] = 250,
    days: Annotated[int, typer.Option(min=10, help=f"with `{SIMULATED}`: days of each seed")] = 400,
    share_bad: Annotated[
        float, typer.Option(min=0, max=1, help=f"with `{SIMULATED}`: share with a planted trouble")
    ] = 0.4,
    partitions: Annotated[int, typer.Option(min=1, max=1024)] = 1,
    report_file: Annotated[
        Path | None, typer.Option("--report", help="write this page from all results in --out")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="print the results as JSON")] = False,
) -> None:
    """Stream labelled data through the pipeline and judge champion, challengers and floors."""
    chosen = tuple(candidate or ())
    unknown = [name for name in chosen if name not in CANDIDATES]
    if unknown:
        raise ConfigurationError(f"--candidate {unknown[0]!r}: use {', '.join(CANDIDATES)}")
    settings = load_settings()
    kafka = settings.kafka.model_copy(update={"partitions": partitions})
    settings = settings.model_copy(update={"kafka": kafka})
    options = Options(seeds=seeds, folds=folds, candidates=chosen, allowed=tuple(allow or ()))
    others = [name for name in datasets if name != SIMULATED]
    jobs = _jobs(others, data, labels, before_days, split) if others else []
    load_machine_code()
    made: list[Evaluation | Simulated] = []
    for protocol, paths in jobs:
        with progress(json) as display:
            say = _Progress(display, protocol.name)
            evaluation = evaluate_one(
                settings, protocol, paths, data, options, wall_clock_ms(), say
            )
        report.write_json(evaluation, out)
        made.append(evaluation)
        if not json:
            _print(evaluation)
    if len(others) < len(datasets):
        scenario = Scenario(merchants=merchants, days=days, seed=1, share_bad=share_bad)
        made.append(_judge_simulated(settings, scenario, seeds, out, json))
    known, simulated = _known(out), simulated_report.read_simulated(out)
    page = report.write_html(known, out, simulated)
    if report_file is not None:
        report.write_markdown(known, report_file, simulated)
    if json:
        sys.stdout.write(msgspec.json.encode(made).decode() + "\n")
    else:
        console.print(f"Written to {page}", highlight=False)


def _judge_simulated(
    settings: Settings, scenario: Scenario, seeds: int, out: Path, json: bool
) -> Simulated:
    with progress(json) as display:
        say = _Progress(display, SIMULATED)
        result = simulated_report.judge_simulated(settings, scenario, seeds, wall_clock_ms(), say)
    simulated_report.write_simulated(result, out)
    if not json:
        console.print(f"[bold]{simulated_report.TITLE}[/bold]")
        console.print(simulated_report.summary(result), highlight=False)
        for table in simulated_report.tables(result):
            _print_table(table)
    return result


class _Progress:
    """Shows the step that is under way; called with a text and its number of steps, or ""."""

    def __init__(self, display: Progress, name: str) -> None:
        self._display = display
        self._name = name
        self._task = display.add_task(name, total=None)

    def __call__(self, text: str, steps: int | None) -> None:
        if text:
            self._display.reset(self._task, description=f"{self._name}: {text}", total=steps)
        else:
            self._display.advance(self._task, steps or 1)


def _jobs(
    datasets: list[str], data: Path, labels: Path | None, before_days: float, split: str
) -> list[tuple[Protocol, list[Path]]]:
    """What to judge and its files. Raises ``ConfigurationError`` and ``FileNotFoundError``."""
    if datasets[0] == files.NAME:
        if len(datasets) == 1:
            raise ConfigurationError("`events` needs event files: tideline evaluate events FILE…")
        return [(files.protocol(labels, before_days, split), [Path(p) for p in datasets[1:]])]
    names = list(PROTOCOLS) if datasets == [ALL] else datasets
    jobs = []
    for name in names:
        protocol = PROTOCOLS.get(name)
        if protocol is None:
            raise ConfigurationError(
                f"{name!r} is no data set; use {', '.join(PROTOCOLS)}, {ALL}, {SIMULATED}, "
                f"or `{files.NAME}` and event files"
            )
        paths = [data / file for file in protocol.files]
        for path in paths:
            if not path.exists():
                raise FileNotFoundError(2, "no such file", f"{path} (--data names the folder)")
        jobs.append((protocol, paths))
    return jobs


def _known(out: Path) -> list[Evaluation]:
    """All results of the folder, also of earlier runs, in the order of the protocols."""
    names = [*PROTOCOLS, files.NAME]
    paths = [out / f"{name}.json" for name in names if (out / f"{name}.json").is_file()]
    found = []
    for path in paths:
        try:
            found.append(msgspec.json.decode(path.read_bytes(), type=Evaluation))
        except msgspec.DecodeError as error:
            raise ConfigurationError(
                f"{path} is no result of this release ({error}); remove it, or give another --out"
            ) from None
    return found


def _print(evaluation: Evaluation) -> None:
    console.print(f"[bold]{evaluation.title}[/bold]")
    console.print(present.summary(evaluation), highlight=False)
    for result in evaluation.results:
        console.print(f"\n{present.heading(result)}", highlight=False)
        for verdict in present.verdicts(result):
            console.print(verdict.text, highlight=False, markup=False)
        for table in (present.short_table(result), *present.result_tables(result)):
            _print_table(table)


def _print_table(table: present.Table) -> None:
    shown = Table(*table.columns, title=table.title or None)
    for row in table.rows:
        shown.add_row(*row)
    console.print(shown)
