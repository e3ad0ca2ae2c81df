"""``doctor``: is everything here that Tideline needs, and does it answer?"""

import platform
import shutil
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from ops.errors import ConfigurationError, FatalError, TidelineError
from ops.kafka import admin_config, topic_name
from ops.settings import Settings, effective_masked, load_settings, privacy_key
from schemas.topics import CATALOGUE
from tideline.console import console, show

PYTHON_MIN = (3, 11)


def doctor(
    json: Annotated[bool, typer.Option("--json", help="print the result as JSON")] = False,
) -> None:
    """Check Python, the kernel, settings, Kafka, topics, ClickHouse and the keys."""
    settings = load_settings()
    checks: dict[str, Callable[[], str]] = {
        "python": _python,
        "kernel": _kernel,
        "java": lambda: shutil.which("java") or "not found (only the local Kafka needs it)",
        "privacy_key": lambda: f"{len(privacy_key(settings))} bytes",
        "model_keys": lambda: _model_keys(settings),
        "kafka": lambda: _kafka(settings),
        "topics": lambda: _topics(settings),
        "clickhouse": lambda: _clickhouse(settings),
    }
    result: dict[str, Any] = {}
    failed = []
    for name, check in checks.items():
        try:
            result[name] = {"ok": True, "detail": check()}
        except (TidelineError, KafkaException, OSError) as error:
            result[name] = {"ok": False, "detail": str(error)}
            failed.append(name)
    if json:
        show(
            {"ok": not failed, "checks": result, "settings": effective_masked(settings)},
            as_json=True,
        )
    else:
        for name, answer in result.items():
            mark = "[green]ok[/]  " if answer["ok"] else "[red]FAIL[/]"
            console.print(f"{mark} {name}: ", end="")
            console.print(answer["detail"], markup=False, highlight=False)
    if failed:
        raise FatalError(f"{', '.join(failed)}: see above for the remedy")


def _python() -> str:
    if sys.version_info < PYTHON_MIN:
        raise ConfigurationError(
            f"Python {platform.python_version()} is too old; use 3.11 or later"
        )
    return platform.python_version()


def _kernel() -> str:
    from streams.machine_code import load_machine_code

    load_machine_code()
    return "the feature kernel compiles"


def _model_keys(settings: Settings) -> str:
    from streams.model_keys import checked_keys

    return checked_keys(settings)


def _kafka(settings: Settings) -> str:
    metadata = AdminClient(admin_config(settings)).list_topics(timeout=5)
    return f"{len(metadata.brokers)} broker(s) at {settings.kafka.bootstrap_servers}"


def _topics(settings: Settings) -> str:
    existing = AdminClient(admin_config(settings)).list_topics(timeout=5).topics
    missing = [t.name for t in CATALOGUE if topic_name(settings, t.name) not in existing]
    if missing:
        raise ConfigurationError(f"missing {', '.join(missing)}; run `tideline topics apply`")
    wrong = [
        t.name
        for t in CATALOGUE
        if not t.single_partition
        and len(existing[topic_name(settings, t.name)].partitions) != settings.kafka.partitions
    ]
    if wrong:
        raise ConfigurationError(
            f"{', '.join(wrong)} do not have {settings.kafka.partitions} partitions; "
            "set TIDELINE_KAFKA__PARTITIONS to what Kafka has"
        )
    return f"{len(CATALOGUE)} topics, {settings.kafka.partitions} partitions"


def _clickhouse(settings: Settings) -> str:
    from sinks.engine import open_engine

    engine = open_engine(settings.clickhouse)
    try:
        rows = engine.query("SELECT version()", {})
    finally:
        engine.close()
    return f"ClickHouse {next(iter(rows[0].values()))}" if rows else "no answer"
