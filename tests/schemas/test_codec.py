"""What the codec takes, what it makes of it, and that nothing else gets through."""

import json
import math
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from schemas import documents
from schemas.codec import REASONS, TIME_FIELDS, InvalidEvent, Limits, decode_event, encode
from schemas.events import BY_TAG, EVENT_TYPES, Event, OrderPaid
from schemas.privacy import pseudonym
from tests.schemas.malformed import (
    DECODE,
    INTAKE,
    LIMITS,
    MALFORMED,
    NOW_MS,
    PRIVACY_KEY,
    Malformed,
    order,
    spliced,
)


def decode(raw: bytes, limits: Limits = LIMITS) -> tuple[Event, dict[str, Any]]:
    return decode_event(raw, now_ms=NOW_MS, limits=limits, privacy_key=PRIVACY_KEY)


@pytest.mark.parametrize("case", DECODE, ids=lambda case: case.name)
def test_bad_input_is_refused_for_its_reason(case: Malformed) -> None:
    assert case.raw is not None
    with pytest.raises(InvalidEvent) as refused:
        decode(case.raw)
    assert refused.value.reason == case.reason
    assert 0 < len(refused.value.detail) <= 400
    refused.value.detail.encode("utf-8")


@pytest.mark.parametrize(
    "case", [c for c in INTAKE if c.raw and not c.ndjson], ids=lambda case: case.name
)
def test_input_that_only_came_the_wrong_way_passes_the_codec(case: Malformed) -> None:
    assert case.raw is not None
    decode(case.raw)


def test_the_corpus_knows_every_reason_and_says_each_kind_once() -> None:
    assert {case.reason for case in MALFORMED} == set(REASONS)
    assert len({case.name for case in MALFORMED}) == len(MALFORMED)


def test_missing_fields_are_named() -> None:
    with pytest.raises(InvalidEvent, match=r"`amount` is required for order\.paid"):
        decode(order(amount=...))


@pytest.mark.parametrize("struct", EVENT_TYPES, ids=lambda struct: struct.__name__)
def test_an_example_of_every_type_is_taken_and_comes_back_from_its_normal_form(
    struct: type[Event],
) -> None:
    event, fields = decode(json.dumps(documents.example(struct)).encode())
    assert type(event) is struct
    again = msgspec.convert(msgspec.json.decode(encode(fields)), struct)
    assert again == event == msgspec.json.decode(encode(event), type=struct)


@pytest.mark.parametrize(
    ("sent", "epoch_ms"),
    [
        ("2026-01-01T00:00:00Z", 1_767_225_600_000),
        ("2026-01-01t00:00:00z", 1_767_225_600_000),
        ("2026-01-01 08:00:00+08:00", 1_767_225_600_000),
        ("2025-12-31T19:00:00.250-05:00", 1_767_225_600_250),
        ("2026-01-01T00:00:00.1239999Z", 1_767_225_600_123),
        (1_767_225_600_000, 1_767_225_600_000),
        (1_767_225_600_000.0, 1_767_225_600_000),
    ],
)
def test_times_become_epoch_milliseconds(sent: object, epoch_ms: int) -> None:
    event, fields = decode(order(occurred_at=sent, promised_at=sent))
    assert isinstance(event, OrderPaid)
    assert event.occurred_at == event.promised_at == epoch_ms
    assert type(fields["occurred_at"]) is int
    assert fields["occurred_at"] == fields["promised_at"] == epoch_ms


def test_every_field_that_ends_in_at_is_known_to_be_a_time() -> None:
    names = {f.name for t in EVENT_TYPES for f in msgspec.structs.fields(t)}
    assert {n for n in names if n.endswith("_at")} == set(TIME_FIELDS)


def test_the_bounds_themselves_are_taken() -> None:
    decode(order(occurred_at=NOW_MS + LIMITS.future_bound_ms, amount=10**15, event_id="e" * 128))
    decode(order(occurred_at=LIMITS.ancient_before_ms, amount=0, promised_at=NOW_MS * 2))
    decode(spliced(b'"note":' + b"[" * 31 + b"]" * 31))
    decode(spliced(b'"big":18446744073709551615,"small":-9223372036854775808'))
    decode(order().ljust(LIMITS.payload_bytes_max))


def test_a_merchant_may_be_older_than_the_earliest_event() -> None:
    event, _ = decode(
        b'{"type":"merchant.registered","event_id":"e","merchant_id":"m",'
        b'"occurred_at":"2026-01-01T00:00:00Z","opened_at":"1985-06-01T00:00:00+08:00"}'
    )
    assert event.opened_at == 486_403_200_000  # type: ignore[attr-defined]


def test_counterparties_are_pseudonyms_on_every_type() -> None:
    expected = pseudonym(PRIVACY_KEY, "Zhang San")
    event, fields = decode(order(counterparty_id="Zhang San"))
    assert isinstance(event, OrderPaid)
    assert event.counterparty_id == fields["counterparty_id"] == expected
    _, fields = decode(
        b'{"type":"consent.changed","event_id":"e","merchant_id":"m","granted":true,'
        b'"occurred_at":1767225600000,"counterparty_id":"Zhang San"}'
    )
    assert fields["counterparty_id"] == expected


