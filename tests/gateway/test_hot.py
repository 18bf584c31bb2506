"""The hot route over the wire: whose bytes go through, what is counted, and what happens when things go wrong."""

import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import anyio
import httpx2
import pytest

from alcove.gateway.models import GatewaySettings
from alcove.kernel.errors import BudgetExceeded, Forbidden
from alcove.kernel.filters import BaseFilter, RequestHead
from tests.gateway.conftest import settings_for
from tests.gateway.hot import Hot, RefusingMeter, hot
from tests.wire.openai_server import (
    END,
    Cut,
    Forever,
    OpenAiServer,
    chunk,
    event,
    head,
    piece,
    stream,
    usage_chunk,
    whole,
)

ASK = [{"role": "user", "content": "say it"}]
DONE = b"data: [DONE]\n\n"


@pytest.fixture(scope="module")
def _hot(_upstream: OpenAiServer) -> Iterator[Hot]:
    with hot(settings_for(_upstream, keep_alive_s=0.3, read_timeout_s=2)) as running:
        yield running


@pytest.fixture
def serving(_hot: Hot, upstream: OpenAiServer) -> Hot:
    _hot.log.rows.clear()
    _hot.sink.traces.clear()
    _hot.inner.count = 0
    return _hot


async def ask(serving: Hot, key: str | None = "sk-as-ada", **body: Any) -> httpx2.Response:
    async with serving.client(key) as client:
        return await client.post("/v1/chat/completions", json={"messages": ASK, **body})


async def raw(serving: Hot, body: bytes) -> httpx2.Response:
    async with serving.client() as client:
        return await client.post("/v1/chat/completions", content=body)


