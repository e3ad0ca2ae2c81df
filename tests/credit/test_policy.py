"""Policies are checked whole; what is wrong is told with its line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit.bundle import bundle, documents
from credit.policies import NAMES
from credit.policy import BAND_ORDER, Policy, PolicyError, band_at_least, load_policy
from tests.credit.desk import PRODUCTS, policy_text
from tests.detectors.rulebook import KINDS

TEXT = policy_text()


def line_of(text: str, needle: str) -> int:
    return next(i for i, line in enumerate(text.splitlines(), 1) if needle in line)


@pytest.mark.parametrize("name", NAMES)
def test_shipped_policies_load_under_the_version_of_their_file(name: str) -> None:
    policy = load_policy(policy_text(name))
    assert isinstance(policy, Policy)
    assert f"{policy.version}.yaml" == name


@pytest.mark.parametrize("name", NAMES)
def test_shipped_policies_freeze_on_kinds_of_the_shipped_rules(name: str) -> None:
    load_policy(policy_text(name), KINDS)


def test_a_policy_outlives_the_rule_file_that_had_its_kinds() -> None:
    text = TEXT.replace("[sales_silence,", "[a_kind_of_another_rule_file,")
    assert "a_kind_of_another_rule_file" in load_policy(text).freeze.critical_kinds
    with pytest.raises(PolicyError, match="no kind of alert"):
        load_policy(text, KINDS)


def test_the_second_policy_is_nowhere_more_generous() -> None:
    first, second = (load_policy(policy_text(name)) for name in NAMES[:2])
    for band in BAND_ORDER:
        assert second.risk_multipliers[band] <= first.risk_multipliers[band]
    terms = first.terms["working-capital"]
    for code, amounts in second.terms["working-capital"].currencies.items():
        assert amounts.cap_minor <= terms.currencies[code].cap_minor


@pytest.mark.parametrize(
    ("old", "new", "at", "said"),
    [
        ("term_days: 365", "term_dayz: 365", "term_dayz", "not a key of a product"),
        ("term_days: 365\n", "", None, "term_days"),
        ("  months: 1.0", "  months: lots", "months", "`capacity.months`"),
        ("  months: 1.0", "  months: -1", "months", "`capacity.months`"),
        ("  months: 1.0", "  months: .nan", "months", "`capacity.months`"),
        ("  months: 1.0", "  monthz: 1.0", "monthz", "`capacity.monthz` is not a key"),
        ("  CNY: {floor", "  CNX: {floor", "CNX", "ISO 4217"),
        ("CNY: {floor_minor: 100000,", "CNY: {floor_minor: 90000000,", "CNY", "exceeds cap_minor"),
        ("CNY: {floor_minor: 100000,", "CNY: {floor_minor: 100001,", "CNY", "no multiple"),
        (
            "USD: {floor_minor: 20000,",
            "USD: {floor_minor: 1.5,",
            "USD",
            "`currencies.USD.floor_minor`",
        ),
        ("USD: {floor_minor: 20000,", "USD: {floor: 20000,", "USD", "`currencies.USD.floor`"),
        ("USD: {floor_minor: 20000, ", "USD: {", "USD", "floor_minor"),
        ("  CNY: {floor", "  USD: {floor", "  USD: {floor_minor: 20000", "stands twice"),
        ("E: 0.0}", "E: 0.9}", "risk_multipliers", "worse band"),
        (", E: 0.0}", "}", "risk_multipliers", "lacks band E"),
        ("E: 0.0}", "F: 0.0}", "risk_multipliers", "`risk_multipliers.F`"),
        ("E: 0.0}", "E: 7}", "risk_multipliers", "`risk_multipliers.E`"),
        ("up_max_ratio: 0.3", "up_max_ratio: 0.1", "up_max_ratio", "hysteresis"),
        ("[sales_silence,", "[sales_silents,", "critical_kinds", "no kind of alert"),
        ("override_days: 30", "override_days: 0", "override_days", "`override_days`"),
        ("version: working-capital-1", "version: 1", "version:", "`version`"),
        ("version: working-capital-1", "version: Working Capital", "version:", "`version`"),
        ("[working-capital-1]", "[working-capital-9]", None, "not among"),
        ("[working-capital-1]", "[working-capital-1, green-1]", "products:", "neither ships"),
        ("[working-capital-1]", "[]", "products:", "`products`"),
        ("kind: turnover", "kind: turnovers", "kind:", "turnovers"),
        ("kind: turnover", "kind: platform\n  unsettled_rate: 1", "unsettled_rate", "not a key"),
        ("band: C\n  # Share", "band: F\n  # Share", "worst_band: F", "`opening.worst_band`"),
        ("pre_approved: true", "pre_approved: 1", "pre_approved:", "`opening.pre_approved`"),
        ("override_days: 30", "] # here", "# here", "not YAML"),
        ("override_days: 30", "override_dayz: 30", "override_dayz", "not a key of a policy"),
        ("term_days: 365", "term_days: &a 365\nx: *a", "x: *a", "alias"),
        ("term_days: 365", "term_days: !!python/name:os.system 1", "term_days", "read"),
        ("term_days: 365", "term_days: !!int x", "term_days", "read"),
        ("term_days: 365", "? [a]\n: 1", "? [a]", "not a name"),
    ],
)
def test_what_is_wrong_is_refused_with_line_and_key(
    old: str, new: str, at: str | None, said: str
) -> None:
    text = TEXT.replace(old, new, 1)
    assert text != TEXT
    with pytest.raises(PolicyError) as caught:
        load_policy(text, KINDS)
    assert said in str(caught.value)
    if at is not None:
        assert caught.value.line == line_of(text, at)
        assert str(caught.value).startswith(f"line {caught.value.line}: ")


@pytest.mark.parametrize(
    "text", ["", "# only a comment", "- 1", "7", "a: b: c", "\x00", "[" * 5000, "x" * 100_000]
)
def test_what_is_no_policy_at_all_is_refused(text: str) -> None:
    with pytest.raises(PolicyError):
        load_policy(text)


@given(st.text(max_size=200))
def test_no_text_does_anything_but_load_or_be_refused(text: str) -> None:
    with pytest.raises(PolicyError):
        load_policy(text)


@given(st.integers(0, len(TEXT) - 1), st.text(max_size=3))
def test_a_damaged_policy_loads_or_is_refused(at: int, noise: str) -> None:
    try:
        load_policy(TEXT[:at] + noise + TEXT[at + 1 :])
    except PolicyError as error:
        assert error.line >= 1


def test_bands_compare_by_risk_and_no_history_is_never_good_enough() -> None:
    assert band_at_least("A", "C") and band_at_least("C", "C")
    assert not band_at_least("D", "C")
    assert not band_at_least("insufficient_history", "E")


def test_a_bundle_takes_what_the_policy_names_from_what_ships_and_only_that() -> None:
    head = documents(TEXT)[0][1]
    assert bundle(head, PRODUCTS) == TEXT
    assert bundle(TEXT, PRODUCTS) == TEXT
    with pytest.raises(PolicyError, match="neither ships nor comes with the policy"):
        load_policy(head)


def test_a_product_of_one_s_own_goes_before_the_shipped_one_of_its_version() -> None:
    own = TEXT.replace("months: 1.0", "months: 0.3")
    assert bundle(own, PRODUCTS) == own


def test_a_product_that_stands_twice_or_another_version_of_its_name_is_refused() -> None:
    product = documents(TEXT)[1][1]
    with pytest.raises(PolicyError, match="stands twice"):
        load_policy(f"{TEXT}---\n{product}")
    second = PRODUCTS["working-capital-2"]
    both = TEXT.replace("[working-capital-1]", "[working-capital-1, working-capital-2]")
    with pytest.raises(PolicyError, match="another version of product"):
        load_policy(f"{both}---\n{second}")


def test_a_margin_is_asked_only_of_products_with_a_price() -> None:
    strict = policy_text("working-capital-2.yaml").replace(
        "override_days: 14", "override_days: 14\nminimum_margin: 0.01"
    )
    with pytest.raises(PolicyError, match="has no `pricing`"):
        load_policy(strict)
