"""deploy/clickhouse: the password reaches the server as a hash, and for one user only."""

import hashlib
import os
import re
import subprocess
from pathlib import Path
from urllib.parse import urlsplit
from xml.etree import ElementTree

from tests.deploy.files import DEPLOY, bind_mounts, environment, own_services, services

FOLDER = DEPLOY / "clickhouse"


def _run(secret: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", str(FOLDER / "entrypoint.sh"), "env"],
        env={**os.environ, "CLICKHOUSE_PASSWORD_SECRET": str(secret)},
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


def test_an_empty_password_is_refused(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("\n")
    done = _run(secret)
    assert done.returncode == 1
    assert "init-secrets.sh" in done.stderr


def test_the_users_file_reads_what_the_entry_point_sets() -> None:
    root = ElementTree.parse(FOLDER / "users.xml").getroot()  # noqa: S314 - our own file
    (hash_node,) = root.iter("password_sha256_hex")
    script = (FOLDER / "entrypoint.sh").read_text("utf-8")
    assert f"export {hash_node.get('from_env')}=" in script
    users = root.find("users")
    assert users is not None
    default = users.find("default")
    assert default is not None and default.get("remove") == "remove"
    assert root.find("users/tideline/profile").text in {p.tag for p in root.find("profiles")}  # type: ignore[union-attr]


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
