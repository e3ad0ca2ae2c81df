"""The users file: people and API tokens that the desk lets in, checked whole before it counts."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import yaml
from msgspec import UNSET, Struct, UnsetType

from desk import passwords
from desk.identity import ROLES, Role, Viewer
from schemas.strict_yaml import DocumentError, Form

TOKEN_ROLES: tuple[Role, ...] = ("viewer", "analyst")
"""What a machine may be: it is nobody's second pair of eyes, and administers nobody."""
TOKEN_ACTOR = "token:"  # noqa: S105 - how audit entries name who came with a token
RESERVED = frozenset({"desk", "unknown"})
"""Names that audit entries use for whoever has no name of its own."""

_NAME = re.compile(r"\w[\w.@+-]{0,63}")
_FUNDER = re.compile(r"[^\x00-\x1f\x7f]{1,128}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class PersonEntry(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A person in the file. Without ``funders`` all merchants are seen."""

    role: str
    password: str
    funders: list[str] | UnsetType = UNSET


class TokenEntry(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A token in the file: its digest, and its first characters to tell it by."""

    role: str
    sha256: str
    prefix: str
    funders: list[str] | UnsetType = UNSET
    expires_at: datetime | UnsetType = UNSET


class Document(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """The file. Keys of both maps are names."""

    users: dict[str, PersonEntry] = {}
    tokens: dict[str, TokenEntry] = {}


class UsersError(DocumentError):
    """A users file that is refused."""


FORM: Form[Document, UsersError] = Form(
    noun="users file", struct=Document, error=UsersError, bytes_max=1 << 20, depth_max=5
)


class Person(NamedTuple):
    """Somebody who may log in. ``stamp`` changes with the password, which ends the sessions."""

    viewer: Viewer
    password: passwords.Hash
    stamp: str


class Token(NamedTuple):
    """An API token; ``expires_at`` is in epoch seconds, None for never."""

    viewer: Viewer
    expires_at: float | None


class Users:
    """People by name and tokens by digest, as one version of the file has them."""

    def __init__(self, people: Mapping[str, Person], tokens: Mapping[str, Token]) -> None:
        self._people = people
        self._tokens = tokens
        costs = [person.password.cost for person in people.values()]
        self._nobody = passwords.nobodys(max(costs, default=passwords.COST))

    def person(self, name: str) -> Person | None:
        """A person by name."""
        return self._people.get(name)

    def authenticated(self, name: str, password: str) -> Person | None:
        """Who it is, if it is the password. An unknown name takes as long as a known one."""
        person = self._people.get(name)
        held = person.password if person else self._nobody
        return person if passwords.matches(password, held) and person else None

    def by_token(self, token: str, now_s: float) -> Viewer | None:
        """The viewer of an API token; None for one that is unknown or has expired."""
        found = self._tokens.get(passwords.digest_of(token))
        if found is None or (found.expires_at is not None and now_s >= found.expires_at):
            return None
        return found.viewer


NOBODY = Users({}, {})


def load_users(text: str) -> Users:
    """The users of a file's text. Raises ``UsersError`` with line, entry, field and remedy."""
    document, lines = FORM.load(text)
    people = {
        name: Person(
            Viewer(
                _name(name, ("users", name), lines),
                _role(entry.role, ROLES, ("users", name, "role"), lines),
                _funders(entry, ("users", name), lines),
            ),
            _password(entry.password, ("users", name, "password"), lines),
            passwords.digest_of(entry.password),
        )
        for name, entry in document.users.items()
    }
    tokens: dict[str, Token] = {}
    for name, entry in document.tokens.items():
        path = ("tokens", name)
        if not _SHA256.fullmatch(entry.sha256):
            raise FORM.refusal(
                lines, (*path, "sha256"), "is no digest of 64 hex digits; use `tideline users`"
            )
        if entry.sha256 in tokens:
            raise FORM.refusal(lines, (*path, "sha256"), "stands twice; remove one of the tokens")
        viewer = Viewer(
            TOKEN_ACTOR + _name(name, path, lines),
            _role(entry.role, TOKEN_ROLES, (*path, "role"), lines),
            _funders(entry, path, lines),
            "token",
        )
        tokens[entry.sha256] = Token(viewer, _expiry(entry, (*path, "expires_at"), lines))
    return Users(people, tokens)


def text_of(document: Mapping[str, Any]) -> str:
    """The text of a users file that has these maps ``users`` and ``tokens``."""
    head = "# Who may use the desk. Written by `tideline users`; see its --help.\n"
    return head + yaml.safe_dump(dict(document), allow_unicode=True, sort_keys=True)


_Lines = Mapping[tuple[str, ...], int]


def _name(name: str, path: tuple[str, ...], lines: _Lines) -> str:
    if name in RESERVED or not _NAME.fullmatch(name):
        raise FORM.refusal(
            lines,
            path,
            "is no name: 1 to 64 letters, digits and . _ @ + - are, but not "
            f"{' or '.join(sorted(RESERVED))}; choose another",
        )
    return name


def _role(role: str, roles: tuple[Role, ...], path: tuple[str, ...], lines: _Lines) -> Role:
    for known in roles:
        if role == known:
            return known
    raise FORM.refusal(lines, path, f"is {role!r}; choose one of {', '.join(roles)}")


def _funders(
    entry: PersonEntry | TokenEntry, path: tuple[str, ...], lines: _Lines
) -> tuple[str, ...] | None:
    if isinstance(entry.funders, UnsetType):
        return None
    at = (*path, "funders")
    if not entry.funders:
        raise FORM.refusal(lines, at, "names nobody; name a funder, or leave it out to see all")
    if entry.role == "administrator":
        raise FORM.refusal(lines, at, "bounds an administrator, who sees to all; leave it out")
    for funder in entry.funders:
        if not _FUNDER.fullmatch(funder):
            raise FORM.refusal(lines, at, f"has {funder[:40]!r}; write the funder's name in 1 line")
    return tuple(entry.funders)


def _password(text: str, path: tuple[str, ...], lines: _Lines) -> passwords.Hash:
    try:
        return passwords.parsed(text)
    except ValueError as error:
        raise FORM.refusal(lines, path, f"{error}; make it with `tideline users passwd`") from None


def _expiry(entry: TokenEntry, path: tuple[str, ...], lines: _Lines) -> float | None:
    if isinstance(entry.expires_at, UnsetType):
        return None
    if entry.expires_at.tzinfo is None:
        raise FORM.refusal(lines, path, "has no time zone; write 2027-01-31T00:00:00Z")
    return entry.expires_at.astimezone(UTC).timestamp()
