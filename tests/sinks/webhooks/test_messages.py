"""What is told of a record, to whom, and in which words."""

import json

import jinja2
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import topics
from schemas.codec import encode
from schemas.outputs import FunderShare
from sinks.webhooks.document import Filter
from sinks.webhooks.messages import Message, body_of, for_funders, message_of, passes
from sinks.webhooks.outcome import Refused
from sinks.webhooks.templates import json_template, text_template
from tests.sinks.outputs import alert, limit_change


def told(**over: object) -> Message:
    return message_of(topics.ALERTS, encode(alert(2, **over)))


def change(**over: object) -> Message:
    return message_of(topics.LIMIT_CHANGES, encode(limit_change(2, **over)))


@pytest.mark.parametrize(
    ("over", "kind"),
    [
        ({"version": 1}, "alert.opened"),
        ({"version": 2}, "alert.updated"),
        ({"version": 3, "state": "closed", "outcome": "cured"}, "alert.closed"),
    ],
)
def test_an_alert_is_told_by_its_state(over: dict[str, object], kind: str) -> None:
    message = told(**over)
    assert message.type == kind
    assert message.message_id == f"al-2.{over['version']}"


def test_the_body_is_the_record_with_its_type_and_time() -> None:
    body = json.loads(body_of(told()))
    assert body["type"] == "alert.opened"
    assert body["timestamp"] == "2023-11-16T22:13:20.000Z"
    assert body["data"] == json.loads(encode(alert(2)))


def test_fields_of_a_newer_version_are_passed_on() -> None:
    raw = json.loads(encode(alert(2))) | {"newer": 1}
    message = message_of(topics.ALERTS, json.dumps(raw).encode())
    assert json.loads(body_of(message))["data"]["newer"] == 1


@pytest.mark.parametrize("value", [b"", b"{}", b"\xff", b'{"alert_id": 1}', b"[]"])
def test_other_bytes_are_no_message(value: bytes) -> None:
    with pytest.raises((msgspec.MsgspecError, UnicodeDecodeError)):
        message_of(topics.ALERTS, value)


@pytest.mark.parametrize(
    ("wanted", "passing"),
    [
        (Filter(), True),
        (Filter(severity="critical"), True),
        (Filter(kinds=["order_collapse"]), True),
        (Filter(kinds=["sales_silence"]), False),
        (Filter(segments=["retail"]), False),
        (Filter(types=["alert.closed"]), False),
        (Filter(types=["limit_change.sent"]), False),
    ],
)
def test_a_critical_alert_passes_where_it_is_wanted(wanted: Filter, passing: bool) -> None:
    assert passes(wanted, told(severity="critical")) is passing


def test_severity_and_kind_are_asked_of_alerts_alone() -> None:
    wanted = Filter(types=["limit_change.sent"], severity="critical", kinds=["sales_silence"])
    assert passes(wanted, change())
    assert not passes(Filter(severity="warning"), told(severity="info"))
    assert passes(Filter(severity="warning"), told(severity="warning"))


def test_a_funder_does_not_see_the_shares_of_others() -> None:
    shares = [FunderShare(funder=name, limit_minor=5) for name in ("north", "south")]
    message = for_funders(change(funders=shares), frozenset({"north"}))
    assert message.data["funders"] == [{"funder": "north", "limit_minor": 5}]
    assert "south" not in body_of(message).decode()


# --- templates -------------------------------------------------------------------------------


def test_a_text_template_has_the_record_and_its_helpers() -> None:
    render = text_template(
        "{{ severity }} {{ data.exposure_minor | money(data.currency) }} {{ at | moment }}"
        " {{ link }}",
        "https://desk.example",
    )
    text = render(told(severity="critical", merchant_id="m/1"))
    assert text == (
        "critical 9,000.02 CNY 2023-11-16 22:13 UTC https://desk.example/merchants/m%2F1"
    )


@given(st.text())
def test_no_value_breaks_out_of_its_place_in_json(text: str) -> None:
    render = json_template('{"text": "{{ merchant_id }}", "n": {{ data.version }}}', None)
    message = told()._replace(merchant_id=text)
    shown = json.loads(render(message))
    assert set(shown) == {"text", "n"}
    assert shown["text"] == "".join(c for c in text if c.isprintable() or c == "\n")


def test_no_value_brings_control_characters_into_a_text() -> None:
    render = text_template("Subject {{ merchant_id }}", None)
    assert render(told()._replace(merchant_id="a\r\x1b[0mb")) == "Subject a[0mb"


@pytest.mark.parametrize(
    "source",
    [
        "{{ merchant_id.__class__.__mro__ }}",
        "{{ ''.__class__ }}",
        "{{ data.update({'a': 1}) }}",
        "{{ none_such }}",
        "{{ 1 // 0 }}",
    ],
)
def test_a_template_that_goes_astray_refuses_the_message(source: str) -> None:
    with pytest.raises(Refused, match="template"):
        text_template(source, None)(told())


def test_a_template_that_gives_no_json_refuses_the_message() -> None:
    with pytest.raises(Refused, match="no JSON"):
        json_template("{{ merchant_id }}", None)(told())


@pytest.mark.parametrize("source", ["{{", "{% for %}", "{% include 'x' %}{{ x | nofilter }}"])
def test_a_wrong_template_is_found_at_once(source: str) -> None:
    with pytest.raises(jinja2.TemplateError):
        text_template(source, None)
