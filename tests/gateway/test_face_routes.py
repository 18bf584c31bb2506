"""`/v1/messages`, `/v1/responses` and `/v1/completions` over the wire: who may ask, what is refused, what happens when things go wrong."""

import json
from typing import Any

import anyio
import httpx2
import pytest

from tests.gateway.conftest import Served, served, settings_for
from tests.wire.anthropic_server import AnthropicServer
from tests.wire.openai_server import OpenAiServer, event, piece, stream, whole

ASK = [{"role": "user", "content": "say it"}]
GOOD: dict[str, dict[str, Any]] = {
    "messages": {"model": "echo", "max_tokens": 9, "messages": ASK},
    "messages/count_tokens": {"model": "echo", "messages": ASK},
    "responses": {"model": "echo", "input": "say it"},
    "completions": {"model": "echo", "prompt": "say it"},
}
STREAMED = [path for path in GOOD if path != "messages/count_tokens"]


async def ask(serving: Served, path: str, key: str = "sk-as-ada", **body: Any) -> httpx2.Response:
    async with serving.client(key) as client:
        return await client.post(f"/v1/{path}", json={**GOOD[path], **body})


def refused(response: httpx2.Response, path: str) -> tuple[str, str]:
    """Gives type and message of an error, after a look at its form."""
    body = response.json()
    if path.startswith("messages"):
        assert set(body) == {"type", "error", "request_id"}
        assert body["type"] == "error"
        assert set(body["error"]) == {"type", "message"}
        assert response.headers["request-id"] == body["request_id"] == "request-1"
    else:
        assert set(body["error"]) == {"message", "type", "param", "code"}
    return body["error"]["type"], body["error"]["message"]


def events_of(response: httpx2.Response) -> list[tuple[str, Any]]:
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    blocks = response.text.split("\n\n")
    assert blocks.pop() == ""
    found: list[tuple[str, Any]] = []
    for block in blocks:
        fields = dict(line.split(": ", 1) for line in block.split("\n") if line[0] != ":")
        if fields:
            data = fields["data"]
            found.append((fields.get("event", ""), data if data == "[DONE]" else json.loads(data)))
    return found


@pytest.mark.parametrize("path", GOOD)
@pytest.mark.parametrize(
    ("headers", "status", "kind"),
    [
        ({}, 401, "authentication_error"),
        ({"authorization": "Bearer ' OR 1=1--"}, 401, "authentication_error"),
        ({"x-api-key": "a" * 10_000}, 401, "authentication_error"),
        ({"x-api-key": "limited"}, 403, "permission_error"),
    ],
)
async def test_nobody_gets_in_without_a_key(
    serving: Served, upstream: OpenAiServer, path: str, headers: dict[str, str], status: int, kind: str
) -> None:
    async with httpx2.AsyncClient(base_url=serving.url, trust_env=False) as client:
        response = await client.post(f"/v1/{path}?api_key=sk-as-ada", headers=headers, json=GOOD[path])
    assert response.status_code == status
    assert refused(response, path)[0] == kind
    assert not upstream.chats


@pytest.mark.parametrize("path", GOOD)
async def test_models_that_cannot_answer(serving: Served, path: str) -> None:
    missing = await ask(serving, path, model="nothing-like-it")
    assert missing.status_code == 404
    kind, message = refused(missing, path)
    assert kind == ("not_found_error" if path.startswith("messages") else "invalid_request_error")
    assert message.startswith("There is no model 'nothing-like-it' here")
    embedding = await ask(serving, path, model="alcove/minilm")
    assert embedding.status_code == 400
    assert "embedding model" in refused(embedding, path)[1]


@pytest.mark.parametrize("path", GOOD)
@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"5", b'"x"', b'{"model":"\xff"}', b'{"model":NaN}', b'{"model":"\\ud800"}', b"[" * 100_000, b'{"a":' * 100_000],
)  # fmt: skip
async def test_body_that_is_no_json_object(serving: Served, path: str, body: bytes) -> None:
    async with serving.client() as client:
        response = await client.post(f"/v1/{path}", content=body)
    assert response.status_code == 400
    assert refused(response, path)[0] == "invalid_request_error"


@pytest.mark.parametrize("path", GOOD)
async def test_body_that_is_too_large(upstream: OpenAiServer, path: str) -> None:
    with served(settings_for(upstream, max_body_bytes=2000)) as serving:
        response = await ask(serving, path, filler="x" * 3000)
    assert response.status_code == 413
    assert refused(response, path)[0] == (
        "request_too_large" if path.startswith("messages") else "invalid_request_error"
    )


