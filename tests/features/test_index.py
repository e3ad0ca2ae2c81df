"""The index of merchants is a dict of ids in order of first appearance."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.index import GLOBAL_SLOT, MerchantIndex
from features.scan import id_rows, scan

_ids = st.one_of(
    st.sampled_from(["*", "m1", "m2", "", "**", "深圳", "x" * 300]),
    st.text(st.characters(exclude_categories=("Cs",)), max_size=12),
)


def model(ids: list[str], known: dict[str, int]) -> list[int]:
    return [GLOBAL_SLOT if each == "*" else known.setdefault(each, len(known)) for each in ids]


def raw_of(ids: list[str]) -> bytes:
    line = b'{"type":"order.paid","event_id":"e","merchant_id":"%s","occurred_at":1}\n'
    return b"".join(line % each.encode() for each in ids)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(_ids, max_size=30), max_size=8))
def test_slots_are_those_of_a_dict(batches: list[list[str]]) -> None:
    index, known = MerchantIndex(), dict[str, int]()
    for ids in batches:
        before = len(known)
        slots, added = index.lookup_or_add(*id_rows(ids))
        assert slots.tolist() == model(ids, known)
        assert added == len(known) - before
    assert len(index) == len(known)
    assert index.ids(0, len(index)) == list(known)
    for merchant_id, slot in known.items():
        assert index.slot_of(merchant_id) == slot
        assert index.id_of(slot) == merchant_id


def test_many_merchants_keep_their_slots_while_everything_grows() -> None:
    ids = [f"merchant-{n * 7919 % 100_003}" for n in range(60_000)]
    index, known = MerchantIndex(), dict[str, int]()
    for first in range(0, len(ids), 1_000):
        batch = ids[first : first + 1_000] + ids[: first // 2 : 97]
        scanned = scan(raw_of(batch))
        assert index.lookup_or_add(scanned.rows, scanned.raw)[0].tolist() == model(batch, known)
    assert index.ids(0, len(index)) == list(known)
    assert index.slot_of("nobody") is None
    assert index.slot_of("*") is None
    assert len(index) == 60_000


def test_merchants_are_told_apart_by_their_bytes_not_by_their_hash() -> None:
    scanned = id_rows(["left", "right", "left", "rigHt"])
    scanned.rows["merchant_hash"] = 42
    slots, added = MerchantIndex().lookup_or_add(*scanned)
    assert (slots.tolist(), added) == ([0, 1, 0, 2], 3)


def test_an_id_with_escapes_is_the_same_merchant() -> None:
    scanned = scan(raw_of(["shop", "sh\\u006fp", "other"]))
    slots, added = MerchantIndex().lookup_or_add(scanned.rows, scanned.raw)
    assert (slots.tolist(), added) == ([0, 0, 1], 2)


def test_restored_pages_give_the_same_slots_as_the_log_did() -> None:
    ids = [f"m{n}" for n in range(1_000)]
    index = MerchantIndex()
    assert [index.add(ids[at : at + 64]) for at in range(0, 1_000, 64)] == [64] * 15 + [40]
    assert index.lookup_or_add(*id_rows(ids))[0].tolist() == list(range(1_000))


@pytest.mark.parametrize("ids", [["a", "a"], ["b", "known"], ["*"]])
def test_a_merchant_is_added_once_only(ids: list[str]) -> None:
    index = MerchantIndex()
    index.add(["known"])
    with pytest.raises(ValueError, match="add it once only"):
        index.add(ids)


def test_rows_of_other_bytes_are_refused() -> None:
    scanned = scan(raw_of(["m"]))
    with pytest.raises(ValueError, match="lies outside the bytes"):
        MerchantIndex().lookup_or_add(scanned.rows, np.zeros(3, np.uint8))


@pytest.mark.parametrize("slot", [-1, 1])
def test_a_slot_without_a_merchant_is_an_error(slot: int) -> None:
    index = MerchantIndex()
    index.add(["m"])
    with pytest.raises(IndexError):
        index.id_of(slot)


def test_the_memory_of_a_merchant_is_bounded() -> None:
    index = MerchantIndex()
    for first in range(0, 200_000, 2_000):
        index.add(f"{n:020d}" for n in range(first, first + 2_000))
    assert index.nbytes / len(index) < 64
