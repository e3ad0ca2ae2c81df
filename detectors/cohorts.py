"""Cohorts: many merchants of one region, carrier or platform fall within days, for one cause.

A merchant is *struck* on the day of a new alert if it was not in the ``WINDOW_DAYS`` before, so
it is struck at most once in a window. A cohort stands out when its struck merchants are too many
by two exact one-sided tests: for its own past, and for the merchants outside of it now.

- Own past: of ``k`` strikes in the window and ``p`` in the ``d`` days before it, ``k`` is binomial
  with the window's share of the days (Przyborowski and Wilenski, 1940).
- The rest: of all struck merchants, those of the cohort are hypergeometric (Fisher's exact test).

Both must reject, so the larger p-value counts (intersection-union test; Berger, 1982). Over the
cohorts looked at together the false discovery rate is bounded by Benjamini and Yekutieli (2001),
which holds for cohorts that overlap. The bound is for one look, not for all looks of a year.

Pure: counts go in, cohorts come out.
"""

from collections.abc import Iterable, Mapping
from math import exp, inf, lgamma, log, log1p

from msgspec import Struct

WINDOW_DAYS = 7
PAST_DAYS = 84
"""Days before the window that say what is usual of a cohort."""
PAST_DAYS_MIN = 28
"""Nothing is said before so much of the past was seen."""
STRUCK_MIN = 5
RATIO_MIN = 2.0
"""What stands out is at least so many times what was to be expected, however sure it is."""
FALSE_DISCOVERY_RATE = 0.001
CRITICAL_SHARE = 0.25
"""An alert is critical where so many of a cohort's merchants are struck."""
CALM_P = 0.05
"""A cohort that stood out has calmed when neither test would reject at so large a level."""


class Counts(Struct, frozen=True):
    """A cohort: its merchants, those struck in the window, and strikes in the days before."""

    members: int
    struck: int
    past: int


class Whole(Struct, frozen=True):
    """The merchants of all cohorts together, each once, and the days before the window seen."""

    members: int
    struck: int
    past_days: int


class Finding(Struct, frozen=True):
    """What the tests say of a cohort. ``expected`` merchants would be struck by the larger rate.

    ``p_value`` is the larger of the two; ``stands_out`` after the bound over all cohorts.
    """

    counts: Counts
    expected: float
    p_value: float
    stands_out: bool

    @property
    def calm(self) -> bool:
        """Whether an alert about the cohort has lost its reason."""
        return self.p_value > CALM_P or self.counts.struck < STRUCK_MIN


def judge_cohorts(cohorts: Mapping[str, Counts], whole: Whole) -> dict[str, Finding]:
    """Test each cohort, by name; nothing while the past is too short to compare with."""
    if whole.past_days < PAST_DAYS_MIN:
        return {}
    tested = {
        name: (_expected(each, whole), _p_value(each, whole))
        for name, each in sorted(cohorts.items())
        if each.members
    }
    bound = _bound([p for _, p in tested.values()])
    return {
        name: Finding(
            counts=cohorts[name],
            expected=expected,
            p_value=p,
            stands_out=(
                p <= bound
                and cohorts[name].struck >= STRUCK_MIN
                and cohorts[name].struck >= RATIO_MIN * expected
            ),
        )
        for name, (expected, p) in tested.items()
    }


def _expected(each: Counts, whole: Whole) -> float:
    own = each.past * WINDOW_DAYS / whole.past_days
    others = whole.members - each.members
    if others <= 0:
        return own
    return max(own, each.members * (whole.struck - each.struck) / others)


def _p_value(each: Counts, whole: Whole) -> float:
    if not each.struck:
        return 1.0
    share = WINDOW_DAYS / (WINDOW_DAYS + whole.past_days)
    own = binomial_tail(each.struck, each.struck + each.past, share)
    rest = hypergeometric_tail(each.struck, whole.members, whole.struck, each.members)
    return max(own, rest)


def _bound(p_values: list[float]) -> float:
    """The largest p-value that Benjamini and Yekutieli reject; below 0 where it is none."""
    m = len(p_values)
    level = FALSE_DISCOVERY_RATE / sum(1 / i for i in range(1, m + 1)) if m else 0.0
    passed = [p for rank, p in enumerate(sorted(p_values), 1) if p <= level * rank / m]
    return passed[-1] if passed else -1.0


def binomial_tail(least: int, trials: int, share: float) -> float:
    """P(X >= ``least``) of a binomial; 0 < ``share`` < 1."""
    return _sum(
        _log_choose(trials, k) + k * log(share) + (trials - k) * log1p(-share)
        for k in range(least, trials + 1)
    )


def hypergeometric_tail(least: int, population: int, marked: int, drawn: int) -> float:
    """P(X >= ``least``) of the marked among ``drawn`` of a population without replacement."""
    of_all = _log_choose(population, drawn)
    return _sum(
        _log_choose(marked, k) + _log_choose(population - marked, drawn - k) - of_all
        for k in range(least, min(marked, drawn) + 1)
    )


def _sum(log_terms: Iterable[float]) -> float:
    return min(sum(map(exp, log_terms)), 1.0)


def _log_choose(n: int, k: int) -> float:
    if not 0 <= k <= n:
        return -inf
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)
