"""A model server that speaks OpenAI's protocol (and Ollama's list of models) on a real socket, well or badly, as told.

What it does is chosen by the model's name (`MODELS`), or by `server.script` for the next request that is not for a list. It writes bytes itself, so that a
test can have them cut anywhere. It remembers each request and when its client left.

    python -m tests.wire.openai_server [port]
"""

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import anyio


@dataclass(frozen=True)
class Cut:
    """Break the connection off."""


@dataclass(frozen=True)
class Forever:
    """Send these bytes again and again, until the client leaves."""

    data: bytes
    pause_s: float = 0.0


Step = bytes | float | Cut | Forever
"""Bytes to send, seconds to wait, or the end of the connection."""


@dataclass
class Recorded:
    """A request that came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    connection: int
    at_s: float
    left_at_s: float | None = None

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def head(
    status: int = 200, content_type: str = "text/event-stream", *, length: int | None = None, **more: str
) -> bytes:
    """Gives the head of a response; chunked when no length is given."""
    lines = [f"HTTP/1.1 {status} X", f"content-type: {content_type}"]
    lines.append("transfer-encoding: chunked" if length is None else f"content-length: {length}")
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in more.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def chunk(data: bytes) -> bytes:
    """Gives one chunk of a chunked body."""
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


END = b"0\r\n\r\n"


def whole(value: Any, status: int = 200, **more: str) -> list[Step]:
    """Gives a JSON response."""
    data = json.dumps(value).encode()
    return [head(status, "application/json", length=len(data), **more) + data]


def event(value: Any) -> bytes:
    """Gives a server-sent event."""
    return b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\n\n"


def piece(delta: dict[str, Any], finish: str | None = None, **more: Any) -> dict[str, Any]:
    """Gives a chat chunk."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish, **more}],
    }


USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}


def usage_chunk() -> dict[str, Any]:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [],
        "usage": USAGE,
    }


def stream(*events: bytes, pause_s: float = 0.0, first_s: float = 0.0) -> list[Step]:
    """Gives a whole streamed response, one chunk of the body an event."""
    steps: list[Step] = [head()]
    for index, each in enumerate(events):
        wait_s = pause_s if index else first_s
        if wait_s:
            steps.append(wait_s)
        steps.append(chunk(each))
    return [*steps, END]


def answer(*words: str, finish: str = "stop", pause_s: float = 0.0, first_s: float = 0.0) -> list[Step]:
    """Gives a good streamed answer."""
    events = [event(piece({"role": "assistant", "content": ""}))]
    events += [event(piece({"content": word})) for word in words]
    events += [event(piece({}, finish)), event(usage_chunk()), b"data: [DONE]\n\n"]
    return stream(*events, pause_s=pause_s, first_s=first_s)


def _question(request: Recorded) -> str:
    content = request.json["messages"][-1].get("content") or ""
    return content if isinstance(content, str) else json.dumps(content)


def _tools(_: Recorded) -> list[Step]:
    call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "weather", "arguments": ""}}
    return stream(
        event(piece({"role": "assistant", "content": None, "tool_calls": [call]})),
        event(piece({"tool_calls": [{"index": 0, "function": {"arguments": '{"city":'}}]})),
        event(piece({"tool_calls": [{"index": 0, "function": {"arguments": '"Bern"}'}}]})),
        event(piece({}, "tool_calls")),
        event(usage_chunk()),
        b"data: [DONE]\n\n",
    )


def _error(status: int, message: str, **more: str) -> list[Step]:
    return whole({"error": {"message": message, "type": "x", "code": "x_code"}}, status, x_request_id="up-1", **more)


_TAG = "<img src=x onerror=window.hacked=7>"
_ELSEWHERE = "http://203.0.113.9/a"
DIAGRAMS = (
    f'graph TD; A["{_TAG}"] -->|{_TAG}| B; click A href "javascript:window.hacked=7"; click A call hack()',
    (f"sequenceDiagram\n participant A as {_TAG}\n A->>B: {_TAG}\n Note over A: {_TAG}\n"
    f' links A: {{"a": "javascript:window.hacked=7"}}\n properties A: {{"icon": "{_ELSEWHERE}"}}'),
    (f'classDiagram\n class A["{_TAG}"]\n A : +foo {_TAG}\n A : List~img src=x onerror=window.hacked=7~ y\n'
    f' click A href "{_ELSEWHERE}"\n callback A "hack"'),
    (f'%%{{init: {{"securityLevel": "loose", "htmlLabels": true, "themeCSS": "* {{ background: url({_ELSEWHERE}) }}"}}}}%%\n'
    f'graph TD; A["{_TAG}"]'),
    ("---\ntitle: Plain\nconfig:\n  securityLevel: loose\n  htmlLabels: true\n  dompurifyConfig:\n    ALLOWED_ATTR: [onerror, src]\n"
    f"---\ngraph TD\n A[\"<@{{ q: 1 }}img src=x onerror=window.hacked=7>\"]\n B@{{ img: \"{_ELSEWHERE}\" }}"),
    f"stateDiagram-v2\n [*] --> A : {_TAG}\n classDef k background:url({_ELSEWHERE})\n class A k",
    "graph TD\n A[\"<%%{x}%%img src=x onerror=window.hacked=7>\"]\n B[\"#lt;img src=x onerror=window.hacked=7#gt;\"]",
)  # fmt: skip
"""Diagrams that try to bring HTML, pictures, styles, links and settings of their own."""

