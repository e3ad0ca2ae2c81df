"""The result of the benchmark as Markdown tables: ``python -m bench.report RESULT.json``.

A part that was not run has no table. The text between the tables says what the figures are.
"""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

PEER_NAMES = {
    "faust_table": "Faust: an agent and a table, at least once",
    "quix_streams": "Quix Streams: one stateful step, RocksDB and changelog, at least once",
    "bytewax": "Bytewax: `stateful_map`, in memory only",
    "bytewax_recovery": "Bytewax: the same with its recovery store",
    "kafka_streams": "Kafka Streams (Java): `aggregate`, RocksDB, `exactly_once_v2`, one thread",
}
RATIOS = {
    "scoring_over_best_python_peer": "scoring over the best Python peer",
    "scoring_over_best_durable_python_peer": (
        "scoring over the best Python peer whose state survives a restart"
    ),
    "scoring_over_kafka_streams": "scoring over Kafka Streams",
    "scoring_over_faust": "scoring over plain Faust",
    "intake_over_faust": "intake over plain Faust",
}
STAGES = {
    "take_us": "processor (`take`)",
    "drain_us": "outputs of the transaction, checkpoint pages (`drain`)",
    "produce_commit_us": "produce and commit",
    "fetch_us": "fetch, and the loop",
    "tick_us": "ticks",
    "total_us": "**whole**",
}
DELAYS = {
    "alert": "event published to alert read",
    "assessment": "event published to assessment read",
    "application": "application published to limit change read",
}
PIECES = {
    "decode_us": "decode the lines",
    "features_us": "columns and kernel (`FeatureEngine.run`)",
    "assessments_us": "sentinels, assessments, decisions, digest",
    "encode_us": "encode the outputs",
    "total_us": "**whole**",
}


def render(result: dict[str, Any]) -> str:
    """The tables of a result."""
    parts = [
        _heading(result),
        _throughput(result),
        _peers(result),
        _stages(result),
        _latency(result),
        _growth(result),
        _learning(result),
    ]
    return "\n".join(part for part in parts if part)


def _heading(result: dict[str, Any]) -> str:
    return (
        f"Measured on {result['date']} on {result['machine']}, Kafka {result['kafka']} on the same "
        f"cores, {_number(result['events'])} events of {_number(result['merchants'])} merchants in "
        "4 partitions.\n"
    )


def _throughput(result: dict[str, Any]) -> str:
    together = result.get("together_events_per_s", {})
    rows = [
        ("feature engine alone, in process, over decoded lines", result.get("engine_events_per_s")),
        (
            "scoring alone, in process, over raw records",
            result.get("scoring_in_process_events_per_s"),
        ),
        ("intake alone, in process", result.get("intake_in_process_events_per_s")),
        ("intake draining a backlog, exactly once", result.get("intake_events_per_s")),
        ("scoring draining a backlog, exactly once", result.get("scoring_events_per_s")),
        ("both in one worker, end to end", together.get("one_worker")),
        ("a worker for each, end to end", together.get("two_workers")),
    ]
    known = [(what, _number(rate)) for what, rate in rows if rate is not None]
    if not known:
        return ""
    text = _table(("what", "events/s"), known)
    due = result.get("assessments_due_per_1000_events")
    if due is not None:
        text += f"\nOf 1,000 events, {due} make an assessment due.\n"
    return text


def _peers(result: dict[str, Any]) -> str:
    if "peers" not in result:
        return ""
    errors = result.get("peers_errors", {})
    rows = [
        (
            PEER_NAMES.get(name, name),
            _number(rate) if rate else f"not measured: {_one_line(errors.get(name, 'unknown'))}",
            _number(result.get("peers_events", {}).get(name, 0)),
        )
        for name, rate in result["peers"].items()
    ]
    ratios = [
        (text, f"{result[name]} ×") for name, text in RATIOS.items() if result.get(name) is not None
    ]
    text = _table(("peer: count and sum per merchant and day", "events/s", "events"), rows)
    return text + ("\n" + _table(("ratio", ""), ratios) if ratios else "")


