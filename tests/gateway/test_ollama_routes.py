"""`/api/chat` and `/api/generate` over the wire: who may ask, what is refused, how answers look, what happens when things go wrong."""

import json
import re
from dataclasses import replace
from typing import Any

import anyio
import httpx2
import pytest

from alcove.gateway.adapters.profiles import takes_own_fields
from alcove.gateway.faces.ollama_request import chat_call
from alcove.gateway.ollama_words import without_own_fields
from alcove.kernel.errors import Overloaded
from tests.gateway.conftest import Served, served, settings_for
from tests.wire.anthropic_server import AnthropicServer
from tests.wire.openai_server import USAGE, OpenAiServer, Step, event, piece, stream

ASK = [{"role": "user", "content": "say it"}]
GOOD: dict[str, dict[str, Any]] = {
    "chat": {"model": "echo", "messages": ASK},
    "generate": {"model": "echo", "prompt": "say it"},
}
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
WEATHER = {
    "type": "function",
    "function": {"name": "weather", "description": "d", "parameters": {"type": "object", "properties": {}}},
}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z")


async def ask(serving: Served, way: str, key: str = "sk-as-ada", **body: Any) -> httpx2.Response:
    asked = {each: value for each, value in {**GOOD[way], **body}.items() if value is not ...}
    async with serving.client(key) as client:
        return await client.post(f"/api/{way}", json=asked)


def lines_of(response: httpx2.Response) -> list[dict[str, Any]]:
    """Gives the lines of a stream, after a look at their form."""
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/x-ndjson"
    lines = [json.loads(line) for line in response.text.splitlines()]
    assert response.text.endswith("\n")
    for line in lines:
        if "error" not in line:
            assert TIME.fullmatch(line["created_at"])
            assert isinstance(line["done"], bool)
    return lines


def said(line: dict[str, Any], way: str) -> str:
    text = line["message"]["content"] if way == "chat" else line["response"]
    assert isinstance(text, str)
    return text


def refused(response: httpx2.Response) -> tuple[int, str]:
    body = response.json()
    assert set(body) == {"error"}
    assert response.headers["content-type"] == "application/json"
    return response.status_code, body["error"]


@pytest.mark.parametrize("way", GOOD)
@pytest.mark.parametrize(
    ("headers", "status"),
    [({}, 401), ({"authorization": "Bearer ' OR 1=1--"}, 401), ({"authorization": "Bearer limited"}, 403)],
)
async def test_nobody_gets_in_without_a_key(
    serving: Served, upstream: OpenAiServer, way: str, headers: dict[str, str], status: int
) -> None:
    async with httpx2.AsyncClient(base_url=serving.url, trust_env=False) as client:
        response = await client.post(f"/api/{way}", headers=headers, json=GOOD[way])
    assert refused(response)[0] == status
    assert not upstream.chats


@pytest.mark.parametrize("way", GOOD)
async def test_missing_model_in_the_words_of_ollama(serving: Served, way: str) -> None:
    assert refused(await ask(serving, way, model="nothing-like-it")) == (404, "model 'nothing-like-it' not found")


async def test_no_model_at_all(serving: Served) -> None:
    assert refused(await ask(serving, "chat", model="")) == (400, "model is required")
    assert refused(await ask(serving, "chat", model=...)) == (400, "model is required")
    assert refused(await ask(serving, "generate", model=...)) == (404, "model '' not found")


@pytest.mark.parametrize("way", GOOD)
async def test_model_that_does_not_answer(serving: Served, way: str) -> None:
    assert refused(await ask(serving, way, model="alcove/minilm")) == (
        400,
        f'"alcove/minilm" does not support {way}',
    )


@pytest.mark.parametrize("way", GOOD)
async def test_model_of_somebody_elses_cloud(serving: Served, way: str) -> None:
    status, message = refused(await ask(serving, way, model="gpt-oss:120b-cloud"))
    assert status == 400
    assert "cloud" in message


