"""Texts of published policies for the desk's previews, read from Kafka when first asked for."""

import logging
import threading

from confluent_kafka import KafkaException

from ops.errors import FatalError
from ops.settings import Settings
from schemas.digests import content_digest
from streams.artifacts import KafkaArtifacts, builtin_artifacts

log = logging.getLogger(__name__)

WAIT_MS = 1_500
"""How long a page may wait for a policy that was published a moment ago."""


class PublishedPolicies:
    """Reads ``risk.policies``. Safe to share between threads."""

    def __init__(self, settings: Settings) -> None:
        worker = settings.worker.model_copy(update={"restore_timeout_ms": WAIT_MS})
        self._settings = settings.model_copy(update={"worker": worker})
        self._lock = threading.Lock()
        self._shipped = builtin_artifacts()
        self._artifacts: KafkaArtifacts | None = None

    def text(self, version: str, digest: str) -> str | None:
        """The text of a version with this digest; None where Kafka does not have it now."""
        shipped = self._shipped.get(("policy", version))
        if shipped is not None and content_digest(shipped) == digest:
            return shipped.decode()
        with self._lock:
            try:
                if self._artifacts is None:
                    self._artifacts = KafkaArtifacts(self._settings)
                return self._artifacts.get("policy", version, digest).decode()
            except (FatalError, KafkaException) as error:
                log.warning("policy_not_read", extra={"version": version, "error": str(error)})
                self._artifacts = None
                return None
