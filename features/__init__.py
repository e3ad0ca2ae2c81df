"""Merchant state, the compiled kernel over it, and the catalogue that says what it computes."""