HOSTILE = (
    "# Hello\n\n<script>window.hacked = 1</scr", "ipt>\n\n<img src=x onerror=\"window.hacked = 2\">\n\n",
    "[link](javascript:window.hacked=3) ![pixel](http://203.0.113.9/?q=secret)\n\n",
    "<iframe srcdoc=\"<script>parent.hacked=4</script>\"></iframe>\n\n<svg onload=\"window.hacked = 5\"></svg>\n\n",
    "$\\href{javascript:window.hacked=6}{x}$\n\n", *(f"```mermaid\n{each}\n```\n\n" for each in DIAGRAMS), "end of answer",
)  # fmt: skip
"""An answer that tries everything to have the page run something or ask another host, cut where it hurts."""

MODELS: dict[str, Callable[[Recorded], Sequence[Step]]] = {
    "echo": lambda request: answer(*(f"{word} " for word in _question(request).split())),
    "paced": lambda _: answer(*(f"w{index} " for index in range(20)), first_s=0.02, pause_s=0.005),
    "slow": lambda _: answer(*(f"word{index} " for index in range(200)), pause_s=0.04),
    "citing": lambda _: answer("It was ", "Agnes Thornbury ", "[1]", "."),
    "hostile": lambda _: answer(*HOSTILE),
    "tools": _tools,
    "reasoner": lambda _: stream(
        event(piece({"reasoning_content": "let me "})),
        event(piece({"reasoning": "think"})),
        event(piece({"content": "42"})),
        event(piece({}, "stop")),
        b"data: [DONE]\n\n",
    ),
    "logprobs": lambda _: stream(
        event(piece({"content": "a"}, logprobs={"content": [{"token": "a", "logprob": -0.1}]}, vendor_field=1)),
        event(piece({"content": "b"}, logprobs={"content": [{"token": "b", "logprob": -0.2}]})),
        event(piece({}, "stop")),
        b"data: [DONE]\n\n",
    ),
    "whole": lambda _: whole(
        {"choices": [{"index": 0, "message": {"role": "assistant", "content": "all at once"}, "finish_reason": "stop"}], "usage": USAGE}
    ),
    "stall": lambda _: [head(), chunk(event(piece({"content": "begun "}))), 3600.0],
    "never": lambda _: [3600.0],
    "cut": lambda _: [head(), chunk(event(piece({"content": "half "}))), 0.05, Cut()],
    "no-finish": lambda _: stream(event(piece({"content": "half "}))),
    "no-done": lambda _: stream(event(piece({"content": "ok"})), event(piece({}, "stop"))),
    "bad-json": lambda _: stream(event(piece({"content": "ok "})), b"data: {nonsense\n\n"),
    "error-event": lambda _: stream(event(piece({"content": "ok "})), event({"error": {"message": "out of memory", "code": 500}})),
    "rate-limited": lambda _: _error(429, "slow down", retry_after="7"),
    "bad-key": lambda request: _error(401, f"wrong key {request.headers.get('authorization', '')}"),
    "broken": lambda _: _error(500, "it broke"),
    "html-error": lambda _: [head(502, "text/html", length=13) + b"<html></html>"],
    "redirect": lambda _: [head(307, "text/plain", length=0, location="http://127.0.0.1:9/secret")],
    "no-options": lambda request: (
        _error(400, "Unknown parameter: stream_options") if "stream_options" in request.json else answer("fine")
    ),
    "endless": lambda _: [head(), Forever(chunk(event(piece({"content": "x" * 100_000}))))],
    "endless-line": lambda _: [head(), Forever(chunk(b"x" * 65536))],
}  # fmt: skip