def test_another_key_gives_another_pseudonym_and_a_short_key_none() -> None:
    assert pseudonym(b"a" * 16, "x") != pseudonym(b"b" * 16, "x")
    assert pseudonym(b"a" * 16, "x") == "cp_799783d7615951592f237a1d03b273bd"
    with pytest.raises(ValueError, match="16 to 64 bytes"):
        pseudonym(b"short", "x")


def test_unknown_fields_are_kept_whatever_they_are_called_elsewhere() -> None:
    unknown = {"currency": [], "loan_id": 5, "amount": "much", "due_at": "soon", "x": {"y": [1.5]}}
    sent = {
        "type": "review.posted",
        "event_id": "e",
        "merchant_id": "m",
        "occurred_at": NOW_MS,
        **unknown,
    }
    _, fields = decode(json.dumps(sent).encode())
    assert fields == sent
    assert json.loads(encode(fields)) == sent


def test_of_a_repeated_key_the_last_value_counts() -> None:
    event, fields = decode(spliced(b'"amount":7'))
    assert isinstance(event, OrderPaid)
    assert event.amount == fields["amount"] == 7


def test_white_space_around_an_event_does_no_harm() -> None:
    assert decode(b" \r\n" + order() + b"\r\n") == decode(order())


def test_the_verdict_does_not_depend_on_how_deep_the_caller_is() -> None:
    raw = spliced(b'"note":' + b"[" * 200 + b"]" * 200)

    def verdict(depth: int) -> str:
        if depth:
            return verdict(depth - 1)
        with pytest.raises(InvalidEvent) as refused:
            decode(raw)
        return refused.value.detail

    assert verdict(0) == verdict(400)


def test_limits_are_the_callers() -> None:
    with pytest.raises(InvalidEvent, match="at most 10 are taken"):
        decode(order(), Limits(payload_bytes_max=10))
    decode(order(occurred_at=5), Limits(ancient_before_ms=0))


# --- fuzz --------------------------------------------------------------------------------------

_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=True, allow_infinity=True)
    | st.text(max_size=20)
    | st.sampled_from(
        ["CNY", "", " ", "2026-01-01T00:00:00Z", 10**15, 2**53, -1, NOW_MS, "e" * 129]
    ),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
_NAMES = sorted({f.name for t in EVENT_TYPES for f in msgspec.structs.fields(t)} | {"type"})
_CHANGES = st.dictionaries(st.sampled_from(_NAMES) | st.text(max_size=8), _JSON, max_size=4)
_TOKENS = [
    *(bytes([byte]) for byte in b'\x00\xff"{}[],:\\- \n'),
    *(b"\\ud800", b"NaN", b"1e999", b"9" * 30, b"null", b"\xef\xbb\xbf"),
]
_FUZZ = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def check(raw: bytes) -> None:
    """Refused with a known reason, or sound in every respect."""
    try:
        event, fields = decode(raw)
    except InvalidEvent as refused:
        assert refused.reason in REASONS
        refused.detail.encode("utf-8")
        return
    line = encode(fields)
    assert b"\n" not in line
    assert msgspec.convert(msgspec.json.decode(line), type(event)) == event
    for name, value in msgspec.structs.asdict(event).items():
        if isinstance(value, float):
            assert math.isfinite(value)
        if isinstance(value, str) and name.endswith("_id"):
            assert 1 <= len(value) <= 128
            assert value == value.strip()
            assert "\n" not in value
        if name == "amount" or (name.endswith("_minor") and name != "balance_minor"):
            assert value is None or 0 <= value <= 10**15
    json.loads(line, parse_constant=_no_constant)
    sent = json.loads(raw)
    known = set(TIME_FIELDS) | {"counterparty_id"}
    assert fields.keys() == sent.keys()
    assert {k: v for k, v in fields.items() if k not in known} == {
        k: v for k, v in sent.items() if k not in known
    }


def _no_constant(name: str) -> None:
    raise AssertionError(f"{name} got into the log")


@_FUZZ
@given(st.binary(max_size=300))
@example(b'{"type":"order.paid"')
def test_random_bytes_raise_nothing_but_invalid_event(raw: bytes) -> None:
    check(raw)


@_FUZZ
@given(st.sampled_from(sorted(BY_TAG)), _CHANGES, st.lists(st.sampled_from(_NAMES), max_size=2))
def test_changed_fields_raise_nothing_but_invalid_event(
    tag: str, changes: dict[str, Any], left_out: list[str]
) -> None:
    fields = documents.example(BY_TAG[tag]) | changes
    for name in left_out:
        fields.pop(name, None)
    check(json.dumps(fields).encode())


@_FUZZ
@given(
    st.sampled_from(sorted(BY_TAG)),
    st.lists(
        st.tuples(st.integers(0, 500), st.integers(0, 4), st.sampled_from(_TOKENS) | st.binary()),
        min_size=1,
        max_size=3,
    ),
)
def test_damaged_bytes_raise_nothing_but_invalid_event(
    tag: str, damages: list[tuple[int, int, bytes]]
) -> None:
    raw = json.dumps(documents.example(BY_TAG[tag]), ensure_ascii=False).encode()
    for at, removed, inserted in damages:
        at %= len(raw) + 1
        raw = raw[:at] + inserted + raw[at + removed :]
    check(raw)


@_FUZZ
@given(_JSON)
def test_any_json_value_raises_nothing_but_invalid_event(value: object) -> None:
    check(json.dumps(value).encode())
