"""``tideline users``: the users file is written whole, checked, and never shows a secret."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from desk.users import load_users
from desk.users_file import read_users
from ops.errors import ConfigurationError
from tideline.commands.users import app

PASSWORD = "correct horse battery"
runner = CliRunner()


def users(path: Path, *arguments: str, typed: str = "") -> str:
    done = runner.invoke(app, [*arguments, "--file", str(path)], input=typed)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A users file with mei in it."""
    path = tmp_path / "users.yaml"
    users(path, "add", "mei", "--role", "analyst", typed=PASSWORD + "\n")
    return path


def test_a_person_is_added_bounded_changed_and_removed(path: Path) -> None:
    users(path, "add", "007", "--role", "viewer", "--funder", "bank-a", typed=PASSWORD + "\n")
    added = read_users(path)
    assert added.authenticated("mei", PASSWORD) is not None
    bank = added.person("007")
    assert bank is not None and bank.viewer.funders == ("bank-a",)
    users(path, "passwd", "mei", typed="another password\r\n")
    changed = read_users(path)
    assert changed.authenticated("mei", PASSWORD) is None
    assert changed.authenticated("mei", "another password") is not None
    users(path, "remove", "mei")
    assert read_users(path).person("mei") is None
    assert read_users(path).person("007") is not None


def test_a_new_file_is_for_its_owner_alone_and_a_mode_that_was_given_stays(path: Path) -> None:
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o640)
    users(path, "token", "add", "t", "--role", "viewer")
    assert path.stat().st_mode & 0o777 == 0o640
    assert [each.name for each in path.parent.iterdir()] == ["users.yaml"]


def test_a_token_is_shown_once_and_opens_until_it_ends(path: Path) -> None:
    said = users(path, "token", "add", "ci", "--role", "viewer", "--expires-days", "2", "--json")
    token = json.loads(said)["token"]
    assert token not in path.read_text() and token not in users(path, "list")
    found = read_users(path)
    viewer = found.by_token(token, 0.0)
    assert viewer is not None and (viewer.name, viewer.via) == ("token:ci", "token")
    assert found.by_token(token, 4e9) is None
    users(path, "token", "remove", "ci")
    assert read_users(path).by_token(token, 0.0) is None


def test_the_list_has_neither_passwords_nor_digests(path: Path) -> None:
    users(path, "token", "add", "ci", "--role", "analyst")
    for said in (users(path, "list"), users(path, "list", "--json")):
        assert "mei" in said and "ci" in said
        assert "scrypt" not in said and "sha256" not in said


@pytest.mark.parametrize(
    ("arguments", "typed", "said"),
    [
        (("add", "omar", "--role", "approver"), "short\n", "12 are needed"),
        (("add", "omar", "--role", "approver"), "", "12 are needed"),
        (("add", "omar", "--role", "approver"), "aaaaaaaaaaaaaaaa\n", "different characters"),
        (("add", "mei", "--role", "approver"), PASSWORD, "in the file already"),
        (("add", "a b", "--role", "approver"), PASSWORD, "is no name"),
        (("add", "desk", "--role", "approver"), PASSWORD, "is no name"),
        (("add", "a", "--role", "administrator", "--funder", "b"), PASSWORD, "leave it out"),
        (("remove", "omar"), "", "it has mei"),
        (("passwd", "omar"), PASSWORD, "it has mei"),
        (("token", "remove", "x"), "", "it has nobody"),
    ],
)
def test_what_is_refused_leaves_the_file_as_it_was(
    path: Path, arguments: tuple[str, ...], typed: str, said: str
) -> None:
    before = path.read_bytes()
    with pytest.raises(ConfigurationError, match=said):
        users(path, *arguments, typed=typed)
    assert path.read_bytes() == before
    assert [each.name for each in path.parent.iterdir()] == ["users.yaml"]


def test_a_file_that_is_broken_is_not_written_over(path: Path) -> None:
    path.write_text(path.read_text().replace("role: analyst", "role: boss"))
    before = path.read_bytes()
    with pytest.raises(ConfigurationError, match=r"users.yaml: line \d+: `users.mei.role`.*boss"):
        users(path, "remove", "mei")
    assert path.read_bytes() == before


def test_what_is_written_is_what_the_desk_reads(path: Path) -> None:
    assert load_users(path.read_text()).person("mei") is not None
