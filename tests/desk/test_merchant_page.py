"""The merchant page: lines, features beside peers, counterparties, trail, search and commands."""

import json
import re
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from credit.lines import line_id_of
from desk import comparison, i18n
from desk.comparison import Peers
from desk.pages.merchant_actions import WHY_NOT
from desk.preview import UNKNOWN_POLICY
from schemas import topics
from schemas.outputs import FunderShare, Reason
from sinks.embedded import EmbeddedEngine
from tests.desk.conftest import Sent, Store, csrf_of
from tests.desk.merchant_log import (
    LABELS,
    Knock,
    Log,
    as_person,
    event,
    line_change,
    log,
)
from tests.desk.test_pages import INJECTIONS, Page
from tests.sinks.outputs import DAY_MS, START_MS, alert, assessment

__all__ = ["as_person", "log"]

LINE = line_id_of("m", "co-lending")
SHARES = [
    FunderShare(funder="bank-a", limit_minor=700_000),
    FunderShare(funder="own-book", limit_minor=300_000),
]


def text_of(client: TestClient, path: str, status: int = 200) -> str:
    answer = client.get(path)
    assert answer.status_code == status, answer.text
    return Page(answer.text).text


def post(client: TestClient, path: str, **fields: str) -> tuple[int, str, str]:
    """Status, address of a redirect, and text of the answer to a form."""
    answer = client.post(path, data={"csrf": csrf_of(client), **fields})
    return answer.status_code, answer.headers.get("location", ""), Page(answer.text).text


# --- lines ------------------------------------------------------------------------------------


def test_a_line_shows_limit_drawn_utilisation_headroom_funders_and_the_core_s_answer(
    as_person: Knock, store: Store, log: Log
) -> None:
    said = [Reason(code="capacity", text="Sales support it", feature="turnover_28d_minor")]
    store(
        line_change(1, "open", 0, 600_000, funders=[SHARES[1]]),
        line_change(
            2, "increase", 600_000, 1_000_000, funders=SHARES, reasons=said, drawn_minor=200_000
        ),
        assessment(90, merchant_id="m", exposure_minor=250_000),
    )
    log(event(30, "limit.acknowledged", decision_id="co-lending-2", line_id=LINE, version=2))
    text = text_of(as_person("vera"), "/merchants/m")
    assert "Limit 10,000.00 CNY Drawn 2,500.00 CNY Utilisation 25.0 % Headroom 7,500.00 CNY" in text
    assert "bank-a 7,000.00 CNY ; own-book 3,000.00 CNY" in text.replace("CNY;", "CNY ;")
    assert "Lending core booked 2023-12-14 22:13" in text
    assert "Last change: Limit raised, 6,000.00 CNY → 10,000.00 CNY" in text
    assert "Sales support it" in text
    assert "Booked by the lending core" in text and "Sent, not answered yet" in text


def test_an_open_proposal_and_a_refusal_of_the_core_are_told(
    as_person: Knock, store: Store, log: Log
) -> None:
    store(
        line_change(1, "open", 0, 600_000),
        line_change(
            2, "increase", 600_000, 900_000, state="proposed", approval="required", actor="mei"
        ),
    )
    log(event(11, "limit.rejected", decision_id="co-lending-1", reason="account closed"))
    text = text_of(as_person("vera"), "/merchants/m")
    assert "Open proposal: Limit raised, 6,000.00 CNY → 9,000.00 CNY" in text
    assert "proposed by mei" in text
    assert "refused 2023-11-25 22:13 account closed" in text


def test_a_frozen_line_says_by_whom_and_what_is_kept(as_person: Knock, store: Store) -> None:
    store(line_change(1, "open", 0, 600_000), line_change(2, "freeze", 600_000, 0, actor="mei"))
    text = text_of(as_person("omar"), "/merchants/m")
    assert "Frozen by the desk 6,000.00 CNY kept for a release" in text
    assert "Preview the effect" in text and "Gives back what was kept" in text
    assert "Stops all drawing" not in text, "it is frozen by the desk already"


