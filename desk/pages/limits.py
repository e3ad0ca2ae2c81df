"""Limits: proposals that wait for people, the latest changes, budgets, breaker and kill switch."""

import secrets
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from desk import i18n, limits
from desk import limits_queries as queries
from desk.credit_reasons import reasons_in
from desk.forms import InvalidForm, needed, posted
from desk.policy_books import BookUnavailable, Guardrails, PolicyBook
from desk.ports import Row
from desk.services import Desk
from schemas.events import GLOBAL_MERCHANT

PATH = "/limits"
PAGES_MAX = 10_000
VERDICTS = {"approve": "limit.approve", "reject": "limit.reject"}
SWITCH = {"pause": "automation.pause", "resume": "automation.resume"}
SENT = {
    "approve": "The approval was sent. It shows here once it stands in the log.",
    "reject": "The rejection was sent. The proposal goes once scoring has withdrawn it.",
    "pause": "The pause was sent. It holds from its place in the log on.",
    "resume": "The resumption was sent. It holds from its place in the log on.",
}
"""What the page says after a command, by what was asked for."""


def routes(desk: Desk, book: PolicyBook) -> list[Route]:
    """``/limits`` with the decisions on proposals and the kill switch."""
    return [
        desk.route(PATH, lambda request: _limits(desk, book, request)),
        desk.route(
            f"{PATH}/decisions",
            lambda request: _decide(desk, request),
            "approve_limit",
            methods=("POST",),
        ),
        desk.route(
            f"{PATH}/automation",
            lambda request: _switch(desk, request),
            "pause_automation",
            methods=("POST",),
        ),
    ]


def _limits(desk: Desk, book: PolicyBook, request: Request) -> Response:
    engine, scope = desk.engine, desk.scope(request)
    policy = queries.policy_in_force(engine) or _shipped(book)
    page = _page(request)
    wanted = {name: request.query_params.get(name, "") for name in queries.FILTERS}
    return desk.page(
        request,
        "limits.html",
        sent=SENT.get(request.query_params.get("sent", "")),
        proposals=_proposals(desk, book, request, page),
        page_number=page,
        proposals_max=queries.PROPOSALS_MAX,
        proposals_total=queries.proposals_total(engine, scope),
        changes=[_shown(desk, request, row) for row in queries.changes(engine, scope, wanted)],
        changes_max=queries.CHANGES_MAX,
        choices=queries.choices(engine, scope),
        wanted=wanted,
        request_id=secrets.token_urlsafe(16),
        whole=scope.funders is None,
        policy=policy,
        **_automation(desk, request, _guardrails(book, policy)),
    )


def _shown(desk: Desk, request: Request, row: Row) -> dict[str, Any]:
    """A change with its reasons in the viewer's language, and the parts that it may see."""
    language = desk.language(request)
    said = reasons_in(language, i18n.translator(language), row, desk.labels)
    parts = limits.shares_of(row, desk.scope(request).funders)
    return {**row, "reasons": said, "parts": parts}


def _page(request: Request) -> int:
    """The page of proposals that was asked for, the first where it is none."""
    text = request.query_params.get("page", "")
    return min(max(int(text), 1), PAGES_MAX) if text.isascii() and text.isdigit() else 1


def _proposals(desk: Desk, book: PolicyBook, request: Request, page: int) -> list[dict[str, Any]]:
    engine, scope, viewer = desk.engine, desk.scope(request), desk.viewer(request)
    rows = queries.proposals(engine, scope, page)
    if not rows:
        return []
    said, granted = queries.approvals(engine, scope), queries.granted(engine, scope)
    found = []
    for row in rows:
        total = granted.get((row["merchant_id"], row["currency"]), 0)
        needs = _approvers(book, row, total)
        rails = _guardrails(book, row["policy_version"])
        comments = said.get(row["decision_id"], [])
        stand = limits.stand(viewer, row, comments, total, needs, rails)
        found.append({**_shown(desk, request, row), "stand": stand, "said": comments})
    return found


