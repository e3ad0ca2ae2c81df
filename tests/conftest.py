"""Real components for the tests that claim them.

What is missing is skipped; under ``TIDELINE_REQUIRE=all`` (or a comma-separated list) it fails.
"""

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from deploy.kafka.local import LocalKafka, missing_tools

# How long an example takes says nothing of what it shows, least of all on a busy machine.
settings.register_profile("tideline", deadline=None)
settings.load_profile("tideline")


def require(component: str, missing: str | None) -> None:
    """Skip the test when a component is missing, or fail it where it is required."""
    if missing is None:
        return
    required = {name.strip() for name in os.environ.get("TIDELINE_REQUIRE", "").split(",")}
    if required & {"all", component}:
        pytest.fail(f"{component} is required: {missing}")
    pytest.skip(f"{component}: {missing}")


@pytest.fixture(scope="session")
def kafka() -> Iterator[LocalKafka]:
    """A real Kafka for the session; tests use topic prefixes of their own."""
    require("kafka", missing_tools())
    with LocalKafka() as broker:
        yield broker


@pytest.fixture
def own_kafka() -> Iterator[LocalKafka]:
    """A real Kafka that the test may restart or kill."""
    require("kafka", missing_tools())
    with LocalKafka() as broker:
        yield broker
