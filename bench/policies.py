"""Policies on simulated merchants, in money: ``python -m bench.policies --out DIR [--seeds 5]``.

For each seed merchants are simulated and the policies backtested over them, as
``tideline simulate`` and ``tideline backtest`` do it. A seed that DIR holds already is not run
again. Then a table in Markdown is printed: totals over all seeds, and the difference of each policy
from the first with two intervals of 95 %: over merchants (Poisson bootstrap, all seeds together)
and over seeds (Student's t on the sums of the seeds).
"""

import argparse
import os
import platform
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from credit.outcomes import Terms
from ops.settings import load_settings
from schemas.currencies import minor_digits
from streams.machine_code import load_machine_code
from streams.runtime import wall_clock_ms
from tideline.backtesting.compare import FIELDS, Behaviour, compare, differences
from tideline.backtesting.report import LABELS
from tideline.backtesting.run import Backtest
from tideline.commands.backtest import contenders
from tideline.commands.replay import REPLAY_KEY
from tideline.simulator.economy import Economy, Scenario
from tideline.simulator.write import write_run
from tideline.sources import AdapterReport, open_sources

POLICIES = ("working-capital-1", "portfolio-1", "working-capital-2")
SHOWN = ("funded", "interest", "funding_cost", "loss", "net", "withheld_bad", "withheld_good")
COMPARED = ("net", "loss", "withheld_good")
CURRENCY = "CNY"
T_95 = {1: 12.71, 2: 4.30, 3: 3.18, 4: 2.78, 5: 2.57, 6: 2.45, 7: 2.36, 8: 2.31, 9: 2.26}
"""Student's t, 97.5 %, by degrees of freedom; any statistics table has it."""


class Run(Struct, frozen=True, kw_only=True):
    """One seed. ``money`` has by merchant and policy what ``FIELDS`` name, in minor units."""

    seed: int
    events: int
    seconds: float
    loans_ended: int
    loans_defaulted: int
    policies: list[str]
    money: list[list[list[float]]]
    behaviour: dict[str, Behaviour]


def main() -> None:
    """Run what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--merchants", type=int, default=400)
    parser.add_argument("--days", type=int, default=400)
    parser.add_argument("--share-bad", type=float, default=0.2)
    parser.add_argument("--activity", type=float, default=1.0)
    parser.add_argument("--partitions", type=int, default=4)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    load_machine_code()
    runs = [_seed(seed, options) for seed in range(1, options.seeds + 1)]
    sys.stdout.write(table(runs))
    sys.stdout.write(
        f"\n{options.seeds} seeds of {options.merchants} merchants over {options.days} days, "
        f"{options.share_bad:.0%} of them with a planted trouble, activity {options.activity:g}; "
        f"{platform.machine()}, {os.cpu_count()} processors, {time.strftime('%Y-%m-%d')}.\n"
    )


def _seed(seed: int, options: argparse.Namespace) -> Run:
    kept: Path = options.out / f"seed-{seed}.json"
    if kept.exists():
        return msgspec.json.decode(kept.read_bytes(), type=Run)
    events = options.out / f"seed-{seed}.ndjson"
    scenario = Scenario(
        merchants=options.merchants,
        days=options.days,
        seed=seed,
        share_bad=options.share_bad,
        activity=options.activity,
    )
    write_run(Economy(scenario), str(events), None, lambda _: None)
    started = time.monotonic()
    run = backtest(seed, events, options.partitions, started)
    kept.write_bytes(msgspec.json.encode(run))
    events.unlink()
    sys.stderr.write(
        f"seed {seed}: {run.events:,} events in {run.seconds:.0f} s, "
        f"{run.loans_ended} loans ended, {run.loans_defaulted} in default\n"
    )
    return run


def backtest(seed: int, events: Path, partitions: int, started: float) -> Run:
    """All policies over one file of events."""
    settings = load_settings()
    kafka = settings.kafka.model_copy(update={"partitions": partitions})
    settings = settings.model_copy(update={"kafka": kafka})
    terms = Terms()
    subject = Backtest(
        settings,
        REPLAY_KEY,
        contenders(POLICIES),
        terms,
        naive=True,
        learn=True,
        approve_after_ms=None,
    )
    now_ms = wall_clock_ms()
    for record in open_sources([events], "events", AdapterReport()):
        subject.feed(record.source, record.line, record.value, now_ms)
    subject.finish(now_ms)
    found = compare(subject.names, subject.outcomes, subject.conduct, subject.segments, seed)
    return Run(
        seed=seed,
        events=subject.events,
        seconds=time.monotonic() - started,
        loans_ended=subject.outcomes.ended,
        loans_defaulted=subject.outcomes.defaulted,
        policies=subject.names,
        money=[
            [[getattr(each, field) for field in FIELDS] for each in money]
            for _, currency, money in subject.outcomes.results()
            if currency == CURRENCY
        ],
        behaviour=found.behaviour,
    )


def table(runs: Sequence[Run]) -> str:
    """Totals, shares and differences as Markdown, in thousands of major units."""
    names = runs[0].policies
    by_seed = [np.array(run.money) for run in runs]
    pooled = np.concatenate(by_seed)
    totals = pooled.sum(axis=0)
    lines = ["| thousand CNY | " + " | ".join(names) + " |", "|---|" + "---:|" * len(names)]
    for field in SHOWN:
        cells = (_thousand(v) for v in totals[:, FIELDS.index(field)])
        lines.append(f"| {LABELS[field]} | " + " | ".join(cells) + " |")
    funded, loss, bad, good = (
        totals[:, FIELDS.index(f)] for f in ("funded", "loss", "withheld_bad", "withheld_good")
    )
    rates = funded / (funded + bad + good), loss / np.maximum(funded, 1)
    for label, values in zip(("Share of drawn money funded", "Loss of funded"), rates, strict=True):
        lines.append(f"| {label} | " + " | ".join(f"{v:.1%}" for v in values) + " |")
    lines += [
        "",
        f"| against {names[0]}, thousand CNY | difference | over merchants | over seeds | seeds |",
        "|---|---:|---:|---:|---:|",
    ]
    for i, name in enumerate(names[1:], 1):
        lines += _compared(i, name, pooled, by_seed)
    return "\n".join(lines) + "\n"


def _compared(
    i: int, name: str, pooled: NDArray[np.float64], by_seed: list[NDArray[np.float64]]
) -> list[str]:
    paired = differences(pooled[:, i] - pooled[:, 0], seed=1)
    rows = []
    for field in COMPARED:
        at = FIELDS.index(field)
        sums = np.array([(each[:, i, at] - each[:, 0, at]).sum() for each in by_seed])
        found = paired[at]
        rows.append(
            f"| {name}: {LABELS[field].lower()} | {_thousand(found.total_minor)} | "
            f"{_thousand(found.low_minor)} to {_thousand(found.high_minor)} | "
            f"{_over_seeds(sums)} | {int((sums > 0).sum())} of {len(sums)} above 0 |"
        )
    return rows


def _over_seeds(sums: NDArray[np.float64]) -> str:
    """The interval of the total over as many seeds; one seed says nothing of it."""
    if len(sums) < 2 or len(sums) - 1 not in T_95:
        return "-"
    half = T_95[len(sums) - 1] * float(sums.std(ddof=1)) * len(sums) ** 0.5
    total = float(sums.sum())
    return f"{_thousand(total - half)} to {_thousand(total + half)}"


def _thousand(minor: float) -> str:
    return f"{minor / 10 ** minor_digits(CURRENCY) / 1000:,.1f}"


if __name__ == "__main__":
    main()
