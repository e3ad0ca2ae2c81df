"""Scoring of all partitions in one process: shared budgets are leased at definite places."""

from collections import defaultdict
from typing import Any

import msgspec

from credit.guardrails import CUTS, RAISES
from schemas import topics
from schemas.outputs import LimitChange
from streams.artifacts import MemoryArtifacts, builtin_policy, genesis
from streams.intake import Intake
from streams.partitions import HeldPolicy, held_start
from streams.pipeline import Pipeline

DAY_MS = 86_400_000
START_MS = 19_723 * DAY_MS
PARTITIONS = 3
SHIPPED = builtin_policy("portfolio-1.yaml").replace("holdout_share: 0.02", "holdout_share: 0.0")
BUDGET_MINOR = 26_000_000
TIGHT = SHIPPED.replace(
    "raises_minor: {CNY: 5000000000, USD: 700000000}", f"raises_minor: {{CNY: {BUDGET_MINOR}}}", 1
)
LOWER = TIGHT.replace("version: portfolio-1", "version: lower-1").replace(
    f"raises_minor: {{CNY: {BUDGET_MINOR}}}", "raises_minor: {CNY: 13000000}", 1
)
MERCHANTS = [f"m{number}" for number in range(12)]


def replay(
    text: str, days: int = 64, *, product: str = "working-capital", publish: dict[int, str] | None
) -> tuple[list[LimitChange], list[tuple[str, bytes]], Pipeline]:
    """Merchants trade each day, and apply on day 58; policies are published on their days."""
    artifacts = MemoryArtifacts()
    intake = Intake(partitions=PARTITIONS, privacy_key=bytes(32), artifacts=artifacts)
    said: list[tuple[str, bytes]] = []
    pipeline = Pipeline(
        intake,
        artifacts,
        lambda *each: said.append(each),
        learner=None,
        start=held_start(genesis(), text),
        scoring_artifacts=HeldPolicy(artifacts, text) if publish is None else artifacts,
    )
    number = 0

    def feed(kind: str, merchant: str, at: int, **fields: Any) -> None:
        nonlocal number
        number += 1
        event = {"type": kind, "event_id": f"e{number}", "merchant_id": merchant, "occurred_at": at}
        pipeline.feed("f", number, msgspec.json.encode(event | fields), at)

    for merchant in MERCHANTS:
        feed("merchant.registered", merchant, START_MS, segment="retail", name="a", country="CN")
    for day in range(days):
        at = START_MS + day * DAY_MS + 1000
        document = (publish or {}).get(day)
        if document is not None:
            feed("policy.publish", "*", at, actor="li", document=document)
        for place, merchant in enumerate(MERCHANTS):
            for hour in range(3):
                moment = at + hour * 3_600_000 + place * 1000
                feed("order.paid", merchant, moment, amount=300_000, currency="CNY")
            if day == 58:
                more = {"amount": 8_000_000, "currency": "CNY", "product": product}
                feed("credit.applied", merchant, at + 5 * 3_600_000 + place * 1000, **more)
    pipeline.finish(START_MS + days * DAY_MS)
    changes = [
        msgspec.json.decode(value, type=LimitChange)
        for topic, value in said
        if topic == topics.LIMIT_CHANGES
    ]
    assert not intake.dead_letters
    return changes, said, pipeline


def moved_by_rule(changes: list[LimitChange]) -> dict[tuple[int, str], int]:
    """What rules moved, by UTC day and direction."""
    moved: dict[tuple[int, str], int] = defaultdict(int)
    for change in changes:
        what = "cuts" if change.action in CUTS else "raises" if change.action in RAISES else ""
        if what and change.approval == "automatic" and change.state == "sent":
            day = change.decided_at // DAY_MS
            moved[day, what] += abs(change.new_limit_minor - change.previous_limit_minor)
    return moved


def test_the_shipped_policy_with_budgets_moves_lines() -> None:
    changes, said, pipeline = replay(SHIPPED, publish=None)
    assert {change.merchant_id for change in changes} == set(MERCHANTS)
    assert {change.action for change in changes} >= {"open"}
    assert not any(each.stats["guardrail_leased_budget"] for each in pipeline.scoring)
    assert any(topic == topics.BUDGET_REQUESTS for topic, _ in said)


def test_a_tight_budget_is_used_over_partitions_and_never_exceeded() -> None:
    changes, said, pipeline = replay(TIGHT, publish=None)
    raised = {day: minor for (day, what), minor in moved_by_rule(changes).items() if what != "cuts"}
    assert len(raised) > 1, "what waits is decided on later days"
    assert all(minor <= BUDGET_MINOR for minor in raised.values())
    assert max(raised.values()) > BUDGET_MINOR / 2
    assert sum(each.stats["guardrail_leased_budget"] for each in pipeline.scoring) > 0
    again = replay(TIGHT, publish=None)
    assert again[1] == said, "the same bytes again"


def test_a_lower_budget_that_is_published_holds_from_its_day_on() -> None:
    changes, _, pipeline = replay(TIGHT, publish={58: LOWER})
    assert {each.policy_version for each in pipeline.scoring} == {"lower-1"}
    raised = {day: minor for (day, what), minor in moved_by_rule(changes).items() if what != "cuts"}
    later = [minor for day, minor in raised.items() if day > START_MS // DAY_MS + 58]
    assert later and all(minor <= 13_000_000 for minor in later)


def test_a_funder_s_cap_bounds_its_parts_of_all_lines() -> None:
    cap = 10_000_000
    text = SHIPPED.replace(
        "exposure_cap_minor: {CNY: 5000000000}", f"exposure_cap_minor: {{CNY: {cap}}}"
    )
    changes, _, pipeline = replay(text, product="co-lending", publish=None)
    parts: dict[str, int] = {}
    most = 0
    for change in changes:
        if change.state != "sent":
            continue
        for share in change.funders:
            if share.funder == "partner-bank":
                parts[change.line_id] = share.limit_minor
        most = max(most, sum(parts.values()))
    assert 0 < most <= cap
    assert sum(each.stats["guardrail_funder_headroom"] for each in pipeline.scoring) > 0
