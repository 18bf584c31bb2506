"""The door: requests that are recognised by their bytes get what they would have got had they been read."""

import json
import socket
from collections.abc import Iterator

import anyio
import pytest

from tests.gateway.conftest import settings_for
from tests.gateway.hot import Hot, hot
from tests.wire.openai_server import OpenAiServer

ASK = [{"role": "user", "content": "say it"}]


@pytest.fixture
def serving(upstream: OpenAiServer) -> Iterator[Hot]:
    with hot(settings_for(upstream, read_timeout_s=5)) as running:
        yield running


def request(model: str = "whole", *, stream: bool = False, key: str = "sk-as-ada", more: bytes = b"") -> bytes:
    body = json.dumps({"model": model, "messages": ASK, "stream": stream}).encode()
    return (
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %b\r\nContent-Length: %d\r\n%b\r\n%b"
        % (key.encode(), len(body), more, body)
    )


class Client:
    """A connection, and the answers that come over it."""

    def __init__(self, serving: Hot) -> None:
        self.socket = socket.create_connection(("127.0.0.1", int(serving.url.rsplit(":", 1)[1])), timeout=5)
        self.data = b""

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def answer(self) -> tuple[int, bytes]:
        """Gives the next answer: its status and its body, framed by length or in chunks."""
        head = self._until(b"\r\n\r\n").lower()
        if b"transfer-encoding: chunked" in head:
            body = b""
            while size := int(self._until(b"\r\n"), 16):
                body += self._take(size + 2)[:-2]
            self._take(2)
        else:
            body = self._take(int(head.split(b"content-length: ")[1].split(b"\r\n")[0]))
        return int(head.split()[1]), body

    def _until(self, mark: bytes) -> bytes:
        while mark not in self.data:
            self._more()
        found, self.data = self.data.split(mark, 1)
        return found

    def _take(self, size: int) -> bytes:
        while len(self.data) < size:
            self._more()
        found, self.data = self.data[:size], self.data[size:]
        return found

    def _more(self) -> None:
        more = self.socket.recv(65536)
        assert more, "the server closed the connection"
        self.data += more


@pytest.fixture
def client(serving: Hot) -> Iterator[Client]:
    opened = Client(serving)
    yield opened
    opened.socket.close()


def is_known(serving: Hot, data: bytes) -> bool:
    return serving.face.recognise(data, "127.0.0.1", is_secure=False) is not None


def test_second_request_is_recognised_and_answered_alike(serving: Hot, client: Client) -> None:
    assert not is_known(serving, request())
    answers = []
    for _ in range(3):
        client.send(request())
        answers.append(client.answer())
    assert is_known(serving, request("another"))
    assert answers[0] == answers[1] == answers[2]
    assert answers[0][0] == 200
    assert len(serving.log.rows) == 3
    assert len({row.request_id for row in serving.log.rows}) == 3
    client.send(request(stream=True))
    status, body = client.answer()
    assert (status, body.endswith(b"data: [DONE]\n\n")) == (200, True)


def test_key_that_holds_no_longer_is_refused_though_its_head_is_known(serving: Hot, client: Client) -> None:
    client.send(request())
    assert client.answer()[0] == 200
    assert is_known(serving, request())

    class NoKeys:
        def known(self, secret: str, ip: str) -> None:
            return None

        async def find(self, secret: str, ip: str) -> None:
            return None

    serving.face.keys = NoKeys()
    assert not is_known(serving, request())
    rows = len(serving.log.rows)
    client.send(request(key="sk-as-nobody"))
    assert client.answer()[0] == 401
    assert len(serving.log.rows) == rows


@pytest.mark.parametrize("data", [
    request("not-there"), request()[:-1] + b"?", request().replace(b'"messages"', b'"massages"'),
])  # fmt: skip
def test_what_cannot_go_through_is_read_after_all(serving: Hot, client: Client, data: bytes) -> None:
    client.send(request())
    assert client.answer()[0] == 200
    assert is_known(serving, data)
    client.send(data)
    status, body = client.answer()
    assert status in {400, 404, 422}
    assert json.loads(body)["error"]["message"]
    assert serving.inner.count == 1
    client.send(request())
    assert client.answer()[0] == 200


def test_requests_sent_before_the_answer_are_answered_in_turn(serving: Hot, client: Client) -> None:
    client.send(request())
    client.answer()
    client.send(request("paced", stream=True))
    client.send(request("whole"))
    client.send(request("not-there") + request("whole"))
    answers = [client.answer() for _ in range(4)]
    assert [status for status, _ in answers] == [200, 200, 404, 200]
    assert answers[0][1].endswith(b"data: [DONE]\n\n")
    assert b"all at once" in answers[1][1]


def test_request_in_pieces_is_read(serving: Hot, client: Client) -> None:
    for _ in range(2):
        client.send(request())
        client.answer()
    data = request()
    client.send(data[:-5])
    client.send(data[-5:])
    assert client.answer()[0] == 200
    client.send(data + data[:30])
    assert client.answer()[0] == 200
    client.send(data[30:])
    assert client.answer()[0] == 200


async def test_client_that_leaves_ends_its_call(serving: Hot, upstream: OpenAiServer, client: Client) -> None:
    client.send(request())
    client.answer()
    assert is_known(serving, request("stall", stream=True))
    client.send(request("stall", stream=True))
    with anyio.fail_after(3):
        while not serving.face.under_way:
            await anyio.sleep(0.005)
    client.socket.close()
    with anyio.fail_after(3):
        while len(serving.log.rows) < 2:
            await anyio.sleep(0.005)
    assert serving.log.rows[-1].status == 499
    assert not serving.face.slots.taken


def test_failure_in_the_middle_cuts_the_connection_and_nothing_else(serving: Hot, client: Client) -> None:
    client.send(request())
    client.answer()
    serving.face.slots = None  # type: ignore[assignment]  # whatever breaks
    client.send(request())
    with pytest.raises((AssertionError, ConnectionResetError), match=r"closed|reset"):
        client.answer()
