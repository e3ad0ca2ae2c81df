"""Freeze, release and override: each previewed, then sent, then followed to the lending core."""

import secrets
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, get_args
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from desk import i18n, merchant_queries, queries
from desk.commanding import NEEDS, NotAllowed
from desk.explain import Reader
from desk.forms import InvalidForm, needed, posted
from desk.identity import Viewer
from desk.lines import LineNow
from desk.ports import Row
from desk.present import money
from desk.preview import Action, Asked, Effect, position_of
from desk.services import Desk
from schemas.currencies import minor_digits

REASON_MAX = 2_000
POLLS_MAX = 150
"""Looks at a command on its way, two seconds apart, before the page stops looking by itself."""
AMOUNT_MAX_MINOR = 10**15

WHY_NOT: dict[str, str] = {
    "frozen_already": "The desk has frozen this line already.",
    "not_frozen": "This line is not frozen.",
    "not_offered": "The policy in force does not offer the product in this currency.",
    "other_currency": "The line is in another currency.",
    "frozen": "The line is frozen; release it first.",
    "past": "The end lies in the past.",
    "above_cap": "Product, funders and channel allow at most {bound}.",
    "same": "That is the limit already.",
}
"""Why a command has no effect on a line, by the code of ``desk.preview.Effect.why_not``."""


def routes(desk: Desk) -> list[Route]:
    """``preview`` and ``commands`` below ``/merchants/{merchant_id}``."""
    base = "/merchants/{merchant_id:path}"
    one = f"{base}/commands/{{event_id}}"
    return [
        desk.route(f"{base}/preview", lambda r: _preview(desk, r), methods=("POST",)),
        desk.route(f"{base}/commands", lambda r: _send(desk, r), methods=("POST",)),
        desk.route(f"{one}/state", lambda r: _state(desk, r)),
        desk.route(one, lambda r: _followed(desk, r)),
    ]


def actions_for(viewer: Viewer, lines: Iterable[LineNow]) -> set[str]:
    """The actions that a viewer may take and that could have an effect on these lines."""
    held = list(lines)
    could = set()
    if any(line.frozen_by != "desk" for line in held):
        could.add("merchant.freeze")
    if any(line.frozen_by for line in held):
        could.add("merchant.release")
    if any(not line.frozen_by for line in held):
        could.add("limit.override")
    return {action for action in could if viewer.may(NEEDS[action])}


# --- preview --------------------------------------------------------------------------------------


def _preview(desk: Desk, request: Request) -> Response:
    merchant_id: str = request.path_params["merchant_id"]
    scope, engine = desk.scope(request), desk.engine
    if not merchant_queries.visible(engine, scope, merchant_id):
        return desk.problem(request, 404)
    form, at_ms = posted(request), desk.event_time_ms()
    fragment = request.headers.get("hx-request") == "true"
    try:
        asked = _asked(desk.viewer(request), form, at_ms)
    except InvalidForm as error:
        if not fragment:
            raise
        # htmx shows nothing of an answer that is an error.
        return desk.page(request, "merchant_refused.html", detail=str(error))
    history = queries.merchant_assessments(engine, scope, merchant_id)
    position = position_of(engine, scope, merchant_id, history[0] if history else None)
    preview = desk.previewer(position, asked, at_ms)
    t = i18n.translator(desk.language(request))
    return desk.page(
        request,
        "merchant_preview.html" if fragment else "merchant_preview_page.html",
        merchant_id=merchant_id,
        base=f"/merchants/{quote(merchant_id, safe='')}",
        asked=asked,
        preview=preview,
        effects=[_effect(effect, t) for effect in preview.effects],
        at_ms=at_ms,
        request_id=secrets.token_urlsafe(16),
        fields={name: form.get(name, "") for name in ("line_id", "amount", "currency", "until")},
    )


def _effect(effect: Effect, t: i18n.Translate) -> dict[str, Any]:
    before = {share.funder: share.limit_minor for share in effect.line.shares}
    if effect.line.frozen_by:
        before = dict.fromkeys(before, 0)
    names = list(dict.fromkeys([*before, *(share.funder for share in effect.shares)]))
    after = {share.funder: share.limit_minor for share in effect.shares}
    if effect.state != "sent":
        after = before
    bound = effect.bound_minor
    return {
        "effect": effect,
        "line": effect.line,
        "funders": [(name, before.get(name, 0), after.get(name, 0)) for name in names],
        "why_not": t(WHY_NOT[effect.why_not], bound=money(bound, effect.line.currency))
        if effect.why_not
        else "",
    }


def _asked(viewer: Viewer, form: Mapping[str, str], at_ms: int) -> Asked:
    """What the form asks. Raises ``InvalidForm`` and ``NotAllowed``."""
    action = _action(form)
    if not viewer.may(NEEDS[action]):
        raise NotAllowed(f"{viewer.role} may not send {action}")
    reason = needed(form, "reason")
    if len(reason) > REASON_MAX:
        raise InvalidForm(f"`reason` has {len(reason)} characters; {REASON_MAX} are the most")
    if action != "limit.override":
        return Asked(action, viewer.name, reason)
    currency = needed(form, "currency")
    return Asked(
        action,
        viewer.name,
        reason,
        line_id=form.get("line_id", "").strip() or None,
        amount_minor=_amount(needed(form, "amount"), currency),
        currency=currency,
        expires_ms=_until(form.get("until", "").strip(), at_ms),
    )


