"""Models with a cache before them: who gets what again, and who does not."""

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alcove.gateway.cache.adapters.memory import MemoryCache
from alcove.gateway.cache.flights import Flights
from alcove.gateway.cache.headers import cache_control, cache_headers
from alcove.gateway.cache.models import CacheRule, CacheSettings, Entry, Fill, Found, Neighbours
from alcove.gateway.cache.policies import ConfiguredPolicies
from alcove.gateway.cache.ports import CacheAway, ResponseCache
from alcove.gateway.cache.replay import KeptAnswer
from alcove.gateway.cache.shelf import Shelf
from alcove.gateway.cache.source import CachedSource
from alcove.gateway.service import BuiltInModels
from alcove.kernel.chat import (
    Answer,
    ChatMessage,
    ChatRequest,
    ChatRole,
    Delta,
    ImagePart,
    OtherPart,
    ToolCallDelta,
    Usage,
)
from alcove.kernel.clock import FakeClock
from alcove.kernel.errors import StreamInterrupted
from alcove.kernel.ports import CallContext, EmbeddingContext, Embeddings, ModelInfo, Served
from alcove.kernel.principal import Principal
from alcove.kernel.trace import Trace, Tracer
from tests.kernel.fakes import FakeModel, question


@dataclass
class FakeEmbedder:
    """Texts that share words are alike."""

    info: ModelInfo = field(default_factory=lambda: ModelInfo(id="embed", kind="embedding"))
    dimensions: int = 64
    asked: list[list[str]] = field(default_factory=list)

    async def embed(self, texts: Sequence[str], *, context: EmbeddingContext | None = None) -> Embeddings:
        self.asked.append(list(texts))
        vectors = []
        for text in texts:
            vector = [0.0] * 64
            for word in text.lower().split():
                vector[sum(map(ord, word)) % 64] += 1.0
            length = sum(each * each for each in vector) ** 0.5
            vectors.append([each / length for each in vector])
        return Embeddings(vectors=vectors, usage=Usage(input_tokens=len(texts)))


class AwayCache:
    """A store that is away; notes how often it was asked."""

    asked = 0

    async def get(self, keys: Sequence[str]) -> Sequence[Found | None]:
        self.asked += 1
        raise CacheAway

    async def put(self, entries: Sequence[Entry], ttl_s: int) -> None:
        self.asked += 1
        raise CacheAway

    async def neighbours(self, neighbourhood: str) -> Neighbours:
        raise CacheAway

    async def delete(self, *, model: str | None = None, owner_id: str | None = None) -> int:
        raise CacheAway

    async def fill(self) -> Fill:
        raise CacheAway


@dataclass
class Place:
    """A model behind a cache."""

    model: FakeModel
    source: CachedSource
    shelf: Shelf
    clock: FakeClock
    embedder: FakeEmbedder

    async def ask(self, request: ChatRequest, who: Principal, *control: str) -> tuple[Answer, Served, list[Delta]]:
        served, answer, deltas = Served(), Answer(), []
        tracer = Tracer(Trace(id="t", owner_id=who.user_id, name="chat", started_at=self.clock.now()), self.clock)
        context = CallContext(principal=who, tracer=tracer, served=served, cache_control=frozenset(control))
        model = await self.source.find_model("small", who)
        assert model is not None
        async with aclosing(model.stream(request, context)) as stream:
            async for delta in stream:
                answer.add(delta)
                deltas.append(delta)
        return answer, served, deltas


def place(
    clock: FakeClock, cache: ResponseCache | None = None, model: FakeModel | None = None, **rule: object
) -> Place:
    embedder, model = FakeEmbedder(), model or FakeModel()
    shelf = Shelf(cache or MemoryCache(clock), embedder, clock, CacheSettings(max_entry_kb=64))
    policies = ConfiguredPolicies((CacheRule.model_validate({"models": "*", **rule}),))
    source = CachedSource(
        inner=BuiltInModels(chat=(model,), embedding=(embedder,)), policies=policies, shelf=shelf, flights=Flights(5)
    )
    return Place(model, source, shelf, clock, embedder)


async def test_the_same_request_is_answered_again_without_the_model(clock: FakeClock, ada: Principal):
    house = place(clock)
    first, served, _ = await house.ask(question(), ada)
    assert (served.cache, served.is_cache_missed) == ("", True)
    clock.advance(7)
    second, served, deltas = await house.ask(question(), ada)
    assert (second.content, second.finish_reason, second.usage) == (first.content, "stop", first.usage)
    assert cache_headers(served) == [(b"x-alcove-cache", b"hit"), (b"age", b"7")]
    assert [each.content for each in deltas] == ["Hello ", "there", ""]
    assert len(house.model.requests) == 1
    assert house.shelf.counts.hits == 1


