"""`POST /v1/chat/completions` over the wire: what exactly goes out, and what happens when things go wrong."""

import json
import socket
import time
from collections.abc import AsyncIterator
from typing import Any

import anyio
import httpx2
import pytest

from tests.gateway.conftest import Served, served, settings_for
from tests.wire.openai_server import OpenAiServer, Step, event, piece, stream, whole

ASK = [{"role": "user", "content": "say it"}]


async def ask(serving: Served, key: str = "sk-as-ada", **body: Any) -> httpx2.Response:
    async with serving.client(key) as client:
        return await client.post("/v1/chat/completions", json={"messages": ASK, **body})


def events_of(response: httpx2.Response) -> list[Any]:
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    blocks = response.text.split("\n\n")
    assert blocks.pop() == ""
    return [
        each if each == "data: [DONE]" else json.loads(each.removeprefix("data: ")) for each in blocks if each[0] != ":"
    ]


async def test_stream_as_it_goes_out(serving: Served) -> None:
    response = await ask(serving, model="echo", stream=True, stream_options={"include_usage": True})
    chunks = events_of(response)
    assert chunks.pop() == "data: [DONE]"
    trace_id = response.headers["x-trace-id"]
    assert all(chunk["id"] == f"chatcmpl-{trace_id}" and chunk["object"] == "chat.completion.chunk" for chunk in chunks)
    assert [(chunk["choices"], chunk["usage"]) for chunk in chunks[:-1]] == [
        ([{"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}], None)
        for delta, reason in [
            ({"role": "assistant", "content": "", "refusal": None}, None),
            ({"content": "say "}, None),
            ({"content": "it "}, None),
            ({}, "stop"),
        ]
    ]
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"] == {
        "prompt_tokens": 7,
        "completion_tokens": 3,
        "total_tokens": 10,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }
    assert not any("sources" in chunk or "trace_id" in chunk for chunk in chunks)


async def test_every_answer_has_a_trace(serving: Served) -> None:
    response = await ask(serving, model="echo")
    trace = serving.gateway.sink.traces[-1]
    assert trace.id == response.headers["x-trace-id"]
    assert (trace.owner_id, trace.model, trace.output) == ("user-ada", "echo", "say it ")
    assert trace.metadata == {"request_id": "request-1", "key_id": "key-ada"}
    generation = trace.observations[-1]
    assert generation.usage is not None
    assert (generation.usage.total_tokens, generation.cost_usd) == (10, None)


async def test_first_words_go_out_at_once(serving: Served, upstream: OpenAiServer) -> None:
    upstream.script.append(
        [*stream(event(piece({"content": "first"})))[:-1], 0.5, *stream(event(piece({}, "stop")))[1:]]
    )
    async with (
        serving.client() as client,
        client.stream(
            "POST", "/v1/chat/completions", json={"model": "echo", "messages": ASK, "stream": True}
        ) as response,
    ):
        started = time.monotonic()
        async for line in response.aiter_lines():
            if "first" in line:
                assert time.monotonic() - started < 0.2
                return


async def test_paced_words_come_one_by_one(serving: Served) -> None:
    times: list[float] = []
    async with (
        serving.client() as client,
        client.stream(
            "POST", "/v1/chat/completions", json={"model": "paced", "messages": ASK, "stream": True}
        ) as response,
    ):
        async for line in response.aiter_lines():
            if '"content":"w' in line:
                times.append(time.monotonic())
    assert len(times) == 20
    assert times[-1] - times[0] > 0.08


async def test_sources_go_with_the_last_chunk(serving: Served) -> None:
    chunks = events_of(await ask(serving, model="alcove/reader", stream=True, collections=["tea"]))
    last = chunks[-2]
    assert last["choices"][0]["finish_reason"] == "stop"
    assert [(each["number"], each["document"]) for each in last["sources"]] == [(1, "boil.txt")]
    assert last["citations"] == [{"number": 1, "quote": "Water boils at 100 °C.", "start": None, "end": None}]
    assert f"chatcmpl-{last['trace_id']}" == last["id"]
    assert not any("sources" in chunk for chunk in chunks[:-2])


async def test_sources_go_with_the_whole_answer(serving: Served) -> None:
    response = await ask(serving, model="alcove/reader", collections=["tea"])
    body = response.json()
    assert body["sources"][0]["text"] == "Water boils at 100 °C."
    assert body["citations"][0]["number"] == 1
    assert body["trace_id"] == response.headers["x-trace-id"]


async def test_collections_stay_here_and_sources_go_into_the_prompt(serving: Served, upstream: OpenAiServer) -> None:
    await ask(serving, model="echo", collections=["tea"])
    sent = upstream.chats[-1].json
    assert "collections" not in sent
    assert "Water boils at 100 °C." in sent["messages"][0]["content"]


async def test_unknown_fields_go_to_the_model_server(serving: Served, upstream: OpenAiServer) -> None:
    parts = [
        {"type": "text", "text": "look", "cache_control": {"type": "ephemeral"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}},
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
    ]
    messages = [{"role": "user", "content": parts, "name": "ada", "vendor": {"x": [1, None]}}]
    more = {
        "temperature": 0.5,
        "seed": 7,
        "n": 1,
        "response_format": {"type": "json_object"},
        "vendor_field": {"deep": [1.5]},
    }
    await ask(serving, model="echo", **{"messages": messages, **more})
    sent = upstream.chats[-1].json
    assert sent["messages"] == messages
    assert {key: sent[key] for key in more} == more


async def test_logprobs_and_unknown_choice_fields_come_back(serving: Served) -> None:
    choice = (await ask(serving, model="logprobs")).json()["choices"][0]
    assert choice["logprobs"] == {"content": [{"token": "a", "logprob": -0.1}, {"token": "b", "logprob": -0.2}]}
    assert choice["vendor_field"] == 1
    chunks = events_of(await ask(serving, model="logprobs", stream=True))
    assert chunks[1]["choices"][0]["logprobs"] == {"content": [{"token": "a", "logprob": -0.1}]}


async def test_reasoning_comes_back(serving: Served) -> None:
    message = (await ask(serving, model="reasoner")).json()["choices"][0]["message"]
    assert (message["reasoning_content"], message["content"]) == ("let me think", "42")


async def test_server_that_does_not_stream(serving: Served) -> None:
    chunks = events_of(await ask(serving, model="whole", stream=True))
    assert chunks[1]["choices"][0]["delta"]["content"] == "all at once"


async def test_server_without_a_mark_of_the_end(serving: Served) -> None:
    assert (await ask(serving, model="no-done")).json()["choices"][0]["message"]["content"] == "ok"


async def test_server_that_refuses_stream_options_is_asked_without(upstream: OpenAiServer) -> None:
    with served(settings_for(upstream)) as serving:
        for _ in range(2):
            assert (await ask(serving, model="no-options")).json()["choices"][0]["message"]["content"] == "fine"
    assert ["stream_options" in each.json for each in upstream.chats] == [True, False, False]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "model"),
        ({"model": ""}, "model"),
        ({"model": 5}, "model"),
        ({"model": "m" * 201}, "model"),
        ({"model": "echo", "messages": None}, "messages"),
        ({"model": "echo", "messages": []}, "messages"),
        ({"model": "echo", "messages": ["hi"]}, "messages.0"),
        ({"model": "echo", "messages": [*ASK, {"role": "wizard", "content": "x"}]}, "messages.1.role"),
        ({"model": "echo", "messages": [{"role": ["user"], "content": "x"}]}, "messages.0.role"),
        ({"model": "echo", "messages": [{"role": "user", "content": 5}]}, "messages.0.content"),
        ({"model": "echo", "messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages.0.content.0.text"),
        ({"model": "echo", "messages": [{"role": "user", "content": [{"type": 1}]}]}, "messages.0.content.0.type"),
        (
            {"model": "echo", "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}]},
            "messages.0.content.0.image_url.url",
        ),
        (
            {"model": "echo", "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}]}]},
            "messages.0.content.0.image_url.url",
        ),
        ({"model": "echo", "messages": [{"role": "user", "content": "x", "name": 1}]}, "messages.0.name"),
        ({"model": "echo", "messages": [{"role": "assistant", "tool_calls": {}}]}, "messages.0.tool_calls"),
        (
            {"model": "echo", "messages": [{"role": "assistant", "tool_calls": [{"id": "a", "function": {}}]}]},
            "messages.0.tool_calls.0.function.name",
        ),
        ({"model": "echo", "stream": "yes"}, "stream"),
        ({"model": "echo", "n": 2}, "n"),
        ({"model": "echo", "stream_options": {}}, "stream_options"),
        ({"model": "echo", "stream": True, "stream_options": []}, "stream_options"),
        ({"model": "echo", "stream": True, "stream_options": {"include_usage": 1}}, "stream_options.include_usage"),
        ({"model": "echo", "collections": "tea"}, "collections"),
        ({"model": "echo", "collections": [""]}, "collections.0"),
        ({"model": "alcove/minilm"}, "model"),
    ],
)  # fmt: skip
async def test_bad_request_names_the_field(serving: Served, body: dict[str, Any], field: str) -> None:
    response = await ask(serving, **body)
    error = response.json()["error"]
    assert (response.status_code, error["type"], error["param"]) == (400, "invalid_request_error", field)
    assert error["message"].startswith(f"{field}: ")


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"5", b'"x"', b'{"model":"echo","messages":[{"role":"user","content":"\xff"}]}', b'{"model":NaN}',
     b'{"model":"\\ud800"}', b"[" * 100_000, b'{"a":' * 100_000],
)  # fmt: skip
async def test_body_that_is_no_json_object(serving: Served, body: bytes) -> None:
    async with serving.client() as client:
        response = await client.post("/v1/chat/completions", content=body)
    assert (response.status_code, response.json()["error"]["code"]) == (400, "invalid_request")


