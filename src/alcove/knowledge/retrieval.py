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
from alcove.knowledge.models import (
    ChunkRecord,
    CollectionRecord,
    KnowledgeSettings,
    Retrieved,
    Strategy,
)
from alcove.knowledge.ports import KnowledgeStore, TextEmbedder

_DEEPEST = 64  # times as many candidates as usual, at most


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

    @property
    def length(self) -> int:
        """Its length in characters."""
        return self.end - self.start


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
            took_ms = (time.perf_counter() - started_s) * 1000
            self.latency_ms[name] = round(self.latency_ms.get(name, 0.0) + took_ms, 3)


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
            strategy: By meaning, by words, or both. Where vectors of a collection are of another model, only by words.
            limit: How many passages. Default: as in the settings, and no more than the budget of characters holds.
        """
        stages = Stages()
        scope = Scope(owner_id=owner_id, collection_ids=tuple(each.id for each in collections))
        if not question.strip() or not scope.collection_ids:
            return Retrieved(sources=(), latency_ms={})
        if any(self._is_foreign(each) for each in collections):
            strategy = Strategy.SPARSE
        wanted = limit if limit is not None else self.settings.sources
        hits, names = await self._ready(question, scope, strategy, wanted, stages)
        with stages.stage("passages"):
            passages = await self._passages(owner_id, hits, wanted, is_bounded=limit is None)
            texts = await self.store.passages(owner_id, [(each.document_id, each.start, each.end) for each in passages])
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
                    if text  # else it was deleted a moment ago
                ),
                start=1,
            )
        )
        return Retrieved(sources=sources, latency_ms=stages.latency_ms)

    def _is_foreign(self, collection: CollectionRecord) -> bool:
        ours = (self.embedder.info.id, self.embedder.precision)
        return (collection.embedding_model, collection.embedding_precision) != ours

    async def _ready(
        self, question: str, scope: Scope, strategy: Strategy, wanted: int, stages: Stages
    ) -> tuple[list[Hit], dict[str, str]]:
        """Finds hits in documents that are ready, and gives the names of these documents too.

        The chunks of a document that is being read are in the index already; where they crowd the others out, looks deeper.
        """
        count = self.settings.candidates
        while True:
            hits = await self._candidates(question, scope, strategy, count, stages)
            with stages.stage("documents"):
                names = await self.store.ready_names(scope.owner_id, list({each.document_id for each in hits}))
            ready = [each for each in hits if each.document_id in names]
            is_all = len(ready) == len(hits) or len(hits) < count
            if is_all or len(ready) >= wanted or count >= self.settings.candidates * _DEEPEST:
                return ready, names
            count *= 4

    async def _candidates(
        self, question: str, scope: Scope, strategy: Strategy, count: int, stages: Stages
    ) -> list[Hit]:
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
            cosines = await self.index.cosines(vector, [each.id for each in sparse if each.id not in known], scope)
            return fuse(dense, sparse, cosines, weight=self.settings.dense_weight)

    async def _passages(self, owner_id: str, hits: Sequence[Hit], limit: int, *, is_bounded: bool) -> list[Passage]:
        """Joins hits into passages, and widens the best ones as far as the budget goes.

        Args:
            owner_id: Whose chunks.
            hits: What was found, best first.
            limit: How many passages at most.
            is_bounded: Whether the budget bounds the number of passages too; the best one is always given.
        """
        best = hits[: limit * 3]  # a few more than wanted, because some may be joined
        keys = {(hit.document_id, index) for hit in best for index in range(hit.chunk_index - 1, hit.chunk_index + 2)}
        rows = await self.store.ready_chunks(owner_id, sorted(keys))
        chunks = {(each.document_id, each.index): each for each in rows}
        passages: list[Passage] = []
        budget = self.settings.context_characters
        for hit in best:
            chunk = chunks.get((hit.document_id, hit.chunk_index))
            if chunk is None:
                continue
            found = _passage(hit, chunk)
            near = [each for each in passages if _is_next_to(each, chunk)]
            if not near and len(passages) >= limit:
                continue
            joined = _joined(*near, found)
            cost = joined.length - sum(each.length for each in near)
            if cost > budget and passages and (is_bounded or near):
                continue
            budget -= cost
            passages = _replaced(passages, near, joined)
        return _widened(passages, chunks, budget)


def _widened(passages: list[Passage], chunks: dict[tuple[str, int], ChunkRecord], budget: int) -> list[Passage]:
    """Spends what is left of the budget on the chunks after and before the best passages."""
    wide = list(passages)
    for at, passage in enumerate(passages):
        for index in (passage.last + 1, passage.first - 1):
            chunk = chunks.get((passage.document_id, index))
            is_taken = any(
                each.document_id == passage.document_id and each.first <= index <= each.last for each in wide
            )
            if chunk is None or is_taken or chunk.page != passage.page:  # a source is of one page
                continue
            joined = replace(
                wide[at],
                first=min(wide[at].first, index),
                last=max(wide[at].last, index),
                start=min(wide[at].start, chunk.start),
                end=max(wide[at].end, chunk.end),
            )
            if joined.length - wide[at].length <= budget:
                budget -= joined.length - wide[at].length
                wide[at] = joined
    return wide


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
    scores = {each: weight * meaning.get(each, lowest) + (1 - weight) * words.get(each, 0.0) for each in hits}
    best = sorted(hits, key=lambda each: (-scores[each], each))  # by the score itself: cosines below zero differ too
    return [replace(hits[each], score=min(1.0, max(0.0, scores[each]))) for each in best]


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
    """Tells whether a chunk goes on where a passage ends, or ends where it begins, on the same page: a source has one page."""
    is_near = passage.first - 1 <= chunk.index <= passage.last + 1
    return passage.document_id == chunk.document_id and passage.page == chunk.page and is_near


def _joined(*passages: Passage) -> Passage:
    """Joins neighbouring passages into one, with chunk, page and score of the first."""
    return replace(
        passages[0],
        first=min(each.first for each in passages),
        last=max(each.last for each in passages),
        start=min(each.start for each in passages),
        end=max(each.end for each in passages),
    )


def _replaced(passages: list[Passage], old: list[Passage], new: Passage) -> list[Passage]:
    """Puts a passage in the place of the first of those it was made from; at the end where there are none."""
    if not old:
        return [*passages, new]
    return [new if each is old[0] else each for each in passages if each not in old[1:]]
