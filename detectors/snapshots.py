"""Feature vectors as they are kept for learning: few bytes each, since there are millions.

A vector is the version of the features, a bit for each that says whether it is available, then
those that are, as float32. Seven digits are more than any input of a model needs; most merchants
have no loans, no invoices or no parcels, and what they lack takes a bit.
"""

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from features.catalogue import FEATURE_VERSION, NAMES

_TAG = FEATURE_VERSION.encode() + b"/"
_BITS = -(-len(NAMES) // 8)
_LARGEST = float(np.finfo(np.float32).max)


def pack(values: NDArray[np.float64]) -> bytes:
    """Bytes of a vector in catalogue order, NaN where not available."""
    known = ~np.isnan(values)
    kept = np.clip(values[known], -_LARGEST, _LARGEST).astype("<f4")
    return _TAG + np.packbits(known).tobytes() + kept.tobytes()


def unpack(raw: bytes) -> list[float]:
    """Inverse of ``pack``, but for the rounding."""
    bits = np.frombuffer(raw, np.uint8, _BITS, len(_TAG))
    known = np.unpackbits(bits, count=len(NAMES)).astype(np.bool_)
    values = np.full(len(NAMES), np.nan)
    values[known] = np.frombuffer(raw, "<f4", offset=len(_TAG) + _BITS)
    return values.tolist()  # type: ignore[no-any-return]


class Snapshot(Struct, frozen=True, array_like=True, gc=False):
    """What was known of a merchant at one time; ``values`` as ``pack`` gives them."""

    as_of: int
    values: bytes

    @property
    def fits(self) -> bool:
        """Whether it is of the features of this release: nothing is learnt from another's."""
        return self.values.startswith(_TAG)

    @property
    def vector(self) -> list[float]:
        """The values as numbers, in catalogue order."""
        return unpack(self.values)


def kept(raw: bytes | None) -> list[Snapshot]:
    """A merchant's snapshots that fit, the oldest first; None for a merchant without."""
    return [] if raw is None else [each for each in _decode(raw) if each.fits]


def keep(snapshots: list[Snapshot]) -> bytes:
    """A merchant's snapshots in one piece of memory: objects would take as much again."""
    return msgspec.msgpack.encode(snapshots)


_decode = msgspec.msgpack.Decoder(list[Snapshot]).decode
