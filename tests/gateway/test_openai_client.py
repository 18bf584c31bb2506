"""The unmodified `openai` client against the gateway on a real socket, over a fake model server."""

import base64
import struct

import anyio
import openai
import pytest
from anyio import to_thread

from tests.gateway.conftest import Served
from tests.wire.openai_server import OpenAiServer

ASK = [{"role": "user", "content": "say it again"}]


async def test_streams(serving: Served, upstream: OpenAiServer) -> None:
    def ask() -> list[object]:
        with serving.openai() as client:
            return list(client.chat.completions.create(model="echo", messages=ASK, stream=True))  # type: ignore[call-overload]  # plain dicts

    chunks = await to_thread.run_sync(ask)
    assert chunks[0].choices[0].delta.role == "assistant"
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "say it again "
    assert [chunk.choices[0].finish_reason for chunk in chunks[-2:]] == [None, "stop"]
    assert all(chunk.usage is None and chunk.choices for chunk in chunks)
    assert {chunk.model for chunk in chunks} == {"echo"}
    assert len({chunk.id for chunk in chunks}) == 1
    sent = upstream.chats[-1]
    assert sent.json == {"model": "echo", "messages": ASK, "stream": True, "stream_options": {"include_usage": True}}
    assert sent.headers["authorization"] == "Bearer sk-upstream-secret-1234"
    assert "sk-as-ada" not in str(sent.headers)


async def test_streams_with_usage_in_a_last_chunk_of_its_own(serving: Served) -> None:
    def ask() -> list[object]:
        with serving.openai() as client:
            options = {"include_usage": True}
            return list(
                client.chat.completions.create(model="echo", messages=ASK, stream=True, stream_options=options)  # type: ignore[call-overload]  # plain dicts
            )

    *chunks, last = await to_thread.run_sync(ask)
    assert all(chunk.usage is None and len(chunk.choices) == 1 for chunk in chunks)
    assert last.choices == []
    assert (last.usage.prompt_tokens, last.usage.completion_tokens, last.usage.total_tokens) == (7, 3, 10)


async def test_answers_whole(serving: Served) -> None:
    def ask() -> object:
        with serving.openai() as client:
            return client.chat.completions.create(model="echo", messages=ASK)  # type: ignore[call-overload]  # plain dicts

    answer = await to_thread.run_sync(ask)
    assert answer.choices[0].message.content == "say it again "
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.total_tokens == 10
    assert answer.model == "echo"


@pytest.mark.parametrize("is_streaming", [True, False])
async def test_tool_calls_go_there_and_back(serving: Served, upstream: OpenAiServer, *, is_streaming: bool) -> None:
    tools = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "x-vendor": 1}}}]
    messages = [
        *ASK,
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "c0", "type": "function", "function": {"name": "weather", "arguments": "{}"}, "extra_content": {"a": 1}}
            ],
        },
        {"role": "tool", "tool_call_id": "c0", "content": "rain"},
    ]  # fmt: skip

    def ask() -> object:
        with serving.openai() as client:
            asked = {"model": "tools", "messages": messages, "tools": tools, "tool_choice": "auto"}
            if not is_streaming:
                return client.chat.completions.create(**asked)  # type: ignore[call-overload]  # plain dicts
            with client.chat.completions.stream(**asked) as stream:  # type: ignore[arg-type]  # plain dicts
                stream.until_done()
                return stream.get_final_completion()

    choice = (await to_thread.run_sync(ask)).choices[0]
    assert choice.finish_reason == "tool_calls"
    call = choice.message.tool_calls[0]
    assert (call.id, call.function.name, call.function.arguments) == ("call_1", "weather", '{"city":"Bern"}')
    sent = upstream.chats[-1].json
    assert sent["messages"] == messages
    assert (sent["tools"], sent["tool_choice"]) == (tools, "auto")


