"""From settings to who may come to the desk."""

from pathlib import Path
from typing import Any

import pytest

from desk.users_file import read_users
from ops.errors import ConfigurationError
from ops.metrics import Metrics
from ops.settings import Desk, Settings
from tests.desk.people import users_text
from tideline.demo_people import demo_people, write_demo_users
from tideline.desk_rules import address_of, one_time_token, rules_of


@pytest.fixture
def users_path(tmp_path: Path) -> Path:
    """A users file."""
    path = tmp_path / "users.yaml"
    path.write_text(users_text())
    return path


def settings(**desk: Any) -> Settings:
    return Settings(desk=Desk(**desk))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.7", "desk.example", ""])  # noqa: S104
def test_other_machines_are_served_only_with_a_users_file(host: str, users_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"TIDELINE_DESK__HOST.*TIDELINE_DESK__USERS_FILE"):
        rules_of(settings(host=host), Metrics())
    assert rules_of(settings(host=host, users_file=users_path), Metrics()).users is not None


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_its_own_machine_is_served_without_one(host: str) -> None:
    rules = rules_of(settings(host=host), Metrics())
    assert rules.users is None
    assert {"127.0.0.1", "localhost", "::1", host} == rules.hosts


def test_allowed_names_are_added_and_a_wrong_one_is_refused(users_path: Path) -> None:
    rules = rules_of(
        settings(host="0.0.0.0", users_file=users_path, allowed_hosts="desk.example"),  # noqa: S104
        Metrics(),
    )
    assert rules.hosts == {"127.0.0.1", "localhost", "::1", "desk.example"}
    with pytest.raises(ConfigurationError, match="TIDELINE_DESK__ALLOWED_HOSTS: 'https://desk'"):
        rules_of(settings(allowed_hosts="https://desk"), Metrics())


def test_a_missing_or_wrong_users_file_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="tideline users add"):
        rules_of(settings(users_file=tmp_path / "none.yaml"), Metrics())


def test_a_refused_change_is_counted(users_path: Path) -> None:
    metrics = Metrics()
    users = rules_of(settings(users_file=users_path), metrics).users
    assert users is not None
    users_path.write_text("users: [")
    users.look()
    name = "tideline_desk_users_file_refused_total"
    assert metrics.registry.get_sample_value(name) == 1


@pytest.mark.parametrize(
    ("with_file", "wanted", "printed"),
    [
        (False, None, True),
        (True, None, False),
        (True, True, True),
        (False, False, False),
    ],
)
def test_an_address_with_a_login_is_printed_without_a_users_file_or_when_asked_for(
    users_path: Path, with_file: bool, wanted: bool | None, printed: bool
) -> None:
    given = settings(users_file=users_path if with_file else None, one_time_login=wanted)
    token = one_time_token(given)
    assert (token is not None) == printed
    assert ("token=" in address_of(given, 8088, token)) == printed


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("0.0.0.0", "http://127.0.0.1:80/login"),  # noqa: S104
        ("::", "http://127.0.0.1:80/login"),
        ("::1", "http://[::1]:80/login"),
        ("10.0.0.7", "http://10.0.0.7:80/login"),
    ],
)
def test_the_address_is_one_that_a_browser_can_open(host: str, address: str) -> None:
    assert address_of(settings(host=host), 80, None) == address


def test_the_people_of_the_demo_can_log_in_and_the_bank_is_bound(tmp_path: Path) -> None:
    people = demo_people()
    path = tmp_path / "users.yaml"
    write_demo_users(path, people)
    assert path.stat().st_mode & 0o777 == 0o600
    users = read_users(path)
    for person in people:
        found = users.authenticated(person.name, person.password)
        assert found is not None and found.viewer.role == person.role
        assert found.viewer.funders == person.funders
    assert [person.role for person in people] == ["analyst", "approver", "viewer"]
    assert people[-1].funders is not None
    assert len({person.password for person in people}) == 3
