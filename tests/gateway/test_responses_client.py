"""The unmodified `openai` client's `responses` and `completions` against the gateway on a real socket, over both fake servers."""

from typing import Any

import httpx2
import openai
import pytest
from anyio import to_thread
from pydantic import BaseModel

from tests.gateway.conftest import Served
from tests.wire.anthropic_server import SIGNATURE, AnthropicServer
from tests.wire.openai_server import OpenAiServer, answer, event, piece, stream

TOOL: Any = {
    "type": "function",
    "name": "weather",
    "description": "Tells the weather",
    "strict": True,
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False},
}  # fmt: skip


async def create(both: Served, **asked: Any) -> Any:
    def ask() -> Any:
        with both.openai() as client:
            return client.responses.create(**{"input": "say it again", **asked})

    return await to_thread.run_sync(ask)


async def streamed(both: Served, **asked: Any) -> list[Any]:
    def ask() -> list[Any]:
        with both.openai() as client:
            return list(client.responses.create(**{"input": "say it again", "stream": True, **asked}))

    return await to_thread.run_sync(ask)


@pytest.mark.parametrize("model", ["echo", "claude-echo"])
async def test_answers_whole(both: Served, model: str) -> None:
    response = await create(both, model=model, instructions="Be brief.", metadata={"a": "b"}, temperature=0.5)
    assert response.output_text == "say it again "
    assert (response.status, response.error, response.incomplete_details) == ("completed", None, None)
    assert (response.model, response.instructions, response.metadata, response.temperature) == (
        model,
        "Be brief.",
        {"a": "b"},
        0.5,
    )
    assert response.id == f"resp_{both.gateway.sink.traces[-1].id}"
    assert [(each.type, each.status, each.role) for each in response.output] == [("message", "completed", "assistant")]
    assert response.usage.output_tokens == 3
    assert response.usage.total_tokens == response.usage.input_tokens + 3
    assert response.to_dict()["store"] is False


@pytest.mark.parametrize("model", ["echo", "claude-echo"])
async def test_streams_typed_events_in_order(both: Served, model: str) -> None:
    events = await streamed(both, model=model)
    assert [each.type for each in events] == [
        "response.created", "response.in_progress", "response.output_item.added", "response.content_part.added",
        *["response.output_text.delta"] * 3, "response.output_text.done", "response.content_part.done",
        "response.output_item.done", "response.completed",
    ]  # fmt: skip
    assert [each.sequence_number for each in events] == list(range(11))
    assert "".join(each.delta for each in events[4:7]) == events[7].text == "say it again "
    assert {each.item_id for each in events[4:9]} == {events[2].item.id}
    assert events[0].response.status == events[1].response.status == "in_progress"
    assert events[-1].response.output_text == "say it again "
    assert events[-1].response.usage.output_tokens == 3


async def test_async_client_and_the_stream_helper(both: Served) -> None:
    http = httpx2.AsyncClient(trust_env=False, timeout=10)
    async with openai.AsyncOpenAI(
        base_url=f"{both.url}/v1", api_key="sk-as-ada", max_retries=0, http_client=http
    ) as client:
        async with client.responses.stream(model="tools", input="weather?", tools=[TOOL]) as events:
            kinds = [each.type async for each in events]
            final = await events.get_final_response()
        assert kinds.count("response.function_call_arguments.delta") == 2
        call: Any = final.output[0]
        assert (call.type, call.call_id, call.name, call.arguments) == (
            "function_call",
            "call_1",
            "weather",
            '{"city":"Bern"}',
        )
        assert call.parsed_arguments == {"city": "Bern"}


async def test_tools_go_there_and_back(both: Served, upstream: OpenAiServer, claude: AnthropicServer) -> None:
    for model, call_id in (("tools", "call_1"), ("claude-tools", "toolu_1")):
        first = await create(both, model=model, tools=[TOOL], tool_choice="required", parallel_tool_calls=False)
        call = next(each for each in first.output if each.type == "function_call")
        assert (call.call_id, call.name, call.status) == (call_id, "weather", "completed")
        items = [
            {"role": "user", "content": "weather?"},
            *(each.to_dict() for each in first.output),
            *({"type": "function_call_output", "call_id": each.call_id, "output": "rain"} for each in first.output if each.type == "function_call"),
        ]  # fmt: skip
        await create(both, model=model, input=items, tools=[TOOL])
    function = {key: value for key, value in TOOL.items() if key != "type"}
    sent = upstream.chats[0].json
    assert sent["tools"] == [{"type": "function", "function": function}]
    assert (sent["tool_choice"], sent["parallel_tool_calls"]) == ("required", False)
    assert upstream.chats[1].json["messages"] == [
        {"role": "user", "content": "weather?"},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Bern"}'}}]},
        {"role": "tool", "tool_call_id": "call_1", "content": "rain"},
    ]  # fmt: skip
    asked, again = claude.messages[0].json, claude.messages[1].json
    assert asked["tools"] == [
        {"name": "weather", "description": "Tells the weather", "strict": True, "input_schema": TOOL["parameters"]}
    ]
    assert asked["tool_choice"] == {"type": "any", "disable_parallel_tool_use": True}
    assert again["messages"] == [
        {"role": "user", "content": "weather?"},
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "Let me look."},
                {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Bern"}},
                {"type": "tool_use", "id": "toolu_2", "name": "now", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": "rain"},
                {"type": "tool_result", "tool_use_id": "toolu_2", "content": "rain"},
            ],
        },
    ]  # fmt: skip


