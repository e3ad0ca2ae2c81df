"""A backtest as JSON and as one HTML page with its plots, which needs nothing else."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from credit.outcomes import Terms
from schemas.currencies import minor_digits
from tideline.backtesting.compare import Comparison, Currency
from tideline.evaluation import plots

TEMPLATES = Path(__file__).with_name("templates")
LABELS: dict[str, str] = {
    "funded": "Funded",
    "interest": "Interest earned",
    "funding_cost": "Cost of funding",
    "loss": "Credit loss",
    "net": "Net",
    "loss_avoided": "Loss avoided",
    "withheld_bad": "Withheld from loans that defaulted",
    "withheld_good": "Withheld from loans that were repaid",
    "interest_forgone": "Interest forgone on those",
}
"""What the fields of ``compare.FIELDS`` are called."""


def write_json(comparison: Comparison, summary: dict[str, Any], folder: Path) -> Path:
    """``backtest.json``: every figure."""
    folder.mkdir(parents=True, exist_ok=True)
    whole = {**summary, **msgspec.to_builtins(comparison)}
    path = folder / "backtest.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(whole), indent=1) + b"\n")
    return path


def write_html(comparison: Comparison, summary: dict[str, Any], terms: Terms, folder: Path) -> Path:
    """``backtest.html``."""
    folder.mkdir(parents=True, exist_ok=True)
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined
    )
    page = environment.get_template("backtest.html").render(
        policies=comparison.policies,
        summary=summary,
        terms=terms,
        currencies=[_section(comparison, each) for each in comparison.currencies],
        behaviour=list(_behaviour(comparison)),
    )
    path = folder / "backtest.html"
    path.write_text(page + "\n", "utf-8")
    return path


def amount(minor: float, currency: str) -> str:
    """Whole major units with separators: ``1,234``; cents would only be noise here."""
    return f"{minor / 10 ** minor_digits(currency):,.0f}"


def _section(comparison: Comparison, found: Currency) -> dict[str, Any]:
    code, first = found.currency, comparison.policies[0]
    scale = 10 ** minor_digits(code)
    colour_of = plots.colours(comparison.policies, ())
    nets = [
        (name, *(v / scale for v in (d.total_minor, d.low_minor, d.high_minor)))
        for name, differences in found.differences.items()
        for d in differences
        if d.field == "net"
    ]
    across = f"Net against {first}, {code}, 95 % interval"
    return {
        "code": code,
        "merchants": found.merchants,
        "rows": [
            (label, [amount(found.totals_minor[name][field], code) for name in comparison.policies])
            for field, label in LABELS.items()
        ],
        "differences": [
            (
                LABELS[d.field],
                name,
                amount(d.total_minor, code),
                f"{amount(d.low_minor, code)} to {amount(d.high_minor, code)}",
                "" if d.low_minor <= 0 <= d.high_minor else "clear",
            )
            for name, differences in found.differences.items()
            for d in differences
            if d.field in ("net", "loss", "interest", "withheld_good")
        ],
        "plot": plots.intervals(nets, colour_of, [(first, 0.0)], across=across) if nets else "",
        "segments": [
            (segment, [amount(values[name], code) for name in comparison.policies])
            for segment, values in found.segments.items()
        ],
    }


def _behaviour(comparison: Comparison) -> Iterator[tuple[str, list[str]]]:
    found = comparison.behaviour
    actions = sorted({action for each in found.values() for action in each.actions})
    for action in actions:
        yield (
            f"Lines: {action}",
            [str(each.actions.get(action, 0)) for each in found.values()],
        )
    for label, field in (
        ("Changes that need a person", "approvals"),
        ("of which approved", "approvals_granted"),
        ("Cuts and freezes", "cuts"),
        ("of which taken back within 90 days", "cuts_reverted"),
        ("Merchants cut", "merchants_cut"),
        ("of whom never defaulted", "merchants_cut_good"),
    ):
        yield label, [str(getattr(each, field)) for each in found.values()]
