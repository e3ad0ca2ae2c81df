"""What an action would do, before it is sent: what is asked, what is known, what would follow.

The lending side answers; it is handed to the desk as a ``Previewer`` by who starts it, since the
desk itself knows no policy.
"""

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

from desk import merchant_queries
from desk.lines import LineNow, Share, fold
from desk.ports import Engine, Row
from desk.scope import Scope

Action = Literal["merchant.freeze", "merchant.release", "limit.override"]


class Asked(NamedTuple):
    """What a person is about to command. Money is minor units, times are epoch milliseconds."""

    action: Action
    actor: str
    reason: str
    line_id: str | None = None
    amount_minor: int | None = None
    currency: str | None = None
    expires_ms: int | None = None


class Position(NamedTuple):
    """What is stored of a merchant that a decision about its lines rests on.

    ``band`` and ``exposure_minor`` are of the latest assessment. ``policy`` is version and digest
    of the policy that was published last; None is the one that ships.
    """

    merchant_id: str
    segment: str
    region: str | None
    band: str
    channel: str | None
    exposure_minor: int
    owed_minor: Mapping[str, int]
    lines: tuple[LineNow, ...]
    policy: tuple[str, str] | None


class Effect(NamedTuple):
    """What would become of one line.

    ``state`` is ``sent`` (at once), ``proposed`` (waits for ``approvers`` persons) or ``none``;
    then ``why_not`` says why, with ``bound_minor`` where it is about an amount. ``expires_ms`` is
    the end of the change. ``withdraws`` says that the open proposal of the line gives way.
    ``headroom_asked_minor`` is what is taken of the headroom of funders whose exposure is bounded.
    """

    line: LineNow
    state: Literal["sent", "proposed", "none"]
    after_minor: int
    approvers: int = 0
    expires_ms: int | None = None
    withdraws: bool = False
    shares: tuple[Share, ...] = ()
    headroom_asked_minor: tuple[Share, ...] = ()
    below_drawn: bool = False
    why_not: str = ""
    bound_minor: int | None = None

    @property
    def headroom_minor(self) -> int:
        """What could still be drawn after it took effect."""
        return max(self.after_minor - self.line.drawn_minor, 0)


class Preview(NamedTuple):
    """The effects by line. With ``problem`` (English text) there are none: it could not be told."""

    effects: tuple[Effect, ...] = ()
    policy_version: str | None = None
    problem: str = ""

    @property
    def effective(self) -> bool:
        """Whether anything would change."""
        return any(effect.state != "none" for effect in self.effects)


Previewer = Callable[[Position, Asked, int], Preview]
"""``(position, asked, as_of)``: what would follow, decided at ``as_of`` (epoch milliseconds)."""


def no_previewer(_position: Position, _asked: Asked, _as_of: int) -> Preview:
    """For a desk that was started without the lending side."""
    return Preview(problem=UNKNOWN_POLICY)


UNKNOWN_POLICY = (
    "The policy in force cannot be read here, so what would follow is not known. The lending side "
    "checks the command by its policy when it arrives."
)


def position_of(engine: Engine, scope: Scope, merchant_id: str, assessed: Row | None) -> Position:
    """Read what is stored of a merchant; ``assessed`` is its latest assessment."""
    changes = merchant_queries.line_changes(engine, scope, merchant_id)
    owed = merchant_queries.owed_by_line(engine, scope, merchant_id) if changes else {}
    answers = merchant_queries.core_answers(engine, scope, merchant_id) if changes else {}
    exposure = None if assessed is None else int(assessed["exposure_minor"])
    lines = fold(changes, answers, owed, exposure)
    policy = merchant_queries.policy_in_force(engine)
    latest = changes[0] if changes else None
    return Position(
        merchant_id=merchant_id,
        segment=(assessed or latest or {"segment": ""})["segment"],
        region=latest["region"] if latest else None,
        band=assessed["band"] if assessed else "",
        channel=merchant_queries.channel_of(engine, scope, merchant_id),
        exposure_minor=sum(line.drawn_minor for line in lines) if exposure is None else exposure,
        owed_minor=owed,
        lines=tuple(lines),
        policy=(policy["version"], policy["digest"]) if policy else None,
    )
