"""The pages: what stands first, how figures read, empty and broken states, injections."""

import re
from html.parser import HTMLParser

import pytest
from starlette.testclient import TestClient

from desk import i18n, present
from desk.services import HERE
from schemas.outputs import Reason
from sinks.embedded import EmbeddedEngine
from tests.desk.conftest import Store
from tests.sinks.outputs import (
    alert,
    assessment,
    learner_report,
    limit_change,
)

OURS = (
    "base",
    "problem",
    "queue",
    "queue_rows",
    "queue_changes",
    "alert",
    "alert_body",
    "alert_notice",
    "alert_parts",
)
"""Templates whose texts must all be in the catalogue of messages."""


class Page(HTMLParser):
    """Text of a page, its tags, what it would load, and the token of its forms.

    No page may carry a script, a style or an event handler of its own: files alone.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.loads: list[str] = []
        self.scripts: list[str] = []
        self.tags: list[str] = []
        self.inputs: dict[str, str] = {}
        self.csrf = ""
        self.feed(html)
        self.text = re.sub(r"\s+", " ", " ".join(self.words))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        given = dict(attrs)
        if tag == "script":
            self.scripts.append(given.get("src") or "")
        if tag == "input":
            self.inputs[given.get("name") or ""] = given.get("value") or ""
        if given.get("name") == "csrf":
            self.csrf = given.get("value") or ""
        loading = ("src", "href", "data", "hx-get")
        for posted_to in ("action", "formaction", "hx-post"):
            assert re.match(r"/(?!/)", given.get(posted_to) or "/"), "only this desk is posted to"
        self.loads += [v or "" for k, v in attrs if k in loading]
        assert tag != "style"
        assert not [k for k, _ in attrs if k.startswith(("on", "hx-on")) or k == "style"]

    def handle_data(self, data: str) -> None:
        assert self.tags[-1:] != ["script"] or not data.strip(), "an inline script"
        self.words.append(data)


def page(client: TestClient, path: str, status: int = 200) -> Page:
    answer = client.get(path)
    assert answer.status_code == status
    return Page(answer.text)


def test_reasons_stand_in_words_and_money_in_major_units(analyst: TestClient, store: Store) -> None:
    store(
        alert(1, exposure_minor=123_456_789, headroom_minor=0),
        limit_change(2, previous_limit_minor=2_000_000, new_limit_minor=0, drawn_minor=150),
        limit_change(3, currency="JPY", previous_limit_minor=5_000, new_limit_minor=9_000),
    )
    text = page(analyst, "/").text
    assert "Paid orders fell to 3 a day from a usual 41" in text
    assert "No shipment for 9 days" in text
    assert "1,234,567.89 CNY" in text
    changes = page(analyst, "/queue/changes").text
    assert "20,000.00 CNY → 0.00 CNY 1.50 CNY" in changes
    assert "5,000 JPY → 9,000 JPY" in changes


def test_as_of_times_are_shown(analyst: TestClient, store: Store) -> None:
    store(*(assessment(n) for n in range(3)), alert(40), limit_change(1))
    text = page(analyst, "/").text
    assert "Events up to 2023-11-15 14:13 UTC" in text
    assert "Page of 2025-10-09 08:53 UTC" in text


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
    opened = page(analyst, "/alerts/al-1")
    assert re.sub(r"\s+", " ", text) in opened.text
    searched = analyst.get("/", params={"merchant": text, "kind": text})
    assert searched.status_code == 200 and "al-1" in searched.text
    parts = [Page(analyst.get(path).text) for path in ("/queue/rows", "/queue/changes")]
    for shown in (queue, merchant, opened, Page(searched.text), *parts):
        assert not {"iframe", "object", "embed", "base"} & set(shown.tags)
        assert all(script.startswith("/static/") for script in shown.scripts)
        assert all(address.startswith(("/", "#")) for address in shown.loads)
    assert "as-4" not in merchant.text and "secret" not in merchant.text


@pytest.mark.parametrize("path", ["/", "/alerts/al-1", "/merchants/m-1", "/models"])
def test_pages_load_nothing_from_elsewhere(analyst: TestClient, store: Store, path: str) -> None:
    store(alert(1), assessment(1), limit_change(1), learner_report(2))
    for address in set(page(analyst, path).loads):
        assert address.startswith(("/", "#")) and not address.startswith("//")
        if address.startswith("/"):
            assert analyst.get(address).status_code in (200, 405), address
    for sheet in ("desk.css", "queue.css", "icon.svg"):
        answer = analyst.get(f"/static/{sheet}")
        assert answer.status_code == 200 and "url(" not in answer.text
    for script in ("desk.js", "live.js", "work.js", "queue.js"):
        text = analyst.get(f"/static/{script}").text
        assert not re.search(r"https?://|eval\(|innerHTML|insertAdjacentHTML|new Function", text)


def test_a_store_that_does_not_answer_is_a_page_that_says_so(
    analyst: TestClient, engine: EmbeddedEngine
) -> None:
    engine.execute("RENAME TABLE alerts TO elsewhere")
    answer = analyst.get("/")
    engine.execute("RENAME TABLE elsewhere TO alerts")
    assert answer.status_code == 503
    assert "The store does not answer" in answer.text
    assert "elsewhere" not in answer.text and "DB::Exception" not in answer.text
    assert analyst.get("/").status_code == 200, "and it goes on when the store is back"


def test_every_text_of_the_queue_has_its_chinese() -> None:
    catalogue = i18n.catalogue("zh")
    sources = [HERE / "templates" / f"{name}.html" for name in OURS]
    sources += [HERE / "alerting.py", HERE / "queue_view.py", HERE / "pages" / "queue.py"]
    for path in sources:
        for text in re.findall(r"\bt\(\s*\"([^\"]+)\"", path.read_text("utf-8")):
            assert text in catalogue, f"{path.name}: {text}"
            assert set(re.findall(r"{\w+}", text)) == set(re.findall(r"{\w+}", catalogue[text]))


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
