"""Models found through the catalogue: each call is admitted, and settled whatever becomes of it."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import anyio
import pytest

from alcove.gateway.limits.estimates import input_tokens_of
from alcove.gateway.limits.memory import MemoryLimitStore
from alcove.gateway.limits.metered import MeteredSource
from alcove.gateway.metering import MemoryUsageLog
from alcove.gateway.service import BuiltInModels
from alcove.kernel.chat import ChatMessage, ChatRequest, ChatRole, Delta, ImagePart, ToolCallDelta, Usage
from alcove.kernel.clock import FakeClock, SystemClock
from alcove.kernel.errors import Forbidden, RateLimited, StreamInterrupted, UpstreamError
from alcove.kernel.ports import CallContext, EmbeddingContext, Embeddings, ModelInfo, Served
from alcove.kernel.principal import Principal
from alcove.kernel.trace import Trace, Tracer
from tests.gateway.limits.conftest import START, Ledger, holder, meter_of, subject


@dataclass
class Scripted:
    """Answers as told; an exception among the deltas is raised, a number is waited for."""

    script: Sequence[Any]
    info: ModelInfo = field(default_factory=lambda: ModelInfo(id="m"))
    asked: int = 0
    is_closed: bool = False

    async def stream(self, request: ChatRequest, context: CallContext) -> AsyncGenerator[Delta, None]:
        self.asked += 1
        try:
            for each in self.script:
                if isinstance(each, Exception):
                    raise each
                if isinstance(each, float):
                    await anyio.sleep(each)
                else:
                    yield each
        finally:
            self.is_closed = True


@dataclass
class Embedding:
    usage: Usage = field(default_factory=Usage)
    info: ModelInfo = field(default_factory=lambda: ModelInfo(id="e", kind="embedding"))
    dimensions: int = 1
    error: Exception | None = None
    users: list[str] = field(default_factory=list)

    async def embed(self, texts: Sequence[str], *, context: EmbeddingContext | None = None) -> Embeddings:
        self.users.append("" if context is None else context.user_id)
        if self.error:
            raise self.error
        return Embeddings(vectors=[[1.0] for _ in texts], usage=self.usage)


class TenthOfACent:
    def cost_usd(self, model: ModelInfo, usage: Usage, served: Served | None = None) -> Decimal:
        return Decimal(0) if served is not None and served.cache else Decimal("0.001") * usage.total_tokens


@dataclass
class House:
    model: Any
    embedding: Embedding = field(default_factory=Embedding)
    log: MemoryUsageLog = field(default_factory=MemoryUsageLog)
    store: MemoryLimitStore = field(default_factory=lambda: MemoryLimitStore(Ledger(), SystemClock()))

    @property
    def source(self) -> MeteredSource:
        return MeteredSource(
            inner=BuiltInModels(chat=(self.model,), embedding=(self.embedding,)),
            meter=meter_of(self.store, usage=self.log),
            pricing=TenthOfACent(),
            clock=SystemClock(),
        )

    async def ask(self, who: Principal, *, take: int = 100, **extra: Any) -> tuple[list[Delta], CallContext]:
        trace = Trace(id="t" * 32, owner_id=who.user_id, name="chat", started_at=START)
        context = CallContext(
            principal=who, tracer=Tracer(trace, FakeClock()), request_id="r-1", pricing=TenthOfACent(), endpoint="/v1/x"
        )
        question = ChatMessage.of(ChatRole.USER, "a" * 396)
        request = ChatRequest(model="m", messages=(question,), is_streaming=True, extra=extra)
        model = await self.source.find_model("m", who)
        assert model is not None
        found: list[Delta] = []
        async with aclosing(model.stream(request, context)) as deltas:
            async for delta in deltas:
                found.append(delta)
                if len(found) == take:
                    break
        return found, context


WHO = holder(subject(budget_tokens=10_000, max_parallel=1, requests_per_minute=100))
DONE = Delta(finish_reason="stop", usage=Usage(input_tokens=11, output_tokens=7))


async def test_an_answer_is_settled_by_what_the_server_says(fake_clock: FakeClock) -> None:
    house = House(Scripted([Delta(content="Hello"), DONE]))
    _, context = await house.ask(WHO)
    (row,) = house.log.rows
    assert (row.status, row.input_tokens, row.output_tokens, row.is_estimated) == (200, 11, 7, False)
    assert (row.cost_usd, row.endpoint, row.request_id, row.trace_id) == (Decimal("0.018"), "/v1/x", "r-1", "t" * 32)
    assert row.first_token_ms is not None
    assert row.is_streaming
    assert (b"x-ratelimit-remaining-requests", b"99") in context.headers
    assert {each.kind: (each.used, each.held) for each in await house.store.look(WHO.allowances)} == {
        "requests_per_minute": (1, 0), "max_parallel": (0, 0), "budget_tokens": (18, 0),
    }  # fmt: skip


async def test_an_answer_from_a_cache_costs_no_money() -> None:
    @dataclass
    class Cached(Scripted):
        async def stream(self, request: ChatRequest, context: CallContext) -> AsyncGenerator[Delta, None]:
            context.served.cache = "exact"
            yield DONE

    house = House(Cached([]))
    await house.ask(WHO)
    assert [(row.cost_usd, row.cache, row.input_tokens) for row in house.log.rows] == [(0, "exact", 11)]


async def test_a_server_that_counts_nothing_is_counted_here() -> None:
    calls = (ToolCallDelta(index=0, name="find", arguments="{}xx"),)
    house = House(Scripted([Delta(content="b" * 400), Delta(tool_calls=calls), Delta(finish_reason="stop")]))
    await house.ask(WHO)
    assert [(row.input_tokens, row.output_tokens, row.is_estimated) for row in house.log.rows] == [(103, 102, True)]


async def test_an_answer_that_breaks_off_costs_what_came_of_it() -> None:
    house = House(Scripted([Delta(content="b" * 40), StreamInterrupted()]))
    with pytest.raises(StreamInterrupted):
        await house.ask(WHO)
    (row,) = house.log.rows
    assert (row.status, row.error_code, row.output_tokens, row.is_estimated) == (502, "stream_interrupted", 10, True)
    assert house.store.under_way == 0


async def test_a_server_that_refuses_costs_nothing() -> None:
    house = House(Scripted([UpstreamError("no", status=429)]))
    with pytest.raises(UpstreamError):
        await house.ask(WHO)
    assert [(row.status, row.input_tokens, row.cost_usd) for row in house.log.rows] == [(429, 0, None)]
    assert {each.used for each in await house.store.look(WHO.allowances)} == {0, 1}


async def test_a_fault_of_a_model_is_settled_too() -> None:
    house = House(Scripted([ValueError("bug")]))
    with pytest.raises(ValueError, match="bug"):
        await house.ask(WHO)
    assert [row.status for row in house.log.rows] == [500]
    assert house.store.under_way == 0


async def test_a_client_that_leaves_pays_for_what_was_read_and_written() -> None:
    house = House(Scripted([Delta(content="b" * 40), 60.0, DONE]))
    await house.ask(WHO, take=1)
    with anyio.move_on_after(0.05):
        await house.ask(WHO)
    early = House(Scripted([60.0, DONE]))
    with anyio.move_on_after(0.05):
        await early.ask(WHO)
    for row in (*house.log.rows, *early.log.rows):
        assert (row.status, row.input_tokens, row.is_estimated) == (499, 103, True)
    assert [row.output_tokens for row in (*house.log.rows, *early.log.rows)] == [10, 10, 0]
    assert house.store.under_way == early.store.under_way == 0
    assert house.model.is_closed


async def test_a_call_over_its_limit_never_reaches_the_model() -> None:
    house = House(Scripted([DONE]))
    who = holder(subject(requests_per_minute=1))
    await house.ask(who)
    with pytest.raises(RateLimited) as refused:
        await house.ask(who)
    assert house.model.asked == 1
    assert refused.value.headers["x-ratelimit-limit-requests"] == "1"
    assert len(house.log.rows) == 1


async def test_the_output_is_held_as_the_client_bounds_it() -> None:
    for extra, held in (
        ({}, 4096), ({"max_tokens": 10}, 10), ({"max_completion_tokens": 20, "max_tokens": 10}, 20), ({"n": 3}, 12288),
        ({"max_tokens": -1}, 4096), ({"max_tokens": "x"}, 4096), ({"max_tokens": True}, 4096), ({"max_tokens": 10**12}, 10**7),
    ):  # fmt: skip
        house = House(Scripted([Delta(content="x"), 60.0]))
        with anyio.move_on_after(0.02):
            async with anyio.create_task_group() as group:
                group.start_soon(lambda: house.ask(WHO, **extra))  # noqa: B023  runs before the next turn
                await anyio.sleep(0.01)
                standing = await house.store.look(WHO.allowances)
                assert [each.held for each in standing if each.kind == "budget_tokens"] == [103 + held], extra
                group.cancel_scope.cancel()


async def test_a_composite_model_is_not_metered_as_the_models_it_asks_are() -> None:
    composite = House(Scripted([DONE], info=ModelInfo(id="m", is_composite=True)))
    await composite.ask(holder(subject(requests_per_minute=1)))
    await composite.ask(holder(subject(requests_per_minute=1)))
    assert composite.log.rows == []


async def test_an_answer_that_the_house_ended_is_no_client_that_left() -> None:
    @dataclass
    class Stopped(Scripted):
        async def stream(self, request: ChatRequest, context: CallContext) -> AsyncGenerator[Delta, None]:
            context.served.is_stopped = True
            yield Delta(content="a")
            yield DONE

    house = House(Stopped([]))
    await house.ask(WHO, take=1)
    assert [row.status for row in house.log.rows] == [200]


async def test_embeddings_are_admitted_and_settled() -> None:
    house = House(Scripted([DONE]))
    who = holder(subject(requests_per_minute=3))
    model = await house.source.find_embedding_model("e", who)
    assert model is not None
    assert model.dimensions == 1
    await model.embed(["a" * 8, "b" * 4])
    house.embedding.usage = Usage(input_tokens=9)
    await model.embed(["x"])
    house.embedding.error = UpstreamError("no")
    with pytest.raises(UpstreamError):
        await model.embed(["x"])
    with pytest.raises(RateLimited):
        await model.embed(["x"])
    assert [(row.kind, row.status, row.input_tokens, row.is_estimated) for row in house.log.rows] == [
        ("embedding", 200, 3, True), ("embedding", 200, 9, False), ("embedding", 502, 0, False)
    ]  # fmt: skip
    assert house.embedding.users == [who.user_id] * len(house.embedding.users) != []
    assert await house.source.find_embedding_model("m", who) is None
    with pytest.raises(Forbidden):
        await (await house.source.find_embedding_model("e", holder(scopes=("chat",)))).embed(["x"])  # type: ignore[union-attr]


def test_images_count_as_input() -> None:
    image = ChatMessage(role=ChatRole.USER, content=(ImagePart(url="data:image/png;base64," + "a" * 10**6),))
    assert input_tokens_of(ChatRequest(model="m", messages=(image,))) == 1004
