"""Checkpoints: a consistent cut of a partition's state, carried out in small portions.

A checkpoint is taken at one log position. Its pages go to the alternate of two slots of a compacted
topic, over as many transactions as it takes, and a manifest last. Pages that processing is about to
change are encoded first (copy on write), so the cut is never a mix; an unfinished checkpoint spoils
nothing, because the other slot still holds the last complete one.
"""

from typing import NamedTuple

import cramjam
import msgspec
import numpy as np
from msgspec import Struct

from schemas import topics
from streams.records import Output
from streams.scoring import Scoring

FORMAT = 5
"""Version of the page and manifest encoding; a reader refuses what it does not know."""


class CheckpointError(RuntimeError):
    """A checkpoint cannot be read: format, missing page, or damage."""


class Manifest(Struct, kw_only=True, frozen=True):
    """What completes a checkpoint. ``number`` counts checkpoints of the partition from 1."""

    format: int
    number: int
    slot: int
    position: int
    pages: int
    blocks: int
    header: bytes


class Shelf(NamedTuple):
    """Where checkpoints of one ``Scoring`` are kept: topic, partition, and under which keys."""

    partition: int
    topic: str = topics.CHECKPOINTS
    prefix: str = ""

    def key(self, slot: int, kind: str, number: int = 0) -> bytes:
        """Key of a page, block or manifest."""
        return f"{self.prefix}{self.partition}/{slot}/{kind}/{number}".encode()


def _pack(raw: bytes) -> bytes:
    return bytes(cramjam.zstd.compress(raw, level=1))


def _unpack(raw: bytes) -> bytes:
    return bytes(cramjam.zstd.decompress(raw))


class Checkpointer:
    """Takes checkpoints of one ``Scoring`` and carries them out."""

    def __init__(self, scoring: Scoring, shelf: Shelf) -> None:
        self.shelf = shelf
        self._scoring = scoring
        self._slot = 1
        self._number = 0
        self._whole = [True, True]
        self._waiting: list[int] = []
        self._unsaved: set[int] = set()
        self._saved: dict[int, bytes] = {}
        self._blocks: list[tuple[int, bytes]] = []
        self._manifest: Manifest | None = None
        scoring.engine.before_touch = self._before_touch

    @property
    def running(self) -> bool:
        """Whether a checkpoint is being carried out."""
        return self._manifest is not None

    def restored(self, manifest: Manifest) -> None:
        """Go on after a restore: the other slot's content is unknown and is written whole."""
        self._slot, self._number = manifest.slot, manifest.number
        self._whole = [slot != manifest.slot for slot in (0, 1)]
        self._scoring.engine.take_dirty(manifest.slot)

    def begin(self) -> None:
        """Cut at the current position. Must be called between records."""
        assert not self.running, "one checkpoint at a time"
        scoring, slot = self._scoring, 1 - self._slot
        pages, blocks = scoring.engine.take_dirty(slot)
        if self._whole[slot]:
            pages = np.arange(scoring.engine.page_count)
            blocks = np.arange(scoring.engine.dedup_block_count)
        self._whole[slot] = False
        self._waiting = [int(page) for page in pages][::-1]
        self._unsaved = set(self._waiting)
        self._blocks = [(int(b), scoring.engine.export_dedup_block(int(b))) for b in blocks]
        self._manifest = Manifest(
            format=FORMAT,
            number=self._number + 1,
            slot=slot,
            position=scoring.position,
            pages=scoring.engine.page_count,
            blocks=scoring.engine.dedup_block_count,
            header=scoring.header(),
        )

    def carry(self, bytes_max: int) -> list[Output]:
        """The next portion: at least one record while running, about ``bytes_max`` at most.

        What counts is the state before its compression, which is what takes the time.
        """
        outputs: list[Output] = []
        size_bytes = 0
        while self._manifest is not None and size_bytes < bytes_max:
            output, packed_bytes = self._next(self._manifest)
            size_bytes += packed_bytes
            outputs.append(output)
        return outputs

    def _next(self, manifest: Manifest) -> tuple[Output, int]:
        """The next record, and the bytes that were compressed or copied for it."""
        slot = manifest.slot
        if self._blocks:
            number, raw = self._blocks.pop()
            return self._output(self.shelf.key(slot, "block", number), _pack(raw)), len(raw)
        if self._waiting:
            page = self._waiting.pop()
            key = self.shelf.key(slot, "page", page)
            packed = self._saved.pop(page, None)
            if packed is not None:
                return self._output(key, packed), len(packed)
            self._unsaved.discard(page)
            raw = self._scoring.page(page)
            return self._output(key, _pack(raw)), len(raw)
        self._slot, self._number, self._manifest = slot, manifest.number, None
        raw = msgspec.msgpack.encode(manifest)
        return self._output(self.shelf.key(slot, "manifest"), _pack(raw)), len(raw)

    def _output(self, key: bytes, value: bytes) -> Output:
        return Output(self.shelf.topic, self.shelf.partition, key, value)

    def _before_touch(self, pages: np.ndarray) -> None:
        if not self._unsaved:
            return
        for page in self._unsaved.intersection(pages.tolist()):
            # Compressed at once: else a busy partition would hold its state twice.
            self._saved[page] = _pack(self._scoring.page(page))
            self._unsaved.discard(page)


def latest_manifest(records: dict[bytes, bytes], shelf: Shelf) -> Manifest | None:
    """The newest complete checkpoint among the last values by key, or None."""
    found = []
    for slot in (0, 1):
        raw = records.get(shelf.key(slot, "manifest"))
        if raw is not None:
            manifest = msgspec.msgpack.decode(_unpack(raw), type=Manifest)
            if manifest.format != FORMAT:
                raise CheckpointError(
                    f"checkpoint of partition {shelf.partition} has format {manifest.format}, this "
                    f"version reads {FORMAT}; run the version that wrote it, or reset the group"
                )
            found.append(manifest)
    return max(found, key=lambda m: m.number, default=None)


def load(scoring: Scoring, manifest: Manifest, records: dict[bytes, bytes], shelf: Shelf) -> None:
    """Put a checkpoint into a fresh ``Scoring``. Raises ``CheckpointError`` on a missing page."""

    def value(kind: str, number: int) -> bytes:
        raw = records.get(shelf.key(manifest.slot, kind, number))
        if raw is None:
            raise CheckpointError(
                f"checkpoint {manifest.number} of partition {shelf.partition} lacks {kind} {number}"
            )
        return _unpack(raw)

    scoring.restore_header(manifest.header)
    for page in range(manifest.pages):
        scoring.restore_page(page, value("page", page))
    for block in range(manifest.blocks):
        scoring.engine.import_dedup_block(block, value("block", block))
