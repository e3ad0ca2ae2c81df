"""The queue: its order, its cut, filters, clocks, what is told to whom, and its live part."""

import re
from typing import Any

import pytest
from starlette.testclient import TestClient

from desk import filters as filtering
from desk.filters import Filters
from desk.forms import InvalidForm
from desk.queue_view import hours_of
from sinks.embedded import EmbeddedEngine
from tests.desk.conftest import NOW_S, Store
from tests.desk.test_pages import Page
from tests.sinks.outputs import alert, assessment, limit_change

NOW_MS = int(NOW_S * 1000)
HOUR_MS = 3_600_000


def due(number: int, **over: Any) -> Any:
    """An alert opened an hour ago, to be acknowledged in three."""
    fields = {
        "opened_at": NOW_MS - HOUR_MS,
        "updated_at": NOW_MS - HOUR_MS,
        "severity": "warning",
        "probability_of_default": 0.1,
        "headroom_minor": 0,
        "acknowledged_at": None,
        "acknowledge_by": NOW_MS + 3 * HOUR_MS,
        "close_by": NOW_MS + 300 * HOUR_MS,
        "merchant_id": f"m-{number}",
    }
    return alert(number, **{**fields, **over})


def fresh(client: TestClient, path: str) -> str:
    """A part of the page, after a look at what is stored."""
    client.app.state.live.look()  # type: ignore[attr-defined]
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    return answer.text


def order(html: str) -> list[str]:
    return re.findall(r'id="alert-([^"]+)"', html)


def test_money_probability_and_urgency_make_the_order(analyst: TestClient, store: Store) -> None:
    store(
        due(1, exposure_minor=1_000_00),
        due(2, exposure_minor=1_000_00, probability_of_default=0.3),
        due(3, exposure_minor=1_000_00, severity="critical"),
        due(4, exposure_minor=1_000_00, headroom_minor=500_00),
        due(5, exposure_minor=9_000_00, severity="info", probability_of_default=0.01),
        due(6, exposure_minor=90_000_00),
        due(6, exposure_minor=90_000_00, version=2, state="closed", outcome="cured"),
        due(7, exposure_minor=90_000_00, state="snoozed", snoozed_until=NOW_MS + HOUR_MS),
        due(8, exposure_minor=700_00, acknowledge_by=NOW_MS - 100 * HOUR_MS),
    )
    html = analyst.get("/").text
    # With nearness 1.958, of al-8 3: 1,175, 783, 470, 420, 392 and 176.
    assert order(html) == ["al-2", "al-3", "al-4", "al-8", "al-1", "al-5"]
    assert "1,200.00 CNY" in Page(html).text, "exposure and 40 % of what could still be drawn"


def test_what_does_not_fit_into_the_hours_is_counted_with_its_money(
    analyst: TestClient, store: Store
) -> None:
    store(*(due(n, exposure_minor=1_000_00 * (n + 1)) for n in range(30)))
    text = Page(analyst.get("/").text).text
    assert "Fits into today's 6 h 24 alerts, about 6.0 h of work" in text
    assert "Left out: 6 alerts, 21,000.00 CNY at risk" in text, "the smallest six: 1 to 6 thousand"
    page = Page(analyst.get("/").text)
    answer = analyst.post(
        "/queue/hours", data={"csrf": page.csrf, "hours": "1", "filters": "severity=warning"}
    )
    assert (answer.status_code, answer.headers["location"]) == (303, "/?severity=warning")
    text = Page(analyst.get("/").text).text
    assert "Fits into today's 1 h 4 alerts, about 1.0 h of work" in text
    assert "Left out: 26 alerts" in text
    wrong = analyst.post("/queue/hours", data={"csrf": page.csrf, "hours": "25", "filters": ""})
    assert wrong.status_code == 400 and "not 0 to 24" in wrong.text


def test_more_than_a_page_is_counted_too(analyst: TestClient, store: Store) -> None:
    store(*(due(n, exposure_minor=100_00) for n in range(230)))
    html = analyst.get("/").text
    assert len(order(html)) == 120
    assert "Left out: 206 alerts, 20,600.00 CNY at risk" in Page(html).text


