"""Versions read from their compacted topics: policies and rule files share one."""

from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import TopicPartition

from detectors.default_risk import PRIOR_MODEL, encode_model
from detectors.envelope import Signer
from ops.errors import FatalError
from ops.kafka import topic_name
from ops.settings import Settings
from schemas import topics
from schemas.digests import content_digest
from streams import artifacts
from streams.artifacts import KafkaArtifacts, MemoryArtifacts, builtin_policy, builtin_rules
from streams.model_keys import REPLAY_KEYS, REPLAY_SIGNER
from streams.records import artifact_of, artifact_record_key

SETTINGS = Settings()
MODELS, POLICIES = (topic_name(SETTINGS, t) for t in (topics.MODELS, topics.POLICIES))


class Message:
    """What a consumer hands out."""

    def __init__(self, topic: str, key: bytes, value: bytes) -> None:
        self._topic, self._key, self._value = topic, key, value

    def error(self) -> None:
        return None

    def topic(self) -> str:
        return self._topic

    def partition(self) -> int:
        return 0

    def key(self) -> bytes:
        return self._key

    def value(self) -> bytes:
        return self._value


def content_of(kind: str, signer: Signer = REPLAY_SIGNER) -> bytes:
    """Bytes of version ``v1`` of a kind; a model is signed."""
    if kind != "model":
        return kind.encode()
    return signer.seal("default-risk", "v1", b"{}", published_at=1, libraries={}, parent=None)


class Consumer:
    """A consumer of topics of one partition each."""

    def __init__(self, messages: list[Message]) -> None:
        self._waiting = list(messages)
        self._ends = {name: sum(m.topic() == name for m in messages) for name in (MODELS, POLICIES)}
        self._read = dict.fromkeys(self._ends, 0)
        self._assigned: list[TopicPartition] = []

    def list_topics(self, name: str, timeout: float) -> Any:
        return SimpleNamespace(topics={name: SimpleNamespace(error=None, partitions={0: None})})

    def assign(self, places: list[TopicPartition]) -> None:
        self._assigned = places

    def assignment(self) -> list[TopicPartition]:
        return self._assigned

    def get_watermark_offsets(self, place: TopicPartition, timeout: float) -> tuple[int, int]:
        return 0, self._ends[place.topic]

    def position(self, places: list[TopicPartition]) -> list[TopicPartition]:
        return [TopicPartition(p.topic, p.partition, self._read[p.topic]) for p in places]

    def consume(self, count: int, wait_s: float) -> list[Message]:
        taken, self._waiting = self._waiting[:1], self._waiting[1:]
        for message in taken:
            self._read[message.topic()] += 1
        return taken


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> KafkaArtifacts:
    """A model, a policy and a rule file of one version on Kafka."""
    consumer = Consumer(
        [
            Message(topic, artifact_record_key(kind, "v1"), content_of(kind))
            for topic, kind in ((MODELS, "model"), (POLICIES, "policy"), (POLICIES, "rules"))
        ]
    )
    monkeypatch.setattr(artifacts, "reader", lambda _: consumer)
    monkeypatch.setattr(artifacts, "keyring_of", lambda _: REPLAY_KEYS)
    return KafkaArtifacts(SETTINGS)


@pytest.mark.parametrize("kind", ["model", "policy", "rules"])
def test_versions_of_each_kind_are_found_under_their_own_name(
    published: KafkaArtifacts, kind: str
) -> None:
    digest = content_digest(content_of(kind))
    assert published.digest_of(kind, "v1") == digest
    assert published.get(kind, "v1", digest) == content_of(kind)
    assert published.digest_of(kind, "v2") is None


def test_forged_bytes_hide_neither_the_true_ones_nor_those_that_ship(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    true, forged = content_of("model"), content_of("model", Signer(bytes(32)))
    shipped = PRIOR_MODEL.version
    consumer = Consumer(
        [
            Message(MODELS, b"v1", forged),
            Message(MODELS, b"v1", true),
            Message(MODELS, b"v1", forged),
            Message(MODELS, b"v1", b"{}"),
            Message(MODELS, shipped.encode(), forged),
        ]
    )
    monkeypatch.setattr(artifacts, "reader", lambda _: consumer)
    monkeypatch.setattr(artifacts, "keyring_of", lambda _: REPLAY_KEYS)
    found = KafkaArtifacts(SETTINGS)
    assert found.digest_of("model", "v1") == content_digest(true)
    assert found.get("model", "v1", content_digest(true)) == true
    assert found.get("model", "v1", content_digest(forged)) == forged, "scoring says why not"
    assert found.digest_of("model", shipped) == content_digest(encode_model(PRIOR_MODEL))


def test_all_of_a_kind_are_those_that_ship_and_those_published(published: KafkaArtifacts) -> None:
    assert set(published.all_of("rules")) == {builtin_rules().encode(), b"rules"}
    assert set(published.all_of("policy")) == {builtin_policy().encode(), b"policy"}


@pytest.mark.parametrize(
    ("topic", "kind"),
    [(topics.MODELS, "model"), (topics.POLICIES, "policy"), (topics.POLICIES, "rules")],
)
def test_the_key_of_a_publication_says_what_it_is(topic: str, kind: str) -> None:
    assert artifact_of(topic, artifact_record_key(kind, "rules-1.b")) == (kind, "rules-1.b")


def test_a_version_that_is_not_there_is_an_error() -> None:
    memory = MemoryArtifacts()
    memory.put("rules", "mine-1", b"x")
    assert memory.get("rules", "mine-1", content_digest(b"x")) == b"x"
    with pytest.raises(FatalError, match=r"rules version mine-1 .* is not available"):
        memory.get("rules", "mine-1", content_digest(b"y"))
