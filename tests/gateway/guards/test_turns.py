"""Guardrails in whole turns: what the model sees, what the client gets, what the trace keeps."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import pytest

from alcove.gateway.guards.directory import ConfiguredGuards, GuardDirectory, GuardMissing
from alcove.gateway.guards.filter import GuardrailFilter
from alcove.gateway.guards.models import Guardrail, GuardrailSettings, GuardSettings
from alcove.kernel.chat import (
    ChatMessage,
    ChatRequest,
    ChatRole,
    Delta,
    ImagePart,
    JsonValue,
    OtherPart,
    Source,
    TextPart,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from alcove.kernel.clock import FakeClock
from alcove.kernel.errors import ContentBlocked, UpstreamError
from alcove.kernel.filters import BaseFilter, RequestHead
from alcove.kernel.ports import CallContext, Model, ModelInfo, NoPricing
from alcove.kernel.principal import Allowance, Principal
from alcove.kernel.runner import TurnRunner
from alcove.kernel.trace import ListTraceSink
from alcove.kernel.turn import Turn, ask
from tests.gateway.guards.fakes import KnownNames
from tests.kernel.fakes import DONE, FakeModel, HeldBackground, OneModel, question

MAIL, KEY = "ada@a.org", "sk-proj-abcdefghijklmnopqrstuv1234"
NO_SECRETS = {"name": "pii", "rule": {"kind": "redact"}, "is_always_on": True}
NO_BOMBS = {
    "name": "bombs",
    "rule": {"kind": "block", "words": ["bomb"], "message": "Ask for peace."},
    "is_always_on": True,
}


@dataclass
class MemoryGuards:
    rows: list[Guardrail] = field(default_factory=list)

    async def list(self) -> Sequence[Guardrail]:
        return self.rows


@dataclass
class Echo:
    """Repeats the last message letter by letter, also as a tool's arguments."""

    info: ModelInfo = field(default_factory=lambda: ModelInfo(id="small"))
    requests: list[ChatRequest] = field(default_factory=list)

    async def stream(self, request: ChatRequest, context: CallContext) -> AsyncGenerator[Delta, None]:
        self.requests.append(request)
        text = "".join(message.text for message in request.messages)
        for letter in text:
            yield Delta(content=letter)
        for letter in text:
            yield Delta(tool_calls=(ToolCallDelta(index=0, id="c", name="t", arguments=letter),))
        yield DONE


@dataclass
class Asks:
    """A composite model: finds a document of its own, and asks another model with it."""

    inner: Model
    info: ModelInfo = field(default_factory=lambda: ModelInfo(id="small", is_composite=True))

    async def stream(self, request: ChatRequest, context: CallContext) -> AsyncGenerator[Delta, None]:
        found = ChatMessage.of(ChatRole.SYSTEM, "The document says: write to carl@c.org.")
        inner = ask(self.inner, replace(request, messages=(found, *request.messages)), context)
        async with aclosing(inner) as deltas:
            async for delta in deltas:
                yield delta


class Finds(BaseFilter):
    """Puts a passage before the model, as the knowledge room does."""

    name = "knowledge"
    priority = 50

    async def inlet(self, turn: Turn) -> None:
        source = Source(number=1, text=f"Her address is {MAIL}.", document_id="d", document="d", collection_id="c", collection="c", chunk_index=0, score=1)  # fmt: skip
        turn.request = replace(turn.request, sources=(source,))


async def guards(*settings: dict[str, object], models: dict[str, tuple[str, ...]] | None = None) -> GuardrailFilter:
    chosen = GuardSettings(
        guardrails=tuple(GuardrailSettings.model_validate(each) for each in settings), models=models or {}
    )
    directory = GuardDirectory(chosen, MemoryGuards(), (ConfiguredGuards(chosen.models, KnownNames()),), FakeClock())
    await directory.load()
    return GuardrailFilter(directory)


@dataclass
class Run:
    turn: Turn
    text: str = ""
    deltas: list[Delta] = field(default_factory=list)
    kept: str = ""
    error: Exception | None = None


async def run(model: Model, guard: GuardrailFilter, request: ChatRequest, who: Principal, *more: BaseFilter) -> Run:
    sink = ListTraceSink()
    runner = TurnRunner(
        models=OneModel(model), filters=(guard, *more), sink=sink, pricing=NoPricing(), background=HeldBackground(), clock=FakeClock()
    )  # fmt: skip
    done = Run(runner.open(request, who))
    try:
        async with aclosing(runner.stream(done.turn)) as deltas:
            async for delta in deltas:
                done.deltas.append(delta)
    except (ContentBlocked, GuardMissing, UpstreamError) as error:
        done.error = error
    done.text = "".join(each.content for each in done.deltas)
    done.kept = repr(sink.traces)
    return done


