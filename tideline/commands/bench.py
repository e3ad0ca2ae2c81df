"""``bench``: measure this machine on a real Kafka, beside other stream processors."""

import importlib
from pathlib import Path
from typing import Annotated

import typer

from ops.errors import ConfigurationError
from tideline.console import show


def bench(
    events: Annotated[int, typer.Option(help="events of the backlog", min=20_000)] = 1_000_000,
    merchants: Annotated[int, typer.Option(min=1, max=1_000_000)] = 20_000,
    rate: Annotated[
        int, typer.Option(help="events per second of the latency part", min=100)
    ] = 20_000,
    seconds: Annotated[int, typer.Option(help="length of the latency part", min=5)] = 30,
    quick: Annotated[bool, typer.Option("--quick", help="rough figures in 3 minutes")] = False,
    growth: Annotated[
        bool, typer.Option("--growth", help="up to a million merchants, not only 100,000")
    ] = False,
    parts: Annotated[
        str,
        typer.Option(
            help="only these, separated by commas: engine, throughput, peers, together, stages, "
            "latency, takeover, growth"
        ),
    ] = "",
    report: Annotated[
        Path | None, typer.Option(help="also write the result as Markdown tables to this file")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="print the result as JSON")] = False,
) -> None:
    """Throughput, latency and growth on a local Kafka (Java, Maven), in one run with its peers."""
    try:
        bench_run = importlib.import_module("bench.run")
        render = importlib.import_module("bench.report").render
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"{error.name} is not here: run the benchmark in a checkout of the project"
        ) from error
    plan = bench_run.plan_of(
        count=events,
        merchants=merchants,
        rate=rate,
        seconds=seconds,
        short=quick,
        million=growth,
        parts=parts,
    )
    result = bench_run.run(plan)
    if report is not None:
        report.write_text(render(result), "utf-8")
    show(result, as_json=json, title="Benchmark")
