"""Versions and differences of policies and rule files, in the shape of their page. Pure."""

import difflib
from collections.abc import Sequence
from typing import NamedTuple

from desk.policy_books import Artifact, Document
from desk.ports import Row

ARTIFACTS: tuple[Artifact, ...] = ("policy", "rules")
CONTEXT_LINES = 4
DIFF_LINES_MAX = 2_000


class Standing(NamedTuple):
    """A version in force; ``from_ms`` is None for what ships and was in force from the start."""

    artifact: Artifact
    version: str
    digest: str
    from_ms: int | None


class DiffLine(NamedTuple):
    """A line of a unified diff: ``kind`` is ``added``, ``removed``, ``place`` or ``same``."""

    kind: str
    text: str


def in_force(
    history: Sequence[Row], documents: Sequence[Document]
) -> dict[Artifact, Standing | None]:
    """What is in force of each kind, None where nothing is known of it."""
    found: dict[Artifact, Standing | None] = {}
    for artifact in ARTIFACTS:
        row = next(
            (r for r in history if r["artifact"] == artifact and r["until_ms"] is None), None
        )
        shipped = next((d for d in documents if d.artifact == artifact and d.shipped), None)
        if row is not None:
            found[artifact] = Standing(artifact, row["version"], row["digest"], row["from_ms"])
        elif shipped is not None:
            found[artifact] = Standing(artifact, shipped.version, shipped.digest, None)
        else:
            found[artifact] = None
    return found


def document_of(
    documents: Sequence[Document], artifact: str, version: str, digest: str = ""
) -> Document | None:
    """The text of a version; with a digest, of those bytes alone."""
    for each in documents:
        if each.artifact == artifact and each.version == version and digest in ("", each.digest):
            return each
    return None


def difference(before: str, after: str, before_name: str, after_name: str) -> list[DiffLine]:
    """A unified diff of two texts, empty where they are equal; bounded in lines."""
    lines = difflib.unified_diff(
        before.splitlines(),
        after.splitlines(),
        before_name,
        after_name,
        lineterm="",
        n=CONTEXT_LINES,
    )
    kinds = {"+": "added", "-": "removed", "@": "place"}
    found = [
        DiffLine("place" if number < 2 else kinds.get(line[:1], "same"), line)
        for number, line in enumerate(lines)
    ]
    if len(found) > DIFF_LINES_MAX:
        left = len(found) - DIFF_LINES_MAX
        found = [*found[:DIFF_LINES_MAX], DiffLine("place", f"@@ {left} more lines @@")]
    return found
