"""Parts of the merchant page that it loads by itself: plots, counterparties, the event trail."""

import json
from typing import Any
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from desk import i18n, masking, merchant_queries, present, series, series_queries
from desk.forms import InvalidForm
from desk.merchant_queries import TRAIL_GROUPS, TRAIL_MAX, Place
from desk.ports import Row
from desk.services import Desk
from schemas.currencies import minor_digits

BODY_FIELDS_MAX = 60


def routes(desk: Desk) -> list[Route]:
    """``series`` (JSON), ``counterparties`` and ``trail`` below ``/merchants/{merchant_id}``."""
    base = "/merchants/{merchant_id:path}"
    return [
        desk.route(f"{base}/series", lambda request: _series(desk, request)),
        desk.route(f"{base}/counterparties", lambda request: _counterparties(desk, request)),
        desk.route(f"{base}/trail", lambda request: _trail(desk, request)),
    ]


# --- plots ----------------------------------------------------------------------------------------


def _series(desk: Desk, request: Request) -> Response:
    merchant_id: str = request.path_params["merchant_id"]
    scope, engine = desk.scope(request), desk.engine
    wanted = request.query_params.get("range", "90d")
    if wanted not in series_queries.DAYS:
        choices = ", ".join(series_queries.DAYS)
        return JSONResponse({"error": f"`range` is {wanted[:40]!r}; use one of {choices}"}, 400)
    span = series_queries.span_of(engine, scope, merchant_id)
    if span is None:
        return JSONResponse({"error": "nothing is stored of this merchant"}, 404)
    of = series_queries.window(span, series_queries.DAYS[wanted])
    used = series_queries.currencies(engine, scope, merchant_id)
    lending = _lending_currency(desk, request)
    known = list(dict.fromkeys([*([lending] if lending else []), *used]))
    currency = request.query_params.get("currency") or (known[0] if known else "")
    changes = series_queries.limits(engine, scope, merchant_id, currency)
    assessed = series_queries.risk(engine, scope, merchant_id, of)
    owed, before = [], None
    if currency == lending:
        owed = assessed
        before = series_queries.owed_before(engine, scope, merchant_id, of)
    spans = series.episodes(of, series_queries.alert_states(engine, scope, merchant_id))
    return JSONResponse(
        {
            "merchant_id": merchant_id,
            "range": wanted,
            "currency": currency,
            "currency_digits": minor_digits(currency),
            "currencies": known,
            "bucket_days": of.width_days,
            "from_ms": of.first * series_queries.DAY_MS,
            "until_ms": of.until_ms,
            "buckets_ms": of.starts_ms,
            "flows": series.flows(
                of, series_queries.flows(engine, scope, merchant_id, of, currency)
            ),
            "risk": series.risk(of, assessed),
            "line": series.line(of, changes, owed, before),
            "moves": series.moves(of, changes),
            "alerts": series.labelled(
                spans, {span["kind"]: desk.kind_text(request, span["kind"]) for span in spans}
            ),
        },
        headers={"cache-control": "no-store"},
    )


def _lending_currency(desk: Desk, request: Request) -> str:
    """The currency of the merchant's latest assessment, in which its exposure is."""
    merchant_id: str = request.path_params["merchant_id"]
    return merchant_queries.currency_of(desk.engine, desk.scope(request), merchant_id)


# --- counterparties -------------------------------------------------------------------------------


def _counterparties(desk: Desk, request: Request) -> Response:
    merchant_id: str = request.path_params["merchant_id"]
    scope, engine = desk.scope(request), desk.engine
    if not merchant_queries.visible(engine, scope, merchant_id):
        return desk.problem(request, 404)
    used = series_queries.currencies(engine, scope, merchant_id)
    currency = _lending_currency(desk, request) or (used[0] if used else "")
    if used and currency not in used:
        currency = used[0]
    rows = merchant_queries.counterparties(engine, scope, merchant_id, currency)
    ids = [row["counterparty_id"] for row in rows]
    shared = merchant_queries.sharing(engine, scope, merchant_id, ids)
    fragment = request.headers.get("hx-request") == "true"
    return desk.page(
        request,
        "merchant_counterparties.html" if fragment else "merchant_counterparties_page.html",
        merchant_id=merchant_id,
        base=f"/merchants/{quote(merchant_id, safe='')}",
        rows=[
            {
                **row,
                "in_share": _share(row["in_minor"], row["in_total_minor"]),
                "out_share": _share(row["out_minor"], row["out_total_minor"]),
                "shared": shared.get(row["counterparty_id"], []),
            }
            for row in rows
        ],
        currency=currency,
        others=[each for each in used if each != currency],
        shared_max=merchant_queries.SHARED_MAX,
    )


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


# --- the event trail --------------------------------------------------------------------------


def _trail(desk: Desk, request: Request) -> Response:
    merchant_id: str = request.path_params["merchant_id"]
    scope, engine = desk.scope(request), desk.engine
    if not merchant_queries.visible(engine, scope, merchant_id):
        return desk.problem(request, 404)
    group = request.query_params.get("group") or None
    if group is not None and group not in TRAIL_GROUPS:
        raise InvalidForm(f"`group` is {group[:40]!r}; use one of {', '.join(TRAIL_GROUPS)}")
    before = _place(request.query_params.get("before", ""))
    rows = merchant_queries.trail(engine, scope, merchant_id, group=group, before=before)
    more, rows = len(rows) > TRAIL_MAX, rows[:TRAIL_MAX]
    base = f"/merchants/{quote(merchant_id, safe='')}"
    clear = desk.may_see_unmasked(request, merchant_id)
    t = i18n.translator(desk.language(request))
    earlier = ""
    if more:
        last = rows[-1]
        place = f"{last['occurred_ms']}-{last['kafka_offset']}-{last['line']}"
        parts = {"before": place, **({"group": group} if group else {})}
        earlier = f"{base}/trail?{urlencode(parts)}"
    fragment = request.headers.get("hx-request") == "true"
    return desk.page(
        request,
        "merchant_trail.html" if fragment else "merchant_trail_page.html",
        merchant_id=merchant_id,
        base=base,
        events=[_event(row, clear=clear, t=t) for row in rows],
        earlier=earlier,
        first=before is None,
        group=group,
        groups=list(TRAIL_GROUPS),
        clear=clear,
        may_unmask=desk.viewer(request).may("unmask"),
    )


def _place(text: str) -> Place | None:
    if not text:
        return None
    parts = text.split("-")
    if len(parts) != 3 or not all(part.isascii() and part.isdigit() for part in parts):
        raise InvalidForm(f"`before` is {text[:60]!r}, no place in the trail; begin again without")
    at_ms, offset, line = (min(int(part), 2**53) for part in parts)
    return at_ms, offset, min(line, 2**32 - 1)


def _event(row: Row, *, clear: bool, t: i18n.Translate) -> dict[str, Any]:
    """An event with the fields of its body, masked unless ``clear``."""
    try:
        body = json.loads(row["body"])
    except ValueError:
        body = {}
    shown = body if clear else masking.mask(body)
    fields = [
        (key, _value(key, value), bool(not clear and value == masking.MASK))
        for key, value in list(shown.items())[:BODY_FIELDS_MAX]
        if key not in ("type", "merchant_id", "occurred_at")
    ]
    return {**row, "label": t(present.words(row["type"].replace(".", " "))), "fields": fields}


def _value(key: str, value: Any) -> str:
    if key.endswith("_at") and isinstance(value, int):
        return f"{present.moment(value)} UTC" if 0 <= value < 2**43 else str(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
