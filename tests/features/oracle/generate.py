"""Dense histories by seed: tenured sellers, bursts, pauses, corrections, late and odd lines."""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from msgspec.structs import replace

from features.lines import LogLine
from tests.features.build import DAY0
from tests.features.oracle.history import DAY_MS, HOUR_MS

HUGE = 10**15
LINES_MAX = 900

_FAMILIES: dict[str, tuple[str, ...]] = {
    "orders": (
        *["order.paid"] * 12,
        "order.cancelled",
        "order.refunded",
        "order.disputed",
        "review.posted",
    ),
    "parcels": (
        *["shipment.dispatched"] * 8,
        *["shipment.delivered"] * 6,
        "shipment.returned",
        "shipment.lost",
    ),
    "money": (
        *["settlement.received"] * 3,
        *["account.credited"] * 3,
        *["account.debited"] * 3,
        "utility.paid",
        "payment.failed",
    ),
    "invoices": (
        *["invoice.issued"] * 6,
        *["invoice.received"] * 3,
        *["invoice.voided"] * 2,
        "tax.filed",
    ),
    "signals": (
        "bill.accepted",
        "bill.settled",
        "bill.dishonoured",
        "court.case",
        "registration.changed",
        *["bureau.scored"] * 2,
        *["sensor.reading"] * 4,
        "utility.paid",
        "review.posted",
    ),
    "lending": (
        *["loan.disbursed"] * 2,
        *["repayment.due"] * 4,
        *["repayment.received"] * 5,
        "loan.settled",
        "loan.defaulted",
        "limit.acknowledged",
    ),
    "others": ("merchant.updated", "credit.applied", "merchant.freeze", "consent.changed"),
}
_PATTERNS = ("steady", "steady", "bursts", "gaps", "ends", "ends", "hours", "late")
_BUSINESS = ("orders", "parcels", "money", "invoices", "signals")
_NO_AMOUNT = frozenset(("review.posted", "registration.changed", "sensor.reading"))
_ORDERED = frozenset(
    (
        "order.cancelled",
        "order.refunded",
        "order.disputed",
        "review.posted",
        "shipment.dispatched",
        "shipment.delivered",
        "shipment.returned",
        "shipment.lost",
        "settlement.received",
    )
)
_NAMED = frozenset(
    ("order.paid", "invoice.issued", "invoice.received", "order.refunded", "account.credited")
)


@dataclass
class Generated:
    """A history with how to run it: cuts, the place of a hand-over (None for none), the limit."""

    seed: int
    lines: list[LogLine]
    cuts: list[int]
    hand_over: int | None
    limit_minor: int


@dataclass
class Merchant:
    """How one merchant of a history behaves."""

    name: str
    random: Random
    start_ms: int
    span_ms: int
    families: list[str]
    weights: list[float]
    pattern: str
    counterparties: int
    amounts: Callable[[], int]
    links: float
    """How often a line refers to an earlier order, promise or due."""
    sales: list[tuple[int, int | None]] = field(default_factory=list)
    """Time and promise of earlier orders and dispatches."""
    issued: list[int] = field(default_factory=list)
    dues: list[tuple[str, int]] = field(default_factory=list)


