from collections.abc import AsyncIterator
from typing import Any

import anyio
import httpx2
import pytest
import structlog
from fastapi import FastAPI, Request
from pydantic import BaseModel, ValidationError
from starlette.responses import Response, StreamingResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.testing import capture_logs

from alcove.infra.middleware import (
    CONTENT_SECURITY_POLICY,
    BodyLimit,
    EdgeSettings,
    HostCheck,
    ProxyHeaders,
    RequestContext,
    SecurityHeaders,
    client_ip,
    host_name,
    is_local,
)
from alcove.infra.problems import install_error_handlers
from alcove.kernel.errors import Overloaded
from alcove.kernel.ids import is_id
from tests.edge import edge


class Thing(BaseModel):
    name: str


def build_app(**settings: Any) -> ASGIApp:
    app = FastAPI()
    install_error_handlers(app)

    @app.get("/api/v1/things/{thing_id}")
    async def read(thing_id: str, request: Request) -> dict[str, Any]:
        structlog.get_logger().info("inside")
        return {"ip": client_ip(request.scope), "scheme": request.url.scheme, "is_local": is_local(request.scope)}

    @app.post("/api/v1/things")
    async def write(thing: Thing) -> dict[str, int]:
        return {"length": len(thing.name)}

    @app.post("/api/v1/chats/{chat_id}/documents")
    async def upload(chat_id: str, request: Request) -> dict[str, int]:
        return {"length": len(await request.body())}

    @app.get("/fails")
    async def fails() -> None:
        raise ZeroDivisionError("planted")

    @app.get("/breaks")
    async def breaks() -> StreamingResponse:
        async def half() -> AsyncIterator[bytes]:
            yield b"half"
            raise ZeroDivisionError("planted")

        return StreamingResponse(half())

    @app.get("/file")
    async def file() -> Response:
        return Response("x", headers={"content-security-policy": "sandbox", "cache-control": "private"})

    return edge(app, EdgeSettings(**settings), bind_host="127.0.0.1")


def client_of(app: ASGIApp, **options: Any) -> httpx2.AsyncClient:
    base_url = options.pop("base_url", "http://localhost")
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app, **options), base_url=base_url)


@pytest.fixture
def client() -> httpx2.AsyncClient:
    return client_of(build_app())


# --- request id and log -----------------------------------------------------------------------------------------------


async def test_each_request_has_an_id_in_answer_and_log(client: httpx2.AsyncClient) -> None:
    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as logs:
        answer = await client.get("/api/v1/things/secret-1?key=planted")
    request_id = answer.headers["x-request-id"]
    assert is_id(request_id)
    assert [(entry["event"], entry["request_id"]) for entry in logs] == [
        ("inside", request_id),
        ("request_answered", request_id),
    ]
    line = logs[-1]
    assert (line["method"], line["route"], line["status"]) == ("GET", "/api/v1/things/{thing_id}", 200)
    assert line["ms"] >= 0
    assert "planted" not in str(logs)
    assert "secret-1" not in str(logs)
    assert structlog.contextvars.get_contextvars() == {}


@pytest.mark.parametrize(
    ("given", "is_kept"),
    [
        ("a-good-request.id_1", True),
        ("x" * 128, True),
        ("short", False),
        ("x" * 129, False),
        ("has space in it", False),
        ('quote"and<tag>', False),
        ("x" * 100_000, False),
    ],
)
async def test_an_incoming_id_is_kept_when_it_is_sane(client: httpx2.AsyncClient, given: str, is_kept: bool) -> None:
    answer = await client.get("/api/v1/things/1", headers={"x-request-id": given})
    assert (answer.headers["x-request-id"] == given) is is_kept
    assert len(answer.headers.get_list("x-request-id")) == 1


async def test_a_failure_is_answered_with_all_headers_and_nothing_but_an_id(client: httpx2.AsyncClient) -> None:
    with capture_logs() as logs:
        answer = await client.get("/fails")
    assert answer.status_code == 500
    assert answer.json()["trace_id"] == answer.headers["x-request-id"]
    assert "planted" not in answer.text
    assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert [entry["event"] for entry in logs] == ["request_failed", "request_answered"]


async def test_an_answer_that_breaks_off_stays_broken(client: httpx2.AsyncClient) -> None:
    with pytest.raises(ZeroDivisionError):
        await client.get("/breaks")


@pytest.mark.parametrize(("error", "status"), [(ZeroDivisionError("planted"), 500), (Overloaded(), 503)])
async def test_a_layer_that_fails_below_the_framework_is_answered_too(error: Exception, status: int) -> None:
    async def failing(scope: Scope, receive: Receive, send: Send) -> None:
        raise error

    with capture_logs():
        answer = await client_of(RequestContext(failing)).get("/v1/models")
    assert answer.status_code == status
    assert "planted" not in answer.text
    assert set(answer.json()) == {"error"}


# --- headers ----------------------------------------------------------------------------------------------------------


