"""Commands for people and keys. They work on the data folder, whether or not a server runs on it."""

import json
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import anyio
import typer

from alcove.cli.options import DataDir, Json, overrides
from alcove.kernel.errors import InvalidRequest
from alcove.kernel.principal import Role

if TYPE_CHECKING:
    from alcove.main import AccountDesk

T = TypeVar("T")

users = typer.Typer(name="users", help="Make, list and disable accounts.", no_args_is_help=True)
keys = typer.Typer(name="keys", help="Make, list and revoke API keys.", no_args_is_help=True)

Email = Annotated[str, typer.Option("--email", help="Their e-mail address, used to sign in.")]
UserEmail = Annotated[str, typer.Option("--user", "-u", help="E-mail address of the key's owner.")]


@users.command("create")
def create_user(
    email: Email,
    name: Annotated[str, typer.Option("--name", help="What they are called.")],
    role: Annotated[Role, typer.Option("--role", help="admin: runs the house; user: lives in it.")] = Role.USER,
    data_dir: DataDir = None,
) -> None:
    """Make an account. The password is asked for, or read from standard input when that is piped in."""
    password = _password()

    async def create(desk: "AccountDesk") -> str:
        return await desk.create_user(email, name, password, role)

    typer.echo(_on_data(data_dir, create))


@users.command("list")
def list_users(as_json: Json = False, data_dir: DataDir = None) -> None:
    """List the accounts."""

    async def read(desk: "AccountDesk") -> list[dict[str, str]]:
        return [
            {
                "id": user.id,
                "email": user.email,
                "name": user.name,
                "role": user.role.value,
                "state": "disabled" if user.is_disabled else "active",
                "created_at": _time(user.created_at),
            }
            async for user in desk.users()
        ]

    _show(_on_data(data_dir, read), as_json=as_json, empty="There are no accounts yet.")


@users.command("revoke")
def revoke_user(
    email: Annotated[str, typer.Argument(help="E-mail address of the account.")], data_dir: DataDir = None
) -> None:
    """Disable an account: its sessions and keys are dead at once, its data stays. An admin can enable it in the page."""

    async def disable(desk: "AccountDesk") -> None:
        await desk.disable_user(email)

    _on_data(data_dir, disable)
    typer.echo(f"{email} is disabled.", err=True)


@keys.command("create")
def create_key(
    user: UserEmail,
    name: Annotated[str, typer.Option("--name", "-n", help="What the key is for.")],
    expires_days: Annotated[
        int | None,
        typer.Option("--expires-days", min=1, max=3650, help="Days until it ends by itself. Default: never."),
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Make an API key and print it, alone, on standard output. It is shown this once."""

    async def create(desk: "AccountDesk") -> str:
        owner = await desk.identity.accounts.by_email(user)
        expires_at = datetime.now(UTC) + timedelta(days=expires_days) if expires_days else None
        return (await desk.identity.keys.create(owner.id, name, desk.actor, expires_at=expires_at)).secret

    typer.echo(_on_data(data_dir, create))


@keys.command("list")
def list_keys(
    user: Annotated[str | None, typer.Option("--user", "-u", help="Only this person's keys.")] = None,
    as_json: Json = False,
    data_dir: DataDir = None,
) -> None:
    """List API keys; never the secrets, only their beginnings."""

    async def read(desk: "AccountDesk") -> list[dict[str, str]]:
        one = await desk.identity.accounts.by_email(user) if user else None
        owners = [one] if one else [each async for each in desk.users()]
        return [
            {
                "id": key.id,
                "user": owner.email,
                "name": key.name,
                "prefix": key.prefix,
                "state": "revoked" if key.revoked_at else "active",
                "created_at": _time(key.created_at),
                "last_used_at": _time(key.last_used_at),
                "expires_at": _time(key.expires_at),
            }
            for owner in owners
            async for key in desk.keys_of(owner.id)
        ]

    _show(_on_data(data_dir, read), as_json=as_json, empty="There are no keys yet.")


@keys.command("revoke")
def revoke_key(
    key: Annotated[
        str, typer.Argument(help="Id of the key, or the 8 characters after sk-as- (see `alcove keys list`).")
    ],
    data_dir: DataDir = None,
) -> None:
    """Revoke an API key; it is refused within seconds, for good."""

    async def revoke(desk: "AccountDesk") -> None:
        found = await desk.find_key(key)
        await desk.identity.keys.revoke(found.owner_id, found.id, desk.actor)

    _on_data(data_dir, revoke)
    typer.echo(f"{key} is revoked.", err=True)


def setup_link(
    url: Annotated[
        str, typer.Option("--url", envvar="ALCOVE_URL", help="Address under which the page is reached.")
    ] = "http://127.0.0.1:3000",
    data_dir: DataDir = None,
) -> None:
    """Print a fresh one-time link for making the first account; earlier links are dead."""

    async def make(desk: "AccountDesk") -> str:
        return await desk.identity.setup.make_link(url)

    typer.echo(_on_data(data_dir, make))


def _on_data(data_dir: Path | None, action: Callable[["AccountDesk"], Awaitable[T]]) -> T:
    from alcove.main import open_desk  # noqa: PLC0415  the server's modules take a second to load
    from alcove.settings import load_settings  # noqa: PLC0415

    settings = load_settings(**overrides(data_dir))

    async def run() -> T:
        async with open_desk(settings) as desk:
            return await action(desk)

    return anyio.run(run)


def _password() -> str:
    if sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))
    line = sys.stdin.readline().rstrip("\r\n")
    if not line:
        detail = "No password came on standard input; pipe it in as one line."
        raise InvalidRequest(detail)
    return line


def _show(rows: list[dict[str, str]], *, as_json: bool, empty: str) -> None:
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False))
        return
    if not rows:
        typer.echo(empty, err=True)
        return
    widths = {name: max(len(name), *(len(row[name]) for row in rows)) for name in rows[0]}
    for row in ({name: name for name in widths}, *rows):
        typer.echo("  ".join(row[name].ljust(width) for name, width in widths.items()).rstrip())


def _time(value: datetime | None) -> str:
    return value.strftime("%Y-%m-%d %H:%M") if value else ""
