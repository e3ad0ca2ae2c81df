"""The queue: what to look at first within the day's hours, live."""

from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from desk import filters as filtering
from desk import present, queries, queue_queries, queue_view
from desk.alerting import OUTCOMES
from desk.filters import Filters
from desk.forms import InvalidForm, fields_of, posted
from desk.fragments import Cache, Fragment, fragment
from desk.i18n import translator
from desk.kept import Kept
from desk.live import Stored
from desk.queue_queries import Choices
from desk.queue_view import HOURS_MAX, Workday
from desk.services import Desk
from desk.working import SNOOZE_DAYS

HOURS_COOKIE = "tideline_hours"
YEAR_S = 365 * 86_400
MINUTE_MS = 60_000
CHOICES_MS = 30_000
"""For how long what the filters offer is kept."""


def routes(desk: Desk, workday: Workday) -> list[Route]:
    """``/`` and the parts of it."""
    queue = Queue(desk, workday)
    return [
        desk.route("/", queue.page),
        desk.route("/queue/rows", queue.rows),
        desk.route("/queue/changes", queue.changes),
        desk.route("/queue/hours", queue.hours, methods=("POST",)),
    ]


class Queue:
    """The page's handlers, and what they keep between requests."""

    def __init__(self, desk: Desk, workday: Workday) -> None:
        self._desk = desk
        self._workday = workday
        self._rows: Cache[Fragment] = Cache()
        self._choices: Kept[Choices] = Kept(CHOICES_MS, desk.now_ms)

    def page(self, request: Request) -> Response:
        """The whole page."""
        filters = filtering.chosen(request.query_params)
        stored = self._desk.live.look()
        return self._desk.page(
            request,
            "queue.html",
            filters=filters,
            states=STATES,
            choices=self._choices_of(request, stored),
            rows=self._fragment(request, filters, stored),
            hours=self._hours(request),
            hours_max=HOURS_MAX,
            may_work=self._desk.viewer(request).may("work_alerts"),
            outcomes=OUTCOMES,
            snooze_days=SNOOZE_DAYS,
        )

    def rows(self, request: Request) -> Response:
        """The part that is live; nothing for who shows it already (``seen``)."""
        filters = filtering.chosen(request.query_params)
        made = self._fragment(request, filters, self._desk.live.stored())
        if request.query_params.get("seen") == made.digest:
            return Response(status_code=204)
        return HTMLResponse(made.html)

    def changes(self, request: Request) -> Response:
        """The latest limit changes."""
        desk, scope = self._desk, self._desk.scope(request)
        changes = [
            {**row, "reasons": present.reasons(row, desk.labels, row["currency"])}
            for row in queries.latest_changes(desk.engine, scope)
        ]
        return desk.page(request, "queue_changes.html", changes=changes)

    def hours(self, request: Request) -> Response:
        """Keep the hours that the viewer has today."""
        form = posted(request)
        text = form.get("hours", "").strip()
        hours = queue_view.hours_of(text, -1.0)
        if hours < 0:
            raise InvalidForm(f"`hours` is {text[:20]!r}, not 0 to {HOURS_MAX:g}")
        query = filtering.chosen(fields_of(form.get("filters", "").encode())).query()
        answer = RedirectResponse(f"/?{query}" if query else "/", 303)
        answer.set_cookie(HOURS_COOKIE, f"{hours:g}", YEAR_S, samesite="strict", httponly=True)
        return answer

    def _hours(self, request: Request) -> float:
        return queue_view.hours_of(request.cookies.get(HOURS_COOKIE), self._workday.hours)

    def _choices_of(self, request: Request, stored: Stored) -> Choices:
        scope = self._desk.scope(request)
        # A desk that is filling up looks again whenever there are twice as many alerts.
        key = scope, stored.alerts.bit_length()
        return self._choices.get(key, lambda: queue_queries.choices(self._desk.engine, scope))

    def _fragment(self, request: Request, filters: Filters, stored: Stored) -> Fragment:
        """Made once for all who may see the same, until something is stored or a minute passed."""
        desk, viewer = self._desk, self._desk.viewer(request)
        hours = self._hours(request)
        who = viewer.name if filters.assignee == filtering.ME else ""
        may_work = viewer.may("work_alerts")
        seen_by = (desk.scope(request), who, may_work, desk.language(request))
        version = (stored.number, stored.event_ms, desk.now_ms() // MINUTE_MS)

        def make() -> Fragment:
            values = self._values(request, filters, stored, hours)
            made = fragment(desk.render(request, "queue_rows.html", may_work=may_work, **values))
            return made._replace(html=made.html.replace(_SEEN, made.digest, 1))

        return self._rows.get((*seen_by, filters, hours), version, make)

    def _values(
        self, request: Request, filters: Filters, stored: Stored, hours: float
    ) -> dict[str, Any]:
        desk, scope = self._desk, self._desk.scope(request)
        language = desk.language(request)
        t, now_ms = translator(language), desk.event_time_ms()
        money = queue_view.money_of(self._workday, self._choices_of(request, stored).currencies)
        asked = (scope, filters, desk.viewer(request).name, money.rates, now_ms)
        rows = queue_queries.rows(desk.engine, *asked)
        counted = queue_queries.counts(desk.engine, *asked)

        def shown(row: Any) -> dict[str, Any]:
            return queue_view.shown(row, desk.labels, desk.kinds, language, t, now_ms)

        values: dict[str, Any] = {
            "filters": filters,
            "stored": stored,
            "now_ms": now_ms,
            "hours": hours,
            "tiles": queue_view.tiles(counted, filters, t),
            "seen": _SEEN,
            "cut": None,
            "rows_shown": [],
        }
        if filters.ranked:
            found = queue_view.cut(rows, counted, filters, hours, money, now_ms)
            values["cut"] = found._replace(
                fits=[shown(row) for row in found.fits], rest=[shown(row) for row in found.rest]
            )
        else:
            values["rows_shown"] = [shown(row) for row in rows]
        return values


_SEEN = "SEEN-DIGEST"
"""Stands in the fragment for its own digest."""

STATES = {
    "work": "To be worked",
    "open": "Open",
    "assigned": "Assigned",
    "acknowledged": "Acknowledged",
    "snoozed": "Snoozed",
    "closed": "Closed",
}
"""The states to choose from, and how they read in English."""
