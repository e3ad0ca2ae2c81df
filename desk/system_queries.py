"""Feeds, refused input, what is in force, and how far the store is behind. Reads only, bounded."""

from desk.ports import Engine, Row

FEEDS = (
    "merchant.transactions",
    "merchant.logistics",
    "merchant.payments",
    "merchant.signals",
    "merchant.profiles",
    "lending.events",
)
STREAMS = ("assessments", "alerts", "limit_changes", "learner_reports", "dead_letters")
DAY_MS = 86_400_000
_TABLES = (*STREAMS, "event_records")


def feeds(engine: Engine) -> list[Row]:
    """Each feed: its latest event, its events of the last day, and of a usual day before.

    Days are of event time and end at the latest event of all; usual is the mean of 28 days.
    """
    found = engine.query(
        # The sums of days are of merchants alone: they say on which day to look for the latest.
        "WITH (SELECT max(occurred_at) FROM events WHERE merchant_id != '*'"
        " AND occurred_at >= toDateTime64((SELECT max(day) FROM daily_sums), 3, 'UTC')) AS latest"
        " SELECT input_topic AS feed, max(toUnixTimestamp64Milli(occurred_at)) AS latest_ms,"
        " countIf(occurred_at > latest - INTERVAL 1 DAY) AS last_day,"
        " countIf(occurred_at <= latest - INTERVAL 1 DAY) / 28 AS usual_day,"
        " max(kafka_timestamp_ms) AS logged_ms"
        " FROM events WHERE merchant_id != '*' AND occurred_at > latest - INTERVAL 29 DAY"
        " GROUP BY input_topic"
    )
    by_name = {row["feed"]: row for row in found}
    silent = {"latest_ms": None, "last_day": 0, "usual_day": 0.0, "logged_ms": None}
    return [{**silent, **by_name.get(name, {}), "feed": name} for name in FEEDS]


def stored(engine: Engine) -> list[Row]:
    """Each stream of outputs: rows, and the Kafka time of the last one that is stored (ms)."""
    parts = " UNION ALL ".join(
        f"SELECT '{table}' AS name, count() AS stored, max(kafka_timestamp_ms) AS kafka_ms"  # noqa: S608 - constants
        f" FROM {table}"
        for table in _TABLES
    )
    rows = {row["name"]: row for row in engine.query(parts)}
    return [{**rows[name], "kafka_ms": int(rows[name]["kafka_ms"]) or None} for name in _TABLES]


def refused(engine: Engine) -> list[Row]:
    """What intake and the sink refused, by reason, with the latest detail."""
    return engine.query(
        "SELECT 'intake' AS stage, reason, count() AS records,"
        " argMax(detail, kafka_offset) AS detail,"
        " argMax(source_topic, kafka_offset) AS topic, max(kafka_timestamp_ms) AS latest_ms"
        " FROM dead_letters GROUP BY reason"
        " UNION ALL "
        "SELECT 'sink' AS stage, reason, count() AS records,"
        " argMax(detail, kafka_offset) AS detail,"
        " argMax(kafka_topic, kafka_offset) AS topic, max(kafka_timestamp_ms) AS latest_ms"
        " FROM sink_rejects GROUP BY reason"
        " ORDER BY records DESC, reason LIMIT 50"
    )


def in_force(engine: Engine) -> list[Row]:
    """Policies, rule files and models in force: of each kind what the log activated last."""
    return engine.query(
        "SELECT artifact, version, digest, toUnixTimestamp64Milli(activated_at) AS activated_ms"
        " FROM policies_in_force WHERE until IS NULL"
        " UNION ALL "
        "SELECT artifact, version, digest, toUnixTimestamp64Milli(activated_at) AS activated_ms"
        " FROM models_in_force WHERE until IS NULL ORDER BY artifact LIMIT 20"
    )


def automation(engine: Engine) -> Row | None:
    """The latest command that paused or resumed automatic changes, if there was any."""
    rows = engine.query(
        "SELECT type, actor, reason, toUnixTimestamp64Milli(occurred_at) AS at_ms FROM commands"
        " WHERE type IN ('automation.pause', 'automation.resume')"
        " ORDER BY kafka_offset DESC, line DESC LIMIT 1"
    )
    return rows[0] if rows else None


def stamps(engine: Engine) -> Row | None:
    """The versions that the latest assessment was made with."""
    rows = engine.query(
        "SELECT model_version, policy_version, rules_version, feature_version, anomaly_version,"
        " toUnixTimestamp64Milli(as_of) AS as_of_ms FROM assessments"
        " ORDER BY as_of DESC LIMIT 1"
    )
    return rows[0] if rows else None