def user(*blocks: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(blocks)}]}


def assistant(*blocks: Any) -> dict[str, Any]:
    return {"messages": [*ASK, {"role": "assistant", "content": list(blocks)}]}


BAD_MESSAGES: list[tuple[dict[str, Any], str]] = [
    ({"model": ""}, "model"),
    ({"model": 5}, "model"),
    ({"max_tokens": None}, "max_tokens"),
    ({"max_tokens": "9"}, "max_tokens"),
    ({"max_tokens": -1}, "max_tokens"),
    ({"max_tokens": True}, "max_tokens"),
    ({"messages": []}, "messages"),
    ({"messages": {}}, "messages"),
    ({"messages": ["x"]}, "messages.0"),
    ({"messages": [{"role": "wizard", "content": "x"}]}, "messages.0.role"),
    ({"messages": [{"role": ["user"], "content": "x"}]}, "messages.0.role"),
    ({"messages": [{"role": "user", "content": 5}]}, "messages.0.content"),
    ({"messages": [{"role": "user", "content": ""}]}, "messages"),
    (user("x"), "messages.0.content.0"),
    (user({}), "messages.0.content.0.type"),
    (user({"type": "text"}), "messages.0.content.0.text"),
    (user({"type": "image"}), "messages.0.content.0.source"),
    (user({"type": "image", "source": {"type": "base64", "data": "x"}}), "messages.0.content.0.source.media_type"),
    (
        user({"type": "image", "source": {"type": "url", "url": "file:///etc/passwd"}}),
        "messages.0.content.0.source.url",
    ),
    (user({"type": "tool_result"}), "messages.0.content.0.tool_use_id"),
    (user({"type": "tool_result", "tool_use_id": "a", "content": 5}), "messages.0.content.0.content"),
    (user({"type": "mystery"}), "messages"),
    (assistant({"type": "tool_use", "id": "a", "name": "f"}), "messages.1.content.0.input"),
    (assistant({"type": "tool_use", "id": "a", "input": {}}), "messages.1.content.0.name"),
    (assistant({"type": "thinking"}), "messages.1.content.0.thinking"),
    ({"system": 5}, "system"),
    ({"system": [{"type": "image", "source": {"type": "url", "url": "https://e.org/i"}}]}, "system"),
    ({"stream": "yes"}, "stream"),
    ({"n": 2}, "n"),
    ({"temperature": "hot"}, "temperature"),
    ({"stop_sequences": "END"}, "stop_sequences"),
    ({"stop_sequences": [5]}, "stop_sequences"),
    ({"tools": {}}, "tools"),
    ({"tools": [5]}, "tools.0"),
    ({"tools": [{"name": "f"}]}, "tools.0.input_schema"),
    ({"tools": [{"input_schema": {}}]}, "tools.0.name"),
    ({"tool_choice": "auto"}, "tool_choice"),
    ({"tool_choice": {"type": "maybe"}}, "tool_choice.type"),
    ({"tool_choice": {"type": "tool"}}, "tool_choice.name"),
    ({"thinking": {}}, "thinking.type"),
    ({"thinking": {"type": "enabled", "budget_tokens": "x"}}, "thinking.budget_tokens"),
    ({"output_config": []}, "output_config"),
    ({"output_config": {"effort": "huge"}}, "output_config.effort"),
    ({"output_config": {"format": {"type": "xml"}}}, "output_config.format.type"),
    ({"output_config": {"format": {"type": "json_schema"}}}, "output_config.format.schema"),
    ({"collections": "tea"}, "collections"),
    ({"collections": [""]}, "collections.0"),
]


@pytest.mark.parametrize(("body", "field"), BAD_MESSAGES)
async def test_bad_message_request_names_the_field(
    serving: Served, upstream: OpenAiServer, body: dict[str, Any], field: str
) -> None:
    response = await ask(serving, "messages", **body)
    kind, message = refused(response, "messages")
    assert (response.status_code, kind) == (400, "invalid_request_error")
    assert message.startswith(f"{field}: ")
    assert not upstream.chats


@pytest.mark.parametrize("beta", ["a b", "x,é", "x" * 200, ",".join("abcdefghij" * 6)])
async def test_beta_features_with_odd_names(serving: Served, beta: str) -> None:
    async with serving.client() as client:
        response = await client.post(
            "/v1/messages", json=GOOD["messages"], headers={"anthropic-beta": beta.encode("latin-1")}
        )
    assert refused(response, "messages")[1].startswith("anthropic-beta: ")