def _amounts(random: Random) -> Callable[[], int]:
    scale = random.choice([1, 4, 6, 6, 9])
    if random.random() < 0.06:
        return lambda: random.choice([HUGE, HUGE - 1, HUGE // 3, 1, random.randrange(HUGE)])
    if random.random() < 0.1:
        return lambda: 0
    if random.random() < 0.2:
        return lambda: 10**scale
    return lambda: int(random.lognormvariate(0, 1.2) * 10**scale)


def _merchant(random: Random, name: str, span_days: int) -> Merchant:
    one_trade = random.random() < 0.35
    weights = [random.choice([0, 0.3, 1, 1, 3]) for _ in _BUSINESS]
    if one_trade or not any(weights):
        weights[random.choice([0, 0, 1, 2, 3, 4])] = 12
    daily = random.random() < 0.12
    if daily:
        weights = random.choice([[30, 1, 1, 1, 1], [1, 1, 1, 30, 1], [15, 10, 5, 15, 0]])
    start = 0 if random.random() < 0.7 else random.randrange(span_days)
    return Merchant(
        name=name,
        random=random,
        start_ms=(DAY0 + start) * DAY_MS + random.randrange(DAY_MS),
        span_ms=(span_days - start) * DAY_MS,
        families=[*_BUSINESS, "lending", "others"],
        weights=[*weights, random.choice([0, 0.4, 0.4, 2]), 0.1],
        pattern="daily" if daily else random.choice(_PATTERNS),
        counterparties=random.choice([1, 3, 8, 40, 600]),
        amounts=_amounts(random),
        links=random.choice([0.0, 0.5, 0.9]),
    )


def _times(merchant: Merchant, count: int) -> list[int]:
    """When things happen, ascending: steadily, in bursts, with pauses, at both ends, daily."""
    random, span = merchant.random, merchant.span_ms
    if merchant.pattern == "bursts":
        centres = [random.randrange(span) for _ in range(random.randint(1, 4))]
        offsets = [random.choice(centres) + random.randrange(2 * HOUR_MS) for _ in range(count)]
    elif merchant.pattern == "gaps":
        offsets, at = [], 0
        for _ in range(count):
            at += int(random.choice([0.01, 0.2, 1, 1, 1, 7, 40]) * random.random() * DAY_MS)
            offsets.append(at)
        offsets = [min(at, 2 * span) for at in offsets]
    elif merchant.pattern == "ends":
        edge = min(span, 35 * DAY_MS)
        offsets = [
            random.randrange(edge) + (span - edge if random.random() < 0.7 else 0)
            for _ in range(count)
        ]
    elif merchant.pattern == "hours":
        days = max(span // DAY_MS, 1)
        offsets = [
            random.randrange(days) * DAY_MS + random.choice([8, 9, 10, 20]) * HOUR_MS
            for _ in range(count)
        ]
    elif merchant.pattern == "daily":
        window = min(span, random.choice([32, 45, 60]) * DAY_MS)
        offsets = [span - window + random.randrange(window) for _ in range(count + 150)]
    elif merchant.pattern == "late":
        window = min(span, random.choice([40, 63, 90]) * DAY_MS)
        offsets = [span - window + random.randrange(window) for _ in range(count)]
    else:
        offsets = [random.randrange(span) for _ in range(count)]
    return sorted(
        merchant.start_ms + offset
        if random.random() > 0.02
        else (merchant.start_ms + offset) // DAY_MS * DAY_MS + random.choice([0, DAY_MS - 1])
        for offset in offsets
    )


def _odd_time(random: Random, at: int) -> int:
    """A time that may lie anywhere around another one, also after it."""
    hours = random.choice([-3, 0, 1, 5, 30, 24 * random.randint(1, 110), 24 * 400, 24 * 12_000])
    return max(at - hours * HOUR_MS - random.randrange(HOUR_MS), 0)


def _order(merchant: Merchant, at: int) -> tuple[int, int | None]:
    """Time and promise of an earlier order, or of none that there was."""
    random = merchant.random
    if merchant.sales and random.random() < 0.9:
        recent = merchant.sales[-random.choice([1, 5, 20, 200]) :]
        return random.choice(recent)
    return _odd_time(random, at), random.choice([None, _odd_time(random, at)])


def _money(merchant: Merchant, fields: dict[str, Any]) -> None:
    random = merchant.random
    if random.random() < 0.96:
        fields["amount"] = min(merchant.amounts(), HUGE)
        currency = random.random()
        if currency < 0.98:
            fields["currency"] = "CNY" if currency < 0.93 else "USD"
    elif random.random() < 0.3:
        fields["currency"] = "EUR"


def _trade(merchant: Merchant, kind: str, at: int, fields: dict[str, Any]) -> None:
    """What lines of orders and parcels refer to."""
    random = merchant.random
    if kind in ("order.paid", "shipment.dispatched"):
        promised = None
        if random.random() < merchant.links:
            promised = at + random.choice([1, 2, 3, 5, 10, 30, 60]) * DAY_MS
            promised = _odd_time(random, at) if random.random() < 0.05 else promised
            fields["promised_at"] = promised
        if kind == "order.paid":
            merchant.sales.append((at, promised))
    if kind in _ORDERED and random.random() < merchant.links:
        ordered, promised = _order(merchant, at)
        fields["ordered_at"] = ordered
        if kind != "settlement.received" and random.random() < 0.7:
            fields["promised_at"] = promised
    if kind == "review.posted":
        fields["rating"] = random.choice([None, 0.0, 1.0, 3.337, 4.125, 4.135, 5.0])


def _signal(merchant: Merchant, kind: str, at: int, fields: dict[str, Any]) -> None:
    """What invoices, returns, answers and account movements tell."""
    random = merchant.random
    if kind == "invoice.issued":
        merchant.issued.append(at)
    elif kind == "invoice.voided":
        fields["side"] = random.choice([None, "issued", "issued", "received"])
        fields["reversal"] = random.random() < 0.3
        if random.random() < 0.7:
            odd = _odd_time(random, at)
            fields["issued_at"] = random.choice([*merchant.issued[-9:], odd])
    elif kind == "tax.filed":
        fields["declared_turnover_minor"] = random.choice([None, *[merchant.amounts()] * 4])
        first = at - random.choice([10, 28, 60, 88, 120]) * DAY_MS
        fields["period_start_at"] = random.choice([None, first, first, first])
        last = first + random.choice([-3, 1, 28, 60, 90, 200]) * DAY_MS
        fields["period_end_at"] = random.choice([None, last, last, last])
    elif kind == "court.case":
        fields["role"] = random.choice([None, "defendant", "defendant", "plaintiff"])
    elif kind == "bureau.scored":
        fields["score"] = random.choice([None, -1.5, 0.0, 612.25])
        fields["other_debt_minor"] = random.choice([None, merchant.amounts()])
        fields["currency"] = random.choice([None, "CNY", "CNY", "USD"])
    elif kind.startswith("account."):
        fields["balance_minor"] = random.choice([None, -5, 0, merchant.amounts()])


def _lending(merchant: Merchant, kind: str, at: int, fields: dict[str, Any]) -> None:
    random = merchant.random
    loan = random.choice(["l1", "l1", "l1", "l2", "l3"])
    if random.random() < 0.9:
        fields["loan_id"] = loan
    elif random.random() < 0.6:
        fields["line_id"] = loan
    if kind in ("loan.disbursed", "repayment.due") and random.random() < 0.8:
        due = (at // DAY_MS + random.choice([-20, -2, 0, 1, 5, 14, 27, 28, 30, 60])) * DAY_MS
        fields["due_at"] = max(due, 0)
        merchant.dues.append((loan, fields["due_at"]))
    if kind == "repayment.received":
        if random.random() < 0.1:
            fields["reversal"] = True
        if merchant.dues and random.random() < merchant.links:
            named, fields["due_at"] = random.choice(merchant.dues[-6:])
            if "loan_id" in fields and random.random() < 0.9:
                fields["loan_id"] = named
        elif random.random() < 0.1:
            fields["due_at"] = _odd_time(random, at)


def _line(merchant: Merchant, kind: str, at: int, number: int) -> LogLine:
    random, fields = merchant.random, dict[str, Any]()
    if kind not in _NO_AMOUNT:
        _money(merchant, fields)
    _trade(merchant, kind, at, fields)
    _signal(merchant, kind, at, fields)
    if kind in _FAMILIES["lending"]:
        _lending(merchant, kind, at, fields)
    if kind in _NAMED and random.random() < 0.8:
        ranked = int(merchant.counterparties * random.random() ** 2)
        fields["counterparty_id"] = f"c{ranked}"
    return LogLine(
        type=kind, event_id=f"e{number}", merchant_id=merchant.name, occurred_at=at, **fields
    )


def _delay_ms(random: Random, lateness: float) -> int:
    """How much later than it happened a line comes."""
    if random.random() > lateness:
        return 0
    days = random.choice([0.02, 0.02, 0.3, 1.5, 6, 15, 35, 80, 95])
    return int(days * random.random() * DAY_MS)


def _special(merchant: Merchant, at: int, number: int) -> list[LogLine]:
    """Rare crowds that reach where counts stop, or what is held of loans and dues."""
    random = merchant.random
    kind = random.choice(["payment.failed", "shipment.lost", "loan.disbursed", "repayment.due"])
    made = []
    for i in range(270 if kind in ("payment.failed", "shipment.lost") else 80):
        fields: dict[str, Any] = {}
        if kind in ("loan.disbursed", "repayment.due"):
            loan = f"many{i}" if kind == "loan.disbursed" or random.random() < 0.5 else "l1"
            fields = {"loan_id": loan, "amount": merchant.amounts() % HUGE, "currency": "CNY"}
            fields["due_at"] = at + random.randint(-30, 90) * DAY_MS
        if kind == "loan.disbursed" and random.random() < 0.3:
            number += 1
            made.append(_repaid(merchant, at, number, loan))
        number += 1
        made.append(
            LogLine(
                type=kind,
                event_id=f"s{number}",
                merchant_id=merchant.name,
                occurred_at=at + i,
                **fields,
            )
        )
    return made


def _repaid(merchant: Merchant, at: int, number: int, loan: str) -> LogLine:
    return LogLine(
        type="repayment.received",
        event_id=f"s{number}",
        merchant_id=merchant.name,
        occurred_at=at,
        amount=min(merchant.amounts(), HUGE),
        currency="CNY",
        loan_id=loan,
    )


def _shuffled(random: Random, lines: list[LogLine]) -> list[LogLine]:
    """Lines in order of arrival: some late, some twice, a wrong clock now and then."""
    lateness = random.choice([0, 0.05, 0.3])
    arrivals = []
    for line in lines:
        arrivals.append((line.occurred_at + _delay_ms(random, lateness), line))
        if random.random() < 0.03:
            at = line.occurred_at + random.choice([0, 0, HOUR_MS, 9 * DAY_MS])
            again = replace(line, occurred_at=at)
            arrivals.append((line.occurred_at + _delay_ms(random, 1), again))
    arrivals.sort(key=lambda arrival: arrival[0])
    arrived = [line for _, line in arrivals]
    if random.random() < 0.06:
        wrong = random.choice(arrived)
        wrong.occurred_at += random.choice([2, 30, 50, 100, 400, 50_000]) * DAY_MS
    return arrived


def _with_ticks(random: Random, lines: list[LogLine]) -> list[LogLine]:
    """Ticks of the wall clock and a control now and then."""
    if random.random() < 0.5:
        return lines
    found = []
    for number, line in enumerate(lines):
        found.append(line)
        if random.random() < 0.05:
            kind = random.choice(["clock.tick"] * 5 + ["model.activated"])
            at = line.occurred_at + random.choice([0, HOUR_MS // 2, HOUR_MS, 5 * DAY_MS])
            found.append(LogLine(kind, f"t{number}", "*", at))
    return found


def generate(seed: int) -> Generated:
    """The history of a seed, always the same: 1-3 merchants over 1-400 days."""
    random = Random(seed)
    span_days = random.choice([1, 3, 10, 30, 45, 70, 90, 130, 130, 200, 365, 375, 400])
    names = [f"m{i}" for i in range(random.choice([1, 1, 2, 3]))]
    merchants = [_merchant(random, name, span_days) for name in names]
    count = min(int(random.lognormvariate(0, 0.7) * 140) + 1, LINES_MAX)
    lines: list[LogLine] = []
    for merchant in merchants:
        shares = count // len(merchants) + 1
        for at in _times(merchant, shares):
            family = random.choices(merchant.families, merchant.weights)[0]
            kind = random.choice(_FAMILIES[family])
            lines.append(_line(merchant, kind, at, len(lines)))
        if random.random() < 0.01:
            lines += _special(merchant, lines[-1].occurred_at - random.randrange(DAY_MS), 0)
    lines = _with_ticks(random, _shuffled(random, lines))
    end = max(line.occurred_at for line in lines[-3:])
    lines += [LogLine("merchant.updated", f"end{m.name}", m.name, end) for m in merchants]
    cuts = sorted(random.sample(range(len(lines) + 1), random.randint(0, min(8, len(lines)))))
    hand_over = random.choice([None, random.randrange(len(lines)), random.randrange(len(lines))])
    if hand_over is not None:
        cuts = sorted({*cuts, hand_over})
    return Generated(seed, lines, cuts, hand_over, random.choice([0, 1, 10**6, 10**9]))
