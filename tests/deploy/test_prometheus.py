"""deploy/prometheus, deploy/alertmanager, dashboards: taken by the real tools, true to the code."""

import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest
import yaml
from prometheus_client.metrics import MetricWrapperBase

from ops.metrics import Metrics
from tests.conftest import require
from tests.deploy import files
from tests.deploy.files import DEPLOY, ROOT, alert_names, dashboard_expressions, rules
from tests.deploy.prometheus_server import missing_tools

PROMETHEUS = DEPLOY / "prometheus"
ALERTMANAGER = DEPLOY / "alertmanager" / "alertmanager.yml"
ADDED_BY_THE_SCRAPE = {"job", "instance", "le"}
SELECTOR = re.compile(r"(?<![\w:])(tideline_\w+)(?:\{([^}]*)\})?")
GROUPING = re.compile(r"\b(?:by|without|on|ignoring)\s*\(([^)]*)\)")


def _tool(*command: str) -> None:
    require("prometheus", missing_tools())
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def _samples() -> dict[str, set[str]]:
    """Names of all samples that the roles serve, with their labels."""
    suffixes = {"counter": ["_total"], "gauge": [""], "info": ["_info"]}
    suffixes["histogram"] = ["_bucket", "_sum", "_count"]
    return {
        metric._name + suffix: set(metric._labelnames)
        for metric in vars(Metrics()).values()
        if isinstance(metric, MetricWrapperBase)
        for suffix in suffixes[str(metric._type)]
    }


def _expressions() -> list[tuple[str, str]]:
    own = [(rule.get("alert") or rule["record"], rule["expr"]) for rule in rules()]
    return own + dashboard_expressions()


@pytest.mark.prometheus
def test_promtool_accepts_the_configuration_and_the_rules() -> None:
    _tool("promtool", "check", "config", str(PROMETHEUS / "prometheus.yml"))
    _tool("promtool", "check", "rules", *map(str, (PROMETHEUS / "rules").glob("*.yml")))


@pytest.mark.prometheus
def test_the_rules_do_what_their_unit_tests_say() -> None:
    _tool("promtool", "test", "rules", *map(str, (PROMETHEUS / "tests").glob("*.yml")))


@pytest.mark.prometheus
def test_amtool_accepts_the_alertmanager_configuration() -> None:
    _tool("amtool", "check-config", str(ALERTMANAGER))


@pytest.mark.prometheus
def test_alerts_are_routed_by_their_severity() -> None:
    for severity, receiver in (("page", "pages"), ("ticket", "tickets")):
        _tool(
            *("amtool", "config", "routes", "test", f"--config.file={ALERTMANAGER}"),
            *(f"--verify.receivers={receiver}", f"severity={severity}", "alertname=TidelineAny"),
        )


@pytest.mark.prometheus
def test_every_query_of_the_dashboards_is_promql(tmp_path: Path) -> None:
    found = dashboard_expressions()
    assert len(found) > 30
    generated = tmp_path / "dashboards.yml"
    generated.write_text(
        yaml.safe_dump(
            {
                "groups": [
                    {
                        "name": "dashboards",
                        "rules": [
                            {"record": f"dashboard:query{i}", "expr": expr}
                            for i, (_, expr) in enumerate(found)
                        ],
                    }
                ]
            }
        )
    )
    _tool("promtool", "check", "rules", str(generated))


@pytest.mark.parametrize(("where", "expr"), _expressions())
def test_every_metric_and_label_that_is_asked_for_is_served(where: str, expr: str) -> None:
    served = _samples()
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    for name in re.findall(r"[\w]*:tideline[\w:]*", expr):
        assert name in recorded, f"{where}: {name} is not recorded"
    for name, matchers in SELECTOR.findall(re.sub(r"[\w]*:tideline[\w:]*(\{[^}]*\})?", "", expr)):
        assert name in served, f"{where}: {name} is not in ops.metrics"
        asked = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers))
        assert asked <= served[name] | ADDED_BY_THE_SCRAPE, f"{where}: {name}{{{matchers}}}"
    known = set().union(*served.values()) | ADDED_BY_THE_SCRAPE | {"reason"}
    for names in GROUPING.findall(expr):
        assert {n.strip() for n in names.split(",") if n.strip()} <= known, where


def test_every_role_is_a_scrape_job_of_its_name_on_the_port_of_its_metrics() -> None:
    jobs = {job["job_name"]: job for job in files.prometheus_config()["scrape_configs"]}
    assert set(jobs) <= set(files.services())
    roles = {n: s for n, s in files.own_services().items() if s["restart"] == "unless-stopped"}
    for name, service in roles.items():
        (found,) = jobs[name]["dns_sd_configs"]
        assert found["names"] == [name]
        assert str(found["port"]) == files.environment(service)["TIDELINE_METRICS__PORT"]
        assert "metrics_path" not in jobs[name], "/metrics is what the roles serve"


def test_alerts_go_to_the_alertmanager_that_compose_starts() -> None:
    (manager,) = files.prometheus_config()["alerting"]["alertmanagers"]
    assert manager["static_configs"][0]["targets"] == ["alertmanager:9093"]
    assert files.services()["alertmanager"]["ports"][0].endswith(":9093")


def test_the_webhook_address_is_read_from_a_mounted_secret() -> None:
    paths = set(re.findall(r"/run/secrets/(\w+)", ALERTMANAGER.read_text("utf-8")))
    assert paths == set(files.services()["alertmanager"]["secrets"])


def test_every_alert_has_a_name_of_its_own_a_severity_and_a_unit_test() -> None:
    assert [name for name, count in Counter(alert_names()).items() if count > 1] == []
    tested = "".join(p.read_text("utf-8") for p in (PROMETHEUS / "tests").glob("*.yml"))
    for rule in rules():
        if "alert" in rule:
            assert rule["labels"]["severity"] in ("page", "ticket")
            assert f"alertname: {rule['alert']}\n" in tested, rule["alert"]


def test_every_alert_has_its_section_in_the_runbook() -> None:
    runbook = (ROOT / "docs" / "operations.md").read_text("utf-8")
    headings = re.findall(r"^#+ (Tideline\w+)$", runbook, re.MULTILINE)
    assert sorted(headings) == sorted(alert_names())
    for rule in rules():
        if "alert" in rule:
            assert rule["annotations"]["runbook"] == f"docs/operations.md#{rule['alert'].lower()}"


def test_inhibitions_name_alerts_that_exist() -> None:
    named = set(re.findall(r"\bTideline\w+", ALERTMANAGER.read_text("utf-8")))
    assert named <= set(alert_names())
