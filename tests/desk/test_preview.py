"""A preview says what scoring then does: the same function on lines built from stored changes."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credit.holding import Guard, Holding, Who
from credit.lines import Line, line_id_of
from credit.merchant import command_merchant
from credit.policy import load_policy
from desk.lines import fold
from desk.preview import UNKNOWN_POLICY, Action, Asked, Position
from features.lines import LogLine
from schemas.outputs import LimitChange
from streams.artifacts import builtin_policy
from tideline.desk_preview import LinePreviewer, holding_of, preview

POLICY = load_policy(builtin_policy("portfolio-1.yaml"))
START_MS, DAY_MS = 1_700_000_000_000, 86_400_000
PRODUCTS = ("working-capital", "tax-and-invoice")
CAP_MINOR = max(POLICY.terms[name].currencies["CNY"].cap_minor for name in PRODUCTS)


def row(change: LimitChange) -> dict[str, Any]:
    """A change as the desk reads it from ClickHouse."""
    return {
        **{name: getattr(change, name) for name in change.__struct_fields__},
        "decided_ms": change.decided_at,
        "expires_ms": change.expires_at,
        "funders": [share.funder for share in change.funders],
        "funder_limits_minor": [share.limit_minor for share in change.funders],
    }


def opened(product: str, limit_minor: int) -> tuple[Line, LimitChange]:
    line_id = line_id_of("m", product)
    line = Line(
        line_id=line_id,
        product=product,
        currency="CNY",
        version=1,
        limit_minor=limit_minor,
        frozen_by=None,
        frozen_limit_minor=0,
        opened_at=START_MS,
        changed_at=START_MS,
        cut_at=None,
        expires_at=START_MS + 365 * DAY_MS,
        last_action="open",
        band="B",
    )
    change = LimitChange(
        decision_id=f"d-{product}",
        line_id=line_id,
        merchant_id="m",
        segment="retail",
        product=product,
        version=1,
        action="open",
        previous_limit_minor=0,
        new_limit_minor=limit_minor,
        drawn_minor=0,
        currency="CNY",
        decided_at=START_MS,
        effective_at=START_MS,
        expires_at=line.expires_at,
        reasons=[],
        causes=["e"],
        approval="automatic",
        funders=[],
        model_version="",
        policy_version=POLICY.version,
        feature_version="",
    )
    return line, change


class Lender:
    """The lending side itself: a holding, and the changes that it made."""

    def __init__(self, limits: Sequence[int], exposure_minor: int = 0) -> None:
        made = [opened(name, limit) for name, limit in zip(PRODUCTS, limits, strict=False)]
        self.holding = Holding(lines={line.product: line for line, _ in made})
        self.changes = [change for _, change in made]
        self.exposure_minor = exposure_minor
        self.at = START_MS

    def command(self, asked: Asked) -> list[LimitChange]:
        """Take a command a day later, as scoring does; returns what it changed."""
        self.at += DAY_MS
        who = Who(
            merchant_id="m",
            segment="retail",
            region=None,
            registered=True,
            exposure_minor=self.exposure_minor,
            owed_minor={},
            as_of=self.at,
            causes=[f"c{self.at}"],
            model_version="",
            feature_version="",
            rules_version="",
            horizon_days=90,
        )
        said = LogLine(
            type=asked.action,
            event_id=f"c{self.at}",
            merchant_id="m",
            occurred_at=self.at,
            actor=asked.actor,
            reason=asked.reason,
            line_id=asked.line_id,
            amount=asked.amount_minor,
            currency=asked.currency,
            expires_at=asked.expires_ms,
        )
        made = command_merchant(POLICY, who, self.holding, said, Guard()).changes
        self.changes += made
        return made

    @property
    def position(self) -> Position:
        """What the desk knows of it: only what was announced."""
        lines = fold([row(each) for each in self.changes], {}, {}, self.exposure_minor)
        return Position(
            merchant_id="m",
            segment="retail",
            region=None,
            band="B",
            channel=None,
            exposure_minor=self.exposure_minor,
            owed_minor={},
            lines=tuple(lines),
            policy=None,
        )


def asked(action: Action, **over: Any) -> Asked:
    return Asked(action, "mei", "because", **over)


actions: st.SearchStrategy[Asked] = st.one_of(
    st.just(asked("merchant.freeze")),
    st.just(asked("merchant.release")),
    st.builds(
        lambda amount, product, currency, days: asked(
            "limit.override",
            amount_minor=amount,
            currency=currency,
            line_id=None if product is None else line_id_of("m", product),
            expires_ms=None if days is None else START_MS + days * DAY_MS,
        ),
        st.integers(0, CAP_MINOR * 2) | st.sampled_from([0, CAP_MINOR, CAP_MINOR // 2]),
        st.sampled_from([None, *PRODUCTS]),
        st.sampled_from(["CNY", "CNY", "CNY", "USD"]),
        st.none() | st.integers(-5, 40),
    ),
)


@given(
    limits=st.lists(st.integers(100_000, CAP_MINOR), min_size=1, max_size=2),
    exposure_minor=st.integers(0, CAP_MINOR),
    said=st.lists(actions, min_size=1, max_size=6),
)
@settings(max_examples=150, deadline=None)
def test_a_preview_is_what_then_happens(
    limits: list[int], exposure_minor: int, said: list[Asked]
) -> None:
    lender = Lender(limits, exposure_minor)
    for each in said:
        told = preview(POLICY, lender.position, each, lender.at + DAY_MS)
        before = dict(lender.holding.lines)
        made = {change.line_id: change for change in lender.command(each)}
        for effect in told.effects:
            change = made.pop(effect.line.line_id, None)
            assert (effect.state == "none") == (change is None)
            if change is None:
                assert effect.after_minor == before[effect.line.product].limit_minor
                assert effect.why_not
                continue
            assert effect.state == change.state
            assert effect.after_minor == change.new_limit_minor
            assert effect.expires_ms == change.expires_at
            assert effect.line.drawn_minor == change.drawn_minor
            pending = lender.holding.lines[effect.line.product].pending
            assert effect.approvers == (0 if pending is None else pending.approvers)
            assert list(effect.shares) == [(s.funder, s.limit_minor) for s in change.funders]
            assert effect.below_drawn == any(r.code == "limit_below_drawn" for r in change.reasons)
        assert made == {}, "a line that the preview does not name stays as it is"


@given(
    limits=st.lists(st.integers(100_000, CAP_MINOR), min_size=1, max_size=2),
    said=st.lists(actions, max_size=8),
)
@settings(max_examples=100, deadline=None)
def test_lines_are_built_again_from_their_changes(limits: list[int], said: list[Asked]) -> None:
    lender = Lender(limits)
    for each in said:
        lender.command(each)
    built = holding_of(lender.position).lines
    for name, line in lender.holding.lines.items():
        for field in (
            "version",
            "limit_minor",
            "frozen_by",
            "frozen_limit_minor",
            "last_action",
            "opened_at",
            "changed_at",
        ):
            assert getattr(built[name], field) == getattr(line, field), field
        assert (built[name].pending is None) == (line.pending is None)
        if line.pending is not None:
            assert built[name].pending is not None
            assert built[name].pending.limit_minor == line.pending.limit_minor


CAP_WORKING = POLICY.terms["working-capital"].currencies["CNY"].cap_minor


@pytest.mark.parametrize(
    ("before", "said", "why"),
    [
        ([], {"amount_minor": 300_000, "currency": "CNY"}, "same"),
        ([], {"amount_minor": 400_000, "currency": "USD"}, "other_currency"),
        ([], {"amount_minor": CAP_WORKING + 1, "currency": "CNY"}, "above_cap"),
        ([], {"amount_minor": 9, "currency": "CNY", "expires_ms": START_MS}, "past"),
        (["merchant.freeze"], {"amount_minor": 9, "currency": "CNY"}, "frozen"),
    ],
)
def test_an_override_without_effect_says_why(
    before: list[Action], said: dict[str, Any], why: str
) -> None:
    lender = Lender([300_000])
    for action in before:
        lender.command(asked(action))
    told = preview(POLICY, lender.position, asked("limit.override", **said), lender.at + DAY_MS)
    (effect,) = told.effects
    assert (effect.state, effect.why_not) == ("none", why)
    assert effect.bound_minor == (CAP_WORKING if why == "above_cap" else None)
    assert not told.effective


def test_a_large_override_says_how_many_must_approve() -> None:
    lender = Lender([300_000])
    told = preview(
        POLICY,
        lender.position,
        asked("limit.override", amount_minor=CAP_WORKING, currency="CNY"),
        lender.at + DAY_MS,
    )
    assert [(e.state, e.approvers, e.after_minor) for e in told.effects] == [
        ("proposed", 2, CAP_WORKING)
    ]


def test_a_funder_s_bounded_headroom_is_named() -> None:
    line, change = opened("co-lending", 1_000_000)
    lender = Lender([])
    lender.holding.lines = {line.product: line}
    lender.changes = [change]
    said = asked("limit.override", amount_minor=2_000_000, currency="CNY")
    (effect,) = preview(POLICY, lender.position, said, lender.at + DAY_MS).effects
    assert dict(effect.shares) == {"partner-bank": 1_400_000, "own-book": 600_000}
    assert dict(effect.headroom_asked_minor) == {"partner-bank": 1_400_000}


def test_policies_are_read_once_and_an_unknown_one_is_said() -> None:
    asked_for: list[tuple[str, str]] = []
    text = builtin_policy("portfolio-1.yaml")

    def text_of(version: str, digest: str) -> str | None:
        asked_for.append((version, digest))
        return text if digest == "known" else "version: [" if digest == "broken" else None

    previewer = LinePreviewer(builtin_policy(), text_of)
    position = Lender([300_000]).position
    frozen = asked("merchant.freeze")
    assert previewer(position, frozen, START_MS + DAY_MS).policy_version == "working-capital-1"
    for _ in range(2):
        told = previewer(position._replace(policy=("v", "known")), frozen, START_MS + DAY_MS)
        assert told.policy_version == "portfolio-1" and told.effective
    assert asked_for == [("v", "known")]
    for digest in ("broken", "gone"):
        told = previewer(position._replace(policy=("v", digest)), frozen, START_MS)
        assert told.problem == UNKNOWN_POLICY and told.effects == ()


def test_without_a_line_there_is_nothing_to_do() -> None:
    previewer = LinePreviewer(builtin_policy(), lambda _v, _d: None)
    told = previewer(Lender([]).position, asked("merchant.freeze"), START_MS)
    assert told.effects == () and told.problem == "The merchant has no line."
