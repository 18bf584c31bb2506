"""What the commands for local models do, as HTTP clients of a running server."""

import contextlib
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import typer
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from alcove.cli.model_tables import ago, processor, size_text, table, tell, until
from alcove.cli.talk import Server, connect, console
from alcove.kernel.errors import InvalidRequest
from alcove.runtime.catalog.modelfile import BadModelfile, Modelfile, parse_modelfile

_PIECE = 1 << 20
_NO_END = httpx2.Timeout(connect=5.0, read=None, write=300.0, pool=5.0)
_STATUS_WIDTH = 28


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """Whom to ask, and how to answer the terminal."""

    url: str
    api_key: str
    as_json: bool = False
    verbose: bool = False
    insecure: bool = False

    @contextlib.contextmanager
    def server(self) -> Iterator[Server]:
        """Gives the server; a pull may be silent for as long as it likes."""
        with connect(self.url, self.api_key) as server:
            server.http.timeout = _NO_END
            yield server


def pull(model: str, options: Options) -> None:
    """Pulls a model, and shows how it goes."""
    with options.server() as server:
        pull_through(server, model, options)


def push(model: str, options: Options) -> None:
    """Pushes a model, and shows how it goes."""
    with options.server() as server:
        body = {"model": model, "insecure": options.insecure}
        _follow(server.lines("POST", "/api/push", json=body), as_json=options.as_json)


def list_models(beginning: str, options: Options) -> None:
    """Lists the models."""
    with options.server() as server:
        models = [
            each
            for each in server.call("GET", "/api/tags")["models"]
            if each["name"].lower().startswith(beginning.lower())
        ]
    if options.as_json:
        typer.echo(json.dumps({"models": models}, ensure_ascii=False))
        return
    if not models:
        typer.echo("No model is here. Pull one: alcove pull qwen2.5:0.5b", err=True)
        return
    rows = [
        (each["name"], each.get("digest", "")[:12], size_text(each.get("size", 0)), ago(each.get("modified_at", "")))
        for each in models
    ]
    table(("NAME", "ID", "SIZE", "MODIFIED"), rows)


def ps(options: Options) -> None:
    """Lists the models that are loaded."""
    with options.server() as server:
        models = server.call("GET", "/api/ps")["models"]
    if options.as_json:
        typer.echo(json.dumps({"models": models}, ensure_ascii=False))
        return
    if not models:
        typer.echo("No model is loaded.", err=True)
        return
    rows = [
        (
            each["name"],
            each.get("digest", "")[:12],
            size_text(each.get("size", 0)),
            processor(each),
            str(each.get("context_length", "")),
            until(each.get("expires_at", "")),
        )
        for each in models
    ]
    table(("NAME", "ID", "SIZE", "PROCESSOR", "CONTEXT", "UNTIL"), rows)


def show(model: str, parts: Sequence[str], options: Options) -> None:
    """Tells about a model."""
    if len(parts) > 1:
        detail = f"choose one of {', '.join(f'--{each}' for each in parts)}"
        raise InvalidRequest(detail)
    with options.server() as server:
        found = server.call("POST", "/api/show", json={"model": model, "verbose": options.verbose})
    if options.as_json:
        typer.echo(json.dumps(found, ensure_ascii=False))
    elif parts:
        typer.echo(str(found.get(parts[0], "")).rstrip("\n"))
    else:
        tell(found, verbose=options.verbose)


def stop(model: str, options: Options) -> None:
    """Unloads a model."""
    with options.server() as server:
        server.call("POST", "/api/generate", json={"model": model, "keep_alive": 0, "stream": False})


def rm(models: Sequence[str], options: Options) -> None:
    """Deletes models."""
    with options.server() as server:
        for model in models:
            server.call("DELETE", "/api/delete", json={"model": model})
            typer.echo(f"deleted {model}")


def cp(source: str, destination: str, options: Options) -> None:
    """Gives a model a second name."""
    with options.server() as server:
        server.call("POST", "/api/copy", json={"source": source, "destination": destination})
    typer.echo(f"copied {source} to {destination}")


def create(model: str, file: Path, quantize: str, options: Options) -> None:
    """Makes a model from a Modelfile; sends the files it names."""
    try:
        made = parse_modelfile(file.read_text("utf-8"))
    except (OSError, UnicodeError) as error:
        detail = f"{file} cannot be read: {error}"
        raise BadModelfile(detail) from error
    with options.server() as server:
        body = _create_body(server, model, made, file.parent, options)
        if quantize:
            body["quantize"] = quantize
        _follow(server.lines("POST", "/api/create", json=body), as_json=options.as_json)


def pull_through(server: Server, model: str, options: Options) -> None:
    """Pulls a model, and shows how it goes."""
    body = {"model": model, "insecure": options.insecure}
    _follow(server.lines("POST", "/api/pull", json=body), as_json=options.as_json)


def _follow(lines: Iterator[dict[str, Any]], *, as_json: bool) -> None:
    """Shows how something goes: a bar for each file, a line for each step."""
    if as_json:
        for line in lines:
            typer.echo(json.dumps(line, ensure_ascii=False))
        return
    columns = (
        TextColumn(f"{{task.description:<{_STATUS_WIDTH}}}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    tasks: dict[str, TaskID] = {}
    last = ""
    with Progress(*columns, console=console) as progress:
        for line in lines:
            status = str(line.get("status", ""))
            if line.get("total"):
                if status not in tasks:
                    tasks[status] = progress.add_task(status, total=line["total"])
                progress.update(tasks[status], completed=line.get("completed", 0))
            elif status != last:
                progress.console.print(status, highlight=False, markup=False)
            last = status


def _create_body(server: Server, model: str, made: Modelfile, folder: Path, options: Options) -> dict[str, Any]:
    body: dict[str, Any] = {"model": model}
    origin = folder / Path(made.origin).expanduser()
    if origin.is_file():
        body["files"] = {origin.name: _send(server, origin, options)}
    elif made.origin.lower().endswith(".gguf"):
        detail = f"there is no file {str(origin)!r}"
        raise BadModelfile(detail)
    else:
        body["from"] = made.origin
    adapters = [folder / Path(each).expanduser() for each in made.adapters]
    missing = next((each for each in adapters if not each.is_file()), None)
    if missing is not None:
        detail = f"there is no adapter {str(missing)!r}"
        raise BadModelfile(detail)
    texts = {
        "adapters": {each.name: _send(server, each, options) for each in adapters},
        "template": made.template,
        "system": made.system,
        "license": made.license,
        "parameters": made.parameters,
        "messages": made.messages,
    }
    return body | {name: value for name, value in texts.items() if value}


def _send(server: Server, file: Path, options: Options) -> str:
    """Sends a file, unless the server has it; gives its digest."""
    size = file.stat().st_size
    with Progress(console=console, disable=options.as_json) as progress:
        task = progress.add_task(f"reading {file.name}", total=size)
        made = hashlib.sha256()
        with file.open("rb") as content:
            while piece := content.read(_PIECE):
                made.update(piece)
                progress.advance(task, len(piece))
        digest = f"sha256:{made.hexdigest()}"
        if server.has(f"/api/blobs/{digest}"):
            return digest
        progress.reset(task, description=f"sending {file.name}")

        def pieces() -> Iterator[bytes]:
            with file.open("rb") as content:
                while piece := content.read(_PIECE):
                    yield piece
                    progress.advance(task, len(piece))

        headers = {"content-length": str(size), "content-type": "application/octet-stream"}
        server.call("POST", f"/api/blobs/{digest}", content=pieces(), headers=headers)
    return digest