def test_currencies_are_ranked_by_their_rates_or_said_to_weigh_nothing(
    analyst: TestClient, store: Store
) -> None:
    store(
        due(1, exposure_minor=100_00),
        due(2, exposure_minor=100_00),
        due(3, exposure_minor=10**9, currency="USD"),
    )
    html = analyst.get("/").text
    assert order(html)[-1] == "al-3"
    assert "1 alerts on this page are in USD, of which no rate is set" in Page(html).text


def test_filters_narrow_and_stay_in_the_address(analyst: TestClient, store: Store) -> None:
    store(
        due(1, severity="critical", kind="silence", segment="retail", assignee="mei"),
        due(2, severity="info", kind="silence", merchant_id="Acme-7"),
        due(3, acknowledge_by=NOW_MS - HOUR_MS, assignee="desk", state="assigned"),
        due(4, acknowledge_by=NOW_MS + 9 * HOUR_MS, currency="EUR"),
        due(5, state="closed", outcome="cured"),
        due(6, state="snoozed", snoozed_until=NOW_MS + HOUR_MS),
        limit_change(7, merchant_id="m-4", product="seller"),
    )
    for query, expected in {
        "severity=critical": {"al-1"},
        "kind=silence": {"al-1", "al-2"},
        "segment=retail": {"al-1"},
        "merchant=acme": {"al-2"},
        "assignee=me": {"al-3"},
        "assignee=mei": {"al-1"},
        "assignee=nobody": {"al-2", "al-4"},
        "clock=overdue": {"al-3"},
        "clock=soon": {"al-1", "al-2"},
        "currency=EUR": {"al-4"},
        "product=seller": {"al-4"},
        "state=assigned": {"al-3"},
        "state=closed": {"al-5"},
        "state=snoozed": {"al-6"},
        "severity=info&kind=silence": {"al-2"},
        "kind=nothing": set(),
    }.items():
        html = analyst.get(f"/?{query}").text
        assert set(order(html)) == expected, query
        assert f'hx-get="/queue/rows?{query.replace("&", "&amp;")}"' in html
    assert "No alert matches the filters" in analyst.get("/?kind=nothing").text


@pytest.mark.parametrize("query", ["state=lost", "severity=huge", "clock=12", "kind=" + "x" * 300])
def test_a_filter_that_is_no_choice_is_refused_by_name(analyst: TestClient, query: str) -> None:
    answer = analyst.get(f"/?{query}")
    assert answer.status_code == 400
    assert f"`{query.partition('=')[0]}`" in answer.text


def test_filters_of_an_address_read_back_as_they_were_written() -> None:
    filters = Filters(severity="info", merchant="a&b=c", assignee="me")
    from urllib.parse import parse_qsl

    assert filtering.chosen(dict(parse_qsl(filters.query()))) == filters
    assert Filters().query() == ""
    with pytest.raises(InvalidForm, match="state"):
        filtering.chosen({"state": "x"})


def test_tiles_count_what_each_would_show(analyst: TestClient, store: Store) -> None:
    store(
        due(1, severity="critical"),
        due(2, severity="critical", acknowledge_by=NOW_MS - 1),
        due(3, severity="info", acknowledge_by=NOW_MS + 99 * HOUR_MS),
        due(4, state="snoozed", snoozed_until=NOW_MS + HOUR_MS),
    )
    text = Page(analyst.get("/").text).text
    assert "2 critical 0 warning 1 info 1 overdue 1 due within 4 h 1 snoozed" in text
    text = Page(analyst.get("/?severity=critical").text).text
    assert "2 critical 0 warning 1 info 1 overdue 1 due within 4 h 0 snoozed" in text


