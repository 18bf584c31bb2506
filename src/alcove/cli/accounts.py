"""Commands for people. They work on the data folder, whether or not a server runs on it."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from alcove.cli.data import on_data, show, time_of
from alcove.cli.options import DataDir, Json
from alcove.kernel.errors import InvalidRequest
from alcove.kernel.principal import Role

if TYPE_CHECKING:
    from alcove.main import AccountDesk

users = typer.Typer(name="users", help="Make, list and disable accounts.", no_args_is_help=True)

Email = Annotated[str, typer.Option("--email", help="Their e-mail address, used to sign in.")]


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

    typer.echo(on_data(data_dir, create))


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
                "created_at": time_of(user.created_at),
            }
            async for user in desk.users()
        ]

    show(on_data(data_dir, read), as_json=as_json, empty="There are no accounts yet.")


@users.command("revoke")
def revoke_user(
    email: Annotated[str, typer.Argument(help="E-mail address of the account.")], data_dir: DataDir = None
) -> None:
    """Disable an account: its sessions and keys are dead at once, its data stays. An admin can enable it in the page."""

    async def disable(desk: "AccountDesk") -> None:
        await desk.disable_user(email)

    on_data(data_dir, disable)
    typer.echo(f"{email} is disabled.", err=True)


def setup_link(
    url: Annotated[
        str, typer.Option("--url", envvar="ALCOVE_URL", help="Address under which the page is reached.")
    ] = "http://127.0.0.1:3000",
    data_dir: DataDir = None,
) -> None:
    """Print a fresh one-time link for making the first account; earlier links are dead."""

    async def make(desk: "AccountDesk") -> str:
        return await desk.identity.setup.make_link(url)

    typer.echo(on_data(data_dir, make))


def _password() -> str:
    if sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))
    line = sys.stdin.readline().rstrip("\r\n")
    if not line:
        detail = "No password came on standard input; pipe it in as one line."
        raise InvalidRequest(detail)
    return line
