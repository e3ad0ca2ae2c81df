"""What the desk can work today: alerts ranked by money at risk × probability × urgency. Pure.

    score    = money × probability × urgency
    money    = (exposure + DRAWING_SHARE × headroom), in major units of the base currency
    urgency  = SEVERITY_WEIGHTS × nearness of the deadline
    nearness = 2 - time left / NEAR_MS, at least 1 and at most 3; 1 where there is no deadline

The deadline is ``acknowledge_by`` until somebody has taken note of the alert, then ``close_by``.
``ORDER_BY`` is the same order for ClickHouse, where a million alerts may be open; both do the same
operations on 64-bit floats in the same sequence, so that they agree to the bit.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Any, NamedTuple

from schemas.currencies import CURRENCIES, minor_digits

Row = Mapping[str, Any]
"""A row of ``alerts_current`` by column name, times in epoch ms under names in ``_ms``.

It has ``alert_id`` ``kind`` ``severity`` ``state`` ``currency`` ``exposure_minor``
``headroom_minor`` ``probability_of_default`` ``opened_ms`` ``snoozed_until_ms``
``acknowledge_by_ms`` ``close_by_ms`` ``acknowledged_ms``.
"""

DRAWING_SHARE = 0.4
"""Part of the undrawn limit that counts as lost in a default: the credit conversion factor of
commitments that cannot be cancelled at will (Basel Framework, CRE20)."""
UNKNOWN_PROBABILITY = 0.05
"""Stands for a probability of default that is not known, for want of history."""
SEVERITY_WEIGHTS = {"critical": 4.0, "warning": 2.0, "info": 1.0}
NEAR_MS = 72 * 3_600_000
"""Time before and after a deadline over which its nearness rises, each by 1."""
MINUTES = 15
"""Minutes that an alert takes, of kinds for which no others are stated."""
_NANO = 10**9


class CapacityError(ValueError):
    """A setting of the queue that makes no sense; the message names it and what to do."""


class Ranking(NamedTuple):
    """One alert of the queue. ``money`` is in major units of the base currency."""

    row: Row
    score: float
    money: float
    minutes: int


class LeftOut(NamedTuple):
    """Alerts that do not fit, and their money at risk in major units of the base currency."""

    alerts: int
    money: float


class Ranked(NamedTuple):
    """The queue of a day.

    ``fits`` is what the hours suffice for, in order, ``left_out`` the rest by severity. ``snoozed``
    alerts are in neither. ``unrated`` counts alerts with money in a currency without a rate, which
    weighs nothing, by currency.
    """

    fits: tuple[Ranking, ...]
    left_out: dict[str, LeftOut]
    minutes: int
    snoozed: int
    unrated: dict[str, int]


def rank(
    rows: Iterable[Row],
    hours: float,
    minutes_per_kind: Mapping[str, int],
    *,
    rates: Mapping[str, float],
    now_ms: int,
) -> Ranked:
    """The alerts in the order in which to work them, cut at the first that ``hours`` leave out.

    ``minutes_per_kind`` overrides ``MINUTES``; ``rates`` are major units of the base currency for
    one of each currency. Closed alerts are passed over. Raises ``CapacityError`` for hours, minutes
    or a rate that make no sense.
    """
    if not (isfinite(hours) and hours >= 0):
        raise CapacityError(f"hours is {hours}; give the desk's hours of today, 0 or more")
    for kind, minutes in minutes_per_kind.items():
        if minutes < 1:
            raise CapacityError(f"minutes of {kind} is {minutes}; give 1 or more")
    nanos = _nanos(rates)
    snoozed, unrated, rankings = 0, Counter[str](), []
    for row in rows:
        if row["state"] == "closed":
            continue
        if row["state"] == "snoozed" and (row["snoozed_until_ms"] or 0) > now_ms:
            snoozed += 1
            continue
        if row["currency"] not in nanos and (row["exposure_minor"] or row["headroom_minor"]):
            unrated[row["currency"]] += 1
        money = _money(row, nanos)
        minutes = minutes_per_kind.get(row["kind"], MINUTES)
        rankings.append(Ranking(row, money * _likelihood(row, now_ms), money, minutes))
    rankings.sort(key=_place)
    fits, spent = 0, 0
    while fits < len(rankings) and spent + rankings[fits].minutes <= hours * 60:
        spent += rankings[fits].minutes
        fits += 1
    left_out = _by_severity(rankings[fits:])
    return Ranked(tuple(rankings[:fits]), left_out, spent, snoozed, dict(sorted(unrated.items())))


def parameters(rates: Mapping[str, float], now_ms: int) -> dict[str, str | int]:
    """What ``MONEY``, ``SCORE``, ``ORDER_BY`` and ``WORKABLE`` are to be bound to.

    Raises ``CapacityError`` for a rate that makes no sense.
    """
    nanos = _nanos(rates)
    return {
        "now_ms": now_ms,
        "currencies": "[" + ",".join(f"'{code}'" for code in nanos) + "]",
        "rates": "[" + ",".join(map(str, nanos.values())) + "]",
    }


def _nanos(rates: Mapping[str, float]) -> dict[str, int]:
    """Rates in billionths, which both sides read exactly; an unused code where there is none."""
    for code, rate in rates.items():
        if code not in CURRENCIES:
            raise CapacityError(f"the rate of {code!r} is of no currency; use an ISO 4217 code")
        if not (isfinite(rate) and 1 <= rate * _NANO <= 2**53):
            raise CapacityError(
                f"the rate of {code} is {rate}; give major units of the base currency for one of it"
            )
    return {code: round(rates[code] * _NANO) for code in sorted(rates)} or {"": 0}


def _money(row: Row, nanos: Mapping[str, int]) -> float:
    minor = float(row["exposure_minor"]) + float(row["headroom_minor"]) * DRAWING_SHARE
    scale = 10 ** minor_digits(row["currency"])
    return minor / scale * (float(nanos.get(row["currency"], 0)) / _NANO)


def _likelihood(row: Row, now_ms: int) -> float:
    """Probability × urgency."""
    probability = row["probability_of_default"]
    if probability is None:
        probability = UNKNOWN_PROBABILITY
    urgency = SEVERITY_WEIGHTS.get(row["severity"], 1.0) * _nearness(row, now_ms)
    return float(probability) * urgency


def _nearness(row: Row, now_ms: int) -> float:
    seen = row["acknowledged_ms"] is not None
    deadline = row["close_by_ms"] if seen else row["acknowledge_by_ms"]
    if deadline is None:
        return 1.0
    return min(max(2.0 - (deadline - now_ms) / NEAR_MS, 1.0), 3.0)


def _place(ranking: Ranking) -> tuple[float, float, int, str]:
    row = ranking.row
    weight = SEVERITY_WEIGHTS.get(row["severity"], 1.0)
    return -ranking.score, -weight, row["opened_ms"], row["alert_id"]


def _by_severity(rankings: Iterable[Ranking]) -> dict[str, LeftOut]:
    found = {severity: LeftOut(0, 0.0) for severity in SEVERITY_WEIGHTS}
    for each in rankings:
        severity = each.row["severity"]
        so_far = found.get(severity, LeftOut(0, 0.0))
        found[severity] = LeftOut(so_far.alerts + 1, so_far.money + each.money)
    return found


# --- the same for ClickHouse ----------------------------------------------------------------------


def _codes(digits: int) -> str:
    return ", ".join(f"'{code}'" for code in sorted(CURRENCIES) if minor_digits(code) == digits)


WORKABLE = (
    "state != 'closed' AND (state != 'snoozed' OR"
    " ifNull(toUnixTimestamp64Milli(snoozed_until), 0) <= {now_ms:Int64})"
)
"""Condition on rows of ``alerts_current`` that are in the queue."""

MONEY = (
    f"((toFloat64(exposure_minor) + toFloat64(headroom_minor) * {DRAWING_SHARE})"
    f" / multiIf(currency IN ({_codes(0)}), 1, currency IN ({_codes(3)}), 1000, 100)"
    " * (toFloat64(transform(currency, {currencies:Array(String)}, {rates:Array(Int64)},"
    f" toInt64(0))) / {_NANO}))"
)
"""Money at risk in major units of the base currency."""

_WEIGHT = (
    "transform(severity, ["
    + ", ".join(f"'{each}'" for each in SEVERITY_WEIGHTS)
    + "], ["
    + ", ".join(f"{weight}" for weight in SEVERITY_WEIGHTS.values())
    + "], 1.0)"
)
_DEADLINE = "if(acknowledged_at IS NULL, acknowledge_by, close_by)"
_NEARNESS = (
    f"if(isNull({_DEADLINE}), 1.0, least(greatest(2.0 - (toUnixTimestamp64Milli("
    f"assumeNotNull({_DEADLINE})) - {{now_ms:Int64}}) / {NEAR_MS}, 1.0), 3.0))"
)

SCORE = (
    f"({MONEY} * (ifNull(probability_of_default, {UNKNOWN_PROBABILITY})"
    f" * ({_WEIGHT} * {_NEARNESS})))"
)
"""The score of a row."""

ORDER_BY = f"{SCORE} DESC, {_WEIGHT} DESC, opened_at, alert_id"
"""What follows ORDER BY in a query of ``alerts_current``, bound to ``parameters``."""
