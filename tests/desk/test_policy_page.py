"""The page of policies: texts, differences, checks, publication by two, backtests."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk import policies
from desk.outbox import OutboxUnavailable
from desk.policy_books import Document
from schemas.audit import AuditEntry
from schemas.digests import content_digest
from sinks.embedded import EmbeddedEngine
from streams.artifacts import builtin_policy, builtin_rules
from tests.desk.conftest import Sent
from tests.desk.credit_desk import CreditDesk, Log, credit, line, log
from tests.sinks.outputs import DAY_MS, START_MS
from tideline.policy_book import Book

__all__ = ["credit", "log"]

SHIPPED = builtin_policy()
DRAFT = SHIPPED.replace("version: working-capital-1", "version: mine-1", 1)
DIGEST = content_digest(DRAFT.encode())


@pytest.fixture
def published() -> list[Document]:
    """Versions that were published."""
    return []


@pytest.fixture
def booked(
    engine: EmbeddedEngine, outbox: Sent, published: list[Document], tmp_path: Path
) -> CreditDesk:
    """A desk that knows shipped and published versions, with a folder of backtests."""
    return CreditDesk(engine, outbox, Book(lambda: published), tmp_path)


def propose(desk: CreditDesk, text: str = DRAFT, reason: str = "less risk") -> Any:
    return desk.post("/policy/propose", document=text, reason=reason)


def test_what_ships_is_in_force_until_something_is_published(booked: CreditDesk, log: Log) -> None:
    text = booked.text("/policy")
    assert "working-capital-1 Policy, ships with Tideline" in text
    assert "sentinels-3 Rules, ships with Tideline" in text
    assert "Nothing was published" in text
    log(
        line("policy.activated", 1, version="mine-1", digest=DIGEST, event_id="desk-1"),
        line(
            "policy.activated",
            2,
            version="mine-2",
            digest="other",
            occurred_at=START_MS + DAY_MS,
            event_id="desk-2",
        ),
        audit=(
            AuditEntry(
                audit_id="a",
                at=START_MS,
                actor="chen",
                role="approver",
                action="command",
                subject="*",
                reason="for the season",
                detail="policy.publish desk-2",
            ),
        ),
    )
    text = booked.text("/policy")
    assert "mine-2 Policy, since 2023-11-15 22:13 UTC" in text
    assert "mine-2 Policy 2023-11-15 22:13 now chen for the season other" in text
    assert "mine-1 Policy 2023-11-14 22:13 2023-11-15 22:13 not at this desk" in text


def test_a_text_is_shown_with_line_numbers_and_by_its_digest(
    booked: CreditDesk, published: list[Document]
) -> None:
    published.append(Document("policy", "mine-1", DIGEST, DRAFT, False))
    text = booked.text("/policy/documents/policy/mine-1")
    assert f"Published · digest {DIGEST}" in text
    place = DRAFT.splitlines().index("version: mine-1") + 1
    assert f"{place} version: mine-1" in text
    assert booked.get("/policy/documents/policy/mine-1?digest=other").status_code == 404
    assert booked.get("/policy/documents/policy/none").status_code == 404
    assert "Ships with Tideline" in booked.text("/policy/documents/rules/sentinels-3")


def test_two_versions_differ_line_by_line(booked: CreditDesk, published: list[Document]) -> None:
    published.append(Document("policy", "mine-1", DIGEST, DRAFT, False))
    text = booked.text("/policy?from=policy/working-capital-1&to=policy/mine-1")
    assert "-version: working-capital-1" in text and "+version: mine-1" in text
    same = booked.text("/policy?from=policy/mine-1&to=policy/mine-1")
    assert "The texts are equal" in same
    mixed = booked.text("/policy?from=policy/mine-1&to=rules/sentinels-3")
    assert "choose two of a kind" in mixed
    assert "-version" not in booked.text("/policy?from=policy/none&to=nonsense")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (DRAFT.replace("cool_down_up_ms", "cool_down_upp_ms", 1), "cool_down_upp_ms"),
        ("version: mine-1\n", "Line"),
        ("rules: 3\n", "Line"),
        (SHIPPED.replace("override_days: ", "override_days: 1", 1), "choose a new version"),
    ],
)
def test_a_text_with_a_fault_is_refused_with_line_and_reason(
    booked: CreditDesk, text: str, said: str
) -> None:
    for path, status in (("/policy/check", 200), ("/policy/propose", 400)):
        answer = booked.post(path, document=text, reason="x")
        assert answer.status_code == status
        assert "This text would be refused" in answer.text and said in answer.text
    assert "No draft waits" in booked.text("/policy") and not booked.commands()


def test_the_check_names_the_line_of_the_fault(booked: CreditDesk) -> None:
    lines = DRAFT.splitlines()
    place = next(n for n, each in enumerate(lines, 1) if each.startswith("override_days"))
    lines[place - 1] = "override_days: -3"
    assert f"Line {place}:" in booked.post("/policy/check", document="\r\n".join(lines)).text


def test_a_good_text_shows_its_difference_before_it_is_proposed(booked: CreditDesk) -> None:
    answer = booked.post("/policy/check", document=DRAFT)
    assert answer.status_code == 200 and "This text may be published" in answer.text
    assert "+version: mine-1" in answer.text and DIGEST in answer.text


def test_a_second_person_publishes_and_the_first_cannot(booked: CreditDesk) -> None:
    assert propose(booked.become("lin", "analyst")).headers["location"] == "/policy?sent=proposed"
    assert "mine-1 Policy lin" in booked.text("/policy")
    fields = {"digest": DIGEST, "reason": "agreed"}
    assert booked.post("/policy/publish", **fields).status_code == 403, "an analyst"
    own = booked.become("lin", "approver").post("/policy/publish", **fields)
    assert own.status_code == 403 and "somebody else must publish it" in own.text
    assert "You proposed it" in booked.text(f"/policy/drafts/{DIGEST}")
    assert not booked.commands()
    booked.become("mei", "approver")
    assert "Publish" in booked.text(f"/policy/drafts/{DIGEST}")
    assert booked.post("/policy/publish", **fields).headers["location"] == "/policy?sent=published"
    sent = booked.commands()
    assert len(sent) == 1
    assert (sent[0]["type"], sent[0]["merchant_id"]) == ("policy.publish", "*")
    assert sent[0]["document"] == DRAFT and sent[0]["actor"] == "mei"
    assert sent[0]["reason"] == "agreed (proposed by lin: less risk)"
    assert booked.post("/policy/publish", **fields).status_code == 404, "it is gone"
    details = [each["detail"] for each in booked.outbox.of("desk.audit")]
    assert f"policy.propose {DIGEST}" in details


def test_a_draft_is_whole_with_the_products_that_ship(booked: CreditDesk) -> None:
    head = DRAFT.split("\n---\n", 1)[0] + "\n"
    assert head != DRAFT
    assert propose(booked.become("lin", "analyst"), head).status_code == 303
    assert "mine-1" in booked.become("mei", "approver").text(f"/policy/drafts/{DIGEST}")


def test_a_draft_is_checked_again_before_it_is_published(
    booked: CreditDesk, published: list[Document]
) -> None:
    propose(booked.become("lin", "analyst"))
    published.append(Document("policy", "mine-1", "other", DRAFT + "# other\n", False))
    answer = booked.become("mei", "approver").post("/policy/publish", digest=DIGEST, reason="x")
    assert answer.status_code == 400 and "choose a new version" in answer.text
    assert not booked.commands()


def test_a_draft_stays_where_kafka_does_not_take_it(
    booked: CreditDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    propose(booked.become("lin", "analyst"))

    def fail(*_: object) -> None:
        raise OutboxUnavailable("Kafka takes nothing")

    with monkeypatch.context() as patch:
        patch.setattr(booked.outbox, "send", fail)
        booked.become("mei", "approver")
        assert booked.post("/policy/publish", digest=DIGEST, reason="x").status_code == 503
    assert booked.post("/policy/publish", digest=DIGEST, reason="x").status_code == 303


def test_a_draft_waits_once_and_is_discarded_by_its_proposer_or_an_approver(
    booked: CreditDesk,
) -> None:
    propose(booked.become("lin", "analyst"))
    assert propose(booked).status_code == 400
    assert booked.become("ann", "analyst").post("/policy/discard", digest=DIGEST).status_code == 403
    assert booked.become("lin", "analyst").post("/policy/discard", digest=DIGEST).status_code == 303
    assert booked.get(f"/policy/drafts/{DIGEST}").status_code == 404


def test_a_rule_file_is_published_in_the_same_way(booked: CreditDesk) -> None:
    text = builtin_rules().replace("version: sentinels-3", "version: mine-rules-1", 1)
    assert propose(booked.become("lin", "analyst"), text).status_code == 303
    digest = content_digest(text.encode())
    booked.become("mei", "approver")
    assert booked.post("/policy/publish", digest=digest, reason="x").status_code == 303
    assert booked.commands()[0]["document"] == text


def test_policies_are_for_who_sees_all_merchants(booked: CreditDesk) -> None:
    booked.become("pat", "approver", "partner")
    for path in ("/policy", "/policy/documents/policy/working-capital-1", "/policy/drafts/x"):
        assert booked.get(path).status_code == 403
    for path in ("check", "propose", "publish", "discard"):
        answer = booked.post(f"/policy/{path}", document=DRAFT, digest=DIGEST, reason="x")
        assert answer.status_code == 403
    assert "/policy" not in booked.get("/limits").text
    assert "/policy" in booked.become("mei", "approver").get("/limits").text


def test_a_viewer_reads_and_proposes_nothing(booked: CreditDesk) -> None:
    booked.become("vic", "viewer")
    assert "Check a text and propose it" not in booked.text("/policy")
    assert propose(booked).status_code == 403


def test_a_desk_without_a_book_shows_what_is_stored(credit: CreditDesk, log: Log) -> None:
    log(line("policy.activated", 1, version="mine-1", digest=DIGEST))
    text = credit.text("/policy")
    assert "mine-1 Policy, since" in text and "unknown" in text
    assert credit.post("/policy/check", document=DRAFT).status_code == 503


# --- backtests ------------------------------------------------------------------------------------


def summary(**over: Any) -> dict[str, Any]:
    totals = {"net": 120_000.0, "loss": 30_000.0, "withheld_good": 5_000.0}
    net = {"field": "net", "total_minor": 4_000.0, "low_minor": -900.0, "high_minor": 9_000.0}
    moved = {"approvals": 3, "cuts": 40, "cuts_reverted": 2, "actions": {"open": 9}}
    return {
        "policies": ["working-capital-1", "mine-1"],
        "events": 12_345,
        "merchants": 67,
        "loans_ended": 50,
        "loans_defaulted": 4,
        "currencies": [
            {
                "currency": "CNY",
                "merchants": 67,
                "totals_minor": {"working-capital-1": totals, "mine-1": totals},
                "differences": {"mine-1": [net]},
                "segments": {},
            }
        ],
        "behaviour": {"working-capital-1": moved, "mine-1": moved},
        **over,
    }


def test_the_newest_summaries_of_the_folder_are_shown(booked: CreditDesk, tmp_path: Path) -> None:
    assert "The folder has no summary yet" in booked.text("/policy")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "backtest.json").write_text(json.dumps(summary()))
    (tmp_path / "older.json").write_text(json.dumps(summary(events=7)))
    os.utime(tmp_path / "older.json", (1_000_000_000, 1_000_000_000))
    (tmp_path / "broken.json").write_text('{"policies": 3}')
    (tmp_path / "notes.txt").write_text("not looked at")
    text = booked.text("/policy")
    assert "12,345 events, 67 merchants, 50 loans ended, 4 in default" in text
    assert "mine-1 CNY 1,200.00 CNY 40.00 CNY −9.00 CNY to 90.00 CNY 300.00 CNY 50.00 CNY 3" in text
    assert text.index("run/backtest.json") < text.index("older.json")
    assert "broken.json" in text and "Not a summary of a backtest: Expected `array`" in text
    assert "notes.txt" not in text


def test_a_link_out_of_the_folder_is_not_followed(booked: CreditDesk, tmp_path: Path) -> None:
    outside = tmp_path.parent / f"{tmp_path.name}-outside.json"
    outside.write_text(json.dumps(summary(events=99_999)))
    (tmp_path / "link.json").symlink_to(outside)
    assert "99,999" not in booked.text("/policy")


def test_a_folder_that_is_not_there_is_named(
    engine: EmbeddedEngine, outbox: Sent, tmp_path: Path
) -> None:
    desk = CreditDesk(engine, outbox, Book(list), tmp_path / "none")
    assert "TIDELINE_DESK__BACKTESTS_FOLDER: No such file" in desk.text("/policy")


def test_what_backtest_writes_is_what_the_page_reads(booked: CreditDesk, tmp_path: Path) -> None:
    from tideline.backtesting import report
    from tideline.backtesting.compare import Behaviour, Comparison, Currency, Difference

    net = Difference(field="net", total_minor=4_000, low_minor=-900, high_minor=9_000)
    money = {field: 100.0 for field in report.LABELS}
    counted = dict.fromkeys(Behaviour.__struct_fields__, 1) | {"actions": {}}
    behaviour = Behaviour(**counted)  # type: ignore[arg-type]
    found = Comparison(
        policies=["a", "b"],
        currencies=[
            Currency(
                currency="CNY",
                merchants=2,
                totals_minor={"a": money, "b": money},
                differences={"b": [net]},
                segments={},
            )
        ],
        behaviour={"a": behaviour},
        loans_without_disbursement=0,
    )
    counts = {"events": 31, "merchants": 2, "loans_ended": 1, "loans_defaulted": 0}
    report.write_json(found, counts, tmp_path)
    text = booked.text("/policy")
    assert "31 events, 2 merchants" in text and "b CNY 1.00 CNY 40.00 CNY" in text


# --- pure -----------------------------------------------------------------------------------------

_LINES = st.lists(st.text("ab: \t", max_size=6), max_size=30).map("\n".join)


@given(_LINES, _LINES)
def test_a_difference_is_empty_for_equal_texts_alone(before: str, after: str) -> None:
    made = policies.difference(before, after, "one", "two")
    assert (not made) == (before.splitlines() == after.splitlines())
    added = sum(each.kind == "added" for each in made)
    removed = sum(each.kind == "removed" for each in made)
    assert added - removed == len(after.splitlines()) - len(before.splitlines())


def test_a_long_difference_says_what_it_leaves_out() -> None:
    before = "\n".join(f"a{n}" for n in range(3_000))
    made = policies.difference(before, "", "one", "two")
    assert len(made) == policies.DIFF_LINES_MAX + 1
    assert made[-1].text == f"@@ {3_003 - policies.DIFF_LINES_MAX} more lines @@"


def test_injections_are_text(booked: CreditDesk) -> None:
    text = DRAFT.replace(
        "version: mine-1", "# </textarea><script>alert(1)</script>\nversion: mine-1"
    )
    answer = booked.post("/policy/check", document=text)
    assert "<script>alert" not in answer.text and answer.text.count("</textarea>") == 1
