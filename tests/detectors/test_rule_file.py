"""Rule files are checked whole; what is wrong is told with its line and what to do."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.rule_file import RulesError
from detectors.rule_loading import faults, load_rules
from detectors.rulebooks import NAMES
from tests.detectors.rulebook import BOOK, TEXT

SMALL = """\
version: mine-1
rules:
  - kind: refunds
    family: refunds_and_disputes
    label: {en: Refunds, zh: 退款}
    rationale: {en: They eat cash., zh: 侵蚀现金。}
    feeds: [transactions]
    segments: [tea]
    evidence:
      - {feature: sales_count_28d, ge: 30}
    levels:
      - severity: warning
        tests:
          - {feature: refund_share_28d, ge: 0.2}
          - {feature: refund_share_28d, ge: 2, times: refund_share_usual}
    unless:
      - - {feature: loans_settled_count, ge: 9}
      - - {feature: tenure_days, ge: 900}
        - {feature: days_past_due, le: 0}
    hold:
      - - {feature: refund_share_28d, ge: 0.1}
    yields_to: [disputes]
    persistence_hours: 24
    cool_down_days: 7
  - kind: disputes
    family: refunds_and_disputes
    label: {en: Disputes, zh: 争议}
    rationale: {en: They come back., zh: 会退回。}
    feeds: [transactions]
    levels:
      - severity: critical
        tests:
          - {feature: dispute_share_28d, ge: 0.02}
    hold:
      - - {feature: dispute_share_28d, ge: 0.01}
