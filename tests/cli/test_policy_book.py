"""The desk's book of policies: what ships, what ``risk.policies`` has, and what a check says."""

from collections.abc import Iterator

import pytest
from confluent_kafka import Producer
from hypothesis import given
from hypothesis import strategies as st

from credit.approvals import persons_needed
from credit.policy import load_policy
from desk.policy_books import BookUnavailable, Document, Move
from ops.settings import Kafka, Settings
from schemas import topics
from schemas.digests import content_digest
from streams.artifacts import builtin_policy, builtin_rules
from tideline import policy_book
from tideline.policy_book import Book, PublishedTexts

TEXT = builtin_policy().replace("version: working-capital-1", "version: mine-1", 1)
DIGEST = content_digest(TEXT.encode())
PORTFOLIO = load_policy(builtin_policy("portfolio-1.yaml"))


@pytest.fixture
def broker() -> Iterator[tuple[Producer, Settings]]:
    """An embedded broker with the topic of policies."""
    cluster = Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 1})
    found = next(iter(cluster.list_topics(timeout=10).brokers.values()))
    address = f"{found.host}:{found.port}"
    cluster.list_topics(topics.POLICIES, timeout=10)
    settings = Settings(kafka=Kafka(bootstrap_servers=address))
    yield Producer({"bootstrap.servers": address, "partitioner": "murmur2_random"}), settings


def publish(producer: Producer, key: str, value: bytes) -> None:
    producer.produce(topics.POLICIES, key=key.encode(), value=value)
    assert producer.flush(10) == 0


def test_texts_come_from_the_topic_as_they_are_published(
    broker: tuple[Producer, Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    producer, settings = broker
    monkeypatch.setattr(policy_book, "FRESH_S", 0.0)
    published = PublishedTexts(settings)
    assert published() == []
    publish(producer, "mine-1", TEXT.encode())
    mine = Document("policy", "mine-1", DIGEST, TEXT, False)
    assert published() == [mine] == published()
    publish(producer, "mine-1", (TEXT + "# forged\n").encode())
    publish(producer, "broken", b"\xff\xfe")
    assert [each.version for each in published()] == ["mine-1", "mine-1"]
    assert mine in published(), "other bytes under the name hide nothing"
    published.close()


def test_a_kafka_that_is_away_is_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy_book, "ANSWER_S", 0.2)
    published = PublishedTexts(Settings(kafka=Kafka(bootstrap_servers="127.0.0.1:1")))
    with pytest.raises(BookUnavailable, match="Kafka does not answer"):
        published()
    monkeypatch.setattr(published, "_catch_up", lambda: pytest.fail("asked again"))
    with pytest.raises(BookUnavailable, match="Kafka does not answer"):
        published()


def test_what_ships_comes_first_and_what_is_in_force_from_the_start_before_all() -> None:
    found = Book(lambda: [Document("policy", "mine-1", DIGEST, TEXT, False)]).documents()
    assert (found[0].version, found[0].artifact) == ("working-capital-1", "policy")
    assert found[0].text == builtin_policy()
    assert found[-1].version == "mine-1"
    assert [each.text for each in found if each.artifact == "rules"] == [builtin_rules()]
    assert all(each.digest == content_digest(each.text.encode()) for each in found)


def test_a_version_in_use_cannot_have_another_text() -> None:
    used = [Document("policy", "mine-1", "another", TEXT + "# other\n", False)]
    assert Book(list).check(TEXT).digest == DIGEST
    refused = Book(lambda: used).check(TEXT)
    line = TEXT.splitlines().index("version: mine-1") + 1
    assert [each.line for each in refused.faults] == [line]
    assert "choose a new version" in refused.faults[0].detail and not refused.version


def test_a_policy_may_name_kinds_of_any_rule_file_that_was_published() -> None:
    text = TEXT.replace("critical_kinds: [", "critical_kinds: [brand_new_kind, ", 1)
    assert text != TEXT
    assert "brand_new_kind" in Book(list).check(text).faults[0].detail
    rules = builtin_rules().replace("sales_silence", "brand_new_kind")
    used = [Document("rules", "mine-rules", "d", rules, False)]
    assert not Book(lambda: used).check(text).faults


def test_texts_that_nobody_of_ours_wrote_to_the_topic_harm_nothing() -> None:
    forged = [
        Document("rules", "mine-rules", "d", "rules: [", False),
        Document("policy", "mine-2", "e", "version: 7", False),
        Document("policy", "mine-3", "f", TEXT, False),
    ]
    book = Book(lambda: forged)
    assert not book.check(TEXT).faults
    assert book.guardrails("mine-2") is None and book.guardrails("mine-3") is None


def test_guardrails_are_those_of_the_policy() -> None:
    rails = Book(list).guardrails("portfolio-1")
    assert rails is not None and rails.breaker is not None
    assert rails.budgets_minor["portfolio.cuts.CNY"] == 2_000_000_000
    assert rails.budgets_minor["segment.raises.CNY.rural"] == 500_000_000
    assert all(name.startswith("funder.exposure.") for name in rails.headroom_minor)
    assert rails.breaker.lines_min == 10 and rails.timeout_days == 7
    assert Book(list).guardrails("never-published") is None


@given(
    st.sampled_from(sorted(PORTFOLIO.terms)),
    st.sampled_from(["open", "increase", "decrease", "override", "freeze"]),
    st.integers(0, 10**8),
    st.integers(0, 10**8),
    st.integers(0, 10**8),
)
def test_as_many_must_agree_as_the_core_wants(
    product: str, action: str, before: int, after: int, others: int
) -> None:
    move = Move(product, "CNY", action, before, after, others)
    amounts = PORTFOLIO.terms[product].currencies.get("CNY")
    wanted = persons_needed(
        PORTFOLIO, amounts, action, total_minor=others + after, moved_minor=abs(after - before)
    )
    book = Book(list)
    assert book.approvers("portfolio-1", move) == wanted
    assert book.approvers("never-published", move) is None