def test_drawn_amounts_of_two_lines_add_up_to_the_exposure(
    as_person: Knock, store: Store, log: Log
) -> None:
    store(
        line_change(1, "open", 0, 600_000),
        line_change(1, "open", 0, 500_000, product="working-capital"),
        assessment(90, merchant_id="m", exposure_minor=450_000),
    )
    loan = {"loan_id": "l1", "line_id": line_id_of("m", "working-capital"), "currency": "CNY"}
    log(
        event(12, "loan.disbursed", amount=300_000, **loan),
        event(13, "repayment.received", amount=100_000, loan_id="l1", currency="CNY"),
        event(14, "loan.disbursed", amount=900_000, **{**loan, "loan_id": "l2"}),
        event(15, "loan.settled", loan_id="l2"),
    )
    text = text_of(as_person("vera"), "/merchants/m")
    assert "Drawn 2,500.00 CNY" in text, "the oldest line has what no other names"
    assert "Drawn 2,000.00 CNY" in text


# --- features ---------------------------------------------------------------------------------


def peers_at(values: list[float]) -> list[object]:
    return [
        assessment(n, merchant_id=f"p-{n}", features={"refund_share_28d": value})
        for n, value in enumerate(values)
    ]


def test_features_stand_beside_usual_and_peers_and_the_unusual_come_first(
    as_person: Knock, store: Store
) -> None:
    vector = {
        "turnover_28d_minor": 1_000_000.0,
        "turnover_usual_28d_minor": 4_000_000.0,
        "turnover_28d_peer_percentile": 0.07,
        "refund_share_28d": 0.5,
        "silence_days": 1.0,
    }
    past = [
        assessment(n, merchant_id="m", features={"refund_share_28d": share})
        for n, share in ((30, 0.02), (33, 0.04), (36, 0.06))
    ]
    latest = assessment(60, merchant_id="m", features=vector, unusual=["turnover_28d_minor"])
    store(*peers_at([0.01, 0.02, 0.03, 0.04, 0.05, 0.06]), *past, latest)
    text = text_of(as_person("vera"), "/merchants/m")
    first = text.index("What stands out")
    out = text[first : text.index("All features by family")]
    assert out.index("Sales of the last 28 days") < out.index("Refunded share of sales")
    assert "10,000.00 CNY 40,000.00 CNY – – riskier above 7.0 % of peers" in out
    assert "50.0 % 4.0 %" in out and "riskier" in out
    assert "Days since the last sale" not in out and "Days since the last sale" in text[first:]
    assert "Sales, against peers" not in text


def test_fewer_than_five_peers_are_not_shown(as_person: Knock, store: Store) -> None:
    latest = assessment(60, merchant_id="m", features={"refund_share_28d": 0.5})
    store(*peers_at([0.01, 0.02, 0.03]), latest)
    assert "50.0 % – – –" in text_of(as_person("vera"), "/merchants/m")
    store(*peers_at([0.01, 0.02, 0.03, 0.04, 0.05]))
    assert "3.0 %" in text_of(as_person("vera"), "/merchants/m")


def test_a_value_within_peers_and_near_its_usual_does_not_stand_out() -> None:
    rows = comparison.compared(
        {"refund_share_28d": 0.05, "silence_days": None},
        LABELS,
        own={"refund_share_28d": 0.04},
        peers={"refund_share_28d": Peers(50, 0.01, 0.04, 0.09)},
    )
    assert [(row.name, row.side, row.distance) for row in rows] == [
        ("refund_share_28d", "", 0.0),
        ("silence_days", "", 0.0),
    ]
    assert comparison.unusual_first(rows) == []


def test_reasons_have_their_weight_as_a_bar_to_the_side_of_the_risk(
    as_person: Knock, store: Store
) -> None:
    reasons = [
        Reason(code="a", text="Worse", feature="silence_days", value=9.0, contribution=2.0),
        Reason(code="b", text="Better", feature="silence_days", contribution=-1.0),
        Reason(code="c", text="By rule", feature="silence_days"),
    ]
    store(assessment(60, merchant_id="m", reasons=reasons))
    html = as_person("vera").get("/merchants/m").text
    assert re.search(r'<rect x="60"[^>]*width="56.0"', html)
    assert re.search(r'<rect x="32.0"[^>]*width="28.0"', html)
    text = Page(html).text
    assert "Worse 9 days – +2" in text and "By rule – – rule" in text


