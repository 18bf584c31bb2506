"""Commands for groups. They work on the data folder, whether or not a server runs on it."""

from typing import TYPE_CHECKING, Annotated

import typer

from alcove.cli.data import on_data, show, time_of
from alcove.cli.keys import BudgetTokens, BudgetUsd, LimitOptions, Models, Parallel, Period, Rpm, Tpm, limits_of
from alcove.cli.options import DataDir, Json
from alcove.kernel.principal import BudgetPeriod

if TYPE_CHECKING:
    from alcove.main import AccountDesk

groups = typer.Typer(
    name="groups", help="Make, list and delete groups of people who share an account.", no_args_is_help=True
)

_Group = Annotated[str, typer.Argument(help="Name of the group.")]
_Email = Annotated[str, typer.Argument(help="E-mail address of the person.")]


@groups.command("create")
def create_group(
    name: _Group,
    *,
    model: Models = None,
    rpm: Rpm = None,
    tpm: Tpm = None,
    parallel: Parallel = None,
    budget_usd: BudgetUsd = None,
    budget_tokens: BudgetTokens = None,
    period: Period = BudgetPeriod.MONTH,
    data_dir: DataDir = None,
) -> None:
    """Make a group with nobody in it, and print its id."""
    limits = limits_of(
        LimitOptions(
            models=model, rpm=rpm, tpm=tpm, parallel=parallel,
            budget_usd=budget_usd, budget_tokens=budget_tokens, period=period,
        )
    )  # fmt: skip

    async def create(desk: "AccountDesk") -> str:
        return (await desk.identity.groups.create(name, desk.actor, limits=limits)).id

    typer.echo(on_data(data_dir, create))


@groups.command("list")
def list_groups(as_json: Json = False, data_dir: DataDir = None) -> None:
    """List the groups."""

    async def read(desk: "AccountDesk") -> list[dict[str, str]]:
        return [
            {
                "id": group.id,
                "name": group.name,
                "members": str(group.member_count),
                "created_at": time_of(group.created_at),
            }
            async for group in desk.groups()
        ]

    show(on_data(data_dir, read), as_json=as_json, empty="There are no groups yet.")


@groups.command("add")
def add_member(name: _Group, email: _Email, data_dir: DataDir = None) -> None:
    """Put a person into a group."""

    async def join(desk: "AccountDesk") -> None:
        group, user = await desk.identity.groups.by_name(name), await desk.identity.accounts.by_email(email)
        await desk.identity.groups.join(group.id, user.id, desk.actor)

    on_data(data_dir, join)
    typer.echo(f"{email} is in {name}.", err=True)


@groups.command("remove")
def remove_member(name: _Group, email: _Email, data_dir: DataDir = None) -> None:
    """Take a person out of a group; their keys that are charged to it are good for nothing from then on."""

    async def leave(desk: "AccountDesk") -> None:
        group, user = await desk.identity.groups.by_name(name), await desk.identity.accounts.by_email(email)
        await desk.identity.groups.leave(group.id, user.id, desk.actor)

    on_data(data_dir, leave)
    typer.echo(f"{email} is not in {name} any more.", err=True)


@groups.command("delete")
def delete_group(name: _Group, data_dir: DataDir = None) -> None:
    """Delete a group; the keys that are charged to it are revoked."""

    async def delete(desk: "AccountDesk") -> None:
        group = await desk.identity.groups.by_name(name)
        await desk.identity.groups.delete(group.id, desk.actor)

    on_data(data_dir, delete)
    typer.echo(f"{name} is deleted.", err=True)
