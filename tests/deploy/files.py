"""The deployment's files, read the way Docker Compose and Docker read them."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
DASHBOARDS = DEPLOY / "grafana" / "dashboards"
SUBSTITUTION = re.compile(r"\$\{(\w+):-([^}]*)\}")


def compose() -> dict[str, Any]:
    """docker-compose.yml with anchors merged and substitutions at their defaults."""
    text = (ROOT / "docker-compose.yml").read_text("utf-8")
    document: dict[str, Any] = yaml.safe_load(SUBSTITUTION.sub(r"\2", text))
    return document


def services() -> dict[str, dict[str, Any]]:
    """Services by name."""
    found: dict[str, dict[str, Any]] = compose()["services"]
    return found


def own_services() -> dict[str, dict[str, Any]]:
    """The services that run Tideline's own image."""
    return {name: s for name, s in services().items() if s["image"].startswith("tideline:")}


def environment(service: dict[str, Any]) -> dict[str, str]:
    """Environment of a service."""
    return {k: str(v) for k, v in service.get("environment", {}).items()}


def bind_mounts(service: dict[str, Any]) -> dict[str, str]:
    """Path in the container → path in the project, of what is mounted from it."""
    found = {}
    for volume in service.get("volumes", []):
        source, target, *_ = volume.split(":")
        if source.startswith("."):
            found[target] = source.removeprefix("./")
    return found


def instructions() -> list[tuple[str, str]]:
    """Instructions of the Dockerfile, continued lines joined."""
    text = (DEPLOY / "Dockerfile").read_text("utf-8")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [tuple(line.split(None, 1)) for line in joined.splitlines()]  # type: ignore[misc]


def healthcheck_of_image() -> list[str]:
    """The command of the image's HEALTHCHECK."""
    (argument,) = [a for name, a in instructions() if name == "HEALTHCHECK"]
    command: list[str] = json.loads(argument.split("CMD", 1)[1])
    return command


def prometheus_config() -> dict[str, Any]:
    """prometheus.yml."""
    text = (DEPLOY / "prometheus" / "prometheus.yml").read_text("utf-8")
    document: dict[str, Any] = yaml.safe_load(text)
    return document


def rules() -> list[dict[str, Any]]:
    """All recording and alerting rules."""
    return [
        rule
        for path in sorted((DEPLOY / "prometheus" / "rules").glob("*.yml"))
        for group in yaml.safe_load(path.read_text("utf-8"))["groups"]
        for rule in group["rules"]
    ]


def alert_names() -> list[str]:
    """Names of all alerts."""
    return [rule["alert"] for rule in rules() if "alert" in rule]


def dashboards() -> dict[str, dict[str, Any]]:
    """Dashboards by file name."""
    return {p.name: json.loads(p.read_text("utf-8")) for p in sorted(DASHBOARDS.glob("*.json"))}


def walk(value: Any) -> Iterator[dict[str, Any]]:
    """Every object of a JSON document."""
    if isinstance(value, dict):
        yield value
        for child in value.values():
            yield from walk(child)
    elif isinstance(value, list):
        for child in value:
            yield from walk(child)


def dashboard_expressions() -> list[tuple[str, str]]:
    """(dashboard and panel, PromQL with Grafana's variables at some value) of every query."""
    found = []
    for name, dashboard in dashboards().items():
        for panel in [*dashboard["panels"], *dashboard["annotations"]["list"]]:
            for part in walk(panel):
                if "expr" in part:
                    expr = part["expr"].replace("$__rate_interval", "1m")
                    expr = re.sub(r"\$\w+", ".*", expr)
                    found.append((f"{name}: {panel.get('title') or panel['name']}", expr))
    return found
