"""The unmodified `anthropic` client against the gateway on a real socket: every model answers it, Anthropic's and others'."""

import json
from collections.abc import Callable
from typing import Any

import anthropic
import anyio
import httpx2
import pytest
from anyio import to_thread
from pydantic import BaseModel

from tests.gateway.conftest import Served
from tests.wire.anthropic_server import CITATION, SIGNATURE, AnthropicServer
from tests.wire.openai_server import OpenAiServer

ASK: Any = [{"role": "user", "content": "say it again"}]
PIXEL = "iVBORw0KGgo="
WEATHER: Any = {
    "name": "weather",
    "description": "Tells the weather",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


async def create(both: Served, **asked: Any) -> Any:
    def ask() -> Any:
        with both.anthropic() as client:
            return client.messages.create(**{"max_tokens": 100, "messages": ASK, **asked})

    return await to_thread.run_sync(ask)


async def streamed(both: Served, **asked: Any) -> tuple[list[Any], Any]:
    def ask() -> tuple[list[Any], Any]:
        with (
            both.anthropic() as client,
            client.messages.stream(**{"max_tokens": 100, "messages": ASK, **asked}) as stream,
        ):
            return list(stream), stream.get_final_message()

    return await to_thread.run_sync(ask)


@pytest.mark.parametrize("model", ["echo", "claude-echo"])
async def test_answers_whole(both: Served, model: str) -> None:
    message = await create(both, model=model)
    assert message.content[0].text == "say it again "
    assert (message.stop_reason, message.stop_sequence, message.role, message.type) == (
        "end_turn",
        None,
        "assistant",
        "message",
    )
    assert message.model == model
    assert message.id == f"msg_{both.gateway.sink.traces[-1].id}"
    assert message._request_id == "request-1"
    assert message.usage.output_tokens == 3
    assert message.usage.input_tokens == 7
    assert message.usage.cache_read_input_tokens == (4 if model == "claude-echo" else 0)
    assert message.usage.cache_creation_input_tokens == (2 if model == "claude-echo" else 0)
    assert both.gateway.sink.traces[-1].observations[-1].usage.input_tokens == (13 if model == "claude-echo" else 7)  # type: ignore[union-attr]


@pytest.mark.parametrize("model", ["echo", "claude-echo"])
async def test_streams(both: Served, model: str) -> None:
    def ask() -> list[Any]:
        with both.anthropic() as client:
            return list(client.messages.create(model=model, max_tokens=9, messages=ASK, stream=True))

    events = await to_thread.run_sync(ask)
    assert [each.type for each in events] == [
        "message_start", "content_block_start", *["content_block_delta"] * 3, "content_block_stop", "message_delta", "message_stop",
    ]  # fmt: skip
    assert events[0].message.stop_reason is None
    assert "".join(each.delta.text for each in events if each.type == "content_block_delta") == "say it again "
    assert events[-2].delta.stop_reason == "end_turn"
    assert (events[-2].usage.input_tokens, events[-2].usage.output_tokens) == (7, 3)


async def test_async_client(both: Served) -> None:
    http = httpx2.AsyncClient(trust_env=False, timeout=10)
    async with anthropic.AsyncAnthropic(
        base_url=both.url, api_key="sk-as-ada", max_retries=0, http_client=http
    ) as client:
        message = await client.messages.create(model="echo", max_tokens=5, messages=ASK)
        assert message.content[0].text == "say it again "  # type: ignore[union-attr]
        async with client.messages.stream(model="claude-echo", max_tokens=5, messages=ASK) as stream:
            assert await stream.get_final_text() == "say it again "
        async with client.messages.stream(model="claude-echo", max_tokens=5, messages=ASK) as stream:
            assert [piece async for piece in stream.text_stream] == ["say ", "it ", "again "]


@pytest.mark.parametrize(("model", "ids"), [("tools", ["call_1"]), ("claude-tools", ["toolu_1", "toolu_2"])])
@pytest.mark.parametrize("is_streaming", [True, False])
async def test_tools_on_every_model(both: Served, model: str, ids: list[str], *, is_streaming: bool) -> None:
    asked: dict[str, Any] = {"model": model, "tools": [WEATHER], "tool_choice": {"type": "any"}}
    message = (await streamed(both, **asked))[1] if is_streaming else await create(both, **asked)
    calls = [each for each in message.content if each.type == "tool_use"]
    assert [each.id for each in calls] == ids
    assert (calls[0].name, calls[0].input) == ("weather", {"city": "Bern"})
    assert all(each.input == {} for each in calls[1:])
    assert message.stop_reason == "tool_use"


CONVERSATION: Any = [
    {"role": "user", "content": [{"type": "text", "text": "Weather?", "cache_control": {"type": "ephemeral"}}]},
    {
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": "hm", "signature": SIGNATURE},
            {"type": "text", "text": "Let me look."},
            {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Bern"}},
            {"type": "tool_use", "id": "toolu_2", "name": "weather", "input": {"city": "Thun"}},
        ],
    },
    {
        "role": "user",
        "content": [
            {"type": "tool_result", "tool_use_id": "toolu_1", "content": "rain"},
            {
                "type": "tool_result", "tool_use_id": "toolu_2", "is_error": True,
                "content": [
                    {"type": "text", "text": "no"}, {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
                ],
            },
            {"type": "text", "text": "And now?"},
        ],
    },
]  # fmt: skip


async def test_conversation_reaches_anthropic_as_it_was_sent(both: Served, claude: AnthropicServer) -> None:
    asked: dict[str, Any] = {
        "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
        "messages": CONVERSATION,
        "tools": [
            {**WEATHER, "cache_control": {"type": "ephemeral"}},
            {"type": "web_search_20260318", "name": "web_search"},
        ],
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
        "thinking": {"type": "enabled", "budget_tokens": 2048},
        "max_tokens": 4000,
        "stop_sequences": ["END"],
        "metadata": {"user_id": "u-1"},
        "service_tier": "standard_only",
        "output_config": {"effort": "max"},
        "extra_body": {"temperature": 0.5, "top_k": 5, "vendor_field": {"deep": [1.5]}},
        "extra_headers": {"anthropic-beta": "one-2026-01-01,two-2026-01-01"},
    }
    await create(both, model="claude-echo", **asked)
    sent = claude.messages[-1]
    body = sent.json
    assert body.pop("stream") is True
    extra_body = asked.pop("extra_body")
    del asked["extra_headers"]
    assert body == {"model": "claude-echo", **asked, **extra_body}
    assert sent.headers["x-api-key"] == "sk-ant-upstream-secret-1234"
    assert sent.headers["anthropic-beta"] == "one-2026-01-01,two-2026-01-01"
    assert "authorization" not in sent.headers
    assert "sk-as-ada" not in str(sent.headers)


async def test_conversation_reaches_other_servers_in_their_words(both: Served, upstream: OpenAiServer) -> None:
    await create(
        both, model="echo", system="Be brief.", messages=CONVERSATION, max_tokens=400, stop_sequences=["END"],
        tools=[{**WEATHER, "cache_control": {"type": "ephemeral"}}], tool_choice={"type": "tool", "name": "weather"},
        thinking={"type": "enabled", "budget_tokens": 5000}, metadata={"user_id": "u-1"}, extra_body={"temperature": 0.5, "top_k": 5},
    )  # fmt: skip
    sent = upstream.chats[-1].json
    function = {"name": "weather", "description": "Tells the weather", "parameters": WEATHER["input_schema"]}
    call = {"type": "function", "function": {"name": "weather", "arguments": '{"city":"Bern"}'}}
    assert sent == {
        "model": "echo",
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 400,
        "stop": ["END"],
        "temperature": 0.5,
        "top_k": 5,
        "tools": [{"type": "function", "function": function}],
        "tool_choice": {"type": "function", "function": {"name": "weather"}},
        "reasoning_effort": "medium",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Weather?"},
            {
                "role": "assistant", "content": "Let me look.", "reasoning_content": "hm",
                "tool_calls": [
                    {"id": "toolu_1", **call},
                    {"id": "toolu_2", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Thun"}'}},
                ],
            },
            {"role": "tool", "tool_call_id": "toolu_1", "content": "rain"},
            {"role": "tool", "tool_call_id": "toolu_2", "content": "no"},
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}]},
            {"role": "user", "content": "And now?"},
        ],
    }  # fmt: skip


