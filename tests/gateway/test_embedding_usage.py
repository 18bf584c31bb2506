"""What embedding leaves in the books: who served it, what it cost, on which path, with which key."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import pytest

from alcove.gateway.cache.adapters.memory import MemoryCache
from alcove.gateway.cache.flights import Flights
from alcove.gateway.cache.models import CacheRule, CacheSettings
from alcove.gateway.cache.policies import ConfiguredPolicies
from alcove.gateway.cache.shelf import Shelf
from alcove.gateway.cache.source import CachedSource
from alcove.gateway.calls import ModelPrices, UsageRow
from alcove.gateway.embedding import EmbeddingRequest, EmbeddingService
from alcove.gateway.limits.memory import MemoryLimitStore
from alcove.gateway.limits.metered import MeteredSource
from alcove.gateway.metering import MemoryUsageLog
from alcove.gateway.passthrough.rerank import EmbeddingReranker
from alcove.gateway.prices import DeploymentPricing
from alcove.gateway.routing.routed import RoutedModels
from alcove.gateway.service import BuiltInModels, ModelCatalogue
from alcove.kernel.clock import SystemClock
from alcove.kernel.errors import Forbidden, UpstreamError
from alcove.kernel.ports import EmbeddingContext, Embeddings, ModelInfo, NoPricing
from alcove.kernel.principal import Principal
from tests.gateway.conftest import FakeEmbedding, Gateway, open_gateway
from tests.gateway.limits.conftest import Ledger, holder, meter_of
from tests.gateway.test_routing_wire import settings
from tests.wire.openai_server import OpenAiServer, whole

PRICES = {"one": Decimal(1000), "two": Decimal(500_000)}  # for a million tokens
VECTORS = {
    "id": "vectors",
    "members": [{"deployment": "one", "model": "text-embed"}, {"deployment": "two", "model": "text-embed", "order": 1}],
}


@pytest.fixture
async def one() -> AsyncIterator[OpenAiServer]:
    async with OpenAiServer() as running:
        yield running


@pytest.fixture
async def two() -> AsyncIterator[OpenAiServer]:
    async with OpenAiServer() as running:
        yield running


@dataclass
class Books:
    """An embedding service whose calls are metered, cached where a test wants it, and routed."""

    gateway: Gateway
    service: EmbeddingService
    log: MemoryUsageLog = field(default_factory=MemoryUsageLog)

    async def embed(self, *texts: str, who: Principal | None = None) -> str:
        request = EmbeddingRequest(model="vectors", texts=texts, request_id="request-7")
        return (await self.service.embed(request, who or holder()))[1]

    @property
    def row(self) -> UsageRow:
        return self.log.rows[-1]


@asynccontextmanager
async def books(*servers: OpenAiServer, rules: Sequence[dict[str, Any]] = ()) -> AsyncIterator[Books]:
    clock, log = SystemClock(), MemoryUsageLog()
    prices = {name: ModelPrices(input_usd=price) for name, price in PRICES.items()}
    pricing = DeploymentPricing(NoPricing(), prices.get)
    async with open_gateway(settings(*servers, groups=[VECTORS]), clock=clock) as gateway:
        cached = CachedSource(
            inner=RoutedModels(directory=gateway.directory, router=gateway.router, clock=clock),
            policies=ConfiguredPolicies(tuple(CacheRule.model_validate(each) for each in rules)),
            shelf=Shelf(MemoryCache(clock), FakeEmbedding(), clock, CacheSettings()),
            flights=Flights(0),
        )
        meter = meter_of(MemoryLimitStore(Ledger(), clock), usage=log)
        source = MeteredSource(inner=cached, meter=meter, pricing=pricing, clock=clock)
        catalogue = ModelCatalogue([source])
        service = EmbeddingService(models=catalogue, sink=gateway.sink, pricing=pricing, clock=clock)
        yield Books(gateway, service, log)


async def test_embeddings_through_a_group_say_who_served_them_and_cost_what_that_one_takes(
    one: OpenAiServer, two: OpenAiServer
) -> None:
    one.script.append(whole({"error": {"message": "down"}}, 503))
    async with books(one, two) as house:
        trace_id = await house.embed("a", "b")
        row = house.row
        assert (row.deployment, row.provider, row.upstream_model, row.attempts) == (
            "two", "openai_compatible", "text-embed", 2
        )  # fmt: skip
        assert (row.kind, row.model, row.endpoint, row.request_id, row.trace_id) == (
            "embedding", "vectors", "/v1/embeddings", "request-7", trace_id
        )  # fmt: skip
        assert (row.input_tokens, row.is_estimated, row.cost_usd) == (2, False, Decimal(1))
        assert house.gateway.sink.traces[-1].observations[0].cost_usd == Decimal(1)


@dataclass
class NotingEmbedding(FakeEmbedding):
    """Notes who asks."""

    users: list[str] = field(default_factory=list)

    async def embed(self, texts: Sequence[str], *, context: EmbeddingContext | None = None) -> Embeddings:
        self.users.append("" if context is None else context.user_id)
        return await super().embed(texts, context=context)


async def test_the_model_is_told_who_asks(one: OpenAiServer) -> None:
    model = NotingEmbedding(info=ModelInfo(id="vectors", kind="embedding"))
    async with books(one) as house:
        house.service = replace(house.service, models=ModelCatalogue([BuiltInModels(embedding=(model,))]))
        await house.embed("a")
    assert model.users == [holder().user_id]


async def test_a_failure_says_who_was_asked_last(one: OpenAiServer) -> None:
    one.script += [whole({"error": {"message": "no"}}, 401)]
    async with books(one) as house:
        with pytest.raises(UpstreamError):
            await house.embed("a")
        assert (house.row.deployment, house.row.status, house.row.cost_usd) == ("one", 401, None)


async def test_embeddings_from_the_cache_cost_nothing(one: OpenAiServer) -> None:
    async with books(one, rules=[{"models": "*"}]) as house:
        await house.embed("a", "b")
        await house.embed("b", "a")
        await house.embed("a", "c")
        assert [(row.cache, row.input_tokens, row.is_estimated, row.cost_usd) for row in house.log.rows] == [
            ("", 2, False, Decimal("0.002")), ("exact", 0, False, 0), ("", 2, False, Decimal("0.002"))
        ]  # fmt: skip
        assert len(one.requests) == 2


async def test_ranking_by_embedding_is_ranking(one: OpenAiServer) -> None:
    async with books(one) as house:
        reranker = EmbeddingReranker(house.service)
        await reranker.rank("vectors", "q", ["a", "b"], holder(scopes=("rerank",)), "request-8")
        row = house.row
        assert (row.kind, row.endpoint, row.request_id, row.deployment) == ("rerank", "/v1/rerank", "request-8", "one")
        with pytest.raises(Forbidden, match="'rerank'"):
            await reranker.rank("vectors", "q", ["a"], holder(scopes=("embedding",)), "request-9")
        with pytest.raises(Forbidden, match="'embedding'"):
            await house.embed("a", who=holder(scopes=("rerank",)))