@dataclass
class ScriptedServer:
    """A server on a free port of the loopback; use as an async context manager."""

    script: list[Sequence[Step]] = field(default_factory=list)
    requests: list[Recorded] = field(default_factory=list)
    port: int = 0
    _connections: int = 0
    _server: asyncio.Server | None = None
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    @property
    def root_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def open_connections(self) -> int:
        return len(self._writers)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        if self._server is not None:
            await self._server.wait_closed()

    async def drop_connections(self) -> None:
        """Closes all connections, as a server does that restarts."""
        for writer in list(self._writers):
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        self._connections += 1
        number = self._connections
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            while (request := await read_request(reader, number)) is not None:
                self.requests.append(request)
                steps = self.script.pop(0) if self.script and not self._is_list(request) else self._steps(request)
                if not await play(steps, request, reader, writer):
                    break
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        self._writers.discard(writer)

    def _is_list(self, request: Recorded) -> bool:
        """Whether models are asked for, which no script answers."""
        raise NotImplementedError

    def _steps(self, request: Recorded) -> Sequence[Step]:
        """Gives what is done when no script says."""
        raise NotImplementedError


@dataclass
class OpenAiServer(ScriptedServer):
    """The server; `async with OpenAiServer() as server` runs it on a free port."""

    ollama_models: list[dict[str, Any]] | None = None

    @property
    def base_url(self) -> str:
        return f"{self.root_url}/v1"

    @property
    def chats(self) -> list[Recorded]:
        """The chat requests."""
        return [each for each in self.requests if each.path == "/v1/chat/completions"]

    def _is_list(self, request: Recorded) -> bool:
        return request.path in {"/v1/models", "/api/tags"}

    def _steps(self, request: Recorded) -> Sequence[Step]:
        path = request.path
        if path == "/api/tags" and self.ollama_models is not None:
            return whole({"models": self.ollama_models})
        if path == "/v1/models":
            return whole(
                {
                    "object": "list",
                    "data": [{"id": name, "object": "model", "created": 5} for name in [*MODELS, "text-embed"]],
                }
            )
        if path == "/v1/embeddings":
            return self._vectors(request.json)
        if path == "/v1/chat/completions":
            return self._chat(request)
        return _error(404, "no such path")

    def _chat(self, request: Recorded) -> Sequence[Step]:
        model = request.json.get("model")
        if model in MODELS:
            return MODELS[model](request)
        if any(each["name"] == model for each in self.ollama_models or ()):
            return MODELS["echo"](request)
        return _error(404, f"model {model!r} not found")

    @staticmethod
    def _vectors(body: dict[str, Any]) -> list[Step]:
        texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
        data = [
            {"object": "embedding", "index": index, "embedding": [3.0, 4.0, float(len(text) * 0)]}
            for index, text in enumerate(texts)
        ]
        return whole(
            {
                "object": "list",
                "data": data[::-1],
                "model": body["model"],
                "usage": {"prompt_tokens": 2, "total_tokens": 2},
            }
        )


async def read_request(reader: asyncio.StreamReader, number: int) -> Recorded | None:
    try:
        raw = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = raw.decode("latin-1").split("\r\n")
    method, path, _ = first.split(" ", 2)
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Recorded(method, path, headers, body, number, time.monotonic())


async def play(
    steps: Sequence[Step], request: Recorded, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> bool:
    """Does the steps; tells whether the connection can go on."""

    def has_left() -> bool:
        if reader.at_eof() or reader.exception() is not None or writer.is_closing():
            request.left_at_s = request.left_at_s or time.monotonic()
            return True
        return False

    async def wait(seconds: float) -> bool:
        until_s = time.monotonic() + seconds
        while (left_s := until_s - time.monotonic()) > 0:
            if has_left():
                return False
            await anyio.sleep(min(left_s, 0.005))
        return True

    for step in steps:
        if has_left():
            return False
        if isinstance(step, Cut):
            writer.transport.abort()
            return False
        if isinstance(step, float):
            if not await wait(step):
                return False
        elif isinstance(step, Forever):
            with contextlib.suppress(OSError):
                while not has_left():
                    writer.write(step.data)
                    await writer.drain()
                    await anyio.sleep(step.pause_s)
            has_left()
            return False
        else:
            writer.write(step)
            try:
                await writer.drain()
            except OSError:
                request.left_at_s = time.monotonic()
                return False
    return True


@contextlib.asynccontextmanager
async def openai_server() -> AsyncIterator[OpenAiServer]:
    """Runs a server on a free port."""
    async with OpenAiServer() as server:
        yield server


async def _main() -> None:
    async with OpenAiServer(port=int(sys.argv[1]) if len(sys.argv) > 1 else 0) as server:
        print(f"ready {server.base_url}", flush=True)  # noqa: T201
        await anyio.sleep_forever()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        anyio.run(_main)
