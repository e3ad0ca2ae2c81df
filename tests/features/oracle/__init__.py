"""Slow, exact arithmetic of every feature over the raw events: what the kernel is held against.

Whole numbers and fractions throughout; square roots and logarithms to 40 digits at the very end.
"""