async def test_reasoning_is_an_item_and_its_signature_goes_back(both: Served, claude: AnthropicServer) -> None:
    events = await streamed(both, model="reasoner", reasoning={"effort": "low"})
    assert [each.type for each in events][2:10] == [
        "response.output_item.added", "response.reasoning_summary_part.added", "response.reasoning_summary_text.delta",
        "response.reasoning_summary_text.delta", "response.reasoning_summary_text.done", "response.reasoning_summary_part.done",
        "response.output_item.done", "response.output_item.added",
    ]  # fmt: skip
    final = events[-1].response
    assert [each.type for each in final.output] == ["reasoning", "message"]
    assert final.output[0].summary[0].text == "let me think"
    thought = await create(both, model="claude-thinker", reasoning={"effort": "high"})
    assert [each.type for each in thought.output] == ["reasoning", "reasoning", "message"]
    assert thought.usage.output_tokens_details.reasoning_tokens == 2
    items = [
        {"role": "user", "content": "x"},
        *(each.to_dict() for each in thought.output),
        {"role": "user", "content": "sure?"},
    ]
    await create(both, model="claude-echo", input=items)
    assert claude.messages[-1].json["messages"][1]["content"] == [
        {"type": "thinking", "thinking": "let me think", "signature": SIGNATURE},
        {"type": "redacted_thinking", "data": "ZW5jcnlwdGVk"},
        {"type": "text", "text": "42"},
    ]
    assert claude.messages[0].json["thinking"] == {"type": "adaptive"}
    assert claude.messages[0].json["output_config"] == {"effort": "high"}


async def test_what_only_anthropic_reads_is_left_out_elsewhere(both: Served, upstream: OpenAiServer) -> None:
    thought = await create(both, model="claude-thinker")
    await create(
        both, model="echo", input=[*(each.to_dict() for each in thought.output), {"role": "user", "content": "x"}]
    )
    assert upstream.chats[-1].json["messages"][0] == {
        "role": "assistant",
        "content": "42",
        "reasoning_content": "let me think",
    }


class Person(BaseModel):
    """Who it is."""

    name: str
    age: int


async def test_parse(both: Served, upstream: OpenAiServer, claude: AnthropicServer) -> None:
    def ask(model: str) -> Any:
        with both.openai() as client:
            return client.responses.parse(model=model, input="who?", text_format=Person)

    upstream.script.append(answer('{"name": "Ada", ', '"age": 36}'))
    for model in ("echo", "claude-json"):
        response = await to_thread.run_sync(ask, model)
        assert response.output_parsed == Person(name="Ada", age=36)
    form = upstream.chats[-1].json["response_format"]
    assert (form["type"], form["json_schema"]["name"], form["json_schema"]["strict"]) == ("json_schema", "Person", True)
    assert claude.messages[-1].json["output_config"]["format"]["schema"] == form["json_schema"]["schema"]


