"""The portfolio: exposure, expected loss, concentration, cohorts, vintages, and how they moved."""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from desk import portfolio
from desk import portfolio_queries as queries
from desk.kept import Kept
from desk.scope import Scope
from desk.services import DAY_MS, Desk
from schemas.currencies import minor_digits

KEPT_MS = 60_000
"""For how long figures are kept, by scope and currency; the page says as of when they are."""

Series = dict[str, Any]


def routes(desk: Desk) -> list[Route]:
    """``/portfolio``, and ``/portfolio/series`` with what its charts draw."""
    kept: Kept[Any] = Kept(KEPT_MS, desk.now_ms)
    return [
        desk.route("/portfolio", lambda request: _portfolio(desk, kept, request)),
        desk.route("/portfolio/series", lambda request: _series(desk, kept, request)),
    ]


def _portfolio(desk: Desk, kept: Kept[Any], request: Request) -> Response:
    scope = desk.scope(request)
    found = _currencies(desk, kept, scope)
    if not found:
        return desk.page(request, "portfolio.html", currencies=[])
    currency = _currency(request, found)
    key = "page", scope, currency, _stage(desk)
    return desk.page(
        request,
        "portfolio.html",
        currencies=found,
        currency=currency,
        loss_given_default=queries.LOSS_GIVEN_DEFAULT,
        bounded=scope.funders is not None,
        trend_days=portfolio.TREND_DAYS,
        **kept.get(key, lambda: _figures(desk, scope, currency)),
    )


def _figures(desk: Desk, scope: Scope, currency: str) -> dict[str, Any]:
    """What the page shows of one currency, with the times that it is of."""
    engine = desk.engine
    cells, lines = queries.cells(engine, scope, currency), queries.lines(engine, scope, currency)
    totals, dimensions = portfolio.totals(cells), portfolio.by_dimension(cells, lines)
    vintages = portfolio.vintages(queries.vintage_rows(engine, scope), queries.latest_month(engine))
    return {
        "totals": totals,
        "utilisation": portfolio.ratio(totals["exposure"], totals["granted"]),
        "loss_rate": portfolio.ratio(totals["loss"], totals["exposure"]),
        "times": queries.as_of(engine, scope),
        "dimensions": dimensions,
        "concentration": portfolio.concentration(cells, dimensions),
        "cohorts": queries.cohorts(engine, scope),
        "map": portfolio.cohort_map(cells),
        "vintages": vintages,
        "months": max((len(each.late) for each in vintages), default=0),
    }


def _currencies(desk: Desk, kept: Kept[Any], scope: Scope) -> list[str]:
    def make() -> list[str]:
        return [row["currency"] for row in queries.currencies(desk.engine, scope)]

    found: list[str] = kept.get(("currencies", scope, _stage(desk)), make)
    return found


def _stage(desk: Desk) -> int:
    """Part of every key: a desk that is filling up looks again when there is twice as much."""
    return desk.live.stored().assessments.bit_length()


def _series(desk: Desk, kept: Kept[Any], request: Request) -> Response:
    """Exposure and open alerts at the end of each day, and the vintages' curves, as JSON."""
    scope = desk.scope(request)
    found = _currencies(desk, kept, scope)
    if not found:
        return JSONResponse({"currency": None, "trend": None, "vintages": []})
    currency = _currency(request, found)
    key = "series", scope, currency, _stage(desk)
    return JSONResponse(kept.get(key, lambda: _series_of(desk, scope, currency)))


def _series_of(desk: Desk, scope: Scope, currency: str) -> Series:
    engine, days = desk.engine, portfolio.TREND_DAYS
    last_day = max(queries.as_of(engine, scope).values()) // DAY_MS
    start_ms = (last_day - days + 1) * DAY_MS
    exposure = queries.exposure_steps(engine, scope, currency, start_ms)
    alerts = queries.alert_steps(engine, scope, start_ms)
    first_s, scale = start_ms // 1000, 10 ** minor_digits(currency)
    levels = portfolio.daily_levels(exposure, first_s, days)
    vintages = portfolio.vintages(queries.vintage_rows(engine, scope), queries.latest_month(engine))
    return {
        "currency": currency,
        "made_ms": desk.now_ms(),
        "trend": {
            "day_s": [first_s + n * portfolio.DAY_S for n in range(days)],
            "exposure": [level / scale for level in levels],
            "open_alerts": portfolio.daily_levels(alerts, first_s, days),
        },
        "vintages": [each._asdict() for each in vintages],
    }


def _currency(request: Request, found: list[str]) -> str:
    """The currency that was asked for; the most used where there is none of that."""
    wanted = request.query_params.get("currency", "")
    return wanted if wanted in found else found[0]
