"""People and tokens for the tests of the desk, as a users file has them."""

from pathlib import Path

import yaml

from desk import passwords
from desk.identity import Role
from desk.users_file import read_users

PASSWORD = "a password of the tests"
TOKENS = {"reader": "tdl_reader-0123456789", "worker": "tdl_worker-0123456789"}
PEOPLE: dict[str, tuple[Role, list[str] | None]] = {
    "vera": ("viewer", None),
    "mei": ("analyst", None),
    "omar": ("approver", None),
    "ada": ("administrator", None),
    "bank-a": ("viewer", ["bank-a"]),
    "bank-b": ("approver", ["bank-b"]),
}
"""Role and funders by name; all have the same password."""

_HASHES = {
    text: str(passwords.hashed(text, passwords.COST_LEAST)) for text in (PASSWORD, PASSWORD + "!")
}


def users_text(*, without: str | None = None, password: str = PASSWORD) -> str:
    """A users file of all people but one, and of both tokens."""
    people = {
        name: {"role": role, "password": _HASHES[password]} | ({"funders": own} if own else {})
        for name, (role, own) in PEOPLE.items()
        if name != without
    }
    tokens = {
        "reader": ("viewer", {"funders": ["bank-a"]}),
        "worker": ("analyst", {"expires_at": "2100-01-01T00:00:00Z"}),
    }
    return yaml.safe_dump(
        {
            "users": people,
            "tokens": {
                name: {
                    "role": role,
                    "sha256": passwords.digest_of(TOKENS[name]),
                    "prefix": TOKENS[name][:10],
                    **rest,
                }
                for name, (role, rest) in tokens.items()
            },
        }
    )


def stamp_of(path: Path, name: str = "mei") -> str:
    """The stamp of a person in a users file."""
    person = read_users(path).person(name)
    assert person is not None
    return person.stamp
