"""What scoring does with a model that nobody of ours has signed: it keeps the one in force."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from detectors.default_risk import PRIOR_MODEL, encode_model
from detectors.envelope import Signer, keyring
from ops.errors import ConfigurationError, FatalError
from ops.metrics import Metrics
from ops.model_keys import create_key_files
from ops.settings import Settings
from schemas import topics
from schemas.digests import content_digest
from streams.artifacts import MemoryArtifacts, genesis
from streams.host import Committed
from streams.model_keys import REPLAY_SIGNER, checked_keys, keyring_of
from streams.records import Record
from streams.scoring import Scoring
from streams.scoring_host import ScoringHost

OLD, NEW, FOREIGN = Signer(bytes([1]) * 32), Signer(bytes([2]) * 32), Signer(bytes([3]) * 32)


def sealed(version: str, signer: Signer, payload_version: str | None = None, **raw: Any) -> bytes:
    """A version by a signer, as it is published."""
    model = msgspec.structs.replace(PRIOR_MODEL, version=payload_version or version, **raw)
    payload = encode_model(model)
    return signer.seal(
        "default-risk", version, payload, published_at=1, libraries={}, parent="prior-2"
    )


def activation(version: str, raw: bytes, offset: int) -> Record:
    """The log's line that puts these bytes in force."""
    line = {
        "type": "model.activated",
        "event_id": f"a{offset}",
        "merchant_id": "*",
        "occurred_at": 1_000 + offset,
        "version": version,
        "digest": content_digest(raw),
    }
    value = msgspec.json.encode(line) + b"\n"
    return Record(topics.EVENTS, 0, offset, None, value, [], 0)


class Site:
    """One partition whose worker trusts the old and the new key."""

    def __init__(self, trusted: tuple[Signer, ...] = (OLD, NEW)) -> None:
        self.artifacts = MemoryArtifacts(keyring(signer.public_key for signer in trusted))
        self.scoring = Scoring(self.artifacts, genesis())
        self.offset = 0

    def activate(self, version: str, raw: bytes) -> str:
        """Publish and activate; the version in force afterwards."""
        self.artifacts.put("model", version, raw)
        self.scoring.process(activation(version, raw, self.offset))
        self.offset += 1
        return self.scoring.model_version


def test_versions_of_each_trusted_key_are_used_in_turn() -> None:
    site = Site()
    assert site.activate("v1", sealed("v1", OLD)) == "v1"
    assert site.activate("v2", sealed("v2", NEW)) == "v2"
    assert not site.scoring.refusal


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (sealed("v2", FOREIGN), "unknown_key"),
        (encode_model(msgspec.structs.replace(PRIOR_MODEL, version="v2")), "unsigned"),
        (sealed("v2", OLD)[:-40], "malformed"),
        (sealed("v2", OLD).replace(b'"seed":0', b'"seed":1'), "bad_signature"),
        (sealed("v2", OLD).replace(b"envelope/1", b"envelope/9"), "newer_schema"),
        (sealed("v9", OLD), "other_version"),
        (sealed("v2", OLD, payload_version="v9"), "other_version"),
        (sealed("v2", OLD, feature_version="none-0"), "bad_payload"),
        (b"\xff\x00", "malformed"),
    ],
)
def test_what_is_refused_leaves_the_old_version_and_is_counted(raw: bytes, reason: str) -> None:
    site = Site()
    site.activate("v1", sealed("v1", OLD))
    assert site.activate("v2", raw) == "v1"
    assert site.scoring.stats[f"models_refused.{reason}"] == 1
    assert "v2" in site.scoring.refusal or "v9" in site.scoring.refusal
    assert site.activate("v3", sealed("v3", NEW)) == "v3", "the partition goes on"


def test_the_version_that_ships_needs_no_signature_and_has_no_other_text() -> None:
    site = Site()
    site.activate("v1", sealed("v1", OLD))
    raw = encode_model(PRIOR_MODEL)
    assert site.activate(PRIOR_MODEL.version, raw) == PRIOR_MODEL.version
    forged = encode_model(msgspec.structs.replace(PRIOR_MODEL, intercept=-9.0))
    other = Site()
    other.artifacts._known.clear()
    other.activate("v1", sealed("v1", OLD))
    assert other.activate(PRIOR_MODEL.version, forged) == "v1"


def test_a_checkpoint_whose_model_is_no_longer_trusted_is_not_restored_with_another() -> None:
    site = Site()
    site.activate("v1", sealed("v1", OLD))
    header = site.scoring.header()
    same = Scoring(site.artifacts, genesis())
    same.restore_header(header)
    assert same.model_version == "v1"
    site.artifacts.trusted = keyring([NEW.public_key])
    with pytest.raises(FatalError, match=r"model v1 in force.*unknown_key"):
        Scoring(site.artifacts, genesis()).restore_header(header)


def test_a_worker_says_a_refusal_once_and_counts_it_by_reason(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("streams.scoring_host.restore", lambda *_: None)
    metrics, artifacts = Metrics(), MemoryArtifacts(keyring([OLD.public_key]))
    raw = sealed("v1", FOREIGN)
    artifacts.put("model", "v1", raw)
    host = ScoringHost(Settings(), metrics, artifacts)
    nowhere = Committed(None, "")
    host.assign({(topics.EVENTS, partition): nowhere for partition in (0, 1)})
    with caplog.at_level(logging.ERROR):
        for partition in (0, 1):
            host.take(activation("v1", raw, 0)._replace(partition=partition), 0)
        host.drain()
        host.drain()
    refused = metrics.models_refused.labels("unknown_key")
    assert refused._value.get() == 2.0
    assert [record.message for record in caplog.records] == ["model_refused"]
    assert "not trusted" in caplog.records[0].why


@pytest.fixture
def settings_with(tmp_path: Path) -> Callable[[str], Settings]:
    """Settings whose trusted keys are those of a PEM text, or of a new pair."""

    def build(more: str = "") -> Settings:
        files = [Path(name) for name in create_key_files(tmp_path).values()]
        files[1].write_text(files[1].read_text("ascii") + more)
        models = {"signing_key_file": files[0], "trusted_keys_file": files[1]}
        return Settings(models=models)  # type: ignore[arg-type]

    return build


def test_doctor_sees_whether_the_signing_key_is_trusted(
    settings_with: Callable[..., Settings], tmp_path: Path
) -> None:
    fits = settings_with()
    assert "1 trusted" in checked_keys(fits) and "signing with" in checked_keys(fits)
    (tmp_path / "other").mkdir()
    other = list(create_key_files(tmp_path / "other").values())[1]
    models = fits.models.model_copy(update={"trusted_keys_file": Path(other)})
    with pytest.raises(ConfigurationError, match="every version would be refused"):
        checked_keys(fits.model_copy(update={"models": models}))


def test_no_worker_may_trust_the_key_of_replays(
    settings_with: Callable[..., Settings],
) -> None:
    pem = REPLAY_SIGNER.public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    with pytest.raises(ConfigurationError, match="key of replays"):
        keyring_of(settings_with(pem.decode()))
