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
"""For how long the series of the charts are kept, by scope and currency."""

Series = dict[str, Any]


def routes(desk: Desk) -> list[Route]:
    """``/portfolio``, and ``/portfolio/series`` with what its charts draw."""
    kept: Kept[Series] = Kept(KEPT_MS, desk.now_ms)
    return [
        desk.route("/portfolio", lambda request: _portfolio(desk, request)),
        desk.route("/portfolio/series", lambda request: _series(desk, kept, request)),
    ]


def _portfolio(desk: Desk, request: Request) -> Response:
    engine, scope = desk.engine, desk.scope(request)
    found = [row["currency"] for row in queries.currencies(engine, scope)]
    if not found:
        return desk.page(request, "portfolio.html", currencies=[])
    currency = _currency(request, found)
    cells, lines = queries.cells(engine, scope, currency), queries.lines(engine, scope, currency)
    totals, dimensions = portfolio.totals(cells), portfolio.by_dimension(cells, lines)
    vintages = portfolio.vintages(queries.vintage_rows(engine, scope), queries.latest_month(engine))
    return desk.page(
        request,
        "portfolio.html",
        currencies=found,
        currency=currency,
        totals=totals,
        utilisation=portfolio.ratio(totals["exposure"], totals["granted"]),
        loss_rate=portfolio.ratio(totals["loss"], totals["exposure"]),
        loss_given_default=queries.LOSS_GIVEN_DEFAULT,
        times=queries.as_of(engine, scope),
        bounded=scope.funders is not None,
        dimensions=dimensions,
        concentration=portfolio.concentration(cells, dimensions),
        cohorts=queries.cohorts(engine, scope),
        map=portfolio.cohort_map(cells),
        vintages=vintages,
        months=max((len(each.late) for each in vintages), default=0),
        trend_days=portfolio.TREND_DAYS,
    )


def _series(desk: Desk, kept: Kept[Series], request: Request) -> Response:
    """Exposure and open alerts at the end of each day, and the vintages' curves, as JSON."""
    engine, scope = desk.engine, desk.scope(request)
    found = [row["currency"] for row in queries.currencies(engine, scope)]
    if not found:
        return JSONResponse({"currency": None, "trend": None, "vintages": []})
    currency = _currency(request, found)
    # The exposure of each day is the dearest figure of the desk, and no second is too much for it.
    key = scope.funders, currency
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
