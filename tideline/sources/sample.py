"""The bundled sample of real data."""

from importlib.resources import as_file, files
from pathlib import Path

NAME = "wholesale.ndjson.gz"


def sample_path() -> Path:
    """The sample's file; see ``tideline/sample/ATTRIBUTION.md`` for where it comes from."""
    with as_file(files("tideline.sample").joinpath(NAME)) as path:
        return path
