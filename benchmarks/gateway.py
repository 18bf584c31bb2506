"""What the gateway adds: the same requests sent to a fast model server directly and through Alcove, in one run.

    python benchmarks/gateway.py [--seconds 3] [--out figures.json] [--target room|process] [--profile file]

`process` (the default) starts `alcove up` as users do: key check, all filters, traces on disk. `room` starts the gateway alone with a
key table and traces in memory, for finding out where time goes. The model server answers from memory, in a process of its own.
Latency is measured from the last byte of the request sent to the first event received, on one kept connection. CPU time is the server
process's own (user and system), so that it does not depend on what else the machine does.
"""

import argparse
import asyncio
import contextlib
import json
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import uvloop
from starlette.types import Receive, Scope, Send

KEY = "sk-as-bench"
EVENTS = 50
PACED_EVENTS = 20
PACED_FIRST_S = 0.02
PACED_NEXT_S = 0.005


# The model server


def _chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
    value = {
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "system_fingerprint": "fp",
        "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}],
    }  # fmt: skip
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def _framed(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


_USAGE = {"prompt_tokens": 10, "completion_tokens": 50, "total_tokens": 60}
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
_WORDS = [_chunk({"role": "assistant", "content": ""})] + [_chunk({"content": f"word{i} "}) for i in range(EVENTS)]
_TAIL = [
    _chunk({}, "stop"),
    b"data: " + json.dumps({"choices": [], "usage": _USAGE}).encode() + b"\n\n",
    b"data: [DONE]\n\n",
]
_BURST = _HEAD + b"".join(_framed(each) for each in [*_WORDS, *_TAIL]) + b"0\r\n\r\n"
_SHORT = (
    _HEAD
    + b"".join(_framed(each) for each in [_chunk({"role": "assistant", "content": "hello"}), *_TAIL])
    + b"0\r\n\r\n"
)


class ModelServer(asyncio.Protocol):
    """Answers from memory: `burst` (50 events at once), `paced`, anything else with one word."""

    def __init__(self) -> None:
        self.transport: Any = None
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, split, rest = self.buffer.partition(b"\r\n\r\n")
        if not split:
            return
        lower = head.lower()
        at = lower.find(b"content-length:")
        length = int(lower[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(rest) < length:
            return
        self.buffer = b""
        if head.startswith(b"GET"):
            body = b'{"data":[]}'
            self.transport.write(
                b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 11\r\n\r\n" + body
            )
        elif b'"burst"' in rest:
            self.transport.write(_BURST)
        elif b'"paced"' in rest:
            asyncio.get_running_loop().call_later(PACED_FIRST_S, self.paced, 0)
        else:
            self.transport.write(_SHORT)

    def paced(self, index: int) -> None:
        loop = asyncio.get_running_loop()
        if index == 0:
            self.transport.write(_HEAD + _framed(_WORDS[0] + _WORDS[1]))
        elif index < PACED_EVENTS:
            self.transport.write(_framed(_WORDS[1 + index]))
        else:
            self.transport.write(b"".join(_framed(each) for each in _TAIL) + b"0\r\n\r\n")
            return
        loop.call_later(PACED_NEXT_S, self.paced, index + 1)


async def serve_model() -> None:
    server = await asyncio.get_running_loop().create_server(ModelServer, "127.0.0.1", 0)
    print(f"ready http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


# The gateway alone


def serve_room(upstream: str, profile: str | None) -> None:
    import cProfile  # noqa: PLC0415  only this process needs them
    import signal  # noqa: PLC0415

    import uvicorn  # noqa: PLC0415
    from fastapi import FastAPI  # noqa: PLC0415

    from alcove.gateway import openai_api  # noqa: PLC0415
    from alcove.gateway.adapters.openai_compatible import OpenAiUpstreamFactory  # noqa: PLC0415
    from alcove.gateway.directory import DeploymentDirectory  # noqa: PLC0415
    from alcove.gateway.models import DeploymentSettings, GatewaySettings, Provider  # noqa: PLC0415
    from alcove.gateway.openai_api import ChatFace  # noqa: PLC0415
    from alcove.gateway.service import ModelCatalogue  # noqa: PLC0415
    from alcove.infra.background import background_tasks  # noqa: PLC0415
    from alcove.infra.http import AddressGuard, HttpClient  # noqa: PLC0415
    from alcove.infra.problems import install_error_handlers  # noqa: PLC0415
    from alcove.kernel.clock import SystemClock  # noqa: PLC0415
    from alcove.kernel.ports import NoPricing  # noqa: PLC0415
    from alcove.kernel.principal import Principal, Role  # noqa: PLC0415
    from alcove.kernel.runner import TurnRunner  # noqa: PLC0415
    from alcove.kernel.trace import NullTraceSink  # noqa: PLC0415

    class NoStore:
        async def list(self) -> list[Any]:
            return []

    models = ("burst", "paced", "short")
    named = DeploymentSettings(name="up", base_url=f"{upstream}/v1", models=models)
    settings = GatewaySettings(deployments=(named,), ollama_discovery=False, max_streams_per_user=1000)
    who = Principal(user_id="u", email="u@example.org", role=Role.USER)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, object]]:
        http = HttpClient(settings.http_limits(), AddressGuard(settings.named_addresses()))
        clock = SystemClock()
        directory = DeploymentDirectory(
            settings, NoStore(), None, {Provider.OPENAI: OpenAiUpstreamFactory(http)}, clock  # type: ignore[arg-type]  # nothing is stored
        )  # fmt: skip
        await directory.load()
        async with background_tasks(drain_s=1) as background:
            runner = TurnRunner(
                models=ModelCatalogue([directory]), filters=[], sink=NullTraceSink(), pricing=NoPricing(),
                background=background, clock=clock,
            )  # fmt: skip
            yield {"chat_face": ChatFace.of(runner, settings)}

    inner = FastAPI(lifespan=lifespan)
    inner.include_router(openai_api.router)
    install_error_handlers(inner)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and dict(scope["headers"]).get(b"authorization") == f"Bearer {KEY}".encode():
            scope["state"]["principal"] = who
        await inner(scope, receive, send)

    listener = socket.create_server(("127.0.0.1", 0))
    print(f"ready http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False, lifespan="on", loop="uvloop"))
    signal.signal(
        signal.SIGTERM, signal.SIG_IGN
    )  # uvicorn raises it once more at its end, before the profile is written
    if profile:
        with cProfile.Profile() as profiler:
            server.run(sockets=[listener])
        profiler.dump_stats(profile)
    else:
        server.run(sockets=[listener])


# The measuring


class Load(asyncio.Protocol):
    """One connection that asks again and again."""

    def __init__(self, request: bytes, until_s: float, done: asyncio.Event) -> None:
        self.request, self.until_s, self.done = request, until_s, done
        self.firsts: list[float] = []
        self.count = 0
        self.errors = 0
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.ask()

    def ask(self) -> None:
        self.has_first = False
        self.tail = b""
        self.length = -1
        self.asked_at = time.perf_counter()
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        if not self.has_first and (b"data: " in data or b'"choices"' in data):
            self.has_first = True
            self.firsts.append(time.perf_counter() - self.asked_at)
        self.tail = (self.tail + data)[-65536:] if self.length < 0 else self.tail
        if self.tail.startswith(b"HTTP/1.1 ") and not self.tail.startswith(b"HTTP/1.1 200"):
            self.errors += 1
        if data.endswith(b"0\r\n\r\n") or self._is_whole():
            self.count += 1
            if time.perf_counter() < self.until_s:
                self.ask()
            else:
                self.transport.close()

    def _is_whole(self) -> bool:
        head, split, body = self.tail.partition(b"\r\n\r\n")
        at = head.lower().find(b"content-length:")
        return bool(split) and at >= 0 and len(body) >= int(head[at + 15 :].split(b"\r\n", 1)[0])

    def connection_lost(self, _: Exception | None) -> None:
        self.done.set()


def request(url: str, model: str, *, key: str, is_streaming: bool) -> bytes:
    host = url.removeprefix("http://")
    body = json.dumps({
        "model": model,
        "messages": [{"role": "system", "content": "You are brief."}, {"role": "user", "content": "What is the answer? " * 10}],
        "temperature": 0.5,
        "stream": is_streaming,
    }).encode()  # fmt: skip
    return (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {key}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    ).encode() + body


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


async def measure(
    url: str, model: str, *, key: str, is_streaming: bool, connections: int, seconds: float, pid: int
) -> dict[str, float]:
    """Gives rate, first-event times in ms and the server's CPU time per request in µs."""
    loop = asyncio.get_running_loop()
    host, port = url.removeprefix("http://").split(":")
    what = request(url, model, key=key, is_streaming=is_streaming)
    before, started = cpu_s(pid), time.perf_counter()
    clients = []
    for _ in range(connections):
        done = asyncio.Event()
        _, client = await loop.create_connection(lambda done=done: Load(what, started + seconds, done), host, int(port))  # type: ignore[misc]
        clients.append(client)
    for client in clients:
        await asyncio.wait_for(client.done.wait(), seconds + 10)
    took, used = time.perf_counter() - started, cpu_s(pid) - before
    firsts = sorted(each for client in clients for each in client.firsts)
    count = sum(client.count for client in clients)
    errors = sum(client.errors for client in clients)
    if errors or not count:
        msg = f"{errors} errors of {count} at {url}: {clients[0].tail[:300]!r}"
        raise RuntimeError(msg)
    return {
        "per_s": round(count / took, 1),
        "first_p50_ms": round(statistics.median(firsts) * 1000, 3),
        "first_p99_ms": round(firsts[int(len(firsts) * 0.99)] * 1000, 3),
        "cpu_us": round(used / count * 1e6, 1),
        "requests": count,
    }


@contextlib.contextmanager
def child(*arguments: str, env: dict[str, str] | None = None) -> Iterator[tuple[str, int]]:
    """Starts a process, gives its address and id."""
    process = subprocess.Popen(
        [sys.executable, *arguments], stdout=subprocess.PIPE, stderr=None, text=True, env={**os.environ, **(env or {})}  # noqa: TID251
    )  # fmt: skip
    try:
        if process.stdout is None:
            raise RuntimeError
        for line in process.stdout:
            if line.startswith("ready "):
                yield line.split()[1], process.pid
                break
        else:
            msg = "the process ended before it was ready"
            raise RuntimeError(msg)
    finally:
        process.terminate()
        process.wait(20)


@contextlib.contextmanager
def gateway(target: str, upstream: str, profile: str | None) -> Iterator[tuple[str, int, str]]:
    """Starts Alcove, gives its address, process id and a key."""
    if target == "room":
        with child(__file__, "--serve-room", upstream, *(["--profile", profile] if profile else [])) as (url, pid):
            yield url, pid, KEY
        return
    with tempfile.TemporaryDirectory() as folder:
        named = [{"name": "up", "base_url": f"{upstream}/v1", "models": ["burst", "paced", "short"]}]
        env = {
            "ALCOVE_DATA_DIR": folder, "ALCOVE_SETUP__ADMIN_EMAIL": "bench@example.org", "ALCOVE_SETUP__ADMIN_PASSWORD": "a-long-bench-passphrase-7",
            "ALCOVE_GATEWAY__DEPLOYMENTS": json.dumps(named), "ALCOVE_GATEWAY__OLLAMA_DISCOVERY": "false", "ALCOVE_LOGGING__LEVEL": "warning",
            "ALCOVE_GATEWAY__MAX_STREAMS_PER_USER": "1000",
        }  # fmt: skip
        with child("-m", "alcove", "up", "--port", "0", env=env) as (url, pid):
            made = subprocess.run(
                [sys.executable, "-m", "alcove", "keys", "create", "--user", "bench@example.org", "--name", "bench"],
                env={**os.environ, **env}, capture_output=True, text=True, check=True,  # noqa: TID251
            )  # fmt: skip
            yield url, pid, made.stdout.strip()


CASES = (
    ("first event, one at a time", "burst", True, 1),
    ("whole answer, one at a time", "short", False, 1),
    ("50-event stream, 16 at a time", "burst", True, 16),
    ("whole answer, 16 at a time", "short", False, 16),
    ("whole answer, 64 at a time", "short", False, 64),
    ("paced stream, one at a time", "paced", True, 1),
    ("paced stream, 64 at a time", "paced", True, 64),
)


async def run(arguments: argparse.Namespace) -> dict[str, Any]:
    figures: dict[str, Any] = {"target": arguments.target, "cases": {}}
    with (
        child(__file__, "--serve-model") as (upstream, upstream_pid),
        gateway(arguments.target, upstream, arguments.profile) as (url, pid, key),
    ):
        figures["rss_mb_idle"] = round(rss_mb(pid), 1)
        await measure(url, "burst", key=key, is_streaming=True, connections=4, seconds=1, pid=pid)
        print(f"{'':32}{'direct':>34}{'through Alcove':>42}")
        print(
            f"{'':32}{'1/s':>10}{'first p50':>11}{'p99 ms':>9}{'1/s':>14}{'first p50':>11}{'p99 ms':>9}{'added p50':>11}{'CPU µs':>9}{'ratio':>8}"
        )
        for name, model, is_streaming, connections in CASES:
            if arguments.case and arguments.case not in name:
                continue
            how: dict[str, Any] = {
                "is_streaming": is_streaming,
                "connections": connections,
                "seconds": arguments.seconds,
            }
            direct = await measure(upstream, model, key=key, pid=upstream_pid, **{**how, "is_streaming": True})
            through = await measure(url, model, key=key, pid=pid, **how)
            added = round(through["first_p50_ms"] - direct["first_p50_ms"], 3)
            ratio = round(through["per_s"] / direct["per_s"], 3)
            figures["cases"][name] = {
                "direct": direct,
                "through": through,
                "added_first_p50_ms": added,
                "rate_ratio": ratio,
            }
            print(
                f"{name:32}{direct['per_s']:10}{direct['first_p50_ms']:11}{direct['first_p99_ms']:9}"
                f"{through['per_s']:14}{through['first_p50_ms']:11}{through['first_p99_ms']:9}{added:11}{through['cpu_us']:9}{ratio:8}"
            )
        figures["rss_mb_after"] = round(rss_mb(pid), 1)
    print(f"memory: {figures['rss_mb_idle']} MB idle, {figures['rss_mb_after']} MB afterwards")
    figures["client_rss_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--out")
    parser.add_argument("--case", help="only cases whose name holds this")
    parser.add_argument("--target", choices=["process", "room"], default="process")
    parser.add_argument("--profile", help="with --target room: write a cProfile file")
    parser.add_argument("--serve-model", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--serve-room", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve_model:
        uvloop.run(serve_model())
    elif arguments.serve_room:
        serve_room(arguments.serve_room, arguments.profile)
    else:
        figures = uvloop.run(run(arguments))
        if arguments.out:
            Path(arguments.out).write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