async def test_lists_and_gets_models(serving: Served) -> None:
    def ask() -> tuple[list[str], str]:
        with serving.openai() as client:
            return [model.id for model in client.models.list()], client.models.retrieve("up/echo").id

    ids, one = await to_thread.run_sync(ask)
    assert {"alcove/reader", "alcove/minilm", "echo"} <= set(ids)
    assert one == "up/echo" or one in ids


@pytest.mark.parametrize("model", ["alcove/minilm", "text-embed"])
async def test_embeds(serving: Served, model: str) -> None:
    def ask() -> tuple[object, object]:
        with serving.openai() as client:
            floats = client.embeddings.create(model=model, input=["a", "bc"], encoding_format="float")
            return floats, client.embeddings.create(model=model, input="a")  # the client asks for base64 here

    many, one = await to_thread.run_sync(ask)
    assert [each.index for each in many.data] == [0, 1]
    assert many.data[0].embedding == pytest.approx([0.6, 0.8, 0.0])
    assert one.data[0].embedding == pytest.approx([0.6, 0.8, 0.0])


async def test_embeds_as_base64_of_little_endian_floats(serving: Served) -> None:
    async with serving.client() as client:
        body = {"model": "alcove/minilm", "input": "a", "encoding_format": "base64"}
        answer = (await client.post("/v1/embeddings", json=body)).json()
    assert struct.unpack("<3f", base64.b64decode(answer["data"][0]["embedding"])) == pytest.approx((0.6, 0.8, 0.0))


async def test_errors_are_the_clients_own(serving: Served) -> None:
    def ask(key: str, model: str) -> None:
        with serving.openai(key) as client:
            client.chat.completions.create(model=model, messages=ASK)  # type: ignore[call-overload]  # plain dicts

    async def fails(kind: type[openai.APIStatusError], key: str, model: str) -> openai.APIStatusError:
        with pytest.raises(kind) as caught:
            await to_thread.run_sync(ask, key, model)
        return caught.value

    assert (await fails(openai.AuthenticationError, "sk-as-nobody", "echo")).code == "not_authenticated"
    assert (await fails(openai.NotFoundError, "sk-as-ada", "nothing-like-it")).code == "model_not_found"
    limited = await fails(openai.RateLimitError, "sk-as-ada", "rate-limited")
    assert limited.response.headers["retry-after"] == "7"
    assert limited.response.headers["x-upstream-request-id"] == "up-1"
    assert "slow down" in limited.message


async def test_break_in_mid_stream_is_raised_by_the_client(serving: Served) -> None:
    words: list[str] = []

    def ask() -> None:
        with serving.openai() as client:
            for chunk in client.chat.completions.create(model="cut", messages=ASK, stream=True):  # type: ignore[call-overload]  # plain dicts
                words.append(chunk.choices[0].delta.content or "")

    with pytest.raises(openai.APIError, match="broke off") as caught:
        await to_thread.run_sync(ask)
    assert "".join(words) == "half "
    assert caught.value.code == "stream_interrupted"


async def test_client_that_leaves_ends_the_call_to_the_model_server(serving: Served, upstream: OpenAiServer) -> None:
    left_at_s = await to_thread.run_sync(_leave, serving)
    with anyio.fail_after(2):
        while upstream.chats[-1].left_at_s is None:
            await anyio.sleep(0.002)
    assert upstream.chats[-1].left_at_s - left_at_s < 0.1
    with anyio.fail_after(2):
        while not serving.gateway.sink.traces or serving.gateway.face.slots.taken:
            await anyio.sleep(0.002)
    assert serving.gateway.sink.traces[0].output == "begun "
    assert "stopped" in str(serving.gateway.sink.traces[0].status_message)


def _leave(serving: Served) -> float:
    import time  # noqa: PLC0415

    with serving.openai() as client:
        stream = client.chat.completions.create(model="stall", messages=ASK, stream=True)  # type: ignore[call-overload]  # plain dicts
        for chunk in stream:
            if chunk.choices[0].delta.content == "begun ":
                break
        stream.response.close()
        return time.monotonic()