# --- counterparties -------------------------------------------------------------------------------


def test_counterparties_are_ranked_with_shares_and_the_merchants_that_share_them(
    as_person: Knock, store: Store, log: Log
) -> None:
    store(
        line_change(1, "open", 0, 10, funders=[FunderShare(funder="bank-a", limit_minor=10)]),
        line_change(
            1,
            "open",
            0,
            10,
            merchant_id="n",
            funders=[FunderShare(funder="bank-a", limit_minor=10)],
        ),
    )
    paid = {"currency": "CNY"}
    log(
        event(1, "order.paid", amount=60_000, counterparty_id="cp-big", **paid),
        event(2, "settlement.received", amount=58_000, counterparty_id="cp-big", **paid),
        event(3, "order.paid", amount=20_000, counterparty_id="cp-small", **paid),
        event(4, "account.debited", amount=5_000, counterparty_id="cp-out", **paid),
        event(5, "order.paid", amount=9, counterparty_id="cp-big", merchant_id="n", **paid),
        event(6, "order.paid", amount=9, counterparty_id="cp-big", merchant_id="hidden", **paid),
    )
    text = text_of(as_person("vera"), "/merchants/m/counterparties")
    assert "cp-big 600.00 CNY 75.0 % 0.00 CNY 0.0 % 2" in text, (
        "an order and its settlement are one"
    )
    assert text.index("cp-big") < text.index("cp-small") < text.index("cp-out")
    assert "50.00 CNY 100.0 %" in text
    assert "hidden" in text
    own = text_of(as_person("bank-a"), "/merchants/m/counterparties")
    assert "hidden" not in own and re.search(r"cp-big .* n ", own)


# --- the event trail --------------------------------------------------------------------------


def test_the_trail_is_paged_by_time_without_gap_or_repeat(as_person: Knock, log: Log) -> None:
    log(
        *(
            event(
                n // 4,
                "order.paid",
                event_id=f"id{n:03}",
                amount=n + 1,
                currency="CNY",
                order_id=f"o-{n:03}",
            )
            for n in range(60)
        )
    )
    client, path, seen = as_person("vera"), "/merchants/m/trail", []
    for _ in range(5):
        html = client.get(path, headers={"hx-request": "true"}).text
        seen += re.findall(r"id\d{3}", html)
        more = re.search(r'href="([^"]*before=[^"]*)"', html)
        if more is None:
            break
        path = more[1].replace("&amp;", "&")
    assert seen == [f"id{n:03}" for n in reversed(range(60))]


def test_the_trail_is_filtered_by_group_and_masks_what_a_sender_added(
    as_person: Knock, log: Log, outbox: Sent
) -> None:
    log(
        event(
            1, "order.paid", amount=5, currency="CNY", buyer="Wang Xiaoming", phone="13812345678"
        ),
        event(2, "shipment.dispatched", order_id="o-1"),
    )
    client = as_person("mei")
    lending = text_of(client, "/merchants/m/trail?group=lending")
    assert "No such event is stored" in lending
    text = text_of(client, "/merchants/m/trail?group=transactions")
    assert "Order paid" in text and "Shipment dispatched" not in text
    assert "phone ••• masked" in text
    assert "13812345678" not in text and "Wang" not in text
    status, _, _ = post(
        client, "/unmask", merchant_id="m", reason="called back by the owner", back="/merchants/m"
    )
    assert status == 303
    assert "13812345678" in text_of(client, "/merchants/m/trail")
    looks = [each for each in outbox.of(topics.DESK_AUDIT) if each["action"] == "unmask"]
    assert [each["subject"] for each in looks] == ["m", "m"]
    assert looks[-1]["reason"] == "called back by the owner"


@pytest.mark.parametrize(
    "query", ["group=%27", "group=nothing", "before=x", "before=1-2", "before=1-2-%00"]
)
def test_a_wrong_filter_or_place_is_told(as_person: Knock, log: Log, query: str) -> None:
    log(event(1, "order.paid", amount=5, currency="CNY"))
    text_of(as_person("vera"), f"/merchants/m/trail?{query}", 400)


