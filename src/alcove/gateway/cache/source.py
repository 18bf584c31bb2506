"""A place models come from, with a cache before those whose policy says so."""

from collections.abc import Sequence
from dataclasses import dataclass

from alcove.gateway.cache.flights import Flights
from alcove.gateway.cache.model import CachedEmbeddingModel, CachedModel
from alcove.gateway.cache.ports import CachePolicies
from alcove.gateway.cache.shelf import Shelf
from alcove.kernel.filters import RequestHead
from alcove.kernel.ports import EmbeddingModel, Model, ModelInfo, ModelSource
from alcove.kernel.principal import Principal


@dataclass(frozen=True, kw_only=True, slots=True)
class CachedSource:
    """Wraps the models of another source.

    Attributes:
        inner: The source.
        policies: Whose answers are kept.
        shelf: Where they are kept.
        flights: Requests under way.
    """

    inner: ModelSource
    policies: CachePolicies
    shelf: Shelf
    flights: Flights

    def caches(self, model_id: str) -> bool:
        """Tells whether answers of this model may come from the cache, so that its bytes cannot just be passed through."""
        return self.policies.of(model_id) is not None

    def concerns(self, head: RequestHead) -> bool:
        """Tells whether it may have anything to do with such a request."""
        return self.caches(head.model)

    async def list_models(self, principal: Principal) -> Sequence[ModelInfo]:
        """Lists the source's models."""
        return await self.inner.list_models(principal)

    async def find_model(self, model_id: str, principal: Principal) -> Model | None:
        """Gives the chat model of that id; composite ones without a cache, since the models they ask have theirs."""
        model = await self.inner.find_model(model_id, principal)
        policy = self.policies.of(model_id)
        if model is None or policy is None or model.info.is_composite:
            return model
        return CachedModel(inner=model, policy=policy, shelf=self.shelf, flights=self.flights)

    async def find_embedding_model(self, model_id: str, principal: Principal) -> EmbeddingModel | None:
        """Gives the embedding model of that id."""
        model = await self.inner.find_embedding_model(model_id, principal)
        policy = self.policies.of(model_id)
        if model is None or policy is None:
            return model
        return CachedEmbeddingModel(inner=model, policy=policy, shelf=self.shelf, who=principal)
