"""deploy/grafana: provisioned from files, every reference resolved."""

from collections import Counter

import yaml

from tests.deploy.files import (
    DEPLOY,
    bind_mounts,
    dashboards,
    environment,
    services,
    walk,
)

PROVISIONING = DEPLOY / "grafana" / "provisioning"


def _datasources() -> list[dict[str, object]]:
    return [
        source
        for path in (PROVISIONING / "datasources").glob("*.yaml")
        for source in yaml.safe_load(path.read_text("utf-8"))["datasources"]
    ]


def test_dashboards_have_a_fixed_identity_each() -> None:
    found = dashboards()
    assert found
    uids = Counter(dashboard["uid"] for dashboard in found.values())
    assert max(uids.values()) == 1
    for name, dashboard in found.items():
        assert name == f"{dashboard['uid']}.json"
        assert "id" not in dashboard, "ids belong to one server"


def test_panels_have_ids_of_their_own_and_do_not_overlap() -> None:
    for dashboard in dashboards().values():
        panels = dashboard["panels"]
        assert max(Counter(panel["id"] for panel in panels).values()) == 1
        cells: Counter[tuple[int, int]] = Counter()
        for panel in panels:
            at = panel["gridPos"]
            assert at["x"] + at["w"] <= 24
            cells.update(
                (x, y)
                for x in range(at["x"], at["x"] + at["w"])
                for y in range(at["y"], at["y"] + at["h"])
            )
        assert max(cells.values()) == 1


def test_every_panel_asks_a_provisioned_datasource() -> None:
    provisioned = {source["uid"]: source["type"] for source in _datasources()}
    assert len(provisioned) == len(_datasources())
    for dashboard in dashboards().values():
        asked = [part["datasource"] for part in walk(dashboard) if "datasource" in part]
        assert asked
        assert all(provisioned[source["uid"]] == source["type"] for source in asked)
        for panel in dashboard["panels"]:
            if panel["type"] != "row":
                assert panel["targets"] and panel["description"]


def test_the_datasource_is_the_prometheus_that_compose_starts() -> None:
    (source,) = [each for each in _datasources() if each["type"] == "prometheus"]
    assert source["url"] == "http://prometheus:9090"
    assert services()["prometheus"]["ports"][0].endswith(":9090")


def test_the_dashboard_shows_what_operations_promises() -> None:
    text = str(dashboards()["tideline-pipeline.json"])
    for metric in (
        "tideline_events_total",
        "tideline_consumer_lag_records",
        "tideline_event_time_lag_seconds",
        "tideline_event_to_alert_seconds_bucket",
        "tideline_dead_letters_total",
        "tideline_alerts_total",
        "tideline_limit_changes_total",
        "tideline_sink_rows_total",
        "tideline_restore_progress_ratio",
        "tideline_monitor_exposure_minor",
        "tideline_model_roc_auc_ratio",
        "tideline_drift_psi_ratio",
        "tideline_labels_held",
    ):
        assert metric in text, metric


def test_dashboards_are_mounted_where_the_provider_looks() -> None:
    mounts = bind_mounts(services()["grafana"])
    (provider,) = yaml.safe_load(
        (PROVISIONING / "dashboards" / "tideline.yaml").read_text("utf-8")
    )["providers"]
    assert mounts[provider["options"]["path"]] == "deploy/grafana/dashboards"
    assert mounts["/etc/grafana/provisioning"] == "deploy/grafana/provisioning"
    home = environment(services()["grafana"])["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home.removeprefix(provider["options"]["path"] + "/") in dashboards()
