"""The users file: strict at the start, read again when it changes, and never half a file."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from desk import passwords
from desk.identity import Viewer
from desk.users import UsersError, load_users
from desk.users_file import LOOK_S, UsersFile, read_users
from ops.errors import ConfigurationError
from tests.desk.people import PASSWORD, PEOPLE, TOKENS, users_text

HASH = str(passwords.hashed(PASSWORD, passwords.COST_LEAST))
DIGEST = passwords.digest_of("tdl_x")


def person(**over: object) -> str:
    fields = {"role": "analyst", "password": HASH, **over}
    lines = [f"    {name}: {value}" for name, value in fields.items()]
    return "\n".join(["users:", "  mei:", *lines]) + "\n"


def token(**over: object) -> str:
    fields = {"role": "viewer", "sha256": DIGEST, "prefix": "tdl_x", **over}
    lines = [f"    {name}: {value}" for name, value in fields.items()]
    return "\n".join(["tokens:", "  ci:", *lines]) + "\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1: the users file is empty"),
        ("users: [", "not YAML"),
        ("people: {}", "`people` is not a key"),
        (person(role="boss"), r"line 3: `users.mei.role` is 'boss'; choose one of viewer, analyst"),
        (person(password="secret"), r"line 4: `users.mei.password` .*tideline users passwd"),
        (person(email="x"), r"line 5: `users.mei.email` is not a key"),
        (person(funders="[]"), r"`users.mei.funders` names nobody"),
        (person(funders='["a\\nb"]'), r"`users.mei.funders` has"),
        (person(funders="bank"), r"`users.mei.funders`: Expected `array`"),
        (person(role="administrator", funders="[a]"), "bounds an administrator"),
        (person().replace("mei", '"a:b"'), "is no name"),
        (person().replace("mei", "desk"), "is no name"),
        (person() + "  mei: {}\n", "stands twice"),
        ("users:\n  mei:\n    role: viewer\n", "`users.mei`: Object missing required field"),
        (token(role="approver"), r"`tokens.ci.role` is 'approver'; choose one of viewer, analyst"),
        (token(sha256="abc"), r"`tokens.ci.sha256` is no digest"),
        (token() + token(prefix="y").replace("tokens:\n", "").replace("ci", "cd"), "stands twice"),
        (token(expires_at="2027-01-01T00:00:00"), "has no time zone"),
        (token(expires_at="soon"), r"`tokens.ci.expires_at`"),
        ("a: &x 1\nb: *x\n", "alias"),
    ],
)
def test_a_wrong_file_is_refused_with_line_field_and_remedy(text: str, said: str) -> None:
    with pytest.raises(UsersError, match=said) as caught:
        load_users(text)
    assert HASH not in str(caught.value) and "secret" not in str(caught.value)


@pytest.mark.parametrize("cost", ["1024$8$1", "262144$8$1", "32767$8$1", "16384$64$1"])
def test_a_hash_that_is_too_cheap_or_too_dear_is_refused(cost: str) -> None:
    salt_and_key = HASH.split("$", 4)[4]
    with pytest.raises(ValueError, match="has"):
        passwords.parsed(f"scrypt${cost}${salt_and_key}")


@pytest.mark.parametrize("name", PEOPLE)
def test_a_person_has_the_role_and_funders_of_the_file(name: str) -> None:
    role, funders = PEOPLE[name]
    found = load_users(users_text()).authenticated(name, PASSWORD)
    assert found is not None
    assert found.viewer == Viewer(name, role, tuple(funders) if funders else None)


def test_only_the_password_opens_and_an_unknown_name_is_tried_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    users = load_users(users_text())
    tried: list[passwords.Cost] = []
    real = passwords.matches

    def matches(password: str, held: passwords.Hash) -> bool:
        tried.append(held.cost)
        return real(password, held)

    monkeypatch.setattr(passwords, "matches", matches)
    for name, password in [("mei", ""), ("mei", PASSWORD + " "), ("nobody", PASSWORD), ("", "")]:
        assert users.authenticated(name, password) is None
    assert tried == [passwords.COST_LEAST] * 4, "no name is told by the time that it takes"


@settings(deadline=None, max_examples=25)
@given(st.text(max_size=40))
def test_a_hash_reads_back_as_it_was_written_and_knows_its_password(text: str) -> None:
    held = passwords.hashed(text, passwords.COST_LEAST)
    assert passwords.parsed(str(held)) == held
    assert passwords.matches(text, held)
    assert not passwords.matches(text + "x", held)


def test_the_same_password_from_another_keyboard_opens() -> None:
    held = passwords.hashed("pässwörd-ﬁnance", passwords.COST_LEAST)
    assert passwords.matches("pa\u0308sswo\u0308rd-finance", held)


def test_a_password_of_a_megabyte_is_not_even_tried() -> None:
    held = passwords.hashed(PASSWORD, passwords.COST_LEAST)
    assert not passwords.matches("x" * (1 << 20), held)


def test_a_token_is_known_by_its_digest_until_it_ends() -> None:
    users = load_users(users_text())
    assert users.by_token(TOKENS["reader"], 0.0) == Viewer(
        "token:reader", "viewer", ("bank-a",), "token"
    )
    assert users.by_token(TOKENS["worker"], 4_102_444_799.0) is not None
    assert users.by_token(TOKENS["worker"], 4_102_444_800.0) is None
    for forged in ("", "tdl_", TOKENS["reader"][:-1], passwords.digest_of(TOKENS["reader"])):
        assert users.by_token(forged, 0.0) is None


@pytest.mark.parametrize("kind", ["missing", "folder", "latin-1", "for everybody"])
def test_a_file_that_cannot_be_trusted_or_read_is_refused_by_name(
    tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "users.yaml"
    if kind == "folder":
        path.mkdir()
    elif kind == "latin-1":
        path.write_bytes("# é\n".encode("latin-1"))
    elif kind == "for everybody":
        path.write_text(users_text())
        path.chmod(0o666)
    with pytest.raises(ConfigurationError, match=r"users\.yaml"):
        read_users(path)


class Looked:
    """A users file under a clock that the test moves."""

    def __init__(self, path: Path) -> None:
        self.now_s = 0.0
        self.refused = 0
        self.file = UsersFile(path, refused=self._count, clock=lambda: self.now_s)

    def _count(self) -> None:
        self.refused += 1

    def knows(self, name: str) -> bool:
        self.now_s += LOOK_S
        if self.file.is_due():
            self.file.look()
        return self.file.now().person(name) is not None


def test_a_change_counts_at_the_next_look_which_comes_once_a_second(users_path: Path) -> None:
    looked = Looked(users_path)
    assert looked.knows("mei")
    assert not looked.file.is_due(), "just looked"
    users_path.write_text(users_text(without="mei"))
    assert not looked.knows("mei") and looked.knows("omar")


BREAKS: dict[str, Callable[[Path], object]] = {
    "half a file": lambda path: path.write_text(users_text()[:200]),
    "an empty file": lambda path: path.write_text(""),
    "no file": lambda path: path.unlink(),
    "a wrong role": lambda path: path.write_text(users_text().replace("analyst", "boss")),
}


@pytest.mark.parametrize("kind", BREAKS)
def test_an_invalid_change_is_logged_and_counted_and_the_old_users_stay(
    users_path: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    looked = Looked(users_path)
    BREAKS[kind](users_path)
    assert looked.knows("mei") and looked.knows("ada")
    assert looked.refused == 1, "said once"
    assert "users_file_refused" in caplog.text and "scrypt$" not in caplog.text
    users_path.write_text(users_text(without="mei"))
    assert not looked.knows("mei")
