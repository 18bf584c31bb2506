"""The filter that puts passages of collections before a model."""

from dataclasses import dataclass, replace

from alcove.kernel.filters import BaseFilter, RequestHead
from alcove.kernel.turn import Turn
from alcove.knowledge.grounding import TurnSearch, told_nothing_found
from alcove.knowledge.service import CollectionService


@dataclass(frozen=True)
class KnowledgeFilter(BaseFilter):
    """Acts in turns whose request names collections."""

    collections: CollectionService
    search: TurnSearch
    name: str = "knowledge"
    priority: int = 50
    status: str = "Searching your documents"

    def concerns(self, head: RequestHead) -> bool:
        """May concern requests that name collections."""
        return "collections" in head.fields

    def applies(self, turn: Turn) -> bool:
        """Applies when collections are named."""
        return bool(turn.request.collections)

    async def inlet(self, turn: Turn) -> None:
        """Finds sources for the question.

        Raises:
            NotFound: When a collection is not there, or not this person's; names it.
        """
        request = turn.request
        found = await self.collections.resolve(turn.context.principal, request.collections)
        sources = await self.search.sources(request, found, turn.context)
        if sources:
            turn.request = replace(request, sources=sources)
        elif turn.model is not None and turn.model.info.is_generative:
            turn.request = told_nothing_found(request)
