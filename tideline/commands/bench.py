"""``bench``: measure this machine on a real Kafka, beside a plain Faust agent."""

import importlib
from typing import Annotated

import typer

from ops.errors import ConfigurationError
from tideline.console import show


def bench(
    events: Annotated[int, typer.Option(help="events of the backlog", min=20_000)] = 600_000,
    merchants: Annotated[int, typer.Option(min=1)] = 20_000,
    rate: Annotated[int, typer.Option(help="events per second of the latency part")] = 2_000,
    seconds: Annotated[int, typer.Option(help="length of the latency part", min=5)] = 30,
    json: Annotated[bool, typer.Option("--json", help="print the result as JSON")] = False,
) -> None:
    """Throughput and latency on a local Kafka (Java, Maven), in one run with a Faust peer."""
    try:
        run = importlib.import_module("bench.run").run
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"{error.name} is not here: run the benchmark in a checkout of the project"
        ) from error
    show(run(events, merchants, rate, seconds), as_json=json, title="Benchmark")
