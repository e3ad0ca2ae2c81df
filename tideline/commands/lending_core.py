"""``lending-core``: the sample core that obeys limit changes; its statement; reconciliation."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from confluent_kafka import KafkaException
from rich.table import Table

from credit.core_book import decode_instruction, decode_line
from credit.core_statement import Difference, Sent, Statement, compare, statement_of
from ops.errors import ConfigurationError, FatalError
from ops.settings import Settings, load_settings
from schemas import topics
from streams.lending_core_host import ROLE, LendingCoreHost
from streams.reading import partitions_of, read_partition
from streams.verify import committed_positions
from tideline.console import EXIT_FAILED, console, show
from tideline.service import run_hosts, service
from tideline.statements import read_statement, write_statement

SEED = 1


def lending_core(
    draw: Annotated[
        bool, typer.Option("--draw", help="merchants draw and repay, simulated")
    ] = False,
    seed: Annotated[int, typer.Option(help="with --draw: of what is drawn and repaid")] = SEED,
    mend: Annotated[
        list[str] | None,
        typer.Option(help="a line_id to take out of quarantine at the start; may be repeated"),
    ] = None,
    statement: Annotated[
        Path | None,
        typer.Option(help="write the book to this file (NDJSON, or .csv) and end"),
    ] = None,
    reconcile: Annotated[
        Path | None,
        typer.Option(help="compare this statement with risk.limit-changes and end"),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="print the result as JSON")] = False,
) -> None:
    """Book limit changes as a bank's core would, exactly once, until stopped."""
    if sum((statement is not None, reconcile is not None, bool(draw or mend))) > 1:
        raise ConfigurationError(
            "--statement, --reconcile, and running the core (--draw, --mend) are three commands; "
            "give one"
        )
    settings = load_settings()
    if statement is not None:
        with _kafka(settings):
            found = read_book(settings)
        write_statement(found, statement)
        show(_summary(found) | {"file": str(statement)}, as_json=json, title="Statement")
    elif reconcile is not None:
        given = read_statement(reconcile)
        with _kafka(settings):
            differences = reconcile_with_log(settings, given)
        _show_differences(differences, as_json=json)
    else:
        draw_seed = seed if draw else None
        with service(settings, ROLE) as process:
            with _kafka(settings):
                _check_partitions(settings)
            run_hosts(
                process,
                [
                    lambda: LendingCoreHost(
                        process.settings, process.metrics, draw_seed=draw_seed, mend=mend or ()
                    )
                ],
            )


@contextmanager
def _kafka(settings: Settings) -> Iterator[None]:
    """Say in one line that Kafka does not answer. Raises ``FatalError``."""
    try:
        yield
    except KafkaException as error:
        raise FatalError(
            f"Kafka at {settings.kafka.bootstrap_servers}: {error.args[0].str()}; is it up, and is "
            "TIDELINE_KAFKA__BOOTSTRAP_SERVERS right?"
        ) from error


def _check_partitions(settings: Settings) -> None:
    """Answers and book go to the partition that a change came from: it must be there.

    Raises ``FatalError`` where a topic is missing.
    """
    expected = partitions_of(settings, topics.LIMIT_CHANGES)
    for topic in (topics.LENDING, topics.CORE_BOOK):
        found = partitions_of(settings, topic)
        if found != expected:
            raise ConfigurationError(
                f"topic {topic} has {found} partitions, {topics.LIMIT_CHANGES} has {expected}; "
                "they must be equal for every topic"
            )


def read_book(settings: Settings) -> Statement:
    """The sample core's book as it is committed now."""
    # Positions first: the book has everything before them, and perhaps more.
    committed = committed_positions(settings, ROLE, topics.LIMIT_CHANGES)
    lines: dict[bytes, bytes] = {}
    for partition in range(partitions_of(settings, topics.CORE_BOOK)):
        for message in read_partition(settings, topics.CORE_BOOK, partition):
            lines[message.key()] = message.value()
    return statement_of(
        map(decode_line, lines.values()),
        {partition: position for partition, (position, _) in committed.items()},
    )


def reconcile_with_log(settings: Settings, statement: Statement) -> list[Difference]:
    """Where a statement and ``risk.limit-changes`` differ."""
    return compare(statement, _sent(settings))


def _sent(settings: Settings) -> Iterator[Sent]:
    for partition in range(partitions_of(settings, topics.LIMIT_CHANGES)):
        for message in read_partition(settings, topics.LIMIT_CHANGES, partition):
            try:
                change = decode_instruction(message.value() or b"")
            except msgspec.DecodeError:
                continue  # nobody can obey it: the core stops there, and says so
            yield Sent(partition, message.offset(), change)


def _summary(statement: Statement) -> dict[str, Any]:
    return {
        "lines": len(statement.lines),
        "quarantined": sum(line.quarantined for line in statement.lines),
        "totals": msgspec.to_builtins(statement.totals),
    }


def _show_differences(found: list[Difference], *, as_json: bool) -> None:
    kinds = Counter(difference.kind for difference in found)
    if as_json:
        result = {"equal": not found, "kinds": dict(kinds)}
        show(result | {"differences": msgspec.to_builtins(found)}, as_json=True)
    elif found:
        table = Table("kind", "line", "merchant", "core", "Tideline", "remedy")
        for each in found:
            table.add_row(
                each.kind, each.line_id, each.merchant_id, each.core, each.tideline, each.remedy
            )
        console.print(table)
    else:
        console.print("The statement and risk.limit-changes agree.")
    if found:
        raise typer.Exit(EXIT_FAILED)
