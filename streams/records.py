"""What goes into a processor and what comes out: Kafka records without Kafka."""

from typing import NamedTuple, Protocol

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


class Artifacts(Protocol):
    """Immutable versions of models and policies by version id."""

    def get(self, kind: str, version: str, digest: str) -> bytes:
        """Bytes of a version that the log says is published; waits until it was read."""
        ...

    def digest_of(self, kind: str, version: str) -> str | None:
        """Digest of a published version, or None if there is none of that name so far."""
        ...
