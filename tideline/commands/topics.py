"""``topics``: make Kafka match the catalogue."""

from typing import Annotated, Any

import typer
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from ops.errors import ConfigurationError
from ops.kafka import admin_config, topic_name
from ops.settings import Settings, load_settings
from schemas.topics import CATALOGUE, DAY_MS, Topic
from tideline.console import show

TIMEOUT_S = 30.0
RECORD_BYTES_MAX = 16 << 20
COMPACTION_LAG_MS = DAY_MS
app = typer.Typer(help="The topics that Tideline needs.", no_args_is_help=True)


def topic_config(topic: Topic) -> dict[str, str]:
    """Kafka's settings of a topic. Compacted input keeps each record readable for a day."""
    config = {
        "cleanup.policy": topic.cleanup,
        "max.message.bytes": str(RECORD_BYTES_MAX),
        "message.timestamp.type": "CreateTime",
    }
    if topic.retention_ms is not None:
        config["retention.ms"] = str(topic.retention_ms)
    if topic.cleanup == "compact" and not topic.internal:
        config["min.compaction.lag.ms"] = str(COMPACTION_LAG_MS)
    return config


@app.command("apply")
def apply(
    json: Annotated[bool, typer.Option("--json", help="print the result as JSON")] = False,
) -> None:
    """Create what is missing, correct settings; never delete and never repartition."""
    show(apply_catalogue(load_settings()), as_json=json, title="Topics")


@app.command("list")
def list_topics(
    json: Annotated[bool, typer.Option("--json", help="print the result as JSON")] = False,
) -> None:
    """Print the catalogue."""
    rows = {t.name: f"{t.cleanup}; key {t.key}; {t.description}" for t in CATALOGUE}
    show(rows, as_json=json, title="Topics")


def apply_catalogue(settings: Settings) -> dict[str, Any]:
    """Make Kafka match the catalogue.

    Raises ``ConfigurationError`` when a topic exists with another partition count: keys would land
    elsewhere, so that is for a person to solve.
    """
    admin = AdminClient(admin_config(settings))
    existing = admin.list_topics(timeout=TIMEOUT_S).topics
    created: list[str] = []
    altered: list[str] = []
    unchanged: list[str] = []
    for topic in CATALOGUE:
        name = topic_name(settings, topic.name)
        wanted = 1 if topic.single_partition else settings.kafka.partitions
        if name not in existing:
            new = NewTopic(
                name, wanted, settings.kafka.replication_factor, config=topic_config(topic)
            )
            admin.create_topics([new])[name].result(TIMEOUT_S)
            created.append(name)
            continue
        found = len(existing[name].partitions)
        if found != wanted:
            raise ConfigurationError(
                f"topic {name} has {found} partitions, the settings want {wanted}: use "
                f"TIDELINE_KAFKA__PARTITIONS={found}, or another TIDELINE_KAFKA__TOPIC_PREFIX"
            )
        (altered if _correct(admin, name, topic_config(topic)) else unchanged).append(name)
    return {"created": created, "altered": altered, "unchanged": unchanged}


def _correct(admin: AdminClient, name: str, wanted: dict[str, str]) -> bool:
    resource = ConfigResource(ResourceType.TOPIC, name)
    current = admin.describe_configs([resource])[resource].result(TIMEOUT_S)
    wrong = {k: v for k, v in wanted.items() if k not in current or current[k].value != v}
    if not wrong:
        return False
    change = ConfigResource(
        ResourceType.TOPIC,
        name,
        incremental_configs=[
            ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET)
            for key, value in sorted(wrong.items())
        ],
    )
    admin.incremental_alter_configs([change])[change].result(TIMEOUT_S)
    return True