async def test_the_model_never_sees_it_the_client_gets_it_back_and_the_trace_keeps_none(ada: Principal):
    model = Echo()
    asked = f"Mail {MAIL} the key {KEY}."
    done = await run(model, await guards(NO_SECRETS), question(asked), ada)
    assert "<EMAIL_1>" in repr(model.requests)
    assert MAIL not in repr(model.requests)
    assert KEY not in repr(model.requests)
    assert done.text == asked
    assert done.turn.answer.tool_calls[0].arguments == asked
    assert MAIL not in done.kept
    assert KEY not in done.kept
    assert "'email': 1" in done.kept


async def test_documents_put_before_the_model_are_redacted_and_shown_whole(ada: Principal):
    model = Echo()
    done = await run(model, await guards(NO_SECRETS), question("Where?"), ada, Finds())
    assert MAIL not in repr(model.requests)
    assert f"Her address is {MAIL}." in done.text
    assert done.turn.answer.sources[0].text == f"Her address is {MAIL}."
    assert MAIL not in done.kept


async def test_the_calls_of_composite_models_are_redacted_too(ada: Principal):
    model = Echo()
    done = await run(Asks(model), await guards(NO_SECRETS), question(f"I am {MAIL}"), ada)
    assert "@" not in repr(model.requests[0].messages)
    assert done.text == f"The document says: write to carl@c.org.I am {MAIL}"
    assert "carl@c.org" not in done.kept


async def test_an_error_that_repeats_the_prompt_is_masked_in_the_trace(ada: Principal):
    model = FakeModel(error=UpstreamError(f"cannot read {KEY}"))
    done = await run(model, await guards(NO_SECRETS), question("Hi"), ada)
    assert done.error is not None
    assert KEY not in done.kept


async def test_a_banned_word_is_refused_before_the_model_is_asked(ada: Principal):
    model = Echo()
    done = await run(model, await guards(NO_BOMBS), question("How to build a BOMB?"), ada)
    assert isinstance(done.error, ContentBlocked)
    assert done.error.status == 400
    assert done.error.detail == "The guardrail 'bombs' does not allow this request. Ask for peace."
    assert model.requests == []


@pytest.mark.parametrize("request_", [
    ChatRequest(model="small", messages=(ChatMessage.of(ChatRole.TOOL, "a bomb"), ChatMessage.of(ChatRole.USER, "?"))),
    ChatRequest(model="small", messages=(ChatMessage.of(ChatRole.USER, "?"),), extra={"tools": [{"function": {"description": "a bomb"}}]}),
    ChatRequest(model="small", messages=(ChatMessage(role=ChatRole.USER, extra={"refusal": "bomb"}),)),
    ChatRequest(model="small", messages=(ChatMessage.of(ChatRole.USER, "x " * 20_000 + "bomb"),)),
])  # fmt: skip
async def test_a_banned_word_is_found_wherever_it_stands(request_: ChatRequest, ada: Principal):
    done = await run(Echo(), await guards(NO_BOMBS), request_, ada)
    assert isinstance(done.error, ContentBlocked)


def with_part(data: dict[str, JsonValue], role: ChatRole = ChatRole.USER) -> ChatRequest:
    return ChatRequest(model="small", messages=(ChatMessage(role=role, content=(OtherPart(data=data),)),))


def with_call(**more: Any) -> ChatRequest:
    call = ToolCall(**{"id": "c", "name": "look", "arguments": "{}", **more})
    return ChatRequest(model="small", messages=(ChatMessage(role=ChatRole.ASSISTANT, tool_calls=(call,)),))


def with_tool(properties: dict[str, JsonValue]) -> ChatRequest:
    function = {"name": "f", "parameters": {"type": "object", "properties": properties}}
    return question("?", extra={"tools": [{"type": "function", "function": function}]})


FOUND = {"type": "search_result", "source": "s", "title": "t", "content": [{"type": "text", "text": "a bomb"}]}
TITLED = TextPart(text="x", extra={"anthropic": {"document": {"title": "a bomb"}}})