async def test_another_owner_never_gets_it_unless_it_is_shared(clock: FakeClock, ada: Principal, bob: Principal):
    for mode in ("exact", "semantic"):
        house = place(clock, mode=mode, threshold=0.5)
        for who in (ada, bob, replace(ada, user_id="user-ada2")):
            assert (await house.ask(question(), who))[1].cache == ""
        shared = place(clock, mode=mode, is_shared=True)
        await shared.ask(question(), ada)
        assert (await shared.ask(question(), bob))[1].cache == "exact"
        await shared.shelf.delete_owner(ada.user_id)
        assert (await shared.ask(question(), bob))[1].cache == ""


@pytest.mark.parametrize("other", [
    question("Hi!"), question("Hi?", extra={"temperature": 0}), question("Hi?", extra={"tools": [{"type": "function"}]}),
    question("Hi?", extra={"user": "someone"}), question("Hi?", extra={"a_new_field": 1}), question("Hi?", collections=("c",)),
    ChatRequest(model="small", messages=(ChatMessage.of(ChatRole.SYSTEM, "s"), ChatMessage.of(ChatRole.USER, "Hi?"))),
    ChatRequest(model="small", messages=(ChatMessage(role=ChatRole.USER, name="n", content=ChatMessage.of(ChatRole.USER, "Hi?").content),)),
])  # fmt: skip
async def test_whatever_may_change_the_answer_is_another_request(other: ChatRequest, clock: FakeClock, ada: Principal):
    house = place(clock)
    await house.ask(question(extra={}), ada)
    assert (await house.ask(other, ada))[1].cache == ""


async def test_the_order_of_fields_streaming_and_metadata_make_no_difference(clock: FakeClock, ada: Principal):
    house = place(clock)
    await house.ask(question(extra={"seed": 1, "top_p": 0.5}), ada)
    again = question(extra={"top_p": 0.5, "metadata": {"a": "b"}, "seed": 1}, is_streaming=True, session_id="s")
    assert (await house.ask(again, ada))[1].cache == "exact"


@pytest.mark.parametrize("request_", [
    question(extra={"temperature": 1.5}), question(extra={"web_search_options": {}}), question(extra={"tools": [{"type": "web_search"}]}),
    question(extra={"previous_response_id": "r"}),
    ChatRequest(model="small", messages=(ChatMessage(role=ChatRole.USER, content=(ImagePart(url="https://example.org/a.png"),)),)),
    ChatRequest(model="small", messages=(ChatMessage(role=ChatRole.USER, content=(OtherPart(data={"type": "file"}),)),)),
])  # fmt: skip
async def test_what_depends_on_chance_or_on_elsewhere_is_not_kept(
    request_: ChatRequest, clock: FakeClock, ada: Principal
):
    house = place(clock)
    for _ in range(2):
        assert (await house.ask(request_, ada))[1] == Served()


@pytest.mark.parametrize("end", [Delta(finish_reason="length"), Delta(finish_reason="content_filter"), Delta()])
async def test_only_whole_good_answers_are_kept(end: Delta, clock: FakeClock, ada: Principal):
    house = place(clock, model=FakeModel(deltas=[Delta(content="Hello"), end]))
    await house.ask(question(), ada)
    assert (await house.ask(question(), ada))[1].cache == ""


async def test_answers_that_break_off_or_are_left_are_not_kept(clock: FakeClock, ada: Principal):
    house = place(clock, model=FakeModel(error=StreamInterrupted(), error_after=2))
    with pytest.raises(StreamInterrupted):
        await house.ask(question(), ada)
    assert (await house.shelf.cache.fill()).entries == 0


async def test_no_cache_asks_anew_and_no_store_keeps_nothing(clock: FakeClock, ada: Principal):
    house = place(clock)
    await house.ask(question(), ada, "no-store")
    assert (await house.ask(question(), ada, "no-cache"))[1].cache == ""
    assert (await house.ask(question(), ada))[1].cache == "exact"
    assert (await house.ask(question(), ada, "no-cache"))[1].cache == ""
    assert (await house.ask(question(), ada, "no-cache", "no-store"))[1] == Served()
    assert cache_control([(b"cache-control", b"No-Cache, max-age=0"), (b"x", b"no-store")]) == {"no-cache"}


