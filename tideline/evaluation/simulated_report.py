"""The judgement of simulated merchants, as a result and as tables."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from ops.errors import ConfigurationError
from ops.settings import Settings
from tideline.evaluation.present import DASH, Table
from tideline.evaluation.run import machine
from tideline.evaluation.simulated import Say, run_seed
from tideline.evaluation.simulated_figures import (
    DETECTORS,
    NAME,
    SOON_DAYS,
    Found,
    Judge,
    Simulated,
)
from tideline.simulator.economy import Scenario

TITLE = "Simulated merchants"
RULES_NAMED = 4
NOTES = (
    "`tideline simulate` makes the merchants; docs/simulator.md says what it does and does not. "
    "Nothing in it knows of the rules or the features, but both come from the same minds: read "
    "the figures as a check of the machinery, not as a forecast for real merchants.",
    "Found: an alert of a rule (warning or above), a band that falls to D or E, or an anomaly "
    "score above its level, after the onset and before the default or the end. A band or score "
    "that was high within the four weeks before is no new alert. By chance: the share that false "
    "alerts at the healthy rate would find in as long a time.",
    "Healthy merchants have nothing planted and missed no repayment; the seasons of growers, "
    "festivals, shops shut by illness and silent feeds are theirs as well. The level of the "
    "anomaly score is the one that gives one false alert per healthy merchant-year.",
    "Rules include those that see the missed repayment itself; what was found in time came before "
    "it.",
)


def judge_simulated(
    settings: Settings, scenario: Scenario, seeds: int, now_ms: int, say: Say
) -> Simulated:
    """Run a scenario under several seeds, from its own on, and judge all of them together."""
    started = time.monotonic()
    runs = [
        run_seed(settings, msgspec.structs.replace(scenario, seed=scenario.seed + number), say)
        for number in range(seeds)
    ]
    say("figures", None)
    judge = Judge(runs)
    return Simulated(
        made_at=datetime.fromtimestamp(now_ms / 1000, UTC).isoformat(timespec="seconds"),
        machine=machine(),
        merchants=scenario.merchants,
        days=scenario.days,
        seeds=seeds,
        share_bad=scenario.share_bad,
        events=sum(run.events for run in runs),
        assessments=sum(len(run.seen.who) for run in runs),
        refused=sum(run.seen.refused for run in runs),
        versions=sum(run.versions for run in runs),
        healthy=judge.healthy,
        healthy_years=judge.years,
        anomaly_level=judge.level,
        kinds=judge.kinds(),
        false_per_year={name: judge.false_per_year(judge.sources[name]) for name in DETECTORS},
        false_by_segment=judge.segments(),
        false_in_outages={name: judge.outages(judge.sources[name]) for name in DETECTORS},
        rules=judge.rules(),
        seconds=round(time.monotonic() - started, 1),
    )


def write_simulated(result: Simulated, folder: Path) -> None:
    """``simulated.json``: every figure, each seed."""
    folder.mkdir(parents=True, exist_ok=True)
    text = msgspec.json.format(msgspec.json.encode(result), indent=1)
    (folder / f"{NAME}.json").write_bytes(text + b"\n")


def read_simulated(folder: Path) -> Simulated | None:
    """The result of the folder, also of an earlier run. Raises ``ConfigurationError``."""
    path = folder / f"{NAME}.json"
    if not path.is_file():
        return None
    try:
        return msgspec.json.decode(path.read_bytes(), type=Simulated)
    except msgspec.DecodeError as error:
        raise ConfigurationError(
            f"{path} is no result of this release ({error}); remove it, or give another --out"
        ) from None


def summary(s: Simulated) -> str:
    """What was run, in a few sentences."""
    planted = sum(kind.merchants for kind in s.kinds)
    return (
        f"{s.seeds} seeds of {s.merchants:,} merchants over {s.days} days, "
        f"{s.share_bad:.0%} with a planted trouble of their own: {s.events:,} events, "
        f"{s.assessments:,} assessments, {s.versions} model versions promoted, {s.refused:,} "
        f"events refused; {planted:,} troubles, {s.healthy:,} healthy merchants "
        f"({s.healthy_years:,.0f} years). {s.made_at[:10]}, {s.machine}: {s.seconds:.0f} s."
    )


def tables(s: Simulated) -> Iterator[Table]:
    """All tables of the section."""
    yield _found(s)
    yield _soon(s)
    yield _lead(s)
    yield _false(s)
    yield Table(
        title="Rules that spoke, by kind (share of its merchants; the first four)",
        columns=("kind", "rules"),
        rows=tuple(
            (
                kind.kind,
                ", ".join(f"{n} {v:.0%}" for n, v in list(kind.rules.items())[:RULES_NAMED])
                or DASH,
            )
            for kind in s.kinds
        ),
    )
    yield _rules(s)


def _found(s: Simulated) -> Table:
    """Shares found; seeds differ by what stands in the last column."""

    def cell(found: Found) -> str:
        return f"{found.share:.0%}"

    rows = []
    for kind in s.kinds:
        together = kind.found["all three"]
        rows.append(
            (
                kind.kind,
                f"{kind.merchants:,}",
                f"{kind.missed:,}",
                f"{kind.defaulted:,}",
                *(cell(kind.found[name]) for name in DETECTORS),
                f"{together.by_chance:.0%}",
                f"{min(together.seeds):.0%} to {max(together.seeds):.0%}",
            )
        )
    columns = ("kind", "merchants", "missed", "defaulted", *DETECTORS, "by chance", "seeds")
    return Table(title="Share found, by planted kind", columns=columns, rows=tuple(rows))


def _soon(s: Simulated) -> Table:
    """Over the whole time chance finds much; two months leave it little."""
    return Table(
        title=f"Found within {SOON_DAYS} days of the onset, and by chance in as long a time",
        columns=("kind", "merchants", *DETECTORS),
        rows=tuple(
            (
                kind.kind,
                f"{kind.merchants:,}",
                *(
                    f"{found.soon:.0%}, {found.soon_by_chance:.0%}"
                    for found in (kind.found[name] for name in DETECTORS)
                ),
            )
            for kind in s.kinds
        ),
    )


def _lead(s: Simulated) -> Table:
    def cell(found: Found) -> str:
        if found.in_time is None:
            return DASH
        days = DASH if found.lead_days is None else f"{found.lead_days:.0f} d"
        return f"{found.in_time:.0%}, {days}"

    return Table(
        title="Found before the first missed repayment (of those that missed one), and median days "
        "of lead (of those found)",
        columns=("kind", "missed", *DETECTORS),
        rows=tuple(
            (kind.kind, f"{kind.missed:,}", *(cell(kind.found[name]) for name in DETECTORS))
            for kind in s.kinds
        ),
    )


def _false(s: Simulated) -> Table:
    segments = tuple(next(iter(s.false_by_segment.values())))
    return Table(
        title="False alerts per healthy merchant-year",
        columns=("", "all", *segments, "in feed outages", "outside"),
        rows=tuple(
            (
                name,
                f"{s.false_per_year[name]:.2f}",
                *(f"{s.false_by_segment[name][segment]:.2f}" for segment in segments),
                *(f"{value:.2f}" for value in s.false_in_outages[name]),
            )
            for name in DETECTORS
        ),
    )


def _rules(s: Simulated) -> Table:
    segments = tuple(next(iter(s.false_by_segment.values())))
    return Table(
        title="False alerts per healthy merchant-year, by rule; planted troubles it spoke in",
        columns=("rule", "false", *segments, "planted"),
        rows=tuple(
            (
                rule.kind,
                f"{rule.false_per_year:.3f}",
                *(f"{rule.segments[segment]:.3f}" for segment in segments),
                f"{rule.planted:,}",
            )
            for rule in s.rules
        ),
    )
