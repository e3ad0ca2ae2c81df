"""Mail and chats on real servers: what arrives, and what each refusal means."""

import email
import email.policy
import json
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from schemas import topics
from schemas.codec import encode
from sinks.webhooks.messages import Message, message_of
from sinks.webhooks.outcome import Failed, Refused
from sinks.webhooks.targets import Send, load_targets
from tests.sinks.outputs import alert
from tests.sinks.webhooks.servers import MailServer, certificate, mail_server, receiving
from tests.sinks.webhooks.test_document import EMAIL, IM, written

NOW_S = 1_760_000_000.0


def told(**over: object) -> Message:
    return message_of(topics.ALERTS, encode(alert(2, **over)))


def mailer(folder: Path, server: MailServer, **over: Any) -> Send:
    place = {"host": "127.0.0.1", "port": server.port}
    path = written(folder, {**EMAIL, **place, **over}, desk_url="https://desk.example")
    (target,) = load_targets(path)
    return target.send


def received(server: MailServer) -> EmailMessage:
    (raw,) = server.mails
    mail = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(mail, EmailMessage)
    return mail


def test_a_mail_arrives_over_tls_after_a_login(tmp_path: Path) -> None:
    context, _ = certificate(tmp_path)
    over = {
        "username": "risk",
        "password_file": "password",
        "ca_file": "ca.pem",
        "subject": "{{ severity }}: {{ merchant_id }}",
        "body": "{{ data.reasons[0].text }}\n预警 {{ link }}\n",
    }
    with mail_server(context) as server:
        mailer(tmp_path, server, **over)(told(merchant_id="m-1"), NOW_S)
        assert "AUTH over TLS" in server.verbs and "AUTH" not in server.verbs
        assert server.verbs.index("STARTTLS") < server.verbs.index("DATA over TLS")
        mail = received(server)
    assert mail["subject"] == "critical: m-1"
    assert mail["to"] == "desk@bank.example"
    assert mail["auto-submitted"] == "auto-generated"
    assert mail.get_content().splitlines() == [
        "Paid orders fell to 3 a day from a usual 41",
        "预警 https://desk.example/merchants/m-1",
    ]


def test_nothing_is_said_to_a_server_without_tls(tmp_path: Path) -> None:
    with mail_server() as server, pytest.raises(Failed, match="STARTTLS"):
        mailer(tmp_path, server)(told(), NOW_S)
    assert server.mails == []


def test_a_certificate_of_nobody_is_not_trusted(tmp_path: Path) -> None:
    context, _ = certificate(tmp_path)
    with mail_server(context) as server, pytest.raises(Failed, match="CERTIFICATE_VERIFY_FAILED"):
        mailer(tmp_path, server)(told(), NOW_S)
    assert server.mails == []


def test_a_repeat_has_the_same_message_id_and_another_alert_another(tmp_path: Path) -> None:
    with mail_server() as server:
        send = mailer(tmp_path, server, security="none")
        for message in (told(), told(), told(version=2)):
            send(message, NOW_S)
        ids = [email.message_from_bytes(raw)["message-id"] for raw in server.mails]
    assert ids[0] == ids[1] != ids[2]
    assert ids[0].endswith("@bank.example>")


def test_no_value_adds_a_header(tmp_path: Path) -> None:
    evil = "m\r\nBcc: thief@evil.example\r\n\r\nhello"
    with mail_server() as server:
        send = mailer(tmp_path, server, security="none", subject="Alert {{ merchant_id }}")
        send(told()._replace(merchant_id=evil), NOW_S)
        mail = received(server)
    assert mail["bcc"] is None
    assert mail["subject"] == "Alert m Bcc: thief@evil.example hello"


@pytest.mark.parametrize(
    ("verb", "reply", "outcome"),
    [
        ("RCPT", "550 no such person", Refused),
        ("RCPT", "450 try later", Failed),
        ("MAIL", "552 too much", Refused),
        ("MAIL", "451 busy", Failed),
        ("DATA", "554 no", Refused),
        ("DATA", "421 closing", Failed),
        ("EHLO", "421 closing", Failed),
    ],
)
def test_permanent_refusals_differ_from_those_for_now(
    tmp_path: Path, verb: str, reply: str, outcome: type[Exception]
) -> None:
    with mail_server() as server:
        server.replies = {verb: reply, "HELO": reply}
        with pytest.raises(outcome):
            mailer(tmp_path, server, security="none")(told(), NOW_S)
        assert server.mails == []


def test_a_mail_server_that_is_gone_is_a_failure(tmp_path: Path) -> None:
    with mail_server() as server:
        send = mailer(tmp_path, server)
    with pytest.raises(Failed):
        send(told(), NOW_S)


def test_a_chat_gets_the_json_of_its_template(tmp_path: Path) -> None:
    template = json.dumps({"msg_type": "text", "content": {"text": "{{ kind }} {{ merchant_id }}"}})
    chat = {**IM, "networks": ["127.0.0.0/8"], "template": template}
    with receiving() as receiver:
        path = written(tmp_path, chat)
        (tmp_path / "chat-url").write_text(receiver.url)
        (target,) = load_targets(path)
        target.send(told(merchant_id='m"\\1'), NOW_S)
        (posted,) = receiver.posted
    assert json.loads(posted.body) == {
        "msg_type": "text",
        "content": {"text": 'order_collapse m"\\1'},
    }
    assert posted.headers["content-type"].startswith("application/json")