def answer_of(*words: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": " ".join(words), "vendor": {"x": 1}}
    return {"id": "a", "object": "chat.completion", "created": 1, "model": "m", "odd": [1.50], "choices": [
        {"index": 0, "message": message, "finish_reason": "stop"}], "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}}  # fmt: skip


# What goes through


async def test_whole_answer_goes_through_byte_for_byte(serving: Hot, upstream: OpenAiServer) -> None:
    given = json.dumps(answer_of("hi"), indent=1).encode()
    upstream.script.append([head(200, "application/json", length=len(given)) + given])
    response = await ask(serving, model="echo")
    assert (response.status_code, response.content) == (200, given)
    assert serving.inner.count == 0
    row = await serving.row()
    assert (row.status, row.input_tokens, row.output_tokens, row.is_estimated, row.deployment) == (
        200,
        7,
        3,
        False,
        "up",
    )
    assert (row.user_id, row.key_id, row.model, row.request_id) == (
        "user-ada",
        "key-ada",
        "echo",
        response.headers["x-request-id"],
    )


async def test_stream_goes_through_byte_for_byte_but_for_the_counts_nobody_asked_for(
    serving: Hot, upstream: OpenAiServer
) -> None:
    events = [
        event(piece({"role": "assistant", "content": ""})),
        event(piece({"content": "é \U0001f600"}, vendor=[1.50])),
        event(piece({}, "stop")),
    ]
    upstream.script += [stream(*events, event(usage_chunk()), DONE)] * 2
    response = await ask(serving, model="echo", stream=True)
    assert response.content == b"".join(events) + DONE
    asked = await ask(serving, model="echo", stream=True, stream_options={"include_usage": True})
    assert asked.content == b"".join(events) + event(usage_chunk()) + DONE
    assert [each.json["stream_options"] for each in upstream.chats] == [{"include_usage": True}] * 2
    row = await serving.row()
    assert (row.input_tokens, row.output_tokens, row.is_streaming) == (7, 3, True)
    assert row.first_token_ms is not None


async def test_fields_go_to_the_model_server_as_they_came(serving: Hot, upstream: OpenAiServer) -> None:
    upstream.script.append(whole(answer_of("ok")))
    fields = b'"messages": [ {"role":"user", "content":"\\u00e9\xc3\xa9", "odd":1e400} ] , "seed":12345678901234567890123, "x":{"a":1.10,"a":2}'
    await raw(serving, b'{"model":"echo",' + fields + b"}")
    sent = upstream.chats[-1].body
    assert b'[ {"role":"user", "content":"\\u00e9\xc3\xa9", "odd":1e400} ]' in sent
    assert b'"seed":12345678901234567890123' in sent
    assert b'{"a":1.10,"a":2}' in sent
    assert serving.inner.count == 0


async def test_model_is_renamed_for_its_server_and_nothing_else(serving: Hot, upstream: OpenAiServer) -> None:
    upstream.script.append(whole(answer_of("ok")))
    await raw(serving, b'{"model":"up/echo","messages":[{"role":"user","content":"up/echo"}]}')
    assert upstream.chats[-1].body == b'{"model":"echo","messages":[{"role":"user","content":"up/echo"}]}'


async def test_edge_is_the_same_in_front(serving: Hot, upstream: OpenAiServer) -> None:
    upstream.script.append(whole(answer_of("ok")))
    async with serving.client(**{"x-request-id": "from-the-client-1"}) as client:
        response = await client.post("/v1/chat/completions", json={"model": "echo", "messages": ASK})
    assert response.headers["x-request-id"] == "from-the-client-1"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["cache-control"] == "no-store"
    assert upstream.chats[-1].headers["x-request-id"] == "from-the-client-1"


async def test_connection_is_used_again(serving: Hot, upstream: OpenAiServer) -> None:
    upstream.script += [whole(answer_of("ok"))] * 3
    async with serving.client() as client:
        for _ in range(3):
            assert (
                await client.post("/v1/chat/completions", json={"model": "echo", "messages": ASK})
            ).status_code == 200
    assert len({each.connection for each in upstream.chats}) == 1


@pytest.mark.parametrize("header", ["authorization", "x-api-key", "api-key"])
async def test_key_in_any_of_its_headers(serving: Hot, upstream: OpenAiServer, header: str) -> None:
    upstream.script.append(whole(answer_of("ok")))
    async with serving.client(
        None, **{header: "Bearer sk-as-bob" if header == "authorization" else "sk-as-bob"}
    ) as client:
        assert (await client.post("/v1/chat/completions", json={"model": "echo", "messages": ASK})).status_code == 200
    assert serving.inner.count == 0
    assert (await serving.row()).user_id == "user-bob"


async def test_paced_words_come_one_by_one(serving: Hot) -> None:
    times: list[float] = []
    async with serving.client() as client:
        async with client.stream(
            "POST", "/v1/chat/completions", json={"model": "paced", "messages": ASK, "stream": True}
        ) as response:
            async for line in response.aiter_lines():
                if '"content": "w' in line:
                    times.append(time.monotonic())
    assert len(times) == 20
    assert times[-1] - times[0] > 0.08
    assert serving.inner.count == 0


# What is handed on


@pytest.mark.parametrize(
    ("key", "body", "status"),
    [
        (None, {"model": "echo"}, 401),
        ("sk-as-nobody", {"model": "echo"}, 401),
        ("sk-as-ada", {"model": "no-such-model"}, 404),
        ("sk-as-ada", {"model": "alcove/reader"}, 200),
        ("sk-as-ada", {"model": "default"}, 200),
        ("sk-as-ada", {"model": 5}, 400),
        ("sk-as-ada", {"model": "echo", "stream": "yes"}, 400),
        ("sk-as-ada", {"model": "echo", "messages": []}, 400),
        ("sk-as-ada", {"model": "echo", "messages": {}}, 400),
        ("sk-as-ada", {"model": "echo", "n": 2}, 400),
        ("sk-as-ada", {"model": "echo", "stream_options": {}}, 400),
        ("sk-as-ada", {"model": "echo", "stream": True, "stream_options": {"include_usage": 1}}, 400),
    ],
)  # fmt: skip
async def test_what_is_unusual_is_answered_by_the_application_behind(
    serving: Hot, key: str | None, body: dict[str, Any], status: int
) -> None:
    response = await ask(serving, key, **body)
    assert (response.status_code, serving.inner.count) == (status, 1)
    assert not serving.log.rows


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b'{"model":"echo","messages":[{"role":"user","content":"\xff"}]}', b'{"model":"echo","messages":[NaN]}',
     b'{"model":"\\ud800","messages":[1]}', b'{"model":"echo","messages":' + b"[" * 100_000, b'{"model":"echo","messages":[' + b'{"a":' * 100_000,
     b'{"model":"echo","messages":' + b"[" * 100_000 + b"]" * 100_000 + b"}"],
)  # fmt: skip
async def test_what_is_no_json_is_refused(serving: Hot, body: bytes) -> None:
    response = await raw(serving, body)
    assert (response.status_code, response.json()["error"]["code"], serving.inner.count) == (400, "invalid_request", 1)


