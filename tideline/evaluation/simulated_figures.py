"""Figures of simulated merchants: found, how early, at what price, and by which rule."""

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from tideline.evaluation.simulated import (
    DAY_MS,
    YEAR_DAYS,
    Raised,
    Run,
    Times,
    Truth,
    joined,
    raised,
    spread,
)
from tideline.simulator.planted import KINDS

NAME = "simulated"
RULES, ANOMALY, BAND, ALL = "rules", "anomaly score", "model band D or E", "all three"
LATE, HALF = "floor: repayment 3 days late", "floor: sales at half"
DETECTORS = (RULES, ANOMALY, BAND, ALL, LATE, HALF)
REPAYMENT_KINDS = ("repayment_overdue", "repayment_slippage", "instalments_missed")
"""Rules that see the missed repayment itself."""
ANOMALY_PER_YEAR = 1.0
"""False alerts per healthy merchant-year at which the level of the anomaly score is set."""
OUTAGE_DAYS = 7
BAD_LUCK = "bad luck (nothing planted)"
SOON_DAYS = 60
LUCK_DAYS = 90
"""Honest bad luck has no onset; the days before the first missed repayment stand for it."""


class Found(Struct, frozen=True, kw_only=True):
    """What one source found of one kind.

    ``share`` has an alert between onset and default (or the end), ``in_time`` one before the first
    missed repayment, of those that missed one; ``lead_days`` is the median over those that were
    found and missed one, negative where the alert came after. ``soon`` has an alert within
    ``SOON_DAYS`` of the onset. ``by_chance`` and ``soon_by_chance`` are the shares that false
    alerts at the healthy rate would have found.
    """

    share: float
    soon: float
    soon_by_chance: float
    seeds: tuple[float, ...]
    in_time: float | None
    lead_days: float | None
    by_chance: float


class Kind(Struct, frozen=True, kw_only=True):
    """One planted kind; ``rules`` are the rules that spoke, by share of its merchants."""

    kind: str
    merchants: int
    missed: int
    defaulted: int
    found: dict[str, Found]
    rules: dict[str, float]


class Rule(Struct, frozen=True, kw_only=True):
    """One rule: false alerts per healthy merchant-year, and planted troubles it spoke in."""

    kind: str
    false_per_year: float
    planted: int
    segments: dict[str, float]


class Simulated(Struct, frozen=True, kw_only=True):
    """The result as it is written."""

    made_at: str
    machine: str
    seconds: float
    merchants: int
    days: int
    seeds: int
    share_bad: float
    events: int
    assessments: int
    refused: int
    versions: int
    healthy: int
    healthy_years: float
    anomaly_level: float
    kinds: tuple[Kind, ...]
    false_per_year: dict[str, float]
    false_by_segment: dict[str, dict[str, float]]
    false_in_outages: dict[str, tuple[float, float]]
    rules: tuple[Rule, ...]


class _Case(Struct, frozen=True):
    who: int
    seed: int
    since: int
    until: int
    missed: int | None


