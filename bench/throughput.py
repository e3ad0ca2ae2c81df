"""Events/s of intake and scoring on real Kafka, exactly once, the whole job."""

from pathlib import Path
from typing import Any

from bench.cluster import (
    FEEDS,
    PARTITIONS,
    Sample,
    Site,
    open_site,
    publish_at_once,
    rate,
    wait_for,
    wait_ready,
)
from bench.peers.launch import (
    DURABLE_PYTHON_PEERS,
    PEERS,
    PYTHON_PEERS,
    Backlog,
    PeerResult,
    run_peer,
)
from bench.workload import Keyed
from ops.kafka import topic_name
from tideline.children import Child, start, stop

LAYOUTS = {"one_worker": ["intake,scoring"], "two_workers": ["intake", "scoring"]}


def drains(site: Site, count: int) -> dict[str, Any]:
    """Intake alone drains the published backlog, then scoring alone what intake wrote."""
    intake = _drain(site, "intake", count)
    scoring = _drain(site, "scoring", count)
    return {"intake_events_per_s": round(intake), "scoring_events_per_s": round(scoring)}


def peers(site: Site, count: int, seconds: float) -> dict[str, Any]:
    """The peers drain the same backlog, one after the other."""
    found = {}
    for name in PEERS:
        backlog = Backlog(
            bootstrap=site.settings.kafka.bootstrap_servers,
            topics=[topic_name(site.settings, feed) for feed in FEEDS],
            partitions=PARTITIONS,
            events=count,
            seconds=seconds,
        )
        found[name] = run_peer(name, backlog)
    return peer_figures(found)


def peer_figures(found: dict[str, PeerResult]) -> dict[str, Any]:
    """What the result says of the peers: events/s by name, None with a reason in ``errors``."""
    return {
        "peers": {n: r.events_per_s and round(r.events_per_s) for n, r in found.items()},
        "peers_events": {n: r.events for n, r in found.items()},
        "peers_errors": {n: r.error for n, r in found.items() if r.error},
    }


def ratios(result: dict[str, Any]) -> dict[str, float | None]:
    """Scoring, and both roles together, over the peers; None where there is no figure."""
    rates: dict[str, float | None] = result.get("peers", {})

    def best(names: tuple[str, ...]) -> float | None:
        return max((r for n in names if (r := rates.get(n))), default=None)

    against = {
        "faust": rates.get("faust_table"),
        "best_python_peer": best(PYTHON_PEERS),
        "best_durable_python_peer": best(DURABLE_PYTHON_PEERS),
        "kafka_streams": rates.get("kafka_streams"),
    }
    mine = {
        "intake": result.get("intake_events_per_s"),
        "scoring": result.get("scoring_events_per_s"),
    }
    return {
        f"{role}_over_{name}": round(rate / other, 1) if rate and other else None
        for role, rate in mine.items()
        for name, other in against.items()
        if role == "scoring" or name == "faust"
    }


def together(bootstrap: str, folder: Path, batch: list[Keyed]) -> dict[str, Any]:
    """Both roles drain a backlog end to end: one worker with both, then a worker for each.

    The backlog is written in one transaction while the workers wait, ready; they see all of it at
    its commit, and the time runs from there to the last event scored.
    """
    found = {}
    for layout, roles in LAYOUTS.items():
        own = open_site(bootstrap, f"{layout}.", folder)
        children = [_start(own, role) for role in roles]
        try:
            for child in children:
                wait_ready(child)
            count, visible_at = publish_at_once(own.settings, batch)
            samples = wait_for(children[-1], "scoring", count)
        finally:
            stop(children)
        found[layout] = round(count / (samples[-1].at - visible_at))
    return {"together_events_per_s": found}


def _start(site: Site, roles: str) -> Child:
    name = f"bench-{roles.replace(',', '-')}"
    return start(name, ["worker", "--roles", roles], site.environment, site.folder)


def _drain(site: Site, role: str, count: int) -> float:
    child = _start(site, role)
    try:
        samples: list[Sample] = wait_for(child, role, count)
    finally:
        stop([child])
    return rate(samples, count)
