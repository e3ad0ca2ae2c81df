"""deploy/clickhouse: the password reaches the server as a hash, and for one user only."""

import hashlib
import os
import re
import subprocess
from pathlib import Path
from urllib.parse import urlsplit
from xml.etree import ElementTree

from sinks.migrate import load
from tests.deploy.files import DEPLOY, bind_mounts, environment, own_services, services

FOLDER = DEPLOY / "clickhouse"


def _run(secret: Path, reader: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", str(FOLDER / "entrypoint.sh"), "env"],
        env={
            **os.environ,
            "CLICKHOUSE_PASSWORD_SECRET": str(secret),
            "CLICKHOUSE_READER_PASSWORD_SECRET": str(reader or secret),
        },
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_the_server_gets_the_hash_and_not_the_password(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("correct horse\n")
    done = _run(secret)
    assert done.returncode == 0
    digest = hashlib.sha256(b"correct horse").hexdigest()
    assert f"CLICKHOUSE_PASSWORD_SHA256={digest}\n" in done.stdout
    assert "correct horse" not in done.stdout


def test_each_user_has_a_password_of_its_own(tmp_path: Path) -> None:
    secret, reader = tmp_path / "password", tmp_path / "reader"
    secret.write_text("correct horse\n")
    reader.write_text("battery staple\n")
    done = _run(secret, reader)
    digest = hashlib.sha256(b"battery staple").hexdigest()
    assert f"CLICKHOUSE_READER_PASSWORD_SHA256={digest}\n" in done.stdout
    reader.write_text("")
    assert _run(secret, reader).returncode == 1


def test_an_empty_password_is_refused(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("\n")
    done = _run(secret)
    assert done.returncode == 1
    assert "init-secrets.sh" in done.stderr


def test_the_users_file_reads_what_the_entry_point_sets() -> None:
    root = ElementTree.parse(FOLDER / "users.xml").getroot()  # noqa: S314 - our own file
    exported = re.findall(r"^export (\w+)$", (FOLDER / "entrypoint.sh").read_text("utf-8"), re.M)
    assert [node.get("from_env") for node in root.iter("password_sha256_hex")] == exported
    users = {user.tag: user for user in root.find("users")}  # type: ignore[union-attr]
    assert users.pop("default").get("remove") == "remove"
    assert set(users) == {"tideline", "tideline_reader"}
    profiles = {profile.tag for profile in root.find("profiles")}  # type: ignore[union-attr]
    for user in users.values():
        assert user.findtext("profile") in profiles
        assert user.findtext("access_management") == "0"


def test_the_reader_may_read_within_bounds_that_it_cannot_raise() -> None:
    root = ElementTree.parse(FOLDER / "users.xml").getroot()  # noqa: S314 - our own file
    name = root.findtext("users/tideline_reader/profile")
    profile = root.find(f"profiles/{name}")
    assert profile is not None
    assert profile.findtext("readonly") == "2" and profile.findtext("allow_ddl") == "0"
    for bound in ("max_memory_usage", "max_execution_time", "max_threads", "max_result_rows"):
        value = profile.findtext(bound)
        assert value is not None and int(value) > 0
        assert profile.findtext(f"constraints/{bound}/max") == value
        assert profile.findtext(f"constraints/{bound}/min") == "1", "0 would mean no bound"


def test_the_reader_sees_every_table_and_view_but_what_is_not_for_dashboards() -> None:
    root = ElementTree.parse(FOLDER / "users.xml").getroot()  # noqa: S314 - our own file
    grants = {}
    for query in root.iter("query"):
        found = re.fullmatch(r"GRANT SELECT(?: \((.*)\))? ON tideline\.(\w+)", _line(query.text))
        assert found, query.text
        grants[found[2]] = found[1]
    made = {
        found[2]
        for migration in load()
        for statement in migration.statements
        if (found := re.match(r"CREATE (TABLE|VIEW) IF NOT EXISTS (\w+)", statement))
    }
    assert set(grants) == made - {"desk_audit"}
    narrowed = {table: columns for table, columns in grants.items() if columns}
    assert set(narrowed) == {"dead_letters", "sink_rejects"}
    for columns in narrowed.values():
        assert not {"key", "value", "headers.name", "headers.value"} & set(columns.split(", "))


def _line(text: str | None) -> str:
    return " ".join((text or "").split())


def test_the_roles_log_in_as_that_user_on_the_servers_port() -> None:
    for service in own_services().values():
        url = environment(service).get("TIDELINE_CLICKHOUSE__URL")
        if url:
            parts = urlsplit(url)
            assert (parts.username, parts.hostname, parts.port) == ("tideline", "clickhouse", 9000)
            assert parts.password is None
    assert services()["clickhouse"]["ports"][0].endswith(":9000")


def test_metrics_are_served_where_prometheus_looks() -> None:
    root = ElementTree.parse(FOLDER / "config.xml").getroot()  # noqa: S314 - our own file
    port = root.findtext("prometheus/port")
    prometheus = (DEPLOY / "prometheus" / "prometheus.yml").read_text("utf-8")
    assert f'"clickhouse:{port}"' in prometheus
    assert root.findtext("prometheus/endpoint") == "/metrics"


def test_the_entry_point_ends_in_the_images_own() -> None:
    service = services()["clickhouse"]
    assert service["entrypoint"][1] in bind_mounts(service)
    assert service["entrypoint"][2:] == ["/entrypoint.sh"]
    assert re.search(r'^exec "\$@"$', (FOLDER / "entrypoint.sh").read_text("utf-8"), re.MULTILINE)
