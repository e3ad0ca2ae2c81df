"""What is wrong with a rule file beyond its types: each key at fault, and what to do about it."""

import difflib
import re
from collections.abc import Iterable, Iterator
from math import inf, isfinite

from detectors.ranges import RANGES
from detectors.rule_file import FileLevel, FileRule, FileTest, RuleFile
from features.catalogue import CATALOGUE, NAMES
from schemas.strict_yaml import Path

Problem = tuple[Path, str]
"""The key at fault, and what is said of it."""

_BY_NAME = {feature.name: feature for feature in CATALOGUE}
_CHINESE = re.compile("[\u4e00-\u9fff]")
_Subject = tuple[str, str | None]
"""What tests are comparable by: the feature, and what its threshold is multiplied by."""


def problems(file: RuleFile) -> Iterator[Problem]:
    """Everything wrong with a file, in its order; none where it may be used."""
    kinds = [rule.kind for rule in file.rules]
    for number, rule in enumerate(file.rules):
        at = ("rules", str(number))
        if rule.kind in kinds[:number]:
            yield (*at, "kind"), f"is {rule.kind!r} for the second time; rename one"
        yield from _texts(rule, at)
        faults = list(_tests(rule, at))
        yield from faults
        if not faults:
            yield from _feeds(rule, at)
            yield from _floors(rule, at)
            yield from _reach(rule, at)
            yield from _hold(rule, at)
        yield from _yields(rule, at, file)


def _texts(rule: FileRule, at: Path) -> Iterator[Problem]:
    for name in ("label", "rationale"):
        text = getattr(rule, name)
        if not _CHINESE.search(text.zh):
            yield (*at, name, "zh"), "has no Chinese; say it in Simplified Chinese"
        if _CHINESE.search(text.en):
            yield (*at, name, "en"), "has Chinese in it; say it in English"


def _all_tests(rule: FileRule, at: Path) -> Iterator[tuple[Path, FileTest]]:
    groups: list[tuple[Path, Iterable[FileTest]]] = [((*at, "evidence"), rule.evidence)]
    for number, level in enumerate(rule.levels):
        where = (*at, "levels", str(number))
        groups += [((*where, "tests"), level.tests), ((*where, "given"), level.given)]
    for name, many in (("hold", rule.hold), ("unless", rule.unless)):
        groups += [((*at, name, str(number)), tests) for number, tests in enumerate(many)]
    for path, tests in groups:
        for number, test in enumerate(tests):
            yield (*path, str(number)), test


def _tests(rule: FileRule, at: Path) -> Iterator[Problem]:
    """What is wrong with single tests."""
    for path, test in _all_tests(rule, at):
        named = {"feature": test.feature} | ({"times": test.times} if test.times else {})
        unknown = [(key, name) for key, name in named.items() if name not in _BY_NAME]
        for key, name in unknown:
            near = difflib.get_close_matches(name, NAMES, 1)
            meant = f"did you mean {near[0]}?" if near else "`tideline features` lists them"
            yield (*path, key), f"is {name!r}, no feature; {meant}"
        if (test.ge is None) == (test.le is None):
            yield path, "needs either `ge` or `le`; give one of them"
        elif not unknown:
            yield from _threshold(test, path)


def _threshold(test: FileTest, path: Path) -> Iterator[Problem]:
    op, bound = _bound(test)
    feature = _BY_NAME[test.feature]
    at = (*path, op)
    if not isfinite(bound):
        yield at, f"is {bound}; give a finite number"
    elif test.times is None:
        low, high = RANGES[test.feature]
        if not low <= bound <= high:
            yield (
                at,
                f"is {bound:g}, but {test.feature} ({feature.unit}) is {low:g} to {high:g}; "
                "give a threshold within that",
            )
    elif test.times == test.feature:
        yield (*path, "times"), "is the feature itself; name its usual level"
    elif _BY_NAME[test.times].unit != feature.unit:
        unit = _BY_NAME[test.times].unit
        yield (
            (*path, "times"),
            f"is in {unit}, {test.feature} in {feature.unit}; compare like units",
        )
    elif bound <= 0:
        yield at, f"is {bound:g} times {test.times}; give a multiple above 0"