def test_deadlines_say_what_is_overdue_and_by_how_much(analyst: TestClient, store: Store) -> None:
    store(
        due(1, acknowledge_by=NOW_MS - 26 * HOUR_MS),
        due(2, acknowledged_at=NOW_MS - 9, close_by=NOW_MS + 30 * 60_000, state="acknowledged"),
    )
    text = Page(analyst.get("/").text).text
    assert "Acknowledge: 1 d 2 h overdue" in text
    assert "Close within 30 min" in text


def test_a_snooze_that_is_over_is_work_again(analyst: TestClient, store: Store) -> None:
    store(due(1, state="snoozed", snoozed_until=NOW_MS - 1))
    assert order(analyst.get("/").text) == ["al-1"]


def test_the_live_part_answers_only_to_news(analyst: TestClient, store: Store) -> None:
    store(due(1))
    html = fresh(analyst, "/queue/rows")
    seen = re.search(r'name="seen" value="([0-9a-f]{16})"', html)
    assert seen is not None and order(html) == ["al-1"]
    assert analyst.get("/queue/rows", params={"seen": seen[1]}).status_code == 204
    store(due(2))
    assert set(order(fresh(analyst, f"/queue/rows?seen={seen[1]}"))) == {"al-1", "al-2"}


def test_many_viewers_of_one_state_cost_one_query(
    analyst: TestClient, store: Store, engine: EmbeddedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(due(1))
    asked: list[str] = []
    query = EmbeddedEngine.query

    def counted(self: EmbeddedEngine, sql: str, params: Any = None) -> Any:
        asked.append(sql)
        return query(self, sql, params)

    monkeypatch.setattr(EmbeddedEngine, "query", counted)
    first = fresh(analyst, "/queue/rows")
    made = len(asked)
    assert made > 0
    assert {analyst.get("/queue/rows").text for _ in range(50)} == {first}
    assert len(asked) - made <= 2, "a look a second at most"
    monkeypatch.undo()


def test_the_cached_part_is_not_shown_to_who_may_see_less(
    engine: EmbeddedEngine, store: Store, analyst: TestClient
) -> None:
    from desk.identity import Viewer
    from tests.desk.conftest import session_of

    store(
        due(1, merchant_id="ours"),
        due(2, merchant_id="theirs"),
        limit_change(3, merchant_id="ours", line_id="l", version=1),
    )
    assert set(order(fresh(analyst, "/queue/rows"))) == {"al-1", "al-2"}
    funder = session_of(analyst, Viewer("fund", "viewer", ("own",)))
    html = funder.get("/queue/rows").text
    assert order(html) == ["al-1"] and "theirs" not in html
    assert "data-act" not in html, "a viewer may not work alerts"
    assert "theirs" not in funder.get("/").text
    assert funder.get("/alerts/al-2").status_code == 404
    assert funder.get("/alerts/al-2/state").status_code == 404


def test_the_queue_reads_in_chinese(analyst: TestClient, store: Store) -> None:
    from schemas.outputs import Reason

    reason = Reason(code="x", text="Refunds rose", feature="refund_share_28d", value=0.4, usual=0.1)
    store(due(1, reasons=[reason], acknowledge_by=NOW_MS - HOUR_MS))
    analyst.cookies.set("tideline_language", "zh")
    text = Page(analyst.get("/").text).text
    assert "预警队列" in text and "确认已超时 1 小时 0 分钟" in text
    assert "近28天退款率：40.0 %（平常 10.0 %）" in text
    assert "Refunds rose" not in text and "Money at risk" not in text


def test_an_empty_store_and_a_quiet_one_say_so(analyst: TestClient, store: Store) -> None:
    assert "Nothing is stored yet" in analyst.get("/").text
    store(assessment(1))
    assert "No alert is open. 1 assessments are stored" in Page(analyst.get("/").text).text


@pytest.mark.parametrize(
    ("text", "hours"), [(None, 6.0), ("", 6.0), ("x", 6.0), ("nan", 6.0), ("-1", 6.0), ("3.3", 3.5)]
)
def test_hours_of_nonsense_are_the_default(text: str | None, hours: float) -> None:
    assert hours_of(text, 6.0) == hours
