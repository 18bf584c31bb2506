"""The unmodified `openai` client's chat completions, answered by a server that speaks Anthropic's protocol."""

from typing import Any

import openai
import pytest
from anyio import to_thread
from pydantic import BaseModel

from tests.gateway.conftest import Served
from tests.wire.anthropic_server import SIGNATURE, AnthropicServer
from tests.wire.openai_server import OpenAiServer

ASK: Any = [{"role": "user", "content": "say it again"}]
PIXEL = "iVBORw0KGgo="
TOOLS: Any = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]


async def create(both: Served, **asked: Any) -> Any:
    def ask() -> Any:
        with both.openai() as client:
            return client.chat.completions.create(**{"messages": ASK, **asked})

    return await to_thread.run_sync(ask)


async def test_conversation_in_anthropics_words(both: Served, claude: AnthropicServer) -> None:
    messages: Any = [
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": [{"type": "text", "text": "And kind.", "cache_control": {"type": "ephemeral"}}]},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "look"},
                {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}", "detail": "low"}},
                {"type": "image_url", "image_url": {"url": "https://e.org/i.png"}},
                {"type": "file", "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PIXEL}"}},
            ],
        },
        {
            "role": "assistant", "content": None, "refusal": None,
            "tool_calls": [
                {"id": "call.1:0", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Bern"}'}},
                {"id": "c2", "type": "function", "function": {"name": "now", "arguments": ""}},
                {"id": "c3", "type": "function", "function": {"name": "odd", "arguments": "not json"}},
            ],
        },
        {"role": "tool", "tool_call_id": "call.1:0", "content": "rain"},
        {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "noon"}]},
        {"role": "tool", "tool_call_id": "c3", "content": ""},
        {"role": "assistant", "content": ""},
        {"role": "user", "content": "go on"},
    ]  # fmt: skip
    await create(
        both, model="claude-echo", messages=messages, tools=TOOLS, tool_choice={"type": "function", "function": {"name": "weather"}},
        parallel_tool_calls=False, max_completion_tokens=50, temperature=1.5, top_p=0.9, stop="END", seed=7, user="u-1", n=1, logit_bias={},
        response_format={"type": "json_object"}, extra_body={"top_k": 5},
    )  # fmt: skip
    body = claude.messages[-1].json
    assert body == {
        "model": "claude-echo",
        "stream": True,
        "max_tokens": 50,
        "temperature": 1,
        "top_p": 0.9,
        "top_k": 5,
        "stop_sequences": ["END"],
        "metadata": {"user_id": "u-1"},
        "tools": [{"name": "weather", "input_schema": {"type": "object"}}],
        "tool_choice": {"type": "tool", "name": "weather", "disable_parallel_tool_use": True},
        "system": [
            {"type": "text", "text": "Be brief."},
            {"type": "text", "text": "And kind.", "cache_control": {"type": "ephemeral"}},
            {"type": "text", "text": "Answer with one JSON object and nothing else."},
        ],
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "look"},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}},
                    {"type": "image", "source": {"type": "url", "url": "https://e.org/i.png"}},
                    {"type": "document", "title": "a.pdf", "source": {"type": "base64", "media_type": "application/pdf", "data": PIXEL}},
                ],
            },
            {
                "role": "assistant",
                "content": [
                    {"type": "tool_use", "id": "call_1_0", "name": "weather", "input": {"city": "Bern"}},
                    {"type": "tool_use", "id": "c2", "name": "now", "input": {}},
                    {"type": "tool_use", "id": "c3", "name": "odd", "input": {"arguments": "not json"}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "call_1_0", "content": "rain"},
                    {"type": "tool_result", "tool_use_id": "c2", "content": "noon"},
                    {"type": "tool_result", "tool_use_id": "c3"},
                    {"type": "text", "text": "go on"},
                ],
            },
        ],
    }  # fmt: skip


@pytest.mark.parametrize("is_streaming", [True, False])
async def test_tool_calls(both: Served, *, is_streaming: bool) -> None:
    def ask() -> Any:
        with both.openai() as client:
            asked: Any = {"model": "claude-tools", "messages": ASK, "tools": TOOLS}
            if not is_streaming:
                return client.chat.completions.create(**asked)
            with client.chat.completions.stream(**asked) as stream:
                stream.until_done()
                return stream.get_final_completion()

    choice = (await to_thread.run_sync(ask)).choices[0]
    assert (choice.finish_reason, choice.message.content) == ("tool_calls", "Let me look.")
    assert [(each.id, each.function.name, each.function.arguments) for each in choice.message.tool_calls] == [
        ("toolu_1", "weather", '{"city": "Bern"}'),
        ("toolu_2", "now", "{}"),
    ]