@pytest.mark.parametrize("way", GOOD)
async def test_key_that_may_not_use_the_model(serving: Served, upstream: OpenAiServer, way: str) -> None:
    assert refused(await ask(serving, way, key="sk-as-bound"))[0] == 403
    assert not upstream.chats


@pytest.mark.parametrize("way", GOOD)
@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "missing request body"),
        (b" \n", "missing request body"),
        (b"[]", "json: cannot unmarshal array into Go value of type api.{}Request"),
        (b"5", "json: cannot unmarshal number into Go value of type api.{}Request"),
        (b'"x"', "json: cannot unmarshal string into Go value of type api.{}Request"),
        (b"{", "not valid JSON"),
        (b'{"model":"\xff"}', "not valid JSON"),
        (b'{"model":NaN}', "not valid JSON"),
        (b'{"model":"\\ud800"}', "not valid JSON"),
        (b'{"a":' * 100_000, "not valid JSON"),
    ],
)
async def test_body_that_is_no_json_object(serving: Served, way: str, body: bytes, message: str) -> None:
    async with serving.client() as client:
        response = await client.post(f"/api/{way}", content=body)
    status, found = refused(response)
    assert status == 400
    assert message.format(way.title()) in found


@pytest.mark.parametrize("way", GOOD)
async def test_body_is_json_whatever_its_header_says(serving: Served, way: str) -> None:
    async with serving.client() as client:
        response = await client.post(
            f"/api/{way}", content=json.dumps(GOOD[way]), headers={"content-type": "text/plain"}
        )
    assert lines_of(response)[-1]["done"]


async def test_body_that_is_too_large(upstream: OpenAiServer) -> None:
    with served(settings_for(upstream, max_body_bytes=2000)) as serving:
        response = await ask(serving, "chat", filler="x" * 3000)
    assert refused(response)[0] == 413


BAD_FOR_BOTH: list[tuple[dict[str, Any], str]] = [
    ({"model": 5}, "json: cannot unmarshal number into Go struct field WAYRequest.model of type string"),
    ({"stream": "yes"}, "json: cannot unmarshal string into Go struct field WAYRequest.stream of type bool"),
    (
        {"options": []},
        "json: cannot unmarshal array into Go struct field WAYRequest.options of type map[string]interface {}",
    ),
    ({"options": {"num_ctx": "4096"}}, 'option "num_ctx" must be of type integer'),
    ({"options": {"num_ctx": True}}, 'option "num_ctx" must be of type integer'),
    ({"options": {"num_predict": 1e300}}, 'option "num_predict" must be of type integer'),
    ({"options": {"top_k": [1]}}, 'option "top_k" must be of type integer'),
    ({"options": {"temperature": "hot"}}, 'option "temperature" must be of type float32'),
    ({"options": {"use_mmap": 1}}, 'option "use_mmap" must be of type boolean'),
    ({"options": {"stop": "END"}}, 'option "stop" must be of type array'),
    ({"options": {"stop": [5]}}, 'option "stop" must be of an array of strings'),
    ({"format": "xml"}, 'invalid format: "xml"; expected "json" or a valid JSON Schema object'),
    ({"format": 5}, 'invalid format: number; expected "json" or a valid JSON Schema object'),
    ({"think": "hard"}, 'invalid think value: "hard" (must be "high", "medium", "low", "max", true, or false)'),
    ({"keep_alive": "-1"}, 'time: missing unit in duration "-1"'),
    ({"keep_alive": "soon"}, 'time: invalid duration "soon"'),
    ({"keep_alive": True}, "unsupported type: bool"),
    ({"top_logprobs": 21}, "top_logprobs must be between 0 and 20"),
    ({"top_logprobs": -1}, "top_logprobs must be between 0 and 20"),
    ({"logprobs": 1}, "json: cannot unmarshal number into Go struct field WAYRequest.logprobs of type bool"),
    ({"truncate": "no"}, "json: cannot unmarshal string into Go struct field WAYRequest.truncate of type bool"),
    ({"collections": 5}, "collections: must be a list"),
]
WHERE = "ChatRequest.messages"
BAD_CHATS: list[tuple[Any, str]] = [
    ({"messages": {}}, f"json: cannot unmarshal object into Go struct field {WHERE} of type []api.Message"),
    ({"messages": ["x"]}, f"json: cannot unmarshal string into Go struct field {WHERE} of type api.Message"),
    ({"messages": [{"role": "wizard", "content": "x"}]}, "invalid role: must be one of system, user, assistant, tool"),
    ({"messages": [{"content": "x"}]}, "invalid role"),
    ({"messages": [{"role": 5}]}, f"json: cannot unmarshal number into Go struct field {WHERE}.role of type string"),
    (
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "x"}]}]},
        f"json: cannot unmarshal array into Go struct field {WHERE}.content of type string",
    ),
    ({"messages": [{"role": "user", "content": "x", "images": ["data:image/png;base64,AAAA"]}]}, "illegal base64 data"),
    ({"messages": [{"role": "user", "content": "x", "images": ["AAAA"]}]}, "unknown image format"),
    (
        {"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}]},
        (f"json: cannot unmarshal string into Go struct field {WHERE}.tool_calls.function.arguments of type "
        "api.ToolCallFunctionArguments"),
    ),
    (
        {"tools": {"f": 1}},
        "json: cannot unmarshal object into Go struct field ChatRequest.tools of type []api.Tool",
    ),
    ({"tools": [{"type": "function"}]}, "json: cannot unmarshal null into Go struct field ChatRequest.tools.function"),
    ({"tools": [{"type": "function", "function": {}}]}, "tools: a function needs a name"),
]  # fmt: skip
BAD_GENERATES: list[tuple[dict[str, Any], str]] = [
    ({"prompt": 5}, "json: cannot unmarshal number into Go struct field GenerateRequest.prompt of type string"),
    ({"raw": True, "system": "x"}, "raw mode does not support template, system, or context"),
    ({"raw": True, "template": "x"}, "raw mode does not support template, system, or context"),
    ({"raw": True, "context": [1]}, "raw mode does not support template, system, or context"),
    ({"images": ["?"]}, "illegal base64 data"),
    ({"_debug_render_only": True}, "_debug_render_only is not supported here"),
]


