"""Whose models are taken: the keys of this process, and the known key of replays."""

import platform
from importlib.metadata import version

import numpy as np
import river
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from detectors.envelope import Keyring, Signer, key_id_of, keyring
from ops.errors import ConfigurationError
from ops.model_keys import TRUSTED_VARIABLE, signing_key, trusted_keys
from ops.settings import Settings

REPLAY_SIGNER = Signer(b"tideline replay: no secret here.")
"""Signs the versions of a run in process. Everybody has this key: equal runs give equal bytes, and
no worker trusts it."""
REPLAY_KEYS: Keyring = keyring([REPLAY_SIGNER.public_key])
LIBRARIES: dict[str, str] = {
    "python": platform.python_version(),
    "river": river.__version__,
    "numpy": np.__version__,
    "tideline": version("tideline"),
}
"""What makes a version, as its envelope names it."""


def signer_of(settings: Settings) -> Signer:
    """The learner's signer. Raises ``ConfigurationError`` with the remedy."""
    return Signer(signing_key(settings))


def keyring_of(settings: Settings) -> Keyring:
    """The keys that a worker trusts. Raises ``ConfigurationError`` with the remedy."""
    trusted = keyring(Ed25519PublicKey.from_public_bytes(raw) for raw in trusted_keys(settings))
    if REPLAY_SIGNER.key_id in trusted:
        raise ConfigurationError(
            f"{TRUSTED_VARIABLE} has the key of replays, whose private half everybody knows; "
            "take it out"
        )
    return trusted


def checked_keys(settings: Settings) -> str:
    """What ``doctor`` says of the keys. Raises ``ConfigurationError`` where they do not fit."""
    trusted = keyring_of(settings)
    said = f"{len(trusted)} trusted ({', '.join(trusted)})"
    if settings.models.signing_key_file is None:
        return f"{said}; no signing key, which only the learner needs"
    key_id = key_id_of(signer_of(settings).public_key)
    if key_id not in trusted:
        raise ConfigurationError(
            f"the signing key is {key_id}, which is not among the trusted keys "
            f"({', '.join(trusted)}): every version would be refused; add its public key to "
            f"{TRUSTED_VARIABLE}"
        )
    return f"{said}, signing with {key_id}"
