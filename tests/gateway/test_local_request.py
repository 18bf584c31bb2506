"""What a request asks of a local model, and tools for models without a form for them."""

import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from alcove.gateway.adapters.local import LocalUpstream
from alcove.gateway.adapters.local_request import LocalAsk, load_options, local_body
from alcove.gateway.adapters.tool_schema import ToolOrAnswer, ToolSchema
from alcove.infra.http import HttpLimits
from alcove.kernel.chat import ChatMessage, ChatRequest, ChatRole, JsonValue, ToolCall
from alcove.kernel.errors import InvalidRequest
from alcove.kernel.ports import EmbeddingContext, ModelInfo
from alcove.kernel.principal import Principal, Role
from alcove.runtime.errors import BadModelFile, ModelFailed
from alcove.runtime.models import FOREVER_S, Capability, Lease, LeaseRequest, LoadOptions, Purpose
from alcove.runtime.testing.catalog import FakeCatalog, fake_model
from alcove.runtime.testing.local import FakeLocalModels

MODEL = fake_model("tiny")
TOOL: JsonValue = {
    "type": "function",
    "function": {"name": "add", "description": "Adds.", "parameters": {"type": "object", "properties": {}}},
}


def request(*messages: ChatMessage, **extra: JsonValue) -> ChatRequest:
    asked = messages or (ChatMessage.of(ChatRole.USER, "hello"),)
    return ChatRequest(model="local/tiny", messages=asked, extra=extra)


def body(asked: ChatRequest, **model: object) -> dict[str, JsonValue]:
    return local_body(asked, LocalAsk.of(asked.extra), replace(MODEL, **model))  # type: ignore[arg-type]


def test_load_options_are_read_and_not_sent_on() -> None:
    asked = request(num_ctx=2048, options={"num_thread": 2, "use_mmap": False, "num_gpu": -1}, keep_alive="5m")
    ask = LocalAsk.of(asked.extra)
    assert ask.options == LoadOptions(num_ctx=2048, num_thread=2, use_mmap=False)
    assert ask.keep_alive_s == 300
    assert LocalAsk.of({"keep_alive": -1}).keep_alive_s == FOREVER_S
    assert set(body(asked)) == {"model", "messages"}


def test_only_fields_the_server_is_meant_to_have_are_sent() -> None:
    asked = request(temperature=0.5, user="x", metadata={}, id_slot=3, lora=[{"id": 0}], cache_prompt=False, top_k=3)
    assert body(asked) == {
        "model": "tiny",
        "messages": [{"role": "user", "content": "hello"}],
        "temperature": 0.5,
        "top_k": 3,
    }


def test_ollamas_names_are_translated_and_openais_win() -> None:
    assert body(request(options={"num_predict": 5, "stop": ["x"]}))["max_tokens"] == 5
    assert body(request(options={"num_predict": 5}, max_tokens=7))["max_tokens"] == 7
    assert body(request(max_completion_tokens=9))["max_tokens"] == 9
    assert "max_tokens" not in body(request(num_predict=-1))
    assert body(request(think=False))["chat_template_kwargs"] == {"enable_thinking": False}
    assert body(request(reasoning_effort="high"))["chat_template_kwargs"] == {
        "reasoning_effort": "high",
        "enable_thinking": True,
    }


def test_what_the_models_maker_set_is_used_where_the_request_is_silent() -> None:
    own = {
        "parameters": {"temperature": 0.1, "stop": ["</s>"], "num_ctx": 99},
        "system": "Be brief.",
        "messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}, {"role": "odd"}],
    }
    sent = body(request(temperature=0.9), **own)
    assert (sent["temperature"], sent["stop"]) == (0.9, ["</s>"])
    assert "num_ctx" not in sent
    assert [each["content"] for each in sent["messages"]] == ["Be brief.", "q", "a", "hello"]  # type: ignore[union-attr, index, call-overload]
    instructed = request(ChatMessage.of(ChatRole.SYSTEM, "Be long."), ChatMessage.of(ChatRole.USER, "hello"))
    sent = body(instructed, **own)
    assert [each["content"] for each in sent["messages"]] == ["Be long.", "q", "a", "hello"]  # type: ignore[union-attr, index, call-overload]


