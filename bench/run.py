"""The benchmark: every part in one run, on one broker, so that the ratios hold.

A machine's speed drifts, and Kafka runs on the same cores as what is measured: compare figures of
one run with each other, not with those of another.
"""

import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from msgspec import Struct

from bench import assessments, stages, throughput
from bench.cluster import open_site, publish
from bench.footprint import footprint
from bench.growth import growth
from bench.latency import latency
from bench.learning import economy, learning
from bench.takeover import takeover
from bench.workload import Keyed, events
from deploy.kafka.local import VERSION, LocalKafka
from ops.errors import ConfigurationError

PARTS = (
    "engine",
    "throughput",
    "peers",
    "together",
    "stages",
    "latency",
    "takeover",
    "growth",
    "learning",
)
QUICK_PARTS = ("engine", "throughput", "peers", "together", "latency", "growth")
CALM_SHARE = 10
"""Latency is also taken at this fraction of the rate, where nothing queues."""


class Plan(Struct, kw_only=True, frozen=True):
    """What to measure and how long."""

    events: int = 1_000_000
    merchants: int = 20_000
    rate: int = 20_000
    seconds: int = 30
    peer_seconds: float = 20.0
    growth_merchants: tuple[int, ...] = (1_000, 100_000)
    growth_events: int = 600_000
    history_merchants: int = 400
    learning_rate: int = 5_000
    calm: bool = True
    """Whether latency is also taken at a tenth of the rate."""
    parts: tuple[str, ...] = PARTS


def quick(plan: Plan) -> Plan:
    """The same in at most three minutes: rougher figures, and no kill or million merchants."""
    return Plan(
        events=min(plan.events, 200_000),
        merchants=plan.merchants,
        rate=plan.rate,
        seconds=min(plan.seconds, 8),
        peer_seconds=6.0,
        growth_merchants=(10_000,),
        growth_events=100_000,
        history_merchants=100,
        calm=False,
        parts=tuple(part for part in plan.parts if part in QUICK_PARTS),
    )


def plan_of(
    *,
    count: int,
    merchants: int,
    rate: int,
    seconds: int,
    short: bool = False,
    million: bool = False,
    parts: str = "",
) -> Plan:
    """The plan that the options ask for. Raises ``ConfigurationError`` on an unknown part."""
    chosen = tuple(part.strip() for part in parts.split(",") if part.strip())
    unknown = [part for part in chosen if part not in PARTS]
    if unknown:
        raise ConfigurationError(
            f"--parts has {', '.join(unknown)}; choose from {', '.join(PARTS)}"
        )
    plan = Plan(
        events=count,
        merchants=merchants,
        rate=rate,
        seconds=seconds,
        growth_merchants=(1_000, 100_000, 1_000_000) if million else (1_000, 100_000),
        parts=chosen or PARTS,
    )
    return quick(plan) if short else plan


def machine() -> dict[str, Any]:
    """What the figures were taken on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{os.cpu_count()} cores, {memory:.0f} GB, Python {platform.python_version()}",
        "kafka": VERSION,
    }


def run(plan: Plan) -> dict[str, Any]:
    """All measurements of the plan; see ``tideline bench --help``."""
    result = {**machine(), "events": plan.events, "merchants": plan.merchants}
    began = time.monotonic()
    batch = events(plan.events, plan.merchants, seed=1)
    with tempfile.TemporaryDirectory(prefix="tideline-bench-") as name, LocalKafka() as kafka:
        steps = _steps(plan, kafka.bootstrap_servers, Path(name), batch)
        for part in PARTS:
            if part in plan.parts:
                at = time.monotonic() - began
                sys.stderr.write(f"{at:6.0f} s  {part}\n")
                sys.stderr.flush()
                result |= steps[part]()
    result |= throughput.ratios(result)
    result["bench_seconds"] = round(time.monotonic() - began)
    return result


def _steps(
    plan: Plan, bootstrap: str, folder: Path, batch: list[Keyed]
) -> dict[str, Callable[[], dict[str, Any]]]:
    site = open_site(bootstrap, "bench.", folder)
    published: list[int] = []

    def backlog() -> int:
        if not published:
            published.append(publish(site.settings, batch))
        return published[0]

    return {
        "engine": lambda: stages.in_process(batch),
        "throughput": lambda: throughput.drains(site, backlog()),
        "peers": lambda: throughput.peers(site, backlog(), plan.peer_seconds),
        "together": lambda: throughput.together(bootstrap, folder, batch[: len(batch) // 2]),
        "stages": lambda: stages.on_kafka(bootstrap, folder, batch),
        "latency": lambda: _latency(plan, bootstrap, folder),
        "takeover": lambda: takeover(bootstrap, folder),
        "growth": lambda: _growth(plan, bootstrap, folder),
        "learning": lambda: _learning(plan, bootstrap, folder),
    }


def _latency(plan: Plan, bootstrap: str, folder: Path) -> dict[str, Any]:
    rates = [plan.rate // CALM_SHARE, plan.rate] if plan.calm else [plan.rate]
    rows = [latency(bootstrap, folder, rate, plan.seconds, plan.merchants) for rate in rates]
    return {
        "latency_rate_events_per_s": plan.rate,
        "latency_ms": rows[-1]["alert_ms"],
        "latency_by_rate": rows,
    }


def _learning(plan: Plan, bootstrap: str, folder: Path) -> dict[str, Any]:
    file = economy(folder)
    return {
        **assessments.cost([str(file)]),
        **learning(bootstrap, folder, file, plan.learning_rate),
    }


def _growth(plan: Plan, bootstrap: str, folder: Path) -> dict[str, Any]:
    history = footprint(plan.history_merchants)
    found = growth(bootstrap, folder, plan.growth_merchants, plan.growth_events)
    measured = [row for row in found["growth"] if "error" not in row]
    largest = measured[-1] if measured else {}
    return {
        **history,
        **found,
        "state_bytes_per_merchant": largest.get("rss_bytes_per_merchant"),
        "changelog_bytes_per_merchant": history["history"]["changelog_bytes_per_merchant"],
        "restore_merchants_per_s": largest.get("restore_merchants_per_s"),
    }
