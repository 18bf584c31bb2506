"""What the commands on a data folder share: opening it, and showing rows."""

import json
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import anyio
import typer

from alcove.cli.options import overrides

if TYPE_CHECKING:
    from alcove.main import AccountDesk

T = TypeVar("T")


def on_data(data_dir: Path | None, action: Callable[["AccountDesk"], Awaitable[T]]) -> T:
    """Does something with the people and keys of a data folder."""
    from alcove.main import open_desk  # noqa: PLC0415  the server's modules take a second to load
    from alcove.settings import load_settings  # noqa: PLC0415

    settings = load_settings(**overrides(data_dir))

    async def run() -> T:
        async with open_desk(settings) as desk:
            return await action(desk)

    return anyio.run(run)


def show(rows: list[dict[str, str]], *, as_json: bool, empty: str) -> None:
    """Prints rows as a table, or as JSON."""
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False))
        return
    if not rows:
        typer.echo(empty, err=True)
        return
    widths = {name: max(len(name), *(len(row[name]) for row in rows)) for name in rows[0]}
    for row in ({name: name for name in widths}, *rows):
        typer.echo("  ".join(row[name].ljust(width) for name, width in widths.items()).rstrip())


def time_of(value: datetime | None) -> str:
    """Gives a time as tables show it; empty for none."""
    return value.strftime("%Y-%m-%d %H:%M") if value else ""
