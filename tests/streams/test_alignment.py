"""Topics of a merchant come in one order, whatever order they are read in."""

import random
from collections import defaultdict
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from streams.alignment import BUFFER_BYTES_MAX, WAIT_S, Aligner
from streams.host import Source
from streams.records import Record

ORDERS, PARCELS = ("orders", 0), ("parcels", 0)


def record(source: Source, offset: int, at: int) -> Record:
    return Record(source[0], source[1], offset, b"m", b"{}", [], at)


def aligner(ends: dict[Source, int]) -> Aligner:
    made = Aligner(lambda source: ends[source])
    for source in ends:
        made.assign(source, None)
    return made


def test_records_of_two_topics_come_by_their_timestamps() -> None:
    made = aligner({ORDERS: 3, PARCELS: 2})
    for offset, at in enumerate((20, 40)):
        made.add(record(PARCELS, offset, at))
    for offset, at in enumerate((10, 30, 50)):
        made.add(record(ORDERS, offset, at))
    assert [r.timestamp_ms for r in made.take(100, 0.0)] == [10, 20, 30, 40, 50]


def test_a_topic_that_was_not_fetched_yet_is_waited_for_but_not_for_ever() -> None:
    made = aligner({ORDERS: 2, PARCELS: 1})
    made.add(record(PARCELS, 0, 20))
    assert made.take(100, 0.0) == []
    made.add(record(ORDERS, 0, 10))
    assert [r.timestamp_ms for r in made.take(100, 0.1)] == [10], "another order may come before 20"
    assert made.take(100, 0.2 + WAIT_S - 0.2) == []
    assert [r.timestamp_ms for r in made.take(100, 0.2 + WAIT_S)] == [20]


def test_a_topic_at_its_end_is_not_waited_for() -> None:
    made = aligner({ORDERS: -1001, PARCELS: 1})
    made.add(record(PARCELS, 0, 20))
    assert made.take(100, 0.0) == []
    made.end(ORDERS, 0)
    assert len(made.take(100, 0.0)) == 1


def test_a_dropped_source_holds_nobody_up_and_its_records_are_ignored() -> None:
    made = aligner({ORDERS: 5, PARCELS: 1})
    made.add(record(PARCELS, 0, 20))
    made.drop(ORDERS)
    made.add(record(ORDERS, 0, 10))
    assert [r.topic for r in made.take(100, 0.0)] == ["parcels"]


def test_a_source_read_again_from_its_position_starts_afresh() -> None:
    made = aligner({ORDERS: 3})
    for offset in range(3):
        made.add(record(ORDERS, offset, offset))
    made.assign(ORDERS, 1)
    assert made.take(100, 0.0) == []
    for offset in (0, 1, 1, 2):
        made.add(record(ORDERS, offset, offset))
    assert [r.offset for r in made.take(100, 0.0)] == [1, 2]


def test_one_partition_does_not_starve_another() -> None:
    made = aligner({("orders", 0): 100, ("orders", 1): 100})
    for partition in (0, 1):
        for offset in range(100):
            made.add(record(("orders", partition), offset, offset))
    taken = made.take(10, 0.0)
    assert [r.partition for r in taken] == [0] * 10 + [1] * 10


def test_topics_too_far_apart_give_their_order_up_rather_than_fill_the_memory() -> None:
    made = aligner({ORDERS: 5, PARCELS: 10})
    value = bytes(BUFFER_BYTES_MAX // 8)
    for offset in range(9):
        assert made.take(100, 0.0) == []
        made.add(record(PARCELS, offset, 20 + offset)._replace(value=value))
    assert [r.offset for r in made.take(1, 0.0)] == list(range(9))
    assert made.take(100, 0.0) == []


@given(st.integers(0, 10**9), st.integers(1, 4), st.integers(1, 60))
def test_nothing_is_lost_and_each_topic_keeps_its_order(seed: int, topics: int, count: int) -> None:
    rnd = random.Random(seed)
    logs: dict[Source, list[Record]] = defaultdict(list)
    for at in range(count):
        source = (f"t{rnd.randrange(topics)}", rnd.randrange(2))
        logs[source].append(record(source, len(logs[source]), at + rnd.randrange(3)))
    made = aligner({source: len(log) for source, log in logs.items()})
    read = {source: 0 for source in logs}
    taken: list[Record] = []
    while any(read[s] < len(log) for s, log in logs.items()):
        source = rnd.choice([s for s, log in logs.items() if read[s] < len(log)])
        for _ in range(rnd.randrange(1, 8)):
            if read[source] < len(logs[source]):
                made.add(logs[source][read[source]])
                read[source] += 1
        taken += made.take(rnd.randrange(1, 20), 0.0)
    while more := made.take(7, 0.0):
        taken += more
    by_source: dict[Source, list[Record]] = defaultdict(list)
    for each in taken:
        by_source[each.topic, each.partition].append(each)
    assert by_source == dict(logs)
    for partition in (0, 1):
        ordered = [r for r in taken if r.partition == partition]
        disorder = [a.timestamp_ms - b.timestamp_ms for a, b in pairwise(ordered)]
        assert max(disorder, default=0) <= 2, "no more than the topics have themselves"