"""


def test_a_file_says_all_of_a_rule() -> None:
    book = load_rules(SMALL)
    assert (book.version, book.kinds) == ("mine-1", ("refunds", "disputes"))
    rule = book.rule("refunds")
    assert rule is not None
    assert (rule.label.en, rule.label.zh) == ("Refunds", "退款")
    assert (rule.persistence_ms, rule.cool_down_ms) == (86_400_000, 7 * 86_400_000)
    assert rule.applies_to("tea") and not rule.applies_to("retail")
    assert rule.levels[0].tests[1].times == "refund_share_usual"
    assert rule.yields_to == ("disputes",)
    assert [[test.feature for test in tests] for tests in rule.unless] == [
        ["loans_settled_count"],
        ["tenure_days", "days_past_due"],
    ]
    other = book.rule("disputes")
    assert other is not None and not other.unless
    assert other.applies_to("retail") and not other.persistence_ms


@pytest.mark.parametrize("name", NAMES)
def test_the_shipped_file_has_its_version_as_its_name_and_a_rationale_for_every_rule(
    name: str,
) -> None:
    assert faults(TEXT) == []
    assert f"{BOOK.version}.yaml" == name
    for rule in BOOK.rules:
        assert len(rule.rationale.en) >= 40 and len(rule.rationale.zh) >= 15
        assert len(rule.label.en) <= 70 and not rule.label.en.endswith(".")
    assert len({rule.label.en for rule in BOOK.rules}) == len(BOOK.rules)


_REFUND = "{feature: refund_share_28d, ge: 0.2}"
_HOLD = "{feature: refund_share_28d, ge: 0.1}"


@pytest.mark.parametrize(
    ("old", "new", "at", "says"),
    [
        (_REFUND, "{feature: refund_shar_28d, ge: 0.2}", None, "did you mean refund_share_28d?"),
        (_REFUND, "{feature: xyzzy, ge: 0.2}", None, "'xyzzy', no feature; `tideline features`"),
        ("times: refund_share_usual", "times: refund_usual", None, "`rules.0.levels.0.tests.1.ti"),
        ("loans_settled_count, ge", "loans_settled, ge", None, "`rules.0.unless.0.0.feature`"),
        (_REFUND, "{feature: refund_share_28d}", None, "needs either `ge` or `le`"),
        (_REFUND, "{feature: refund_share_28d, ge: 0.2, le: 1}", None, "needs either"),
        (_REFUND, "{feature: refund_share_28d, ge: 20}", None, "is 20, but refund_share_28d"),
        (_REFUND, "{feature: refund_share_28d, ge: -1}", None, "refund_share_28d (ratio) is 0 to"),
        (_REFUND, "{feature: refund_share_28d, ge: .nan}", None, "finite number"),
        (_REFUND, "{feature: refund_share_28d, ge: .inf}", None, "finite number"),
        (_REFUND, "{feature: refund_share_28d, gt: 0.2}", None, "`rules.0.levels.0.tests.0.gt` is"),
        (_REFUND, "{feature: refund_share_28d, ge: many}", None, "`rules.0.levels.0.tests.0.ge`"),
        ("ge: 2, times", "ge: 0, times", None, "give a multiple above 0"),
        ("times: refund_share_usual", "times: silence_days", None, "is in days, refund_share_28d"),
        ("times: refund_share_usual", "times: refund_share_28d", None, "the feature itself"),
        ("feeds: [transactions]", "feeds: [payments]", None, "which no feature of the rule needs"),
        ("feeds: [transactions]", "feeds: [wires]", None, "`rules.0.feeds.0`"),
        ("feeds: [transactions]", "feeds: []", None, "`rules.0.feeds`"),
        ("feeds: [transactions]", "feeds: [transactions, transactions]", None, "second time"),
        ("segments: [tea]", "segments: []", None, "`rules.0.segments`"),
        (_HOLD, "{feature: refund_share_28d, ge: 0.3}", "hold:", "is stricter than level 0"),
        (_HOLD, "{feature: silence_days, ge: 3}", "hold:", "about other features"),
        ("yields_to: [disputes]", "yields_to: [refunds]", None, "is the rule itself"),
        ("yields_to: [disputes]", "yields_to: [returns]", None, "no kind of this file"),
        ("sales_count_28d, ge: 30}", "refund_share_28d, le: 0.1}", "severity: w", "never fires"),
        ("severity: warning", "severity: bad", None, "`rules.0.levels.0.severity`"),
        ("family: refunds_and_disputes", "family: gossip", None, "`rules.0.family`"),
        ("kind: refunds", "kind: Refunds!", None, "`rules.0.kind`"),
        ("zh: 退款}", "zh: Refunds}", None, "say it in Simplified Chinese"),
        ("en: Refunds,", "en: 退款,", None, "say it in English"),
        ("label: {en: Refunds, zh: 退款}", "label: {en: Refunds}", None, "zh"),
        ("persistence_hours: 24", "persistence_hours: -1", None, "`rules.0.persistence_hours`"),
        ("persistence_hours: 24", "persistence_days: 1", None, "is not a key of a rule file"),
        ("cool_down_days: 7", "cool_down_days: 7.5", None, "`rules.0.cool_down_days`"),
        ("version: mine-1", "version: Mine 1", None, "`version`"),
        ("version: mine-1\n", "", "rules:", "version"),
        ("version: mine-1", "version: &a mine-1\nx: *a", "x: *a", "alias"),
        ("version: mine-1", "version: [", None, "not YAML"),
    ],
)
def test_what_is_wrong_is_refused_with_line_key_and_remedy(
    old: str, new: str, at: str | None, says: str
) -> None:
    assert old in SMALL
    text = SMALL.replace(old, new, 1)
    with pytest.raises(RulesError) as caught:
        load_rules(text)
    assert says in str(caught.value)
    if says != "not YAML":
        needle = at or new
        lines = [number for number, line in enumerate(text.splitlines(), 1) if needle in line]
        assert caught.value.line == lines[0]
    assert str(faults(text)[0]) == str(caught.value)


def test_a_threshold_beyond_a_count_that_is_capped_is_refused() -> None:
    text = TEXT.replace("registration_changes_92d, ge: 5}", "registration_changes_92d, ge: 9}")
    with pytest.raises(RulesError, match=r"is 9, but registration_changes_92d .* is 0 to 8"):
        load_rules(text)


def test_a_kind_that_stands_twice_is_refused() -> None:
    text = SMALL.replace("kind: disputes", "kind: refunds").replace("yields_to: [disputes]", "")
    with pytest.raises(RulesError, match="'refunds' for the second time; rename one") as caught:
        load_rules(text)
    assert text.splitlines()[caught.value.line - 1] == "  - kind: refunds"


def test_rules_that_yield_in_a_ring_are_refused() -> None:
    text = SMALL.replace("kind: disputes\n", "kind: disputes\n    yields_to: [refunds]\n")
    with pytest.raises(RulesError, match="yields to this rule: none would fire"):
        load_rules(text)


@pytest.mark.parametrize("op", ["ge", "le"])
def test_a_multiple_of_what_may_be_nothing_needs_a_floor(op: str) -> None:
    """Twice a usual of 0 is no more than 0."""
    usual = SMALL.replace("ge: 2, times", f"{op}: 2, times")
    text = usual.replace("ge: 0.2}", "ge: 0}").replace("ge: 0.1}", "ge: 0}")
    with pytest.raises(RulesError, match=r"which may be 0; also ask for .* of some size") as caught:
        load_rules(text)
    assert caught.value.line == 15
    assert faults(text.replace("sales_count_28d, ge: 30", "refund_share_usual, ge: 0.01")) == []
    assert bool(faults(usual)) == (op == "le"), "a floor of the feature itself keeps only a rise"


def test_all_that_is_wrong_is_said_at_once() -> None:
    text = SMALL.replace("feature: refund_share_28d, ge: 0.2}", "feature: nothing, ge: 0.2}")
    text = text.replace("dispute_share_28d, ge: 0.02}", "dispute_share_28d, ge: 2}")
    assert [fault.line for fault in faults(text)] == [14, 33]


@pytest.mark.parametrize(
    "text",
    ["", "# only a comment", "- 1", "7", "rules: []", "version: a\nrules: []", "[" * 5000, "\x00"],
)
def test_what_is_no_rule_file_at_all_is_refused(text: str) -> None:
    with pytest.raises(RulesError):
        load_rules(text)
    assert len(faults(text)) == 1


def test_a_file_too_large_is_refused() -> None:
    with pytest.raises(RulesError, match="exceeds 200000 bytes"):
        load_rules("# " + "x" * 200_000)


@settings(deadline=None)
@given(st.integers(0, len(SMALL) - 1), st.text(max_size=3))
def test_a_damaged_file_loads_or_is_refused(at: int, noise: str) -> None:
    text = SMALL[:at] + noise + SMALL[at + 1 :]
    try:
        load_rules(text)
    except RulesError as error:
        assert 1 <= error.line <= len(text.splitlines()) + 1
        assert re.match(r"line \d+: ", str(error))
