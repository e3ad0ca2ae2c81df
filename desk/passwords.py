"""Passwords as scrypt hashes (RFC 7914) that carry their own cost, and API tokens as digests."""

import base64
import binascii
import hashlib
import hmac
import re
import secrets
import threading
import unicodedata
from typing import NamedTuple

PASSWORD_CHARACTERS_MIN = 12
PASSWORD_CHARACTERS_MAX = 256
TOKEN_PREFIX = "tdl_"  # noqa: S105 - what every token begins with
SHOWN_CHARACTERS = 10
"""So much of a token is kept to tell it by: its prefix and six characters more."""

_SALT_BYTES = 16
_KEY_BYTES = 32
_AT_ONCE = threading.BoundedSemaphore(2)
"""Hashes computed at one time: each takes 32 MiB, and a flood of logins must not take all."""


class Cost(NamedTuple):
    """Scrypt's parameters: ``n`` of memory and time, ``r`` of block size, ``p`` of repetitions."""

    n: int
    r: int
    p: int


COST = Cost(n=2**15, r=8, p=3)
"""32 MiB, three times: the OWASP Password Storage Cheat Sheet's equal of N=2^17, p=1."""
COST_LEAST = Cost(n=2**14, r=8, p=1)
COST_MOST = Cost(n=2**17, r=16, p=8)

_FORM = re.compile(r"scrypt\$(\d{1,7})\$(\d{1,2})\$(\d{1,2})\$([\w+/=]+)\$([\w+/=]+)", re.ASCII)


class Hash(NamedTuple):
    """A password's hash as it stands in a users file: ``scrypt$n$r$p$salt$key``, base64."""

    cost: Cost
    salt: bytes
    key: bytes

    def __str__(self) -> str:
        salt, key = (base64.b64encode(part).decode() for part in (self.salt, self.key))
        return f"scrypt${self.cost.n}${self.cost.r}${self.cost.p}${salt}${key}"


def parsed(text: str) -> Hash:
    """A hash from its text. Raises ``ValueError`` that says what is wrong."""
    match = _FORM.fullmatch(text)
    if match is None:
        raise ValueError("is not scrypt$n$r$p$salt$key")
    cost = Cost(int(match[1]), int(match[2]), int(match[3]))
    bounds = zip(COST_LEAST, cost, COST_MOST, strict=True)
    if any(not least <= given <= most for least, given, most in bounds):
        raise ValueError(f"has a cost of {cost[:]}, not {COST_LEAST[:]} to {COST_MOST[:]}")
    if cost.n & (cost.n - 1):
        raise ValueError(f"has n = {cost.n}, which is no power of two")
    try:
        salt, key = (base64.b64decode(match[group], validate=True) for group in (4, 5))
    except binascii.Error:
        raise ValueError("has a salt or key that is not base64") from None
    if len(salt) < _SALT_BYTES or len(key) != _KEY_BYTES:
        raise ValueError(f"needs {_SALT_BYTES} bytes of salt and {_KEY_BYTES} of key")
    return Hash(cost, salt, key)


def hashed(password: str, cost: Cost = COST) -> Hash:
    """The hash of a password under a new salt."""
    salt = secrets.token_bytes(_SALT_BYTES)
    return Hash(cost, salt, _key(password, salt, cost))


def nobodys(cost: Cost) -> Hash:
    """A hash that no password has: comparing with it takes as long as with a real one."""
    return Hash(cost, secrets.token_bytes(_SALT_BYTES), secrets.token_bytes(_KEY_BYTES))


def matches(password: str, held: Hash) -> bool:
    """Whether it is the password; takes the same time whether or not it is."""
    if len(password) > PASSWORD_CHARACTERS_MAX:
        return False
    return hmac.compare_digest(_key(password, held.salt, held.cost), held.key)


def fault_of(password: str) -> str | None:
    """Why a new password is refused; None where it is taken."""
    if len(password) < PASSWORD_CHARACTERS_MIN:
        return f"it has {len(password)} characters; {PASSWORD_CHARACTERS_MIN} are needed"
    if len(password) > PASSWORD_CHARACTERS_MAX:
        return f"it has {len(password)} characters; {PASSWORD_CHARACTERS_MAX} are the most"
    if len(set(password)) < 5:
        return "it has fewer than 5 different characters"
    return None


def new_token() -> str:
    """A new API token: 256 random bits behind a prefix that scanners for secrets can find."""
    return TOKEN_PREFIX + secrets.token_urlsafe(32)


def digest_of(token: str) -> str:
    """What is kept of a token. Its chance is too great to guess, so that no salt is needed."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _key(password: str, salt: bytes, cost: Cost) -> bytes:
    # The same password typed on two keyboards may come as different code points (NIST 800-63B).
    raw = unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")
    with _AT_ONCE:
        return hashlib.scrypt(
            raw,
            salt=salt,
            n=cost.n,
            r=cost.r,
            p=cost.p,
            maxmem=128 * cost.r * (cost.n + cost.p + 2) * 2,
            dklen=_KEY_BYTES,
        )