async def test_filter_that_is_concerned_gets_the_request(upstream: OpenAiServer) -> None:
    heads: list[RequestHead] = []

    class Guard(BaseFilter):
        def concerns(self, head: RequestHead) -> bool:
            heads.append(head)
            return "tools" in head.fields

    with hot(settings_for(upstream), concerns=(Guard(),)) as serving:
        assert (await ask(serving, model="echo")).status_code == 200
        assert serving.inner.count == 0
        assert (await ask(serving, model="echo", tools=[])).status_code == 200
        assert serving.inner.count == 1
    assert (heads[0].model, heads[0].principal.user_id) == ("echo", "user-ada")


async def test_large_body_goes_through_and_a_larger_one_does_not(serving: Hot, upstream: OpenAiServer) -> None:
    upstream.script.append(whole(answer_of("ok")))
    text = "x" * (10 * 1024 * 1024 - 200)
    assert (await ask(serving, model="echo", messages=[{"role": "user", "content": text}])).status_code == 200
    assert len(upstream.chats[-1].body) > 10_000_000
    assert serving.inner.count == 0
    response = await ask(serving, model="echo", messages=[{"role": "user", "content": text + "x" * 500}])
    assert (response.status_code, response.json()["error"]["code"], serving.inner.count) == (413, "too_large", 1)


async def test_large_body_in_pieces_is_refused_at_the_byte_that_is_too_many(upstream: OpenAiServer) -> None:
    async def pieces() -> Any:
        yield b'{"model":"echo","messages":[{"role":"user","content":"'
        for _ in range(2):
            yield b"x" * 1000
        yield b'"}]}'

    with hot(settings_for(upstream, max_body_bytes=2000)) as serving:
        response = await raw(serving, pieces())  # type: ignore[arg-type]  # httpx takes it
    assert (response.status_code, response.json()["error"]["code"]) == (413, "too_large")
    assert not upstream.chats


async def test_call_that_is_not_admitted_is_not_made(upstream: OpenAiServer) -> None:
    for error, status in ((BudgetExceeded(retry_after_s=60), 429), (Forbidden(), 200)):
        with hot(settings_for(upstream), meter=RefusingMeter(error)) as serving:
            response = await ask(serving, model="echo")
            assert response.status_code == status
            assert serving.inner.count == (status == 200)  # a refusal of a right is said, and audited, behind
            if status == 429:
                assert response.json()["error"]["code"] == "budget_exceeded"
                assert response.headers["retry-after"] == "60"
                assert "x-trace-id" not in response.headers
                assert not upstream.chats


async def test_model_that_a_key_may_not_use_is_refused_by_the_layers_behind(
    serving: Hot, upstream: OpenAiServer
) -> None:
    response = await ask(serving, model="echo", key="sk-as-bound")
    assert (response.status_code, response.json()["error"]["code"]) == (403, "model_not_allowed")
    assert serving.inner.count == 1
    assert not upstream.chats


