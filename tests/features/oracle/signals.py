"""Signals: courts, register, bills, bureau, machines; and presence: activity, silence, tenure."""

from collections.abc import Iterable
from fractions import Fraction
from itertools import pairwise

from tests.features.oracle.cash import DAY_MAX, latest
from tests.features.oracle.history import (
    ACTIVITY,
    DAY_MS,
    DAYS_HELD,
    FEED_OF,
    SALES,
    SHORT_HELD,
    History,
    Placed,
    Value,
    Values,
    ratio,
)
from tests.features.oracle.sales import Turnover, sales_count

RARE_DAYS = 8
TENURED_DAYS = 56
THIN_SALES = 10
ACTIVE_DAYS_MIN = 5


def _rare(events: Iterable[Placed], today: int) -> int:
    """How many of the latest 8 lie on days 1-92."""
    held = sorted(min(event.day, DAY_MAX) for event in events)[-RARE_DAYS:]
    return sum(today - 91 <= day <= today for day in held)


def _silence(events: list[Placed], as_of: int) -> Value:
    event = latest(events)
    return None if event is None else Fraction(max(as_of - event.at, 0), DAY_MS)


def _bureau(history: History, as_of: int) -> Values:
    answers = history.of("bureau.scored")
    scored = latest([event for event in answers if event.line.score is not None])
    owing = latest(
        [
            event
            for event in answers
            if event.line.other_debt_minor is not None
            and (event.line.currency is None or history.is_ours(event.line))
        ]
    )
    debt = None if owing is None else owing.line.other_debt_minor
    turnover = Turnover(history, as_of).over(1, 28)
    return {
        "bureau_score": None if scored is None else scored.line.score,
        "other_debt_minor": debt,
        "other_debt_to_sales_ratio": None if debt is None else ratio(debt, turnover),
    }


def _sensors(history: History, as_of: int) -> Values:
    readings = history.of("sensor.reading")
    days = history.days(["sensor.reading"], held=SHORT_HELD)
    today = as_of // DAY_MS
    count = sum(today - 27 <= day <= today for day in days)
    return {
        "sensor_days_28d": count if readings else None,
        "sensor_silence_days": _silence(readings, as_of),
    }


def _presence(history: History, as_of: int) -> Values:
    today = as_of // DAY_MS
    active = [event for event in history.events if event.kind in ACTIVITY]
    days = sorted(
        {event.day for event in active if today - 91 <= event.day <= today}
        & set(range(history.head - DAYS_HELD + 1, history.head + 1))
    )
    pause = None
    if len(days) >= ACTIVE_DAYS_MIN:
        pause = max(late - early for early, late in pairwise(days))
    return {
        "active_days_28d": sum(day >= today - 27 for day in days),
        "silence_days": _silence(active, as_of),
        "silence_usual_days": pause,
        **{
            f"{feed}_silence_days": _silence(
                [event for event in history.events if FEED_OF[event.line.type] == feed], as_of
            )
            for feed in ("transactions", "logistics", "payments", "signals")
        },
    }


def _tenure(history: History, as_of: int) -> Values:
    today = as_of // DAY_MS
    tenure = max(today - min(event.day for event in history.events) + 1, 0)
    thin = (
        tenure < TENURED_DAYS
        or not history.any_of(*SALES)
        or sales_count(history, as_of, 28) < THIN_SALES
    )
    return {"tenure_days": tenure, "thin_file": int(thin)}


def signals(history: History, as_of: int) -> Values:
    """All features of the module ``features.families.signals``."""
    today = as_of // DAY_MS
    sued = [e for e in history.of("court.case") if e.line.role in (None, "defendant")]
    return {
        "dishonoured_bills_92d": _rare(history.of("bill.dishonoured"), today),
        "court_cases_92d": _rare(sued, today),
        "registration_changes_92d": _rare(history.of("registration.changed"), today),
        **_bureau(history, as_of),
        **_sensors(history, as_of),
        **_presence(history, as_of),
        **_tenure(history, as_of),
    }