async def test_body_that_is_too_large(upstream: OpenAiServer) -> None:
    with served(settings_for(upstream, max_body_bytes=2000)) as serving:
        response = await ask(serving, model="echo", messages=[{"role": "user", "content": "x" * 3000}])
    assert (response.status_code, response.json()["error"]["code"]) == (413, "too_large")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"authorization": "Bearer ' OR 1=1--"}, 401),
        ({"authorization": "Bearer " + "a" * 10_000}, 401),
        ({"authorization": "Bearer limited"}, 403),
    ],
)
@pytest.mark.parametrize("path", ["chat/completions", "embeddings", "models"])
async def test_nobody_gets_in_without_a_key(
    serving: Served, upstream: OpenAiServer, headers: dict[str, str], status: int, path: str
) -> None:
    async with httpx2.AsyncClient(base_url=serving.url, trust_env=False) as client:
        if path == "models":
            response = await client.get("/v1/models", headers=headers)
        else:
            body = {"model": "echo", "messages": ASK, "input": "x"}
            response = await client.post(f"/v1/{path}?api_key=sk-as-ada", headers=headers, json=body)
    assert response.status_code == status
    assert response.json()["error"]["type"] in {"authentication_error", "permission_error"}
    assert not upstream.chats


@pytest.mark.parametrize(
    ("model", "status", "code", "words"),
    [
        ("rate-limited", 429, "x_code", "slow down"),
        ("broken", 500, "x_code", "it broke"),
        ("html-error", 502, "upstream_error", "answered with status 502"),
        ("redirect", 502, "upstream_error", "set its base URL"),
        ("never", 504, "upstream_timeout", "did not answer in time"),
        ("endless-line", 502, "upstream_error", "without an end"),
        ("no-finish", 502, "stream_interrupted", "without saying why"),
        ("bad-json", 502, "stream_interrupted", "not JSON"),
        ("error-event", 502, "stream_interrupted", "out of memory"),
        ("endless", 502, "stream_interrupted", "larger than"),
    ],
)
async def test_failing_model_server_before_the_first_byte(
    serving: Served, model: str, status: int, code: str, words: str
) -> None:
    response = await ask(serving, model=model)
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (status, code)
    assert words in error["message"]
    assert response.headers["x-trace-id"] == serving.gateway.sink.traces[-1].id


