"""Rule files that ship with Tideline, as package data."""

DEFAULT = "sentinels-3.yaml"
NAMES: tuple[str, ...] = (DEFAULT,)
SCHEMA_FILE = "rules.schema.json"
"""JSON Schema of the format, for editors."""
