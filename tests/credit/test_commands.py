"""What a person decides at the desk holds, and is told with who and why."""

from typing import Any

import pytest

from tests.credit.desk import later, merchant, opened, say, step


def test_a_freeze_by_the_desk_wins_over_every_rule() -> None:
    found = say(opened(), "merchant.freeze", drawn_minor=200_000)
    assert found is not None
    line, change = found
    assert (change.action, change.new_limit_minor, change.actor) == ("freeze", 0, "li")
    assert change.approval == "manual"
    assert change.reasons[0].text == "Decided by the risk desk: seen on site"
    assert change.reasons[-1].code == "limit_below_drawn"
    for at in (1, 100, 400):
        assert step(line, merchant(90_000), at=later(at)) is None
    assert say(line, "merchant.freeze") is None


def test_the_desk_takes_an_automatic_freeze_over_and_keeps_the_limit_behind_it() -> None:
    automatic = step(opened(), merchant(10_000, silence_days=25), at=later(1))
    assert automatic is not None
    found = say(automatic[0], "merchant.freeze", at=later(2))
    assert found is not None
    assert (found[0].frozen_by, found[0].frozen_limit_minor) == ("desk", 500_000)
    released = say(found[0], "merchant.release", at=later(3))
    assert released is not None and released[1].new_limit_minor == 500_000


def test_a_release_by_the_desk_is_not_undone_by_the_next_event() -> None:
    silent = merchant(10_000, silence_days=25)
    automatic = step(opened(), silent, at=later(1))
    assert automatic is not None
    released = say(automatic[0], "merchant.release", at=later(2))
    assert released is not None
    line, change = released
    assert (change.action, change.new_limit_minor, change.actor) == ("release", 500_000, "li")
    assert step(line, silent, at=later(3)) is None
    again = step(line, silent, at=later(32))
    assert again is not None and again[1].action == "freeze"


def test_a_release_of_what_is_not_frozen_has_no_effect() -> None:
    assert say(opened(), "merchant.release") is None


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"amount_minor": 500_000},
        {"amount_minor": -1},
        {"amount_minor": 30_000_001},
        {"amount_minor": 700_000, "currency": "USD"},
        {"amount_minor": 700_000, "expires_at": later(-1)},
    ],
)
def test_an_override_that_cannot_be_has_no_effect(given: dict[str, Any]) -> None:
    assert say(opened(), "limit.override", **given) is None


def test_an_override_has_no_effect_on_a_frozen_line() -> None:
    found = say(opened(), "merchant.freeze")
    assert found is not None
    assert say(found[0], "limit.override", amount_minor=700_000) is None


def test_an_override_without_an_end_gets_the_policy_s() -> None:
    found = say(opened(), "limit.override", amount_minor=700_000)
    assert found is not None
    assert found[1].expires_at == found[0].override_until == later(30)


def test_an_override_to_nothing_closes_the_line_until_it_ends() -> None:
    found = say(opened(), "limit.override", amount_minor=0, drawn_minor=100_000)
    assert found is not None
    assert found[1].reasons[-1].code == "limit_below_drawn"
    assert step(found[0], merchant(), at=later(29)) is None
