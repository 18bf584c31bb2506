"""What `apply` and `import litellm` do."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer
import yaml
from rich.markup import escape

from alcove.cli.talk import RequestFailed, Server, connect, console
from alcove.kernel.errors import InvalidRequest
from alcove.ops.gateway_file import Change, Item, plan, read_file
from alcove.ops.litellm_config import imported
from alcove.settings import environment

_LIMIT = 100
_SIGNS = {"create": "[green]+[/green]", "update": "[yellow]~[/yellow]", "delete": "[red]-[/red]"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """What is to be applied, and how."""

    file: Path
    is_dry: bool
    is_pruning: bool
    as_json: bool
    url: str
    api_key: str


def apply(wish: Wish) -> None:
    """Compares a file with the server, shows the changes, and makes them.

    Raises:
        AlcoveError: When the file is not good, or the server refuses; what was done before that stays done and was shown.
    """
    wanted = read_file(wish.file, environment())
    with connect(wish.url, wish.api_key) as server:

        def read(path: str) -> Sequence[Item]:
            return _all(server, path)

        changes = plan(wanted, read, is_pruning=wish.is_pruning)
        for change in changes:
            if not wish.is_dry:
                _make(server, change)
            _show(change, wish)
    if wish.as_json:
        return
    if not changes:
        console.print("Nothing to change: the gateway is as the file says.")
    elif wish.is_dry:
        console.print(f"{len(changes)} to change; nothing was changed (--dry-run).")
    else:
        console.print(f"{len(changes)} changed.")


def import_litellm(config: Path, output: Path | None) -> None:
    """Writes a gateway file from a LiteLLM configuration.

    Raises:
        InvalidRequest: When the configuration cannot be read.
    """
    try:
        data = yaml.safe_load(config.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        detail = f"{str(config)!r} cannot be read: {error}."
        raise InvalidRequest(detail) from error
    result = imported(data)
    text = yaml.safe_dump(result.file, sort_keys=False, allow_unicode=True)
    if output is None:
        typer.echo(text, nl=False)
    else:
        output.write_text(text, encoding="utf-8")
    for note in result.notes:
        typer.echo(note, err=True)


def _all(server: Server, path: str) -> list[Item]:
    items: list[Item] = []
    cursor: str | None = None
    while True:
        params: dict[str, Any] = {"limit": _LIMIT, **({"cursor": cursor} if cursor else {})}
        page = server.call("GET", path, params=params)
        items += page["items"]
        cursor = page.get("next_cursor")
        if not cursor:
            return items


def _make(server: Server, change: Change) -> None:
    path = change.kind.path
    try:
        if change.action == "create":
            item_id = server.call("POST", path, json=change.body)["id"]
        elif change.action == "update":
            item_id = change.item_id
            if change.body:
                server.call("PATCH", f"{path}/{item_id}", json=change.body)
        else:
            server.call("DELETE", f"{path}/{change.item_id}")
            return
        _change_members(server, change, f"{path}/{item_id}/members")
    except (RequestFailed, InvalidRequest) as error:
        detail = f"{change.kind.word} {change.name!r}: {error.detail}"
        raise RequestFailed(detail) from error


def _change_members(server: Server, change: Change, path: str) -> None:
    for member_id, _ in change.leaves:
        server.call("DELETE", f"{path}/{member_id}")
    if not change.joins:
        return
    ids = {each["email"]: each["id"] for each in _all(server, "/api/v1/users")}
    for email in change.joins:
        if email not in ids:
            detail = f"There is no account {email!r} to be a member; make it with `alcove users create`."
            raise InvalidRequest(detail)
        server.call("PUT", f"{path}/{ids[email]}")


def _show(change: Change, wish: Wish) -> None:
    if wish.as_json:
        differences = [{"field": path, "before": before, "after": after} for path, before, after in change.differences]
        line = {"action": change.action, "kind": change.kind.name, "name": change.name, "differences": differences}
        line |= {"joins": list(change.joins), "leaves": [email for _, email in change.leaves]}
        typer.echo(json.dumps(line))
        return
    console.print(f"{_SIGNS[change.action]} {change.kind.word} [bold]{escape(change.name)}[/bold]")
    for path, before, after in change.differences:
        shown = (
            escape(_text(after)) if change.action == "create" else f"{escape(_text(before))} → {escape(_text(after))}"
        )
        console.print(f"    {escape(path)}: {shown}")
    for email in change.joins:
        console.print(f"    + member {escape(email)}")
    for _, email in change.leaves:
        console.print(f"    - member {escape(email)}")


def _text(value: Any) -> str:  # noqa: ANN401  JSON
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
