"""Pseudonyms of counterparties: a keyed hash, so that a name can be compared but not read back."""

import hashlib
from collections.abc import Callable

PREFIX = "cp_"
KEY_BYTES_MIN = 16


def pseudonyms(key: bytes) -> Callable[[str], str]:
    """Keyed BLAKE2b (RFC 7693, 128 bits) of counterparties' identifiers, as a function of them.

    The same key and identifier give the same pseudonym; without the key it can be neither
    reversed nor guessed by trying identifiers. ``key`` has 16 to 64 bytes, else ``ValueError``.
    """
    if not KEY_BYTES_MIN <= len(key) <= hashlib.blake2b.MAX_KEY_SIZE:
        raise ValueError(f"the privacy key must have 16 to 64 bytes, it has {len(key)}")
    # The key is a block of its own in front of the message: it is hashed once, and copied.
    keyed = hashlib.blake2b(key=key, digest_size=16)

    def of(counterparty_id: str) -> str:
        digest = keyed.copy()
        digest.update(counterparty_id.encode("utf-8"))
        return PREFIX + digest.hexdigest()

    return of


def pseudonym(key: bytes, counterparty_id: str) -> str:
    """The pseudonym of one counterparty; see ``pseudonyms``."""
    return pseudonyms(key)(counterparty_id)
