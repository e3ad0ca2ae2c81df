import msgspec
import pytest
from msgspec.inspect import StrType, StructType, UnionType, type_info

from features.lines import LogLine, decode_lines
from schemas.events import BY_TAG

BASE = {"event_id": "e", "merchant_id": "m", "occurred_at": 1_700_000_000_000}


def one(**fields: object) -> LogLine:
    (line,) = decode_lines(msgspec.json.encode(BASE | fields) + b"\n")
    return line


def test_lines_come_in_order_and_keep_what_is_read_downstream() -> None:
    raw = b'{"type":"order.paid","event_id":"a","merchant_id":"m","occurred_at":1,"amount":5}\n'
    first, second = decode_lines(raw + raw.replace(b'"a"', b'"b"'))
    assert (first.event_id, second.event_id, first.amount, first.due_at) == ("a", "b", 5, None)


def test_an_empty_record_has_no_lines() -> None:
    assert decode_lines(b"") == []


@pytest.mark.parametrize(
    ("name", "value"),
    [("rating", "five stars"), ("ordered_at", 2**64 - 1), ("reason", {"code": 1}), ("amount", -1)],
)
def test_a_field_that_its_type_does_not_declare_may_hold_anything(name: str, value: object) -> None:
    line = one(type="sensor.reading", **{name: value})
    assert getattr(line, name) is None
    assert line.type == "sensor.reading"


def test_a_bad_undeclared_field_does_not_cost_the_declared_ones() -> None:
    line = one(type="order.paid", amount=7, currency="CNY", digest=[1])
    assert (line.amount, line.currency, line.digest) == (7, "CNY", None)


def test_damage_is_an_error() -> None:
    with pytest.raises(msgspec.DecodeError):
        decode_lines(b'{"type":"order.paid"\n')


def test_every_field_is_as_wide_as_in_the_events() -> None:
    """A value that intake lets through must never be dropped on the way to scoring."""
    view = type_info(LogLine)
    assert isinstance(view, StructType)
    kinds = {f.name: kinds_of(f.type) for f in view.fields}
    for struct in BY_TAG.values():
        info = type_info(struct)
        assert isinstance(info, StructType)
        for each in info.fields:
            if each.name in kinds:
                assert kinds_of(each.type) <= kinds[each.name], (struct, each.name)


def kinds_of(kind: msgspec.inspect.Type) -> set[str]:
    if isinstance(kind, UnionType):
        return set().union(*(kinds_of(t) for t in kind.types)) - {"NoneType"}
    if type(kind).__name__ == "LiteralType":
        return {StrType.__name__}
    return {type(kind).__name__}
