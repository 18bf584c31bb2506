"""Finding the passages that answer a question.

Two searches put candidates forward: by meaning (cosine of embeddings) and by words (BM25, rarity counted within what the person may
see). Their scores are fused convexly, `w · cosine + (1 - w) · BM25 / max BM25`; a candidate found by words alone gets its true cosine,
not zero. This beats either search, and reciprocal ranks, on every set measured (docs/retrieval.md).

Chunks are small, so that they are found; what goes before a model is wider: neighbouring hits of a document become one passage, and
what is left of the budget is spent on the text around the best ones.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np

from alcove.infra.vectors import Hit, Scope, VectorIndex
from alcove.kernel.chat import Source
from alcove.knowledge.models import ChunkRecord, CollectionRecord, KnowledgeSettings, Retrieved, Strategy
from alcove.knowledge.ports import KnowledgeStore, TextEmbedder


@dataclass(frozen=True, kw_only=True, slots=True)
class Passage:
    """A stretch of a document that was found.

    Attributes:
        collection_id: The collection it is in.
        document_id: The document it is from.
        chunk_index: The chunk that was found; the best one where several were.
        first: First chunk of the stretch.
        last: Last chunk of it.
        start: Offset in the document's text.
        end: Offset just past its end.
        page: Page the best chunk begins on.
        score: Of the best chunk, 0 to 1.
    """

    collection_id: str
    document_id: str
    chunk_index: int
    first: int
    last: int
    start: int
    end: int
    page: int | None
    score: float


@dataclass(slots=True)
class Stages:
    """Milliseconds by stage."""

    latency_ms: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Times the body of a `with`."""
        started_s = time.perf_counter()
        try:
            yield
        finally:
            self.latency_ms[name] = round((time.perf_counter() - started_s) * 1000, 3)


@dataclass(frozen=True, kw_only=True, slots=True)
class Retriever:
    """Finds passages.

    Attributes:
        store: Where chunks and texts are.
        index: Where chunks are found.
        embedder: Turns the question into a vector.
        settings: How many, how wide, and the weight of meaning.
    """

    store: KnowledgeStore
    index: VectorIndex
    embedder: TextEmbedder
    settings: KnowledgeSettings

    async def retrieve(
        self,
        owner_id: str,
        collections: Sequence[CollectionRecord],
        question: str,
        *,
        strategy: Strategy = Strategy.HYBRID,
        limit: int | None = None,
    ) -> Retrieved:
        """Finds the passages that fit a question best.

        Args:
            owner_id: Whose chunks may be found; the engine filters by it.
            collections: In which collections.
            question: What is asked.
            strategy: By meaning, by words, or both.
            limit: How many passages; default as in the settings.
        """
        stages = Stages()
        scope = Scope(owner_id=owner_id, collection_ids=tuple(each.id for each in collections))
        if not question.strip() or not scope.collection_ids:
            return Retrieved(sources=(), latency_ms={})
        hits = await self._candidates(question, scope, strategy, stages)
        wanted = limit if limit is not None else self.settings.sources
        with stages.stage("passages"):
            passages = await self._passages(owner_id, hits, wanted)
            texts = await self.store.passages(owner_id, [(each.document_id, each.start, each.end) for each in passages])
            documents = await self.store.documents(owner_id, [each.document_id for each in passages])
        names = {each.id: each.name for each in documents}
        titles = {each.id: each.name for each in collections}
        sources = tuple(
            Source(
                number=number,
                text=text,
                document_id=passage.document_id,
                document=names[passage.document_id],
                collection_id=passage.collection_id,
                collection=titles.get(passage.collection_id, ""),
                chunk_index=passage.chunk_index,
                score=round(passage.score, 4),
                page=passage.page,
                start=passage.start,
                end=passage.end,
            )
            for number, (passage, text) in enumerate(
                (
                    (passage, text)
                    for passage, text in zip(passages, texts, strict=True)
                    if text and passage.document_id in names
                ),
                start=1,
            )
        )
        return Retrieved(sources=sources, latency_ms=stages.latency_ms)

    async def _candidates(self, question: str, scope: Scope, strategy: Strategy, stages: Stages) -> list[Hit]:
        count = self.settings.candidates
        if strategy is Strategy.SPARSE:
            with stages.stage("sparse"):
                sparse = await self.index.sparse(question, scope, limit=count)
            return fuse([], sparse, {}, weight=0.0)
        with stages.stage("embed"):
            vector = np.asarray((await self.embedder.embed([question])).vectors[0], dtype=np.float32)
        with stages.stage("dense"):
            dense = await self.index.dense(vector, scope, limit=count)
        if strategy is Strategy.DENSE:
            return fuse(dense, [], {}, weight=1.0)
        with stages.stage("sparse"):
            sparse = await self.index.sparse(question, scope, limit=count)
        with stages.stage("fuse"):
            known = {each.id for each in dense}
            cosines = await self.index.cosines(vector, [each.id for each in sparse if each.id not in known])
            return fuse(dense, sparse, cosines, weight=self.settings.dense_weight)

    async def _passages(self, owner_id: str, hits: Sequence[Hit], limit: int) -> list[Passage]:
        """Joins hits into passages, and widens the best ones as far as the budget goes."""
        # A few more than wanted: some may be joined, and some belong to documents that are not ready.
        best = hits[: limit * 3]
        keys = {(hit.document_id, index) for hit in best for index in range(hit.chunk_index - 1, hit.chunk_index + 2)}
        rows = await self.store.ready_chunks(owner_id, sorted(keys))
        chunks = {(each.document_id, each.index): each for each in rows}
        passages: list[Passage] = []
        for hit in best:
            chunk = chunks.get((hit.document_id, hit.chunk_index))
            if chunk is None:
                continue
            at = next((index for index, each in enumerate(passages) if _is_next_to(each, chunk)), None)
            if at is not None:
                passages[at] = _joined(passages[at], chunk)
            elif len(passages) < limit:
                passages.append(_passage(hit, chunk))
        budget = self.settings.context_characters - sum(each.end - each.start for each in passages)
        for at, passage in enumerate(passages):
            taken = [(each.document_id, each.first, each.last) for each in passages]
            for index in (passage.last + 1, passage.first - 1):
                chunk = chunks.get((passage.document_id, index))
                is_taken = any(key == passage.document_id and first <= index <= last for key, first, last in taken)
                if chunk is None or is_taken or chunk.end - chunk.start > budget:
                    continue
                budget -= chunk.end - chunk.start
                passages[at] = _joined(passages[at], chunk)
        return passages


