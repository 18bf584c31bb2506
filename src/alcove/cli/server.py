"""Commands that run a server or look after one: `up`, `serve`, `doctor`."""

import json
from pathlib import Path
from typing import Annotated

import typer

from alcove.cli.options import DataDir, Json, overrides
from alcove.kernel.errors import InvalidRequest

Host = Annotated[
    str | None, typer.Option("--host", help="Address to listen on. Default: 127.0.0.1, this machine only.")
]
Port = Annotated[
    int | None, typer.Option("--port", "-p", min=0, max=65535, help="Port; 0 picks a free one. Default: 3000.")
]
SeedPorts = Annotated[
    bool,
    typer.Option("--seed-ports", help="Listen also on the ports people know: 4100 (an LLM proxy), 11434 (Ollama)."),
]


def up(data_dir: DataDir = None, host: Host = None, port: Port = None, seed_ports: SeedPorts = False) -> None:
    """Start everything: the page and all APIs, in one process.

    Prints `ready http://HOST:PORT` on standard output once requests are answered; logs go to standard error. The first start
    prints a link to create the first account. SIGTERM or Ctrl-C lets running answers finish, then ends.
    """
    _run(data_dir, _chosen(host, port, seed_ports), rooms=None)


def serve(
    rooms: Annotated[
        list[str], typer.Argument(help="Rooms to serve: chats, gateway, identity, knowledge, runtime, tracing, page.")
    ],
    data_dir: DataDir = None,
    host: Host = None,
    port: Port = None,
    seed_ports: SeedPorts = False,
) -> None:
    """Start everything, and answer HTTP for chosen rooms only.

    This chooses routes, not work: every room is opened, and its stores and workers run in this one process. For now there is one
    server to a data folder and one to a database, so rooms cannot be spread over processes. Health and metrics are always served.
    """
    _run(data_dir, _chosen(host, port, seed_ports), rooms=frozenset(rooms))


def doctor(data_dir: DataDir = None, as_json: Json = False) -> None:
    """Check this machine and the data folder, and say what to do about what is wrong. Exit status 1 if anything is."""
    from alcove.main import examine  # noqa: PLC0415  the server's modules take a second to load
    from alcove.settings import load_settings  # noqa: PLC0415

    findings = examine(load_settings(**overrides(data_dir)))
    if as_json:
        typer.echo(json.dumps([finding.__dict__ for finding in findings]))
    else:
        for finding in findings:
            mark = typer.style("✓", fg="green") if finding.is_good else typer.style("✗", fg="red")
            typer.echo(f"{mark} {finding.name}: {finding.detail}")
    if not all(finding.is_good for finding in findings):
        raise typer.Exit(1)


def _chosen(host: str | None, port: int | None, seed_ports: bool) -> dict[str, object]:
    """Gives what was chosen on the command line; what was not is for the settings to say."""
    given = (("host", host), ("port", port), ("seed_ports", seed_ports or None))
    return {name: value for name, value in given if value is not None}


def _run(data_dir: Path | None, server: dict[str, object], rooms: frozenset[str] | None) -> None:
    from alcove.main import ROOMS, run  # noqa: PLC0415  the server's modules take a second to load
    from alcove.settings import load_settings  # noqa: PLC0415

    unknown = (rooms or frozenset()) - ROOMS
    if unknown:
        detail = f"There is no room {min(unknown)!r}; there are: {', '.join(sorted(ROOMS))}."
        raise InvalidRequest(detail)
    run(load_settings(**overrides(data_dir, server=server)), rooms=rooms)
