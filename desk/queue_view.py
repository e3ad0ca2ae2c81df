"""The queue as it is shown: ranked, cut at the day's hours, and counted. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from desk import present
from desk.alerting import Kinds, at_risk_minor, clock_of, duration, kind_text, why
from desk.capacity import LeftOut, Row, parameters, rank
from desk.filters import CLOCKS, SEVERITIES, Filters
from desk.i18n import Translate
from desk.present import Labels
from desk.queue_queries import Count
from schemas.currencies import CURRENCIES, minor_digits

HOURS_MAX = 24.0
REASONS_SHOWN = 2


class Workday(NamedTuple):
    """What the queue is cut at, and in what it is ranked; see ``ops.settings.Desk``."""

    hours: float = 6.0
    base_currency: str | None = None
    rates: Mapping[str, float] = {}

    def check(self) -> None:
        """Raise ``desk.capacity.CapacityError`` for a currency or rate that makes no sense."""
        rates = {self.base_currency: 1.0} if self.base_currency else {}
        parameters({**self.rates, **rates}, 0)


class Money(NamedTuple):
    """Rates to a base currency, which is empty while there is nothing to rank."""

    base: str
    rates: dict[str, float]

    def text(self, major: float) -> str:
        """An amount of the base currency."""
        if not self.base:
            return present.NOTHING
        return present.money(major * 10 ** minor_digits(self.base), self.base)


class Tile(NamedTuple):
    """A count, and the filter that shows what it counts."""

    text: str
    kind: str
    alerts: int
    href: str
    chosen: bool


class Cut(NamedTuple):
    """The two parts of the queue, and what is beyond the page.

    ``left_out`` counts by severity everything that does not fit, ``unrated`` alerts by currency
    whose money weighs nothing for want of a rate.
    """

    fits: list[Row]
    rest: list[Row]
    minutes: int
    left_out: list[tuple[str, int, str]]
    left_out_alerts: int
    left_out_money: str
    unrated: dict[str, int]


def money_of(workday: Workday, currencies: Sequence[str]) -> Money:
    """The rates to rank by. ``currencies`` are those of the alerts, the most frequent first."""
    known = [code for code in currencies if code in CURRENCIES]
    base = workday.base_currency or (known[0] if known else "")
    rates = dict(workday.rates)
    if base:
        rates[base] = 1.0
    return Money(base, rates)


def hours_of(text: str | None, default: float) -> float:
    """Hours that a viewer chose, in halves; the default for none or nonsense."""
    try:
        hours = float(text or "")
    except ValueError:
        return default
    return round(hours * 2) / 2 if 0 <= hours <= HOURS_MAX else default


def cut(
    rows: Sequence[Row],
    counted: Sequence[Count],
    filters: Filters,
    hours: float,
    money: Money,
    now_ms: int,
) -> Cut:
    """The queue cut at the hours. ``rows`` are those of the page, ``counted`` all there are."""
    ranked = rank(rows, hours, {}, rates=money.rates, now_ms=now_ms)
    fitting = [each.row for each in ranked.fits]
    first = {row["alert_id"] for row in fitting}
    totals = {severity: LeftOut(0, 0.0) for severity in SEVERITIES}
    for each in counted:
        if each.asleep or not _is_chosen(each, filters):
            continue
        so_far = totals.get(each.severity, LeftOut(0, 0.0))
        totals[each.severity] = LeftOut(so_far.alerts + each.alerts, so_far.money + each.money)
    for fit in ranked.fits:
        severity = fit.row["severity"]
        so_far = totals.get(severity, LeftOut(0, 0.0))
        totals[severity] = LeftOut(so_far.alerts - 1, so_far.money - fit.money)
    left = {s: LeftOut(max(o.alerts, 0), max(o.money, 0.0)) for s, o in totals.items()}
    return Cut(
        fitting,
        [row for row in rows if row["state"] != "closed" and row["alert_id"] not in first],
        ranked.minutes,
        [(s, o.alerts, money.text(o.money)) for s, o in left.items() if o.alerts],
        sum(o.alerts for o in left.values()),
        money.text(sum(o.money for o in left.values())),
        ranked.unrated,
    )


def tiles(counted: Sequence[Count], filters: Filters, t: Translate) -> list[Tile]:
    """Counts by severity, by clock, and of what is snoozed."""
    found = []
    for severity in SEVERITIES:
        chosen = filters.severity == severity
        alerts = sum(
            c.alerts
            for c in counted
            if c.severity == severity
            and not (c.asleep and filters.state == "work")
            and filters.clock in ("", c.clock)
        )
        href = filters.query(severity="" if chosen else severity)
        found.append(Tile(t(severity), severity, alerts, href, chosen))
    if filters.state == "closed":
        return found
    for clock, text in zip(CLOCKS, (t("overdue"), t("due within 4 h")), strict=True):
        chosen = filters.clock == clock
        alerts = sum(
            c.alerts
            for c in counted
            if c.clock == clock
            and not (c.asleep and filters.state == "work")
            and filters.severity in ("", c.severity)
        )
        href = filters.query(clock="" if chosen else clock)
        found.append(Tile(text, clock, alerts, href, chosen))
    if filters.state in ("work", "snoozed"):
        chosen = filters.state == "snoozed"
        alerts = sum(c.alerts for c in counted if c.asleep and _is_chosen(c, filters))
        href = filters.query(state="work" if chosen else "snoozed")
        found.append(Tile(t("snoozed"), "snoozed", alerts, href, chosen))
    return found


def shown(
    row: Row, labels: Labels, kinds: Kinds, language: str, t: Translate, now_ms: int
) -> dict[str, Any]:
    """One row of the queue, or one alert of a list, with everything in words."""
    clock = clock_of(row, now_ms)
    reasons = why(row, labels, language, t)
    return {
        **row,
        "kind_text": kind_text(row["kind"], kinds, language, t),
        "reasons": reasons[:REASONS_SHOWN],
        "more_reasons": max(len(reasons) - REASONS_SHOWN, 0),
        "at_risk": present.money(at_risk_minor(row), row["currency"]),
        "clock": clock,
        "clock_text": clock_text(clock.what, clock.left_ms, t) if clock else "",
    }


def clock_text(what: str, left_ms: int, t: Translate) -> str:
    """What is due, and how soon or since when."""
    length = duration(left_ms, t)
    if left_ms < 0:
        acknowledge, close = t("Acknowledge: {time} overdue"), t("Close: {time} overdue")
    else:
        acknowledge, close = t("Acknowledge within {time}"), t("Close within {time}")
    return (acknowledge if what == "acknowledge" else close).format(time=length)


def _is_chosen(count: Count, filters: Filters) -> bool:
    return filters.severity in ("", count.severity) and filters.clock in ("", count.clock)