# --- search and scope -------------------------------------------------------------------------


def test_the_search_finds_by_prefix_and_goes_straight_to_the_only_one(
    as_person: Knock, store: Store
) -> None:
    store(*(assessment(n, merchant_id=f"shop-{n:02}") for n in range(60)))
    store(assessment(1, merchant_id="kiosk", exposure_minor=10**9))
    client = as_person("vera")
    html = client.get("/merchants?q=shop-1").text
    assert re.findall(r'href="/merchants/(shop[^"]*)"', html) == [
        f"shop-{n}" for n in range(10, 20)
    ]
    assert client.get("/merchants?q=kiosk").headers["location"] == "/merchants/kiosk"
    everything = text_of(client, "/merchants")
    assert "The first 50" in everything and everything.index("kiosk") < everything.index("shop-")
    assert "No assessed merchant" in text_of(client, "/merchants?q=%25")


PARTS = ("", "/series", "/counterparties", "/trail", "/commands/x", "/commands/x/state")


@pytest.mark.parametrize("part", PARTS)
def test_a_funder_sees_its_own_merchants_alone(
    as_person: Knock, store: Store, log: Log, part: str
) -> None:
    store(
        line_change(1, "open", 0, 10, funders=[FunderShare(funder="bank-a", limit_minor=10)]),
        assessment(1, merchant_id="m"),
        assessment(1, merchant_id="unfunded"),
        alert(1, merchant_id="unfunded"),
    )
    log(event(1, "order.paid", amount=5, currency="CNY"))
    log(event(1, "order.paid", amount=5, currency="CNY", merchant_id="unfunded"))
    own, other = as_person("bank-a"), as_person("bank-b")
    assert own.get(f"/merchants/m{part}").status_code == 200
    assert other.get(f"/merchants/m{part}").status_code == 404
    assert own.get(f"/merchants/unfunded{part}").status_code == 404
    assert "unfunded" not in own.get("/merchants").text


def test_a_funder_cannot_command_another_s_merchant(
    as_person: Knock, store: Store, outbox: Sent
) -> None:
    store(line_change(1, "open", 0, 10, funders=[FunderShare(funder="bank-a", limit_minor=10)]))
    other = as_person("bank-b")
    form = {"action": "merchant.freeze", "reason": "mine", "request_id": "r"}
    for path in ("/merchants/m/preview", "/merchants/m/commands"):
        assert post(other, path, **form)[0] == 404
    assert outbox.of(topics.COMMANDS) == []


@pytest.mark.parametrize("text", INJECTIONS)
def test_injections_are_text_in_every_part(
    as_person: Knock, store: Store, log: Log, text: str
) -> None:
    reasons = [Reason(code=text, text=text, feature=text, value=1.0)]
    store(
        line_change(1, "open", 0, 10, merchant_id=text, product=text, line_id=text, actor=text),
        assessment(1, merchant_id=text, segment=text, reasons=reasons, features={text: 1.0}),
        alert(1, merchant_id=text, kind=text, reasons=reasons),
    )
    log(
        event(
            1,
            "order.paid",
            merchant_id=text,
            amount=5,
            currency="CNY",
            counterparty_id=text,
            order_id=text,
            note=text,
        )
    )
    client = as_person("omar")
    found = client.get("/merchants", params={"q": text})
    link = found.headers.get("location", "")
    assert link.startswith("/merchants/"), "the only one of that prefix"
    for part in ("", "/counterparties", "/trail"):
        page = Page(client.get(link + part).text)
        assert not {"iframe", "object"} & set(page.tags)
        assert page.tags.count("script") == client.get(link + part).text.count(
            '<script src="/static/'
        )
        assert all(address.startswith(("/", "#")) for address in page.loads)
    series = client.get(f"{link}/series?range=all")
    assert series.headers["content-type"] == "application/json"
    assert series.json()["merchant_id"] == text


# --- commands ---------------------------------------------------------------------------------


