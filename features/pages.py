"""The bytes of a partition's rows in a checkpoint."""

from typing import Any, TypeVar

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from features.layout import DEADLINES, LAYOUT, ROW

FORMAT = 3
"""Version of the encoding; a reader refuses what it does not know."""


Part = TypeVar("Part", "Page", "Header")


class StateFormatError(ValueError):
    """A page or header was written by another version or configuration, or is damaged."""


class Page(Struct, frozen=True, array_like=True):
    """Merchants of one page in slot order: ids, rows, deadlines and amounts for their peers.

    Numbers are little-endian; ``peers`` see ``features.peers.Peers.export``.
    """

    format: int
    layout: str
    ids: list[str]
    rows: bytes
    deadlines: bytes
    peers: bytes


class Header(Struct, frozen=True, array_like=True):
    """The state of the partition beside its rows.

    By name what the kernel holds, and the configuration; the health of feeds (see
    ``features.feeds.export``) and the names of segments by their codes (``features.peers``).
    """

    format: int
    layout: str
    state: dict[str, int | list[int]]
    config: dict[str, int]
    feeds: bytes
    segments: list[str]


def encode_page(
    ids: list[str], rows: NDArray[Any], deadlines: NDArray[np.int64], peers: bytes
) -> bytes:
    """Bytes of a page."""
    return msgspec.msgpack.encode(
        Page(FORMAT, LAYOUT, ids, rows.tobytes(), deadlines.astype("<i8").tobytes(), peers)
    )


def decode_page(raw: bytes) -> tuple[list[str], NDArray[Any], NDArray[np.int64], bytes]:
    """Inverse of ``encode_page``. Raises ``StateFormatError``."""
    page = _decode(raw, Page)
    count = len(page.ids)
    deadlines = count * DEADLINES * 8
    if len(page.rows) != count * ROW.itemsize or len(page.deadlines) != deadlines:
        raise StateFormatError(f"a page of {count} merchants has {len(page.rows)} bytes of rows")
    rows = np.frombuffer(page.rows, ROW)
    deadlines_ms = np.frombuffer(page.deadlines, "<i8").reshape(count, DEADLINES)
    return page.ids, rows, deadlines_ms, page.peers


def encode_header(
    state: dict[str, int | list[int]], config: dict[str, int], feeds: bytes, segments: list[str]
) -> bytes:
    """Bytes of a header."""
    return msgspec.msgpack.encode(Header(FORMAT, LAYOUT, state, config, feeds, segments))


def decode_header(raw: bytes) -> Header:
    """Inverse of ``encode_header``. Raises ``StateFormatError``."""
    return _decode(raw, Header)


def _decode(raw: bytes, kind: type[Part]) -> Part:
    try:
        value = msgspec.msgpack.decode(raw, type=kind)
    except msgspec.DecodeError as error:
        raise StateFormatError(f"a {kind.__name__.lower()} is damaged: {error}") from None
    if value.format != FORMAT or value.layout != LAYOUT:
        raise StateFormatError(
            f"a {kind.__name__.lower()} has format {value.format}/{value.layout}, this version "
            f"reads {FORMAT}/{LAYOUT}; run the version that wrote it, or replay the log"
        )
    return value