async def test_our_key_is_never_echoed(serving: Served) -> None:
    response = await ask(serving, model="bad-key")
    assert response.status_code == 401
    assert "upstream-secret" not in response.text
    assert "sk-upstream" not in str(serving.gateway.sink.traces[-1])
    assert response.headers["x-upstream-request-id"] == "up-1"


@pytest.mark.parametrize(
    ("model", "words"),
    [("cut", "broke off"), ("no-finish", "without saying why"), ("bad-json", "not JSON"), ("error-event", "out of memory"), ("stall", "fell silent")],
)  # fmt: skip
async def test_failing_in_mid_stream_ends_with_an_error_event(serving: Served, model: str, words: str) -> None:
    response = await ask(serving, model=model, stream=True)
    assert response.status_code == 200
    last = events_of(response)[-1]
    assert words in last["error"]["message"]
    assert set(last["error"]) == {"message", "type", "param", "code"}


async def test_error_event_in_the_first_event_is_a_status(serving: Served, upstream: OpenAiServer) -> None:
    upstream.script.append(stream(event({"error": {"message": "too long", "code": 400}})))
    response = await ask(serving, model="echo", stream=True)
    assert (response.status_code, response.json()["error"]["message"]) == (400, "too long")


async def test_silent_stream_is_kept_alive_with_comments(serving: Served, upstream: OpenAiServer) -> None:
    upstream.script.append([0.8, *stream(event(piece({"content": "late"})), event(piece({}, "stop")))])
    response = await ask(serving, model="echo", stream=True)
    assert response.text.startswith(": keep-alive\n\n: keep-alive\n\ndata: ")
    assert events_of(response)[1]["choices"][0]["delta"]["content"] == "late"


