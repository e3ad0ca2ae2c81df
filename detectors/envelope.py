"""The signed envelope of a published model: who published it, when, with what, and its payload.

Plain JSON, so that a forged message can run no code; signed with Ed25519 (RFC 8032), so that it
changes no decision either. The signature is over the envelope's own bytes with an empty signature:
every envelope has exactly one encoding, and any other is refused. Ed25519 is deterministic: the
same version under the same key gives the same bytes.
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec import Raw, Struct, structs

from detectors.default_risk import ModelError

SCHEMA: Literal["tideline.model-envelope/1"] = "tideline.model-envelope/1"
Kind = Literal["default-risk", "anomaly"]
Keyring = Mapping[str, Ed25519PublicKey]
"""Trusted public keys by key id; several, so that a key can be replaced while versions signed by
the one before are still in use."""
ENVELOPE_BYTES_MAX = 4 << 20
_SCHEMA_FAMILY = SCHEMA.rpartition("/")[0] + "/"

Reason = Literal[
    "too_large",
    "malformed",
    "newer_schema",
    "unsigned",
    "unknown_key",
    "bad_signature",
    "other_version",
    "bad_payload",
]
"""Why a version is refused: a label of a metric, so the list is closed."""


class EnvelopeError(ModelError):
    """A version that is refused; ``reason`` is the short form, the message has the remedy."""

    def __init__(self, reason: Reason, text: str) -> None:
        super().__init__(text)
        self.reason: Reason = reason


class Envelope(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """One published version.

    ``published_at`` is event time (epoch ms), ``libraries`` the versions of what made it (python,
    river, numpy, tideline), ``parent`` the version that it took the place of, ``payload`` the JSON
    of the model itself, ``signature`` Ed25519 in hexadecimal by the key named ``key_id``.
    """

    schema: Literal["tideline.model-envelope/1"]
    kind: Kind
    version: str
    published_at: int
    libraries: dict[str, str]
    parent: str | None
    payload: Raw
    key_id: str
    signature: str


class _Head(Struct):
    """What is read first, of whatever schema."""

    schema: str = ""
    signature: str = ""


class Signer:
    """Holds the private key of whoever publishes; ``seed`` are its 32 bytes."""

    def __init__(self, seed: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.public_key = self._key.public_key()
        self.key_id = key_id_of(self.public_key)

    def seal(
        self,
        kind: Kind,
        version: str,
        payload: bytes,
        *,
        published_at: int,
        libraries: Mapping[str, str],
        parent: str | None,
    ) -> bytes:
        """The signed envelope of a version; ``payload`` is JSON, as its own module encodes it."""
        envelope = Envelope(
            schema=SCHEMA,
            kind=kind,
            version=version,
            published_at=published_at,
            libraries=dict(sorted(libraries.items())),
            parent=parent,
            payload=Raw(payload),
            key_id=self.key_id,
            signature="",
        )
        signature = self._key.sign(msgspec.json.encode(envelope)).hex()
        return msgspec.json.encode(structs.replace(envelope, signature=signature))


def key_id_of(key: Ed25519PublicKey) -> str:
    """Name of a public key: BLAKE2b of its 32 bytes (64 bits, hexadecimal)."""
    return hashlib.blake2b(key.public_bytes_raw(), digest_size=8).hexdigest()


def keyring(keys: Iterable[Ed25519PublicKey]) -> Keyring:
    """Trusted keys by their ids."""
    return {key_id_of(key): key for key in keys}


def open_envelope(raw: bytes, trusted: Keyring, *, kind: Kind, version: str) -> Envelope:
    """Check an envelope whole: form, signature by a trusted key, kind and version.

    Raises ``EnvelopeError``. The payload is as it was signed; whether it can be used is for the
    module of its kind to say.
    """
    if len(raw) > ENVELOPE_BYTES_MAX:
        raise EnvelopeError(
            "too_large",
            f"model {version!r} has {len(raw)} bytes; at most {ENVELOPE_BYTES_MAX} are taken",
        )
    envelope = _decode(raw, version)
    key = trusted.get(envelope.key_id)
    if key is None:
        raise EnvelopeError(
            "unknown_key",
            f"model {version!r} is signed by key {envelope.key_id!r}, which is not trusted; add "
            "its public key to the trusted keys if it is yours",
        )
    try:
        statement = msgspec.json.encode(structs.replace(envelope, signature=""))
        key.verify(bytes.fromhex(envelope.signature), statement)
    except (InvalidSignature, ValueError):
        raise EnvelopeError(
            "bad_signature",
            f"the signature of model {version!r} is not that of key {envelope.key_id!r} over these "
            "bytes; the version was changed after it was signed, publish it anew",
        ) from None
    if (envelope.kind, envelope.version) != (kind, version):
        raise EnvelopeError(
            "other_version",
            f"{kind} model {version!r} was asked for, the signed bytes are {envelope.kind} model "
            f"{envelope.version!r}; activate a version under its own name",
        )
    return envelope


def _decode(raw: bytes, version: str) -> Envelope:
    try:
        head = msgspec.json.decode(raw, type=_Head)
        if head.schema.startswith(_SCHEMA_FAMILY) and head.schema != SCHEMA:
            raise EnvelopeError(
                "newer_schema",
                f"model {version!r} has `schema` {head.schema!r}, this release reads {SCHEMA}; "
                "publish with this release or upgrade",
            )
        if not head.signature:
            raise EnvelopeError(
                "unsigned", f"model {version!r} has no `signature`; only signed versions are used"
            )
        envelope = msgspec.json.decode(raw, type=Envelope)
        # It also keeps out bytes whose fields come twice, in another order or with spaces.
        if msgspec.json.encode(envelope) != raw:
            raise EnvelopeError(
                "malformed", f"model {version!r} is not in the one form of {SCHEMA}; publish it"
            )
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise EnvelopeError(
            "malformed", f"model {version!r} is no envelope of {SCHEMA}: {error}; publish it anew"
        ) from None
    return envelope