async def test_browsers_are_told_what_they_must_not_do(client: httpx2.AsyncClient) -> None:
    headers = (await client.get("/api/v1/things/1")).headers
    assert "script-src 'self';" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "http:" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cross-origin-opener-policy"] == headers["cross-origin-resource-policy"] == "same-origin"
    assert "camera=()" in headers["permissions-policy"]
    assert headers["cache-control"] == "no-store"
    assert "strict-transport-security" not in headers


async def test_over_https_browsers_are_told_to_stay_there() -> None:
    answer = await client_of(build_app(), base_url="https://localhost").get("/api/v1/things/1")
    assert answer.headers["strict-transport-security"] == "max-age=31536000"


async def test_an_answer_may_set_stricter_headers_itself(client: httpx2.AsyncClient) -> None:
    headers = (await client.get("/file")).headers
    assert headers.get_list("content-security-policy") == ["sandbox"]
    assert headers.get_list("cache-control") == ["private"]
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["/nowhere", "/api/v1/nowhere", "/v1/nowhere"])
async def test_refusals_carry_the_headers_too(client: httpx2.AsyncClient, path: str) -> None:
    for answer in (await client.get(path), await client.get(path, headers={"host": "evil.example"})):
        assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
        assert answer.headers["x-request-id"]


# --- host -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "settings", "status"),
    [
        ("localhost", {}, 200),
        ("LocalHost:3000", {}, 200),
        ("127.0.0.1:3000", {}, 200),
        ("[::1]:3000", {}, 200),
        ("localhost.", {}, 200),
        ("evil.example", {}, 400),
        ("localhost.evil.example", {}, 400),
        ("192.0.2.1", {}, 400),
        ("", {}, 400),
        ("localhost:80:80", {}, 400),
        ("localhost/evil", {}, 400),
        ("user@localhost", {}, 400),
        ("localhost\tx", {}, 400),
        ("chat.example.org", {"allowed_hosts": ("chat.example.org",)}, 200),
        ("a.b.example.org", {"allowed_hosts": ("*.example.org",)}, 200),
        ("example.org", {"allowed_hosts": ("*.example.org",)}, 400),
        ("evilexample.org", {"allowed_hosts": ("*.example.org",)}, 400),
        ("anything", {"allowed_hosts": ("*",)}, 200),
    ],
)
async def test_only_names_of_ours_are_answered(host: str, settings: dict[str, Any], status: int) -> None:
    answer = await client_of(build_app(**settings)).get("/api/v1/things/1", headers={"host": host})
    assert answer.status_code == status
    if status == 400:
        assert answer.json()["code"] == "host_not_allowed"


async def answer_ok(scope: Scope, receive: Receive, send: Send) -> None:
    await Response("ok")(scope, receive, send)


@pytest.mark.parametrize(("host", "status"), [("192.0.2.1", 200), ("[2001:db8::1]:3000", 200), ("evil.example", 400)])
async def test_bound_to_all_addresses_any_address_is_a_good_name(host: str, status: int) -> None:
    answer = await client_of(HostCheck(answer_ok, bind_host="0.0.0.0")).get("/", headers={"host": host})
    assert answer.status_code == status


async def run_asgi(app: ASGIApp, scope: dict[str, Any], *received: Message) -> list[Message]:
    sent: list[Message] = []
    waiting = list(received)

    async def receive() -> Message:
        return waiting.pop(0) if waiting else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    base = {"type": "http", "method": "POST", "path": "/", "headers": [], "query_string": b"", "scheme": "http"}
    await app({**base, **scope}, receive, send)
    return sent


@pytest.mark.parametrize("headers", [[], [(b"host", b"localhost"), (b"host", b"evil.example")]])
async def test_no_host_or_two_are_refused(headers: list[tuple[bytes, bytes]]) -> None:
    sent = await run_asgi(HostCheck(answer_ok), {"headers": headers})
    assert sent[0]["status"] == 400


async def test_a_websocket_to_a_foreign_name_is_closed() -> None:
    sent = await run_asgi(HostCheck(answer_ok), {"type": "websocket", "headers": [(b"host", b"evil.example")]})
    assert [message["type"] for message in sent] == ["websocket.close"]


def test_host_names_are_read_strictly() -> None:
    assert host_name("[::1]:3000") == "::1"
    assert host_name("[evil]") is None
    assert host_name("a b") is None


# --- proxies ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("peer", "headers", "expected"),
    [
        ("10.0.0.2", {"x-forwarded-for": "203.0.113.5"}, "203.0.113.5"),
        ("10.0.0.2", {"x-forwarded-for": "6.6.6.6, 203.0.113.5, 10.0.0.9"}, "203.0.113.5"),
        ("10.0.0.2", {"x-forwarded-for": "203.0.113.5, nonsense, 10.0.0.9"}, "10.0.0.9"),
        ("10.0.0.2", {"x-forwarded-for": "nonsense"}, "10.0.0.2"),
        ("10.0.0.2", {"x-forwarded-for": "10.0.0.7"}, "10.0.0.7"),
        ("10.0.0.2", {}, "10.0.0.2"),
        ("192.0.2.1", {"x-forwarded-for": "127.0.0.1"}, "192.0.2.1"),
        ("127.0.0.1", {"x-forwarded-for": "203.0.113.5"}, "127.0.0.1"),
    ],
)
async def test_only_listed_proxies_are_believed(peer: str, headers: dict[str, str], expected: str) -> None:
    app = build_app(trusted_proxies=("10.0.0.0/8",))
    answer = await client_of(app, client=(peer, 1)).get("/api/v1/things/1", headers=headers)
    assert answer.json()["ip"] == expected
    assert answer.json()["is_local"] is False


