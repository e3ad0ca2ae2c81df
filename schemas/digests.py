"""How the log names the bytes of a published version."""

import hashlib


def content_digest(raw: bytes) -> str:
    """BLAKE2b of a version's bytes (128 bits, hexadecimal); activations carry it."""
    return hashlib.blake2b(raw, digest_size=16).hexdigest()
