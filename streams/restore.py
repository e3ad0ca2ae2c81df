"""Restore of a scoring partition: last checkpoint, replay to the commit, digest check."""

import logging
import time
from collections.abc import Callable

from ops.errors import FatalError
from ops.settings import Settings
from streams.checkpoints import Checkpointer, latest_manifest, load
from streams.host import Committed
from streams.reading import log_records, read_partition
from streams.scoring import Scoring

log = logging.getLogger(__name__)

SAY_EVERY_S = 2.0

Progress = Callable[[int, int, int], None]
"""Told the partition, the log position reached and the position to reach."""


class DigestMismatch(FatalError):
    """Replay gave other outputs than those committed: scoring was not deterministic."""


def restore(
    scoring: Scoring,
    checkpointer: Checkpointer,
    committed: Committed,
    settings: Settings,
    progress: Progress,
) -> None:
    """Bring a fresh ``Scoring`` to the committed position.

    Raises ``DigestMismatch`` when the replayed outputs differ from the committed ones, and
    ``FatalError`` when the log or a checkpoint does not reach that far.
    """
    started = time.monotonic()
    shelf = checkpointer.shelf
    partition = shelf.partition
    pages = {
        m.key(): m.value()
        for m in read_partition(settings, shelf.topic, partition)
        if m.key() is not None and m.key().startswith(shelf.prefix.encode())
    }
    manifest = latest_manifest(pages, shelf)
    if committed.offset is None:
        if manifest is not None:
            raise FatalError(
                f"partition {partition} has a checkpoint at {manifest.position} but no committed "
                "position: reset the group to it, or delete the checkpoints to start over"
            )
        return
    if manifest is not None:
        if manifest.position > committed.offset:
            raise FatalError(
                f"partition {partition}: checkpoint at {manifest.position} is past the committed "
                f"position {committed.offset}; the group's offsets were moved by hand"
            )
        load(scoring, manifest, pages, shelf)
        checkpointer.restored(manifest)
    replayed = 0
    said_at = started
    progress(partition, scoring.position, committed.offset)
    for record in log_records(settings, partition, start=scoring.position, end=committed.offset):
        scoring.process(record)
        replayed += 1
        progress(partition, record.offset + 1, committed.offset)
        if time.monotonic() - said_at > SAY_EVERY_S:
            said_at = time.monotonic()
            log.info(
                "restoring",
                extra={
                    "partition": partition,
                    "position": record.offset + 1,
                    "until": committed.offset,
                },
            )
    scoring.position = committed.offset
    progress(partition, committed.offset, committed.offset)
    if committed.metadata != scoring.digest:
        raise DigestMismatch(
            f"partition {partition} at {committed.offset}: replay gives digest {scoring.digest}, "
            f"committed is {committed.metadata or 'none'}; run the version that wrote it"
        )
    log.info(
        "restored",
        extra={
            "partition": partition,
            "checkpoint": manifest.number if manifest else 0,
            "position": committed.offset,
            "replayed_records": replayed,
            "digest": scoring.digest,
            "merchants": len(scoring.engine.index),
            "seconds": round(time.monotonic() - started, 3),
        },
    )
