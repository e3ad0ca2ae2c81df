"""The operations of the API that read."""

from typing import Annotated, Literal

from msgspec import Meta
from starlette.requests import Request

from desk.api import events, queries
from desk.api.endpoint import Endpoint, Missing, NoQuery
from desk.api.paging import Paged
from desk.api.queries import equals, scoped
from desk.api.types import (
    AlertHistory,
    AlertPage,
    AssessmentPage,
    AuditPage,
    EventPage,
    Health,
    LimitChangePage,
    Me,
    MerchantDetail,
    MerchantPage,
    Models,
    Policies,
    Portfolio,
    Series,
)
from desk.identity import PERMISSIONS
from desk.services import Desk
from schemas.audit import AuditAction
from schemas.outputs import Alert, AlertState, Assessment, Band, LimitChange, LimitState, Severity

Name = Annotated[str, Meta(min_length=1, max_length=256)]


class AlertsQuery(Paged, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Which alerts."""

    state: Annotated[
        AlertState | Literal["active", "any"],
        Meta(description="`active` is every state but `closed`."),
    ] = "active"
    severity: Severity | None = None
    kind: Name | None = None
    segment: Name | None = None
    assignee: Name | None = None
    merchant_id: Name | None = None


class MerchantsQuery(Paged, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Which merchants."""

    band: Band | None = None
    segment: Name | None = None


class ChangesQuery(Paged, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Which limit changes."""

    state: LimitState | None = None
    product: Name | None = None
    line_id: Name | None = None
    merchant_id: Name | None = None


class AuditQuery(Paged, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Which entries of the audit log."""

    actor: Name | None = None
    action: AuditAction | None = None
    subject: Name | None = None


def _alerts(desk: Desk, request: Request, query: AlertsQuery) -> AlertPage:
    state = "state != 'closed'" if query.state == "active" else "1"
    exact = None if query.state in ("active", "any") else query.state
    wanted = equals(
        state=exact,
        severity=query.severity,
        kind=query.kind,
        segment=query.segment,
        assignee=query.assignee,
        merchant_id=query.merchant_id,
    )
    items, cursor = queries.page_of(
        desk.engine,
        Alert,
        "alerts_current",
        [(state, {}), wanted, scoped(desk.scope(request))],
        order=("opened_at", "alert_id"),
        limit=query.limit,
        cursor=query.cursor,
        keys_first=query.state in ("any", "closed") and query.merchant_id is None,
    )
    return AlertPage(items=items, next_cursor=cursor)


def _alert(desk: Desk, request: Request, _query: NoQuery) -> AlertHistory:
    alert_id = request.path_params["alert_id"]
    states = queries.alert_states(desk.engine, desk.scope(request), alert_id)
    if not states:
        raise Missing(f"no alert {alert_id!r} is stored, or it is not yours to see")
    return AlertHistory(alert=states[-1], transitions=states)


def seen(desk: Desk, request: Request) -> str:
    """The merchant of the path. Raises ``Missing`` unless the viewer may see it."""
    merchant_id: str = request.path_params["merchant_id"]
    if not queries.merchant_exists(desk.engine, desk.scope(request), merchant_id):
        raise Missing(f"nothing is stored of merchant {merchant_id!r}, or it is not yours to see")
    return merchant_id


def _merchants(desk: Desk, request: Request, query: MerchantsQuery) -> MerchantPage:
    items, cursor = queries.merchants(
        desk.engine,
        desk.scope(request),
        equals(band=query.band, segment=query.segment),
        limit=query.limit,
        cursor=query.cursor,
    )
    return MerchantPage(items=items, next_cursor=cursor)


def _merchant(desk: Desk, request: Request, _query: NoQuery) -> MerchantDetail:
    merchant_id = seen(desk, request)
    return MerchantDetail(
        merchant_id=merchant_id,
        assessment=queries.latest_assessment(desk.engine, merchant_id),
        lines=queries.lines(desk.engine, merchant_id),
        alerts=queries.open_alerts(desk.engine, merchant_id),
    )


def _assessments(desk: Desk, request: Request, query: Paged) -> AssessmentPage:
    items, cursor = queries.page_of(
        desk.engine,
        Assessment,
        "assessments",
        [equals(merchant_id=seen(desk, request))],
        order=("as_of", "assessment_id"),
        limit=query.limit,
        cursor=query.cursor,
    )
    return AssessmentPage(items=items, next_cursor=cursor)


def _changes_page(
    desk: Desk, request: Request, query: Paged, **wanted: str | None
) -> LimitChangePage:
    items, cursor = queries.page_of(
        desk.engine,
        LimitChange,
        "limit_changes",
        [equals(**wanted), scoped(desk.scope(request))],
        order=("decided_at", "decision_id"),
        limit=query.limit,
        cursor=query.cursor,
    )
    return LimitChangePage(items=items, next_cursor=cursor)


def _merchant_changes(desk: Desk, request: Request, query: Paged) -> LimitChangePage:
    return _changes_page(desk, request, query, merchant_id=seen(desk, request))


def _changes(desk: Desk, request: Request, query: ChangesQuery) -> LimitChangePage:
    return _changes_page(
        desk,
        request,
        query,
        state=query.state,
        product=query.product,
        line_id=query.line_id,
        merchant_id=query.merchant_id,
    )


def _proposals(desk: Desk, request: Request, _query: NoQuery) -> LimitChangePage:
    return LimitChangePage(
        items=queries.proposals(desk.engine, desk.scope(request)), next_cursor=None
    )


def _series(desk: Desk, request: Request, query: Paged) -> Series:
    items, cursor = queries.days(
        desk.engine, seen(desk, request), limit=query.limit, cursor=query.cursor
    )
    return Series(items=items, next_cursor=cursor)


def _events(desk: Desk, request: Request, query: events.EventsQuery) -> EventPage:
    return events.page(desk, request, query, seen(desk, request))


def _portfolio(desk: Desk, request: Request, _query: NoQuery) -> Portfolio:
    scope, engine = desk.scope(request), desk.engine
    return Portfolio(
        as_of=queries.freshness(engine)[0],
        segments=queries.exposures(engine, scope, "segment"),
        bands=queries.exposures(engine, scope, "band"),
        products=queries.limits_by_product(engine, scope),
        funders=queries.limits_by_funder(engine, scope),
    )


def _models(desk: Desk, _request: Request, _query: NoQuery) -> Models:
    return Models(
        in_force=queries.in_force(desk.engine, "models_in_force"),
        published=queries.model_versions(desk.engine),
    )


def _policies(desk: Desk, _request: Request, _query: NoQuery) -> Policies:
    return Policies(items=queries.in_force(desk.engine, "policies_in_force"))


def _audit(desk: Desk, _request: Request, query: AuditQuery) -> AuditPage:
    items, cursor = queries.audit(
        desk.engine,
        equals(actor=query.actor, action=query.action, subject=query.subject),
        limit=query.limit,
        cursor=query.cursor,
    )
    return AuditPage(items=items, next_cursor=cursor)


def _health(desk: Desk, _request: Request, _query: NoQuery) -> Health:
    event_time, stored_at = queries.freshness(desk.engine)
    now = desk.now_ms()
    behind = None if stored_at is None else max(now - stored_at, 0)
    return Health(now=now, event_time=event_time, stored_at=stored_at, behind_ms=behind)


def _me(desk: Desk, request: Request, _query: NoQuery) -> Me:
    viewer = desk.viewer(request)
    return Me(
        name=viewer.name,
        role=viewer.role,
        funders=None if viewer.funders is None else list(viewer.funders),
        permissions=[permission for permission in PERMISSIONS if viewer.may(permission)],
    )


_MERCHANT = "/merchants/{merchant_id}"

# A path parameter takes any characters, so the longer of two paths comes first.
READS: tuple[Endpoint, ...] = (
    Endpoint("/alerts", _alerts, AlertPage, "Alerts by filters", AlertsQuery),
    Endpoint("/alerts/{alert_id}", _alert, AlertHistory, "One alert with its transitions"),
    Endpoint("/merchants", _merchants, MerchantPage, "Merchants by filters", MerchantsQuery),
    Endpoint(
        f"{_MERCHANT}/assessments", _assessments, AssessmentPage, "Assessments of a merchant", Paged
    ),
    Endpoint(
        f"{_MERCHANT}/limit-changes",
        _merchant_changes,
        LimitChangePage,
        "Limit changes of a merchant",
        Paged,
    ),
    Endpoint(f"{_MERCHANT}/series", _series, Series, "Days of a merchant in sums", Paged),
    Endpoint(
        f"{_MERCHANT}/events",
        _events,
        EventPage,
        "Events of a merchant, masked",
        events.EventsQuery,
    ),
    Endpoint(_MERCHANT, _merchant, MerchantDetail, "One merchant as it stands"),
    Endpoint("/limit-changes", _changes, LimitChangePage, "Limit changes by filters", ChangesQuery),
    Endpoint(
        "/proposals", _proposals, LimitChangePage, "Limit changes that wait for approval (500)"
    ),
    Endpoint("/portfolio", _portfolio, Portfolio, "Exposure, limits and expected loss"),
    Endpoint("/models", _models, Models, "Model versions in force and published"),
    Endpoint("/policies", _policies, Policies, "Policies and rule files in force"),
    Endpoint("/audit", _audit, AuditPage, "The audit log", AuditQuery, "read_audit"),
    Endpoint("/health", _health, Health, "How fresh the store is"),
    Endpoint("/me", _me, Me, "Who asks, and what that viewer may do", permission=None),
)
"""Every operation that reads."""