@pytest.mark.parametrize(
    ("way", "body", "message"),
    [
        *((way, *each) for way in GOOD for each in BAD_FOR_BOTH),
        *(("chat", *each) for each in BAD_CHATS),
        *(("generate", *each) for each in BAD_GENERATES),
    ],
)
async def test_bad_request_is_refused_in_the_words_of_ollama(
    serving: Served, upstream: OpenAiServer, way: str, body: dict[str, Any], message: str
) -> None:
    status, found = refused(await ask(serving, way, **body))
    assert status == 400
    assert found.startswith(message.replace("WAY", way.title()))
    assert not upstream.chats


@pytest.mark.parametrize("way", GOOD)
async def test_stream_as_it_goes_out(serving: Served, way: str) -> None:
    response = await ask(serving, way)
    assert response.headers["x-trace-id"]
    first, second, last = lines_of(response)
    for line in (first, second, last):
        del line["created_at"]
    text = {"message": {"role": "assistant", "content": "say "}} if way == "chat" else {"response": "say "}
    assert first == {"model": "echo", **text, "done": False}
    assert said(second, way) == "it "
    for name in ("total_duration", "prompt_eval_duration", "eval_duration"):
        assert last.pop(name) > 0
    nothing = {"message": {"role": "assistant", "content": ""}} if way == "chat" else {"response": ""}
    counts = {"prompt_eval_count": 7, "eval_count": 3}
    assert last == {"model": "echo", **nothing, "done": True, "done_reason": "stop", **counts}


@pytest.mark.parametrize("way", GOOD)
async def test_whole_answer(serving: Served, way: str) -> None:
    response = await ask(serving, way, stream=False)
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-trace-id"]
    body = response.json()
    assert said(body, way) == "say it "
    assert (body["model"], body["done"], body["done_reason"]) == ("echo", True, "stop")
    assert (body["prompt_eval_count"], body["eval_count"]) == (7, 3)


