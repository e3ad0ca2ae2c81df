"""Features of a segment and of a merchant's past, as quantiles: bounded, in scope."""

import threading

from desk.ports import Engine, Row
from desk.scope import Scope

PEERS_MAX = 500
PAST_MAX = 200
PAST_DAYS = 365
CACHE_MS = 900_000
CACHED_MAX = 64

_NAMED = "ARRAY JOIN mapKeys(features) AS name, mapValues(features) AS value"


def peers(engine: Engine, scope: Scope, segment: str, currency: str) -> list[Row]:
    """Quantiles at 0.1, 0.5 and 0.9 over the latest assessments of a segment, by feature.

    Of the ``PEERS_MAX`` merchants of one currency that were assessed last, with ``merchants`` that
    have the feature.
    """
    return engine.query(
        "SELECT name, uniqExact(merchant_id) AS merchants,"  # noqa: S608 - constants
        " quantilesExact(0.1, 0.5, 0.9)(assumeNotNull(value)) AS quantiles"
        f" FROM assessments {_NAMED}"
        " WHERE (merchant_id, as_of) IN (SELECT merchant_id, as_of FROM merchants_latest"
        " WHERE segment = {segment:String} AND currency = {currency:String}"
        f" AND {scope.where()}"
        " ORDER BY as_of DESC LIMIT 1 BY merchant_id"
        f" LIMIT {PEERS_MAX}) AND isNotNull(value) GROUP BY name ORDER BY name LIMIT 1000",
        {"segment": segment, "currency": currency, **scope.params},
    )


def own_past(engine: Engine, scope: Scope, merchant_id: str, as_of_ms: int) -> dict[str, float]:
    """Medians of a merchant's features over its assessments of the year before one, by feature.

    Of the latest ``PAST_MAX`` that are at least a day older; a feature needs three values.
    """
    rows = engine.query(
        "SELECT name, quantileExact(0.5)(assumeNotNull(value)) AS median FROM"  # noqa: S608 - constants
        " (SELECT features FROM assessments WHERE merchant_id = {merchant_id:String}"
        " AND as_of < fromUnixTimestamp64Milli({before_ms:Int64}, 'UTC')"
        " AND as_of >= fromUnixTimestamp64Milli({after_ms:Int64}, 'UTC')"
        f" AND {scope.where()} ORDER BY as_of DESC LIMIT {PAST_MAX}) {_NAMED}"
        " WHERE isNotNull(value) GROUP BY name HAVING count() >= 3 ORDER BY name LIMIT 1000",
        {
            "merchant_id": merchant_id,
            "before_ms": as_of_ms - 86_400_000,
            "after_ms": max(as_of_ms - PAST_DAYS * 86_400_000, 0),
            **scope.params,
        },
    )
    return {row["name"]: float(row["median"]) for row in rows}


class PeerCache:
    """Peers by segment and scope for a quarter of an hour: many pages ask for them. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[tuple[str, str, Scope], tuple[int, list[Row]]] = {}

    def peers(
        self, engine: Engine, scope: Scope, segment: str, currency: str, now_ms: int
    ) -> list[Row]:
        """As ``peers``; ``now_ms`` is wall-clock epoch milliseconds."""
        key = (segment, currency, scope)
        with self._lock:
            held = self._held.get(key)
        if held is not None and 0 <= now_ms - held[0] < CACHE_MS:
            return held[1]
        rows = peers(engine, scope, segment, currency)
        with self._lock:
            if len(self._held) >= CACHED_MAX and key not in self._held:
                self._held.pop(next(iter(self._held)))
            self._held[key] = (now_ms, rows)
        return rows
