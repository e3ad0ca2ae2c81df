"""What is not a ratio of whole numbers, to 40 digits: the only rounding of the oracle."""

from decimal import Context, Decimal
from fractions import Fraction

_CONTEXT = Context(prec=40)


def _decimal(value: Fraction) -> Decimal:
    return _CONTEXT.divide(Decimal(value.numerator), Decimal(value.denominator))


def root(value: Fraction) -> Fraction:
    """Square root of what is not negative."""
    return Fraction(_CONTEXT.sqrt(_decimal(value)))


def logarithm(value: Fraction) -> Fraction:
    """Natural logarithm of what is above 0."""
    return Fraction(_CONTEXT.ln(_decimal(value)))
