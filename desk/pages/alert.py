"""One alert: what and why, what was done, and what can be done now."""

import secrets
from collections.abc import Sequence
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from desk import alert_queries, alerting, i18n, present, queue_view, working
from desk.alerting import COHORT, OUTCOMES
from desk.capacity import Row
from desk.forms import InvalidForm, needed, posted
from desk.fragments import fragment
from desk.services import Desk
from desk.working import ACTIONS, SNOOZE_DAYS, Found, Sent
from ops.errors import TidelineError

PATIENCE_MS = 60_000
"""A command that has no effect after so long is said to take longer than usual."""
NOTICE = "x-desk-notice"
"""Header of an answer that is to be shown though its status is an error."""


def routes(desk: Desk) -> list[Route]:
    """``/alerts/{alert_id}``, its live part, and what can be done with it."""
    page = AlertPage(desk)
    return [
        desk.route("/alerts/{alert_id}", page.page),
        desk.route("/alerts/{alert_id}/state", page.state),
        desk.route("/alerts/{alert_id}/waiting", page.waiting),
        desk.route("/alerts/{alert_id}/{action}", page.act, "work_alerts", methods=("POST",)),
    ]


class _Asked(NamedTuple):
    """A command on its way, as the notice that waits for it names it."""

    sent: Sent
    event_id: str
    sent_ms: int

    def query(self) -> dict[str, str | int]:
        return {**self.sent._asdict(), "event_id": self.event_id, "sent_ms": self.sent_ms}


