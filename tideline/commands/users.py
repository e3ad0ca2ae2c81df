"""``users``: the people and API tokens of the desk's users file."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import typer
from rich.table import Table

from desk import passwords
from desk.identity import Role
from desk.users import FORM, load_users, text_of
from desk.users_file import VARIABLE, read_users
from ops.errors import ConfigurationError
from ops.settings import load_settings
from schemas.strict_yaml import DocumentError
from tideline.console import console, show

app = typer.Typer(help="Who may use the desk: people and API tokens.", no_args_is_help=True)
token_app = typer.Typer(help="API tokens of the desk.", no_args_is_help=True)
app.add_typer(token_app, name="token")

Document = dict[str, dict[str, Any]]
File = Annotated[
    Path | None, typer.Option("--file", help=f"users file; by default what {VARIABLE} names")
]
Funders = Annotated[
    list[str] | None,
    typer.Option("--funder", help="sees only merchants that it funds; may be repeated"),
]
Json = Annotated[bool, typer.Option("--json", help="print the result as JSON")]


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="name to log in with")],
    role: Annotated[Role, typer.Option(help="what the person may do")],
    funder: Funders = None,
    file: File = None,
) -> None:
    """Add a person. The password is asked for, or read from the first line of standard input."""
    with _changed(_path(file), make=True) as document:
        _absent(document, "users", name)
        document["users"][name] = {
            "role": role,
            "password": str(passwords.hashed(_new_password())),
            **({"funders": funder} if funder else {}),
        }
    console.print(f"{name} may log in as {role}", highlight=False)


@app.command()
def passwd(name: Annotated[str, typer.Argument(help="whose password")], file: File = None) -> None:
    """Give a person another password, which ends that person's sessions."""
    with _changed(_path(file)) as document:
        _present(document, "users", name)
        document["users"][name]["password"] = str(passwords.hashed(_new_password()))
    console.print(f"{name} has another password", highlight=False)


@app.command()
def remove(
    name: Annotated[str, typer.Argument(help="who may not log in any more")], file: File = None
) -> None:
    """Remove a person, which ends that person's sessions."""
    with _changed(_path(file)) as document:
        _present(document, "users", name)
        del document["users"][name]
    console.print(f"{name} is removed", highlight=False)


@app.command(name="list")
def list_(json: Json = False, file: File = None) -> None:
    """List people and tokens; neither passwords nor digests are shown."""
    path = _path(file)
    document = _read(path)
    people = [
        {"name": name, "role": entry["role"], "funders": entry.get("funders")}
        for name, entry in sorted(document["users"].items())
    ]
    tokens = [
        {
            "name": name,
            "role": entry["role"],
            "funders": entry.get("funders"),
            "prefix": entry["prefix"],
            "expires_at": entry.get("expires_at"),
        }
        for name, entry in sorted(document["tokens"].items())
    ]
    if json:
        show({"file": str(path), "users": people, "tokens": tokens}, as_json=True)
        return
    table = Table("name", "role", "funders", "token", "expires")
    for row in [*people, *tokens]:
        table.add_row(
            row["name"],
            row["role"],
            ", ".join(row["funders"]) if row["funders"] else "all merchants",
            f"{row['prefix']}…" if "prefix" in row else "",
            row.get("expires_at") or ("never" if "prefix" in row else ""),
        )
    console.print(table)


@token_app.command(name="add")
def token_add(
    name: Annotated[str, typer.Argument(help="what the token is for")],
    role: Annotated[Literal["viewer", "analyst"], typer.Option(help="what it may do")],
    funder: Funders = None,
    expires_days: Annotated[int | None, typer.Option(help="days until it ends", min=1)] = None,
    json: Json = False,
    file: File = None,
) -> None:
    """Make an API token and print it once: only its digest is kept."""
    token = passwords.new_token()
    entry: dict[str, Any] = {
        "role": role,
        "sha256": passwords.digest_of(token),
        "prefix": token[: passwords.SHOWN_CHARACTERS],
    }
    if funder:
        entry["funders"] = funder
    if expires_days is not None:
        ends_at = datetime.now(UTC) + timedelta(days=expires_days)
        entry["expires_at"] = ends_at.isoformat(timespec="seconds")
    with _changed(_path(file), make=True) as document:
        _absent(document, "tokens", name)
        document["tokens"][name] = entry
    if json:
        show({"name": name, "token": token}, as_json=True)
    else:
        console.print(f"{token}\nThis is shown once; send it as", highlight=False)
        console.print(f"  Authorization: Bearer {token[: passwords.SHOWN_CHARACTERS]}…")


@token_app.command(name="remove")
def token_remove(
    name: Annotated[str, typer.Argument(help="the token that ends")], file: File = None
) -> None:
    """Remove an API token, which ends it."""
    with _changed(_path(file)) as document:
        _present(document, "tokens", name)
        del document["tokens"][name]
    console.print(f"token {name} is removed", highlight=False)


def _path(file: Path | None) -> Path:
    path = file or load_settings().desk.users_file
    if path is None:
        raise ConfigurationError(f"no users file: give --file, or set {VARIABLE}")
    return path.resolve()


def _read(path: Path) -> Document:
    """The maps of a file that is valid as it stands."""
    read_users(path)
    document, _ = FORM.load(path.read_text("utf-8"))
    found: Document = msgspec.to_builtins(document)
    return found


@contextlib.contextmanager
def _changed(path: Path, *, make: bool = False) -> Iterator[Document]:
    """The maps of a file to be changed; they are checked and written when the block ends."""
    new = make and not path.exists()
    document: Document = {"users": {}, "tokens": {}} if new else _read(path)
    yield document
    text = text_of(document)
    try:
        load_users(text)
    except DocumentError as error:
        raise ConfigurationError(f"not written: {error.detail}") from None
    _write(path, text, 0o600 if new else path.stat().st_mode & 0o777)


def _write(path: Path, text: str, mode: int) -> None:
    """Put a file in the place of another at once: a desk never reads half of it."""
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise ConfigurationError(f"{path.parent}: {error.strerror}") from None
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            os.fchmod(out.fileno(), mode)
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _absent(document: Document, kind: str, name: str) -> None:
    if name in document[kind]:
        remedy = "`tideline users passwd`" if kind == "users" else "another name"
        raise ConfigurationError(f"{name} is in the file already; use {remedy}, or remove it first")


def _present(document: Document, kind: str, name: str) -> None:
    if name not in document[kind]:
        known = ", ".join(sorted(document[kind])) or "nobody"
        raise ConfigurationError(f"{name} is not among the {kind} of the file; it has {known}")


def _new_password() -> str:
    """A new password from the terminal, asked for twice, or from the first line of a pipe.

    Never from an argument: those are in the shell's history, and any process may read them.
    """
    if sys.stdin.isatty():
        password: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    else:
        password = sys.stdin.readline().removesuffix("\n").removesuffix("\r")
    fault = passwords.fault_of(password)
    if fault is not None:
        raise ConfigurationError(f"the password is refused: {fault}")
    return password
