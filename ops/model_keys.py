"""Key files of the models' signatures: PEM, as OpenSSL writes them.

The learner signs with one private key (PKCS #8); workers trust one or more public keys
(SubjectPublicKeyInfo), one after the other in one file.
"""

import re
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from ops.errors import ConfigurationError
from ops.settings import Settings

SIGNING_VARIABLE = "TIDELINE_MODELS__SIGNING_KEY_FILE"
TRUSTED_VARIABLE = "TIDELINE_MODELS__TRUSTED_KEYS_FILE"
_SIGNING_REMEDY = "make one with `openssl genpkey -algorithm ed25519 -out FILE`"
_TRUSTED_REMEDY = (
    "make it from the learner's key with `openssl pkey -in SIGNING_KEY -pubout >> FILE`"
)
_PEM = re.compile(rb"-----BEGIN [A-Z ]+-----.*?-----END [A-Z ]+-----\s*", re.DOTALL)


def signing_key(settings: Settings) -> bytes:
    """The private key's 32 bytes. Raises ``ConfigurationError`` with the remedy."""
    raw = _read(settings.models.signing_key_file, SIGNING_VARIABLE, _SIGNING_REMEDY)
    try:
        key = load_pem_private_key(raw, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None  # type: ignore[assignment]
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigurationError(
            f"{SIGNING_VARIABLE} {settings.models.signing_key_file} is no unencrypted Ed25519 "
            f"private key in PEM; {_SIGNING_REMEDY}"
        )
    return key.private_bytes_raw()


def trusted_keys(settings: Settings) -> list[bytes]:
    """The 32 bytes of each trusted public key. Raises ``ConfigurationError`` with the remedy."""
    path = settings.models.trusted_keys_file
    raw = _read(path, TRUSTED_VARIABLE, _TRUSTED_REMEDY)
    found = _PEM.findall(raw)
    if not found or _PEM.sub(b"", raw).strip():
        raise ConfigurationError(
            f"{TRUSTED_VARIABLE} {path} is not public keys in PEM, one after the other; "
            f"{_TRUSTED_REMEDY}"
        )
    keys = []
    for number, each in enumerate(found, 1):
        try:
            key = load_pem_public_key(each)
        except (ValueError, UnsupportedAlgorithm):
            key = None  # type: ignore[assignment]
        if not isinstance(key, Ed25519PublicKey):
            raise ConfigurationError(
                f"{TRUSTED_VARIABLE} {path}: key {number} is no Ed25519 public key; "
                f"{_TRUSTED_REMEDY}"
            )
        keys.append(key.public_bytes_raw())
    return keys


def create_key_files(folder: Path) -> dict[str, str]:
    """A new pair of keys in a folder; returns the variables that name the two files."""
    key = Ed25519PrivateKey.generate()
    signing, trusted = folder / "model-signing.pem", folder / "model-trusted.pem"
    signing.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    signing.chmod(0o600)
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    trusted.write_bytes(public)
    return {SIGNING_VARIABLE: str(signing), TRUSTED_VARIABLE: str(trusted)}


def _read(path: Path | None, variable: str, remedy: str) -> bytes:
    if path is None:
        raise ConfigurationError(f"{variable} is not set; {remedy}")
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{variable}: {error}; {remedy}") from None