def _action(form: Mapping[str, str]) -> Action:
    text = needed(form, "action")
    for action in get_args(Action):
        if text == action:
            return action  # type: ignore[no-any-return]
    raise InvalidForm(f"`action` is {text[:40]!r}; use one of {', '.join(get_args(Action))}")


def _amount(text: str, currency: str) -> int:
    """Major units as people write them, ``12,500.50``, in minor units."""
    digits = minor_digits(currency)
    try:
        amount = Decimal(text.replace(",", "").replace(" ", "")).scaleb(digits)
    except InvalidOperation:
        raise InvalidForm(f"`amount` is {text[:40]!r}, no amount such as 12500.50") from None
    if not amount.is_finite() or amount != amount.to_integral_value():
        raise InvalidForm(f"`amount` is {text[:40]!r}; {currency} has {digits} decimals")
    if not 0 <= amount <= AMOUNT_MAX_MINOR:
        raise InvalidForm(f"`amount` is {text[:40]!r}, not from 0 to {AMOUNT_MAX_MINOR:,} minor")
    return int(amount)


def _until(text: str, at_ms: int) -> int | None:
    """The end of the day of a form's date, UTC, in epoch milliseconds; None for the policy's."""
    if not text:
        return None
    try:
        day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise InvalidForm(f"`until` is {text[:40]!r}, no date such as 2026-12-31") from None
    end_ms = int(day.timestamp() * 1000) + 86_400_000 - 1
    if end_ms <= at_ms:
        raise InvalidForm(f"`until` is {text}, which has passed at the time of the log")
    return end_ms


# --- command ------------------------------------------------------------------------------------


def _send(desk: Desk, request: Request) -> Response:
    merchant_id: str = request.path_params["merchant_id"]
    if not merchant_queries.visible(desk.engine, desk.scope(request), merchant_id):
        return desk.problem(request, 404)
    form, viewer, at_ms = posted(request), desk.viewer(request), desk.event_time_ms()
    asked = _asked(viewer, form, at_ms)
    fields: dict[str, str | int | None] = {"reason": asked.reason}
    if asked.action == "limit.override":
        fields |= {
            "line_id": asked.line_id,
            "amount": asked.amount_minor,
            "currency": asked.currency,
            "expires_at": asked.expires_ms,
        }
    event_id = desk.commands.send(
        viewer,
        asked.action,
        merchant_id,
        fields,
        request_id=needed(form, "request_id"),
        occurred_at=at_ms,
    )
    where = f"/merchants/{quote(merchant_id, safe='')}/commands/{quote(event_id, safe='')}"
    return RedirectResponse(where, 303)


# --- a command on its way -----------------------------------------------------------------------


def _followed(desk: Desk, request: Request) -> Response:
    return _way(desk, request, "merchant_command.html", 0)


def _state(desk: Desk, request: Request) -> Response:
    text = request.query_params.get("looks", "0")
    looks = min(int(text), POLLS_MAX) if text.isascii() and text.isdigit() else 0
    return _way(desk, request, "merchant_command_state.html", looks + 1)


def _way(desk: Desk, request: Request, template: str, looks: int) -> Response:
    """How far a command has come: in the log, decided, answered by the lending core."""
    merchant_id: str = request.path_params["merchant_id"]
    event_id: str = request.path_params["event_id"]
    scope, engine = desk.scope(request), desk.engine
    if not merchant_queries.visible(engine, scope, merchant_id):
        return desk.problem(request, 404)
    command = merchant_queries.command_line(engine, scope, merchant_id, event_id)
    changes = [
        row
        for row in merchant_queries.line_changes(engine, scope, merchant_id)
        if event_id in row["causes"]
    ]
    answers = merchant_queries.core_answers(engine, scope, merchant_id) if changes else {}
    sent = [row for row in changes if row["state"] == "sent"]
    done = bool(changes) and all(row["decision_id"] in answers for row in sent)
    language = desk.language(request)
    reader = Reader(language, i18n.translator(language), desk.labels)
    base = f"/merchants/{quote(merchant_id, safe='')}"
    return desk.page(
        request,
        template,
        merchant_id=merchant_id,
        base=base,
        here=f"{base}/commands/{quote(event_id, safe='')}",
        event_id=event_id,
        reader=reader,
        command=command,
        changes=[_told(reader, row, answers) for row in changes],
        done=done,
        looks=looks,
        watching=not done and looks < POLLS_MAX,
    )


def _told(reader: Reader, row: Row, answers: Mapping[str, Row]) -> dict[str, Any]:
    return {
        **row,
        "reasons": reader.reasons(row, row["currency"]),
        "answer": answers.get(row["decision_id"]),
    }