@pytest.mark.parametrize("name", ["ECHO", "echo", "up/echo", "Echo:Latest"])
async def test_name_in_other_spellings_is_echoed_as_sent(serving: Served, name: str) -> None:
    assert {line["model"] for line in lines_of(await ask(serving, "chat", model=name))} == {name}


async def test_tool_call_comes_whole_in_one_line(serving: Served, upstream: OpenAiServer) -> None:
    lines = lines_of(await ask(serving, "chat", model="tools", tools=[WEATHER]))
    assert upstream.chats[-1].json["tools"] == [WEATHER]
    assert len(lines) == 2
    function = {"index": 0, "name": "weather", "arguments": {"city": "Bern"}}
    call = {"id": "call_1", "function": function}
    assert lines[0]["message"] == {"role": "assistant", "content": "", "tool_calls": [call]}
    assert lines[1]["done_reason"] == "stop"
    whole = (await ask(serving, "chat", model="tools", tools=[WEATHER], stream=False)).json()
    assert whole["message"] == {"role": "assistant", "content": "", "tool_calls": [call]}


async def test_several_tool_calls_get_ids_where_the_server_gives_none(serving: Served, upstream: OpenAiServer) -> None:
    def call(index: int, arguments: str) -> bytes:
        made = {"index": index, "function": {"name": f"f{index}", "arguments": arguments}}
        return event(piece({"tool_calls": [made]}))

    upstream.script.append(
        stream(call(0, '{"a":'), call(0, "1}"), call(1, "[1]"), event(piece({}, "tool_calls")), b"data: [DONE]\n\n")
    )
    lines = lines_of(await ask(serving, "chat", tools=[WEATHER]))
    calls = [each for line in lines for each in line["message"].get("tool_calls", ())]
    assert [each["function"] for each in calls] == [
        {"index": 0, "name": "f0", "arguments": {"a": 1}},
        {"index": 1, "name": "f1", "arguments": {"arguments": [1]}},
    ]
    assert all(re.fullmatch(r"call_\w{8}", each["id"]) for each in calls)
    assert len({each["id"] for each in calls}) == 2


@pytest.mark.parametrize("way", GOOD)
async def test_thinking_stands_beside_the_answer(serving: Served, way: str) -> None:
    lines = lines_of(await ask(serving, way, model="reasoner"))
    where = [line["message"] if way == "chat" else line for line in lines]
    assert "".join(each.get("thinking", "") for each in where) == "let me think"
    assert "".join(said(line, way) for line in lines) == "42"
    whole = (await ask(serving, way, model="reasoner", stream=False)).json()
    assert (whole["message"] if way == "chat" else whole)["thinking"] == "let me think"


@pytest.mark.parametrize("way", GOOD)
async def test_logprobs(serving: Served, upstream: OpenAiServer, way: str) -> None:
    lines = lines_of(await ask(serving, way, model="logprobs", logprobs=True, top_logprobs=2))
    assert [line.get("logprobs") for line in lines] == [
        [{"token": "a", "logprob": -0.1}],
        [{"token": "b", "logprob": -0.2}],
        None,
    ]
    assert upstream.chats[-1].json["top_logprobs"] == 2
    whole = (await ask(serving, way, model="logprobs", logprobs=True, stream=False)).json()
    assert [each["token"] for each in whole["logprobs"]] == ["a", "b"]
    assert "top_logprobs" not in upstream.chats[-1].json