async def test_a_question_that_means_the_same_is_answered_and_a_near_miss_is_not(clock: FakeClock, ada: Principal):
    house = place(clock, mode="semantic", threshold=0.9)
    asked = "please tell me what the capital city of france is today my friend"
    await house.ask(question(asked), ada)
    assert (await house.ask(question(f"{asked} friend"), ada))[1].cache == "semantic"
    assert (await house.ask(question(asked.replace("capital city", "biggest river")), ada))[1].cache == ""
    assert (await house.ask(question(asked, extra={"seed": 1}), ada))[1].cache == ""
    for other in (f"{asked} 2", f"not {asked}"):
        assert (await house.ask(question(other), ada))[1].cache == "", other
    assert house.shelf.counts.semantic_hits == 1


async def test_requests_with_tools_and_long_questions_are_never_compared_by_meaning(clock: FakeClock, ada: Principal):
    house = place(clock, mode="semantic", threshold=0.5)
    for text, extra in (("a b c", {"tools": [{"type": "function"}]}), ("word " * 200, {})):
        await house.ask(question(text, extra=extra), ada)
        assert (await house.ask(question(f"{text} d", extra=extra), ada))[1].cache == ""
    assert house.embedder.asked == []


async def test_a_store_that_is_away_costs_no_answer_and_is_left_alone_for_a_while(clock: FakeClock, ada: Principal):
    cache = AwayCache()
    house = place(clock, cache, mode="semantic")
    for _ in range(3):
        answer, served, _ = await house.ask(question(), ada)
        assert (answer.content, served.cache) == ("Hello there", "")
    assert cache.asked == 1
    assert house.shelf.counts.failures == 1
    clock.advance(2)
    await house.ask(question(), ada)
    assert cache.asked == 2


async def test_the_very_same_request_at_the_same_time_is_sent_once(clock: FakeClock, ada: Principal):
    house = place(clock)
    served = []

    async def one() -> None:
        served.append((await house.ask(question(), ada))[1].cache)

    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(one)
    assert sorted(served) == ["", "exact", "exact", "exact", "exact"]
    assert len(house.model.requests) == 1


async def test_when_the_first_of_them_fails_the_others_ask_themselves(clock: FakeClock, ada: Principal):
    house = place(clock, model=FakeModel(error=StreamInterrupted(), error_after=0))
    failed = []

    async def one() -> None:
        try:
            await house.ask(question(), ada)
        except StreamInterrupted:
            failed.append(1)

    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(one)
    assert len(failed) == 3


async def test_only_new_texts_are_embedded(clock: FakeClock, ada: Principal, bob: Principal):
    house = place(clock)
    model = await house.source.find_embedding_model("embed", ada)
    assert model is not None
    first = await model.embed(["a", "b", "a"])
    again = await model.embed(["b", "c", "a"])
    assert house.embedder.asked == [["a", "b"], ["c"]]
    assert again.usage.input_tokens == 1
    assert list(again.vectors[0]) == pytest.approx(list(first.vectors[1]))
    others = await house.source.find_embedding_model("embed", bob)
    assert others is not None
    await others.embed(["a"])
    assert house.embedder.asked[-1] == ["a"]


DELTAS = st.lists(st.one_of(
    st.text(min_size=1, max_size=20).map(lambda text: Delta(content=text)),
    st.text(min_size=1, max_size=20).map(lambda text: Delta(reasoning=text)),
    st.text(min_size=1, max_size=20).map(lambda text: Delta(tool_calls=(ToolCallDelta(index=0, id="c", name="t", arguments=text),))),
    st.just(Delta(extra={"logprobs": {"content": [{"token": "a"}]}})),
), max_size=20)  # fmt: skip


@given(deltas=DELTAS)
def test_a_replayed_answer_is_the_answer(deltas: list[Delta]):
    answer, again = Answer(), Answer()
    for delta in [*deltas, Delta(finish_reason="stop", usage=Usage(input_tokens=1, output_tokens=2))]:
        answer.add(delta)
    kept = KeptAnswer.of(answer)
    if kept is None:
        assert not answer.content
        assert not answer.tool_calls
        return
    decoded = KeptAnswer.decoded(kept.encoded())
    assert decoded is not None
    pieces = list(decoded.deltas())
    for delta in pieces:
        again.add(delta)
    for name in ("content", "reasoning", "tool_calls", "finish_reason", "usage", "extra", "sources", "citations"):
        assert getattr(again, name) == getattr(answer, name), name
    assert pieces[-1].finish_reason == "stop"