async def test_thinking_is_reasoning_and_goes_back_signed(both: Served, claude: AnthropicServer) -> None:
    answer = await create(
        both, model="claude-thinker", reasoning_effort="high", max_completion_tokens=30_000, temperature=0.2
    )
    message = answer.choices[0].message.to_dict()
    assert (message["reasoning_content"], message["content"]) == ("let me think", "42")
    assert message["thinking_blocks"] == [
        {"type": "thinking", "thinking": "let me think", "signature": SIGNATURE},
        {"type": "redacted_thinking", "data": "ZW5jcnlwdGVk"},
    ]
    assert answer.usage.completion_tokens_details.reasoning_tokens == 2
    assert (answer.usage.prompt_tokens, answer.usage.prompt_tokens_details.cached_tokens) == (13, 4)
    sent = claude.messages[-1].json
    assert (sent["thinking"], sent["output_config"]) == ({"type": "adaptive"}, {"effort": "high"})
    assert "temperature" not in sent
    await create(both, model="claude-thinker", messages=[*ASK, message, {"role": "user", "content": "sure?"}])
    assert claude.messages[-1].json["messages"][1]["content"] == [
        *message["thinking_blocks"],
        {"type": "text", "text": "42"},
    ]


@pytest.mark.parametrize(
    ("asked", "max_tokens", "thinking"),
    [
        ({}, 8192, None),
        ({"max_tokens": 100}, 100, None),
        ({"reasoning_effort": "low"}, 9216, 1024),
        ({"reasoning_effort": "high"}, 24_576, 12_288),
        ({"reasoning_effort": "high", "max_tokens": 6000}, 6000, 3000),
        ({"reasoning_effort": "high", "max_tokens": 1500}, 1500, None),
        ({"reasoning_effort": "low", "tools": TOOLS, "tool_choice": "required"}, 8192, None),
        ({"reasoning_effort": "none"}, 8192, None),
    ],
)
async def test_effort_is_a_budget_where_a_model_takes_no_levels(
    both: Served, claude: AnthropicServer, asked: dict[str, Any], max_tokens: int, thinking: int | None
) -> None:
    await create(both, model="claude-echo", **asked)
    sent = claude.messages[-1].json
    assert sent["max_tokens"] == max_tokens
    assert sent.get("thinking") == (None if thinking is None else {"type": "enabled", "budget_tokens": thinking})


async def test_model_that_says_how_much_it_can_write_is_given_more_room(both: Served, claude: AnthropicServer) -> None:
    await create(both, model="claude-thinker")
    assert claude.messages[-1].json["max_tokens"] == 32_768


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ("claude-refuser", "content_filter"),
        ("claude-long", "length"),
        ("claude-stopper", "stop"),
        ("claude-new-events", "stop"),
    ],
)
async def test_reasons_of_the_end(both: Served, model: str, reason: str) -> None:
    assert (await create(both, model=model)).choices[0].finish_reason == reason


async def test_server_that_does_not_stream(both: Served) -> None:
    choice = (await create(both, model="claude-whole")).choices[0]
    assert (choice.message.content, choice.finish_reason) == ("all at once", "tool_calls")
    assert choice.message.tool_calls[0].function.arguments == '{"a":1}'
    assert choice.message.to_dict()["reasoning_content"] == "hm"


class Person(BaseModel):
    """Who it is."""

    name: str
    age: int


async def test_parse(both: Served, claude: AnthropicServer) -> None:
    def ask() -> Any:
        with both.openai() as client:
            return client.chat.completions.parse(model="claude-json", messages=ASK, response_format=Person)

    assert (await to_thread.run_sync(ask)).choices[0].message.parsed == Person(name="Ada", age=36)
    form = claude.messages[-1].json["output_config"]["format"]
    assert (form["type"], sorted(form["schema"]["required"])) == ("json_schema", ["age", "name"])


async def test_lists_models_of_all_pages(both: Served, claude: AnthropicServer) -> None:
    def ask() -> list[str]:
        with both.openai() as client:
            return [each.id for each in client.models.list()]

    ids = await to_thread.run_sync(ask)
    assert {"claude-echo", "claude-new-events"} <= set(ids)
    assert (await create(both, model="claude/claude-echo")).choices[0].message.content == "say it again "


async def test_anthropic_has_no_embeddings(both: Served) -> None:
    def ask() -> None:
        with both.openai() as client:
            client.embeddings.create(model="claude-echo", input="x")

    with pytest.raises(openai.BadRequestError, match="no embedding models"):
        await to_thread.run_sync(ask)


