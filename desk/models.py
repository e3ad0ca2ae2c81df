"""The page of models: what it asks of ClickHouse, and how drift and promotions read in words."""

from typing import Any

from desk.i18n import Translate
from desk.ports import Engine, Row
from desk.present import Labels, measure, words

VERSIONS_MAX = 50
SCORE = "score"
_LISTS = {
    "standings": "name role labels defaults log_loss roc_auc calibration_error precision recall"
    " exposure_found lead_time_days",
    "drift": "variable psi level moving",
    "alarms": "signal found_at direction before after observations",
    "label_counts": "outcome bad labels",
    "calibration": "labels predicted observed",
}
_TIMES = ("as_of", "champion_since", "held_since", "last_label_at")
_COUNTS = (
    "champion, pause, pause_labels, labels_learnt, labels_ripening, labels_held, labels_given_up,"
    " outcomes_without_history"
)
LEVELS = {
    "none": "Nothing has moved.",
    "watch": "Worth a look. A ticket is opened if it stays for a day.",
    "act": "Another population, or a broken feed: a ticket is opened within the hour.",
}
"""What each level of the stability index means and does; see ``docs/drift.md``."""
_SCORE_ACTS = "Bands mean something else than they did: nothing is promoted while it moves."
PAUSES = {
    "labels_held": "labels in quarantine",
    "error_rose": "the error rose",
    "score_moves": "the score moves",
    "inputs_move": "many inputs move",
}
"""Why nothing is promoted, in words."""
_ALARMS = {
    ("error", "up"): "The champion became worse: the comparison restarts, promotions wait.",
    ("error", "down"): "The champion does better than before.",
    ("score", "up"): "The mean probability of default rose.",
    ("score", "down"): "The mean probability of default fell.",
}


def latest_report(engine: Engine) -> Row | None:
    """The learner's latest report, its lists as lists of rows and its times in ms."""
    columns = [f"toUnixTimestamp64Milli({name}) AS {name}_ms" for name in _TIMES]
    for name, parts in _LISTS.items():
        columns += [f"{name}.{part} AS {name}_{part}" for part in parts.split()]
    rows = engine.query(
        f"SELECT {_COUNTS}, {', '.join(columns)} FROM learner_reports"  # noqa: S608 - constants
        " ORDER BY as_of DESC, kafka_offset DESC LIMIT 1"
    )
    if not rows:
        return None
    row = dict(rows[0])
    for name, parts in _LISTS.items():
        fields = [row.pop(f"{name}_{part}") for part in parts.split()]
        row[name] = [
            dict(zip(parts.split(), each, strict=True)) for each in zip(*fields, strict=True)
        ]
    return row


def versions(engine: Engine) -> list[Row]:
    """The versions published last, the latest first, with the assessments that were made by each.

    A version that was never published by the learner (it ships with Tideline) comes last.
    """
    published = engine.query(
        "SELECT version, kind, parent, challenger, labels, defaults, compared, log_loss,"  # noqa: S608 - constants
        " champion_log_loss, roc_auc, best_floor, best_floor_roc_auc,"
        " toUnixTimestamp64Milli(published_at) AS published_ms"
        f" FROM model_versions ORDER BY published_at DESC, version LIMIT {VERSIONS_MAX}"
    )
    used = engine.query(
        "SELECT model_version AS version, count() AS assessments,"
        " min(toUnixTimestamp64Milli(as_of)) AS first_ms,"
        " max(toUnixTimestamp64Milli(as_of)) AS last_ms"
        " FROM assessments GROUP BY version ORDER BY last_ms DESC, version"
    )
    use = {row["version"]: row for row in used}
    names = {row["version"] for row in published}
    unused = {"assessments": 0, "first_ms": None, "last_ms": None}
    found = [{**row, **unused, **use.get(row["version"], {})} for row in published]
    shipped = {"published_ms": None, "kind": "", "challenger": ""}
    if len(published) < VERSIONS_MAX:
        found += [{**shipped, **row} for row in used if row["version"] not in names]
    return found


def in_use(found: list[Row]) -> str | None:
    """The version of the latest assessment, of those that ``versions`` gave."""
    used = [row for row in found if row["last_ms"] is not None]
    latest = max(used, key=lambda row: row["last_ms"], default=None)
    return None if latest is None else str(latest["version"])


def standing_of(report: Row, role: str) -> Row | None:
    """The standing of that role that ranks best, if any ranks."""
    ranked = [s for s in report["standings"] if s["role"] == role and s["roc_auc"] is not None]
    return max(ranked, key=lambda each: each["roc_auc"], default=None)


def drift_rows(report: Row, labels: Labels) -> list[dict[str, Any]]:
    """Drift by variable with its level and action in words, the largest index first."""
    found = []
    for row in report["drift"]:
        name, label = row["variable"], labels.get(row["variable"])
        actions = [LEVELS.get(row["level"], row["level"])]
        if row["level"] == "act" and name == SCORE:
            actions.append(_SCORE_ACTS)
        elif row["level"] == "act" and not row["moving"]:
            actions.append("It has settled.")
        text = "Score, by its bands" if name == SCORE else label.text if label else words(name)
        found.append(
            {**row, "text": text, "text_zh": label.text_zh if label else "", "actions": actions}
        )
    return found


def alarm_rows(report: Row) -> list[dict[str, Any]]:
    """Changes that were found, the latest first, in words."""
    found = []
    for row in reversed(report["alarms"]):
        meaning = _ALARMS.get((row["signal"], row["direction"]), row["signal"])
        found.append({**row, "meaning": meaning})
    return found


def promoted_for(row: Row, t: Translate) -> str:
    """Why a version was promoted, in one sentence; empty for one that ships with Tideline."""
    if row["published_ms"] is None:
        return ""
    compared = f"{row['compared']:,}"
    losses = {
        "challenger": t(words(row["challenger"])),
        "loss": measure(row["log_loss"]),
        "champion_loss": measure(row["champion_log_loss"]),
    }
    if row["roc_auc"] is None or row["best_floor_roc_auc"] is None:
        return t(
            "{challenger}: log loss {loss} against {champion_loss} of the champion before it,"
            " over {labels} labels.",
            **losses,
            labels=compared,
        )
    return t(
        "{challenger}: log loss {loss} against {champion_loss} of the champion before it, ROC AUC"
        " {auc} against {floor_auc} of the best floor ({floor}), over {labels} labels.",
        **losses,
        auc=measure(row["roc_auc"]),
        floor_auc=measure(row["best_floor_roc_auc"]),
        floor=t(words(row["best_floor"])),
        labels=compared,
    )