async def test_call_that_cannot_be_checked_is_not_made(upstream: OpenAiServer) -> None:
    with hot(settings_for(upstream), meter=RefusingMeter(RuntimeError("the limits' store is away"))) as serving:
        response = await ask(serving, model="echo")
    assert (response.status_code, response.json()["error"]["code"]) == (500, "internal_error")
    assert "store" not in response.text
    assert not upstream.chats


# What goes wrong at the model server

FAILING = [
    ("rate-limited", 429, "x_code", "slow down"),
    ("broken", 500, "x_code", "it broke"),
    ("html-error", 502, "upstream_error", "answered with status 502"),
    ("redirect", 502, "upstream_error", "set its base URL"),
    ("never", 504, "upstream_timeout", "did not answer in time"),
    ("endless-line", 502, "upstream_error", "without an end"),
]


@pytest.mark.parametrize(
    ("model", "status", "code", "words", "is_streaming"),
    [
        (*each, is_streaming)
        for each in FAILING
        for is_streaming in (True, False)
        if (each[0], is_streaming) != ("never", True)  # a comment keeps that one alive, so that it ends with an event
    ],
)
async def test_failure_before_the_first_word_is_a_status(
    serving: Hot, model: str, status: int, code: str, words: str, is_streaming: bool
) -> None:
    response = await ask(serving, model=model, stream=is_streaming)
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (status, code)
    assert words in error["message"]
    assert serving.inner.count == 0
    row = await serving.row()
    assert (row.status, row.output_tokens) == (status, 0)


async def test_retry_after_and_request_id_of_the_server_are_kept(serving: Hot) -> None:
    response = await ask(serving, model="rate-limited")
    assert (response.headers["retry-after"], response.headers["x-upstream-request-id"]) == ("7", "up-1")


async def test_our_key_is_never_echoed(serving: Hot) -> None:
    response = await ask(serving, model="bad-key")
    assert response.status_code == 401
    assert "upstream-secret" not in response.text


@pytest.mark.parametrize(
    ("model", "code", "words"),
    [
        ("cut", "stream_interrupted", "broke off"),
        ("no-finish", "stream_interrupted", "without saying why"),
        ("bad-json", "stream_interrupted", "not JSON"),
        ("error-event", "stream_interrupted", "out of memory"),
        ("stall", "stream_interrupted", "fell silent"),
        ("endless", "stream_interrupted", "larger than"),
    ],
)
async def test_failure_after_the_first_word_ends_the_stream_with_an_error_event(
    serving: Hot, model: str, code: str, words: str
) -> None:
    response = await ask(serving, model=model, stream=True)
    assert response.status_code == 200
    last = json.loads(response.text[response.text.rindex("data: ") + 6 :])
    assert set(last["error"]) == {"message", "type", "param", "code"}
    assert last["error"]["code"] == code
    assert words in last["error"]["message"]
    assert "[DONE]" not in response.text
    row = await serving.row()
    assert (row.error_code, row.is_estimated) == (code, True)
    assert row.output_tokens > 0


async def test_error_in_the_first_event_is_a_status(serving: Hot, upstream: OpenAiServer) -> None:
    upstream.script.append(
        stream(
            event(piece({"role": "assistant", "content": ""})), event({"error": {"message": "too long", "code": 400}})
        )
    )
    response = await ask(serving, model="echo", stream=True)
    assert (response.status_code, response.json()["error"]["message"]) == (400, "too long")


async def test_silent_stream_is_kept_alive_and_its_failure_is_an_event(serving: Hot, upstream: OpenAiServer) -> None:
    upstream.script.append([0.9, *whole({"error": {"message": "no"}}, 500)])
    response = await ask(serving, model="echo", stream=True)
    assert response.text.startswith(": keep-alive\n\n")
    assert json.loads(response.text[response.text.rindex("data: ") + 6 :])["error"]["message"] == "no"


async def test_server_that_refuses_stream_options_is_asked_without(upstream: OpenAiServer) -> None:
    with hot(settings_for(upstream)) as serving:
        for _ in range(2):
            assert "fine" in (await ask(serving, model="no-options", stream=True)).text
    assert ["stream_options" in each.json for each in upstream.chats] == [True, False, False]


