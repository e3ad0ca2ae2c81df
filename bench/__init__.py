"""Benchmarks that anyone can run: `make bench`, or `tideline bench` in a checkout."""
