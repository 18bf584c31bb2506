"""Collections as models: `knowledge/<collection>` answers from that collection."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Protocol

from alcove.kernel.chat import ChatRequest, Delta, Source
from alcove.kernel.errors import Unavailable
from alcove.kernel.grounding import grounded
from alcove.kernel.pages import MAX_LIMIT, PageRequest
from alcove.kernel.ports import DEFAULT_MODEL, CallContext, EmbeddingModel, Model, ModelInfo
from alcove.kernel.principal import Principal
from alcove.kernel.runner import ModelCatalogue
from alcove.kernel.turn import ask
from alcove.knowledge.grounding import TurnSearch, told_nothing_found
from alcove.knowledge.models import CollectionKind, CollectionRecord
from alcove.knowledge.service import CollectionService

PREFIX = "knowledge/"


class Models(ModelCatalogue, Protocol):
    """Finds models by id, and knows the default one."""

    async def default_chat_model(self, principal: Principal) -> str:
        """Gives the id of the model that answers where none is chosen."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class CollectionModel:
    """A `Model` that searches its collection and has the house's default model answer from what was found.

    Attributes:
        collection: The collection.
        search: Finds passages.
        models: Finds the model that answers.
        base: Its id.
    """

    collection: CollectionRecord
    search: TurnSearch
    models: ModelCatalogue
    base: str = DEFAULT_MODEL

    @property
    def info(self) -> ModelInfo:
        """Gives what is known of the model."""
        return ModelInfo(
            id=f"{PREFIX}{self.collection.name}",
            name=self.collection.name,
            description=self.collection.description or f"Answers from the collection {self.collection.name}.",
            created=int(self.collection.created_at.timestamp()),
            is_generative=False,
            is_composite=True,
            reads_sources=True,
            asks=(self.base,),
        )

    async def stream(self, request: ChatRequest, context: CallContext) -> AsyncGenerator[Delta, None]:
        """Answers from the collection, and from what filters found beside it.

        Raises:
            Unavailable: When the default model is itself one that asks the default model.
        """
        base = await self.models.chat_model(self.base, context.principal)
        if base.info.is_composite:
            detail = (
                f"{self.info.id!r} has the default model answer, and that is set to {base.info.id!r}, which only asks other models "
                "itself; an admin can set another default model."
            )
            raise Unavailable(detail)
        yield Delta(status=f"Searching {self.collection.name}")
        found = await self.search.sources(request, [self.collection], context)
        sources = _numbered((*found, *request.sources))
        if sources:
            yield Delta(sources=sources)
        inner = replace(request, model=base.info.id, sources=sources)
        if not base.info.reads_sources:
            inner = grounded(inner)
        if not sources and base.info.is_generative:
            inner = told_nothing_found(inner)
        async with aclosing(ask(base, inner, context)) as deltas:
            async for delta in deltas:
                yield delta


@dataclass(frozen=True, kw_only=True, slots=True)
class CollectionModels:
    """The `ModelSource` of a person's collections."""

    collections: CollectionService
    search: TurnSearch
    models: Models

    async def list_models(self, principal: Principal) -> Sequence[ModelInfo]:
        """Lists this person's collections as models."""
        page = await self.collections.page(principal, CollectionKind.COLLECTION, PageRequest(limit=MAX_LIMIT))
        return [self._model(each).info for each in page.items]

    async def find_model(self, model_id: str, principal: Principal) -> Model | None:
        """Gives the model of one of this person's collections."""
        if not model_id.startswith(PREFIX):
            return None
        page = await self.collections.page(
            principal, CollectionKind.COLLECTION, PageRequest(), name=model_id.removeprefix(PREFIX)
        )
        if not page.items:
            return None
        return replace(self._model(page.items[0]), base=await self.models.default_chat_model(principal))

    async def find_embedding_model(self, model_id: str, principal: Principal) -> EmbeddingModel | None:  # noqa: ARG002
        """Gives None: collections embed nothing for others."""
        return None

    def _model(self, collection: CollectionRecord) -> CollectionModel:
        return CollectionModel(collection=collection, search=self.search, models=self.models)


def _numbered(sources: Sequence[Source]) -> tuple[Source, ...]:
    """Numbers sources from 1, each stretch of a document once."""
    kept: dict[tuple[object, ...], Source] = {}
    for each in sources:
        kept.setdefault((each.document_id, each.start, each.end, each.text), each)
    return tuple(replace(each, number=number) for number, each in enumerate(kept.values(), start=1))