async def test_server_that_does_not_stream_is_streamed_from(serving: Hot) -> None:
    response = await ask(serving, model="whole", stream=True)
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert '"content":"all at once"' in response.text
    assert response.content.endswith(DONE)


async def test_server_that_streams_unasked_is_gathered(serving: Hot) -> None:
    body = (await ask(serving, model="echo")).json()
    assert (body["choices"][0]["message"]["content"], body["usage"]["prompt_tokens"]) == ("say it ", 7)


HOSTILE = [
    pytest.param(b"event: error\n", event(piece({"content": "x"})), "x", id="event name"),
    pytest.param(b"id: 7\nretry: 1\n", event(piece({"content": "x"})), "x", id="id and retry"),
    pytest.param(b": comment\n\n", event(piece({"content": "x"})), "x", id="comment"),
    pytest.param(
        b"",
        b'data: {"choices":[{"delta":\rdata: {"content":"x"}}]}\n\n'.replace(b"\rdata: ", b"\r\ndata: "),
        "x",
        id="several lines",
    ),
    pytest.param(b"", b'data: {"choices":[{"delta":{"content":"\xff"}}]}\n\n', "\ufffd", id="invalid UTF-8"),
    pytest.param(b"", event(piece({"content": "a\u2028b\u0085c"})), "a\u2028b\u0085c", id="line ends to some"),
    pytest.param(b"", event(piece({"content": "x"})).replace(b"\n", b"\r\n"), "x", id="CR LF"),
    pytest.param(b"\xef\xbb\xbf", event(piece({"content": "x"})), "x", id="BOM"),
]


@pytest.mark.parametrize(("before", "first", "content"), HOSTILE)
async def test_nothing_of_a_server_becomes_an_event_of_ours(
    serving: Hot, upstream: OpenAiServer, before: bytes, first: bytes, content: str
) -> None:
    upstream.script.append(stream(before + first, event(piece({}, "stop")), DONE))
    response = await ask(serving, model="echo", stream=True)
    blocks = response.text.split("\n\n")
    assert blocks[-2:] == ["data: [DONE]", ""]
    assert json.loads(blocks[0].removeprefix("data: "))["choices"][0]["delta"]["content"] == content
    assert all(each.startswith("data: ") and len(each.splitlines()) == 1 for each in blocks[:-1])


@pytest.mark.parametrize(
    "usage",
    [{"prompt_tokens": -5, "completion_tokens": 1 << 80}, {"prompt_tokens": "7", "completion_tokens": True}, {"prompt_tokens": 1.5}],
)  # fmt: skip
async def test_nonsense_token_counts_are_zero(serving: Hot, upstream: OpenAiServer, usage: dict[str, Any]) -> None:
    upstream.script += [
        stream(event(piece({"content": "x"}, "stop")), event({"choices": [], "usage": usage}), DONE),
        whole({**answer_of("x"), "usage": usage}),
    ]
    response = await ask(serving, model="echo", stream=True, stream_options={"include_usage": True})
    last = json.loads(response.text.split("\n\n")[1].removeprefix("data: "))
    assert (last["usage"]["prompt_tokens"], last["usage"]["completion_tokens"]) == (0, 0)
    body = (await ask(serving, model="echo")).json()
    assert (body["usage"]["prompt_tokens"], body["usage"]["completion_tokens"]) == (0, 0)
    assert [(row.input_tokens, row.output_tokens) for row in serving.log.rows] == [(0, 0)] * 2


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ([head(200, "application/json", length=500) + b'{"choices":', Cut()], "broke off|no proper answer"),
        ([head(200, "application/json", length=5) + b'{"choices": []}'], "not JSON"),
        (whole({"choices": []}), "without saying why"),
        (whole({"hello": 1}), "without saying why"),
        (whole([1]), "not a chat answer"),
        ([head(200, "application/json", length=4) + b"\xff\xff\xff\xff"], "not JSON"),
        ([head(200, "application/json"), Forever(chunk(b"x" * 65536))], "larger than"),
    ],
)
async def test_whole_answer_that_is_none_is_said(serving: Hot, upstream: OpenAiServer, steps: Any, words: str) -> None:
    upstream.script.append(steps)
    response = await ask(serving, model="echo")
    assert response.status_code == 502
    assert any(word in response.json()["error"]["message"] for word in words.split("|")), response.text
    assert (await serving.row()).status == 502


