"""What goes into a processor and what comes out: Kafka records without Kafka."""

from collections.abc import Collection
from typing import Literal, NamedTuple, Protocol

from detectors.envelope import Keyring, Kind
from schemas import topics

Headers = list[tuple[str, bytes | None]]


class Record(NamedTuple):
    """One input record. ``topic`` is the logical name; ``timestamp_ms`` is Kafka's, 0 if none."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp_ms: int


class Output(NamedTuple):
    """One record to write to the logical ``topic`` at ``partition``."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: Headers = []  # noqa: RUF012 - a shared empty default that nobody mutates


_RULES_KEY = "rules/"
"""Rule files share ``risk.policies`` with policies; no version of a policy has a slash."""
_ANOMALY_KEYS = ("anomaly-", "robust-distance-")
"""Anomaly models share ``risk.models`` with default-risk models; no version of one begins so."""


def artifact_record_key(kind: str, version: str) -> bytes:
    """Key of the record that publishes a version of a model, policy or rule file."""
    return (_RULES_KEY + version if kind == "rules" else version).encode()


ENVELOPE_KINDS: dict[str, Kind] = {"model": "default-risk", "anomaly": "anomaly"}
"""Kinds of artifacts that come in a signed envelope, and what it says it holds."""


def model_kind(version: str) -> Literal["model", "anomaly"]:
    """Which model a version is of, by its name."""
    return "anomaly" if version.startswith(_ANOMALY_KEYS) else "model"


def artifact_of(topic: str, key: bytes | None) -> tuple[str, str]:
    """Kind and version that a record publishes, by its logical topic and key."""
    name = (key or b"").decode()
    if topic == topics.MODELS:
        return model_kind(name), name
    if name.startswith(_RULES_KEY):
        return "rules", name.removeprefix(_RULES_KEY)
    return "policy", name


class Artifacts(Protocol):
    """Immutable versions of models (``model``, ``anomaly``), policies and rule files, by kind.

    ``trusted`` are the keys whose signature makes a model one of ours.
    """

    trusted: Keyring

    def get(self, kind: str, version: str, digest: str) -> bytes:
        """Bytes of a version that the log says is published; waits until it was read."""
        ...

    def digest_of(self, kind: str, version: str) -> str | None:
        """Digest of a published version, or None if there is none of that name so far."""
        ...

    def all_of(self, kind: str) -> Collection[bytes]:
        """Bytes of every version of a kind that ships with Tideline or was published so far."""
        ...
