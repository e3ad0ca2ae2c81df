"""docker-compose.yml: valid, closed, and true to the code that it starts.

compose-spec.json is the schema of the Compose Specification (github.com/compose-spec/compose-spec),
unchanged, under Apache-2.0: see compose-spec.LICENSE.
"""

import base64
import json
import re
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml
from jsonschema import Draft202012Validator
from typer.main import get_command

from deploy.kafka.local import VERSION as TESTED_KAFKA
from desk.users_file import read_users
from ops.kafka import FETCH_BYTES_MAX
from ops.settings import Settings, load_settings, privacy_key
from tests.deploy import files
from tests.deploy.files import ROOT, compose, environment, own_services, services

SCHEMA = Path(__file__).with_name("compose-spec.json")
ROLE_SERVICES = {"intake", "scoring", "learner", "monitor", "sink", "lending-core", "desk"}
JOBS = {"topics", "migrate"}


@pytest.fixture
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """No TIDELINE_ variables from outside."""
    import os

    for name in [n for n in os.environ if n.startswith("TIDELINE_")]:
        monkeypatch.delenv(name)
    return monkeypatch


def test_it_is_valid_under_the_compose_specification() -> None:
    validator = Draft202012Validator(json.loads(SCHEMA.read_text("utf-8")))
    assert [error.message for error in validator.iter_errors(compose())] == []


def test_the_schema_used_here_refuses_what_compose_refuses() -> None:
    validator = Draft202012Validator(json.loads(SCHEMA.read_text("utf-8")))
    wrong = compose()
    wrong["services"]["kafka"]["healtcheck"] = {}
    assert not validator.is_valid(wrong)


def test_it_has_the_services_that_the_documentation_promises() -> None:
    monitoring = {"prometheus", "alertmanager", "grafana"}
    assert set(services()) == {"kafka", "clickhouse"} | JOBS | ROLE_SERVICES | monitoring
    profiles = {"monitoring": monitoring, "sample-core": {"lending-core"}}
    for profile, members in profiles.items():
        assert {n for n, s in services().items() if s.get("profiles") == [profile]} == members


@pytest.mark.parametrize("name", services())
def test_images_are_pinned_to_a_full_version(name: str) -> None:
    repository, _, tag = services()[name]["image"].partition(":")
    assert repository
    assert re.fullmatch(r"v?\d+\.\d+\.\d+(\.\d+)?", tag), tag


def test_the_image_has_the_projects_version() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert {s["image"] for s in own_services().values()} == {f"tideline:{project['version']}"}


def test_kafka_is_the_version_that_the_tests_run_on() -> None:
    assert services()["kafka"]["image"] == f"apache/kafka:{TESTED_KAFKA}"


@pytest.mark.parametrize("name", services())
def test_ports_are_open_to_this_machine_only(name: str) -> None:
    for port in services()[name].get("ports", []):
        assert port.startswith("127.0.0.1:"), port


def test_published_ports_do_not_collide() -> None:
    ports = [p.split(":")[1] for s in services().values() for p in s.get("ports", [])]
    assert len(ports) == len(set(ports))


@pytest.mark.parametrize("name", services())
def test_every_mounted_file_exists(name: str) -> None:
    for target, source in files.bind_mounts(services()[name]).items():
        assert (ROOT / source).exists(), f"{source} for {target}"


def test_every_named_volume_is_declared_and_used() -> None:
    used = {
        volume.split(":")[0]
        for service in services().values()
        for volume in service.get("volumes", [])
        if not volume.startswith(".")
    }
    assert used == set(compose()["volumes"])


def test_every_secret_is_used_and_made_by_the_script(tmp_path: Path) -> None:
    script = ROOT / "deploy" / "init-secrets.sh"
    subprocess.run(["sh", str(script), str(tmp_path / "s")], check=True, timeout=30)
    made = {path.name for path in (tmp_path / "s").iterdir()}
    declared = compose()["secrets"]
    assert {Path(secret["file"]).name for secret in declared.values()} == made == set(declared)
    assert {s for service in services().values() for s in service.get("secrets", [])} == made
    ignored = (ROOT / ".gitignore").read_text("utf-8").splitlines()
    assert {"deploy/secrets/", ".env"} <= set(ignored)