async def test_failure_after_a_comment_is_an_error_event(serving: Served, upstream: OpenAiServer) -> None:
    upstream.script.append([0.5, *whole({"error": {"message": "no"}}, 500)])
    response = await ask(serving, model="echo", stream=True)
    assert response.status_code == 200
    assert events_of(response) == [
        {"error": {"message": "no", "type": "upstream_error", "param": None, "code": "upstream_error"}}
    ]


@pytest.mark.parametrize(
    ("chunk", "expected"),
    [
        (piece({"content": "a\u2028b\u0085c\r\nd"}), "a\u2028b\u0085c\r\nd"),
        (piece({"content": "event: x\n\ndata: [DONE]\n\n"}), "event: x\n\ndata: [DONE]\n\n"),
        (piece({"content": "\U0001f600" * 3}), "\U0001f600" * 3),
        (piece({"content": [{"type": "text", "text": "part"}]}), "part"),
    ],
)  # fmt: skip
async def test_text_stays_text(serving: Served, upstream: OpenAiServer, chunk: Any, expected: str) -> None:
    """No text of a model can make an event of its own."""
    upstream.script += [stream(event(chunk), event(piece({}, "stop")))] * 2
    response = await ask(serving, model="echo", stream=True)
    chunks = events_of(response)
    assert len(chunks) == 4
    assert chunks[1]["choices"][0]["delta"]["content"] == expected
    assert len(response.text.splitlines()) == 8
    assert (await ask(serving, model="echo")).json()["choices"][0]["message"]["content"] == expected


@pytest.mark.parametrize(
    "usage",
    [{"prompt_tokens": -5, "completion_tokens": 1 << 80}, {"prompt_tokens": "7", "completion_tokens": True}, {}, {"prompt_tokens": 1.5}],
)  # fmt: skip
async def test_nonsense_token_counts_are_zero(serving: Served, upstream: OpenAiServer, usage: dict[str, Any]) -> None:
    upstream.script.append(stream(event(piece({}, "stop")), event({"choices": [], "usage": usage})))
    body = (await ask(serving, model="echo")).json()
    assert (body["usage"]["prompt_tokens"], body["usage"]["completion_tokens"]) == (0, 0)


