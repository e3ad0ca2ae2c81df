"""Lines open, rise, fall, freeze and end as the policy says, each change with its reasons."""

import math

import pytest
from msgspec import structs

from credit.lines import Line, decision_id_of, line_id_of
from tests.credit.desk import (
    AMOUNTS,
    POLICY,
    START_MS,
    later,
    merchant,
    opened,
    say,
    step,
    with_terms,
)

NAN = math.nan
SILENT = {"silence_days": 25.0}


def test_a_known_and_active_merchant_is_pre_approved_at_half_of_its_capacity() -> None:
    found = step(None, merchant(10_000))
    assert found is not None
    line, change = found
    assert (change.action, change.version, change.previous_limit_minor) == ("open", 1, 0)
    assert change.new_limit_minor == line.limit_minor == 500_000
    assert change.line_id == line_id_of("m1", "working-capital")
    assert change.effective_at == change.decided_at == START_MS
    assert change.expires_at == later(365)
    assert change.approval == "automatic"
    assert change.causes == ["e1"]
    assert change.reasons[0].text == (
        "Sales of 10,000.00 CNY in 28 days and the present risk support a limit of 10,000.00 CNY"
    )
    versions = (change.model_version, change.policy_version, change.feature_version)
    assert versions == ("prior-1", "working-capital-1", "f1")


@pytest.mark.parametrize(
    ("features", "others"),
    [
        ({"tenure_days": 40}, {}),
        ({"active_days_28d": 3}, {}),
        ({"turnover_usual_28d_minor": NAN}, {}),
        (SILENT, {}),
        ({"days_past_due": 15}, {}),
        ({"refund_share_28d": 0.2}, {}),
        ({}, {"band": "D"}),
        ({}, {"band": "insufficient_history"}),
        ({}, {"consent": False}),
        ({}, {"paused": True}),
        ({}, {"currency": "XXX"}),
    ],
)
def test_no_line_opens_without_history_health_consent_and_a_currency(features, others) -> None:
    assert step(None, merchant(10_000, **features), **others) is None


def test_no_line_opens_below_the_floor() -> None:
    assert step(None, merchant(1_900)) is None


def test_an_application_opens_earlier_and_for_no_more_than_was_asked() -> None:
    young = merchant(10_000, tenure_days=30, active_days_28d=5)
    assert step(None, young) is None
    found = step(None, young, applied_minor=200_000)
    assert found is not None and found[1].new_limit_minor == 200_000
    assert found[1].reasons[0].code == "applied_amount"
    more = step(None, young, applied_minor=90_000_000)
    assert more is not None and more[1].new_limit_minor == 500_000


def test_the_cap_holds_however_much_is_sold() -> None:
    assert opened(10**9).limit_minor == AMOUNTS.cap_minor // 2
    found = step(opened(10**9), merchant(10**9), at=later(400))
    assert found is not None and found[0].limit_minor <= AMOUNTS.cap_minor


def test_a_line_rises_by_one_step_after_its_cool_down() -> None:
    line = opened()
    assert step(line, merchant(50_000), at=later(27)) is None
    found = step(line, merchant(50_000), at=later(28))
    assert found is not None
    assert (found[1].action, found[1].new_limit_minor) == ("increase", 650_000)
    assert step(found[0], merchant(50_000), at=later(50)) is None


@pytest.mark.parametrize(
    ("features", "others"),
    [
        ({"turnover_7d_minor": 0.0}, {}),
        ({"turnover_28d_minor": NAN}, {}),
        ({"refund_share_28d": 0.2}, {}),
        ({}, {"consent": False}),
        ({}, {"paused": True}),
        ({}, {"band": "insufficient_history"}),
        ({}, {"currency": "USD"}),
    ],
)
def test_no_raise_without_full_windows_consent_and_quiet_rules(features, others) -> None:
    found = step(opened(), merchant(50_000, **features), at=later(30), **others)
    assert found is None or found[1].action != "increase"


def test_a_change_within_hysteresis_is_not_worth_a_letter() -> None:
    line = opened(10_000)
    assert step(line, merchant(5_700), at=later(30)) is None
    assert step(line, merchant(4_300), at=later(30)) is None


