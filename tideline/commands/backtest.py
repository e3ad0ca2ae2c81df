"""``backtest``: the same events under several policies, compared in money."""

import resource
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.table import Table

from credit.bundle import bundle
from credit.outcomes import Terms
from credit.policy import PolicyError, load_policy
from detectors.rule_loading import load_rules
from features.layout import HOUR_MS
from ops.errors import ConfigurationError, FatalError
from ops.settings import Settings, load_settings
from streams.artifacts import builtin_policy, builtin_products, builtin_rules
from streams.intake import InputStopped
from streams.machine_code import load_machine_code
from streams.runtime import wall_clock_ms
from tideline.backtesting import report
from tideline.backtesting.compare import Comparison, compare
from tideline.backtesting.run import Backtest, Contender
from tideline.commands.replay import REPLAY_KEY
from tideline.console import console, progress
from tideline.sources import AdapterReport, estimate_total, open_sources

SHOW_EVERY = 1000
APPROVE_AFTER_HOURS = 24.0


def backtest(
    files: Annotated[list[str], typer.Argument(help="event files, or - for standard input")],
    policy: Annotated[
        list[str], typer.Option(help="a policy file, or the name of one that ships; give several")
    ],
    format: Annotated[str, typer.Option(help="events, or a data set's adapter")] = "events",
    out: Annotated[Path, typer.Option(help="folder for JSON and HTML")] = Path("backtest-out"),
    naive: Annotated[
        bool, typer.Option("--naive/--no-naive", help="compare with three naive policies too")
    ] = True,
    learn: Annotated[bool, typer.Option("--learn/--no-learn")] = True,
    approve_after: Annotated[
        float,
        typer.Option(
            min=0,
            help="hours after which people approve a proposal; past the policy's time-out: never",
        ),
    ] = APPROVE_AFTER_HOURS,
    annual_rate: Annotated[float, typer.Option(min=0, max=10)] = Terms().annual_rate,
    annual_funding_cost: Annotated[
        float, typer.Option(min=0, max=10)
    ] = Terms().annual_funding_cost,
    loss_given_default: Annotated[float, typer.Option(min=0, max=1)] = Terms().loss_given_default,
    partitions: Annotated[int | None, typer.Option(min=1, max=1024)] = None,
    seed: Annotated[int, typer.Option(help="of the bootstrap")] = 1,
    json: Annotated[bool, typer.Option("--json", help="print the result as JSON")] = False,
) -> None:
    """Run the events under each policy, the first being the one to compare with."""
    terms = Terms(
        annual_rate=annual_rate,
        annual_funding_cost=annual_funding_cost,
        loss_given_default=loss_given_default,
    )
    settings = load_settings()
    if partitions is not None:
        kafka = settings.kafka.model_copy(update={"partitions": partitions})
        settings = settings.model_copy(update={"kafka": kafka})
    load_machine_code()
    subject = Backtest(
        settings,
        REPLAY_KEY,
        contenders(policy),
        terms,
        naive=naive,
        learn=learn,
        approve_after_ms=round(approve_after * HOUR_MS),
    )
    started = time.monotonic()
    _run(subject, settings, files, format, quiet=json)
    seconds = time.monotonic() - started
    found = compare(subject.names, subject.outcomes, subject.conduct, subject.segments, seed)
    summary = {
        "events": subject.events,
        "merchants": len(subject.segments),
        "loans_ended": subject.outcomes.ended,
        "loans_defaulted": subject.outcomes.defaulted,
        "terms": msgspec.to_builtins(terms),
        "approve_after_hours": approve_after,
    }
    report.write_json(found, summary, out)
    page = report.write_html(found, summary, terms, out)
    cost = {
        "seconds": round(seconds, 1),
        "events_per_s": round(subject.events / seconds),
        "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }
    if json:
        whole = {**summary, **cost, **msgspec.to_builtins(found)}
        sys.stdout.write(msgspec.json.encode(whole).decode() + "\n")
        return
    _show(found, summary, cost, page)


def contenders(names: Sequence[str]) -> list[Contender]:
    """Policies by file or shipped name, checked. Raises ``ConfigurationError`` on a bad one."""
    kinds = load_rules(builtin_rules()).kinds
    found: dict[str, Contender] = {}
    for name in names:
        path = Path(name)
        try:
            text = _text(path) if path.is_file() else builtin_policy(f"{name}.yaml")
            version = load_policy(text, kinds).version
        except FileNotFoundError:
            raise ConfigurationError(
                f"--policy {name!r} is no file and no policy that ships; give the path of one"
            ) from None
        except (PolicyError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"--policy {name}: {error}") from None
        if version in found:
            raise ConfigurationError(f"--policy {name}: version {version} is given twice")
        found[version] = Contender(name=version, text=text)
    return list(found.values())


def _text(path: Path) -> str:
    return bundle(path.read_text("utf-8"), builtin_products())


def _run(
    subject: Backtest, settings: Settings, files: list[str], format: str, *, quiet: bool
) -> None:
    paths: list[Path | str] = [path if path == "-" else Path(path) for path in files]
    now_ms = wall_clock_ms()
    with progress(quiet) as display:
        task = display.add_task("backtesting", total=estimate_total(paths, format))
        lines = 0
        try:
            for record in open_sources(paths, format, AdapterReport()):
                subject.feed(record.source, record.line, record.value, now_ms)
                lines += 1
                if lines % SHOW_EVERY == 0:
                    display.update(task, completed=lines)
        except InputStopped as stopped:
            raise FatalError(f"{stopped}; mend the input") from None
        subject.finish(now_ms)
        display.update(task, completed=lines, total=lines)


def _show(found: Comparison, summary: dict[str, Any], cost: dict[str, Any], page: Path) -> None:
    for each in found.currencies:
        table = Table(each.currency, *found.policies, title=f"{each.merchants} merchants")
        for field, label in report.LABELS.items():
            cells = (each.totals_minor[name][field] for name in found.policies)
            table.add_row(label, *(report.amount(cell, each.currency) for cell in cells))
        console.print(table)
        for name, differences in each.differences.items():
            net = next(d for d in differences if d.field == "net")
            low, high = (report.amount(v, each.currency) for v in (net.low_minor, net.high_minor))
            total = report.amount(net.total_minor, each.currency)
            console.print(
                f"{name} against {found.policies[0]}: net {total} {each.currency}, "
                f"95 % interval {low} to {high}",
                highlight=False,
            )
    console.print(
        f"{summary['events']:,} events, {summary['loans_ended']:,} loans ended, "
        f"{summary['loans_defaulted']:,} in default; {cost['events_per_s']:,} events/s, "
        f"{cost['peak_memory_bytes'] / 1e6:,.0f} MB. Report: {page}",
        highlight=False,
    )