async def test_images_files_and_limits(both: Served, upstream: OpenAiServer) -> None:
    content: Any = [
        {"type": "input_text", "text": "look"},
        {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "low"},
        {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"},
    ]
    await create(
        both, model="echo", input=[{"role": "user", "content": content}], max_output_tokens=5, top_p=0.5, text={"verbosity": "low"},
        extra_body={"vendor_field": {"deep": [1.5]}}, user="u", include=["message.output_text.logprobs"],
    )  # fmt: skip
    sent = upstream.chats[-1].json
    assert sent["messages"][0]["content"] == [
        {"type": "text", "text": "look"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"}},
    ]
    for key in ("model", "messages", "stream", "stream_options"):
        del sent[key]
    assert sent == {
        "max_tokens": 5, "top_p": 0.5, "verbosity": "low", "vendor_field": {"deep": [1.5]}, "user": "u", "logprobs": True, "top_logprobs": 0,
    }  # fmt: skip


async def test_logprobs_come_back(both: Served) -> None:
    response = await create(both, model="logprobs", top_logprobs=2)
    logprobs = response.output[0].content[0].logprobs
    assert [(each.token, each.logprob) for each in logprobs] == [("a", -0.1), ("b", -0.2)]
    deltas = [each for each in await streamed(both, model="logprobs") if each.type == "response.output_text.delta"]
    assert [each.logprobs[0].token for each in deltas] == ["a", "b"]


async def test_refusals_and_cut_answers(both: Served, upstream: OpenAiServer) -> None:
    upstream.script += [
        stream(event(piece({"refusal": "I will "})), event(piece({"refusal": "not"})), event(piece({}, "stop")))
    ] * 2
    events = await streamed(both, model="echo")
    assert [each.type for each in events][4:8] == [
        "response.refusal.delta", "response.refusal.delta", "response.refusal.done", "response.content_part.done",
    ]  # fmt: skip
    assert (await create(both, model="echo")).output[0].content[0].refusal == "I will not"
    for model, reason in (("claude-long", "max_output_tokens"), ("claude-refuser", "content_filter")):
        cut = (await streamed(both, model=model))[-1]
        assert (cut.type, cut.response.status, cut.response.incomplete_details.reason) == (
            "response.incomplete",
            "incomplete",
            reason,
        )
        assert cut.response.output[-1].status == "incomplete"


@pytest.mark.parametrize("model", ["cut", "claude-cut", "claude-error-event", "bad-json", "stall"])
async def test_break_in_mid_stream_is_a_failed_response(both: Served, model: str) -> None:
    events = await streamed(both, model=model)
    last = events[-1]
    assert (last.type, last.response.status, last.response.error.code) == ("response.failed", "failed", "server_error")
    assert last.response.error.message
    assert [each.sequence_number for each in events] == list(range(len(events)))


async def test_errors_before_the_first_byte(both: Served) -> None:
    with pytest.raises(openai.NotFoundError) as missing:
        await create(both, model="nothing-like-it")
    assert missing.value.code == "model_not_found"
    with pytest.raises(openai.RateLimitError, match="slow down") as limited:
        await streamed(both, model="claude-limited")
    assert limited.value.response.headers["retry-after"] == "7"
    with pytest.raises(openai.BadRequestError, match="answers are not kept here") as kept:
        await create(both, model="echo", previous_response_id="resp_1")
    assert kept.value.param == "previous_response_id"


# Legacy completions


@pytest.mark.parametrize("model", ["echo", "claude-echo"])
async def test_completions(both: Served, upstream: OpenAiServer, model: str) -> None:
    def ask() -> tuple[Any, list[Any]]:
        with both.openai() as client:
            whole = client.completions.create(model=model, prompt=["say it again"], max_tokens=9)
            chunks = client.completions.create(
                model=model, prompt="say it", stream=True, stream_options={"include_usage": True}
            )
            return whole, list(chunks)

    whole, chunks = await to_thread.run_sync(ask)
    assert (whole.choices[0].text, whole.choices[0].finish_reason, whole.object) == (
        "say it again ",
        "stop",
        "text_completion",
    )
    assert whole.id.startswith("cmpl-")
    assert whole.usage.completion_tokens == 3
    *texts, last, counts = chunks
    assert "".join(each.choices[0].text for each in texts) == "say it "
    assert last.choices[0].finish_reason == "stop"
    assert (counts.choices, counts.usage.completion_tokens) == ([], 3)
    if model == "echo":
        assert upstream.chats[0].json["messages"] == [{"role": "user", "content": "say it again"}]
        assert upstream.chats[0].json["max_tokens"] == 9


async def test_completions_have_logprobs_in_their_own_form(both: Served, upstream: OpenAiServer) -> None:
    def ask() -> Any:
        with both.openai() as client:
            return client.completions.create(model="logprobs", prompt="x", logprobs=2)

    logprobs = (await to_thread.run_sync(ask)).choices[0].logprobs
    assert (logprobs.tokens, logprobs.token_logprobs, logprobs.text_offset) == (["a", "b"], [-0.1, -0.2], [0, 1])
    assert (upstream.chats[-1].json["logprobs"], upstream.chats[-1].json["top_logprobs"]) == (True, 2)


async def test_completions_that_break_off(both: Served) -> None:
    def ask(model: str) -> list[Any]:
        with both.openai() as client:
            return list(client.completions.create(model=model, prompt="x", stream=True))

    for model in ("cut", "claude-cut"):
        with pytest.raises(openai.APIError, match="broke off"):
            await to_thread.run_sync(ask, model)
