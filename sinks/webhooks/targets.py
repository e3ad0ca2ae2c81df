"""Endpoints ready to be spoken to: secrets read, templates compiled, addresses taken apart."""

import ipaddress
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar

import jinja2

from ops.errors import ConfigurationError
from sinks.webhooks.document import (
    Document,
    EmailEndpoint,
    Endpoint,
    EndpointsError,
    ImEndpoint,
    WebhookEndpoint,
    read_document,
)
from sinks.webhooks.mail import mail_of, send_mail
from sinks.webhooks.messages import Message, body_of
from sinks.webhooks.post import Address, Network, post, read_address
from sinks.webhooks.signing import read_secret, signed_headers
from sinks.webhooks.templates import Render, json_template, text_template

VARIABLE = "TIDELINE_WEBHOOKS__FILE"
T = TypeVar("T")


class Send(Protocol):
    """Deliver a message now (epoch seconds); raises ``Failed`` and ``Refused``."""

    def __call__(self, message: Message, now_s: float) -> None:
        """Return once the endpoint has it."""
        ...


class Target(NamedTuple):
    """An endpoint of the file, and how to deliver to it."""

    endpoint: Endpoint
    send: Send


def load_targets(path: Path | None) -> list[Target]:
    """The endpoints of the file. Raises ``ConfigurationError`` that names file and field.

    Files that it names are relative to its folder.
    """
    if path is None:
        raise ConfigurationError(f"{VARIABLE} is not set; name a file, see docs/webhooks.md")
    try:
        document = read_document(path.read_text("utf-8"))
    except EndpointsError as error:
        raise ConfigurationError(f"{path}: {error}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{VARIABLE}: {path} cannot be read: {error}") from None
    load = _Loader(path, document)
    return [Target(endpoint, load.sender(endpoint)) for endpoint in document.endpoints]


class _Loader:
    def __init__(self, path: Path, document: Document) -> None:
        self._path = path
        self._desk_url = document.desk_url

    def sender(self, endpoint: Endpoint) -> Send:
        if isinstance(endpoint, EmailEndpoint):
            return self._mailer(endpoint)
        url = self._url(endpoint)
        address = self._checked(endpoint, "url", lambda: read_address(url))
        networks = self._checked(
            endpoint, "networks", lambda: [ipaddress.ip_network(n) for n in endpoint.networks]
        )
        context = self._context(endpoint, endpoint.ca_file)
        if isinstance(endpoint, WebhookEndpoint):
            keys = [
                self._checked(endpoint, "secret_files", lambda t=text: read_secret(t))  # type: ignore[misc]
                for text in (self._read(endpoint, "secret_files", f) for f in endpoint.secret_files)
            ]
            return _webhook(endpoint, address, networks, context, keys)
        render = self._template(endpoint, "template", endpoint.template, json_template)
        return _im(endpoint, address, networks, context, render)

    def _url(self, endpoint: WebhookEndpoint | ImEndpoint) -> str:
        if endpoint.url is not None:
            return endpoint.url
        assert isinstance(endpoint, ImEndpoint) and endpoint.url_file is not None
        return self._read(endpoint, "url_file", endpoint.url_file).strip()

    def _mailer(self, endpoint: EmailEndpoint) -> Send:
        password = ""
        if endpoint.password_file is not None:
            password = self._read(endpoint, "password_file", endpoint.password_file).strip()
        if endpoint.security == "none" and endpoint.username is not None:
            raise self._wrong(endpoint, "security", "`none` would show the password; use starttls")
        subject = self._template(endpoint, "subject", endpoint.subject, text_template)
        body = self._template(endpoint, "body", endpoint.body, text_template)
        context = self._context(endpoint, endpoint.ca_file)
        self._checked(
            endpoint, "sender", lambda: mail_of(endpoint, "id", "subject", "body", 0.0).as_bytes()
        )
        return _email(endpoint, subject, body, password, context)

    def _template(
        self,
        endpoint: Endpoint,
        field: str,
        source: str,
        compiled: Callable[[str, str | None], Render],
    ) -> Render:
        try:
            return compiled(source, self._desk_url)
        except jinja2.TemplateError as error:
            raise self._wrong(endpoint, field, f"is no template: {error}") from None

    def _context(self, endpoint: Endpoint, ca_file: str | None) -> ssl.SSLContext:
        if ca_file is None:
            return ssl.create_default_context()
        path = str(self._path.parent / ca_file)
        try:
            return ssl.create_default_context(cafile=path)
        except OSError as error:
            raise self._wrong(endpoint, "ca_file", f"{path}: {error}") from None

    def _read(self, endpoint: Endpoint, field: str, name: str) -> str:
        try:
            return (self._path.parent / name).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise self._wrong(endpoint, field, f"cannot be read: {error}") from None

    def _checked(self, endpoint: Endpoint, field: str, make: Callable[[], T]) -> T:
        try:
            return make()
        except ValueError as error:
            raise self._wrong(endpoint, field, f"is wrong: {error}") from None

    def _wrong(self, endpoint: Endpoint, field: str, why: str) -> ConfigurationError:
        return ConfigurationError(f"{self._path}: endpoint {endpoint.name}: `{field}` {why}")


def _webhook(
    endpoint: WebhookEndpoint,
    address: Address,
    networks: list[Network],
    context: ssl.SSLContext,
    keys: list[bytes],
) -> Send:
    def send(message: Message, now_s: float) -> None:
        body = body_of(message)
        headers = {
            "content-type": "application/json",
            "user-agent": "tideline-webhooks/1",
            **signed_headers(keys, message.message_id, int(now_s), body),
        }
        post(
            address,
            body,
            headers,
            timeout_s=endpoint.timeout_s,
            networks=networks,
            context=context,
        )

    return send


def _im(
    endpoint: ImEndpoint,
    address: Address,
    networks: list[Network],
    context: ssl.SSLContext,
    render: Render,
) -> Send:
    def send(message: Message, now_s: float) -> None:
        post(
            address,
            render(message).encode(),
            {"content-type": "application/json; charset=utf-8"},
            timeout_s=endpoint.timeout_s,
            networks=networks,
            context=context,
        )

    return send


def _email(
    endpoint: EmailEndpoint,
    subject: Render,
    body: Render,
    password: str,
    context: ssl.SSLContext,
) -> Send:
    def send(message: Message, now_s: float) -> None:
        mail = mail_of(endpoint, message.message_id, subject(message), body(message), now_s)
        send_mail(endpoint, mail, password, context)

    return send
