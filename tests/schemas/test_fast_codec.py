"""The short way through the codec gives what the codec gives, or nothing."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bench.workload import events
from schemas import documents
from schemas.codec import InvalidEvent, Limits, decode_event, encode
from schemas.events import BY_TAG, Command, Control
from schemas.fast_codec import FastCodec, Taken
from schemas.privacy import pseudonym
from tests.schemas.malformed import DECODE, LIMITS, NOW_MS, PRIVACY_KEY, Malformed, order, spliced
from tests.schemas.test_codec import _CHANGES, _NAMES, _TOKENS

FAST = FastCodec(LIMITS, PRIVACY_KEY)
BULK = sorted(t for t, s in BY_TAG.items() if not issubclass(s, Command | Control))
_FUZZ = settings(deadline=None, max_examples=400, suppress_health_check=[HealthCheck.too_slow])


def by_the_codec(raw: bytes) -> Taken:
    event, fields = decode_event(raw, now_ms=NOW_MS, limits=LIMITS, privacy_key=PRIVACY_KEY)
    return event.merchant_id, event.topic, encode(fields)


def check(raw: bytes) -> bool:
    """Whether the short way was taken; then it must have led where the codec leads."""
    taken = FAST.decode(raw, NOW_MS)
    if taken is not None:
        assert taken == by_the_codec(raw)
    return taken is not None


def compact(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode()


@pytest.mark.parametrize("case", DECODE, ids=lambda case: case.name)
def test_what_the_codec_refuses_is_never_taken(case: Malformed) -> None:
    assert case.raw is not None
    assert FAST.decode(case.raw, NOW_MS) is None


@pytest.mark.parametrize("tag", BULK)
def test_an_example_of_every_type_that_comes_in_bulk_is_taken_however_it_is_written(
    tag: str,
) -> None:
    fields = documents.example(BY_TAG[tag])
    assert check(compact(fields))
    assert check(json.dumps(fields).encode())
    assert check(json.dumps(fields, indent=1).encode())
    assert check(compact(dict(reversed(fields.items()))))
    assert check(compact(fields | {"note": {"deep": ["谢谢", 1.50, None]}}))


def test_steady_trade_is_taken_and_what_is_in_normal_form_stays_as_it_is() -> None:
    for _, _, raw in events(500, 50, seed=1):
        assert check(raw)
        if b"counterparty_id" not in raw:
            taken = FAST.decode(raw, NOW_MS)
            assert taken is not None
            assert taken[2] == raw


@pytest.mark.parametrize("tag", ["policy.publish", "automation.pause", "clock.tick"])
def test_commands_and_control_lines_are_left_to_the_codec(tag: str) -> None:
    assert FAST.decode(compact(documents.example(BY_TAG[tag])), NOW_MS) is None


def test_only_the_counterparty_is_replaced() -> None:
    name = "Zhang"
    fields = {"order_id": name, "counterparty_id": name, "channel": "counterparty_id"}
    raw = compact(json.loads(order(**fields)))
    taken = FAST.decode(raw, NOW_MS)
    assert taken is not None
    assert json.loads(taken[2]) == json.loads(raw) | {
        "counterparty_id": pseudonym(PRIVACY_KEY, name)
    }
    assert check(raw)


@pytest.mark.parametrize(
    "fragment",
    [
        b'"type":"order.refunded"',
        b'"type":"shipment.lost"',
        b'"type":null',
        b'"amount":-0',
        b'"amount":7',
        b'"order_id":null',
        b'"order_id":"a","order_id":"b"',
        b'"order_id":"a\\u0062c"',
        b'"order\\u005fid":"a"',
        b'"order_id":"a\\/b"',
        b'"order_id":"caf\xc3\xa9"',
        b'"order_id":"a\x7f"',
        b'"order_id":"a b"',
        b'"order_id":" a"',
        b'"order_id":"a "',
        b'"channel":" : "',
        b'"channel":"\\": "',
        b'"channel":"a\x7f","order_id":"b" ',
        b'"counterparty_id":"a\\"b"',
        b'"counterparty_id":"\xe6\x9d\x8e"',
        b'"counterparty_id":"a","counterparty_id":"b"',
        b'"counterparty_id":null',
        b'"promised_at":1767312000000.0',
        b'"promised_at":"2026-01-01T00:00:00Z"',
        b'"note":18446744073709551616',
        b'"note":1e5,"more":-0.0,"most":1E400',
    ],
)
def test_what_is_unusual_is_taken_as_the_codec_takes_it(fragment: bytes) -> None:
    fields = compact(json.loads(order()))
    for raw in (spliced(fragment), fields[:-1] + b"," + fragment + b"}"):
        taken = FAST.decode(raw, NOW_MS)
        if taken is None:
            continue
        assert taken == by_the_codec(raw)


@pytest.mark.parametrize("value", [2**53 + 1, 2**63, 2**64, -1, -(10**15), 10**15 + 1])
def test_integers_without_a_bound_of_their_own_are_bounded_as_in_the_codec(value: int) -> None:
    for tag, name in (
        ("limit.acknowledged", "version"),
        ("account.credited", "balance_minor"),
        ("invoice.issued", "tax_minor"),
    ):
        check(compact(documents.example(BY_TAG[tag]) | {name: value}))


def test_every_character_that_needs_no_escape_has_one_form() -> None:
    """What the proof of length rests on: text is written as it came."""
    texts = [chr(c) for c in range(0x20, 0x3000) if chr(c) not in '"\\'] + ["\uffff", "😀"]
    for text in texts:
        assert encode(text) == f'"{text}"'.encode()


def test_bounds_are_the_callers_and_so_is_the_clock() -> None:
    raw = compact(json.loads(order()))
    assert FastCodec(Limits(payload_bytes_max=10), PRIVACY_KEY).decode(raw, NOW_MS) is None
    assert FAST.decode(raw, NOW_MS - 2 * LIMITS.future_bound_ms) is None
    assert FastCodec(Limits(ancient_before_ms=NOW_MS), PRIVACY_KEY).decode(raw, NOW_MS) is None
    with pytest.raises(ValueError, match="16 to 64 bytes"):
        FastCodec(LIMITS, b"short")


@_FUZZ
@given(
    st.sampled_from(BULK),
    _CHANGES,
    st.lists(st.sampled_from(_NAMES), max_size=2),
    st.sampled_from([(",", ":"), (", ", ": "), (" ,", ":\t")]),
    st.booleans(),
)
def test_changed_events_are_taken_as_the_codec_takes_them(
    tag: str,
    changes: dict[str, Any],
    left_out: list[str],
    separators: tuple[str, str],
    ascii_only: bool,
) -> None:
    fields = documents.example(BY_TAG[tag]) | changes
    for name in left_out:
        fields.pop(name, None)
    text = json.dumps(fields, separators=separators, ensure_ascii=ascii_only)
    check(text.encode("utf-8", "surrogatepass"))


_TEXT = st.text(st.sampled_from('ab :,"\\\x7f\t\u00e9谢{}'), min_size=1, max_size=6)
_MEMBERS = st.one_of(
    st.tuples(st.sampled_from(["order_id", "counterparty_id", "channel", "unknown"]), _TEXT),
    st.tuples(st.sampled_from(["amount", "promised_at", "occurred_at"]), st.integers(0, 2**41)),
    st.tuples(st.sampled_from(["order_id", "promised_at", "unknown"]), st.none()),
    st.tuples(st.just("type"), st.sampled_from(["order.paid", "order.refunded"])),
)


@_FUZZ
@given(st.lists(_MEMBERS, max_size=5), st.data())
def test_repeated_members_and_white_space_are_taken_as_the_codec_takes_them(
    members: list[tuple[str, Any]], data: st.DataObject
) -> None:
    """Members are written one by one, so that one may come twice, with space where JSON allows."""
    every = [*json.loads(order()).items(), *members]
    order_of = data.draw(st.permutations(every))
    space = st.sampled_from(["", "", "", "", " ", "\n"])
    ascii_only = data.draw(st.booleans())
    text = ",".join(
        f"{json.dumps(k)}{data.draw(space)}:{data.draw(space)}"
        f"{json.dumps(v, ensure_ascii=ascii_only)}"
        for k, v in order_of
    )
    check(f"{{{text}}}".encode())


@_FUZZ
@given(
    st.sampled_from(BULK),
    st.lists(
        st.tuples(st.integers(0, 500), st.integers(0, 4), st.sampled_from(_TOKENS) | st.binary()),
        min_size=1,
        max_size=3,
    ),
)
@example("order.paid", [(0, 0, b" ")])
def test_damaged_bytes_are_taken_as_the_codec_takes_them(
    tag: str, damages: list[tuple[int, int, bytes]]
) -> None:
    raw = compact(documents.example(BY_TAG[tag]))
    for at, removed, inserted in damages:
        at %= len(raw) + 1
        raw = raw[:at] + inserted + raw[at + removed :]
    check(raw)


@_FUZZ
@given(st.binary(max_size=200))
def test_random_bytes_are_left_to_the_codec(raw: bytes) -> None:
    with pytest.raises(InvalidEvent):
        by_the_codec(raw)
    assert FAST.decode(raw, NOW_MS) is None