def _feeds(rule: FileRule, at: Path) -> Iterator[Problem]:
    used = {
        feed
        for _, test in _all_tests(rule, at)
        for name in (test.feature, test.times)
        if name is not None
        for feed in _BY_NAME[name].feeds
    }
    for number, feed in enumerate(rule.feeds):
        path = (*at, "feeds", str(number))
        if feed in rule.feeds[:number]:
            yield path, f"is {feed} for the second time; keep one"
        if feed not in used:
            yield path, f"is {feed}, which no feature of the rule needs; remove it"


def _floors(rule: FileRule, at: Path) -> Iterator[Problem]:
    """Multiples of what may be 0: any sale is at least twice a usual of none."""
    for number, level in enumerate(rule.levels):
        tests = (*rule.evidence, *level.given, *level.tests)
        floored = {t.feature for t in tests if t.times is None and t.ge is not None and t.ge > 0}
        for place, test in enumerate(level.tests):
            if test.times is None:
                continue
            enough = {test.times} if test.le is not None else {test.times, test.feature}
            if not enough & floored:
                yield (
                    (*at, "levels", str(number), "tests", str(place)),
                    f"is a multiple of {test.times}, which may be 0; also ask for "
                    f"{' or '.join(sorted(enough))} of some size (`ge` above 0)",
                )


def _reach(rule: FileRule, at: Path) -> Iterator[Problem]:
    """Levels that no vector reaches."""
    for number, level in enumerate(rule.levels):
        lows: dict[_Subject, float] = {}
        highs: dict[_Subject, float] = {}
        for test in (*rule.evidence, *level.given, *level.tests):
            op, bound = _bound(test)
            subject = (test.feature, test.times)
            if op == "ge":
                lows[subject] = max(bound, lows.get(subject, -inf))
            else:
                highs[subject] = min(bound, highs.get(subject, inf))
        for subject, low in lows.items():
            high = highs.get(subject, inf)
            if low > high:
                yield (
                    (*at, "levels", str(number)),
                    f"never fires: {subject[0]} would be at least {low:g} and at most {high:g}; "
                    "widen one",
                )


def _hold(rule: FileRule, at: Path) -> Iterator[Problem]:
    """An episode must not be clear while its rule fires."""
    for number, level in enumerate(rule.levels):
        if not any(_is_laxer(tests, level, rule.evidence) for tests in rule.hold):
            yield (
                (*at, "hold"),
                f"is stricter than level {number} ({level.severity}), or about other features: an "
                "episode would be clear while the rule fires; lower a group below that level",
            )


def _is_laxer(hold: tuple[FileTest, ...], level: FileLevel, evidence: tuple[FileTest, ...]) -> bool:
    """Whether a group shares tests with a level and none of these is stricter than there."""
    shared = 0
    for held in hold:
        op, bound = _bound(held)
        for test in (*evidence, *level.given, *level.tests):
            other_op, other = _bound(test)
            if (test.feature, test.times, other_op) != (held.feature, held.times, op):
                continue
            shared += test in level.tests
            if bound > other if op == "ge" else bound < other:
                return False
    return shared > 0


def _yields(rule: FileRule, at: Path, file: RuleFile) -> Iterator[Problem]:
    others = {other.kind: other.yields_to for other in file.rules}
    for number, kind in enumerate(rule.yields_to):
        path = (*at, "yields_to", str(number))
        if kind == rule.kind:
            yield path, "is the rule itself, which then never fires; remove it"
        elif kind not in others:
            yield path, f"is {kind!r}, no kind of this file; name one of its rules or remove it"
        elif rule.kind in _yielded_to(kind, others):
            yield path, f"is {kind}, which yields to this rule: none would fire; remove one"


def _yielded_to(kind: str, others: dict[str, tuple[str, ...]]) -> set[str]:
    """The kinds that a kind yields to, at first or at last hand."""
    found: set[str] = set()
    waiting = [kind]
    while waiting:
        for other in others.get(waiting.pop(), ()):
            if other not in found:
                found.add(other)
                waiting.append(other)
    return found


def _bound(test: FileTest) -> tuple[str, float]:
    if test.ge is not None:
        return "ge", test.ge
    assert test.le is not None
    return "le", test.le
