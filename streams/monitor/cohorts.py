"""Which merchants belong together, and which of them had a new alert: what cohorts are judged by.

A merchant's cohorts are read off the log: its segment and region from its profile, and the carriers
of its parcels, the payers of its settlements (platforms, acquirers) and the acceptors of its bills
(core enterprises), each the latest few. Counts are kept as updates come and follow the membership
of now, so that it does not matter whether an alert or the line that names the carrier is read
first; both may be read twice.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from msgspec import Struct, field, structs

from detectors.cohorts import (
    PAST_DAYS,
    WINDOW_DAYS,
    Counts,
    Finding,
    Whole,
    judge_cohorts,
)
from streams.monitor.feeds import Line

DAY_MS = 86_400_000
KEPT = 3
"""Carriers, payers and acceptors kept of a merchant, each; it has one segment and one region."""
NAME_MAX = 100
"""A longer name makes no cohort: the id of its alert would be too long for the log."""
CAUSES_MAX = 5
"""Cohorts told of at one look, strongest first."""
NOT_STRIKES = frozenset({"core_silent"})
"""Alerts about the lending core, not about the merchant."""
_COUNTERPARTY = {"settlement.received": "payer", "bill.accepted": "core_enterprise"}
_PROFILE = frozenset({"merchant.registered", "merchant.updated"})


class Named(Line):
    """What is read of a line of the log to know where a merchant belongs."""

    merchant_id: str = ""
    carrier_id: str | None = None
    counterparty_id: str | None = None
    segment: str | None = None
    region: str | None = None


class Strike(Struct, frozen=True):
    """The first alert of a merchant in a window, and its day (number of event time)."""

    day: int
    alert_id: str


class Member(Struct, frozen=True):
    """A merchant: ``names`` by dimension, oldest first, and the day each was last changed.

    ``since`` is the first day on which anything but its profile was seen, None before.
    """

    partition: int
    names: dict[str, list[str]] = field(default_factory=dict)
    changed: dict[str, int] = field(default_factory=dict)
    strikes: list[Strike] = field(default_factory=list)
    since: int | None = None

    @property
    def cohorts(self) -> Iterator[str]:
        """Its cohorts, as ``DIMENSION:NAME``."""
        for dimension, names in self.names.items():
            for name in names:
                yield f"{dimension}:{name}"


def said_by(line: Named) -> Iterator[tuple[str, str]]:
    """Dimension and name that a line gives its merchant; of most lines none."""
    if line.type == "shipment.dispatched":
        found = [("carrier", line.carrier_id)]
    elif line.type in _COUNTERPARTY:
        found = [(_COUNTERPARTY[line.type], line.counterparty_id)]
    elif line.type in _PROFILE:
        found = [("segment", line.segment), ("region", line.region)]
    else:
        return
    for dimension, name in found:
        if name and len(name) <= NAME_MAX:
            yield dimension, name


def belongs(known: Member, line: Named) -> Member:
    """The merchant after a line; the same object where it says nothing new.

    A profile holds at once. The others change at most once a day and dimension: who is paid by a
    thousand buyers has no cohort among them, and costs no write a settlement.
    """
    day = line.occurred_at // DAY_MS
    member = known
    for dimension, name in said_by(line):
        names = member.names.get(dimension, [])
        profile = line.type in _PROFILE
        if name in names or (not profile and names and day <= member.changed[dimension]):
            continue
        kept = [name] if profile else [*names, name][-KEPT:]
        member = structs.replace(
            member,
            names={**member.names, dimension: kept},
            changed={**member.changed, dimension: day},
            since=member.since if profile else _earlier(member.since, day),
        )
    return member


def struck(known: Member, alert_id: str, opened_at: int) -> Member:
    """The merchant after an alert; the same object where it was struck within the window."""
    day = opened_at // DAY_MS
    if any(abs(each.day - day) < WINDOW_DAYS for each in known.strikes):
        return known
    latest = max([day, *(each.day for each in known.strikes)])
    kept = [s for s in known.strikes if s.day > latest - PAST_DAYS - 2 * WINDOW_DAYS]
    strikes = sorted([*kept, Strike(day, alert_id)], key=lambda each: each.day)
    return structs.replace(known, strikes=strikes, since=_earlier(known.since, day))


def _earlier(known: int | None, day: int) -> int:
    return day if known is None else min(known, day)


class Cohorts:
    """Counts over members: how many, and how many were struck by day, by cohort and in all."""

    def __init__(self) -> None:
        self.first_day: int | None = None
        self._members: Counter[str] = Counter()
        self._struck: dict[int, Counter[str]] = {}
        self._all = 0
        self._oldest = 0

    def put(self, known: Member | None, found: Member) -> None:
        """A member replaces what was known of it."""
        if known is not None:
            self._add(known, -1)
        self._add(found, 1)
        if found.since is not None:
            self.first_day = _earlier(self.first_day, found.since)

    def _add(self, member: Member, sign: int) -> None:
        names = [*member.cohorts]
        self._all += sign
        for name in names:
            self._members[name] += sign
            if not self._members[name]:
                del self._members[name]
        for strike in member.strikes:
            if strike.day >= self._oldest:
                counts = self._struck.setdefault(strike.day, Counter())
                counts[""] += sign
                for name in names:
                    counts[name] += sign

    def judge(self, day: int) -> dict[str, Finding]:
        """What the tests say of each cohort as of a day; nothing while the past is short."""
        if self.first_day is None:
            return {}
        start = day - WINDOW_DAYS
        self._forget(start - PAST_DAYS)
        now: Counter[str] = Counter()
        past: Counter[str] = Counter()
        for at, counts in self._struck.items():
            if start < at <= day:
                now.update(counts)
            elif start - PAST_DAYS < at <= start:
                past.update(counts)
        whole = Whole(
            members=self._all,
            struck=now[""],
            past_days=min(max(start - self.first_day, 0), PAST_DAYS),
        )
        return judge_cohorts(
            {name: Counts(n, now[name], past[name]) for name, n in self._members.items()}, whole
        )

    def _forget(self, oldest: int) -> None:
        """Days that no window reaches again; what is put in later about them is not counted."""
        if oldest > self._oldest:
            self._oldest = oldest
            for day in [day for day in self._struck if day < oldest]:
                del self._struck[day]


def causes(
    findings: dict[str, Finding], day: int, members: Callable[[], Iterable[Member]]
) -> dict[str, Finding]:
    """The cohorts to tell of, strongest first.

    A cohort that stands out only by the merchants of a stronger one is not told of: after each the
    others are judged again without its members, for which ``members`` is gone through.
    """
    told: dict[str, Finding] = {}
    left = findings
    while len(told) < CAUSES_MAX:
        out = [(f.p_value, name) for name, f in left.items() if f.stands_out and name not in told]
        if not out:
            break
        name = min(out)[1]
        told[name] = findings[name]
        if len(out) == 1:
            break
        rest = Cohorts()
        for member in members():
            if not any(each in told for each in member.cohorts):
                rest.put(None, member)
        left = rest.judge(day)
    return told
