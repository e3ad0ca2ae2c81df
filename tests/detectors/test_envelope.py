"""Only what a trusted key has signed, as it was signed, is a version."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.default_risk import PRIOR_MODEL, encode_model
from detectors.envelope import (
    ENVELOPE_BYTES_MAX,
    EnvelopeError,
    Signer,
    keyring,
    open_envelope,
)

OURS, OTHER = Signer(bytes(range(32))), Signer(bytes(32))
TRUSTED = keyring([OURS.public_key])
PAYLOAD = encode_model(PRIOR_MODEL)


def seal(signer: Signer = OURS, payload: bytes = PAYLOAD, **changes: Any) -> bytes:
    """A version as it is published, but for what differs."""
    given = {
        "kind": "default-risk",
        "version": "v1",
        "published_at": 1_760_000_000_000,
        "libraries": {"river": "0.26.1", "numpy": "2.3", "python": "3.11", "tideline": "0.1.0"},
        "parent": "prior-2",
        **changes,
    }
    kind, version = given.pop("kind"), given.pop("version")
    return signer.seal(kind, version, payload, **given)


def refusal(raw: bytes, **changes: Any) -> str:
    asked = {"kind": "default-risk", "version": "v1", **changes}
    with pytest.raises(EnvelopeError) as caught:
        open_envelope(raw, TRUSTED, **asked)
    assert asked["version"] in str(caught.value)
    return caught.value.reason


def changed(raw: bytes, **fields: Any) -> bytes:
    """The same envelope with other fields and the old signature, in the one form."""
    found = msgspec.json.decode(raw)
    return msgspec.json.encode({**found, **fields})


def test_what_was_sealed_is_opened_as_it_was() -> None:
    envelope = open_envelope(seal(), TRUSTED, kind="default-risk", version="v1")
    assert bytes(envelope.payload) == PAYLOAD
    assert (envelope.parent, envelope.published_at) == ("prior-2", 1_760_000_000_000)
    assert list(envelope.libraries) == ["numpy", "python", "river", "tideline"]
    assert envelope.key_id == OURS.key_id


def test_the_same_version_under_the_same_key_has_the_same_bytes() -> None:
    assert seal() == seal()
    assert seal() != seal(OTHER)


def test_a_key_that_is_not_trusted_is_refused_and_taken_once_it_is() -> None:
    raw = seal(OTHER)
    assert refusal(raw) == "unknown_key"
    both = keyring([OURS.public_key, OTHER.public_key])
    assert open_envelope(raw, both, kind="default-risk", version="v1").key_id == OTHER.key_id


def test_a_foreign_signature_under_our_key_id_is_refused() -> None:
    assert refusal(changed(seal(OTHER), key_id=OURS.key_id)) == "bad_signature"


@pytest.mark.parametrize(
    "fields",
    [
        {"payload": {**json.loads(PAYLOAD), "intercept": -9.0}},
        {"version": "v2"},
        {"kind": "anomaly"},
        {"published_at": 1},
        {"parent": None},
        {"libraries": {}},
        {"signature": "00" * 64},
        {"signature": "zz"},
    ],
)
def test_the_old_signature_covers_no_other_content(fields: dict[str, Any]) -> None:
    assert refusal(changed(seal(), **fields)) == "bad_signature"


def test_a_version_without_a_signature_is_refused() -> None:
    assert refusal(changed(seal(), signature="")) == "unsigned"
    assert refusal(PAYLOAD) == "unsigned"


def test_a_newer_schema_says_so() -> None:
    assert refusal(changed(seal(), schema="tideline.model-envelope/2")) == "newer_schema"


def test_a_version_under_another_name_or_kind_is_refused() -> None:
    assert refusal(seal(), version="v7") == "other_version"
    assert refusal(seal(), kind="anomaly") == "other_version"


def test_an_envelope_has_one_encoding() -> None:
    raw = seal()
    assert refusal(json.dumps(json.loads(raw)).encode()) == "malformed"
    twice = raw.replace(b'"parent":"prior-2"', b'"parent":"x","parent":"prior-2"')
    assert refusal(twice) == "malformed"
    assert refusal(changed(raw, extra=1)) == "malformed"


def test_what_is_too_large_is_not_even_read() -> None:
    assert refusal(b" " * (ENVELOPE_BYTES_MAX + 1)) == "too_large"


@given(st.integers(min_value=0, max_value=len(seal()) - 1))
def test_a_truncated_version_is_refused(length: int) -> None:
    assert refusal(seal()[:length]) in ("malformed", "unsigned")


@given(st.integers(min_value=0, max_value=len(seal()) - 1), st.integers(1, 255))
def test_no_byte_can_be_changed(place: int, by: int) -> None:
    raw = bytearray(seal())
    raw[place] ^= by
    refusal(bytes(raw))


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_without_another_error(raw: bytes) -> None:
    refusal(raw)