class AlertPage:
    """The page's handlers."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def page(self, request: Request) -> Response:
        """The whole page."""
        states = self._states(request)
        if not states:
            return self._desk.problem(request, 404)
        alert, viewer = states[-1], self._desk.viewer(request)
        may_work = viewer.may("work_alerts")
        body = self._body(request, states)
        return self._desk.page(
            request,
            "alert.html",
            alert=alert,
            body=body,
            seen=fragment(body).digest,
            may_work=may_work,
            people=alert_queries.people(self._desk.engine, self._desk.scope(request))
            if may_work
            else [],
            outcomes=OUTCOMES,
            snooze_days=SNOOZE_DAYS,
            request_id=secrets.token_hex(16),
        )

    def state(self, request: Request) -> Response:
        """The part that is live; nothing for who shows it already (``seen``)."""
        states = self._states(request)
        if not states:
            return self._desk.problem(request, 404)
        body = self._body(request, states)
        digest = fragment(body).digest
        if request.query_params.get("seen") == digest:
            return Response(status_code=204)
        return self._desk.page(
            request, "alert_state.html", alert=states[-1], body=body, seen=digest
        )

    def act(self, request: Request) -> Response:
        """Send a command about the alert, unless it is closed already."""
        desk, action = self._desk, str(request.path_params["action"])
        if action not in ACTIONS:
            return desk.problem(request, 404)
        states = self._states(request)
        if not states:
            return desk.problem(request, 404)
        alert, viewer, form = states[-1], desk.viewer(request), posted(request)
        t, now_ms = i18n.translator(desk.language(request)), desk.event_time_ms()
        sent = Sent(action, viewer.name, "", int(alert["version"]))
        if alert["state"] == "closed":
            return self._notice(request, alert, sent, Found("conflict", alert), 409)
        try:
            fields = working.fields_of(action, form, viewer.name, now_ms)
            want = str(fields.get("assignee") or fields.get("outcome") or "")
            event_id = desk.commands.send(
                viewer,
                f"alert.{action}",
                str(alert["merchant_id"]),
                {"alert_id": str(alert["alert_id"]), **fields},
                request_id=needed(form, "request_id"),
                occurred_at=now_ms,
            )
        except (InvalidForm, TidelineError) as error:
            if "hx-request" not in request.headers:
                raise
            text = t("Not sent: {why}", why=str(error))
            status = 400 if isinstance(error, ValueError) else 503
            return self._failed(request, alert, text, status)
        asked = _Asked(sent._replace(want=want), event_id, desk.now_ms())
        if "hx-request" not in request.headers:
            return RedirectResponse(f"/alerts/{alert['alert_id']}", 303)
        return self._notice(request, alert, asked.sent, Found("waiting"), 202, asked)

    def waiting(self, request: Request) -> Response:
        """What became of a command: the notice again, or its end."""
        desk, query = self._desk, request.query_params
        try:
            viewer, since = desk.viewer(request), int(query["since"])
            sent = Sent(query["action"], viewer.name, query["want"], since)
            asked = _Asked(sent, query["event_id"], int(query["sent_ms"]))
        except (KeyError, ValueError):
            raise InvalidForm("the command that is waited for is not named") from None
        if sent.action not in ACTIONS or not 0 <= sent.since < 1 << 32:
            raise InvalidForm("`action` or `since` is not one of a command of the desk")
        states = self._states(request)
        if not states:
            return desk.problem(request, 404)
        later = [row for row in states if row["version"] > sent.since]
        return self._notice(request, states[-1], sent, working.became(sent, later), 200, asked)

    def _states(self, request: Request) -> list[dict[str, Any]]:
        alert_id = str(request.path_params["alert_id"])
        scope = self._desk.scope(request)
        return alert_queries.states(self._desk.engine, scope, alert_id)

    def _notice(
        self,
        request: Request,
        alert: Row,
        sent: Sent,
        found: Found,
        status: int,
        asked: _Asked | None = None,
    ) -> Response:
        desk = self._desk
        merchant_id = str(alert["merchant_id"])
        waited_ms = desk.now_ms() - asked.sent_ms if asked else 0
        if "hx-request" not in request.headers and asked is None:
            return desk.problem(request, 409, i18n.translator(desk.language(request))(CLOSED))
        waits = found.state == "waiting" and asked is not None
        html = desk.render(
            request,
            "alert_notice.html",
            alert=alert,
            sent=sent,
            found=found,
            asked=asked.query() if asked else {},
            event_id=asked.event_id if asked else "",
            in_log=waits
            and asked is not None
            and alert_queries.in_log(desk.engine, merchant_id, asked.event_id),
            is_late=waited_ms > PATIENCE_MS,
            outcomes=OUTCOMES,
            failed=None,
        )
        headers: dict[str, str] = {NOTICE: found.state}
        if found.state != "waiting":
            headers["hx-trigger"] = "desk:changed"
        return HTMLResponse(html, status, headers)

    def _failed(self, request: Request, alert: Row, text: str, status: int) -> Response:
        html = self._desk.render(
            request,
            "alert_notice.html",
            alert=alert,
            failed=text,
            found=Found("conflict"),
            event_id="",
        )
        return HTMLResponse(html, status, {NOTICE: "failed"})

    def _body(self, request: Request, states: list[dict[str, Any]]) -> str:
        """Everything about the alert but the forms."""
        desk, scope = self._desk, self._desk.scope(request)
        language = desk.language(request)
        t, now_ms, alert = i18n.translator(language), desk.event_time_ms(), states[-1]
        merchant_id = str(alert["merchant_id"])
        is_cohort = merchant_id.startswith(COHORT)

        def listed(rows: Sequence[Row]) -> list[dict[str, Any]]:
            return [
                queue_view.shown(row, desk.labels, desk.kinds, language, t, now_ms) for row in rows
            ]

        features = [] if is_cohort else alert["reason_features"]
        peers = alert_queries.peers(desk.engine, scope, merchant_id, features)
        members = alert_queries.members(desk.engine, scope, alert) if is_cohort else []
        return desk.render(
            request,
            "alert_body.html",
            alert=listed([alert])[0],
            reasons=alerting.why(alert, desk.labels, language, t, peers),
            transitions=alerting.transitions(states, OUTCOMES, t),
            evidence=[] if is_cohort else alert_queries.evidence(desk.engine, scope, alert),
            lines=[] if is_cohort else alert_queries.lines(desk.engine, scope, merchant_id),
            is_cohort=is_cohort,
            members=listed(members),
            others=listed(alert_queries.others(desk.engine, scope, alert)),
            exposure=present.money(alert["exposure_minor"], alert["currency"]),
            headroom=present.money(alert["headroom_minor"], alert["currency"]),
            outcomes=OUTCOMES,
            now_ms=now_ms,
        )


CLOSED = "The alert was closed before: the command would have no effect, and was not sent."
