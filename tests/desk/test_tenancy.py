"""A funder sees its own merchants and no other's, on every route that there is."""

from pathlib import Path

import pytest
from starlette.applications import Starlette

from schemas import topics
from schemas.outputs import FunderShare, Reason
from sinks.embedded import EmbeddedEngine
from tests.desk.attacked import CHANGES, READS, VALID, fill, named, unlimited
from tests.desk.conftest import Sent
from tests.desk.people import TOKENS
from tests.desk.surface import Browser, Target
from tests.sinks.outputs import alert, assessment, learner_report, limit_change

MARKS = {"bank-a": "aardvark", "bank-b": "buffalo", "own-book": "capybara"}
"""By funder: what stands in every text of its merchants, and in nobody else's."""


def merchant(funder: str, number: int) -> list[object]:
    """Everything that is stored of a merchant; its texts bear the funder's mark."""
    mark = MARKS[funder]
    ids = {"merchant_id": f"m-{mark}", "segment": f"s-{mark}"}
    reasons = [Reason(code=f"r-{mark}", text=f"reason-{mark}", feature=f"f-{mark}", value=1.0)]
    return [
        assessment(number, assessment_id=f"as-{mark}", reasons=reasons, **ids),
        alert(number, alert_id=f"al-{mark}", assignee=f"who-{mark}", reasons=reasons, **ids),
        limit_change(
            number,
            decision_id=f"d-{mark}",
            line_id=f"l-{mark}",
            product=f"p-{mark}",
            version=1,
            reasons=reasons,
            funders=[FunderShare(funder=funder, limit_minor=1_500_000)],
            **ids,
        ),
        limit_change(
            number + 1,
            decision_id=f"d2-{mark}",
            line_id=f"l-{mark}",
            product=f"p-{mark}",
            version=2,
            state="pending",
            approval="pending",
            reasons=reasons,
            funders=[FunderShare(funder=funder, limit_minor=1_500_000)],
            **ids,
        ),
    ]


@pytest.fixture(scope="module")
def filled(migrated: EmbeddedEngine) -> EmbeddedEngine:
    """A store with a merchant of each funder."""
    outputs = [made for place, name in enumerate(MARKS) for made in merchant(name, place * 3)]
    fill(migrated, *outputs, learner_report(2))
    return migrated


@pytest.fixture
def app(filled: EmbeddedEngine, outbox: Sent, users_path: Path) -> Starlette:
    """A desk over that store."""
    return unlimited(filled, outbox, users_path)


def values_of(mark: str) -> dict[str, str]:
    """Parameters that name a funder's merchant."""
    ids = {"merchant_id": "m", "alert_id": "al", "decision_id": "d2", "line_id": "l"}
    return {**VALID, **{name: f"{kind}-{mark}" for name, kind in ids.items()}}


def marks_in(text: str, *asked: str) -> set[str]:
    """Funders whose merchants an answer speaks of, besides the words that were asked for."""
    for word in asked:
        text = text.replace(word, "")
    return {funder for funder, mark in MARKS.items() if mark in text}


QUERIES = ({}, {"q": "m-"}, {"q": "m-{}"}, {"segment": "s-{}"}, {"assignee": "who-{}"})
"""What is asked besides the path, with the mark of a funder in it."""


@pytest.mark.parametrize("target", READS, ids=named)
@pytest.mark.parametrize(("name", "own"), [("bank-a", "bank-a"), ("bank-b", "bank-b")])
def test_no_answer_to_a_funder_speaks_of_anothers_merchants(
    app: Starlette, target: Target, name: str, own: str
) -> None:
    bank = Browser(app).log_in(name)
    for query in QUERIES:
        mine = {key: text.format(MARKS[own]) for key, text in query.items()}
        answer = bank.ask("GET", target.at(values_of(MARKS[own])), query=mine)
        assert marks_in(answer.text) <= {own}
    for other in set(MARKS) - {own}:
        values = values_of(MARKS[other])
        named_ids = [value for key, value in values.items() if value != VALID.get(key)]
        for query in QUERIES:
            theirs = {key: text.format(MARKS[other]) for key, text in query.items()}
            answer = bank.ask("GET", target.at(values), query=theirs)
            words = [word for word in theirs.values() if MARKS[other] in word]
            in_path = [word for word in named_ids if word in target.at(values)]
            assert marks_in(answer.text, *words, *in_path) <= {own}, theirs


@pytest.mark.parametrize("target", CHANGES, ids=named)
def test_a_funder_sends_no_command_about_anothers_merchant(
    app: Starlette, outbox: Sent, target: Target
) -> None:
    bank = Browser(app).log_in("bank-b")
    for other in ("bank-a", "own-book"):
        values = values_of(MARKS[other])
        asked = target.at(values)
        answer = bank.ask(target.method, asked, form=values)
        assert marks_in(answer.text, *values.values()) <= {"bank-b"}, asked
        mixed = {**values, "merchant_id": f"m-{MARKS['bank-b']}"}
        answer = bank.ask(target.method, target.at(mixed), form=values)
        assert marks_in(answer.text, *values.values()) <= {"bank-b"}, asked
    for sent in outbox.of(topics.COMMANDS):
        assert MARKS["bank-a"] not in str(sent) and MARKS["own-book"] not in str(sent)


def test_whoever_is_bound_to_nothing_sees_the_merchants_of_all(app: Starlette) -> None:
    vera = Browser(app).log_in("vera")
    seen: set[str] = set()
    for target in READS:
        for mark in MARKS.values():
            seen |= marks_in(vera.ask("GET", target.at(values_of(mark))).text)
    assert seen == set(MARKS), "the marks are on pages, so that the tests above can fail"


@pytest.mark.parametrize("name", ["bank-a", "bank-b"])
def test_a_funder_sees_its_own(app: Starlette, name: str) -> None:
    bank = Browser(app).log_in(name)
    assert MARKS[name] in bank.ask("GET", "/").text
    assert bank.ask("GET", f"/merchants/m-{MARKS[name]}").status == 200


@pytest.mark.parametrize("target", [t for t in READS if t.path.startswith("/api/")], ids=named)
def test_a_token_bound_to_a_funder_sees_no_more_than_it(app: Starlette, target: Target) -> None:
    bearer = {"authorization": f"Bearer {TOKENS['reader']}"}
    for mark in MARKS.values():
        asked = target.at(values_of(mark))
        answer = Browser(app).ask("GET", asked, headers=bearer)
        assert marks_in(answer.text, *values_of(mark).values()) <= {"bank-a"}, asked


@pytest.mark.parametrize("other", ["bank-a", "own-book"])
def test_a_funder_cannot_unmask_anothers_merchant(app: Starlette, outbox: Sent, other: str) -> None:
    bank = Browser(app).log_in("bank-b")
    form = {"merchant_id": f"m-{MARKS[other]}", "reason": "to see whether it is let through"}
    assert bank.ask("POST", "/unmask", form=form).status == 404
    assert [e["action"] for e in outbox.of(topics.DESK_AUDIT)] == ["login"]
    own = {**form, "merchant_id": f"m-{MARKS['bank-b']}"}
    assert bank.ask("POST", "/unmask", form=own).status == 303
