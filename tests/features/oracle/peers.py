"""Percentiles of amounts among the merchants of a segment, from all that was last assessed."""

import math
from collections.abc import Mapping
from fractions import Fraction

PEERS_MIN = 20
INTEGER_MAX = 2**63 - 1
NO_AMOUNT = 128
"""The bin of amounts below 1 on either side."""


def bin_of(amount: Fraction) -> int:
    """The half octave of an amount: 129 and up above zero, 127 and down below."""
    whole = min(math.floor(abs(amount)), INTEGER_MAX)
    if not whole:
        return NO_AMOUNT
    octave = whole.bit_length() - 1
    scaled = (whole << 30) >> octave
    number = 2 * octave + (1 if scaled**2 >= 2**61 else 0)
    return 129 + number if amount > 0 else 127 - number


class PeersOracle:
    """The last values of every merchant of a partition."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[str, dict[str, Fraction | None]]] = {}

    def percentiles(
        self, merchant: str, segment: str, values: Mapping[str, Fraction | None]
    ) -> dict[str, Fraction | None]:
        """Take the merchant's new values; their percentiles, by the names of the amounts."""
        self._last[merchant] = segment, dict(values)
        return {name: self._percentile(segment, name, value) for name, value in values.items()}

    def _percentile(self, segment: str, name: str, value: Fraction | None) -> Fraction | None:
        amounts = [held.get(name) for of, held in self._last.values() if of == segment]
        bins = [bin_of(amount) for amount in amounts if amount is not None]
        if value is None or len(bins) < PEERS_MIN:
            return None
        own = bin_of(value)
        below, equal = sum(each < own for each in bins), bins.count(own)
        return (below + Fraction(equal, 2)) / len(bins)