async def test_images_and_documents(both: Served, upstream: OpenAiServer, claude: AnthropicServer) -> None:
    blocks: Any = [
        {"type": "image", "source": {"type": "url", "url": "https://e.org/i.png"}},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}},
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": PIXEL},
            "title": "a.pdf",
        },
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "some text"}, "title": "b"},
        {"type": "text", "text": "look"},
    ]
    messages = [{"role": "user", "content": blocks}]
    await create(both, model="claude-echo", messages=messages)
    assert claude.messages[-1].json["messages"] == messages
    await create(both, model="echo", messages=messages)
    assert upstream.chats[-1].json["messages"][0]["content"] == [
        {"type": "image_url", "image_url": {"url": "https://e.org/i.png"}},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PIXEL}"}},
        {"type": "text", "text": "some text"},
        {"type": "text", "text": "look"},
    ]


@pytest.mark.parametrize("is_streaming", [True, False])
async def test_thinking_comes_back_signed_and_goes_out_again(
    both: Served, claude: AnthropicServer, *, is_streaming: bool
) -> None:
    asked: dict[str, Any] = {"model": "claude-thinker", "thinking": {"type": "adaptive"}}
    message = (await streamed(both, **asked))[1] if is_streaming else await create(both, **asked)
    blocks = [each.to_dict() for each in message.content]
    assert blocks == [
        {"type": "thinking", "thinking": "let me think", "signature": SIGNATURE},
        {"type": "redacted_thinking", "data": "ZW5jcnlwdGVk"},
        {"type": "text", "text": "42"},
    ]
    assert message.usage.output_tokens_details.thinking_tokens == 2
    again = [*ASK, {"role": "assistant", "content": blocks}, {"role": "user", "content": "sure?"}]
    await create(both, **{**asked, "messages": again})
    assert claude.messages[-1].json["messages"] == [
        *ASK, {"role": "assistant", "content": [*blocks]}, {"role": "user", "content": "sure?"}
    ]  # fmt: skip


