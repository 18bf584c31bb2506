"""Reranking with any embedding model: how alike the question and each document are, as the cosine of their embeddings."""

from collections.abc import Sequence
from dataclasses import dataclass

from alcove.gateway.embedding import EmbeddingRequest, EmbeddingService
from alcove.gateway.passthrough.models import RERANK
from alcove.kernel.chat import Usage
from alcove.kernel.principal import Principal


@dataclass(frozen=True, kw_only=True, slots=True)
class Ranked:
    """Documents by relevance, the most relevant first.

    Attributes:
        scores: Pairs of a document's place in the request, from 0, and its relevance, 0 to 1.
        usage: Tokens that were embedded.
        trace_id: The trace.
    """

    scores: Sequence[tuple[int, float]]
    usage: Usage
    trace_id: str


@dataclass(frozen=True, slots=True)
class EmbeddingReranker:
    """Reranks by embeddings.

    Attributes:
        embedding: Embeds.
    """

    embedding: EmbeddingService

    async def rank(self, model: str, query: str, documents: Sequence[str], who: Principal, request_id: str) -> Ranked:
        """Ranks documents.

        Raises:
            AlcoveError: As `EmbeddingService.embed`.
        """
        wanted = EmbeddingRequest(
            model=model, texts=[query, *documents], request_id=request_id, kind="rerank", endpoint=RERANK.endpoint
        )
        vectors, trace_id = await self.embedding.embed(wanted, who)
        asked, *others = vectors.vectors
        scores = [max(0.0, min(1.0, sum(a * b for a, b in zip(asked, each, strict=True)))) for each in others]
        order = sorted(range(len(scores)), key=lambda index: (-scores[index], index))
        return Ranked(scores=[(index, scores[index]) for index in order], usage=vectors.usage, trace_id=trace_id)
