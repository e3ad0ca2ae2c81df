"""The treasury as a processor: requests in, leases out, a state that goes on after a restart."""

import msgspec
import pytest

from credit.guardrails import STANDING
from ops.errors import FatalError
from ops.metrics import Metrics
from schemas import topics
from schemas.codec import encode
from schemas.events import BudgetLeased
from schemas.outputs import BudgetRequest
from streams.artifacts import MemoryArtifacts, builtin_policy, genesis
from streams.intake import Intake
from streams.records import Output, Record
from streams.treasury import Treasurer, policies_of

DAY = 20_000
AS_OF = DAY * 86_400_000
RAISES = "portfolio.raises.CNY"
BOUND_MINOR = 5_000_000_000
TEXT = builtin_policy("portfolio-1.yaml")


def treasurer(partitions: int = 2) -> Treasurer:
    return Treasurer(partitions, policies_of(MemoryArtifacts(), TEXT))


def said(partition: int = 0, **fields: object) -> Record:
    request = BudgetRequest(
        partition=partition,
        as_of=AS_OF,
        policy_version="portfolio-1",
        **{"day": DAY, **fields},  # type: ignore[arg-type]
    )
    return Record(topics.BUDGET_REQUESTS, 0, 0, None, encode(request), [], 0)


def leases(outputs: list[Output]) -> list[BudgetLeased]:
    assert {(each.topic, each.key) for each in outputs} <= {(topics.CONTROL, b"*")}
    return [msgspec.json.decode(each.value or b"", type=BudgetLeased) for each in outputs]


def test_a_day_that_begins_gives_every_partition_its_first_lease_of_every_budget() -> None:
    found = leases(treasurer().process(said()))
    budgets = {lease.budget_id for lease in found}
    assert budgets >= {RAISES, "portfolio.cuts.USD", "segment.cuts.CNY.rural"}
    assert "funder.exposure.CNY.partner-bank" in budgets
    assert len(found) == 2 * len(budgets) and len({lease.event_id for lease in found}) == len(found)
    for lease in found:
        assert lease.currency in lease.budget_id.split(".")
        assert (lease.day is None) == lease.budget_id.startswith("funder.")
        assert lease.occurred_at == AS_OF
    assert {lease.amount_minor for lease in found if lease.budget_id == RAISES} == {
        BOUND_MINOR // 4
    }


def test_its_state_goes_on_after_a_restart_and_only_what_changed_is_written() -> None:
    first = treasurer()
    first.process(said())
    items = dict(first.dirty())
    assert set(items) == {str(DAY).encode(), str(STANDING).encode()} and not first.dirty()
    wants = {"budget_id": RAISES, "granted_minor": BOUND_MINOR // 4, "wanted_minor": BOUND_MINOR}
    second = treasurer()
    second.restore(items)
    assert second.process(said()) == []
    answers = second.process(said(1, **wants))
    assert answers == first.process(said(1, **wants))
    assert [lease.amount_minor for lease in leases(answers)] == [BOUND_MINOR // 2]
    assert [key for key, _ in second.dirty()] == [str(DAY).encode()]
    assert second.figures() == first.figures()


def test_a_state_of_another_number_of_partitions_is_refused() -> None:
    first = treasurer()
    first.process(said())
    with pytest.raises(FatalError, match="number of partitions must not change"):
        treasurer(3).restore(dict(first.dirty()))


def test_a_policy_that_nobody_published_stops_the_treasury() -> None:
    with pytest.raises(FatalError, match="policy other-1 is in force and was not published"):
        treasurer().begin(DAY, "other-1", AS_OF)


def test_a_published_policy_is_found_by_its_version() -> None:
    artifacts = MemoryArtifacts()
    artifacts.put("policy", "portfolio-1", TEXT.encode())
    found = Treasurer(2, policies_of(artifacts, genesis().policy_text))
    assert found.begin(DAY, "working-capital-1", AS_OF) == []
    assert found.begin(DAY, "portfolio-1", AS_OF)
    assert found.bounds("portfolio-1") and not found.bounds("working-capital-1")


def test_the_metrics_show_budgets_of_the_latest_day_alone() -> None:
    subject, metrics = treasurer(), Metrics()
    subject.process(said())
    spent = {"budget_id": RAISES, "granted_minor": BOUND_MINOR // 4, "spent_minor": 7}
    subject.process(said(1, **spent, wanted_minor=BOUND_MINOR))
    metrics.budgets(subject.figures())

    def shown(name: str) -> float | None:
        return metrics.registry.get_sample_value(
            f"tideline_budget_{name}_minor", {"budget": RAISES}
        )

    assert shown("bound") == shown("granted") == BOUND_MINOR
    assert (shown("spent"), shown("left")) == (7, 0)
    subject.process(said(day=DAY + 1))
    metrics.budgets(subject.figures())
    assert shown("spent") == 0
    metrics.budgets(())
    assert shown("spent") is None


def test_a_lease_goes_into_the_log_of_its_partition_alone(intake: Intake) -> None:
    for number, partition in enumerate((2, 9)):
        lease = BudgetLeased(
            event_id=f"l{number}",
            merchant_id="*",
            occurred_at=AS_OF,
            budget_id=RAISES,
            partition=partition,
            amount_minor=5,
            currency="CNY",
            day=DAY,
        )
        intake.take(Record(topics.CONTROL, 0, number, b"*", encode(lease), [], 0), AS_OF)
    out = intake.flush()
    assert [each.partition for each in out if each.topic == topics.EVENTS] == [2]
    (letter,) = [each for each in out if each.topic == topics.DEAD_LETTERS]
    assert b"`partition` is 9; there are 4" in (letter.value or b"")