@pytest.mark.parametrize("is_streaming", [True, False])
async def test_reasoning_of_other_models_is_thinking(both: Served, *, is_streaming: bool) -> None:
    message = (await streamed(both, model="reasoner"))[1] if is_streaming else await create(both, model="reasoner")
    assert [each.type for each in message.content] == ["thinking", "text"]
    assert (message.content[0].thinking, message.content[1].text) == ("let me think", "42")


@pytest.mark.parametrize("is_streaming", [True, False])
async def test_tools_that_run_at_anthropic_come_back_in_their_place(both: Served, *, is_streaming: bool) -> None:
    asked = {"model": "claude-searcher"}
    message = (await streamed(both, **asked))[1] if is_streaming else await create(both, **asked)
    assert [each.type for each in message.content] == ["server_tool_use", "web_search_tool_result", "text", "text"]
    assert message.content[0].input == {"query": "tea"}
    assert message.content[2].citations[0].to_dict() == CITATION
    assert message.content[2].text + message.content[3].text == "Tea is hot, they say."


async def test_tools_that_run_at_anthropic_are_refused_elsewhere(both: Served, upstream: OpenAiServer) -> None:
    with pytest.raises(
        anthropic.BadRequestError, match=r"tools\.0: a tool of type 'web_search_20260318' runs at Anthropic"
    ):
        await create(both, model="echo", tools=[{"type": "web_search_20260318", "name": "web_search"}])
    assert not upstream.chats


