"""The sample lending core: answers, loans, and a restore that goes on as if never stopped."""

from typing import Any

import msgspec
import pytest
from confluent_kafka import murmur2
from hypothesis import given, settings
from hypothesis import strategies as st

from credit.core_book import Instruction
from schemas import topics
from schemas.codec import Limits, decode_event, encode
from streams.intake import InputStopped
from streams.lending_core import LIVE_MS, LendingCore
from streams.records import Output, Record
from tests.credit.limit_changes import DAY_MS, START_MS, change

END_MS = START_MS + 3_000 * DAY_MS


def record(sent: Instruction | bytes, offset: int = 0) -> Record:
    """One record of ``risk.limit-changes`` at partition 2."""
    raw = sent if isinstance(sent, bytes) else encode(sent)
    return Record(topics.LIMIT_CHANGES, 2, offset, b"m1", raw, [], START_MS)


def events(outputs: list[Output]) -> list[dict[str, Any]]:
    return [msgspec.json.decode(output.value or b"") for output in outputs]


def answers(outputs: list[Output]) -> list[tuple[str, int, str | None]]:
    """Type, version and reason of each answer."""
    return [
        (event["type"], event["version"], event["reason"])
        for event in events(outputs)
        if event["type"].startswith("limit.")
    ]


def process(core: LendingCore, changes: list[Instruction]) -> list[Output]:
    return [output for each in changes for output in core.process(record(each))]


def test_a_booked_change_is_acknowledged_on_the_partition_of_its_merchant() -> None:
    (output,) = LendingCore(2).process(record(change(1)))
    assert (output.topic, output.partition, output.key) == (topics.LENDING, 2, b"m1")
    raw = output.value or b""
    answer, _ = decode_event(raw, now_ms=END_MS, limits=Limits(), privacy_key=bytes(32))
    assert (answer.merchant_id, answer.occurred_at) == ("m1", change(1).decided_at)
    (found,) = events([output])
    assert found["type"] == "limit.acknowledged"
    assert (found["decision_id"], found["line_id"], found["version"]) == ("dc_1", "ln_a", 1)


def test_repeats_are_not_answered_gaps_and_conflicts_are_refused() -> None:
    core = LendingCore(2)
    outputs = process(
        core, [change(1), change(1), change(3), change(2), change(3), change(2, 1), change(4)]
    )
    assert answers(outputs) == [
        ("limit.acknowledged", 1, None),
        ("limit.rejected", 3, "version_gap"),
        ("limit.acknowledged", 2, None),
        ("limit.acknowledged", 3, None),
        ("limit.rejected", 2, "version_conflict"),
        ("limit.rejected", 4, "line_quarantined"),
    ]
    assert [(r.version, r.booked_version) for r in core.refusals] == [(3, 1), (2, 3), (4, 3)]
    assert core.quarantined == 1


def test_a_noted_change_is_acknowledged_with_its_state() -> None:
    outputs = process(LendingCore(2), [change(1), change(2, 900, state="proposed")])
    assert answers(outputs)[1] == ("limit.acknowledged", 2, "proposed")


def test_the_same_answer_has_the_same_event_id_and_another_one_another() -> None:
    first = events(process(LendingCore(2), [change(1), change(3)]))
    again = events(process(LendingCore(2), [change(1), change(3), change(2), change(3)]))
    ids = [event["event_id"] for event in again]
    assert [event["event_id"] for event in first] == ids[:2]
    assert len(set(ids)) == 4


def test_a_mended_line_books_what_was_refused_and_acknowledges_it_once() -> None:
    core = LendingCore(2)
    log = [change(1), change(2), change(2, 5), change(3), change(4)]
    process(core, log)
    core.dirty()
    outputs = core.mend("ln_a", [b"not a change", *map(encode, log)])
    assert answers(outputs) == [("limit.acknowledged", 3, None), ("limit.acknowledged", 4, None)]
    assert core.quarantined == 0 and core.lines["ln_a"].version == 4
    assert [output.key for output in core.dirty()] == [b"ln_a"]


@pytest.mark.parametrize("raw", [b"", b"{", b"{}", b'{"line_id":"x"}'])
def test_what_cannot_be_read_stops_the_partition_and_is_not_taken(raw: bytes) -> None:
    core = LendingCore(2)
    with pytest.raises(InputStopped, match=r"risk.limit-changes/2 stopped at 7: not a limit"):
        core.process(record(raw, offset=7))
    assert not core.lines and core.dirty() == []


def test_loans_are_drawn_between_changes_and_by_the_wall_clock_only_near_the_present() -> None:
    core = LendingCore(2, draw_seed=1)
    first = change(1, 1_000_000, expires_at=None)
    core.process(record(first))
    later = first.decided_at + 20 * DAY_MS
    assert core.advance(later) == [], "an old log is not moved on by today's clock"
    types = [e["type"] for e in events(core.process(record(change(2, decided_at=later))))]
    assert types[0] == "loan.disbursed" and types[-1] == "limit.acknowledged"
    assert core.advance(later + LIVE_MS) == []
    steps = [core.advance(later + days * LIVE_MS // 2) for days in range(1, 20)]
    assert {e["type"] for step in steps for e in events(step)} >= {"repayment.received"}


def test_without_a_seed_nothing_is_drawn() -> None:
    core = LendingCore(2)
    process(core, [change(1), change(2, decided_at=END_MS)])
    assert core.lines["ln_a"].loans == ()


plans = st.lists(
    st.tuples(
        st.sampled_from(["ln_a", "ln_b"]),
        st.integers(0, 10**7),
        st.sampled_from(["increase", "decrease", "freeze", "release"]),
        st.integers(0, 90),
    ),
    max_size=14,
)


@settings(max_examples=40, deadline=None)
@given(plans, st.data())
def test_a_restored_core_goes_on_as_if_never_stopped(plan: list, data: st.DataObject) -> None:
    versions: dict[str, int] = {}
    changes, at = [], START_MS
    for line_id, limit, action, days in plan:
        versions[line_id] = versions.get(line_id, 0) + 1
        at += days * DAY_MS
        version = versions[line_id]
        sent = change(version, limit, action=action, decided_at=at, effective_at=at)
        changes.append(msgspec.structs.replace(sent, line_id=line_id))
    whole, one = LendingCore(2, 7), LendingCore(2, 7)
    expected = process(whole, changes)
    book: dict[bytes, bytes] = {}
    found: list[Output] = []
    for each in changes:
        found += one.process(record(each))
        if data.draw(st.booleans()):
            book |= {o.key or b"": o.value or b"" for o in one.dirty()}
            one = LendingCore(2, 7)
            one.restore(book.items())
    assert found == expected
    assert one.lines == whole.lines


def test_the_book_goes_to_the_partition_that_the_changes_came_from() -> None:
    core = LendingCore(2)
    core.process(record(change(1)))
    (output,) = core.dirty()
    assert (output.topic, output.partition, output.key) == (topics.CORE_BOOK, 2, b"ln_a")
    assert murmur2(b"ln_a", 4) != 2, "or this test would prove nothing"
    assert core.dirty() == []
