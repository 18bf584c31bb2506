"""Commands for API keys. They work on the data folder, whether or not a server runs on it."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Annotated, TypedDict

import typer

from alcove.cli.data import on_data, show, time_of
from alcove.cli.options import DataDir, Json
from alcove.kernel.errors import InvalidRequest
from alcove.kernel.principal import BudgetPeriod

if TYPE_CHECKING:
    from alcove.identity.limits import Limits
    from alcove.main import AccountDesk

keys = typer.Typer(name="keys", help="Make, list, rotate and revoke API keys.", no_args_is_help=True)

_Key = Annotated[str, typer.Argument(help="Id of the key, or the 8 characters after sk-as- (see `alcove keys list`).")]
Models = Annotated[
    list[str] | None,
    typer.Option("--model", "-m", help="Model that may be used; `prefix*` and `@access-group` too. Repeat."),
]
Rpm = Annotated[int | None, typer.Option("--rpm", min=1, help="Requests a minute.")]
Tpm = Annotated[int | None, typer.Option("--tpm", min=1, help="Tokens a minute, input and output together.")]
Parallel = Annotated[int | None, typer.Option("--parallel", min=1, help="Calls under way at a time.")]
BudgetUsd = Annotated[str | None, typer.Option("--budget-usd", help="US dollars a period.")]
BudgetTokens = Annotated[int | None, typer.Option("--budget-tokens", min=0, help="Tokens a period.")]
Period = Annotated[BudgetPeriod, typer.Option("--period", help="How often budgets begin anew (UTC).")]


class LimitOptions(TypedDict):
    """The options of the command line that say what may be used of models."""

    models: list[str] | None
    rpm: int | None
    tpm: int | None
    parallel: int | None
    budget_usd: str | None
    budget_tokens: int | None
    period: BudgetPeriod


def limits_of(options: LimitOptions) -> "Limits":
    """Gives the limits that options of the command line name.

    Raises:
        InvalidRequest: When the budget is no amount of money.
    """
    from alcove.identity.limits import Limits  # noqa: PLC0415  the server's modules take a while to load

    money = options["budget_usd"]
    try:
        budget_usd = None if money is None else Decimal(money)
    except InvalidOperation as error:
        detail = f"--budget-usd: {money!r} is no amount of US dollars, such as 5 or 0.50."
        raise InvalidRequest(detail) from error
    if budget_usd is not None and not (budget_usd.is_finite() and budget_usd >= 0):
        detail = f"--budget-usd: {money!r} must be 0 or more."
        raise InvalidRequest(detail)
    models = options["models"]
    return Limits(
        models=tuple(models) if models else None,
        requests_per_minute=options["rpm"],
        tokens_per_minute=options["tpm"],
        max_parallel=options["parallel"],
        budget_usd=budget_usd,
        budget_tokens=options["budget_tokens"],
        budget_period=options["period"],
    )


@keys.command("create")
def create_key(
    *,
    user: Annotated[str, typer.Option("--user", "-u", help="E-mail address of the key's owner.")],
    name: Annotated[str, typer.Option("--name", "-n", help="What the key is for.")],
    model: Models = None,
    rpm: Rpm = None,
    tpm: Tpm = None,
    parallel: Parallel = None,
    budget_usd: BudgetUsd = None,
    budget_tokens: BudgetTokens = None,
    period: Period = BudgetPeriod.MONTH,
    scope: Annotated[
        list[str] | None, typer.Option("--scope", help="What it may be used for: chat, embedding, …, api. Repeat.")
    ] = None,
    ip: Annotated[
        list[str] | None, typer.Option("--ip", help="Address or network (10.0.0.0/8) it may be used from. Repeat.")
    ] = None,
    group: Annotated[
        str | None, typer.Option("--group", help="Group it is charged to; its owner must be in it.")
    ] = None,
    expires: Annotated[
        datetime | None,
        typer.Option("--expires", formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"], help="When it ends by itself (UTC)."),
    ] = None,
    expires_days: Annotated[
        int | None,
        typer.Option("--expires-days", min=1, max=3650, help="Days until it ends by itself. Default: never."),
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Make an API key and print it, alone, on standard output. It is shown this once."""
    limits = limits_of(
        LimitOptions(
            models=model, rpm=rpm, tpm=tpm, parallel=parallel,
            budget_usd=budget_usd, budget_tokens=budget_tokens, period=period,
        )
    )  # fmt: skip
    ends_at = datetime.now(UTC) + timedelta(days=expires_days) if expires_days else None
    if expires is not None:
        ends_at = expires.replace(tzinfo=UTC)

    async def create(desk: "AccountDesk") -> str:
        from alcove.identity.models import KeyTerms  # noqa: PLC0415  loaded with the desk

        owner = await desk.identity.accounts.by_email(user)
        charged = await desk.identity.groups.by_name(group) if group else None
        terms = KeyTerms(
            expires_at=ends_at,
            limits=limits,
            scopes=tuple(scope) if scope else None,
            allowed_ips=tuple(ip or ()),
            group_id=None if charged is None else charged.id,
        )
        return (await desk.identity.keys.create(owner.id, name, desk.actor, terms=terms)).secret

    typer.echo(on_data(data_dir, create))


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
                "created_at": time_of(key.created_at),
                "last_used_at": time_of(key.last_used_at),
                "expires_at": time_of(key.expires_at),
            }
            for owner in owners
            async for key in desk.keys_of(owner.id)
        ]

    show(on_data(data_dir, read), as_json=as_json, empty="There are no keys yet.")


@keys.command("rotate")
def rotate_key(
    key: _Key,
    grace_hours: Annotated[
        float, typer.Option("--grace-hours", min=0, max=720, help="Hours for which the secret before still counts.")
    ] = 0,
    data_dir: DataDir = None,
) -> None:
    """Give an API key a new secret and print it, alone, on standard output. It is shown this once."""

    async def rotate(desk: "AccountDesk") -> str:
        found = await desk.find_key(key)
        rotated = await desk.identity.keys.rotate(
            found.owner_id, found.id, desk.actor, grace_s=round(grace_hours * 3600)
        )
        return rotated.secret

    typer.echo(on_data(data_dir, rotate))


@keys.command("revoke")
def revoke_key(key: _Key, data_dir: DataDir = None) -> None:
    """Revoke an API key; it is refused within seconds, for good."""

    async def revoke(desk: "AccountDesk") -> None:
        found = await desk.find_key(key)
        await desk.identity.keys.revoke(found.owner_id, found.id, desk.actor)

    on_data(data_dir, revoke)
    typer.echo(f"{key} is revoked.", err=True)
