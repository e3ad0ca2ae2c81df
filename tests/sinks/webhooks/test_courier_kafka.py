"""The command on a real Kafka: nothing lost or changed when it is killed."""

import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from deploy.kafka.local import LocalKafka
from ops.kafka import admin_config, producer_config, topic_name
from ops.settings import Kafka, Settings
from schemas import topics
from schemas.codec import encode
from tests.sinks.outputs import alert
from tests.sinks.webhooks.servers import receiving, until
from tests.sinks.webhooks.test_document import WEBHOOK, written

ROOT = Path(__file__).parents[3]
ALERTS = 60
START = [sys.executable, "-m", "tideline.cli", "webhooks"]


@pytest.mark.kafka
def test_alerts_reach_the_endpoint_through_kills_and_failures(
    kafka: LocalKafka, tmp_path: Path
) -> None:
    prefix = f"t{uuid.uuid4().hex[:8]}."
    settings = Settings(kafka=Kafka(bootstrap_servers=kafka.bootstrap_servers, topic_prefix=prefix))
    topic = topic_name(settings, topics.ALERTS)
    admin = AdminClient(admin_config(settings))
    for future in admin.create_topics([NewTopic(topic, 2, 1)]).values():
        future.result(20)
    producer = Producer(producer_config(settings))

    def publish(first: int, last: int) -> None:
        for number in range(first, last):
            made = alert(number)
            producer.produce(topic, key=made.merchant_id.encode(), value=encode(made))
        producer.flush(20)

    with receiving() as receiver:
        receiver.answers = [(503, {}), (204, {}), (500, {})]
        endpoint = {"networks": ["127.0.0.0/8"], "start": "earliest", "url": receiver.url}
        path = written(tmp_path, {**WEBHOOK, **endpoint})
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "TIDELINE_WEBHOOKS__FILE": str(path),
            "TIDELINE_KAFKA__BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
            "TIDELINE_KAFKA__TOPIC_PREFIX": prefix,
        }
        publish(0, ALERTS // 2)
        killed = subprocess.Popen(START, env=environment, cwd=ROOT)
        try:
            until(lambda: len(receiver.posted) > 10, 40)
        finally:
            killed.send_signal(signal.SIGKILL)
            killed.wait(10)
        publish(ALERTS // 2, ALERTS)
        successor = subprocess.Popen(START, env=environment, cwd=ROOT)
        try:
            until(lambda: len(set(receiver.ids())) == ALERTS, 60)
            successor.send_signal(signal.SIGTERM)
            assert successor.wait(20) == 0
        finally:
            successor.kill()
        told = receiver.ids()
    assert set(told) == {f"al-{n}.1" for n in range(ALERTS)}
    bodies = {posted.headers["webhook-id"]: posted.body for posted in receiver.posted}
    assert all(bodies[each.headers["webhook-id"]] == each.body for each in receiver.posted)