# Clients that leave, and slow ones


async def _until_left(upstream: OpenAiServer) -> None:
    with anyio.fail_after(2):
        while not upstream.chats or upstream.chats[-1].left_at_s is None:
            await anyio.sleep(0.005)


@pytest.mark.parametrize("is_streaming", [True, False])
@pytest.mark.parametrize("model", ["stall", "never"])
async def test_client_that_leaves_ends_the_call_at_once(
    serving: Hot, upstream: OpenAiServer, model: str, is_streaming: bool
) -> None:
    connection = socket.create_connection(("127.0.0.1", int(serving.url.rsplit(":", 1)[1])))
    body = json.dumps({"model": model, "messages": ASK, "stream": is_streaming}).encode()
    connection.sendall(
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer sk-as-ada\r\n"
        b"content-length: %d\r\n\r\n%b" % (len(body), body)
    )
    with anyio.fail_after(2):
        while not upstream.chats:
            await anyio.sleep(0.005)
    await anyio.sleep(0.1)
    left_at = time.monotonic()
    connection.close()
    await _until_left(upstream)
    assert upstream.chats[-1].left_at_s is not None
    assert upstream.chats[-1].left_at_s - left_at < 0.1
    row = await serving.row()
    assert (row.status, row.error_code) == (499, "")
    with anyio.fail_after(1):
        while serving.face.under_way or serving.face.slots.taken:
            await anyio.sleep(0.005)


async def test_client_that_takes_nothing_is_given_up(upstream: OpenAiServer) -> None:
    with hot(settings_for(upstream, slow_client_s=0.5, keep_alive_s=5)) as serving:
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", int(serving.url.rsplit(":", 1)[1])))
        body = json.dumps({"model": "endless", "messages": ASK, "stream": True}).encode()
        connection.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer sk-as-ada\r\n"
            b"content-length: %d\r\n\r\n%b" % (len(body), body)
        )
        with anyio.fail_after(10):
            while not serving.log.rows:
                connection.recv(1)
                await anyio.sleep(0.1)
        assert serving.log.rows[-1].status == 499
        await _until_left(upstream)
        connection.close()


@pytest.fixture
def narrow(upstream: OpenAiServer) -> Iterator[Hot]:
    with hot(settings_for(upstream, max_streams_per_user=1)) as serving:
        yield serving


async def test_too_many_of_one_person_are_refused(narrow: Hot) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(lambda: ask(narrow, model="stall", stream=True))
        with anyio.fail_after(3):
            while not narrow.face.slots.taken:
                await anyio.sleep(0.005)
        response = await ask(narrow, model="echo")
        group.cancel_scope.cancel()
    assert (response.status_code, response.json()["error"]["code"], response.headers["retry-after"]) == (
        429,
        "rate_limited",
        "1",
    )


def _request(model: str) -> bytes:
    body = json.dumps({"model": model, "messages": ASK}).encode()
    return (
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer sk-as-ada\r\n"
        b"content-length: %d\r\n\r\n%b" % (len(body), body)
    )


def _read_answer(connection: socket.socket) -> bytes:
    data = b""
    while not data.endswith(b"}"):
        data += connection.recv(65536)
    return data


def test_connection_without_a_request_is_closed_after_a_while(serving: Hot) -> None:
    connection = socket.create_connection(("127.0.0.1", int(serving.url.rsplit(":", 1)[1])), timeout=5)
    for _ in range(2):
        connection.sendall(_request("whole"))
        assert _read_answer(connection).startswith(b"HTTP/1.1 200 OK\r\n")
        time.sleep(0.3)
    started = time.monotonic()
    assert connection.recv(1) == b""
    assert 0.4 < time.monotonic() - started < 3
    connection.close()