def test_a_fall_of_sales_cuts_by_one_step_and_again_after_the_cool_down() -> None:
    line = opened(20_000)
    fallen = merchant(2_000, turnover_usual_28d_minor=2_000_000)
    found = step(line, fallen, at=later(1), hits=[])
    assert found is not None
    line, change = found
    assert (change.action, change.new_limit_minor) == ("decrease", 600_000)
    assert change.reasons[0].code == "capacity"
    assert step(line, fallen, at=later(7), hits=[]) is None
    again = step(line, fallen, at=later(8), hits=[])
    assert again is not None and again[1].new_limit_minor == 360_000


def test_one_quiet_week_cuts_nobody() -> None:
    assert step(opened(), merchant(10_000, turnover_7d_minor=0.0), at=later(30), hits=[]) is None


def test_a_worse_band_cuts_with_the_adverse_reasons_first() -> None:
    found = step(opened(), merchant(10_000, repayment_late_share=0.9), at=later(30), band="D")
    assert found is not None
    assert found[1].action == "decrease"
    assert found[1].reasons[0].code == "repayment_late_share"


def test_a_model_alone_cuts_nobody() -> None:
    line = structs.replace(opened(), limit_minor=1_000_000)
    assert step(line, merchant(10_000), at=later(30), band="C") is None
    loose = structs.replace(POLICY, cuts_need_evidence=False)
    found = step(line, merchant(10_000), at=later(30), band="C", policy=loose)
    assert found is not None and found[1].action == "decrease"


def test_a_lower_cap_brings_lines_down_step_by_step() -> None:
    line = structs.replace(opened(10**9), limit_minor=30_000_000)
    lower = with_terms(currencies={"CNY": structs.replace(AMOUNTS, cap_minor=20_000_000)})
    found = step(line, merchant(10**9), at=later(30), policy=lower)
    assert found is not None and found[1].new_limit_minor == 20_000_000
    assert found[1].reasons[0].code == "above_cap"


def test_a_cut_stops_at_what_is_drawn_and_says_so() -> None:
    found = step(
        opened(20_000),
        merchant(2_000, turnover_usual_28d_minor=2_000_000),
        at=later(1),
        hits=[],
        drawn_minor=755_555,
    )
    assert found is not None
    assert found[1].new_limit_minor == 760_000
    assert "held_at_drawn" in [reason.code for reason in found[1].reasons]


def test_a_cut_stops_at_the_floor() -> None:
    line = structs.replace(opened(), limit_minor=120_000)
    assert step(line, merchant(10_000), at=later(30), band="E") is not None
    low = structs.replace(line, limit_minor=100_000)
    assert step(low, merchant(10_000), at=later(30), band="E") is None


def test_a_critical_rule_freezes_and_says_that_the_limit_is_below_what_is_drawn() -> None:
    found = step(opened(), merchant(10_000, **SILENT), at=later(1), drawn_minor=300_000)
    assert found is not None
    line, change = found
    assert (change.action, change.new_limit_minor) == ("freeze", 0)
    assert (line.frozen_by, line.frozen_limit_minor) == ("rule", 500_000)
    codes = [reason.code for reason in change.reasons]
    assert codes[0] == "days_silent" and codes[-1] == "limit_below_drawn"


def test_days_past_due_freeze_even_in_another_currency_and_without_history() -> None:
    late = merchant(10_000, days_past_due=15)
    for others in ({"currency": "USD"}, {"band": "insufficient_history"}, {"consent": False}):
        found = step(opened(), late, at=later(1), **others)
        assert found is not None and found[1].action == "freeze"
        assert found[1].currency == "CNY"


def test_a_pause_of_automation_holds_a_freeze_by_rule_too() -> None:
    assert step(opened(), merchant(10_000, **SILENT), at=later(1), paused=True) is None


def frozen() -> Line:
    found = step(opened(), merchant(10_000, **SILENT), at=later(1))
    assert found is not None
    return found[0]


def test_a_freeze_by_rule_ends_once_its_cause_is_gone_for_long_enough() -> None:
    line = frozen()
    assert step(line, merchant(10_000, **SILENT), at=later(20)) is None
    assert step(line, merchant(10_000), at=later(14)) is None
    assert step(line, merchant(10_000), at=later(15), band="D") is None
    found = step(line, merchant(10_000), at=later(15))
    assert found is not None
    assert (found[1].action, found[1].new_limit_minor) == ("release", 500_000)
    assert found[0].frozen_by is None and found[0].frozen_limit_minor == 0


def test_a_release_gives_no_more_than_one_cut_below_allows() -> None:
    found = step(frozen(), merchant(2_000), at=later(15))
    assert found is not None and found[1].new_limit_minor == 300_000
    assert step(frozen(), merchant(500), at=later(15)) is None