async def test_conversation_reaches_other_servers_in_their_words(serving: Served, upstream: OpenAiServer) -> None:
    messages = [
        {"role": "System", "content": "Be brief."},
        {"role": "USER", "content": "look", "images": [PIXEL]},
        {
            "role": "assistant",
            "content": "",
            "thinking": "hm",
            "tool_calls": [
                {"function": {"index": 0, "name": "weather", "arguments": {"city": "Bern"}}},
                {"id": "call_b", "function": {"index": 1, "name": "now", "arguments": {}}},
                {"function": {"index": 2, "name": "weather"}},
            ],
        },
        {"role": "tool", "tool_name": "now", "content": "noon"},
        {"role": "tool", "content": "rain"},
        {"role": "tool", "tool_name": "weather", "content": "sun"},
    ]
    options = {
        "temperature": 0.5, "top_p": 0.9, "seed": 7, "num_predict": 40, "stop": ["END", ""], "presence_penalty": 0.1,
        "frequency_penalty": 0.2, "num_ctx": 8192.0, "top_k": 5, "min_p": 0.1, "typical_p": 1, "repeat_penalty": 1.1,
        "repeat_last_n": 64, "num_gpu": None, "use_mmap": True, "no_such_option": "x",
    }  # fmt: skip
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    await ask(
        serving, "chat", messages=messages, options=options, format=schema, keep_alive="5m", think="high", tools=[WEATHER],
        truncate=False, shift=True,
    )  # fmt: skip
    sent = upstream.chats[-1].json
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}
    call = {"type": "function", "function": {"name": "weather", "arguments": '{"city":"Bern"}'}}
    assert sent == {
        "model": "echo",
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": 0.5, "top_p": 0.9, "seed": 7, "max_tokens": 40, "stop": ["END"], "presence_penalty": 0.1, "frequency_penalty": 0.2,
        "num_ctx": 8192, "top_k": 5, "min_p": 0.1, "typical_p": 1, "repeat_penalty": 1.1, "repeat_last_n": 64, "use_mmap": True,
        "keep_alive": "5m", "think": "high", "reasoning_effort": "high", "truncate": False, "shift": True,
        "response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}},
        "tools": [WEATHER],
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "look"}, image]},
            {
                "role": "assistant", "content": None, "reasoning_content": "hm",
                "tool_calls": [
                    {"id": "call_00000001", **call},
                    {"id": "call_b", "type": "function", "function": {"name": "now", "arguments": "{}"}},
                    {"id": "call_00000003", "type": "function", "function": {"name": "weather", "arguments": "{}"}},
                ],
            },
            {"role": "tool", "tool_call_id": "call_b", "name": "now", "content": "noon"},
            {"role": "tool", "tool_call_id": "call_00000001", "content": "rain"},
            {"role": "tool", "tool_call_id": "call_00000003", "name": "weather", "content": "sun"},
        ],
    }  # fmt: skip


async def test_what_stands_for_no_bound_is_left_out(serving: Served, upstream: OpenAiServer) -> None:
    await ask(serving, "chat", options={"num_predict": -1, "seed": -1}, format="", think=None)
    sent = upstream.chats[-1].json
    assert set(sent) == {"model", "messages", "stream", "stream_options"}
    await ask(serving, "chat", format="json", think=False)
    assert upstream.chats[-1].json["response_format"] == {"type": "json_object"}
    assert upstream.chats[-1].json["think"] is False


async def test_generate_is_a_chat_of_system_and_prompt(serving: Served, upstream: OpenAiServer) -> None:
    await ask(serving, "generate", system="Be brief.", images=[PIXEL])
    content = upstream.chats[-1].json["messages"]
    assert content[0] == {"role": "system", "content": "Be brief."}
    assert [each["type"] for each in content[1]["content"]] == ["text", "image_url"]


@pytest.mark.parametrize("way", GOOD)
@pytest.mark.parametrize("is_streaming", [True, False])
async def test_nothing_to_answer_loads_the_model(serving: Served, way: str, *, is_streaming: bool) -> None:
    empty: dict[str, Any] = {"messages": []} if way == "chat" else {"prompt": ""}
    response = await ask(serving, way, stream=is_streaming, keep_alive="10m", options={"num_ctx": 2048, "top_k": 1}, **empty)  # fmt: skip
    assert response.headers["content-type"] == "application/json"
    body = response.json()
    assert TIME.fullmatch(body.pop("created_at"))
    nothing = {"message": {"role": "assistant", "content": ""}} if way == "chat" else {"response": ""}
    assert body == {"model": "echo", **nothing, "done": True, "done_reason": "load"}
    loading = serving.gateway.loading
    assert loading.loaded == [("echo", "user-ada", {"num_ctx": 2048}, "10m")]
    assert not loading.unloaded


