"""Names that the desk answers to."""

import pytest

from desk.hosts import name_of, names_in


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("127.0.0.1:8088", "127.0.0.1"),
        ("Desk.Example", "desk.example"),
        ("[::1]:8088", "::1"),
        ("[::1]", "::1"),
        ("", None),
        ("a b", None),
        ("user@desk.example", None),
        ("desk.example/x", None),
        ("desk.example?x", None),
        ("desk.example:x", None),
        ("desk.example:8088:8088", None),
        ("[::1", None),
        ("::1", None),
        ("desk.example\x00", None),
    ],
)
def test_a_host_header_has_one_name_or_none(header: str, name: str | None) -> None:
    assert name_of(header) == name


def test_names_of_a_setting_stand_between_commas() -> None:
    assert names_in("") == frozenset()
    assert names_in(" Desk.example, 10.0.0.7 ,::1,[fe80::1]") == {
        "desk.example",
        "10.0.0.7",
        "::1",
        "fe80::1",
    }


@pytest.mark.parametrize("text", ["https://desk", "desk:8088", "desk/x", "a b", "*", "[::1]:80"])
def test_what_is_no_name_is_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError, match="is no host name; write it without scheme, port and path"):
        names_in(text)