def test_a_term_that_ends_is_reviewed() -> None:
    line = opened()
    renewed = step(line, merchant(10_000, turnover_7d_minor=0.0), at=later(365), hits=[])
    assert renewed is not None
    assert (renewed[1].action, renewed[1].new_limit_minor) == ("open", 500_000)
    assert renewed[1].expires_at == later(730)
    closed = step(line, merchant(10_000), at=later(365), band="E", drawn_minor=100_000)
    assert closed is not None
    assert (closed[1].action, closed[1].new_limit_minor) == ("close", 0)
    assert closed[1].reasons[-1].code == "limit_below_drawn"
    unknown = {
        "turnover_7d_minor": NAN,
        "turnover_28d_minor": NAN,
        "turnover_usual_28d_minor": NAN,
    }
    assert step(line, merchant(10_000, **unknown), at=later(365)) is None


def test_a_closed_line_opens_again_after_a_cool_down_under_the_same_id() -> None:
    closed = step(opened(), merchant(10_000), at=later(365), band="E")
    assert closed is not None
    assert step(closed[0], merchant(10_000), at=later(380)) is None
    found = step(closed[0], merchant(10_000), at=later(393))
    assert found is not None
    assert (found[1].action, found[1].version) == ("open", 3)
    assert found[1].line_id == closed[1].line_id


def test_the_same_decision_has_the_same_id_and_another_has_another() -> None:
    first, again = step(None, merchant()), step(None, merchant())
    assert first == again and first is not None
    other = step(None, merchant(), causes=["e2"])
    assert other is not None and other[1].decision_id != first[1].decision_id
    assert decision_id_of("l", 1, 2, ["a", "b"], "p") != decision_id_of("l", 1, 2, ["ab"], "p")


def test_an_override_holds_until_it_ends_and_only_a_freeze_passes() -> None:
    set_by_hand = say(opened(), "limit.override", amount_minor=2_000_000, expires_at=later(60))
    assert set_by_hand is not None
    line, change = set_by_hand
    assert (change.action, change.new_limit_minor) == ("override", 2_000_000)
    assert step(line, merchant(10_000), at=later(59), band="E") is None
    frozen_anyway = step(line, merchant(10_000, **SILENT), at=later(30))
    assert frozen_anyway is not None and frozen_anyway[1].action == "freeze"
    ended = step(line, merchant(10_000), at=later(60))
    assert ended is not None
    assert (ended[1].action, ended[1].new_limit_minor) == ("decrease", 1_200_000)
    assert ended[1].reasons[0].code == "override_ended"


def test_a_frozen_line_waits_for_its_feed_before_it_is_released() -> None:
    frozen = step(opened(), merchant(10_000, days_past_due=15), at=later(1))
    assert frozen is not None and frozen[1].action == "freeze"
    paid = merchant(10_000, days_past_due=0)
    assert step(frozen[0], paid, at=later(40), held=["payments"]) is None
    released = step(frozen[0], paid, at=later(40))
    assert released is not None and released[1].action == "release"


def test_a_fall_in_sales_cuts_nobody_while_the_feed_of_sales_is_quiet() -> None:
    fallen = merchant(4_000, turnover_usual_28d_minor=1_000_000)
    line = opened()
    assert step(line, fallen, at=later(30), held=["transactions"]) is None
    cut = step(line, fallen, at=later(30))
    assert cut is not None and cut[1].action == "decrease"


def test_a_term_that_ends_while_a_feed_is_quiet_is_reviewed_when_it_is_back() -> None:
    line = opened()
    assert step(line, merchant(10_000), at=later(366), held=["signals"]) is None
    renewed = step(line, merchant(10_000), at=later(366))
    assert renewed is not None and renewed[1].action == "open"


def test_days_past_due_freeze_unless_the_repayments_are_what_is_missing() -> None:
    late = merchant(10_000, days_past_due=15)
    line = opened()
    assert step(line, late, at=later(1), held=["lending"]) is None
    found = step(line, late, at=later(1), held=["transactions", "logistics"])
    assert found is not None and found[1].action == "freeze"


def test_a_rule_freezes_only_on_feeds_that_flow() -> None:
    line, silent = opened(), merchant(10_000, **SILENT)
    assert step(line, silent, at=later(1), held=["logistics"]) is None
    found = step(line, silent, at=later(1), held=["lending"])
    assert found is not None and found[1].action == "freeze"
