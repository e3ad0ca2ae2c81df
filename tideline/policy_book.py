"""Policies and rule files for the desk: shipped ones, those of ``risk.policies``, and checks."""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from functools import lru_cache
from importlib.resources import files

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from credit import policies
from credit.approvals import persons_needed
from credit.bundle import bundle
from credit.guardrails import bounds_of
from credit.policy import Policy, PolicyError, load_policy
from desk.policy_books import (
    Artifact,
    BookUnavailable,
    BreakerBounds,
    Checked,
    Document,
    Fault,
    Guardrails,
    Move,
)
from detectors import rulebooks
from detectors.rule_loading import faults, load_rules
from ops.kafka import topic_name
from ops.settings import Settings
from schemas import topics
from schemas.digests import content_digest
from schemas.strict_yaml import top_level_keys
from streams.artifacts import DEFAULT_POLICY, builtin_policy, builtin_products, builtin_rules
from streams.reading import reader
from streams.records import artifact_of

log = logging.getLogger(__name__)

Published = Callable[[], Iterable[Document]]
"""Versions that were published, in the order in which they came."""
ANSWER_S = 3.0
FRESH_S = 2.0


class Book:
    """As ``desk.policy_books.PolicyBook``."""

    def __init__(self, published: Published) -> None:
        self._published = published
        self._shipped = shipped()

    def documents(self) -> list[Document]:
        """Shipped versions, what is in force from the start first of its kind; then published."""
        found = {(each.artifact, each.version, each.digest): each for each in self._shipped}
        for each in self._published():
            found.setdefault((each.artifact, each.version, each.digest), each)
        return list(found.values())

    def policy_text(self, version: str, digest: str) -> str | None:
        """The text of a policy by version and digest; None where it cannot be had now."""
        try:
            documents = self.documents()
        except BookUnavailable as error:
            log.warning("policy_not_read", extra={"version": version, "error": str(error)})
            return None
        wanted = ("policy", version, digest)
        found = (each.text for each in documents if each[:3] == wanted)
        return next(found, None)

    def check(self, text: str) -> Checked:
        """As intake checks a publication."""
        artifact: Artifact = "rules" if "rules" in top_level_keys(text) else "policy"
        if artifact == "rules":
            wrong = [Fault(each.line, each.detail) for each in faults(text)]
            version, whole = "" if wrong else load_rules(text).version, text
        else:
            version, whole, wrong = self._check_policy(text)
        digest = content_digest(whole.encode())
        if not wrong and self._is_taken(artifact, version, digest):
            detail = f"version {version} is in use with another text; choose a new version"
            wrong = [Fault(_line_of_version(text), detail)]
        if wrong:
            return Checked(artifact, "", "", text, tuple(wrong))
        return Checked(artifact, version, digest, whole, ())

    def guardrails(self, version: str) -> Guardrails | None:
        """See ``desk.policy_books``."""
        policy = self._policy(version)
        if policy is None:
            return None
        rails, bounds = policy.guardrails, bounds_of(policy)
        breaker = rails.breaker
        return Guardrails(
            budgets_minor={name: bound for (stands, name), bound in bounds.items() if not stands},
            headroom_minor={name: bound for (stands, name), bound in bounds.items() if stands},
            breaker=None
            if breaker is None
            else BreakerBounds(
                breaker.window_ms,
                breaker.lines_min,
                breaker.lines_share,
                breaker.exposure_share,
                breaker.reset_ms,
            ),
            holdout_share=rails.holdout_share,
            timeout_days=policy.approvals.timeout_days,
        )

    def approvers(self, version: str, move: Move) -> int | None:
        """See ``desk.policy_books``."""
        policy = self._policy(version)
        if policy is None:
            return None
        product = policy.terms.get(move.product)
        return persons_needed(
            policy,
            None if product is None else product.currencies.get(move.currency),
            move.action,
            total_minor=move.others_minor + move.new_limit_minor,
            moved_minor=abs(move.new_limit_minor - move.previous_limit_minor),
        )

    def _check_policy(self, text: str) -> tuple[str, str, list[Fault]]:
        whole = bundle(text, builtin_products())
        kinds = {
            kind
            for each in self.documents()
            if each.artifact == "rules" and not faults(each.text)
            for kind in load_rules(each.text).kinds
        }
        try:
            return load_policy(whole, kinds).version, whole, []
        except PolicyError as error:
            return "", whole, [Fault(error.line, error.detail)]

    def _is_taken(self, artifact: Artifact, version: str, digest: str) -> bool:
        """Whether a version that is or was in force has another text. What merely ships has not."""
        firsts = {each.artifact: each for each in reversed(self._shipped)}
        used = [*firsts.values(), *self._published()]
        return any(
            each.artifact == artifact and each.version == version and each.digest != digest
            for each in used
        )

    def _policy(self, version: str) -> Policy | None:
        for of in (lambda: self._shipped, self._published):
            for each in of():
                if (each.artifact, each.version) == ("policy", version):
                    policy = _loaded(each.text)
                    if policy is not None and policy.version == version:
                        return policy
        return None