def test_secrets_once_made_are_kept_and_fit_the_code(tmp_path: Path) -> None:
    script = str(ROOT / "deploy" / "init-secrets.sh")
    folder = tmp_path / "s"
    subprocess.run(["sh", script, str(folder)], check=True, timeout=30)
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    subprocess.run(["sh", script, str(folder)], check=True, timeout=30)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == first
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o644}
    settings = Settings(privacy={"key_file": folder / "privacy_key"})  # type: ignore[arg-type]
    assert len(privacy_key(settings)) == 32
    assert read_users(folder / "desk_users").person("anybody") is None


@pytest.mark.parametrize("name", services())
def test_no_secret_is_in_the_environment(name: str) -> None:
    for variable, value in environment(services()[name]).items():
        if re.search(r"PASSWORD|SECRET|TOKEN|KEY", variable):
            assert value.startswith("/run/secrets/"), variable
            assert value.removeprefix("/run/secrets/") in services()[name]["secrets"]
        assert urlsplit(value).password is None, variable


@pytest.mark.parametrize("name", own_services())
def test_every_variable_is_a_setting_and_its_value_is_taken(
    name: str, bare_environment: pytest.MonkeyPatch
) -> None:
    given = environment(own_services()[name])
    for variable, value in given.items():
        bare_environment.setenv(variable, value)
    effective = load_settings()
    for variable, value in given.items():
        section, _, field = variable.removeprefix("TIDELINE_").lower().partition("__")
        shown = str(getattr(getattr(effective, section), field))
        assert value in (shown, shown.lower())


def test_a_variable_that_is_no_setting_is_refused(bare_environment: pytest.MonkeyPatch) -> None:
    from ops.errors import ConfigurationError

    bare_environment.setenv("TIDELINE_KAFKA__BOOTSTRAP_SERVER", "kafka:19092")
    with pytest.raises(ConfigurationError, match="BOOTSTRAP_SERVER"):
        load_settings()


def test_the_example_environment_names_exactly_what_compose_substitutes() -> None:
    text = (ROOT / "docker-compose.yml").read_text("utf-8")
    used = {name: default for name, default in files.SUBSTITUTION.findall(text)}
    assert len(re.findall(r"\$\{", text)) == len(files.SUBSTITUTION.findall(text))
    example = dict(
        line.split("=", 1)
        for line in (ROOT / ".env.example").read_text("utf-8").splitlines()
        if line and not line.startswith("#")
    )
    # Compose's own variable: which profiles are on.
    profiles = {p for s in services().values() for p in s.get("profiles", [])}
    assert set(example.pop("COMPOSE_PROFILES").split(",")) == profiles
    assert example == used


@pytest.mark.parametrize("name", own_services())
def test_every_command_exists_and_takes_its_arguments(name: str) -> None:
    from tideline.cli import app

    command, arguments = get_command(app), list(own_services()[name]["command"])
    context = command.make_context("tideline", arguments)
    while hasattr(command, "commands"):
        rest = [*context._protected_args, *context.args]
        word, command, rest = command.resolve_command(context, rest)  # type: ignore[attr-defined]
        context = command.make_context(word, rest, parent=context)
    assert context.args == []


def test_the_split_workers_cover_every_role_once() -> None:
    from tideline.commands.roles import ROLES

    commands = [s["command"] for s in own_services().values() if s["command"][0] == "worker"]
    assert sorted(role for command in commands for role in command[2].split(",")) == sorted(ROLES)
    assert all(command[1] == "--roles" for command in commands)


@pytest.mark.parametrize("name", services())
def test_dependencies_can_be_fulfilled(name: str) -> None:
    for other, how in services()[name].get("depends_on", {}).items():
        needed = services()[other]
        if how["condition"] == "service_completed_successfully":
            assert needed["restart"].startswith("on-failure"), "it would be started for ever"
        else:
            assert how["condition"] == "service_healthy"
            assert not needed.get("healthcheck", {}).get("disable")