def fuse(dense: Sequence[Hit], sparse: Sequence[Hit], cosines: dict[str, float], *, weight: float) -> list[Hit]:
    """Fuses two lists of hits convexly; scores of the result are 0 to 1, best first.

    Args:
        dense: Hits by meaning; scores are cosines.
        sparse: Hits by words; scores are BM25.
        cosines: Cosines of those hits by words that are not among those by meaning.
        weight: Of the cosine; the rest is that of BM25 over its maximum.
    """
    top = max((each.score for each in sparse), default=0.0)
    words = {each.id: each.score / top for each in sparse} if top > 0 else {}
    meaning = {**cosines, **{each.id: each.score for each in dense}}
    lowest = min(meaning.values(), default=0.0)
    hits = {each.id: each for each in (*sparse, *dense)}
    fused = [
        replace(
            hit,
            score=min(1.0, max(0.0, weight * meaning.get(hit.id, lowest) + (1 - weight) * words.get(hit.id, 0.0))),
        )
        for hit in hits.values()
    ]
    return sorted(fused, key=lambda each: (-each.score, each.id))


def _passage(hit: Hit, chunk: ChunkRecord) -> Passage:
    return Passage(
        collection_id=hit.collection_id,
        document_id=hit.document_id,
        chunk_index=hit.chunk_index,
        first=chunk.index,
        last=chunk.index,
        start=chunk.start,
        end=chunk.end,
        page=chunk.page,
        score=hit.score,
    )


def _is_next_to(passage: Passage, chunk: ChunkRecord) -> bool:
    return passage.document_id == chunk.document_id and passage.first - 1 <= chunk.index <= passage.last + 1


def _joined(passage: Passage, chunk: ChunkRecord) -> Passage:
    return replace(
        passage,
        first=min(passage.first, chunk.index),
        last=max(passage.last, chunk.index),
        start=min(passage.start, chunk.start),
        end=max(passage.end, chunk.end),
    )
