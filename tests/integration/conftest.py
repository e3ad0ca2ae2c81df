"""A cluster of workers per test, on the session's Kafka."""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .cluster import Cluster


@pytest.fixture
def cluster(kafka, tmp_path: Path) -> Iterator[Callable[..., Cluster]]:  # type: ignore[no-untyped-def]
    """Builds clusters under prefixes of their own; all are ended after the test."""
    made: list[Cluster] = []

    def build(broker=kafka, **settings: str) -> Cluster:  # type: ignore[no-untyped-def]
        folder = tmp_path / f"cluster-{len(made)}"
        folder.mkdir()
        made.append(
            Cluster(broker.bootstrap_servers, f"t{uuid.uuid4().hex[:8]}.", folder, **settings)
        )
        return made[-1]

    yield build
    for each in made:
        each.__exit__()