@pytest.mark.parametrize("peer", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
async def test_this_machine_itself_is_local(peer: str) -> None:
    app = build_app()
    assert (await client_of(app, client=(peer, 1)).get("/api/v1/things/1")).json()["is_local"] is True


@pytest.mark.parametrize(("peer", "scheme"), [("10.0.0.2", "https"), ("192.0.2.1", "http")])
async def test_the_scheme_is_believed_from_listed_proxies(peer: str, scheme: str) -> None:
    app = build_app(trusted_proxies=("10.0.0.2",))
    answer = await client_of(app, client=(peer, 1)).get("/api/v1/things/1", headers={"x-forwarded-proto": "https"})
    assert answer.json()["scheme"] == scheme


def test_a_proxy_that_is_no_network_is_refused_in_the_settings() -> None:
    with pytest.raises(ValidationError):
        EdgeSettings(trusted_proxies=("nonsense",))


# --- bodies -----------------------------------------------------------------------------------------------------------


async def chunks(count: int, size: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b"x" * size


async def test_a_body_that_says_it_is_too_large_is_not_read() -> None:
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while True:
            read += 1
            yield b"x" * 1024

    client = client_of(build_app(max_body_bytes=1024))
    headers = {"content-length": "10000000000"}
    answer = await client.post("/api/v1/things", content=endless(), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert answer.headers["connection"] == "close"
    assert read == 0


@pytest.mark.parametrize("path", ["/api/v1/things", "/api/v1/chats/1/documents"])
async def test_a_body_is_cut_at_the_byte_that_is_one_too_many(path: str) -> None:
    client = client_of(build_app(max_body_bytes=2048, max_upload_bytes=2048))
    answer = await client.post(path, content=chunks(10, 1024))
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


async def test_paths_that_take_files_take_more() -> None:
    client = client_of(build_app(max_body_bytes=1024, max_upload_bytes=8192))
    assert (await client.post("/api/v1/chats/1/documents", content=chunks(8, 1024))).json() == {"length": 8192}
    assert (await client.post("/api/v1/chats/1/documents", content=b"x" * 8193)).status_code == 413
    assert (await client.post("/api/v1/chats/1/documents/", content=b"x" * 1025)).status_code == 413
    assert (await client.post("/api/v1/things", json={"name": "x" * 900})).json() == {"length": 900}


async def test_an_answer_already_begun_is_not_replaced() -> None:
    async def greedy(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while (await receive()).get("more_body"):
            pass

    limit = BodyLimit(greedy, max_bytes=1, max_upload_bytes=1)
    with pytest.raises(Exception, match="larger than 1 bytes"):
        await run_asgi(limit, {}, {"type": "http.request", "body": b"xx", "more_body": False})


# --- streams ----------------------------------------------------------------------------------------------------------


async def test_streams_flow_through_as_they_come_and_a_client_that_goes_is_noticed() -> None:
    is_gone = anyio.Event()
    seen: list[str] = []
    got_first = anyio.Event()

    async def streaming(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        assert (await receive())["type"] == "http.disconnect"
        seen.append("cancelled")

    requests: list[Message] = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Message:
        if requests:
            return requests.pop()
        await is_gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if message.get("body") == b"first":
            got_first.set()

    scope = {
        "type": "http", "method": "GET", "path": "/v1/x", "headers": [(b"host", b"localhost")], "scheme": "http",
        "client": ("127.0.0.1", 1), "query_string": b"",
    }  # fmt: skip
    app = edge(streaming, EdgeSettings(), bind_host="127.0.0.1")
    async with anyio.create_task_group() as group:
        group.start_soon(app, scope, receive, send)
        with anyio.fail_after(2):
            await got_first.wait()
        assert seen == []
        is_gone.set()
    assert seen == ["cancelled"]


async def test_the_lifespan_passes_untouched() -> None:
    seen: list[str] = []

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["type"])

    app: ASGIApp = inner
    for layer in (BodyLimit(app, max_bytes=1, max_upload_bytes=1), HostCheck(app), ProxyHeaders(app)):
        await layer({"type": "lifespan"}, None, None)  # type: ignore[arg-type]  # not used
    await SecurityHeaders(app)({"type": "lifespan"}, None, None)  # type: ignore[arg-type]  # not used
    await RequestContext(app)({"type": "lifespan"}, None, None)  # type: ignore[arg-type]  # not used
    assert seen == ["lifespan"] * 5
