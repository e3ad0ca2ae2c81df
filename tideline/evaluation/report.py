"""The report as JSON, as one HTML page, and as docs/quality.md."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from tideline.evaluation import plots, present, simulated_report
from tideline.evaluation.figures import Result
from tideline.evaluation.present import Table
from tideline.evaluation.run import Evaluation
from tideline.evaluation.simulated_figures import Simulated

TEMPLATES = Path(__file__).with_name("templates")
FINDINGS = "## Findings"
"""From this heading on, docs/quality.md is written by people and kept."""


def write_json(evaluation: Evaluation, folder: Path) -> None:
    """``NAME.json``: every figure, each seed, with intervals and curves."""
    folder.mkdir(parents=True, exist_ok=True)
    text = msgspec.json.format(msgspec.json.encode(evaluation), indent=1)
    (folder / f"{evaluation.dataset}.json").write_bytes(text + b"\n")


def write_html(
    evaluations: Sequence[Evaluation], folder: Path, simulated: Simulated | None = None
) -> Path:
    """``report.html``: one page, with its plots, that needs nothing else."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined
    )
    page = environment.get_template("report.html").render(
        overview=present.overview(evaluations),
        evaluations=[_page(each) for each in evaluations],
        simulated=None if simulated is None else _simulated_page(simulated),
    )
    path = folder / "report.html"
    path.write_text(page + "\n", "utf-8")
    return path


def _simulated_page(s: Simulated) -> dict[str, Any]:
    return {
        "title": simulated_report.TITLE,
        "summary": simulated_report.summary(s),
        "notes": simulated_report.NOTES,
        "tables": list(simulated_report.tables(s)),
    }


def _page(e: Evaluation) -> dict[str, Any]:
    return {
        "dataset": e.dataset,
        "title": e.title,
        "summary": present.summary(e),
        "notes": e.notes,
        "tables": list(present.other_tables(e)),
        "results": [_shown(e, result) for result in e.results],
    }


def _shown(e: Evaluation, result: Result) -> dict[str, Any]:
    table = present.main_table(result)
    ordered = present.ordered(result)
    names = [name for name, _ in ordered]
    kinds = {name: found.kind for name, found in ordered}
    colour_of = plots.colours(names, [n for n in names if kinds[n] == "floor"])
    rows = [
        {
            "name": name,
            "tone": "champion" if name == "champion" else kinds[name],
            "colour": colour_of[name],
            "cells": cells,
        }
        for name, *cells in table.rows
    ]
    return {
        "heading": present.heading(result),
        "verdicts": list(present.verdicts(result)),
        "columns": table.columns,
        "rows": rows,
        "plots": list(_plots(e, result, colour_of)),
        "tables": list(present.result_tables(result)),
    }


def _plots(e: Evaluation, result: Result, colour_of: dict[str, str]) -> Iterator[str]:
    aucs = [
        (name, f.roc_auc.mean, f.roc_auc.low or f.roc_auc.mean, f.roc_auc.high or f.roc_auc.mean)
        for name, f in present.ordered(result)
        if f.roc_auc is not None
    ]
    others = [(r.of, r.figure) for r in e.references if r.metric == "roc_auc"]
    yield plots.intervals(aucs, colour_of, others, across="AUC, 95 % interval; dashed: others")
    for across, up in (("false_positive_rate", "true_positive_rate"), ("recall", "precision")):
        curves = {
            name: list(zip(result.curves[name][across], result.curves[name][up], strict=True))
            for name in colour_of
        }
        yield plots.lines(
            curves,
            colour_of,
            across=across.replace("_", " "),
            up=up.replace("_", " "),
            diagonal=up != "precision",
        )
    tables = {
        name: [(b.predicted, b.observed) for b in f.reliability]
        for name, f in present.ordered(result)
        if f.reliability
    }
    if tables:
        limit = max(max(point) for points in tables.values() for point in points)
        yield plots.lines(
            tables,
            colour_of,
            across="predicted",
            up="observed",
            diagonal=True,
            limit=max(limit, 0.01),
            marks=True,
        )


def write_markdown(
    evaluations: Sequence[Evaluation], path: Path, simulated: Simulated | None = None
) -> None:
    """Write the page anew; what people wrote from ``FINDINGS`` on is kept."""
    kept = f"{FINDINGS}\nNone are written down yet.\n"
    if path.is_file():
        _, found, rest = path.read_text("utf-8").partition(FINDINGS)
        kept = found + rest if found else kept
    intro = (TEMPLATES / "quality.md").read_text("utf-8")
    parts = [intro, _overview(evaluations), *(_section(each) for each in evaluations)]
    parts += [] if simulated is None else [_simulated_section(simulated)]
    parts.append(kept)
    path.write_text("\n".join(part.rstrip("\n") + "\n" for part in parts), "utf-8")


def _overview(evaluations: Sequence[Evaluation]) -> str:
    table = present.overview(evaluations)
    return "\n".join([f"## {table.title}", *_table(table)])


def _section(e: Evaluation) -> str:
    lines = [f"## {e.title}", f"`tideline evaluate {e.dataset}`. {present.summary(e)}", ""]
    lines += [f"- {note}" for note in e.notes]
    if e.left_out:
        lines.append(f"- Left out as too slow for so many cases: {', '.join(e.left_out)}.")
    for result in e.results:
        lines += ["", f"### {present.heading(result)}"]
        lines += [f"{verdict.text}  " for verdict in present.verdicts(result)]
        lines += ["", *_table(present.main_table(result))]
        for table in present.result_tables(result):
            lines += ["", f"**{table.title}**", "", *_table(table)]
    for table in present.other_tables(e):
        lines += ["", f"**{table.title}**", "", *_table(table)]
    return "\n".join(lines) + "\n"


def _simulated_section(s: Simulated) -> str:
    lines = [f"## {simulated_report.TITLE}"]
    lines += [f"`tideline evaluate simulated`. {simulated_report.summary(s)}", ""]
    lines += [f"- {note}" for note in simulated_report.NOTES]
    for table in simulated_report.tables(s):
        lines += ["", f"**{table.title}**", "", *_table(table)]
    return "\n".join(lines) + "\n"


def _table(table: Table) -> list[str]:
    lines = [f"| {' | '.join(table.columns)} |", f"|{' --- |' * len(table.columns)}"]
    return [*lines, *(f"| {' | '.join(row)} |" for row in table.rows)]
