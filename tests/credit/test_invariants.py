"""What holds of every line under any stream of assessments and commands."""

import math
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from credit.changes import Changed
from credit.lines import Line
from credit.reasons import REASONS_MAX
from features.feeds import FEED_NAMES
from schemas.outputs import LimitChange
from tests.credit.desk import AMOUNTS, POLICY, later, merchant, say, step

STEPS = POLICY.steps
BANDS = ["A", "B", "C", "D", "E", "insufficient_history"]

assessments = st.fixed_dictionaries(
    {
        "days": st.floats(0, 60),
        "turnover": st.sampled_from([0, 500, 3_000, 10_000, 40_000, 10**7]),
        "usual": st.sampled_from([0, 3_000, 10_000, 40_000, math.nan]),
        "week": st.floats(0, 2),
        "silence": st.sampled_from([0.0, 0.0, 8.0, 30.0]),
        "past_due": st.sampled_from([math.nan, 0.0, 5.0, 40.0]),
        "band": st.sampled_from(BANDS),
        "drawn": st.sampled_from([0, 90_000, 555_555, 10**8]),
        "consent": st.sampled_from([True, True, True, False]),
        "paused": st.sampled_from([False, False, False, True]),
        "held": st.sampled_from([(), (), (), *((feed,) for feed in FEED_NAMES), FEED_NAMES]),
        "applied": st.sampled_from([None, None, 150_000, 10**8]),
        "currency": st.sampled_from(["CNY", "CNY", "CNY", "USD", "XXX"]),
    }
)
commands = st.fixed_dictionaries(
    {
        "days": st.floats(0, 60),
        "kind": st.sampled_from(["merchant.freeze", "merchant.release", "limit.override"]),
        "amount": st.sampled_from([None, 0, 123_456, 5_000_000, 10**9]),
        "drawn": st.sampled_from([0, 90_000, 555_555]),
    }
)
streams = st.lists(
    st.one_of(
        assessments.map(lambda a: ("assess", a)),
        assessments.map(lambda a: ("assess", a)),
        commands.map(lambda c: ("command", c)),
    ),
    max_size=25,
)


def apply(line: Line | None, what: str, item: dict[str, Any], at: int, n: int) -> Changed | None:
    if what == "command":
        if line is None:
            return None
        return say(
            line,
            item["kind"],
            at=at,
            cause=f"e{n}",
            amount_minor=item["amount"],
            drawn_minor=item["drawn"],
        )
    vector = merchant(
        item["turnover"],
        turnover_usual_28d_minor=item["usual"] * 100,
        turnover_7d_minor=item["turnover"] * 25 * item["week"],
        silence_days=item["silence"],
        days_past_due=item["past_due"],
    )
    return step(
        line,
        vector,
        at=at,
        band=item["band"],
        causes=[f"e{n}"],
        drawn_minor=item["drawn"],
        consent=item["consent"],
        paused=item["paused"],
        held=item["held"],
        applied_minor=item["applied"],
        currency=item["currency"],
    )


def run(stream: list[tuple[str, dict[str, Any]]]) -> list[tuple[Line | None, Line, LimitChange]]:
    """The line before, the line after and the change, of every change that a stream makes."""
    line: Line | None = None
    at, made = later(0), []
    for n, (what, item) in enumerate(stream):
        at += int(item["days"] * 86_400_000)
        found = apply(line, what, item, at, n)
        if found is not None:
            made.append((line, *found))
            line = found[0]
    return made


@settings(max_examples=300, deadline=None)
@given(streams)
def test_invariants_of_every_change(stream: list[tuple[str, dict[str, Any]]]) -> None:
    made = run(stream)
    for n, (before, after, change) in enumerate(made, 1):
        assert change.version == after.version == n
        assert change.line_id == made[0][2].line_id
        assert change.reasons and len(change.reasons) <= REASONS_MAX
        assert len({reason.code for reason in change.reasons}) == len(change.reasons)
        assert change.causes
        previous = 0 if before is None else before.limit_minor
        assert (change.previous_limit_minor, change.new_limit_minor) == (
            previous,
            after.limit_minor,
        )
        assert 0 <= after.limit_minor <= AMOUNTS.cap_minor
        if change.action != "override":
            assert after.limit_minor == 0 or after.limit_minor >= min(AMOUNTS.floor_minor, previous)
        if change.new_limit_minor < min(change.drawn_minor, previous):
            assert change.action in ("freeze", "close", "override")
            assert "limit_below_drawn" in [reason.code for reason in change.reasons]
        if change.actor is None:
            assert before is None or before.frozen_by != "desk"
            assert change.approval == "automatic"
        if after.frozen_by is not None:
            assert after.limit_minor == 0 and change.action == "freeze"
    assert len({change.decision_id for _, _, change in made}) == len(made)


@settings(max_examples=300, deadline=None)
@given(streams)
def test_steps_and_cool_downs_of_automatic_moves(stream: list[tuple[str, dict[str, Any]]]) -> None:
    cut_at = None
    for before, _, change in run(stream):
        if change.action == "increase":
            assert before is not None
            assert change.new_limit_minor <= before.limit_minor * (1 + STEPS.up_max_ratio)
            assert change.decided_at - before.changed_at >= STEPS.cool_down_up_ms
        if change.action == "decrease":
            assert before is not None
            assert change.new_limit_minor >= before.limit_minor * (1 - STEPS.down_max_ratio)
            assert cut_at is None or change.decided_at - cut_at >= STEPS.cool_down_down_ms
            cut_at = change.decided_at
        if change.action in ("increase", "decrease"):
            moved = abs(change.new_limit_minor - change.previous_limit_minor)
            assert moved >= STEPS.hysteresis_ratio * change.previous_limit_minor
            assert change.new_limit_minor % AMOUNTS.rounding_minor == 0


@settings(max_examples=300, deadline=None)
@given(streams)
def test_no_history_no_consent_and_a_pause_never_raise(
    stream: list[tuple[str, dict[str, Any]]],
) -> None:
    line: Line | None = None
    at = later(0)
    for n, (what, item) in enumerate(stream):
        at += int(item["days"] * 86_400_000)
        found = apply(line, what, item, at, n)
        if found is None:
            continue
        line, change = found
        if what == "command":
            continue
        assert not item["paused"]
        if change.action in ("open", "increase") and change.previous_limit_minor == 0:
            assert item["consent"]
        if change.new_limit_minor > change.previous_limit_minor:
            assert item["band"] != "insufficient_history"
        if change.action in ("open", "increase"):
            assert not item["silence"] and not item["past_due"] > 3


@settings(max_examples=300, deadline=None)
@given(streams)
def test_while_a_feed_is_quiet_nothing_changes_but_for_a_freeze_on_other_facts(
    stream: list[tuple[str, dict[str, Any]]],
) -> None:
    line: Line | None = None
    at = later(0)
    for n, (what, item) in enumerate(stream):
        at += int(item["days"] * 86_400_000)
        found = apply(line, what, item, at, n)
        if found is None:
            continue
        line, change = found
        if what == "command" or not item["held"]:
            continue
        assert change.action == "freeze"
        # What is drawn is told beside the cause; it is no fact of a feed that is quiet.
        facts = {r.feature for r in change.reasons if r.code != "limit_below_drawn"} - {None}
        assert facts
        if "lending" in item["held"]:
            assert "days_past_due" not in facts
        if item["held"] != ("lending",):
            assert facts == {"days_past_due"}


@settings(max_examples=50, deadline=None)
@given(streams)
def test_the_same_stream_gives_the_same_changes(stream: list[tuple[str, dict[str, Any]]]) -> None:
    assert run(stream) == run(stream)