@pytest.mark.parametrize("name", sorted(ROLE_SERVICES))
def test_roles_wait_for_topics_and_those_with_a_database_for_its_schema(name: str) -> None:
    service = own_services()[name]
    assert "topics" in service["depends_on"]
    needs_database = "TIDELINE_CLICKHOUSE__URL" in environment(service)
    assert ("migrate" in service["depends_on"]) == needs_database
    assert service["restart"] == "unless-stopped"
    assert service["stop_grace_period"] == "90s"


@pytest.mark.parametrize("name", own_services())
def test_our_processes_have_no_rights_that_they_do_not_need(name: str) -> None:
    service = own_services()[name]
    assert service["read_only"] and service["init"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert int(service["user"].split(":")[0]) > 0
    assert service["user"] == dict(files.instructions())["USER"]
    assert service["mem_limit"]


@pytest.mark.parametrize("name", sorted(set(services()) - {"kafka"}))
def test_nothing_runs_as_root(name: str) -> None:
    # Kafka's image sets a user of its own, without a fixed id.
    assert services()[name]["user"].split(":")[0] not in ("0", "root")


@pytest.mark.parametrize("name", sorted(set(services()) - JOBS))
def test_everything_that_stays_up_is_checked_and_bounded(name: str) -> None:
    service = services()[name]
    assert service["restart"] == "unless-stopped"
    assert service["mem_limit"] and service["logging"]["options"]["max-size"]
    if name not in ROLE_SERVICES:
        assert service["healthcheck"]["test"][0] == "CMD"
    else:
        assert "healthcheck" not in service, "the image's own is used"


@pytest.mark.parametrize("name", sorted(ROLE_SERVICES - {"desk"}))
def test_roles_can_be_scaled(name: str) -> None:
    assert "ports" not in services()[name] and "container_name" not in services()[name]


def test_the_broker_takes_what_the_clients_are_set_to() -> None:
    broker = environment(services()["kafka"])
    settings = Settings()
    assert int(broker["KAFKA_MESSAGE_MAX_BYTES"]) >= FETCH_BYTES_MAX
    assert int(broker["KAFKA_TRANSACTION_MAX_TIMEOUT_MS"]) >= settings.kafka.transaction_timeout_ms
    assert int(broker["KAFKA_GROUP_MIN_SESSION_TIMEOUT_MS"]) <= settings.kafka.session_timeout_ms
    wait = "KAFKA_TRANSACTION_ABORT_TIMED_OUT_TRANSACTION_CLEANUP_INTERVAL_MS"
    assert int(broker[wait]) <= 1000
    assert len(base64.urlsafe_b64decode(broker["CLUSTER_ID"] + "==")) == 16


def test_the_broker_listens_where_the_clients_look() -> None:
    broker = environment(services()["kafka"])
    listeners: dict[str, str] = dict(
        each.split("://", 1) for each in broker["KAFKA_ADVERTISED_LISTENERS"].split(",")
    )
    for service in own_services().values():
        given = environment(service)["TIDELINE_KAFKA__BOOTSTRAP_SERVERS"]
        assert given == listeners["INTERNAL"]
    assert listeners["HOST"] == "127.0.0.1:9092"
    for name, address in listeners.items():
        assert f"{name}://:{address.split(':')[1]}" in broker["KAFKA_LISTENERS"]
    assert yaml.safe_load(broker["KAFKA_AUTO_CREATE_TOPICS_ENABLE"]) is False


def test_the_desk_is_published_where_it_listens() -> None:
    desk = services()["desk"]
    assert environment(desk)["TIDELINE_DESK__HOST"] == "0.0.0.0"  # noqa: S104 - in its container
    assert desk["ports"][0].endswith(":" + environment(desk)["TIDELINE_DESK__PORT"])
    assert desk["ports"][0].startswith("127.0.0.1:")
    users = environment(desk)["TIDELINE_DESK__USERS_FILE"]
    assert users.removeprefix("/run/secrets/") in desk["secrets"], "refused at start without one"