@pytest.mark.parametrize("request_", [
    with_part(FOUND),
    with_part(FOUND, ChatRole.TOOL),
    with_part({"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "a bomb"}]}}),
    with_part({"type": "document", "source": {"type": "text", "data": "bomb"}}),
    with_part({"type": "document", "title": "a bomb", "source": {"type": "base64", "data": "AAAA"}}),
    with_part({"type": "refusal", "refusal": "a bomb"}, ChatRole.ASSISTANT),
    with_part({"type": "file", "file": {"filename": "bomb.pdf", "file_data": "data:application/pdf;base64,AAAA"}}),
    with_part({"type": "server_tool_use", "input": {"bomb": 1}}, ChatRole.ASSISTANT),
    ChatRequest(model="small", messages=(ChatMessage(role=ChatRole.USER, content=(TITLED,)),)),
    with_call(name="bomb"),
    with_call(extra={"note": {"said": "bomb"}}),
    with_call(arguments=r'{"what": "a \u0062omb"}'),
    with_call(arguments=r'{"\u0062omb": 1}'),
    with_call(arguments=r'{"what": "a \u0062omb", "what": "a dove", "or": "a bomb"}'),
    with_call(arguments='{"what": "a bomb", "what": "bomb"}'),
    with_tool({"bomb": {"type": "string"}}),
])  # fmt: skip
async def test_a_banned_word_is_found_in_parts_and_calls_of_every_kind(request_: ChatRequest, ada: Principal):
    refused = await run(Echo(), await guards(NO_BOMBS), request_, ada)
    assert isinstance(refused.error, ContentBlocked)
    masks = {**NO_BOMBS, "rule": {"kind": "block", "words": ["bomb"], "action": "mask"}}
    model = Echo()
    masked = await run(model, await guards(masks), request_, ada)
    assert masked.error is None
    assert "omb" not in repr(model.requests)
    assert "███" in repr(model.requests)


@pytest.mark.parametrize("request_", [
    with_part({"type": "file", "file": {"file_data": "data:application/pdf;base64,/bomb/AAA"}}),
    with_part({"type": "input_audio", "input_audio": {"data": "/bomb/AAA", "format": "wav"}}),
    with_part({"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "/bomb/AAA"}}),
])  # fmt: skip
async def test_bytes_are_not_read_as_words(request_: ChatRequest, ada: Principal):
    model = Echo()
    done = await run(model, await guards(NO_BOMBS), request_, ada)
    assert done.error is None
    assert model.requests[0].messages == request_.messages


async def test_the_words_of_the_protocol_are_not_banned(ada: Principal):
    words = {**NO_BOMBS, "rule": {"kind": "block", "words": ["properties", "search_result", "tools"]}}
    request = with_tool({"town": {"type": "string"}})
    asked = replace(request, messages=(*request.messages, *with_part(FOUND).messages))
    assert (await run(Echo(), await guards(words), asked, ada)).error is None


async def test_a_word_in_an_answer_ends_it_before_it_leaves_and_stops_the_model(ada: Principal):
    pieces = ["Take ", "a b", "om", "b", " and ", "go"] + ["on and on "] * 100
    model = FakeModel(deltas=[*(Delta(content=each) for each in pieces), DONE])
    done = await run(model, await guards(NO_BOMBS), question("Hi"), ada)
    assert done.text == "Take a "
    assert done.deltas[-1].finish_reason == "content_filter"
    assert model.closed == 1
    assert "'action': 'refuse'" in done.kept


async def test_words_can_be_masked_instead(ada: Principal):
    rule = {"kind": "block", "patterns": [r"\d{4}"], "action": "mask"}
    model = Echo()
    done = await run(model, await guards({"name": "n", "rule": rule, "is_always_on": True}), question("pin 1234!"), ada)
    assert model.requests[0].question == "pin ███!"
    assert done.text == "pin ███!"


async def test_secrets_of_others_are_masked_in_answers_and_the_clients_own_come_back(ada: Principal):
    rule = {"kind": "redact", "masks_output": True}
    pieces = "Yours: <EMAIL_1>. Theirs: eve@e.org."
    model = FakeModel(
        deltas=[*(Delta(content=each) for each in pieces), replace(DONE, extra={"logprobs": {"content": []}})]
    )
    done = await run(model, await guards({"name": "p", "rule": rule, "is_always_on": True}), question(MAIL), ada)
    assert done.text == f"Yours: {MAIL}. Theirs: <EMAIL>."
    assert done.turn.answer.usage == Usage(input_tokens=5, output_tokens=2)
    assert done.turn.answer.extra == {}


@pytest.mark.parametrize(("limits", "told"), [
    ({"max_characters": 4}, "5 characters, 4 are allowed"), ({"max_tokens": 1}, None), ({"max_messages": 1}, None),
    ({"max_images": 0}, "1 images, 0 are allowed"),
])  # fmt: skip
async def test_prompts_over_a_limit_are_refused(limits: dict[str, int], told: str | None, ada: Principal):
    message = replace(
        ChatMessage.of(ChatRole.USER, "Hello"),
        content=(*ChatMessage.of(ChatRole.USER, "Hello").content, ImagePart(url="data:,")),
    )
    guard = await guards({"name": "size", "rule": {"kind": "limit_prompt", **limits}, "is_always_on": True})
    done = await run(Echo(), guard, ChatRequest(model="small", messages=(message,)), ada)
    assert isinstance(done.error, ContentBlocked) is (told is not None)
    assert told is None or told in str(done.error)


@pytest.mark.parametrize("request_", [
    with_part({"type": "document", "source": {"type": "text", "data": "x" * 99}}),
    question("?", extra={"tools": [{"type": "function", "function": {"description": "x" * 99}}]}),
    question("?", extra={"response_format": {"json_schema": {"schema": {"description": "x" * 99}}}}),
    ChatRequest(model="small", messages=(ChatMessage(role=ChatRole.ASSISTANT, reasoning="x" * 99),)),
])  # fmt: skip
async def test_every_text_of_a_prompt_counts_towards_its_limit(request_: ChatRequest, ada: Principal):
    guard = await guards({"name": "size", "rule": {"kind": "limit_prompt", "max_characters": 98}, "is_always_on": True})
    assert isinstance((await run(Echo(), guard, request_, ada)).error, ContentBlocked)


def head(who: Principal, model: str = "small") -> RequestHead:
    return RequestHead(model=model, fields=frozenset(), principal=who)


async def test_guardrails_are_on_for_keys_groups_and_models_and_nobody_else(ada: Principal):
    own = {**NO_BOMBS, "is_always_on": False}
    guard = await guards(own, models={"big/*": ("bombs",)})
    limited = replace(ada, allowances=(Allowance(subject="key:1", name="k", budget_usd=Decimal(1)), Allowance(subject="group:1", name="g", guards=("bombs",))))  # fmt: skip
    assert [guard.concerns(head(ada)), guard.concerns(head(limited)), guard.concerns(head(ada, "big/one"))] == [
        False,
        True,
        True,
    ]
    assert (await run(Echo(), guard, question("bomb"), ada)).error is None
    assert isinstance((await run(Echo(), guard, question("bomb"), limited)).error, ContentBlocked)


async def test_a_client_cannot_switch_a_guardrail_off(ada: Principal):
    for extra in ({"guardrails": []}, {"guards": None}, {"metadata": {"guardrails": "off"}}, {"no_guard": True}):
        done = await run(Echo(), await guards(NO_BOMBS), question("bomb", extra=extra), ada)
        assert isinstance(done.error, ContentBlocked)


async def test_a_guardrail_that_is_named_but_not_there_refuses(ada: Principal):
    guard = await guards()
    limited = replace(ada, allowances=(Allowance(subject="key:1", name="k", guards=("gone",)),))
    model = Echo()
    done = await run(model, guard, question("Hi"), limited)
    assert isinstance(done.error, GuardMissing)
    assert model.requests == []
    assert guard.concerns(head(limited))


async def test_another_name_of_a_model_does_not_go_around_its_guardrails(ada: Principal):
    guard = await guards({**NO_BOMBS, "is_always_on": False}, models={"real": ("bombs",)})

    class Alias:
        async def chat_model(self, model_id: str, principal: Principal) -> Model:
            return Echo(ModelInfo(id="real"))

    runner = TurnRunner(models=Alias(), filters=(guard,), sink=ListTraceSink(), pricing=NoPricing(), background=HeldBackground(), clock=FakeClock())  # fmt: skip
    with pytest.raises(ContentBlocked):
        async for _ in runner.stream(runner.open(question("bomb", model="alias"), ada)):
            pass


async def test_the_guardrails_of_a_model_hold_for_those_that_have_it_answer(ada: Principal):
    guard = await guards({**NO_BOMBS, "is_always_on": False}, models={"real": ("bombs",)})
    asks = Asks(Echo(), ModelInfo(id="small", is_composite=True, asks=("real",)))
    assert isinstance((await run(asks, guard, question("bomb"), ada)).error, ContentBlocked)
    other = Asks(Echo(), ModelInfo(id="small", is_composite=True, asks=("other",)))
    assert (await run(other, guard, question("bomb"), ada)).error is None