@pytest.mark.parametrize(
    ("model", "reason", "sequence"),
    [
        ("claude-refuser", "refusal", None), ("claude-long", "max_tokens", None), ("claude-stopper", "stop_sequence", "three"),
        ("claude-new-events", "new_reason", None),
    ],
)  # fmt: skip
async def test_reasons_of_the_end_stay_anthropics_own(
    both: Served, model: str, reason: str, sequence: str | None
) -> None:
    message = await create(both, model=model)
    assert (message.stop_reason, message.stop_sequence) == (reason, sequence)


class Person(BaseModel):
    """Who it is."""

    name: str
    age: int


async def test_structured_output(both: Served, upstream: OpenAiServer, claude: AnthropicServer) -> None:
    def ask(model: str) -> Any:
        with both.anthropic() as client:
            return client.messages.parse(model=model, max_tokens=50, messages=ASK, output_format=Person)

    message = await to_thread.run_sync(ask, "claude-json")
    assert message.parsed_output == Person(name="Ada", age=36)
    form = claude.messages[-1].json["output_config"]["format"]
    assert (form["type"], form["schema"]["required"]) == ("json_schema", ["name", "age"])
    upstream.script.append(_said('{"name": "Bob", "age": 7}'))
    assert (await to_thread.run_sync(ask, "echo")).parsed_output == Person(name="Bob", age=7)
    described = upstream.chats[-1].json["response_format"]
    assert (described["type"], described["json_schema"]["strict"]) == ("json_schema", True)
    assert described["json_schema"]["schema"]["properties"].keys() == {"name", "age"}


def _said(text: str) -> Any:
    from tests.wire.openai_server import answer  # noqa: PLC0415

    return answer(text)


async def test_counts_tokens(both: Served, claude: AnthropicServer) -> None:
    def ask(model: str) -> int:
        with both.anthropic() as client:
            return client.messages.count_tokens(
                model=model, messages=CONVERSATION, tools=[WEATHER], system="Be brief."
            ).input_tokens

    exact = await to_thread.run_sync(ask, "claude-echo")
    asked = claude.requests[-1]
    assert (asked.path, exact) == ("/v1/messages/count_tokens", len(asked.body))
    assert asked.json == {"model": "claude-echo", "system": "Be brief.", "messages": CONVERSATION, "tools": [WEATHER]}
    estimate = await to_thread.run_sync(ask, "echo")
    assert 1600 < estimate < 1800  # an image, and some 100 tokens of text


ERRORS: list[tuple[str, str, type[anthropic.APIStatusError], int, str, str]] = [
    ("sk-as-nobody", "echo", anthropic.AuthenticationError, 401, "authentication_error", "API key"),
    ("sk-as-ada", "nothing-like-it", anthropic.NotFoundError, 404, "not_found_error", "There is no model"),
    ("sk-as-ada", "alcove/minilm", anthropic.BadRequestError, 400, "invalid_request_error", "embedding model"),
    ("sk-as-ada", "rate-limited", anthropic.RateLimitError, 429, "rate_limit_error", "slow down"),
    ("sk-as-ada", "claude-limited", anthropic.RateLimitError, 429, "rate_limit_error", "slow down"),
    ("sk-as-ada", "claude-overloaded", anthropic.OverloadedError, 529, "overloaded_error", "Overloaded"),
    ("sk-as-ada", "claude-error-first", anthropic.OverloadedError, 529, "overloaded_error", "Overloaded"),
    ("sk-as-ada", "claude-broken", anthropic.InternalServerError, 500, "api_error", "it broke"),
    ("sk-as-ada", "never", anthropic.APIStatusError, 504, "timeout_error", "did not answer in time"),
]


