"""Days, seasons and festivals of the simulated market (China)."""

import math
from datetime import UTC, date, datetime, timedelta

import numpy as np

from tideline.simulator.chance import Numbers
from tideline.simulator.segments import SEGMENTS, Segment

HOUR_MS = 3_600_000
DAY_MS = 86_400_000
NEW_YEARS = {
    2015: (2, 19), 2016: (2, 8), 2017: (1, 28), 2018: (2, 16), 2019: (2, 5), 2020: (1, 25),
    2021: (2, 12), 2022: (2, 1), 2023: (1, 22), 2024: (2, 10), 2025: (1, 29), 2026: (2, 17),
    2027: (2, 6), 2028: (1, 26), 2029: (2, 13), 2030: (2, 3), 2031: (1, 23), 2032: (2, 11),
    2033: (1, 31), 2034: (2, 19), 2035: (2, 8), 2036: (1, 28),
}  # fmt: skip
"""Chinese New Year's day by year (month, day)."""
FIRST_YEAR, LAST_YEAR = min(NEW_YEARS), max(NEW_YEARS) - 1
BEFORE_DAYS, AFTER_DAYS = 14, 10
"""The weeks of buying before the festival, and the days after which trade is as usual."""
PROMOTIONS = {
    (11, 10): 1.6, (11, 11): 4.0, (11, 12): 1.5, (6, 16): 1.4, (6, 17): 1.6, (6, 18): 2.5,
    (12, 12): 1.8,
}  # fmt: skip
"""Online orders on days of promotion against a usual day; Double 11 above all."""


def start_ms(start: date) -> int:
    """Midnight (UTC) of a day as epoch milliseconds."""
    return int(datetime(start.year, start.month, start.day, tzinfo=UTC).timestamp()) * 1000


def festival_day(day: date) -> int | None:
    """Days from the nearest Chinese New Year's day, negative before; None where far from one."""
    new_year = date(day.year, *NEW_YEARS[day.year])
    off = (day - new_year).days
    return off if -BEFORE_DAYS <= off < AFTER_DAYS else None


def factor(segment: Segment, day: date) -> float:
    """Orders of a day against the yearly mean of the segment, before growth and chance."""
    level = segment.weekend if day.weekday() >= 5 else 1.0
    turn = 2 * math.pi * (day.timetuple().tm_yday - segment.peak_day) / 365.25
    level *= 1 + segment.season * math.cos(turn)
    if segment.harvest:
        level *= segment.harvest[day.month - 1]
    if segment.online:
        level *= PROMOTIONS.get((day.month, day.day), 1.0)
    off = festival_day(day)
    if off is not None:
        level *= segment.before_festival if off < -1 else segment.festival
    return round(level, 6)


def factors(start: date, days: int) -> Numbers:
    """``factor`` by segment and day."""
    dates = [start + timedelta(days=n) for n in range(days)]
    return np.array([[factor(segment, day) for day in dates] for segment in SEGMENTS])


def pauses(start: date, days: int) -> list[bool]:
    """The days on which carriers and offices rest."""
    off = [festival_day(start + timedelta(days=n)) for n in range(days)]
    return [n is not None and -1 <= n < 6 for n in off]
