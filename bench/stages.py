"""Where the time goes: microseconds per event by stage, of intake and of scoring.

What a worker spends on Kafka comes from a timed worker (``bench.hosted``) that drains the backlog.
What it spends in the processor comes from this process: pieces timed by themselves where they have
a surface of their own, the rest divided by a profile of a second run over a fifth of the log, the
one with the end of the day in it.
"""

import cProfile
import os
import pstats
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from bench import inprocess
from bench.cluster import Site, open_site, publish, wait_for
from bench.hosted import Figures
from bench.workload import Keyed
from ops.errors import FatalError
from tideline.children import Child, free_port, stop

ROOT = Path(__file__).resolve().parents[1]
WARM_UP_RECORDS = 40
TOP = 12
"""Functions named in the profile."""
PACKAGES = ("schemas", "features", "detectors", "credit", "streams")


def in_process(batch: list[Keyed]) -> dict[str, Any]:
    """Engine and processors alone, without Kafka: events/s, and µs per event by stage."""
    count = len(batch)
    records = inprocess.input_records(batch)
    intake = inprocess.run_intake(records)
    log = inprocess.log_records(intake.outputs)
    inprocess.run_scoring(log[:WARM_UP_RECORDS])
    decode_s = inprocess.run_decode(log)
    engine_s, due = inprocess.run_engine(log)
    scoring, _ = inprocess.run_scoring(log)
    encode_s = inprocess.run_encode(scoring.outputs)
    rest_s = max(0.0, scoring.seconds - decode_s - engine_s - encode_s)
    middle = slice(len(log) * 2 // 5, len(log) * 3 // 5)
    profile = profiled(lambda: inprocess.run_scoring(log[middle]))
    rest = {p: s for p, s in profile["packages"].items() if p != "features"}
    whole = sum(rest.values())
    split = {f"{p}_us": _us(rest_s * s / whole, count) for p, s in rest.items()} if whole else {}
    intake_profile = profiled(lambda: inprocess.run_intake(records[: count // 5]))
    return {
        "engine_events_per_s": round(count / engine_s),
        "scoring_in_process_events_per_s": round(count / scoring.seconds),
        "intake_in_process_events_per_s": round(count / intake.seconds),
        "assessments_due_per_1000_events": round(due / count * 1000, 1),
        "stages_in_process": {
            "scoring": {
                "decode_us": _us(decode_s, count),
                "features_us": _us(engine_s, count),
                "assessments_us": _us(rest_s, count),
                "assessments_by_package": split,
                "encode_us": _us(encode_s, count),
                "total_us": _us(scoring.seconds, count),
                "assessment_us_each": _us(rest_s + encode_s, due) if due else None,
                "profile": profile["functions"],
            },
            "intake": {
                "total_us": _us(intake.seconds, count),
                "profile": intake_profile["functions"],
            },
        },
    }


def profiled(work: Callable[[], object]) -> dict[str, Any]:
    """Shares of the time by package, and the functions that take most.

    A built-in function counts for the function that called it. The profiler makes calls dearer
    than they are; shares of code with many small calls come out too large.
    """
    profiler = cProfile.Profile()
    profiler.runcall(work)
    own: Counter[tuple[str, str]] = Counter()
    stats: dict[Any, Any] = pstats.Stats(profiler).stats  # type: ignore[attr-defined]
    for (file, _, name), (_, _, seconds, _, callers) in stats.items():
        if _place(file) is not None:
            own[str(_place(file)), name] += seconds
            continue
        for (caller_file, _, caller), (_, _, part, _) in callers.items():
            place = _place(caller_file)
            if place is not None:
                own[place, caller] += part
    packages: Counter[str] = Counter()
    for (place, _), seconds in own.items():
        package = place.split("/")[0]
        if package in PACKAGES:
            packages[package] += seconds
    whole = sum(packages.values())
    top = Counter({k: s for k, s in own.items() if k[0].split("/")[0] in PACKAGES})
    return {
        "packages": {p: s / whole for p, s in packages.most_common()},
        "functions": {f"{f} {n}": round(s / whole, 3) for (f, n), s in top.most_common(TOP)},
    }


def _place(file: str) -> str | None:
    """Path within the project, or None for what is not part of it."""
    if not file.startswith(str(ROOT) + os.sep):
        return None
    place = file[len(str(ROOT)) + 1 :]
    return None if place.startswith(".") else place


def start_hosted(site: Site, role: str, **variables: str) -> tuple[Child, Path]:
    """A timed worker and where it will write its figures."""
    port = free_port()
    out = site.folder / f"hosted-{role}-{port}.json"
    log = site.folder / f"hosted-{role}.log"
    environment = {
        **os.environ,
        **site.environment,
        **variables,
        "TIDELINE_METRICS__PORT": str(port),
        "PYTHONPATH": str(ROOT),
    }
    with log.open("ab") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "bench.hosted", role, str(out)],
            env=environment,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return Child(f"hosted-{role}", process, port, log), out


def end_hosted(child: Child, out: Path) -> Figures:
    """Stop a timed worker and read its figures."""
    stop([child])
    if not out.exists():
        raise FatalError(f"{child.name} gave no figures: {child.log.read_text('utf-8')[-2000:]}")
    return msgspec.json.decode(out.read_bytes(), type=Figures)


def on_kafka(bootstrap: str, folder: Path, batch: list[Keyed]) -> dict[str, Any]:
    """µs per event of timed workers that drain the backlog, one after the other."""
    found = {}
    site = open_site(bootstrap, "stages.", folder)
    count = publish(site.settings, batch)
    for role in ("intake", "scoring"):
        child, out = start_hosted(site, role)
        try:
            wait_for(child, role, count)
            figures = end_hosted(child, out)
        finally:
            stop([child])
        found[role] = stage_figures(figures, count)
    return {"stages_on_kafka": found}


def stage_figures(figures: Figures, count: int) -> dict[str, float]:
    """µs per event: fetch is what is left of the wall clock."""
    known = figures.take_s + figures.drain_s + figures.tick_s + figures.commit_s
    parts = {
        "take_us": figures.take_s,
        "drain_us": figures.drain_s,
        "tick_us": figures.tick_s,
        "produce_commit_us": figures.commit_s,
        "fetch_us": max(0.0, figures.wall_s - known),
        "total_us": figures.wall_s,
    }
    return {name: _us(seconds, count) for name, seconds in parts.items()}


def _us(seconds: float, count: int) -> float:
    return round(seconds / count * 1e6, 3)