def _automation(desk: Desk, request: Request, rails: Guardrails | None) -> dict[str, Any]:
    """The kill switch, and for who sees all merchants budgets and the breaker."""
    engine, scope = desk.engine, desk.scope(request)
    switches = queries.switches(engine)
    shown: dict[str, Any] = {
        "rails": rails,
        "switches": switches,
        "paused": bool(switches) and switches[0]["type"] == "automation.pause",
        "headroom": limits.headroom_rows(queries.carried(engine, scope), rails),
        "budgets": [],
        "waves": [],
        "latest_ms": queries.latest_ms(engine),
        "budget_days": queries.BUDGET_DAYS,
    }
    if scope.funders is not None or not shown["latest_ms"]:
        return shown
    first_day = shown["latest_ms"] // limits.DAY_MS - queries.BUDGET_DAYS + 1
    leased, spent = queries.leased(engine, first_day), queries.spent(engine, first_day)
    shown["budgets"] = limits.budget_rows(leased, spent, rails)
    if rails is not None and rails.breaker is not None:
        since_ms = shown["latest_ms"] - rails.breaker.window_ms
        shown["waves"] = limits.wave_rows(queries.waves(engine, since_ms), rails.breaker)
    return shown


def _shipped(book: PolicyBook) -> str | None:
    """The version of the policy that ships, which is in force before any is published."""
    try:
        found = [each for each in book.documents() if each.artifact == "policy" and each.shipped]
    except BookUnavailable:
        return None
    return found[0].version if found else None


def _guardrails(book: PolicyBook, version: str | None) -> Guardrails | None:
    try:
        return None if version is None else book.guardrails(version)
    except BookUnavailable:
        return None


def _approvers(book: PolicyBook, row: Row, total_minor: int) -> int | None:
    try:
        return book.approvers(row["policy_version"], limits.move_of(row, total_minor))
    except BookUnavailable:
        return None


# --- commands -------------------------------------------------------------------------------------


def _decide(desk: Desk, request: Request) -> Response:
    """Approve or reject an open proposal. Who proposed it cannot approve it (four eyes)."""
    form, viewer, scope = posted(request), desk.viewer(request), desk.scope(request)
    verdict = needed(form, "verdict")
    if verdict not in VERDICTS:
        raise InvalidForm(f"`verdict` is {verdict[:40]!r}; use approve or reject")
    decision_id, reason = needed(form, "decision_id"), needed(form, "reason")
    row = queries.proposal(desk.engine, scope, decision_id)
    if row is None:
        raise HTTPException(404)
    if verdict == "approve":
        if viewer.name == row["actor"]:
            return desk.problem(request, 403, "You proposed it: somebody else must approve it.")
        said = queries.approvals(desk.engine, scope).get(decision_id, [])
        if viewer.name in limits.approvers_of(row, said):
            return desk.problem(request, 403, "You have approved it: another person must as well.")
    desk.commands.send(
        viewer,
        VERDICTS[verdict],
        row["merchant_id"],
        {"decision_id": decision_id, "reason": reason},
        # One verdict of one person on one proposal is one command, however often it is sent.
        request_id=f"{needed(form, 'request_id')}:{decision_id}:{verdict}",
        occurred_at=desk.event_time_ms(),
    )
    return RedirectResponse(f"{PATH}?sent={verdict}", 303)


def _switch(desk: Desk, request: Request) -> Response:
    """Pause or resume all automatic limit changes."""
    form = posted(request)
    wanted = needed(form, "switch")
    if wanted not in SWITCH:
        raise InvalidForm(f"`switch` is {wanted[:40]!r}; use pause or resume")
    desk.commands.send(
        desk.viewer(request),
        SWITCH[wanted],
        GLOBAL_MERCHANT,
        {"reason": needed(form, "reason")},
        request_id=needed(form, "request_id"),
        occurred_at=desk.event_time_ms(),
    )
    return RedirectResponse(f"{PATH}?sent={wanted}#automation", 303)
