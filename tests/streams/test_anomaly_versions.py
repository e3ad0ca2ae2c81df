"""Versions of the anomaly models in scoring: put in force, refused, kept, and rolled back."""

from collections.abc import Callable
from typing import Any

import msgspec

from detectors.anomaly import ROBUST_DISTANCE
from detectors.anomaly_model import encode_anomaly
from schemas import topics
from schemas.digests import content_digest
from streams.artifacts import MemoryArtifacts
from streams.intake import Intake
from streams.model_keys import LIBRARIES, REPLAY_SIGNER
from streams.records import Record, artifact_of
from tests.detectors.usual import learnt

from .conftest import NOW_MS
from .test_rules import START, Shop

MODEL = encode_anomaly(learnt(256))


def sealed(version: str, payload: bytes) -> bytes:
    """A version as the learner of a replay publishes it."""
    return REPLAY_SIGNER.seal(
        "anomaly", version, payload, published_at=START, libraries=LIBRARIES, parent=None
    )


PUBLISHED = sealed("anomaly-1", MODEL)
DAY_MS = 86_400_000


def activate(shop: Shop, version: str, raw: bytes) -> None:
    """Publish a version and put it in force here."""
    shop.artifacts.put("anomaly", version, raw)
    shop.log(
        {
            "type": "model.activated",
            "event_id": f"a-{version}",
            "merchant_id": "*",
            "occurred_at": START + shop.day * DAY_MS,
            "version": version,
            "digest": content_digest(raw),
            "artifact": "anomaly",
        }
    )


def test_the_distance_speaks_until_a_version_is_in_force() -> None:
    shop = Shop()
    shop.trade(70)
    before = shop.assessments[-1]
    assert before.anomaly_version == ROBUST_DISTANCE and before.anomaly_score is not None
    activate(shop, "anomaly-1", PUBLISHED)
    shop.trade(2)
    after = shop.assessments[-1]
    assert after.anomaly_version == "anomaly-1" and after.anomaly_score is not None
    assert after.model_version == before.model_version
    shop.trade(20, cancelled=9)
    last = shop.assessments[-1]
    assert (last.anomaly_score or 0) > 0.99 and 1 <= len(last.unusual) <= 3


def test_a_corrupt_or_newer_message_is_refused_and_counted() -> None:
    shop = Shop()
    activate(shop, "anomaly-1", PUBLISHED)
    newer = MODEL.replace(b"tideline.anomaly/1", b"tideline.anomaly/2")
    for number, raw in enumerate((b"", b"\xff\x00", PUBLISHED[:-1]), 2):
        activate(shop, f"anomaly-{number}", raw)
    activate(shop, "anomaly-5", sealed("anomaly-5", newer))
    activate(shop, "anomaly-6", sealed("anomaly-6", MODEL))
    refused = {
        name.removeprefix("models_refused."): count
        for name, count in shop.scoring.stats.items()
        if name.startswith("models_refused.")
    }
    assert refused == {"malformed": 3, "bad_payload": 1, "other_version": 1}
    shop.trade(30)
    assert shop.assessments[-1].anomaly_version == "anomaly-1"


def test_a_version_outlives_a_checkpoint() -> None:
    shop = Shop()
    shop.trade(60)
    activate(shop, "anomaly-1", PUBLISHED)
    other = shop.copy()
    for each in (shop, other):
        each.assessments = []
        each.trade(5)
    assert shop.assessments and other.assessments == shop.assessments
    assert other.scoring.digest == shop.scoring.digest
    assert other.assessments[-1].anomaly_version == "anomaly-1"


def test_the_anomaly_models_are_rolled_back_by_name(
    intake: Intake,
    artifacts: MemoryArtifacts,
    make_event: Callable[..., dict[str, Any]],
    to_record: Callable[..., Record],
) -> None:
    artifacts.put("anomaly", "anomaly-1", PUBLISHED)
    for version in ("anomaly-1", ROBUST_DISTANCE):
        event = make_event("model.rollback", "*", actor="a", version=version)
        intake.take(to_record(event), NOW_MS)
    lines = [
        msgspec.json.decode(line)
        for output in intake.flush()
        if output.topic == topics.EVENTS and output.partition == 0
        for line in (output.value or b"").splitlines()
    ]
    assert [(line["version"], line["artifact"]) for line in lines] == [
        ("anomaly-1", "anomaly"),
        (ROBUST_DISTANCE, "anomaly"),
    ]
    shop = Shop()
    activate(shop, "anomaly-1", PUBLISHED)
    shop.log(lines[1] | {"occurred_at": START})
    shop.trade(30)
    assert shop.assessments[-1].anomaly_version == ROBUST_DISTANCE


def test_a_publication_is_told_by_its_key() -> None:
    assert artifact_of(topics.MODELS, b"anomaly-7") == ("anomaly", "anomaly-7")
    assert artifact_of(topics.MODELS, b"default-risk-7") == ("model", "default-risk-7")
