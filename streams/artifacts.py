"""Published versions of models, policies and rules, read from compacted topics when needed."""

import time
from importlib.resources import files

from confluent_kafka import Consumer, KafkaError, TopicPartition

from credit import products
from credit.bundle import bundle
from credit.policy import load_policy
from detectors import rulebooks
from detectors.anomaly import ROBUST_DISTANCE
from detectors.default_risk import PRIOR_MODEL, encode_model
from detectors.envelope import EnvelopeError, Keyring, open_envelope
from detectors.rule_loading import load_rules
from ops.errors import FatalError
from ops.kafka import topic_name
from ops.settings import Settings
from schemas import topics
from schemas.digests import content_digest
from streams.model_keys import REPLAY_KEYS, keyring_of
from streams.reading import reader
from streams.records import ENVELOPE_KINDS, artifact_of
from streams.versions import Genesis

DEFAULT_POLICY = "working-capital-1.yaml"
_TOPICS = (topics.MODELS, topics.POLICIES)
Key = tuple[str, str]
"""Kind (``model``, ``anomaly``, ``policy`` or ``rules``) and version."""


def builtin_products() -> dict[str, str]:
    """Texts of the products that ship with Tideline, by version."""
    folder = files("credit.products")
    return {
        name.removesuffix(".yaml"): folder.joinpath(name).read_text("utf-8")
        for name in products.NAMES
    }


def builtin_policy(name: str = DEFAULT_POLICY) -> str:
    """Text of a policy that ships with Tideline, with its products."""
    text = files("credit.policies").joinpath(name).read_text("utf-8")
    return bundle(text, builtin_products())


def builtin_rules(name: str = rulebooks.DEFAULT) -> str:
    """Text of a rule file that ships with Tideline."""
    return files("detectors.rulebooks").joinpath(name).read_text("utf-8")


def genesis() -> Genesis:
    """Versions in force before any activation: shipped policy and rules, and the expert prior."""
    return Genesis(policy_text=builtin_policy(), rules_text=builtin_rules(), model=PRIOR_MODEL)


def builtin_artifacts() -> dict[Key, bytes]:
    """Versions that need no publication: one may roll back to them."""
    policy, rules = builtin_policy(), builtin_rules()
    return {
        ("model", PRIOR_MODEL.version): encode_model(PRIOR_MODEL),
        ("anomaly", ROBUST_DISTANCE): ROBUST_DISTANCE.encode(),
        ("policy", load_policy(policy).version): policy.encode(),
        ("rules", load_rules(rules).version): rules.encode(),
    }


class MemoryArtifacts:
    """Versions held in memory: replay, backtest, tests."""

    def __init__(self, trusted: Keyring = REPLAY_KEYS) -> None:
        self.trusted = trusted
        self._known = builtin_artifacts()

    def put(self, kind: str, version: str, raw: bytes) -> None:
        """Publish a version; a version never changes."""
        assert self._known.setdefault((kind, version), raw) == raw, f"{kind} {version} changed"

    def get(self, kind: str, version: str, digest: str) -> bytes:
        """See ``streams.records.Artifacts``. Raises ``FatalError`` if it is not there."""
        raw = self._known.get((kind, version))
        if raw is None or content_digest(raw) != digest:
            raise FatalError(f"{kind} version {version} ({digest}) is not available")
        return raw

    def digest_of(self, kind: str, version: str) -> str | None:
        """See ``streams.records.Artifacts``."""
        raw = self._known.get((kind, version))
        return None if raw is None else content_digest(raw)

    def all_of(self, kind: str) -> list[bytes]:
        """See ``streams.records.Artifacts``."""
        return [raw for (each, _), raw in self._known.items() if each == kind]


class KafkaArtifacts:
    """Versions of ``risk.models`` and ``risk.policies``; reads on when asked for a new one.

    Whoever can write to these topics can write under any name. So all bytes seen of a version are
    kept, by digest: a forgery hides nothing, and what ships with the code stays as it is.
    """

    def __init__(self, settings: Settings) -> None:
        self.trusted = keyring_of(settings)
        self._settings = settings
        self._topics = {topic_name(settings, topic): topic for topic in _TOPICS}
        self._known: dict[Key, dict[str, bytes]] = {
            key: {content_digest(raw): raw} for key, raw in builtin_artifacts().items()
        }
        self._shipped = frozenset(self._known)
        self._consumer: Consumer | None = None
        self._at_end: set[tuple[str, int]] = set()

    def get(self, kind: str, version: str, digest: str) -> bytes:
        """See ``streams.records.Artifacts``. Raises ``FatalError`` after the restore time-out."""
        deadline = time.monotonic() + self._settings.worker.restore_timeout_ms / 1000
        while True:
            raw = self._known.get((kind, version), {}).get(digest)
            if raw is not None:
                return raw
            if time.monotonic() > deadline:
                raise FatalError(f"{kind} version {version} ({digest}) was not published in time")
            self._poll(0.1)

    def digest_of(self, kind: str, version: str) -> str | None:
        """See ``streams.records.Artifacts``; knows all that was committed before the call."""
        self._catch_up()
        latest = None
        for digest, raw in self._known.get((kind, version), {}).items():
            if (kind, version) in self._shipped or self._is_ours(kind, version, raw):
                latest = digest
        return latest

    def _is_ours(self, kind: str, version: str, raw: bytes) -> bool:
        sealed = ENVELOPE_KINDS.get(kind)
        if sealed is None:
            return True
        try:
            open_envelope(raw, self.trusted, kind=sealed, version=version)
        except EnvelopeError:
            return False
        return True

    def all_of(self, kind: str) -> list[bytes]:
        """See ``streams.records.Artifacts``; knows all that was committed before the call."""
        self._catch_up()
        return [
            raw
            for (each, _), known in self._known.items()
            if each == kind
            for raw in known.values()
        ]

    def _catch_up(self) -> None:
        consumer = self._start()
        ends = {}
        for partition in consumer.assignment():
            _, high = consumer.get_watermark_offsets(partition, timeout=10)
            ends[partition.topic, partition.partition] = high
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            places = {
                (p.topic, p.partition): p.offset
                for p in consumer.position([TopicPartition(*key) for key in ends])
            }
            behind = [k for k, high in ends.items() if high > max(places[k], 0)]
            if all(key in self._at_end for key in behind):
                return
            self._poll(0.1)

    def _start(self) -> Consumer:
        if self._consumer is None:
            consumer = reader(self._settings)
            places = []
            for name in self._topics:
                found = consumer.list_topics(name, timeout=10).topics[name]
                if found.error is not None:
                    raise FatalError(f"topic {name}: {found.error}; run `tideline topics apply`")
                places += [TopicPartition(name, p, 0) for p in found.partitions]
            consumer.assign(places)
            self._consumer = consumer
        return self._consumer

    def _poll(self, wait_s: float) -> None:
        for message in self._start().consume(100, wait_s):
            error = message.error()
            place = (message.topic(), message.partition())
            if error is not None:
                if error.code() == KafkaError._PARTITION_EOF:
                    self._at_end.add(place)
                continue
            self._at_end.discard(place)
            if message.value() is not None:
                key = artifact_of(self._topics[message.topic()], message.key())
                known = self._known.setdefault(key, {})
                if not (key in self._shipped and key[0] == "model"):
                    known[content_digest(message.value())] = message.value()
