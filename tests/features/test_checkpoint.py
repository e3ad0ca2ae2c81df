"""Any cut of the log into batches, and any hand-over through a checkpoint, gives the same dues."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.engine import EngineConfig, FeatureEngine
from features.lending import LendingBook
from features.lines import LogLine
from features.pages import StateFormatError
from tests.features.build import SMALL, copied, handed_over, histories, line, plain, probe, scanned

CONFIG = EngineConfig(dedup_events=16)
Plain = tuple[int, int, int, bytes]


def drive(
    engine: FeatureEngine, books: dict[int, LendingBook], lines: list[LogLine]
) -> list[Plain]:
    """Run as scoring does: the lending deadline is set again at each due of a merchant."""
    found = []
    for due in engine.run(scanned(lines)):
        found.append(plain(due))
        if due.slot >= 0:
            book = books.setdefault(due.slot, LendingBook())
            if due.line >= 0 and lines[due.line].type == "loan.disbursed":
                given_at = lines[due.line]
                given_at.due_at = given_at.due_at or given_at.promised_at
                book.apply(given_at)
            engine.set_lending_deadline(due.slot, book.next_check_ms(due.as_of))
    return found


def state(engine: FeatureEngine) -> list[bytes]:
    return [
        engine.export_header(),
        *(engine.export_page(p) for p in range(engine.page_count)),
        *(engine.export_dedup_block(b) for b in range(engine.dedup_block_count)),
    ]


@settings(deadline=None, max_examples=80)
@given(histories(merchants=5), st.lists(st.integers(0, 60), max_size=8))
def test_how_the_log_is_cut_does_not_matter(lines: list[LogLine], cuts: list[int]) -> None:
    whole, pieces = FeatureEngine(CONFIG), FeatureEngine(CONFIG)
    expected = drive(whole, {}, lines)
    books: dict[int, LendingBook] = {}
    bounds = [0, *sorted(min(c, len(lines)) for c in cuts), len(lines)]
    found: list[Plain] = []
    for first, last in pairwise(bounds):
        found += drive(pieces, books, lines[first:last])
    assert found == expected
    assert state(pieces) == state(whole)


@settings(deadline=None, max_examples=80)
@given(histories(merchants=5), st.integers(0, 60))
def test_a_restored_engine_goes_on_to_the_byte(lines: list[LogLine], cut: int) -> None:
    books: dict[int, LendingBook] = {}
    engine = FeatureEngine(CONFIG)
    drive(engine, books, lines[:cut])
    other = handed_over(engine)
    assert state(other) == state(engine)
    rest = lines[cut:]
    books_of_other = copied(books)
    assert drive(other, books_of_other, rest) == drive(engine, books, rest)
    assert state(other) == state(engine)
    assert other.counters == engine.counters


def crowd(count: int, day: float = 0.0) -> list[LogLine]:
    return [line("order.paid", day, f"m{i}", amount=i) for i in range(count)]


def test_pages_are_touched_before_they_change() -> None:
    """A copy taken in ``before_touch`` plus the pages never touched make the cut whole."""
    engine = FeatureEngine(SMALL)
    list(engine.run(scanned(crowd(200))))
    engine.take_dirty(0)
    before = [engine.export_page(p) for p in range(engine.page_count)]
    saved: dict[int, bytes] = {}

    def save(pages: np.ndarray) -> None:
        for page in pages.tolist():
            if page < len(before):
                saved.setdefault(page, engine.export_page(page))

    engine.before_touch = save
    later = [line("order.paid", 0.1, f"m{i}", amount=1) for i in (3, 70, 250, 251)]
    list(engine.run(scanned([*later, line("order.paid", 1.5, "m3", amount=1)])))
    assert set(saved) >= {0, 1, 3}
    for page, expected in enumerate(before):
        assert saved.get(page, engine.export_page(page)) == expected


def test_each_checkpoint_slot_keeps_its_own_account_of_changes() -> None:
    engine = FeatureEngine(SMALL)
    list(engine.run(scanned(crowd(130))))
    assert engine.take_dirty(0)[0].tolist() == [0, 1, 2]
    list(engine.run(scanned([probe(0.1, "m64")])))
    assert engine.take_dirty(0)[0].tolist() == [1]
    assert engine.take_dirty(0)[0].tolist() == []
    assert engine.take_dirty(1)[0].tolist() == [0, 1, 2]


def test_blocks_of_duplicates_are_marked_as_the_ring_turns() -> None:
    engine = FeatureEngine(EngineConfig(dedup_events=20_000))
    list(engine.run(scanned(crowd(8193))))
    assert engine.take_dirty(0)[1].tolist() == [0, 1]
    list(engine.run(scanned([probe(0.1, f"p{i}") for i in range(20_000 - 8193 + 1)])))
    assert engine.take_dirty(0)[1].tolist() == [0, 1, 2]
    assert engine.dedup_block_count == 3
    list(engine.run(scanned([probe(0.1, "more")])))
    assert engine.take_dirty(0)[1].tolist() == [0]


def test_duplicates_are_known_after_a_restore() -> None:
    engine = FeatureEngine(SMALL)
    lines = crowd(10)
    list(engine.run(scanned(lines)))
    other = handed_over(engine)
    list(other.run(scanned(lines)))
    assert other.counters["duplicates"] == 10


def test_state_of_another_version_or_configuration_is_refused() -> None:
    engine = FeatureEngine(SMALL)
    list(engine.run(scanned(crowd(3))))
    page, header = engine.export_page(0), engine.export_header()
    with pytest.raises(StateFormatError, match="dedup_events"):
        FeatureEngine(EngineConfig(dedup_events=5)).import_header(header)
    with pytest.raises(StateFormatError, match="damaged"):
        FeatureEngine(SMALL).import_page(0, page[:-3])
    with pytest.raises(StateFormatError, match="in order"):
        FeatureEngine(SMALL).import_page(1, page)
    with pytest.raises(StateFormatError, match="format 99"):
        FeatureEngine(SMALL).import_page(0, page.replace(b"\x96\x03", b"\x96\x63", 1))
