"""Hostile texts that are stored in every field are text on every page."""

from pathlib import Path

import pytest

from schemas.outputs import Reason
from sinks.embedded import EmbeddedEngine
from tests.desk.attacked import READS, unlimited
from tests.desk.conftest import Sent, Store
from tests.desk.surface import Browser
from tests.desk.test_injections import SCRIPT, assert_harmless
from tests.sinks.outputs import alert, assessment, learner_report, limit_change

TEXTS = [SCRIPT, '"><img src=x onerror=alert(7)>', "{{ 123456 * 1000001 }}", "javascript:alert(7)"]


@pytest.mark.parametrize("text", TEXTS)
def test_what_is_stored_runs_on_no_page(
    engine: EmbeddedEngine, outbox: Sent, users_path: Path, store: Store, text: str
) -> None:
    reasons = [Reason(code=text, text=text, feature=text, value=1.0)]
    common = {"merchant_id": text, "segment": text, "reasons": reasons, "model_version": text}
    store(
        alert(1, alert_id=text, kind=text, assignee=text, currency=text, **common),
        limit_change(2, decision_id=text, product=text, line_id=text, **common),
        assessment(3, assessment_id=text, trigger=text, features={text: 1.0}, **common),
        learner_report(4, champion=text),
    )
    omar = Browser(unlimited(engine, outbox, users_path)).log_in("omar")
    shown = 0
    for target in READS:
        answer = omar.ask("GET", target.at(dict.fromkeys(target.convertors, text)))
        assert_harmless(answer, target)
        shown += "alert(7)" in answer.text or "123456 * 1000001" in answer.text
    assert shown > 1, "the text is on pages, so that this test can fail"