class Judge:
    """All runs as one population of merchants."""

    def __init__(self, runs: list[Run]) -> None:
        self._runs = runs
        self._segments: list[str] = []
        self._cases: dict[str, list[_Case]] = {}
        self._defaults: dict[str, int] = {}
        healthy: list[bool] = []
        for first, run in spread(runs):
            for number, truth in enumerate(run.truth, first):
                self._segments.append(truth.segment)
                healthy.append(truth.kind == KINDS[0] and truth.first_missed_at is None)
                self._note(number, run, truth)
        self._healthy = np.array(healthy)
        self._days = (runs[0].end_ms - runs[0].start_ms) / DAY_MS
        self.years = float(self._healthy.sum()) * self._days / YEAR_DAYS
        self._who, self._at, columns = _columns(runs)
        self.alerts = _alerts(runs)
        self.level = self._level(columns["anomaly"])
        self.sources: dict[str, Raised] = {
            RULES: joined(list(self.alerts.values())),
            ANOMALY: raised(self._who, self._at, columns["anomaly"] > self.level),
            BAND: raised(self._who, self._at, columns["high_band"] > 0),
            LATE: raised(self._who, self._at, columns["late"] > 0),
            HALF: raised(self._who, self._at, columns["halved"] > 0),
        }
        self.sources[ALL] = joined([self.sources[name] for name in (RULES, ANOMALY, BAND)])

    def _note(self, number: int, run: Run, truth: Truth) -> None:
        kind, onset, missed = truth.kind, truth.onset_at, truth.first_missed_at
        if onset is None:
            if missed is None:
                return
            kind, onset = BAD_LUCK, missed - LUCK_DAYS * DAY_MS
        case = _Case(number, run.seed, onset, truth.defaulted_at or run.end_ms, missed)
        self._cases.setdefault(kind, []).append(case)
        self._defaults[kind] = self._defaults.get(kind, 0) + (truth.defaulted_at is not None)

    def _level(self, scores: NDArray[np.float64]) -> float:
        """The least level of the anomaly score with few enough false alerts."""
        mine = scores[(scores >= 0) & self._healthy[self._who]]
        if not len(mine):
            return 1.0
        levels = np.unique(np.quantile(mine, 1 - np.geomspace(1e-5, 0.5, 200)))
        low, high = 0, len(levels) - 1
        while low < high:
            middle = (low + high) // 2
            alerts = raised(self._who, self._at, scores > levels[middle])
            if self.false_per_year(alerts) <= ANOMALY_PER_YEAR:
                high = middle
            else:
                low = middle + 1
        return float(levels[low])

    def false_per_year(self, alerts: Raised, segment: str | None = None) -> float:
        """Alerts of healthy merchants per year of one, of one segment where given."""
        mine = self._healthy[alerts.who]
        if segment is None:
            return float(mine.sum()) / max(self.years, 1e-9)
        of_segment = np.array([name == segment for name in self._segments])
        years = float((of_segment & self._healthy).sum()) * self._days / YEAR_DAYS
        return float((mine & of_segment[alerts.who]).sum()) / max(years, 1e-9)

    def outages(self, alerts: Raised) -> tuple[float, float]:
        """False alerts a year in the outages of feeds and the week after, and at other times."""
        inside, days = np.zeros(len(alerts.who), np.bool_), 0.0
        for first, run in spread(self._runs):
            healthy = float(self._healthy[first : first + len(run.truth)].sum())
            own = (alerts.who >= first) & (alerts.who < first + len(run.truth))
            for start, end in run.outages:
                until = min(end + OUTAGE_DAYS * DAY_MS, run.end_ms)
                inside |= own & (alerts.at >= start) & (alerts.at < until)
                days += healthy * (until - start) / DAY_MS
        mine = self._healthy[alerts.who]
        other = self.years - days / YEAR_DAYS
        within = float((mine & inside).sum()) * YEAR_DAYS / max(days, 1e-9)
        return within, float((mine & ~inside).sum()) / max(other, 1e-9)

    def kinds(self) -> tuple[Kind, ...]:
        """The planted kinds in order, honest bad luck last."""
        false = {name: self.false_per_year(self.sources[name]) for name in DETECTORS}
        return tuple(
            Kind(
                kind=kind,
                merchants=len(self._cases[kind]),
                missed=sum(case.missed is not None for case in self._cases[kind]),
                defaulted=self._defaults[kind],
                found={
                    name: self._found(self._cases[kind], self.sources[name], false[name])
                    for name in DETECTORS
                },
                rules=self._rules_of(self._cases[kind]),
            )
            for kind in (*KINDS[1:], BAD_LUCK)
            if kind in self._cases
        )

    def _found(self, cases: list[_Case], alerts: Raised, false: float) -> Found:
        hits = [(case, _first_within(alerts, case)) for case in cases]
        missed = [(case, at) for case, at in hits if case.missed is not None]
        leads = [(case.missed or 0) - at for case, at in missed if at is not None]
        seeds = sorted({case.seed for case in cases})
        years = np.array([(case.until - case.since) / DAY_MS / YEAR_DAYS for case in cases])
        years = np.maximum(years, 0)
        soon = np.minimum(years, SOON_DAYS / YEAR_DAYS)
        return Found(
            share=_share([at is not None for _, at in hits]),
            soon=_share([at is not None and at <= c.since + SOON_DAYS * DAY_MS for c, at in hits]),
            soon_by_chance=float(np.mean(1 - np.exp(-false * soon))),
            seeds=tuple(
                _share([at is not None for case, at in hits if case.seed == seed]) for seed in seeds
            ),
            in_time=_share([at is not None and at < (c.missed or 0) for c, at in missed])
            if missed
            else None,
            lead_days=float(np.median(leads)) / DAY_MS if leads else None,
            by_chance=float(np.mean(1 - np.exp(-false * years))),
        )

    def _rules_of(self, cases: list[_Case]) -> dict[str, float]:
        shares = {
            kind: _share([_first_within(alerts, case) is not None for case in cases])
            for kind, alerts in self.alerts.items()
        }
        ranked = sorted(shares.items(), key=lambda item: (-item[1], item[0]))
        return {kind: share for kind, share in ranked if share > 0}

    def rules(self) -> tuple[Rule, ...]:
        """Each rule that spoke, the noisiest first."""
        cases = [c for kind, found in self._cases.items() if kind != BAD_LUCK for c in found]
        segments = sorted(set(self._segments))
        made = [
            Rule(
                kind=kind,
                false_per_year=self.false_per_year(alerts),
                planted=sum(_first_within(alerts, case) is not None for case in cases),
                segments={name: self.false_per_year(alerts, name) for name in segments},
            )
            for kind, alerts in self.alerts.items()
        ]
        return tuple(sorted(made, key=lambda rule: (-rule.false_per_year, rule.kind)))

    def segments(self) -> dict[str, dict[str, float]]:
        """False alerts a year by source and segment."""
        names = sorted(set(self._segments))
        return {
            source: {name: self.false_per_year(self.sources[source], name) for name in names}
            for source in DETECTORS
        }

    @property
    def healthy(self) -> int:
        """Merchants with nothing planted that missed no repayment."""
        return int(self._healthy.sum())


