"""Broken delivery promises of marketplace sellers, asked each Monday.

A promise is broken when the day that was promised has ended and the parcel is neither delivered nor
the order cancelled.
"""

from collections.abc import Callable
from typing import NamedTuple

from msgspec import Struct

from tideline.evaluation.questions import (
    Event,
    Protocol,
    Questions,
    Reference,
    Told,
    nothing_withheld,
    questions,
)

DAY_MS = 86_400_000
WEEK_MS = 7 * DAY_MS
AHEAD_MS = 14 * DAY_MS
MONDAY_MS = 4 * DAY_MS
"""1970-01-05 was a Monday."""
ACTIVE_MS = 90 * DAY_MS
"""A seller is asked about while its last order is no older."""
WEEKS_BEFORE_JUDGED = 26
SHRINK = 10.0
"""Promises by which a seller's late share is drawn to the mean of all."""
NEVER = 1 << 62


class _Order(Struct):
    """When it was paid, when its promise is due to the end of the day, when that was settled."""

    paid_at: int
    due_at: int
    done_at: int = NEVER


class _State(NamedTuple):
    """One seller on a Monday; ``known_at`` is when both answers are complete."""

    breaks: bool
    places: bool
    known_at: int
    near: int
    broken: int
    decided: int
    recent: int


def breaks(told: Told) -> Questions:
    """(a) Will a promise break within 14 days? The floor counts open promises due by then."""

    def score(state: _State, mean: float) -> dict[str, float]:
        return {"open-promises-near": state.near, "late-share": _late(state, mean)}

    return _ask(told, lambda state: state.breaks, score, lambda state, at: at + AHEAD_MS)


def placed(told: Told) -> Questions:
    """(b) Will an order placed within 14 days break its promise? The floor: late share x orders."""

    def score(state: _State, mean: float) -> dict[str, float]:
        late = _late(state, mean)
        return {"late-share": late, "late-share-by-orders": late * state.recent}

    return _ask(told, lambda state: state.places, score, lambda state, at: state.known_at)


def _late(state: _State, mean: float) -> float:
    return (state.broken + SHRINK * mean) / (state.decided + SHRINK)


def _ask(
    told: Told,
    answer: Callable[[_State], bool],
    score: Callable[[_State, float], dict[str, float]],
    known: Callable[[_State, int], int],
) -> Questions:
    sellers, last = _orders(told)
    first = min(orders[0].paid_at for orders in sellers.values())
    monday = first + (MONDAY_MS - first) % WEEK_MS
    judged_from = monday + WEEKS_BEFORE_JUDGED * WEEK_MS - 1
    merchants, times, labels, known_at = [], [], [], []
    floors: dict[str, list[float]] = {}
    while monday + AHEAD_MS <= last:
        states = {
            name: _look(orders, monday)
            for name, orders in sellers.items()
            if any(monday - ACTIVE_MS <= order.paid_at < monday for order in orders)
        }
        decided = sum(state.decided for state in states.values())
        mean = sum(state.broken for state in states.values()) / max(decided, 1)
        for name, state in states.items():
            if known(state, monday) > last + AHEAD_MS:
                continue  # the data ends before the answer is complete
            merchants.append(name)
            times.append(monday - 1)
            labels.append(answer(state))
            known_at.append(known(state, monday))
            for floor, value in score(state, mean).items():
                floors.setdefault(floor, []).append(value)
        monday += WEEK_MS
    return questions(merchants, times, labels, known_at, floors=floors, judged_from=judged_from)


def _orders(told: Told) -> tuple[dict[str, list[_Order]], int]:
    """The promised orders of each seller by the time of payment, and the last payment of all."""
    found: dict[tuple[str, str], _Order] = {}
    last = 0
    for _, event in told:
        if event["type"] == "order.paid":
            found[_key(event)] = _Order(event["occurred_at"], _day_end(event["promised_at"]))
            last = event["occurred_at"]
        elif event["type"] in ("shipment.delivered", "order.cancelled"):
            order = found.get(_key(event))
            if order is not None:
                order.done_at = min(order.done_at, event["occurred_at"])
    sellers: dict[str, list[_Order]] = {}
    for (seller, _), order in found.items():
        sellers.setdefault(seller, []).append(order)
    return sellers, last


def _key(event: Event) -> tuple[str, str]:
    return event["merchant_id"], event["order_id"]


def _day_end(at: int) -> int:
    return (at // DAY_MS + 1) * DAY_MS


def _look(orders: list[_Order], monday: int) -> _State:
    until = monday + AHEAD_MS
    before = [order for order in orders if order.paid_at < monday]
    ahead = [order for order in orders if monday <= order.paid_at < until]
    still = [order for order in before if order.done_at >= monday]
    # What is decided: the promised day is over, or the parcel came before it was.
    decided = [o for o in before if o.due_at <= monday or o.done_at < monday]
    return _State(
        breaks=any(monday < o.due_at <= until and o.done_at >= o.due_at for o in before + ahead),
        places=any(order.done_at >= order.due_at for order in ahead),
        known_at=max([until, *(order.due_at for order in ahead)]),
        near=sum(monday < order.due_at <= until for order in still),
        broken=sum(order.done_at >= order.due_at for order in decided),
        decided=len(decided),
        recent=sum(order.paid_at >= monday - 28 * DAY_MS for order in before),
    )


_NOTES = (
    "Sellers with an order in the last 90 days are asked about. The data is enriched with orders "
    "that never arrived, so rates are biased.",
)
BREAKS = Protocol(
    name="promises-break",
    title="Will a delivery promise break within 14 days",
    format="marketplace",
    files=(".",),
    ask=breaks,
    withheld=nothing_withheld,
    split="time",
    references=(
        Reference(metric="roc_auc", figure=0.94, of="open promises near their date"),
        Reference(metric="roc_auc", figure=0.53, of="late share so far"),
    ),
    notes=_NOTES,
)
PLACED = Protocol(
    name="promises-placed",
    title="Will an order placed within 14 days break its promise",
    format="marketplace",
    files=(".",),
    ask=placed,
    withheld=nothing_withheld,
    split="time",
    references=(
        Reference(metric="roc_auc", figure=0.69, of="late share x order rate"),
        Reference(metric="average_precision", figure=0.20, of="the same"),
    ),
    notes=_NOTES,
)