@pytest.mark.parametrize("way", GOOD)
@pytest.mark.parametrize("keep_alive", [0, "0", "0s", 0.0])
async def test_nothing_to_answer_and_no_time_to_stay_unloads_it(serving: Served, way: str, keep_alive: Any) -> None:
    empty: dict[str, Any] = {"messages": ...} if way == "chat" else {"prompt": ...}
    body = (await ask(serving, way, keep_alive=keep_alive, **empty)).json()
    assert (body["done"], body["done_reason"]) == (True, "unload")
    assert serving.gateway.loading.unloaded == [("echo", "user-ada")]


async def test_model_that_cannot_be_loaded(serving: Served) -> None:
    serving.gateway.loading.failure = Overloaded("server busy, please try again", retry_after_s=3)
    response = await ask(serving, "chat", messages=[])
    assert refused(response) == (503, "server busy, please try again")
    assert response.headers["retry-after"] == "3"


@pytest.mark.parametrize("way", GOOD)
async def test_stream_that_breaks_off_ends_with_an_error_and_is_not_done(serving: Served, way: str) -> None:
    lines = lines_of(await ask(serving, way, model="cut"))
    assert said(lines[0], way) == "half "
    assert set(lines[-1]) == {"error"}
    assert "broke off" in lines[-1]["error"]
    assert not any(line.get("done") for line in lines)


@pytest.mark.parametrize("way", GOOD)
async def test_refusal_of_the_server_keeps_its_status(serving: Served, way: str) -> None:
    response = await ask(serving, way, model="rate-limited")
    assert refused(response) == (429, "slow down")
    assert response.headers["retry-after"] == "7"
    assert response.headers["x-trace-id"]


async def test_silent_server_is_bridged_by_blanks_that_no_client_minds(serving: Served) -> None:
    async with (
        serving.client() as client,
        client.stream("POST", "/api/chat", json={**GOOD["chat"], "model": "never"}) as response,
    ):
        assert response.status_code == 200
        async for data in response.aiter_bytes():
            assert data == b" "
            break


async def test_client_that_leaves_ends_the_call(serving: Served, upstream: OpenAiServer) -> None:
    async with (
        serving.client() as client,
        client.stream("POST", "/api/chat", json={**GOOD["chat"], "model": "slow"}) as response,
    ):
        async for _ in response.aiter_lines():
            break
    with anyio.fail_after(2):
        while upstream.chats[-1].left_at_s is None:
            await anyio.sleep(0.01)


async def test_collections_are_answered_from(serving: Served) -> None:
    lines = lines_of(await ask(serving, "chat", collections=["tea"]))
    assert lines[-1]["sources"][0]["text"] == "Water boils at 100 °C."
    assert lines[-1]["trace_id"]


async def test_answer_leaves_a_trace(serving: Served) -> None:
    response = await ask(serving, "chat", model="echo:latest")
    with anyio.fail_after(2):
        while not serving.gateway.sink.traces:
            await anyio.sleep(0.01)
    trace = serving.gateway.sink.traces[0]
    assert trace.id == response.headers["x-trace-id"]
    assert trace.model == "echo"


def completion(*texts: str) -> list[Step]:
    """Gives a streamed answer of a server's legacy completions."""
    chunks = [event({"choices": [{"index": 0, "text": text, "finish_reason": None}]}) for text in texts]
    last = {"choices": [{"index": 0, "text": "", "finish_reason": "length"}], "usage": USAGE}
    return stream(*chunks, event(last), b"data: [DONE]\n\n")


