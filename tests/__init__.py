"""Tests, one folder per package and what holds for all of them."""
