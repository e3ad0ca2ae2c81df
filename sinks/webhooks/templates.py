"""Texts of e-mails and chats by template (Jinja2 in its sandbox), escaped by where they go."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

from schemas.currencies import minor_digits
from sinks.webhooks.messages import Message
from sinks.webhooks.outcome import Refused

Render = Callable[[Message], str]


def _money(minor: int, currency: str) -> str:
    """1250000 CNY → ``12,500.00 CNY``."""
    digits = minor_digits(currency)
    return f"{minor / 10**digits:,.{digits}f} {currency}"


def _moment(ms: int) -> str:
    """Epoch milliseconds as UTC to the minute."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _plain(value: Any) -> str:
    """A value in a text: without characters that a terminal or a mail header would obey."""
    return "".join(c for c in str(value) if c.isprintable() or c == "\n")


def _in_json(value: Any) -> str:
    """A value within quotes of a JSON text."""
    return json.dumps(_plain(value), ensure_ascii=False)[1:-1]


def _environment(escape: Callable[[Any], str]) -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        undefined=jinja2.StrictUndefined,
        finalize=escape,
        autoescape=False,
        keep_trailing_newline=True,
    )
    environment.globals.clear()
    environment.filters |= {"money": _money, "moment": _moment}
    return environment


def text_template(source: str, desk_url: str | None) -> Render:
    """A template of plain text. Raises ``jinja2.TemplateError`` on a wrong one."""
    return _render(_environment(_plain).from_string(source), desk_url)


def json_template(source: str, desk_url: str | None) -> Render:
    """A template of JSON, whose values stand within quotes. Raises as ``text_template``.

    What it renders is checked to be JSON.
    """
    render = _render(_environment(_in_json).from_string(source), desk_url)

    def checked(message: Message) -> str:
        text = render(message)
        try:
            json.loads(text)
        except ValueError as error:
            raise Refused(f"the template gives no JSON: {error}") from None
        return text

    return checked


def _render(template: jinja2.Template, desk_url: str | None) -> Render:
    def render(message: Message) -> str:
        try:
            return template.render(context_of(message, desk_url))
        except (jinja2.TemplateError, ArithmeticError, TypeError, ValueError, KeyError) as error:
            raise Refused(f"the template fails: {error}") from error

    return render


def context_of(message: Message, desk_url: str | None) -> Mapping[str, Any]:
    """What a template finds; ``link`` leads to the merchant's page, empty without ``desk_url``."""
    page = f"{desk_url}/merchants/{quote(message.merchant_id, safe='')}" if desk_url else ""
    return {
        "type": message.type,
        "at": message.at,
        "merchant_id": message.merchant_id,
        "severity": message.severity or "",
        "kind": message.kind or "",
        "data": message.data,
        "link": page,
    }