@pytest.mark.parametrize("body", [{"raw": True}, {"suffix": "end"}, {"raw": True, "suffix": "end"}])
async def test_text_that_is_no_chat_goes_to_a_server_of_completions(
    serving: Served, upstream: OpenAiServer, body: dict[str, Any]
) -> None:
    upstream.script.append(completion("one ", "two"))
    lines = lines_of(await ask(serving, "generate", options={"num_predict": 9, "top_k": 5}, logprobs=True, **body))
    assert "".join(line["response"] for line in lines) == "one two"
    assert (lines[-1]["done_reason"], lines[-1]["eval_count"]) == ("length", 3)
    sent = upstream.requests[-1]
    assert sent.path == "/v1/completions"
    expected: dict[str, Any] = {
        "model": "echo", "prompt": "say it", "max_tokens": 9, "top_k": 5, "stream": True, "stream_options": {"include_usage": True},
    }  # fmt: skip
    assert sent.json == (expected | {"suffix": "end"} if "suffix" in body else expected)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"raw": True}, '"echo" does not support raw mode: its server takes chats only'),
        ({"suffix": "end"}, "echo does not support insert"),
        ({"template": "{{ .Prompt }}"}, '"echo" does not support a template: its server uses the model\'s own'),
        ({"raw": True, "images": [PIXEL]}, '"echo" does not support images in raw mode or with a suffix'),
        (
            {"suffix": "end", "system": "x"},
            '"echo" does not support system together with a suffix; put it into the prompt',
        ),
    ],
)
async def test_server_without_completions(serving: Served, body: dict[str, Any], message: str) -> None:
    assert refused(await ask(serving, "generate", **body)) == (400, message)


@pytest.mark.parametrize("body", [{"raw": True}, {"suffix": "end"}, {"template": "x"}])
async def test_reader_goes_on_with_no_text(serving: Served, body: dict[str, Any]) -> None:
    status, message = refused(await ask(serving, "generate", model="alcove/reader", **body))
    assert status == 400
    assert "does not support" in message


async def test_anthropics_models_are_sent_what_they_know(both: Served, claude: AnthropicServer) -> None:
    options = {"num_ctx": 4096, "top_k": 5, "temperature": 0.5, "repeat_penalty": 1.1, "num_predict": 50}
    lines = lines_of(await ask(both, "chat", model="claude-echo", options=options, keep_alive="5m", truncate=True))
    assert "".join(line["message"]["content"] for line in lines) == "say it "
    assert claude.messages[-1].json == {
        "model": "claude-echo", "messages": ASK, "max_tokens": 50, "temperature": 0.5, "top_k": 5, "stream": True,
    }  # fmt: skip
    lines = lines_of(await ask(both, "chat", model="claude-tools", tools=[WEATHER]))
    calls = [each["function"] for line in lines for each in line["message"].get("tool_calls", ())]
    assert [each["arguments"] for each in calls] == [{"city": "Bern"}, {}]
    assert refused(await ask(both, "generate", model="claude-echo", raw=True))[0] == 400
    lines = lines_of(await ask(both, "chat", model="claude-thinker", think=True))
    assert claude.messages[-1].json["thinking"] == {"type": "adaptive"}
    assert "".join(line["message"].get("thinking", "") for line in lines) == "let me think"
    await ask(both, "chat", model="claude-thinker", think=False)
    assert "thinking" not in claude.messages[-1].json


def test_vendors_that_refuse_unknown_fields_are_not_sent_them() -> None:
    request = chat_call(
        json.dumps({**GOOD["chat"], "keep_alive": 5, "options": {"num_ctx": 9, "seed": 1}}).encode()
    ).request
    assert not takes_own_fields("openai")
    assert takes_own_fields("openai_compatible")
    assert set(without_own_fields(request).extra) == {"seed"}
    said_so_itself = replace(
        request, extra={"num_ctx": 9, "top_k": 1}
    )  # a client of OpenAI's protocol gets what it asks for
    assert without_own_fields(said_so_itself) is said_so_itself


async def test_options_on_openais_route_go_to_the_server_as_they_are(serving: Served, upstream: OpenAiServer) -> None:
    options = {"num_ctx": 4096, "keep_alive": "5m", "think": False, "reasoning_effort": "low", "top_k": 3}
    async with serving.client() as client:
        await client.post("/v1/chat/completions", json={**GOOD["chat"], **options})
    sent = upstream.chats[-1].json
    assert {key: sent[key] for key in options} == options