BAD_RESPONSES: list[tuple[dict[str, Any], str]] = [
    ({"model": None}, "model"),
    ({"input": None}, "input"),
    ({"input": []}, "input"),
    ({"input": 5}, "input"),
    ({"input": ["x"]}, "input.0"),
    ({"input": [{"role": "wizard", "content": "x"}]}, "input.0.role"),
    ({"input": [{"role": "user", "content": 5}]}, "input.0.content"),
    ({"input": [{"role": "user", "content": [{"type": "input_text"}]}]}, "input.0.content.0.text"),
    ({"input": [{"role": "user", "content": [{"type": "mystery"}]}]}, "input.0.content.0.type"),
    (
        {"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]},
        "input.0.content.0.image_url",
    ),
    (
        {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "file:///x"}]}]},
        "input.0.content.0.image_url",
    ),
    (
        {"input": [{"role": "user", "content": [{"type": "input_file", "file_url": "https://e.org"}]}]},
        "input.0.content.0.file_data",
    ),
    ({"input": [{"type": "item_reference", "id": "x"}]}, "input.0"),
    ({"input": [{"type": "computer_call"}]}, "input.0.type"),
    ({"input": [{"type": "function_call", "name": "f", "arguments": "{}"}]}, "input.0.call_id"),
    ({"input": [{"type": "function_call", "name": "f", "arguments": {}, "call_id": "c"}]}, "input.0.arguments"),
    ({"input": [{"type": "function_call_output", "output": "x"}]}, "input.0.call_id"),
    ({"input": [{"type": "reasoning", "summary": "x"}]}, "input.0.summary"),
    ({"previous_response_id": "resp_1"}, "previous_response_id"),
    ({"conversation": "c"}, "conversation"),
    ({"prompt": {"id": "p"}}, "prompt"),
    ({"background": True}, "background"),
    ({"n": 2}, "n"),
    ({"stream": 1}, "stream"),
    ({"instructions": 5}, "instructions"),
    ({"tools": [{"type": "web_search"}]}, "tools.0.type"),
    ({"tools": [{"type": "function"}]}, "tools.0.name"),
    ({"tool_choice": "perhaps"}, "tool_choice"),
    ({"tool_choice": {"type": "function"}}, "tool_choice.name"),
    ({"text": "json"}, "text"),
    ({"text": {"format": {"type": "xml"}}}, "text.format.type"),
    ({"text": {"format": {"type": "json_schema", "name": "x"}}}, "text.format.schema"),
    ({"max_output_tokens": 0}, "max_output_tokens"),
    ({"reasoning": "high"}, "reasoning"),
    ({"top_logprobs": -1}, "top_logprobs"),
    ({"temperature": []}, "temperature"),
    ({"parallel_tool_calls": "no"}, "parallel_tool_calls"),
    ({"collections": 5}, "collections"),
]
BAD_COMPLETIONS: list[tuple[dict[str, Any], str]] = [
    ({"model": []}, "model"),
    ({"prompt": None}, "prompt"),
    ({"prompt": ""}, "prompt"),
    ({"prompt": []}, "prompt"),
    ({"prompt": ["a", "b"]}, "prompt"),
    ({"prompt": [1, 2, 3]}, "prompt"),
    ({"prompt": [[1, 2, 3]]}, "prompt"),
    ({"echo": True}, "echo"),
    ({"suffix": "end"}, "suffix"),
    ({"n": 2}, "n"),
    ({"best_of": 3}, "best_of"),
    ({"n": "one"}, "n"),
    ({"logprobs": "yes"}, "logprobs"),
    ({"stream": "yes"}, "stream"),
    ({"stream_options": {}}, "stream_options"),
    ({"stream": True, "stream_options": {"include_usage": 1}}, "stream_options.include_usage"),
    ({"collections": [5]}, "collections.0"),
]


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        *(("responses", *each) for each in BAD_RESPONSES),
        *(("completions", *each) for each in BAD_COMPLETIONS),
    ],
)
async def test_bad_request_names_the_field(
    serving: Served, upstream: OpenAiServer, path: str, body: dict[str, Any], field: str
) -> None:
    response = await ask(serving, path, **body)
    error = response.json()["error"]
    assert (response.status_code, error["type"], error["param"]) == (400, "invalid_request_error", field)
    assert error["message"].startswith(f"{field}: ")
    assert not upstream.chats