def test_a_freeze_is_previewed_sent_once_and_followed_to_the_core(
    as_person: Knock, store: Store, log: Log, outbox: Sent
) -> None:
    store(
        line_change(1, "open", 0, 600_000, funders=SHARES),
        assessment(40, merchant_id="m", exposure_minor=100_000),
    )
    client = as_person("mei")
    asked = {"action": "merchant.freeze", "reason": "Owner cannot be reached"}
    answer = client.post("/merchants/m/preview", data={"csrf": csrf_of(client), **asked})
    text = Page(answer.text).text
    assert "6,000.00 CNY → 0.00 CNY 5,000.00 CNY → 0.00 CNY" in text
    assert "Takes effect at once; no approval is needed." in text
    assert "nothing more can be drawn" in text
    assert outbox.of(topics.COMMANDS) == [], "a preview sends nothing"
    request_id = re.search(r'name="request_id" value="([^"]+)"', answer.text)
    assert request_id is not None
    form = {**asked, "request_id": request_id[1]}
    first = post(client, "/merchants/m/commands", **form)
    second = post(client, "/merchants/m/commands", **form)
    assert first[0] == 303 and first[1] == second[1]
    sent = outbox.of(topics.COMMANDS)
    assert len({each["event_id"] for each in sent}) == 1
    command = sent[0]
    assert command["actor"] == "mei" and command["reason"] == "Owner cannot be reached"
    assert "Waiting for the log" in text_of(client, first[1])
    log(command)
    assert "Waiting for the decision" in text_of(client, f"{first[1]}/state")
    store(
        line_change(
            2, "freeze", 600_000, 0, causes=[command["event_id"]], actor="mei", approval="manual"
        )
    )
    assert "Waiting for the lending core" in text_of(client, f"{first[1]}/state?looks=3")
    log(event(30, "limit.acknowledged", decision_id="co-lending-2"))
    done = client.get(f"{first[1]}/state?looks=4").text
    assert "Booked by the lending core" in done and "See the new state" in done
    assert "hx-trigger" not in done, "it stops looking"


def test_an_override_is_in_the_currency_s_minor_units_until_the_end_of_the_day(
    as_person: Knock, store: Store, outbox: Sent
) -> None:
    store(line_change(1, "open", 0, 600_000), assessment(60, merchant_id="m"))
    form = {
        "action": "limit.override",
        "reason": "Season",
        "line_id": LINE,
        "amount": "7,500.50",
        "currency": "CNY",
        "until": "2024-03-01",
        "request_id": "r-1",
    }
    assert post(as_person("mei"), "/merchants/m/commands", **form)[0] == 303
    (command,) = outbox.of(topics.COMMANDS)
    assert command["amount"] == 750_050 and command["currency"] == "CNY"
    assert command["expires_at"] == 1_709_337_599_999
    assert command["occurred_at"] == START_MS + 20 * DAY_MS, "at the time of the log"


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("amount", "much", "`amount`"),
        ("amount", "1.005", "2 decimals"),
        ("amount", "-5", "not from 0"),
        ("amount", "1e30", "not from 0"),
        ("amount", "NaN", "2 decimals"),
        ("until", "tomorrow", "`until`"),
        ("until", "2001-01-01", "has passed"),
        ("reason", " ", "`reason` is missing"),
        ("reason", "x" * 2_001, "2001 characters"),
        ("action", "policy.publish", "`action`"),
        ("currency", "", "`currency` is missing"),
    ],
)
def test_a_wrong_field_is_told_and_nothing_is_sent(
    as_person: Knock, store: Store, outbox: Sent, field: str, value: str, told: str
) -> None:
    store(line_change(1, "open", 0, 600_000), assessment(60, merchant_id="m"))
    form = {
        "action": "limit.override",
        "reason": "Season",
        "amount": "75",
        "currency": "CNY",
        "request_id": "r-1",
        field: value,
    }
    client = as_person("mei")
    for path in ("/merchants/m/preview", "/merchants/m/commands"):
        status, _, text = post(client, path, **form)
        assert status == 400 and told in text
    fragment = client.post(
        "/merchants/m/preview",
        data={"csrf": csrf_of(client), **form},
        headers={"hx-request": "true"},
    )
    assert fragment.status_code == 200 and told in Page(fragment.text).text
    assert outbox.of(topics.COMMANDS) == []