def _share(flags: list[bool]) -> float:
    return sum(flags) / max(len(flags), 1)


def _first_within(alerts: Raised, case: _Case) -> int | None:
    """The first alert of a merchant between its onset and its end."""
    low = int(np.searchsorted(alerts.who, case.who, "left"))
    high = int(np.searchsorted(alerts.who, case.who, "right"))
    times = alerts.at[low:high]
    place = int(np.searchsorted(times, case.since))
    return int(times[place]) if place < len(times) and times[place] <= case.until else None


def _columns(runs: list[Run]) -> tuple[Times, Times, dict[str, NDArray[np.float64]]]:
    who = [np.array(run.seen.who, np.int64) + first for first, run in spread(runs)]
    at = [np.array(run.seen.at, np.int64) for run in runs]
    names = ("anomaly", "high_band", "late", "halved")
    columns = {
        name: np.concatenate([np.array(getattr(run.seen, name), np.float64) for run in runs])
        for name in names
    }
    return np.concatenate(who), np.concatenate(at), columns


def _alerts(runs: list[Run]) -> dict[str, Raised]:
    """Alerts of each rule by merchant and time."""
    found: dict[str, list[tuple[int, int]]] = {}
    for first, run in spread(runs):
        for kind, alerts in run.seen.alerts.items():
            found.setdefault(kind, []).extend((who + first, at) for who, at in alerts)
    made = {}
    for kind in sorted(found):
        pairs = np.array(sorted(found[kind]), np.int64)
        made[kind] = raised(pairs[:, 0], pairs[:, 1], np.ones(len(pairs), np.bool_))
    return made
