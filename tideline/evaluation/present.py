"""Results as tables and sentences, for the page and for docs/quality.md alike."""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from tideline.evaluation.figures import Estimate, Figures, Result
from tideline.evaluation.run import Evaluation

DASH = "–"
KINDS = ("candidate", "unlabelled", "floor")
"""What may have a score, in the order in which it is shown."""
SPLITS = {
    "entity": "By merchant: the labels of the other folds come first",
    "time": "In time: one pass, each label is learnt once it is known",
}
METRICS = {
    "roc_auc": "AUC",
    "average_precision": "average precision",
    "precision_at_capacity": "precision at capacity",
    "found_share": "share found",
    "days_to_alert": "days to alert",
}


class Table(Struct, frozen=True, kw_only=True):
    """A table of texts; the first column names the row."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


class Verdict(Struct, frozen=True, kw_only=True):
    """One sentence about the champion; ``tone`` is good, bad or plain."""

    text: str
    tone: str


def summary(e: Evaluation) -> str:
    """What was run, in two sentences."""
    looked = (
        f"{e.capacity:.0f} in each period" if e.capacity >= 1 else f"{e.capacity:.0%} of the cases"
    )
    return (
        f"{e.events:,} events of {e.merchants:,} merchants, {e.withheld:,} outcomes kept from the "
        f"features, {e.refused:,} events refused, {e.assessments:,} assessments; {e.seeds} seeds, "
        f"capacity {looked}. {e.made_at[:10]}, {e.machine}: {e.seconds:.0f} s, of which the stream "
        f"took {e.seconds_streaming:.0f} s, {e.peak_memory_mb:,} MB at most."
    )


def heading(result: Result) -> str:
    """The split and its size."""
    return (
        f"{SPLITS[result.split]} ({result.cases:,} cases of {result.merchants:,} merchants, "
        f"{result.bad:,} bad)"
    )


def ordered(result: Result) -> list[tuple[str, Figures]]:
    """Candidates, the champion first, then those without labels, then floors; by falling AUC."""

    def key(item: tuple[str, Figures]) -> tuple[int, bool, float]:
        name, found = item
        auc = found.roc_auc.mean if found.roc_auc else 0.0
        return KINDS.index(found.kind), name != "champion", -auc

    shown = [(n, f) for n, f in result.figures.items() if f.roc_auc is not None]
    return sorted(shown, key=key)


def main_table(result: Result) -> Table:
    """The figures of all candidates and floors, columns that say nothing left out."""
    columns: dict[str, list[str]] = {}
    shown = ordered(result)
    for _, f in shown:
        cells = {
            "AUC [95 %]": _interval(f.roc_auc),
            "seeds": _range(f.roc_auc),
            "against best floor": _signed(f.against_best_floor),
            "AUC, size-matched": _mean(f.matched_roc_auc),
            "AUC pooled": _number(f.pooled_roc_auc),
            "average precision [95 %]": _interval(f.average_precision),
            "AP pooled": _number(f.pooled_average_precision),
            "precision at capacity": _mean(f.precision_at_capacity),
            "recall at capacity": _mean(f.recall_at_capacity),
            "log loss": _mean(f.log_loss, 4),
            "Brier": _mean(f.brier, 4),
            "ECE": _mean(f.calibration_error, 4),
            "lead, days": _mean(f.lead_time_days, 1),
        }
        for column, text in cells.items():
            columns.setdefault(column, []).append(text)
    kept = {c: texts for c, texts in columns.items() if set(texts) != {DASH}}
    rows = zip((name for name, _ in shown), *kept.values(), strict=True)
    return Table(title="", columns=("", *kept), rows=tuple(rows))


def overview(evaluations: Sequence[Evaluation]) -> Table:
    """One row a split: the AUC of the champion, the best challenger, floor and figure of others."""
    rows = []
    for e in evaluations:
        others = [r for r in e.references if r.metric == "roc_auc"]
        best_other = max(others, key=lambda r: r.figure) if others else None
        for result in e.results:
            champion = result.figures.get("champion")
            if champion is None:
                continue
            rivals = [
                (name, found.roc_auc)
                for name, found in ordered(result)
                if found.kind == "candidate" and name != "champion" and found.roc_auc
            ]
            floor = result.figures[result.best_floor].roc_auc
            rows.append(
                (
                    f"{e.dataset}, {'in time' if result.split == 'time' else 'by merchant'}",
                    _interval(champion.roc_auc),
                    f"{rivals[0][0]} {rivals[0][1].mean:.3f}" if rivals else DASH,
                    f"{result.best_floor} {_mean(floor)}",
                    f"{best_other.of} {best_other.figure:g}" if best_other else DASH,
                )
            )
    return Table(
        title="AUC in short",
        columns=("", "champion [95 %]", "best challenger", "best floor", "best figure of others"),
        rows=tuple(rows),
    )


def short_table(result: Result) -> Table:
    """The columns of ``main_table`` that fit a terminal."""
    table = main_table(result)
    chosen = ("", "AUC [95 %]", "average precision [95 %]", "precision at capacity", "ECE")
    places = [i for i, column in enumerate(table.columns) if column in chosen]
    names = {"average precision [95 %]": "AP [95 %]", "precision at capacity": "precision"}
    return Table(
        title="",
        columns=tuple(names.get(table.columns[i], table.columns[i]) for i in places),
        rows=tuple(tuple(row[i] for i in places) for row in table.rows),
    )


def verdicts(result: Result) -> Iterator[Verdict]:
    """Whether the champion beats the best floor, and each candidate that beats the champion."""
    champion = result.figures.get("champion")
    if champion is None or champion.roc_auc is None:
        return
    gap = champion.against_best_floor
    if gap is not None and gap.low is not None and gap.high is not None:
        sure = gap.low > 0 or gap.high < 0
        side = "above" if gap.mean > 0 else "below"
        yield Verdict(
            text=(
                f"The champion's AUC of {champion.roc_auc.mean:.3f} is {abs(gap.mean):.3f} {side} "
                f"the best floor, {result.best_floor}"
                f"{'' if sure else ', which is within chance'} "
                f"[{gap.low:+.3f}, {gap.high:+.3f}]."
            ),
            tone="plain" if not sure else "good" if gap.mean > 0 else "bad",
        )
    better = [
        f"{name} ({found.roc_auc.mean:.3f})"
        for name, found in ordered(result)
        if found.kind == "candidate"
        and name != "champion"
        and found.roc_auc is not None
        and found.roc_auc.mean > champion.roc_auc.mean + 0.005
    ]
    if better:
        yield Verdict(text=f"Better than the champion: {', '.join(better)}.", tone="plain")


def result_tables(result: Result) -> Iterator[Table]:
    """Alerts in time, reliability and groups, where there are any."""
    shown = ordered(result)
    alerts = [(name, f.detection) for name, f in shown if f.detection is not None]
    if alerts:
        found = [*alerts, *([("sentinels (rules)", result.sentinels)] if result.sentinels else [])]
        yield Table(
            title=f"Alerts in time, {alerts[0][1].troubles} troubles",
            columns=("", "found", "days to alert", "false alerts per healthy merchant-month"),
            rows=tuple(
                (
                    n,
                    f"{d.found_share:.0%}",
                    _number(d.days_to_alert, 1),
                    f"{d.false_alerts_per_month:.3f}",
                )
                for n, d in found
            ),
        )
    champion = result.figures.get("champion")
    if champion is not None and champion.reliability:
        yield Table(
            title="Reliability of the champion (bins of equal count, first seed)",
            columns=("cases", "predicted", "observed"),
            rows=tuple(
                (f"{b.count:,}", f"{b.predicted:.4f}", f"{b.observed:.4f}")
                for b in champion.reliability
            ),
        )
    groups = sorted({group for _, f in shown for group in f.groups})
    if groups:
        yield Table(
            title="AUC by segment",
            columns=("", *groups),
            rows=tuple((n, *(_number(f.groups.get(g)) for g in groups)) for n, f in shown),
        )


def other_tables(e: Evaluation) -> Iterator[Table]:
    """Reference figures, alert volume and fairness."""
    if e.references:
        yield Table(
            title="Figures of others",
            columns=("", "metric", "figure"),
            rows=tuple((r.of, METRICS[r.metric], f"{r.figure:g}") for r in e.references),
        )
    if e.alert_volume:
        yield Table(
            title="Alert episodes of the sentinels per merchant and 30 days",
            columns=("kind", "episodes"),
            rows=tuple((kind, f"{volume:.4f}") for kind, volume in e.alert_volume.items()),
        )
    for attribute, groups in e.fairness.items():
        yield Table(
            title=f"{attribute}: never a feature; groups of the champion's scores",
            columns=("group", "cases", "predicted", "observed", "AUC"),
            rows=tuple(
                (
                    group,
                    f"{g['cases']:,.0f}",
                    f"{g['predicted']:.3f}",
                    f"{g['observed']:.3f}",
                    f"{g['roc_auc']:.3f}",
                )
                for group, g in groups.items()
            ),
        )


def _number(value: float | None, digits: int = 3) -> str:
    return DASH if value is None else f"{value:.{digits}f}"


def _mean(found: Estimate | None, digits: int = 3) -> str:
    return DASH if found is None else _number(found.mean, digits)


def _interval(found: Estimate | None) -> str:
    if found is None or found.low is None or found.high is None:
        return _mean(found)
    return f"{found.mean:.3f} [{found.low:.3f}, {found.high:.3f}]"


def _range(found: Estimate | None) -> str:
    """Least and greatest of the seeds; a dash where all are the same."""
    if found is None or min(found.seeds) == max(found.seeds):
        return DASH
    return f"{min(found.seeds):.3f} to {max(found.seeds):.3f}"


def _signed(found: Estimate | None) -> str:
    if found is None or found.low is None or found.high is None:
        return DASH
    return f"{found.mean:+.3f} [{found.low:+.3f}, {found.high:+.3f}]"
