"""Signatures of webhooks (Standard Webhooks, symmetric ``v1``). Pure.

Source: the specification at github.com/standard-webhooks/standard-webhooks. The receiver checks
HMAC-SHA256 over ``id.timestamp.body`` and that the timestamp is of the last minutes.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence

PREFIX = "whsec_"
BYTES_MIN, BYTES_MAX = 24, 64


def read_secret(text: str) -> bytes:
    """The key of a secret as it stands in its file. Raises ``ValueError`` with the remedy."""
    remedy = "write `whsec_` and base64 of 24 to 64 random bytes"
    text = text.strip()
    if not text.startswith(PREFIX):
        raise ValueError(f"it does not begin with {PREFIX}; {remedy}")
    try:
        key = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"what follows {PREFIX} is not base64; {remedy}") from None
    if not BYTES_MIN <= len(key) <= BYTES_MAX:
        raise ValueError(f"it has {len(key)} bytes; {remedy}")
    return key


def signed_headers(
    keys: Sequence[bytes], message_id: str, timestamp_s: int, body: bytes
) -> dict[str, str]:
    """The headers of one attempt at ``timestamp_s`` (epoch seconds), signed by every key."""
    text = f"{message_id}.{timestamp_s}.".encode() + body
    signatures = (
        "v1," + base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()
        for key in keys
    )
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp_s),
        "webhook-signature": " ".join(signatures),
    }