@pytest.mark.parametrize(
    "fields",
    [
        {"num_ctx": "many"},
        {"num_ctx": 0},
        {"num_ctx": -4},
        {"num_ctx": 1.5},
        {"num_ctx": True},
        {"use_mmap": 1},
        {"num_thread": 1 << 40},
    ],
)
def test_load_options_without_sense_are_refused_by_name(fields: dict[str, JsonValue]) -> None:
    with pytest.raises(InvalidRequest) as caught:
        load_options(fields)
    assert next(iter(fields)) in caught.value.detail


@pytest.mark.parametrize(
    ("name", "value", "bounds"),
    [
        ("repeat_last_n", 300_000_000, "-1 to 1048576"),
        ("dry_penalty_last_n", 300_000_000, "-1 to 1048576"),
        ("repeat_last_n", -2, "-1 to 1048576"),
        ("repeat_last_n", 1.5, "a whole number"),
        ("repeat_last_n", float("inf"), "a whole number"),
        ("dry_allowed_length", 1 << 40, "0 to 1048576"),
        ("top_k", "3", "a whole number"),
        ("top_k", True, "a whole number"),
        ("mirostat", 3, "0 to 2"),
        ("seed", 10**400, "one of many digits"),
        ("n_keep", 1 << 31, "-1 to"),
        ("num_keep", 1 << 31, "-1 to"),
        ("num_predict", 1 << 31, "-2 to"),
        ("max_tokens", "5", "a whole number"),
        ("max_completion_tokens", 0.5, "a whole number"),
        ("top_logprobs", 100_000, "0 to 20"),
        ("logprobs", 100_000, "0 to 20"),
        ("temperature", float("nan"), "0 to 100"),
        ("temperature", "hot", "a number"),
        ("top_p", 1.1, "0 to 1"),
        ("repeat_penalty", 0, "0.01 to 100"),
        ("presence_penalty", float("-inf"), "-100 to 100"),
        ("ignore_eos", 1, "true or false"),
        ("logit_bias", 3, "an object"),
        ("logit_bias", {str(each): 1 for each in range(1025)}, "at most 1024"),
        ("logit_bias", {"1": float("nan")}, "-100 to 100"),
        ("logit_bias", {"1": True}, "-100 to 100"),
        ("logit_bias", [[-1, 1]], "for each token"),
        ("logit_bias", [3], "for each token"),
    ],
)
def test_number_out_of_its_bounds_is_refused_by_name(name: str, value: JsonValue, bounds: str) -> None:
    for extra in ({name: value}, {"options": {name: value}}):
        with pytest.raises(InvalidRequest) as caught:
            LocalAsk.of(extra)
        assert caught.value.status == 400
        assert caught.value.detail.startswith(f"{name}: must ")
        assert bounds in caught.value.detail
        assert caught.value.fields[0].field == name


def test_numbers_within_their_bounds_are_sent() -> None:
    given: dict[str, JsonValue] = {
        "repeat_last_n": -1, "dry_penalty_last_n": 4096, "top_k": 40, "seed": -1, "temperature": 0, "top_p": 1, "min_p": 0.05,
        "repeat_penalty": 1.1, "mirostat": 2, "logprobs": True, "top_logprobs": 20, "logit_bias": {"5": -100},
        "ignore_eos": False, "n_keep": 4,
    }  # fmt: skip
    assert LocalAsk.of(given).fields == given
    assert LocalAsk.of({"top_k": 3.0, "logit_bias": [[5, False], ["x", 1.5]]}).fields == {
        "top_k": 3,
        "logit_bias": [[5, False], ["x", 1.5]],
    }
    assert isinstance(LocalAsk.of({"top_k": 3.0}).fields["top_k"], int)


def test_number_of_the_models_own_is_held_to_the_same_bounds() -> None:
    with pytest.raises(BadModelFile, match=r"'tiny' comes with.*repeat_last_n: must be a whole number"):
        body(request(), parameters={"repeat_last_n": 300_000_000})