@lru_cache(maxsize=16)
def _loaded(text: str) -> Policy | None:
    """The policy of a text, None for one that nothing of ours has written to the topic."""
    try:
        return load_policy(text)
    except PolicyError:
        return None


@lru_cache(maxsize=1)
def shipped() -> tuple[Document, ...]:
    """All policies and rule files that ship, those in force from the start first of their kind."""
    names = sorted(
        (path.name for path in files(policies).iterdir() if path.name.endswith(".yaml")),
        key=lambda name: (name != DEFAULT_POLICY, name),
    )
    texts = [builtin_policy(name) for name in names]
    found = [_document("policy", load_policy(text).version, text, shipped=True) for text in texts]
    names = sorted(
        (path.name for path in files(rulebooks).iterdir() if path.name.endswith(".yaml")),
        key=lambda name: (name != rulebooks.DEFAULT, name),
    )
    texts = [builtin_rules(name) for name in names]
    found += [_document("rules", load_rules(text).version, text, shipped=True) for text in texts]
    return tuple(found)


def _document(artifact: Artifact, version: str, text: str, *, shipped: bool) -> Document:
    return Document(artifact, version, content_digest(text.encode()), text, shipped)


def _line_of_version(text: str) -> int:
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("version:"):
            return number
    return 1


class PublishedTexts:
    """Texts of ``risk.policies``, read on as they are asked for. Safe to share between threads.

    All bytes seen of a version are kept, by digest: whoever can write to the topic can write under
    any name, and the log names what is in force by digest.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._consumer: Consumer | None = None
        self._found: dict[tuple[str, str, str], Document] = {}
        self._looked_at = float("-inf")
        self._fault: str | None = None

    def __call__(self) -> list[Document]:
        """All that was published up to two seconds before. Raises ``BookUnavailable``."""
        with self._lock:
            # A page asks many times: neither Kafka nor its silence is to be waited for each time.
            if time.monotonic() - self._looked_at > FRESH_S:
                self._fault = self._look()
                self._looked_at = time.monotonic()
            if self._fault is not None:
                raise BookUnavailable(self._fault)
            return list(self._found.values())

    def close(self) -> None:
        """Leave Kafka."""
        with self._lock:
            if self._consumer is not None:
                self._consumer.close()
                self._consumer = None

    def _look(self) -> str | None:
        """Read on; what went wrong, None where nothing did."""
        try:
            self._catch_up()
        except KafkaException as error:
            return f"Kafka does not answer: {error}"
        except BookUnavailable as error:
            return str(error)
        return None

    def _catch_up(self) -> None:
        consumer = self._start()
        deadline = time.monotonic() + ANSWER_S
        ends = {}
        for place in consumer.assignment():
            _, high = consumer.get_watermark_offsets(place, timeout=ANSWER_S)
            ends[place.partition] = high
        while self._behind(consumer, ends):
            if time.monotonic() > deadline:
                raise BookUnavailable(f"{topics.POLICIES} could not be read in {ANSWER_S:.0f} s")
            for message in consumer.consume(100, 0.1):
                error = message.error()
                if error is None and message.value() is not None:
                    self._take(message.key(), message.value())
                elif error is not None and error.code() == KafkaError._PARTITION_EOF:
                    # Past it are but markers of transactions, which have no record.
                    ends[message.partition()] = 0

    @staticmethod
    def _behind(consumer: Consumer, ends: dict[int, int]) -> bool:
        places = consumer.position(consumer.assignment())
        return any(ends[p.partition] > max(p.offset, 0) for p in places)

    def _start(self) -> Consumer:
        if self._consumer is None:
            name = topic_name(self._settings, topics.POLICIES)
            consumer = reader(self._settings)
            found = consumer.list_topics(name, timeout=ANSWER_S).topics[name]
            if found.error is not None:
                consumer.close()
                raise BookUnavailable(f"topic {name}: {found.error}; run `tideline topics apply`")
            consumer.assign([TopicPartition(name, p, 0) for p in found.partitions])
            self._consumer = consumer
        return self._consumer

    def _take(self, key: bytes, raw: bytes) -> None:
        kind, version = artifact_of(topics.POLICIES, key)
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            return  # no version of ours: what is published was checked
        artifact: Artifact = "rules" if kind == "rules" else "policy"
        made = _document(artifact, version, text, shipped=False)
        self._found[artifact, version, made.digest] = made
