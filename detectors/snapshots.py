"""Feature vectors as they are kept for learning: few bytes each, since there are millions.

A vector is a bit for each feature that says whether it is available, then those that are, as
float32. Seven digits are more than any input of a model needs; most merchants have no loans, no
invoices or no parcels, and what they lack takes a bit.
"""

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from features.catalogue import NAMES

_BITS = -(-len(NAMES) // 8)
_LARGEST = float(np.finfo(np.float32).max)


def pack(values: NDArray[np.float64]) -> bytes:
    """Bytes of a vector in catalogue order, NaN where not available."""
    known = ~np.isnan(values)
    kept = np.clip(values[known], -_LARGEST, _LARGEST).astype("<f4")
    return np.packbits(known).tobytes() + kept.tobytes()


def unpack(raw: bytes) -> list[float]:
    """Inverse of ``pack``, but for the rounding."""
    if len(raw) == 8 * len(NAMES):  # kept in full by 0.1
        return np.frombuffer(raw, "<f8").tolist()  # type: ignore[no-any-return]
    known = np.unpackbits(np.frombuffer(raw, np.uint8, _BITS), count=len(NAMES)).astype(np.bool_)
    values = np.full(len(NAMES), np.nan)
    values[known] = np.frombuffer(raw, "<f4", offset=_BITS)
    return values.tolist()  # type: ignore[no-any-return]


class Snapshot(Struct, frozen=True, array_like=True, gc=False):
    """What was known of a merchant at one time; ``values`` as ``pack`` gives them."""

    as_of: int
    values: bytes

    @property
    def vector(self) -> list[float]:
        """The values as numbers, in catalogue order."""
        return unpack(self.values)


def kept(raw: bytes | None) -> list[Snapshot]:
    """A merchant's snapshots, the oldest first; None for a merchant without."""
    return [] if raw is None else _decode(raw)


def keep(snapshots: list[Snapshot]) -> bytes:
    """A merchant's snapshots in one piece of memory: objects would take as much again."""
    return msgspec.msgpack.encode(snapshots)


_decode = msgspec.msgpack.Decoder(list[Snapshot]).decode
