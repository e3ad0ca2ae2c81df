"""Posts go to checked addresses alone, and every answer has its meaning."""

import socket
import ssl
from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sinks.webhooks.outcome import Failed, Refused
from sinks.webhooks.post import Address, Network, is_allowed, post, read_address
from tests.sinks.webhooks.servers import certificate, receiving

LOOPBACK: list[Network] = [ip_network("127.0.0.0/8")]
CONTEXT = ssl.create_default_context()


def send(url: str, networks: list[Network] = LOOPBACK, timeout_s: float = 5.0) -> None:
    post(
        read_address(url),
        b"{}",
        {"x-test": "1"},
        timeout_s=timeout_s,
        networks=networks,
        context=CONTEXT,
    )


def test_the_body_and_the_headers_arrive() -> None:
    with receiving() as receiver:
        send(receiver.url)
        (posted,) = receiver.posted
    assert (posted.path, posted.body, posted.headers["x-test"]) == ("/hook?a=1", b"{}", "1")


@pytest.mark.parametrize("status", [301, 302, 307, 308, 401, 403, 404, 408, 410, 429, 500, 503])
def test_an_answer_that_may_change_is_a_failure_and_no_redirect_is_followed(status: int) -> None:
    with receiving() as receiver, receiving() as other:
        receiver.answers = [(status, {"location": other.url, "retry-after": "7"})]
        with pytest.raises(Failed, match=str(status)) as caught:
            send(receiver.url)
        assert caught.value.wait_s == 7
        assert other.posted == []


@pytest.mark.parametrize("status", [400, 413, 415, 422])
def test_an_answer_about_the_message_is_a_refusal(status: int) -> None:
    with receiving() as receiver:
        receiver.answers = [(status, {})]
        with pytest.raises(Refused, match=str(status)):
            send(receiver.url)


def test_a_slow_endpoint_and_one_that_is_gone_fail() -> None:
    with receiving() as receiver:
        receiver.stall_s = 1.0
        with pytest.raises(Failed, match=r"[Tt]imed? ?out"):
            send(receiver.url, timeout_s=0.2)
    with pytest.raises(Failed, match="refused"):
        send(receiver.url)


def test_what_is_no_http_fails() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = Address(False, "127.0.0.1", server.getsockname()[1], "/")
        with pytest.raises(Failed):
            post(address, b"", {}, timeout_s=0.3, networks=LOOPBACK, context=CONTEXT)


def test_tls_is_checked_against_the_name(tmp_path: Path) -> None:
    context, ca = certificate(tmp_path)
    trusting = ssl.create_default_context(cafile=str(ca))
    with receiving(context) as receiver:
        address = read_address(receiver.url)
        with pytest.raises(Failed, match="CERTIFICATE_VERIFY_FAILED"):
            post(address, b"", {}, timeout_s=5, networks=LOOPBACK, context=CONTEXT)
        post(address, b"", {}, timeout_s=5, networks=LOOPBACK, context=trusting)
        post(
            address._replace(host="localhost"),
            b"",
            {},
            timeout_s=5,
            networks=[*LOOPBACK, ip_network("::1/128")],
            context=trusting,
        )
        assert len(receiver.posted) == 2


def test_an_address_that_is_not_stated_is_never_connected_to() -> None:
    with receiving() as receiver:
        for networks in ([], [ip_network("10.0.0.0/8")]):
            with pytest.raises(Failed, match="no public address"):
                send(receiver.url, networks)
        assert receiver.posted == []


@pytest.mark.parametrize(
    "ip",
    [
        "127.0.0.1",
        "10.1.2.3",
        "192.168.0.1",
        "172.16.9.9",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",  # noqa: S104 - an address to refuse
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fd00:ec2::254",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
    ],
)
def test_addresses_that_are_not_public_are_refused_unless_stated(ip: str) -> None:
    assert not is_allowed(ip, [], secure=True)
    everywhere = [ip_network("0.0.0.0/0"), ip_network("::/0")]
    assert is_allowed(ip, everywhere, secure=False)


@pytest.mark.parametrize("ip", ["93.184.216.34", "2606:4700:4700::1111"])
def test_public_addresses_are_spoken_to_over_tls_alone(ip: str) -> None:
    assert is_allowed(ip, [], secure=True)
    assert not is_allowed(ip, [], secure=False)


@given(st.ip_addresses(network="169.254.0.0/16"))
def test_no_link_local_address_is_allowed_unstated(ip: object) -> None:
    assert not is_allowed(str(ip), [ip_network("10.0.0.0/8")], secure=True)


def test_a_name_with_one_forbidden_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, 443)) for ip in ("1.1.1.1",)]
    answers.append((socket.AF_INET, socket.SOCK_STREAM, 6, "", ("169.254.169.254", 443)))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_more: answers)
    with pytest.raises(Failed, match=r"169\.254\.169\.254"):
        send("https://rebound.example/")


@pytest.mark.parametrize(
    "url",
    [
        "ftp://a.example/",
        "file:///etc/passwd",
        "https://",
        "https:///path",
        "https://user:pass@a.example/",
        "https://a.example/#x",
        "https://a.example/ b",
        "https://a.example/\r\nx: y",
        "https://a.example:99999/",
        "https://a.example/é",
        "a.example",
    ],
)
def test_a_wrong_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_address(url)