async def test_message_stream_as_it_goes_out(serving: Served) -> None:
    response = await ask(serving, "messages", stream=True)
    trace_id = response.headers["x-trace-id"]
    assert response.headers["request-id"] == "request-1"
    usage = {"input_tokens": 0, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 0}
    message = {
        "id": f"msg_{trace_id}", "type": "message", "role": "assistant", "model": "echo", "content": [], "stop_reason": None,
        "stop_sequence": None, "usage": usage,
    }  # fmt: skip
    assert events_of(response) == [
        ("message_start", {"type": "message_start", "message": message}),
        ("ping", {"type": "ping"}),
        (
            "content_block_start",
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        ),
        (
            "content_block_delta",
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "say "}},
        ),
        (
            "content_block_delta",
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "it "}},
        ),
        ("content_block_stop", {"type": "content_block_stop", "index": 0}),
        (
            "message_delta",
            {
                "type": "message_delta",
                "delta": {"stop_reason": "end_turn", "stop_sequence": None},
                "usage": {**usage, "input_tokens": 7, "output_tokens": 3},
            },
        ),
        ("message_stop", {"type": "message_stop"}),
    ]
    assert serving.gateway.sink.traces[-1].id == trace_id


@pytest.mark.parametrize("path", STREAMED)
async def test_every_answer_has_a_trace(serving: Served, path: str) -> None:
    for is_streaming in (False, True):
        response = await ask(serving, path, stream=is_streaming)
        trace = serving.gateway.sink.traces[-1]
        assert trace.id == response.headers["x-trace-id"]
        assert (trace.owner_id, trace.model, trace.output) == ("user-ada", "echo", "say it ")
        assert trace.metadata["request_id"] == "request-1"


@pytest.mark.parametrize("path", STREAMED)
async def test_sources_go_with_the_end(serving: Served, path: str) -> None:
    body = (await ask(serving, path, model="alcove/reader", collections=["tea"])).json()
    assert [(each["number"], each["document"]) for each in body["sources"]] == [(1, "boil.txt")]
    assert body["citations"][0]["number"] == 1
    events = events_of(await ask(serving, path, model="alcove/reader", collections=["tea"], stream=True))
    found = [data for _, data in events if "boil.txt" in json.dumps(data)]
    assert len(found) == 1
    assert events[-1][1] == "[DONE]" or "boil.txt" in json.dumps([data for _, data in events[-2:]])


@pytest.mark.parametrize("path", STREAMED)
async def test_text_stays_text(serving: Served, upstream: OpenAiServer, path: str) -> None:
    """No text of a model can make an event of its own."""
    text = "a\u2028b\u0085c\r\nd event: x\n\ndata: [DONE]\n\nevent: message_stop\ndata: {}\n\n"
    upstream.script += [stream(event(piece({"content": text})), event(piece({}, "stop")))] * 2
    plain = events_of(await ask(serving, path, stream=True))
    assert text in [each for _, data in plain for each in _texts(data)]
    assert not any(data == {} for _, data in plain)
    assert text in _texts((await ask(serving, path)).json())


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for each in value.values() for text in _texts(each)]
    return [text for each in value for text in _texts(each)] if isinstance(value, list) else []


@pytest.mark.parametrize("path", ["responses", "completions"])
async def test_messages_beside_the_input_are_not_what_is_asked(
    serving: Served, upstream: OpenAiServer, path: str
) -> None:
    other = [{"role": "user", "content": "unchecked"}]
    response = await ask(serving, path, messages=other)
    assert response.status_code == 200
    assert upstream.chats[-1].json["messages"] == ASK


@pytest.mark.parametrize(
    ("path", "sign"),
    [("messages", 'event: ping\ndata: {"type":"ping"}\n\n'), ("responses", ": keep-alive\n\n"), ("completions", ": keep-alive\n\n")],
)  # fmt: skip
async def test_silent_stream_is_kept_alive(serving: Served, upstream: OpenAiServer, path: str, sign: str) -> None:
    upstream.script.append([0.8, *stream(event(piece({"content": "late"})), event(piece({}, "stop")))])
    response = await ask(serving, path, stream=True)
    assert response.text.startswith(sign * 2)
    assert "late" in response.text


