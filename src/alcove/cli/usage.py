"""`alcove usage`: what was used of which model, as an HTTP client of a running server."""

import json
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any

import typer

from alcove.cli.options import DEFAULT_URL, ApiKey, Json, Url


class By(StrEnum):
    """What sums are made for."""

    MODEL = "model"
    USER = "user"
    KEY = "key"
    GROUP = "group"
    DEPLOYMENT = "deployment"
    KIND = "kind"
    STATUS = "status"


_COLUMNS = (
    ("requests", "requests"),
    ("errors", "errors"),
    ("input_tokens", "input"),
    ("output_tokens", "output"),
    ("cost_usd", "USD"),
    ("latency_p50_ms", "p50 ms"),
    ("latency_p95_ms", "p95 ms"),
)


def usage(
    by: Annotated[By, typer.Option("--by", help="One line for each what.")] = By.MODEL,
    days: Annotated[int, typer.Option("--days", min=1, max=3660, help="How many days back.")] = 7,
    everyone: Annotated[bool, typer.Option("--all", help="Everyone's usage, for admins; else your own.")] = False,
    as_json: Json = False,
    url: Url = DEFAULT_URL,
    api_key: ApiKey = "",
) -> None:
    """Show what was used of the models: calls, tokens, money, time.

    With --json: {"items": [{"name", "requests", "input_tokens", "cost_usd", …}], "total": {…}}.
    """
    from alcove.cli import talk  # noqa: PLC0415  other commands need no HTTP client

    since = datetime.now(UTC) - timedelta(days=days)
    wanted = {"by": by.value, "since": since.isoformat(timespec="seconds"), "all": str(everyone).lower()}
    with talk.connect(url, api_key) as server:
        found = server.call("GET", "/api/v1/usage/summary", params=wanted)
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False))
        return
    if not found["items"]:
        typer.echo(f"No model was used in the last {days} days.", err=True)
        return
    lines = [[by.value, *(title for _, title in _COLUMNS)]]
    lines += [_line(each["name"] or "-", each) for each in sorted(found["items"], key=lambda each: -each["requests"])]
    lines.append(_line("all", found["total"]))
    widths = [max(len(line[index]) for line in lines) for index in range(len(lines[0]))]
    for line in lines:
        first, *rest = (
            text.ljust(width) if not index else text.rjust(width)
            for index, (text, width) in enumerate(zip(line, widths, strict=True))
        )
        typer.echo("  ".join([first, *rest]).rstrip())


def _line(name: str, sums: dict[str, Any]) -> list[str]:
    return [name, *("-" if sums[key] is None else str(sums[key]) for key, _ in _COLUMNS)]
