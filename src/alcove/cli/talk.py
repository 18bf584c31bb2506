"""What `ask`, `chat` and `ingest` do, as HTTP clients of a running server."""

import contextlib
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from alcove.kernel.errors import AlcoveError, InvalidRequest, NotAuthenticated, Unavailable

SUFFIXES = frozenset({".pdf", ".docx", ".html", ".htm", ".md", ".markdown", ".txt", ".text"})
_TIMEOUT = httpx2.Timeout(connect=5.0, read=300.0, write=60.0, pool=5.0)
_POLL_S = 0.25
_NOT_FOUND = 404

console = Console(stderr=True)


class RequestFailed(AlcoveError):
    """The server refused the request."""

    code = "request_failed"


@dataclass(frozen=True, slots=True)
class Server:
    """A running server, as these commands see it."""

    http: httpx2.Client

    def call(self, method: str, path: str, **options: Any) -> Any:  # noqa: ANN401  JSON of many shapes
        """Makes a request; gives the decoded JSON.

        Raises:
            RequestFailed: When the server refuses, with its reason.
            Unavailable: When it cannot be reached.
        """
        with _readable_errors(self.http):
            answer = self.http.request(method, path, **options)
        _raise_for(answer)
        return answer.json() if answer.content else None

    def stream(self, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Asks for a chat completion; gives its chunks as they come."""
        with _readable_errors(self.http), self.http.stream("POST", "/v1/chat/completions", json=body) as answer:
            if answer.is_error:
                answer.read()
                _raise_for(answer)
            for line in answer.iter_lines():
                data = line.removeprefix("data:").strip()
                if not line.startswith("data:") or data == "[DONE]":
                    continue
                chunk = json.loads(data)
                if "error" in chunk:
                    raise RequestFailed(str(chunk["error"].get("message", "the answer broke off")))
                yield {**chunk, "_trace_id": answer.headers.get("x-trace-id")}

    def lines(self, method: str, path: str, **options: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401  JSON of many shapes
        """Makes a request that is answered line by line; gives the decoded lines as they come.

        Raises:
            RequestFailed: When the server refuses, or a line says what went wrong.
            Unavailable: When it cannot be reached.
        """
        with _readable_errors(self.http), self.http.stream(method, path, **options) as answer:
            if answer.is_error:
                answer.read()
                _raise_for(answer)
            for line in answer.iter_lines():
                if not line.strip():
                    continue
                found = json.loads(line)
                if "error" in found:
                    raise RequestFailed(str(found["error"]))
                yield found

    def has(self, path: str) -> bool:
        """Tells whether something is there (`HEAD`)."""
        with _readable_errors(self.http):
            answer = self.http.head(path)
        if answer.status_code == _NOT_FOUND:
            return False
        _raise_for(answer)
        return True


@contextlib.contextmanager
def _readable_errors(http: httpx2.Client) -> Iterator[None]:
    try:
        yield
    except httpx2.ConnectError as error:
        detail = f"No server answers at {http.base_url}. Start one with `alcove up`, or name another with --url."
        raise Unavailable(detail) from error
    except httpx2.TimeoutException as error:
        detail = f"The server at {http.base_url} did not answer in time."
        raise Unavailable(detail) from error
    except httpx2.TransportError as error:
        detail = f"The connection to {http.base_url} broke off: {error}"
        raise Unavailable(detail) from error


def _raise_for(answer: httpx2.Response) -> None:
    if not answer.is_error:
        return
    try:
        body = answer.json()
    except ValueError:
        body = {}
    error = body.get("error") or {}
    said = error if isinstance(error, str) else error.get("message")  # Ollama's routes, OpenAI's routes
    detail = body.get("detail") or said or f"HTTP {answer.status_code}"
    if answer.status_code == NotAuthenticated.status:
        detail = f"{detail} Set ALCOVE_API_KEY, or use --api-key."
    raise RequestFailed(str(detail))


@contextlib.contextmanager
def connect(url: str, api_key: str) -> Iterator[Server]:
    """Gives the server at an address."""
    headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
    try:
        http = httpx2.Client(base_url=url, headers=headers, timeout=_TIMEOUT, trust_env=False)
    except httpx2.InvalidURL as error:
        detail = f"--url: {url!r} is not an address; write http://HOST:PORT."
        raise InvalidRequest(detail) from error
    with http:
        yield Server(http)


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """Whom to ask, and how to answer the terminal.

    Attributes:
        url: Address of the server.
        api_key: API key; empty for none.
        collection: Name of the collection to answer from.
        model: Model that answers; None for the server's choice.
        as_json: Whether to print JSON.
    """

    url: str
    api_key: str
    collection: str | None = None
    model: str | None = None
    as_json: bool = False


def ask(question: str, call: Call) -> None:
    """Asks one question, and prints the answer with its sources."""
    with connect(call.url, call.api_key) as server:
        result = _complete(
            server, [{"role": "user", "content": question}], call.collection, call.model, echo=not call.as_json
        )
    if call.as_json:
        typer.echo(json.dumps(result, ensure_ascii=False))
        return
    typer.echo("")
    cited = {each["number"] for each in result["citations"]}
    for source in result["sources"]:
        if source["number"] in cited:
            page = f", page {source['page']}" if source.get("page") else ""
            typer.echo(f"  [{source['number']}] {source['document']}{page}")


def chat(call: Call) -> None:
    """Chats until the end of the input."""
    messages: list[dict[str, str]] = []
    is_terminal = sys.stdin.isatty()
    with connect(call.url, call.api_key) as server:
        server.call("GET", "/v1/models")
        if is_terminal:
            console.print("[dim]Ask away. Ctrl-D ends the chat.[/dim]")
        while (line := _next_line(is_terminal=is_terminal)) is not None:
            if not line.strip():
                continue
            messages.append({"role": "user", "content": line})
            result = _complete(server, messages, call.collection, call.model, echo=not call.as_json)
            typer.echo(json.dumps(result, ensure_ascii=False) if call.as_json else "\n")
            messages.append({"role": "assistant", "content": result["answer"]})


def ingest(paths: list[Path], call: Call) -> None:
    """Adds documents to a collection, and waits until they have been read.

    Raises:
        typer.Exit: With status 1 when any could not be read.
    """
    collection = call.collection or ""
    files = list(_files(paths))
    if not files:
        detail = f"There is nothing to read there; these kinds of files are read: {', '.join(sorted(SUFFIXES))}."
        raise InvalidRequest(detail)
    with connect(call.url, call.api_key) as server, _progress(is_shown=not call.as_json) as progress:
        collection_id = _collection_id(server, collection)
        task = progress.add_task("Reading", total=len(files))
        outcomes = []
        for path in files:
            outcomes.append(_ingest_one(server, collection_id, path, progress, task))
            if (
                call.as_json
            ):  # at once: a reader of the pipe need not wait for the last file, nor lose all when this ends
                typer.echo(json.dumps(outcomes[-1], ensure_ascii=False))
                sys.stdout.flush()
    failed = [each for each in outcomes if each["status"] != "ready"]
    if not call.as_json:
        chunks = sum(each["chunks"] for each in outcomes)
        for each in failed:
            console.print(f"[red]✗[/red] {escape(each['path'])}: {escape(each['error'])}")
        console.print(
            f"{len(outcomes) - len(failed)} of {len(outcomes)} documents in {collection!r}, {chunks} passages."
        )
    if failed:
        raise typer.Exit(1)


def _complete(
    server: Server, messages: list[dict[str, str]], collection: str | None, model: str | None, *, echo: bool
) -> dict[str, Any]:
    """Gets an answer, written to standard output as it comes where wanted; gives it with its sources and trace id."""
    body: dict[str, Any] = {"model": model or "default", "messages": messages, "stream": True}
    if collection is not None:
        body["collections"] = [collection]
    result: dict[str, Any] = {"answer": "", "sources": [], "citations": [], "model": None, "trace_id": None}
    for chunk in server.stream(body):
        text = _text(chunk)
        result["answer"] += text
        _keep_extensions(result, chunk)
        if echo:
            sys.stdout.write(text)
            sys.stdout.flush()
    return result


def _ingest_one(server: Server, collection_id: str, path: Path, progress: Progress, task: TaskID) -> dict[str, Any]:
    outcome: dict[str, Any] = {"path": str(path), "status": "failed", "document_id": None, "chunks": 0, "error": None}
    progress.update(task, description=escape(path.name[:40]))
    try:
        with path.open("rb") as content:
            document = server.call(
                "POST", f"/api/v1/knowledge/collections/{collection_id}/documents", files={"file": (path.name, content)}
            )
        outcome["document_id"] = document["id"]
        while document["status"] not in {"ready", "failed"}:
            time.sleep(_POLL_S)
            document = server.call("GET", f"/api/v1/knowledge/documents/{document['id']}")
        outcome.update(status=document["status"], chunks=document["chunk_count"])
        if document["error"]:
            outcome["error"] = document["error"]["detail"]
    except (RequestFailed, OSError) as error:
        outcome["error"] = getattr(error, "detail", str(error))
    progress.advance(task)
    return outcome


def _collection_id(server: Server, name: str) -> str:
    found = server.call("GET", "/api/v1/knowledge/collections", params={"name": name})["items"]
    if found:
        return str(found[0]["id"])
    return str(server.call("POST", "/api/v1/knowledge/collections", json={"name": name})["id"])


def _files(paths: list[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(each for each in path.rglob("*") if each.is_file() and each.suffix.lower() in SUFFIXES)
        else:
            yield path


@contextlib.contextmanager
def _progress(*, is_shown: bool) -> Iterator[Progress]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not is_shown) as progress:
        yield progress


def _next_line(*, is_terminal: bool) -> str | None:
    try:
        return input("> " if is_terminal else "")
    except EOFError:
        return None


def _text(chunk: dict[str, Any]) -> str:
    choices = chunk.get("choices") or []
    return (choices[0].get("delta") or {}).get("content") or "" if choices else ""


def _keep_extensions(result: dict[str, Any], chunk: dict[str, Any]) -> None:
    result["model"] = chunk.get("model") or result["model"]
    result["trace_id"] = chunk.get("_trace_id") or result["trace_id"]
    for name in ("sources", "citations"):
        result[name] = chunk.get(name) or result[name]
