"""The pages: what stands first, how figures read, empty and broken states, injections."""

import re
from html.parser import HTMLParser

import pytest
from starlette.testclient import TestClient

from desk import present
from schemas.outputs import Reason
from sinks.embedded import EmbeddedEngine
from tests.desk.conftest import Store
from tests.sinks.outputs import (
    alert,
    assessment,
    learner_report,
    limit_change,
)


class Page(HTMLParser):
    """Text of a page, its tags, and everything it would load."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.loads: list[str] = []
        self.tags: list[str] = []
        self.feed(html)
        self.text = re.sub(r"\s+", " ", " ".join(self.words))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loads += [v or "" for k, v in attrs if k in ("src", "href", "action", "data")]
        assert not [k for k, _ in attrs if k.startswith("on") or k == "style"]

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def page(client: TestClient, path: str, status: int = 200) -> Page:
    answer = client.get(path)
    assert answer.status_code == status
    return Page(answer.text)


def test_alerts_rank_by_severity_exposure_and_recency(analyst: TestClient, store: Store) -> None:
    store(
        alert(1, merchant_id="low", severity="info", exposure_minor=10**9),
        alert(2, merchant_id="small", severity="critical", exposure_minor=100),
        alert(3, merchant_id="older", severity="critical", exposure_minor=5_000),
        alert(4, merchant_id="newer", severity="critical", exposure_minor=5_000),
        alert(5, merchant_id="yen", severity="critical", exposure_minor=60, currency="JPY"),
        alert(6, merchant_id="gone", severity="critical", exposure_minor=10**9),
        alert(6, merchant_id="gone", version=2, state="closed", outcome="cured"),
        alert(7, merchant_id="later", state="snoozed", severity="critical"),
        alert(8, merchant_id="middle", severity="warning", state="acknowledged"),
    )
    html = analyst.get("/").text
    order = re.findall(r'href="/merchants/([^"]+)"', html)
    assert order == ["yen", "newer", "older", "small", "middle", "low", "later"]
    text = Page(html).text
    assert "5 critical" in text and "1 warning" in text and "1 info" in text
    assert "Acknowledged" in text


def test_reasons_stand_in_words_and_money_in_major_units(analyst: TestClient, store: Store) -> None:
    store(
        alert(1, exposure_minor=123_456_789),
        limit_change(2, previous_limit_minor=2_000_000, new_limit_minor=0, drawn_minor=150),
        limit_change(3, currency="JPY", previous_limit_minor=5_000, new_limit_minor=9_000),
    )
    text = page(analyst, "/").text
    assert "Paid orders fell to 3 a day from a usual 41" in text
    assert "No shipment for 9 days" in text
    assert "1,234,567.89 CNY" in text
    assert "20,000.00 CNY → 0.00 CNY 1.50 CNY" in text
    assert "5,000 JPY → 9,000 JPY" in text


def test_counts_and_as_of_times_are_shown(analyst: TestClient, store: Store) -> None:
    store(*(assessment(n) for n in range(3)), alert(40), limit_change(1))
    text = page(analyst, "/").text
    assert "3 assessments" in text and "1 limit changes" in text
    assert "Events up to 2023-12-24 22:13 UTC" in text
    assert "Page of 2025-10-09 08:53 UTC" in text


def test_the_queue_says_how_many_it_leaves_out(analyst: TestClient, store: Store) -> None:
    store(*(alert(n) for n in range(130)))
    assert "The first 100 of 130." in page(analyst, "/").text


def test_empty_states_say_why(analyst: TestClient, store: Store) -> None:
    text = page(analyst, "/").text
    assert "Nothing is stored yet" in text and "No limit has changed yet" in text
    store(assessment(1))
    assert "No alert is open. 1 assessments are stored" in page(analyst, "/").text


def test_the_queue_renews_itself_and_can_be_paused(analyst: TestClient) -> None:
    assert 'http-equiv="refresh"' in analyst.get("/").text
    assert 'http-equiv="refresh"' not in analyst.get("/?refresh=off").text


def test_an_unknown_merchant_is_a_page_that_says_so(analyst: TestClient) -> None:
    assert "nothing is stored of this merchant" in page(analyst, "/merchants/nobody", 404).text
    assert "no such page" in page(analyst, "/absent", 404).text


INJECTIONS = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7 * 7 }}",
    "' OR 1=1 --",
    "a\\' OR merchant_id != '",
    "../../etc/passwd",
    "a/b?c=d#e",
    "{merchant_id:String}",
    "风险 100%",
]


@pytest.mark.parametrize("text", INJECTIONS)
def test_injections_are_text_everywhere(analyst: TestClient, store: Store, text: str) -> None:
    reasons = [Reason(code=text, text=text, feature=text, value=1.0)]
    common = {"merchant_id": text, "segment": text, "reasons": reasons, "model_version": text}
    store(
        alert(1, kind=text, assignee=text, currency=text, **common),
        limit_change(2, product=text, line_id=text, **common),
        assessment(3, trigger=text, features={text: 1.0}, **common),
        assessment(4, merchant_id="secret"),
    )
    queue = page(analyst, "/")
    assert re.sub(r"\s+", " ", text) in queue.text
    link = next(href for href in queue.loads if href.startswith("/merchants/"))
    merchant = page(analyst, link)
    for shown in (queue, merchant):
        assert not {"script", "iframe", "form", "object"} & set(shown.tags)
        assert all(address.startswith(("/", "#")) for address in shown.loads)
    assert "as-4" not in merchant.text and "secret" not in merchant.text


@pytest.mark.parametrize("path", ["/", "/merchants/m-1", "/models"])
def test_pages_load_nothing_from_elsewhere(analyst: TestClient, store: Store, path: str) -> None:
    store(alert(1), assessment(1), limit_change(1), learner_report(2))
    for address in set(page(analyst, path).loads) - {"#changes"}:
        assert address.startswith("/") and not address.startswith("//")
        assert analyst.get(address).status_code == 200
    for sheet in ("/static/desk.css", "/static/icon.svg"):
        assert "url(" not in analyst.get(sheet).text


def test_a_store_that_does_not_answer_is_a_page_that_tries_again(
    analyst: TestClient, engine: EmbeddedEngine
) -> None:
    engine.execute("RENAME TABLE alerts TO elsewhere")
    answer = analyst.get("/")
    assert answer.status_code == 503
    assert "ClickHouse does not answer" in answer.text
    assert 'http-equiv="refresh"' in answer.text
    assert "elsewhere" not in answer.text and "DB::Exception" not in answer.text


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [
        (0, "CNY", "0.00 CNY"),
        (-5, "CNY", "−0.05 CNY"),
        (1_250_000, "JPY", "1,250,000 JPY"),
        (1_234, "KWD", "1.234 KWD"),
        (9_007_199_254_740_993, "CNY", "90,071,992,547,409.93 CNY"),
        (None, "CNY", "–"),
    ],
)
def test_money_reads_in_major_units(minor: int | None, currency: str, text: str) -> None:
    assert present.money(minor, currency) == text


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.5, "ratio", "50.0 %"),
        (12.0, "count", "12"),
        (1234.5, "count", "1,234.5"),
        (-0.25, "score", "−0.25"),
        (9.0, "days", "9 days"),
        (30.25, "hours", "30.2 hours"),
        (1.0, "flag", "yes"),
        (0.0, "flag", "no"),
        (None, "days", "not available"),
        (100.0, "minor", "1.00 CNY"),
    ],
)
def test_quantities_read_in_their_unit(value: float | None, unit: str, text: str) -> None:
    assert present.quantity(value, unit, "CNY") == text