def test_requests_sent_at_once_are_answered_in_turn(serving: Hot) -> None:
    connection = socket.create_connection(("127.0.0.1", int(serving.url.rsplit(":", 1)[1])), timeout=5)
    connection.sendall(_request("whole") * 3)
    data = b""
    while data.count(b"all at once") < 3:
        data += connection.recv(65536)
    assert data.count(b"HTTP/1.1 200 OK\r\n") == 3
    connection.close()


async def test_server_that_is_stopped_ends_its_streams_with_a_word(serving: Hot, upstream: OpenAiServer) -> None:
    responses: list[httpx2.Response] = []

    async def follow() -> None:
        responses.append(await ask(serving, model="stall", stream=True))

    async with anyio.create_task_group() as group:
        group.start_soon(follow)
        with anyio.fail_after(3):
            while not upstream.chats or not serving.face.under_way:
                await anyio.sleep(0.005)
        await anyio.sleep(0.1)
        (answer,) = serving.face.under_way
        assert answer._task is not None
        answer._task.get_loop().call_soon_threadsafe(answer.stop)
    last = json.loads(responses[0].text[responses[0].text.rindex("data: ") + 6 :])
    assert (last["error"]["code"], (await serving.row()).status) == ("unavailable", 503)
    await _until_left(upstream)


# Traces and counters


async def _trace(serving: Hot) -> Any:
    with anyio.fail_after(3):
        while not serving.sink.traces:
            await anyio.sleep(0.005)
    return serving.sink.traces[-1]


@pytest.mark.parametrize("is_streaming", [True, False])
async def test_trace_is_that_of_a_turn(serving: Hot, is_streaming: bool) -> None:
    response = await ask(serving, model="echo", stream=is_streaming, metadata={"session_id": "s1"})
    trace = await _trace(serving)
    assert trace.id == response.headers["x-trace-id"] == (await serving.row()).trace_id
    assert (trace.owner_id, trace.model, trace.output, trace.session_id) == ("user-ada", "echo", "say it ", "s1")
    assert trace.input == [{"role": "user", "content": "say it"}]
    assert trace.metadata == {"request_id": response.headers["x-request-id"], "key_id": "key-ada"}
    generation = trace.observations[0]
    assert (generation.usage.total_tokens, generation.metadata["finish_reason"], generation.metadata["deployment"]) == (
        10,
        "stop",
        "up",
    )
    assert trace.started_at <= generation.first_token_at <= trace.ended_at


async def test_traces_are_rationed_but_for_errors(upstream: OpenAiServer) -> None:
    with hot(settings_for(upstream), traces_per_s=0) as serving:
        assert "x-trace-id" not in (await ask(serving, model="echo")).headers
        assert (await ask(serving, model="broken")).status_code == 500
        trace = await _trace(serving)
        assert (trace.level, trace.status_message) == ("error", "it broke")
        assert [row.trace_id for row in serving.log.rows] == ["", ""]


async def test_calls_are_counted(serving: Hot) -> None:
    def counted(name: str, **labels: str) -> float:
        return serving.face.metrics.registry.get_sample_value(name, labels) or 0.0

    path = {"route": "/v1/chat/completions", "method": "POST"}
    before = (
        counted("alcove_http_requests_total", status="200", **path),
        counted("alcove_turns_total", model="echo", outcome="ok"),
    )
    await ask(serving, model="echo", stream=True)
    assert counted("alcove_http_requests_total", status="200", **path) == before[0] + 1
    assert counted("alcove_turns_total", model="echo", outcome="ok") == before[1] + 1
    assert counted("alcove_turn_duration_seconds_count", model="echo") >= 1


def test_settings_bound_the_rate_of_traces() -> None:
    assert GatewaySettings().traces_per_s == 0.5
    assert END
