"""Credit policies that ship with Tideline, as package data."""

DEFAULT = "working-capital-1.yaml"
NAMES: tuple[str, ...] = (DEFAULT, "working-capital-2.yaml", "portfolio-1.yaml")
