"""The topics that the monitors' tables are restored from, there before Faust looks for them.

Faust creates them as it starts and joins its group at once: where Kafka's metadata lag behind, the
assignment leaves a table out.
"""

import time

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from ops.errors import ConfigurationError, FatalError
from ops.kafka import admin_config
from ops.settings import Settings

READY_S = 30.0
CONFIG = {
    "cleanup.policy": "compact",
    # The segment being written is never compacted, and a restore reads all of it.
    "segment.bytes": str(16 << 20),
    "min.cleanable.dirty.ratio": "0.2",
}


def prepare_topics(
    settings: Settings, inputs: list[str], changelogs: list[str], *, declare: bool
) -> None:
    """Create the changelogs that are missing (names as on Kafka) and check all partition counts.

    ``declare`` False is for the embedded broker, where a topic appears when it is asked for. Raises
    ``ConfigurationError`` when a count is not that of the settings, ``FatalError`` when a topic is
    missing or Kafka does not answer.
    """
    try:
        if declare:
            _create(settings, changelogs)
        # A producer, because only it makes topics appear on the embedded broker.
        client = Producer(admin_config(settings))
        for name in inputs:
            _check(settings, client, name, may_appear=not declare)
        for name in changelogs:
            _check(settings, client, name, may_appear=True)
    except KafkaException as error:
        raise FatalError(f"the monitor's topics: {error.args[0]}") from error


def _create(settings: Settings, names: list[str]) -> None:
    admin = AdminClient(admin_config(settings))
    kafka = settings.kafka
    existing = admin.list_topics(timeout=READY_S).topics
    missing = [
        NewTopic(name, kafka.partitions, kafka.replication_factor, config=CONFIG)
        for name in names
        if name not in existing
    ]
    for created in admin.create_topics(missing).values() if missing else ():
        try:
            created.result(READY_S)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise


def _check(settings: Settings, client: Producer, name: str, *, may_appear: bool) -> None:
    deadline = time.monotonic() + READY_S
    while True:
        found = client.list_topics(name, timeout=READY_S).topics[name]
        if found.error is None and all(p.leader >= 0 for p in found.partitions.values()):
            break
        if found.error is not None and not may_appear:
            raise FatalError(f"topic {name}: {found.error}; run `tideline topics apply`")
        if time.monotonic() > deadline:
            raise FatalError(f"topic {name} is not there after {READY_S:.0f} s")
        time.sleep(0.1)
    if len(found.partitions) != settings.kafka.partitions:
        raise ConfigurationError(
            f"topic {name} has {len(found.partitions)} partitions, TIDELINE_KAFKA__PARTITIONS is "
            f"{settings.kafka.partitions}; they must be equal for every topic"
        )
