"""The desk's way into Kafka: what it sends is acknowledged before the person is told so."""

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from ops.errors import RetryableError
from ops.kafka import producer_config, topic_name
from ops.settings import Settings

SEND_S = 5.0


class OutboxUnavailable(RetryableError):
    """Kafka did not take a record in time. Sending it again is safe: its id stays the same."""


class KafkaOutbox:
    """Sends with acknowledgement of all replicas. Safe to share between threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._producer = Producer(
            {**producer_config(settings), "delivery.timeout.ms": int(SEND_S * 1000)}
        )

    def send(self, topic: str, key: str, value: bytes) -> None:
        """As ``desk.ports.Outbox``."""
        failed: list[KafkaError] = []
        done: list[bool] = []

        def delivered(error: KafkaError | None, _message: Message) -> None:
            if error is not None:
                failed.append(error)
            done.append(True)

        try:
            self._producer.produce(
                topic_name(self._settings, topic),
                key=key.encode(),
                value=value,
                on_delivery=delivered,
            )
        except (BufferError, KafkaException) as error:
            raise OutboxUnavailable(f"Kafka takes nothing: {error}") from error
        self._producer.flush(SEND_S + 1)
        if failed or not done:
            raise OutboxUnavailable(f"Kafka did not take it: {failed[0] if failed else 'time out'}")
