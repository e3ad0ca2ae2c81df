"""The people of the demo, each with a random password that is printed and kept nowhere."""

import secrets
from pathlib import Path
from typing import Any, NamedTuple

from credit.policy import load_policy
from desk import passwords
from desk.identity import Role
from desk.users import text_of
from streams.artifacts import builtin_policy

NOBODYS_FUNDER = "bank-a"
"""Where the policy in use has no funders: whoever is bound to it sees no merchant."""


class DemoPerson(NamedTuple):
    """Somebody who may log in at the demo's desk."""

    name: str
    role: Role
    password: str
    funders: tuple[str, ...] | None = None


def demo_people() -> list[DemoPerson]:
    """An analyst, an approver, and a viewer of the first funder of the policy in use."""
    terms = load_policy(builtin_policy()).terms.values()
    funders = [funder.name for product in terms for funder in product.funders]
    own = funders[0] if funders else NOBODYS_FUNDER
    return [
        DemoPerson("mei", "analyst", secrets.token_urlsafe(12)),
        DemoPerson("omar", "approver", secrets.token_urlsafe(12)),
        DemoPerson(own, "viewer", secrets.token_urlsafe(12), (own,)),
    ]


def write_demo_users(path: Path, people: list[DemoPerson]) -> None:
    """Write a users file of these people, readable by this user alone."""
    entries: dict[str, dict[str, Any]] = {
        person.name: {
            "role": person.role,
            "password": str(passwords.hashed(person.password)),
            **({"funders": list(person.funders)} if person.funders else {}),
        }
        for person in people
    }
    path.touch(mode=0o600)
    path.write_text(text_of({"users": entries}), "utf-8")


def shown(people: list[DemoPerson]) -> list[dict[str, Any]]:
    """The people for the summary of the demo."""
    return [person._asdict() for person in people]
