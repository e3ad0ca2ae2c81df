"""The terms of alerts: what a policy may say, and what a suppression covers."""

from datetime import date
from typing import Any

import msgspec
import pytest

from credit.policy import PolicyError, load_policy
from detectors.alert_terms import AlertTerms, Hours, Suppression
from streams.artifacts import builtin_policy
from tests.detectors.rulebook import BOOK

DAY_MS = 86_400_000
NEW_YEAR_MS = 1_798_761_600_000
"""2027-01-01, UTC."""
TEXT = builtin_policy()


def policy(alerts: str) -> str:
    return TEXT.replace("\noverride_days:", f"\n{alerts}\noverride_days:", 1)


def test_a_policy_without_terms_has_those_that_are_documented() -> None:
    assert load_policy(TEXT).alerts == AlertTerms()
    said = load_policy(policy("alerts: {reopen_within_days: 3}")).alerts
    assert said == AlertTerms(reopen_within_days=3)


def test_a_suppression_in_a_file_is_read_with_its_day() -> None:
    lines = (
        "alerts:",
        "  suppress:",
        "    - kinds: [sales_silence, cohort_region, core_silent]",
        "      products: [working-capital]",
        "      until: 2026-12-31",
        "      reason: Shops close for the trade fair.",
    )
    (suppression,) = load_policy(policy("\n".join(lines)), BOOK.kinds).alerts.suppress
    assert suppression.until == date(2026, 12, 31)
    assert suppression.ends_at == NEW_YEAR_MS


@pytest.mark.parametrize(
    ("alerts", "said"),
    [
        ("{reopen_within_days: -1}", "`alerts.reopen_within_days`"),
        ("{reopen_for_days: 1}", "`alerts.reopen_for_days` is not a key"),
        ("{snooze_days_max: 0}", "`alerts.snooze_days_max`"),
        ("{falls_after_hours: 1.5}", "`alerts.falls_after_hours`"),
        ("{close_within_hours: {critical: 9, warning: 10}}", "info"),
        (
            "{acknowledge_within_hours: {critical: 9, warning: 8, info: 10}}",
            "`alerts.acknowledge_within_hours.critical` is longer than for warning",
        ),
        (
            "{close_within_hours: {critical: 3, warning: 300, info: 300}}",
            "`alerts.close_within_hours.critical` is shorter than acknowledge_within_hours",
        ),
        (
            "{suppress: [{until: 2026-12-31, reason: All.}]}",
            "`alerts.suppress.0` would suppress every alert",
        ),
        ("{suppress: [{kinds: [sales_silence], until: 2026-12-31}]}", "reason"),
        ("{suppress: [{kinds: [sales_silence], reason: x}]}", "until"),
        ("{suppress: [{kinds: [sales_silence], reason: x, until: 2026-13-31}]}", "until"),
        ("{suppress: [{kinds: [sales_silence], reason: x, until: next week}]}", "until"),
        (
            "{suppress: [{kinds: [sales_silents], reason: x, until: 2026-12-31}]}",
            "`alerts.suppress.0.kinds.0` is 'sales_silents', no kind of alert",
        ),
        (
            "{suppress: [{products: [gold], reason: x, until: 2026-12-31}]}",
            "`alerts.suppress.0.products.0` is 'gold', no product of the policy; "
            "use one of working-capital",
        ),
    ],
)
def test_terms_that_make_no_sense_are_refused_with_line_and_key(alerts: str, said: str) -> None:
    text = policy(f"alerts: {alerts}")
    with pytest.raises(PolicyError) as caught:
        load_policy(text, BOOK.kinds)
    assert said in str(caught.value)
    line = next(n for n, each in enumerate(text.splitlines(), 1) if each.startswith("alerts:"))
    assert caught.value.line == line


def test_any_kind_will_do_in_a_policy_that_was_published_before() -> None:
    text = policy("alerts: {suppress: [{kinds: [gone], reason: x, until: 2026-12-31}]}")
    assert load_policy(text).alerts.suppress[0].kinds == ("gone",)


@pytest.mark.parametrize(
    ("over", "covers"),
    [
        ({}, True),
        ({"at": NEW_YEAR_MS - 1}, True),
        ({"at": NEW_YEAR_MS}, False),
        ({"kind": "invoice_gap"}, False),
        ({"merchant": "m2"}, False),
        ({"segment": "retail"}, False),
        ({"products": ()}, False),
        ({"products": ("bills", "working-capital")}, True),
    ],
)
def test_a_suppression_covers_what_meets_every_list_until_its_day_is_over(
    over: dict[str, Any], covers: bool
) -> None:
    suppression = Suppression(
        until=date(2026, 12, 31),
        reason="x",
        kinds=("sales_silence",),
        segments=("wholesale",),
        products=("working-capital",),
        merchants=("m1",),
    )
    case: dict[str, Any] = {
        "kind": "sales_silence",
        "merchant": "m1",
        "segment": "wholesale",
        "products": ("working-capital",),
        "at": NEW_YEAR_MS - 90 * DAY_MS,
        **over,
    }
    assert suppression.covers(**case) == covers
    assert AlertTerms(suppress=(suppression,)).suppresses(**case) == covers
    assert not AlertTerms().suppresses(**case)


def test_the_schema_of_policies_knows_the_terms() -> None:
    schema = msgspec.json.encode(msgspec.json.schema(AlertTerms)).decode()
    assert '"format":"date"' in schema
    assert all(f'"{name}"' in schema for name in AlertTerms.__struct_fields__)


def test_hours_are_by_severity() -> None:
    assert Hours(critical=1, warning=2, info=3).ms("warning") == 2 * 3_600_000
