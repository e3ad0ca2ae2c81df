"""The risk desk: web pages over what ClickHouse holds."""
