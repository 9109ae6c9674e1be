"""`hazwatch users`: the people who may use the console. They live with the console, not in PostgreSQL."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import msgspec

from console.roles import Role
from console.userstore import UserExists, UserStore
from hazwatch.clock import SystemClock
from hazwatch.datadir import DataDir, NoDataDir

LEAST_LENGTH = 10
DATA = click.option("--data", type=click.Path(path_type=Path, file_okay=False), default=Path("data"), show_default=True)
PASSWORD = click.option(
    "--password-file",
    type=click.Path(path_type=Path, exists=True),
    help="Read the password from a file; else asked for.",
)


@click.group()
def users() -> None:
    """Make users of the console and set their passwords."""


def _store(data: Path, *, make: bool = False) -> UserStore:
    """The users of a data directory; only `make` begins a new one."""
    try:
        folder = DataDir(data.absolute()) if make else DataDir.existing(data.absolute())
    except NoDataDir as error:
        click.echo(str(error), err=True)
        sys.exit(1)
    return UserStore(folder.console / "users.sqlite")


def _password(file: Path | None) -> str:
    text = file.read_text().strip() if file else click.prompt("Password", hide_input=True, confirmation_prompt=True)
    if len(text) < LEAST_LENGTH:
        raise click.UsageError(f"the password has {len(text)} characters; give at least {LEAST_LENGTH}")
    return str(text)


@users.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@DATA
def list_users(data: Path, as_json: bool) -> None:
    """Who there is."""
    store = _store(data)
    found = store.users()
    store.close()
    if as_json:
        rows = [{"name": user.name, "role": str(user.role), "disabled": user.disabled} for user in found]
        click.echo(msgspec.json.encode(rows).decode())
        return
    for user in found:
        click.echo(f"{user.name:24} {user.role}{'  disabled' if user.disabled else ''}")


@users.command()
@click.argument("name")
@click.option("--role", type=click.Choice([role.value for role in Role]), default=Role.VIEWER.value, show_default=True)
@PASSWORD
@DATA
def add(name: str, role: str, password_file: Path | None, data: Path) -> None:
    """Make a user."""
    store = _store(data, make=True)
    try:
        store.add_user(name, Role(role), _password(password_file), SystemClock().now_ns())
    except UserExists as error:
        click.echo(str(error), err=True)
        sys.exit(1)
    finally:
        store.close()
    click.echo(f"{name} may log in as {role}")


@users.command()
@click.argument("name")
@PASSWORD
@DATA
def password(name: str, password_file: Path | None, data: Path) -> None:
    """Set a password. The file with the first password goes when admin has a new one."""
    folder = DataDir(data.absolute())
    store = _store(data)
    try:
        if store.user(name) is None:
            click.echo(f"there is no user {name!r}; `hazwatch users list` shows all", err=True)
            sys.exit(1)
        store.set_password(name, _password(password_file))
    finally:
        store.close()
    if name == "admin":
        (folder.root / "first-password").unlink(missing_ok=True)
    click.echo(f"{name} has a new password")