def test_tools_become_a_schema_and_a_prompt() -> None:
    schema = ToolSchema.of({"tools": [TOOL]})
    assert schema is not None
    assert not schema.is_required
    forms = schema.response_format()["json_schema"]["schema"]["anyOf"]  # type: ignore[index, call-overload]
    assert [list(each["properties"]) for each in forms] == [["tool", "arguments"], ["answer"]]  # type: ignore[union-attr, index, call-overload]
    messages = schema.messages(
        (
            ChatMessage.of(ChatRole.SYSTEM, "Be brief."),
            ChatMessage.of(ChatRole.USER, "1 + 1?"),
            ChatMessage(role=ChatRole.ASSISTANT, tool_calls=(ToolCall(id="c1", name="add", arguments='{"a": 1}'),)),
            ChatMessage(role=ChatRole.TOOL, tool_call_id="c1", content=ChatMessage.of(ChatRole.TOOL, "2").content),
        )
    )
    assert messages[0].text.startswith("Be brief.")
    assert '"Adds."' in messages[0].text
    assert json.loads(messages[2].text) == {"tool": "add", "arguments": {"a": 1}}
    assert (messages[3].role, messages[3].text) == (ChatRole.USER, "Result of add:\n2")


def test_choice_of_tools_is_followed() -> None:
    assert ToolSchema.of({"tools": [TOOL], "tool_choice": "none"}) is None
    assert ToolSchema.of({"tools": []}) is None
    assert ToolSchema.of({"tools": ["x", {"function": 3}]}) is None
    for choice in ("required", {"type": "function", "function": {"name": "add"}}):
        schema = ToolSchema.of({"tools": [TOOL], "tool_choice": choice})
        assert schema is not None
        assert schema.is_required
        assert '"answer"' not in json.dumps(schema.response_format())


def test_answer_goes_out_as_it_comes_and_a_call_at_the_end() -> None:
    reader = ToolOrAnswer()
    pieces = [reader.feed(each) for each in ['{"ans', 'wer": "It', " is \\", "u00e9t", 'é"}']]
    assert "".join(pieces) == "It is été"
    assert pieces[1] == "It"
    assert reader.end() == ("", [])
    reader = ToolOrAnswer()
    assert [reader.feed(each) for each in ['{"tool": "add", ', '"arguments": {"a": 1}}']] == ["", ""]
    text, (call,) = reader.end()
    assert (text, call.name, json.loads(call.arguments)) == ("", "add", {"a": 1})
    reader = ToolOrAnswer()
    assert reader.feed("hello") == ""
    assert reader.end() == ("hello", [])


class NotedModels(FakeLocalModels):
    """Lends nothing, and notes who asked."""

    def __init__(self) -> None:
        ranker = replace(MODEL, name="ranker", capabilities=frozenset({Capability.RERANK}))
        super().__init__(FakeCatalog({"tiny": MODEL, "ranker": ranker}), failure=ModelFailed("no"))
        self.users: list[tuple[str, Purpose | None]] = []

    @contextlib.asynccontextmanager
    async def lease(self, request: LeaseRequest) -> AsyncIterator[Lease]:
        self.users.append((request.user_id, request.purpose))
        async with super().lease(request) as lease:
            yield lease


async def test_turns_to_embed_and_to_rank_are_those_of_who_asked() -> None:
    models = NotedModels()
    upstream = LocalUpstream(models, models.catalog, HttpLimits())
    embedder = upstream.embedding_model(ModelInfo(id="local/tiny", kind="embedding"), "tiny")
    with pytest.raises(ModelFailed):
        await embedder.embed(["one"], context=EmbeddingContext(user_id="ada"))
    with pytest.raises(ModelFailed):
        await embedder.embed(["one"])
    with pytest.raises(ModelFailed):
        await upstream.forward(
            "/rerank", b'{"model": "ranker"}', content_type="application/json", accept="*/*", user_id="bob"
        )
    assert models.users == [("ada", "embedding"), ("", "embedding"), ("bob", "rerank")]


@pytest.mark.parametrize(("role", "is_pinned", "is_gone"), [
    (Role.USER, False, True), (Role.USER, True, False), (Role.ADMIN, True, True),
])  # fmt: skip
async def test_only_admins_unload_a_pinned_model(role: Role, is_pinned: bool, is_gone: bool) -> None:
    models = FakeLocalModels(FakeCatalog({"tiny": MODEL}))
    upstream = LocalUpstream(models, models.catalog, HttpLimits())
    who = Principal(user_id="ada", email="ada@example.org", role=role)
    await upstream.load("tiny", who, options={}, keep_alive=None)
    await models.pin("tiny", is_pinned=is_pinned)
    await upstream.unload("tiny", who)
    assert (not any(each.state == "loaded" for each in models.running())) == is_gone