@pytest.mark.parametrize(
    ("who", "action", "status"),
    [
        ("vera", "merchant.freeze", 403),
        ("mei", "merchant.release", 403),
        ("ada", "limit.override", 403),
        ("omar", "merchant.release", 303),
    ],
)
def test_a_role_sends_what_it_may(
    as_person: Knock, store: Store, outbox: Sent, who: str, action: str, status: int
) -> None:
    store(line_change(1, "open", 0, 600_000), assessment(60, merchant_id="m"))
    form = {"reason": "r", "amount": "5", "currency": "CNY", "request_id": "r-1"}
    client = as_person(who)
    assert post(client, "/merchants/m/commands", action=action, **form)[0] == status
    assert len(outbox.of(topics.COMMANDS)) == (status == 303)
    preview = post(client, "/merchants/m/preview", action=action, **form)[0]
    assert preview == (200 if status == 303 else 403)


def test_an_unknown_policy_is_said_and_the_command_may_still_be_sent(
    as_person: Knock, store: Store, log: Log
) -> None:
    store(line_change(1, "open", 0, 600_000), assessment(60, merchant_id="m"))
    log(
        event(
            5, "policy.activated", merchant_id="*", version="house-9", digest="d", artifact="policy"
        )
    )
    status, _, text = post(
        as_person("mei"), "/merchants/m/preview", action="merchant.freeze", reason="r"
    )
    assert status == 200 and UNKNOWN_POLICY in text and "Send the command" in text


# --- languages --------------------------------------------------------------------------------


def test_the_page_is_in_chinese_with_labels_and_numbers(
    as_person: Knock, store: Store, log: Log
) -> None:
    reasons = [
        Reason(
            code="x",
            text="Refunds rose to 50.0 %",
            feature="refund_share_28d",
            value=0.5,
            usual=0.04,
            contribution=1.0,
        )
    ]
    store(
        line_change(1, "open", 0, 600_000),
        assessment(60, merchant_id="m", reasons=reasons, features={"silence_days": 2.0}),
        alert(1, merchant_id="m"),
    )
    log(event(1, "order.paid", amount=5, currency="CNY"))
    client = as_person("mei", language="zh")
    html = client.get("/merchants/m").text
    assert 'lang="zh-Hans"' in html
    text = Page(html).text
    assert "近28天退款率: 50.0 % (常态 4.0 %)" in text and "Refunds rose" not in text
    assert "销售骤降" in text and "2 天" in text and "冻结" in text
    assert "订单付款" in text_of(client, "/merchants/m/trail")
    _, _, preview = post(client, "/merchants/m/preview", action="merchant.freeze", reason="失联")
    assert "立即生效，无需审批。" in preview


def test_every_text_of_the_templates_has_its_chinese() -> None:
    known = i18n.catalogue("zh")
    folder = Path(i18n.__file__).parent / "templates"
    texts = {*WHY_NOT.values(), UNKNOWN_POLICY}
    for path in folder.glob("merchant*.html"):
        texts |= set(re.findall(r'\bt\("((?:[^"\\]|\\.)*)"', path.read_text("utf-8")))
    assert len(texts) > 150
    assert sorted(text for text in texts if text not in known) == []
    for text in texts:
        fields = set(re.findall(r"\{(\w+)\}", text))
        assert set(re.findall(r"\{(\w+)\}", known[text])) == fields, text


def test_pages_load_nothing_from_elsewhere(
    as_person: Knock, store: Store, engine: EmbeddedEngine
) -> None:
    store(line_change(1, "open", 0, 600_000), assessment(60, merchant_id="m"))
    client = as_person("mei")
    page = Page(client.get("/merchants/m").text)
    for address in {each for each in page.loads if each.startswith("/static")}:
        assert client.get(address).status_code == 200, address
    assert json.loads(client.get("/merchants/m/series").text)["range"] == "90d"
