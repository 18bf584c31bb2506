"""Requests to servers at unix sockets."""

import asyncio
from pathlib import Path

import pytest

from alcove.infra.http import ConnectFailed, ConnectionLost, HttpLimits, TimedOut, UnixClient, Url

URL = Url.parse("http://localhost/v1/things")
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nkeep-alive: timeout=5\r\n\r\nhi"


class Server:
    """Answers with given bytes, and remembers what came and over how many connections."""

    def __init__(self, answer: bytes, *, stays: bool = False) -> None:
        self.answer, self.stays = answer, stays
        self.asked: list[bytes] = []
        self.left = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        self.asked.append(head + await reader.readexactly(length))
        writer.write(self.answer)
        if self.stays:
            assert await reader.read() == b""
        writer.close()
        self.left.set()


async def ask(path: Path, server: Server, **limits: float) -> tuple[UnixClient, asyncio.Server]:
    listening = await asyncio.start_unix_server(server.serve, str(path))
    return UnixClient(path, HttpLimits(**limits)), listening  # type: ignore[arg-type]


async def test_each_request_has_a_connection_of_its_own(tmp_path: Path) -> None:
    server = Server(ANSWER)
    client, listening = await ask(tmp_path / "s", server)
    async with listening:
        for body in (b"{}", b""):
            response = await client.request("POST", URL, {"accept": "*/*"}, body)
            assert (response.status, await response.read()) == (200, b"hi")
    assert len(server.asked) == 2
    assert server.asked[0].startswith(b"POST /v1/things HTTP/1.1\r\nhost: localhost\r\n")
    assert b"\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}" in server.asked[0]


async def test_closing_a_response_closes_the_socket_at_once(tmp_path: Path) -> None:
    server = Server(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n", stays=True)
    client, listening = await ask(tmp_path / "s", server)
    async with listening:
        response = await client.request("POST", URL, {})
        assert await response.read_some() == b"abc"
        response.close()
        await asyncio.wait_for(server.left.wait(), 2)


async def test_leaving_before_the_answer_begins_closes_the_socket(tmp_path: Path) -> None:
    server = Server(b"", stays=True)
    client, listening = await ask(tmp_path / "s", server)
    async with listening:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.request("POST", URL, {}), 0.2)
        await asyncio.wait_for(server.left.wait(), 2)


async def test_failures_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConnectFailed, match="No such file"):
        await UnixClient(tmp_path / "none", HttpLimits()).request("POST", URL, {})
    client, listening = await ask(tmp_path / "cut", Server(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhi"))
    async with listening:
        response = await client.request("POST", URL, {})
        with pytest.raises(ConnectionLost):
            await response.read()
        response.close()
    silent = Server(b"", stays=True)
    client, listening = await ask(tmp_path / "silent", silent, read_s=0.2)
    async with listening:
        with pytest.raises(TimedOut):
            await client.request("POST", URL, {})
        await asyncio.wait_for(silent.left.wait(), 2)