@pytest.mark.parametrize(
    ("model", "status", "code", "words"),
    [
        ("claude-limited", 429, "rate_limit_error", "slow down"),
        ("claude-overloaded", 529, "overloaded_error", "Overloaded"),
        ("claude-error-first", 529, "overloaded_error", "Overloaded"),
        ("claude-broken", 500, "api_error", "it broke"),
        ("claude-html", 502, "upstream_error", "answered with status 502"),
        ("claude-error-event", 502, "overloaded_error", "Overloaded"),
        ("claude-no-end", 502, "stream_interrupted", "without saying why"),
        ("claude-cut", 502, "stream_interrupted", "broke off"),
        ("claude-bad-json", 502, "stream_interrupted", "not JSON"),
        ("claude-nonsense", 502, "upstream_error", "not a message"),
        ("claude-endless-line", 502, "upstream_error", "without an end"),
        ("claude-stall", 502, "stream_interrupted", "fell silent"),
        ("claude/none-such", 404, "not_found_error", "model: none-such"),
    ],
)
async def test_failing_server(both: Served, model: str, status: int, code: str, words: str) -> None:
    with pytest.raises(openai.APIStatusError, match=words) as caught:
        await create(both, model=model)
    assert (caught.value.status_code, caught.value.code) == (status, code)
    if status in {429, 529} and model != "claude-error-first":
        assert caught.value.response.headers["x-upstream-request-id"] == "req_up"


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}}]}]}, "messages.0.content.0"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png,raw"}}]}]}, "messages.0.content.0"),
        ({"messages": [{"role": "user", "content": [{"type": "file", "file": {}}]}]}, "messages.0.content.0.file"),
        ({"extra_body": {"anthropic": {"anthropic_beta": ["x\r\nx-api-key: y"]}}}, "anthropic.anthropic_beta"),
        ({"extra_body": {"anthropic": {"anthropic_beta": "one"}}}, "anthropic.anthropic_beta"),
        *(
            ({"extra_body": {"anthropic": {field: value}}}, f"anthropic.{field}")
            for field, value in (
                ("model", "claude-opus"), ("messages", ASK), ("system", "x"), ("max_tokens", 64_000), ("stream", False), ("tools", []),
                ("tool_choice", {"type": "any"}),
            )
        ),
        ({"extra_body": {"system": "Obey."}}, "system"),
        ({"tools": [{"type": "custom", "custom": {"name": "x"}}]}, "tools.0"),
        ({"tool_choice": {"type": "allowed_tools"}}, "tool_choice"),
        ({"response_format": {"type": "json_schema", "json_schema": {}}}, "response_format.json_schema.schema"),
    ],
)  # fmt: skip
async def test_what_anthropic_has_no_words_for_is_refused_with_the_field(
    both: Served, claude: AnthropicServer, asked: dict[str, Any], field: str
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await create(both, model="claude-echo", **asked)
    assert caught.value.param == field
    assert not claude.messages


async def test_fields_in_anthropics_own_words_go_there_and_nowhere_else(
    both: Served, upstream: OpenAiServer, claude: AnthropicServer
) -> None:
    own: Any = {"anthropic": {"container": "c", "thinking": {"type": "disabled"}, "anthropic_beta": ["one", "two"]}}
    await create(both, model="claude-echo", reasoning_effort="high", extra_body=own)
    sent = claude.messages[-1]
    assert (sent.json["container"], sent.json["thinking"]) == ("c", {"type": "disabled"})
    assert sent.headers["anthropic-beta"] == "one,two"
    assert "anthropic" not in sent.json
    await create(both, model="echo", extra_body=own)
    assert "anthropic" not in upstream.chats[-1].json
    assert "x-api-key" not in upstream.chats[-1].headers


async def test_fields_in_anthropics_own_words_replace_nothing_that_was_checked(
    both: Served, claude: AnthropicServer
) -> None:
    own: Any = {
        "text": "unchecked",
        "name": "other",
        "input": {"x": 1},
        "content": "unchecked",
        "input_schema": {},
        "cache_control": {"type": "ephemeral"},
    }
    call: Any = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}, "anthropic": own}
    document: Any = {"type": "text", "text": "unchecked", "source": {"type": "content", "content": "unchecked"}}
    messages: Any = [
        {"role": "user", "content": [{"type": "text", "text": "checked", "anthropic": own}]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "", "anthropic": own},
        {"role": "user", "content": [{"type": "text", "text": "checked", "anthropic": {"document": document}}]},
    ]
    more: Any = {"anthropic": {"temperature": 0.1, "container": "c"}}
    await create(
        both,
        model="claude-echo",
        messages=messages,
        temperature=0.5,
        tools=[{**TOOLS[0], "anthropic": own}],
        extra_body=more,
    )
    body = claude.messages[-1].json
    said, called, told = (each["content"] for each in body["messages"])
    assert (said[0]["text"], said[0]["cache_control"]) == ("checked", own["cache_control"])
    assert (called[0]["name"], called[0]["input"]) == ("weather", {})
    assert "content" not in told[0]
    assert (told[1]["type"], told[1]["source"]["type"], told[1]["source"]["data"]) == ("document", "text", "checked")
    assert (body["tools"][0]["name"], body["tools"][0]["input_schema"]) == ("weather", {"type": "object"})
    assert (body["temperature"], body["container"]) == (0.5, "c")


async def test_exact_reason_and_counts_of_anthropic_stand_beside_openais(both: Served) -> None:
    choice = (await create(both, model="claude-stopper")).choices[0].to_dict()
    assert choice["finish_reason"] == "stop"
    assert choice["anthropic"] == {
        "stop_reason": "stop_sequence",
        "stop_sequence": "three",
        "usage": {"cache_creation_input_tokens": 2},
    }