@pytest.mark.parametrize("path", STREAMED)
async def test_failure_after_a_sign_of_life_is_an_event(serving: Served, upstream: OpenAiServer, path: str) -> None:
    upstream.script.append([0.5, *whole({"error": {"message": "no"}}, 500)])
    response = await ask(serving, path, stream=True)
    assert response.status_code == 200
    kind, data = events_of(response)[-1]
    if path == "messages":
        assert (kind, data) == (
            "error",
            {"type": "error", "error": {"type": "api_error", "message": "no"}, "request_id": "request-1"},
        )
    elif path == "responses":
        assert (kind, data["response"]["error"]) == ("response.failed", {"code": "server_error", "message": "no"})
        assert [each for each, _ in events_of(response)] == [
            "response.created",
            "response.in_progress",
            "response.failed",
        ]
    else:
        assert data["error"]["message"] == "no"


@pytest.mark.parametrize("path", STREAMED)
@pytest.mark.parametrize("is_streaming", [True, False])
async def test_client_that_leaves_ends_the_call(
    serving: Served, upstream: OpenAiServer, path: str, *, is_streaming: bool
) -> None:
    with anyio.move_on_after(0.3):
        await ask(serving, path, model="stall", stream=is_streaming)
    with anyio.fail_after(2):
        while upstream.chats[-1].left_at_s is None or serving.gateway.face.slots.taken:
            await anyio.sleep(0.005)


async def test_answers_share_the_slots(upstream: OpenAiServer) -> None:
    with served(settings_for(upstream, max_streams=3, max_streams_per_user=1)) as serving:
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: ask(serving, "messages", model="stall", stream=True))
            with anyio.fail_after(3):
                while serving.gateway.face.slots.taken < 1:
                    await anyio.sleep(0.005)
            for path in GOOD:
                response = await ask(serving, path)
                assert (response.status_code, response.headers["retry-after"]) == (429, "1")
                refused(response, path)
            group.cancel_scope.cancel()


@pytest.mark.parametrize("path", STREAMED)
async def test_tool_calls_whose_pieces_come_by_turns(serving: Served, upstream: OpenAiServer, path: str) -> None:
    def call(index: int, **function: str) -> dict[str, Any]:
        return {"index": index, **({"id": f"c{index}"} if "name" in function else {}), "function": function}

    pieces = [
        call(0, name="f", arguments='{"a":'),
        call(1, name="g", arguments='{"b"'),
        call(0, arguments="1}"),
        call(1, arguments=":2}"),
    ]
    upstream.script += [
        stream(*(event(piece({"tool_calls": [each]})) for each in pieces), event(piece({}, "tool_calls")))
    ] * 2
    events = events_of(await ask(serving, path, stream=True))
    if path == "messages":
        said = ["", ""]
        for _, data in events:
            if data["type"] == "content_block_delta":
                said[data["index"]] += data["delta"]["partial_json"]
        assert said == ['{"a":1}', '{"b":2}']
        assert [each["input"] for each in (await ask(serving, path)).json()["content"]] == [{"a": 1}, {"b": 2}]
    elif path == "responses":
        assert [each["arguments"] for each in events[-1][1]["response"]["output"]] == ['{"a":1}', '{"b":2}']
        assert [each["arguments"] for each in (await ask(serving, path)).json()["output"]] == ['{"a":1}', '{"b":2}']
    else:
        assert (await ask(serving, path)).json()["choices"][0] == {
            "text": "",
            "index": 0,
            "logprobs": None,
            "finish_reason": "stop",
        }


@pytest.mark.parametrize("path", GOOD)
async def test_wrong_method_and_documentation(serving: Served, path: str) -> None:
    async with serving.client() as client:
        response = await client.get(f"/v1/{path}")
        document = (await client.get("/openapi.json")).json()
    assert response.status_code == 405
    refused(response, path)
    operation = document["paths"][f"/v1/{path}"]["post"]
    assert operation["requestBody"]
    assert set(operation["responses"]) >= {"200", "400", "401", "404", "429", "503"}


@pytest.mark.parametrize("path", GOOD)
async def test_the_default_model_answers(serving: Served, path: str) -> None:
    response = await ask(serving, path, model="default")
    assert response.status_code == 200
    assert response.json().get("model") != "default"


async def test_broken_count_is_an_error(both: Served, claude: AnthropicServer) -> None:
    claude.script.append(whole({"tokens": 5}))
    response = await ask(both, "messages/count_tokens", model="claude-echo")
    assert response.status_code == 502
    assert "number of tokens" in refused(response, "messages")[1]