@pytest.mark.parametrize(("key", "model", "kind", "status", "type_", "words"), ERRORS, ids=str)
async def test_errors_are_the_clients_own(
    both: Served, key: str, model: str, kind: type[anthropic.APIStatusError], status: int, type_: str, words: str
) -> None:
    def ask(call: Callable[[anthropic.Anthropic], Any]) -> None:
        with both.anthropic(key) as client:
            call(client)

    for is_streaming in (False, True) if model != "never" else (False,):  # a silent stream has begun, with a ping
        with pytest.raises(kind) as caught:
            await to_thread.run_sync(
                ask,
                lambda client: client.messages.create(model=model, max_tokens=5, messages=ASK, stream=is_streaming),  # noqa: B023
            )
        assert caught.value.status_code == status
        body: Any = caught.value.body
        assert (body["type"], body["error"]["type"], body["request_id"]) == ("error", type_, "request-1")
        assert words in body["error"]["message"]
        assert caught.value.request_id == "request-1"
        if "limited" in model:
            assert caught.value.response.headers["retry-after"] == "7"
            assert caught.value.response.headers["x-upstream-request-id"] in {"up-1", "req_up"}


@pytest.mark.parametrize(
    ("model", "words", "type_"),
    [
        ("cut", "broke off", "api_error"), ("claude-cut", "broke off", "api_error"), ("claude-error-event", "Overloaded", "api_error"),
        ("claude-bad-json", "not JSON", "api_error"), ("claude-no-end", "without saying why", "api_error"), ("stall", "fell silent", "api_error"),
    ],
)  # fmt: skip
async def test_break_in_mid_stream_is_raised_by_the_client(both: Served, model: str, words: str, type_: str) -> None:
    seen: list[str] = []

    def ask() -> None:
        with both.anthropic() as client, client.messages.stream(model=model, max_tokens=5, messages=ASK) as stream:
            seen.extend(stream.text_stream)

    with pytest.raises(anthropic.APIStatusError, match=words) as caught:
        await to_thread.run_sync(ask)
    assert "".join(seen) in {"half ", "begun "}
    body: Any = caught.value.body
    assert (body["type"], body["error"]["type"], body["request_id"]) == ("error", type_, "request-1")


async def test_our_key_is_never_echoed(both: Served) -> None:
    with pytest.raises(anthropic.AuthenticationError, match="refused the key that is set for it") as caught:
        await create(both, model="claude-bad-key")
    assert "upstream-secret" not in json.dumps(caught.value.body)


async def test_beta_namespace_of_the_client(both: Served, claude: AnthropicServer) -> None:
    def ask() -> tuple[Any, int]:
        with both.anthropic() as client:
            asked: Any = {"model": "claude-echo", "messages": ASK, "betas": ["context-management-2025-06-27"]}
            counted = client.beta.messages.count_tokens(**asked).input_tokens
            return client.beta.messages.create(max_tokens=9, context_management={"edits": []}, **asked), counted

    message, counted = await to_thread.run_sync(ask)
    assert (message.content[0].text, counted > 0) == ("say it again ", True)
    assert claude.messages[-1].headers["anthropic-beta"] == "context-management-2025-06-27"
    assert claude.messages[-1].json["context_management"] == {"edits": []}


async def test_client_that_leaves_ends_the_call_to_anthropic(both: Served, claude: AnthropicServer) -> None:
    def leave() -> None:
        with (
            both.anthropic() as client,
            client.messages.stream(model="claude-stall", max_tokens=9, messages=ASK) as stream,
        ):
            assert next(iter(stream.text_stream)) == "begun "

    await to_thread.run_sync(leave)
    with anyio.fail_after(2):
        while claude.messages[-1].left_at_s is None or both.gateway.face.slots.taken:
            await anyio.sleep(0.005)