def _stages(result: dict[str, Any]) -> str:
    text = ""
    kafka = result.get("stages_on_kafka")
    if kafka:
        rows = [
            (what, *(_us(kafka[role].get(key)) for role in ("intake", "scoring")))
            for key, what in STAGES.items()
        ]
        text += _table(("a worker on Kafka, µs per event", "intake", "scoring"), rows) + "\n"
    scoring = result.get("stages_in_process", {}).get("scoring")
    if scoring:
        rows = [(what, _us(scoring.get(key))) for key, what in PIECES.items()]
        text += _table(("scoring in process", "µs per event"), rows)
        each = scoring.get("assessment_us_each")
        if each is not None:
            text += f"\nAn assessment with its outputs costs {each:.0f} µs.\n"
    return text


def _latency(result: dict[str, Any]) -> str:
    text = ""
    rows = []
    for row in result.get("latency_by_rate", []):
        sent = f"{_number(row['sent']['events_per_s'])} events/s"
        if not row["held"]:
            sent += " (not held)"
        for kind, what in DELAYS.items():
            found = row[f"{kind}_ms"]
            figures = (f"{found[q]:,.0f} ms" for q in ("p50", "p99", "p999"))
            rows.append((f"{what}, at {sent}", *figures, str(found["count"])))
    if rows:
        text += _table(("delay (read committed)", "p50", "p99", "p99.9", "measured"), rows)
    if "takeover_s" in result:
        text += (
            "\nLongest delay of any event when one of two workers gets SIGKILL: "
            f"{result['takeover_s']} s (session time-out 6 s).\n"
        )
    return text


def _learning(result: dict[str, Any]) -> str:
    text = ""
    if "assessment" in result:
        found = result["assessment"]
        text = (
            f"{_number(found['count'])} assessments of simulated merchants, "
            f"{_number(found['with_history'])} of them with a history: "
            f"{_number(found['per_s'])} a second on one core, {found['us_p50']:.0f} µs at the "
            f"median and {found['us_p99']:.0f} µs at p99, the feature engine not counted.\n"
        )
    if "learner" in result:
        found = result["learner"]
        used = found["publish_to_use_ms"]
        text += (
            f"\nAt {_number(found['rate_events_per_s'])} events/s through intake, scoring and "
            f"learner the learner is {_number(found['lag_ms_p50'] or 0)} ms behind at the median, "
            f"{_number(found['lag_ms_max'] or 0)} ms at most. It published {found['versions']} "
            f"versions that were used; from a version's record to the first assessment by it took "
            f"{_number(used[0]) if used else '–'} to {_number(used[-1]) if used else '–'} ms.\n"
        )
    return text


def _growth(result: dict[str, Any]) -> str:
    rows = [row for row in result.get("growth", []) if "error" not in row]
    text = ""
    if rows:
        names = ("merchants on one worker", *(_number(row["merchants"]) for row in rows))
        text = _table(names, [(what, *cells) for what, cells in _growth_cells(rows)])
    for row in result.get("growth", []):
        if "error" in row:
            text += f"\n{_number(row['merchants'])} merchants: {row['error']}.\n"
    if "history" in result:
        history = result["history"]
        text += (
            f"\nA merchant's row takes {_number(result['row_bytes'])} bytes; after "
            f"{history['days']} days and {history['events_per_merchant']} events it takes "
            f"{_number(history['changelog_bytes_per_merchant'])} bytes of a checkpoint. An "
            f"assessment costs {history['assessment_us_each']:.0f} µs in that history, "
            "model, reasons, decision and outputs included, its vector not.\n"
        )
    return text


def _growth_cells(rows: list[dict[str, Any]]) -> Iterable[tuple[str, list[str]]]:
    plain = {
        "events": "events",
        "events_per_s": "scoring, events/s, checkpoints running",
        "rss_bytes_per_merchant": "resident bytes per merchant",
        "changelog_bytes_per_merchant": "bytes per merchant in a checkpoint",
        "checkpoint_bytes_per_s": "checkpoint bytes/s",
    }
    for key, what in plain.items():
        yield what, ["–" if row[key] is None else _number(row[key]) for row in rows]
    yield "commit pause p99", [f"{row['commit_pause_ms']['p99']:.0f} ms" for row in rows]
    yield "restore", [f"{row['restore_s']:.1f} s" for row in rows]
    yield (
        "log replayed in the restore",
        [f"{row['restore_replayed_share']:.1%}" for row in rows],
    )


def _number(value: float) -> str:
    return f"{value:,.0f}"


def _us(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace("|", "/")[:200]


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(render(json.loads(Path(sys.argv[1]).read_text("utf-8"))))
