"""A small HTTP server whose answers a test writes: a token server, a content network, a hub, a registry that loses its link."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Asked:
    """A request that came."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def range(self) -> tuple[int, int | None]:
        """The range asked for: first byte, and last one or None."""
        first, _, last = self.headers.get("range", "bytes=0-").removeprefix("bytes=").partition("-")
        return int(first), int(last) if last else None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What to answer.

    Attributes:
        status: Its status.
        headers: Its header fields.
        body: Its body.
        cut_after: Bytes of the body after which the connection is broken off; None to send it all.
        pause_s: Seconds to stand still before the cut, or before the answer.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    cut_after: int | None = None
    pause_s: float = 0.0


Handler = Callable[[Asked], Answer | Awaitable[Answer]]


@dataclass
class Front:
    """A server that runs.

    Attributes:
        port: Where it listens, on 127.0.0.1.
        asked: Every request.
    """

    port: int
    asked: list[Asked] = field(default_factory=list)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"


def part(asked: Asked, data: bytes, **more: str) -> Answer:
    """Answers with the range that was asked for."""
    first, last = asked.range
    if "range" not in asked.headers:
        return Answer(headers=more, body=data)
    end = len(data) if last is None else min(last + 1, len(data))
    headers = {"content-range": f"bytes {first}-{end - 1}/{len(data)}", **more}
    return Answer(status=206, headers=headers, body=data[first:end])


@contextlib.asynccontextmanager
async def running_front(handle: Handler) -> AsyncIterator[Front]:
    """Runs a server on a free port."""
    front = Front(0)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                await _answer(front, handle, reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    front.port = server.sockets[0].getsockname()[1]
    try:
        yield front
    finally:
        server.close()
        await server.wait_closed()


async def _answer(front: Front, handle: Handler, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.rstrip().split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    asked = Asked(method, path, headers, body)
    front.asked.append(asked)
    made = handle(asked)
    answer = made if isinstance(made, Answer) else await made
    told = {"content-length": str(len(answer.body)), "connection": "close", **answer.headers}
    text = "".join(f"{name}: {value}\r\n" for name, value in told.items())
    writer.write(f"HTTP/1.1 {answer.status} X\r\n{text}\r\n".encode())
    if method == "HEAD":
        await writer.drain()
        return
    writer.write(answer.body if answer.cut_after is None else answer.body[: answer.cut_after])
    await writer.drain()
    if answer.pause_s or answer.cut_after:
        await asyncio.sleep(
            answer.pause_s or 0.05
        )  # what was sent is to be read before the end of the connection is seen
