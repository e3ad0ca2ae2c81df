"""Pseudonyms of counterparties: a keyed hash, so that a name can be compared but not read back."""

import hashlib

PREFIX = "cp_"
KEY_BYTES_MIN = 16


def pseudonym(key: bytes, counterparty_id: str) -> str:
    """Keyed BLAKE2b (RFC 7693, 128 bits) of a counterparty's identifier.

    The same key and identifier give the same pseudonym; without the key it can be neither
    reversed nor guessed by trying identifiers. ``key`` has 16 to 64 bytes, else ``ValueError``.
    """
    if not KEY_BYTES_MIN <= len(key) <= hashlib.blake2b.MAX_KEY_SIZE:
        raise ValueError(f"the privacy key must have 16 to 64 bytes, it has {len(key)}")
    digest = hashlib.blake2b(counterparty_id.encode("utf-8"), key=key, digest_size=16)
    return PREFIX + digest.hexdigest()
