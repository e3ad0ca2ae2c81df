"""One merchant: its lines, its time axis, why it is where it is, and what can be done."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from desk import comparison, feature_queries, i18n, merchant_queries, queries
from desk.explain import ACTIONS, Reader
from desk.lines import LineNow, fold
from desk.pages import merchant_actions, merchant_parts
from desk.ports import Row
from desk.services import Desk

HISTORY_SHOWN = 100


def routes(desk: Desk) -> list[Route]:
    """``/merchants/{merchant_id}`` and what stands below it; the page itself last.

    An id may hold a slash, so the last part of the path decides.
    """
    peers = feature_queries.PeerCache()
    return [
        *merchant_parts.routes(desk),
        *merchant_actions.routes(desk),
        desk.route("/merchants/{merchant_id:path}", lambda r: _merchant(desk, r, peers)),
    ]


def _merchant(desk: Desk, request: Request, cache: feature_queries.PeerCache) -> Response:
    merchant_id: str = request.path_params["merchant_id"]
    scope, engine = desk.scope(request), desk.engine
    if not merchant_queries.visible(engine, scope, merchant_id):
        return desk.problem(request, 404)
    language = desk.language(request)
    reader = Reader(language, i18n.translator(language), desk.labels)
    history = queries.merchant_assessments(engine, scope, merchant_id)
    alerts = queries.merchant_alerts(engine, scope, merchant_id)
    alerts.sort(key=lambda row: (row["state"] == "closed", -row["updated_ms"]))
    changes = merchant_queries.line_changes(engine, scope, merchant_id)
    answers = merchant_queries.core_answers(engine, scope, merchant_id) if changes else {}
    owed = merchant_queries.owed_by_line(engine, scope, merchant_id) if changes else {}
    latest = history[0] if history else None
    lines = fold(changes, answers, owed, latest["exposure_minor"] if latest else None)
    rows = _compared(desk, request, cache, latest)
    viewer = desk.viewer(request)
    return desk.page(
        request,
        "merchant.html",
        merchant_id=merchant_id,
        base=f"/merchants/{quote(merchant_id, safe='')}",
        reader=reader,
        latest=latest,
        reasons=reader.reasons(latest, latest["currency"]) if latest else [],
        unusual=[reader.label_of(name) for name in latest.get("unusual") or ()] if latest else [],
        rows=rows,
        first=comparison.unusual_first(rows),
        families=comparison.families(rows),
        available=sum(row.value is not None for row in rows),
        history=history,
        alerts=[_explained(desk, request, reader, row) for row in alerts],
        changes=[_change(reader, row, answers) for row in changes[:HISTORY_SHOWN]],
        changes_total=len(changes),
        lines=[_line(reader, line) for line in lines],
        frozen=any(line.frozen_by for line in lines),
        unfrozen=any(not line.frozen_by for line in lines),
        actions=merchant_actions.actions_for(viewer, lines),
        groups=list(merchant_queries.TRAIL_GROUPS),
        limit_actions=list(ACTIONS),
    )


def _compared(
    desk: Desk, request: Request, cache: feature_queries.PeerCache, latest: Row | None
) -> list[comparison.Compared]:
    if latest is None or "names" not in latest:
        return []
    scope, engine = desk.scope(request), desk.engine
    peers = cache.peers(engine, scope, latest["segment"], latest["currency"], desk.now_ms())
    own = feature_queries.own_past(
        engine, scope, request.path_params["merchant_id"], latest["as_of_ms"]
    )
    return comparison.compared(
        dict(zip(latest["names"], latest["vector"], strict=True)),
        desk.labels,
        own=own,
        peers=comparison.peers_of(peers),
        unusual=latest.get("unusual") or (),
    )


def _explained(desk: Desk, request: Request, reader: Reader, row: Row) -> dict[str, Any]:
    return {
        **row,
        "label": desk.kind_text(request, row["kind"]),
        "reasons": reader.reasons(row, row["currency"]),
    }


def _change(reader: Reader, row: Row, answers: Mapping[str, Row]) -> dict[str, Any]:
    """A change with its reasons, and its place in the life cycle."""
    answer = answers.get(row["decision_id"])
    stage = row["state"]
    if stage == "sent" and answer is not None:
        stage = answer["type"].removeprefix("limit.")
    return {
        **row,
        "reasons": reader.reasons(row, row["currency"]),
        "stage": stage,
        "answered_ms": answer["occurred_ms"] if answer else None,
        "answer_reason": answer["reason"] if answer else "",
        "shares": list(zip(row["funders"], row["funder_limits_minor"], strict=True)),
    }


def _line(reader: Reader, line: LineNow) -> dict[str, Any]:
    return {
        "now": line,
        "reasons": reader.reasons(line.latest, line.currency) if line.latest else [],
        "proposal": reader.reasons(line.pending, line.currency) if line.pending else [],
    }