async def test_tool_calls_that_all_have_the_same_number(serving: Served, upstream: OpenAiServer) -> None:
    calls = [{"index": 0, "id": f"c{index}", "function": {"name": "f", "arguments": "{}"}} for index in range(3)]
    upstream.script.append(
        stream(*(event(piece({"tool_calls": [call]})) for call in calls), event(piece({}, "tool_calls")))
    )
    message = (await ask(serving, model="echo")).json()["choices"][0]["message"]
    assert [call["id"] for call in message["tool_calls"]] == ["c0", "c1", "c2"]
    assert message["content"] is None


async def test_tool_call_with_an_enormous_number(serving: Served, upstream: OpenAiServer) -> None:
    call = {"index": 10**12, "id": "c", "function": {"name": "f", "arguments": "{}"}}
    upstream.script.append(stream(event(piece({"tool_calls": [call]})), event(piece({}, "tool_calls"))))
    message = (await ask(serving, model="echo")).json()["choices"][0]["message"]
    assert [each["id"] for each in message["tool_calls"]] == ["c"]


@pytest.fixture
async def busy(upstream: OpenAiServer) -> AsyncIterator[Served]:
    with served(settings_for(upstream, max_streams=3, max_streams_per_user=2)) as serving:
        async with anyio.create_task_group() as group:
            for key in ("sk-as-ada", "sk-as-ada", "sk-as-bob"):
                group.start_soon(_hold, serving, key)
            with anyio.fail_after(3):
                while serving.gateway.face.slots.taken < 3:
                    await anyio.sleep(0.005)
            yield serving
            group.cancel_scope.cancel()


async def _hold(serving: Served, key: str) -> None:
    await ask(serving, key, model="stall", stream=True)


async def test_embeddings_share_the_slots(busy: Served) -> None:
    for key, status in (("sk-as-ada", 429), ("sk-as-bob", 503)):
        async with busy.client(key) as client:
            response = await client.post("/v1/embeddings", json={"model": "alcove/minilm", "input": "x"})
        assert response.status_code == status
        assert response.headers["retry-after"] == "1"


async def test_too_many_streams_of_one_person(busy: Served) -> None:
    response = await ask(busy, "sk-as-ada", model="echo")
    assert (response.status_code, response.json()["error"]["code"]) == (429, "rate_limited")
    assert response.headers["retry-after"] == "1"


async def test_too_many_streams_of_all(busy: Served) -> None:
    response = await ask(busy, "sk-as-bob", model="echo")
    assert (response.status_code, response.json()["error"]["code"]) == (503, "overloaded")
    assert response.headers["retry-after"] == "1"


async def test_client_of_a_whole_answer_that_leaves_ends_the_call(serving: Served, upstream: OpenAiServer) -> None:
    with anyio.move_on_after(0.3):
        await ask(serving, model="stall")
    with anyio.fail_after(1):
        while upstream.chats[-1].left_at_s is None:
            await anyio.sleep(0.005)


async def test_client_that_reads_nothing_is_given_up(upstream: OpenAiServer) -> None:
    big: list[Step] = stream(*(event(piece({"content": "x" * 100_000})) for _ in range(300)))
    upstream.script.append(big)
    with served(settings_for(upstream, slow_client_s=0.3)) as serving, socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", int(serving.url.rsplit(":", 1)[1])))
        body = json.dumps({"model": "echo", "messages": ASK, "stream": True}).encode()
        client.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer sk-as-ada\r\n"
            + f"content-length: {len(body)}\r\n\r\n".encode()
            + body
        )
        with anyio.fail_after(3):
            while not upstream.chats or upstream.chats[-1].left_at_s is None:
                await anyio.sleep(0.01)


async def test_wrong_method(serving: Served) -> None:
    async with serving.client() as client:
        response = await client.get("/v1/chat/completions")
    assert response.status_code == 405


async def test_route_is_documented(serving: Served) -> None:
    async with serving.client() as client:
        paths = (await client.get("/openapi.json")).json()["paths"]
    assert paths["/v1/chat/completions"]["post"]["requestBody"]
    assert set(paths["/v1/chat/completions"]["post"]["responses"]) >= {"200", "400", "401", "429", "503"}
