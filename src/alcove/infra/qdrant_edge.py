"""The vector index on Qdrant, in this process (`qdrant-edge-py`, pinned).

One shard holds all chunks; every search carries its scope as a filter inside the engine, and the rarity of words is counted
within that scope, so that nothing of other people's texts shows in scores. The write-ahead log stays on: without it, two
processes could open the shard, and acknowledged points could be lost. Building the index blocks for seconds (19 s at 15,000
points), so it runs in a thread of its own after enough writes; until then search is exact, and still below a millisecond.
"""

import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar
from uuid import UUID

import anyio
import anyio.to_thread
import numpy as np
import qdrant_edge as qdrant
import structlog

from alcove.infra.vectors import BM25_B, BM25_K, Hit, Point, Scope, Vector
from alcove.kernel.errors import Unavailable

log = structlog.get_logger(__name__)

T = TypeVar("T")

_DENSE = "dense"
_WORDS = "words"
_KEYS = ("owner_id", "collection_id", "document_id")
_PAYLOAD = ["collection_id", "document_id", "chunk_index"]
_WALLS = ["owner_id", "collection_id"]
_BATCH = 256
_READERS = 4
# Words of a chunk without stop words: 49.6 and 42.4 on average on the two sets measured (docs/retrieval.md). Anything from 30 to
# 90 moves hybrid search by less than 0.004 nDCG@10; the engine's default of 256 costs search by words 0.02 on one of them.
_AVERAGE_WORDS = 50.0


class QdrantEdgeIndex:
    """A `VectorIndex` in a folder. One process at a time; safe to use from many tasks."""

    def __init__(self, folder: Path, *, dimensions: int, optimize_after: int = 5_000) -> None:
        """Names the folder; it is opened at the first use.

        Args:
            folder: Where the shard lies; made if need be.
            dimensions: Length of the vectors.
            optimize_after: Points written after which the index is built anew, in the background.
        """
        self._folder = folder
        self._dimensions = dimensions
        self._optimize_after = optimize_after
        self._is_closed = False
        self._written = 0
        self._opening = threading.Lock()
        self._optimizing = threading.Lock()
        self._optimizer: threading.Thread | None = None
        self._shard: qdrant.EdgeShard | None = None
        self._bm25: qdrant.Bm25 | None = None
        self._writer = anyio.CapacityLimiter(1)
        self._readers = anyio.CapacityLimiter(_READERS)

    async def upsert(self, points: Sequence[Point]) -> None:
        """Adds points, replacing those of the same id; in the log when this returns."""
        for start in range(0, len(points), _BATCH):
            await self._write(partial(self._upsert, points[start : start + _BATCH]))

    async def delete_document(self, owner_id: str, document_id: str) -> None:
        """Deletes all points of a document."""
        await self._delete(_is("owner_id", owner_id), _is("document_id", document_id))

    async def delete_collection(self, owner_id: str, collection_id: str) -> None:
        """Deletes all points of a collection."""
        await self._delete(_is("owner_id", owner_id), _is("collection_id", collection_id))

    async def dense(self, vector: Vector, scope: Scope, *, limit: int) -> list[Hit]:
        """Finds the nearest points; scores are cosines."""
        query = qdrant.Query.Nearest(vector.tolist(), using=_DENSE)
        return await self._query(query, scope, limit, None)

    async def sparse(self, text: str, scope: Scope, *, limit: int) -> list[Hit]:
        """Finds the points that share words with a text; scores are BM25."""
        words = self._words().embed_query(text)
        if not words.indices:
            return []
        params = qdrant.SearchParams(idf=qdrant.IdfParams(corpus=_filter(scope)))
        return await self._query(qdrant.Query.Nearest(words, using=_WORDS), scope, limit, params)

    async def cosines(self, vector: Vector, ids: Sequence[str], scope: Scope) -> dict[str, float]:
        """Gives the cosine of given points in a scope."""
        if not ids or not scope.collection_ids:
            return {}
        return await self._read(partial(self._cosines, vector, list(ids), scope))

    async def count(self, scope: Scope) -> int:
        """Gives the number of points in a scope."""
        if not scope.collection_ids:
            return 0
        return await self._read(lambda: self._open().count(qdrant.CountRequest(filter=_filter(scope), exact=True)))

    async def aclose(self) -> None:
        """Writes everything out and lets go of the folder, for good; an index being built is waited for."""
        await anyio.to_thread.run_sync(self._close, limiter=self._writer)

    async def _query(
        self, query: qdrant.Query, scope: Scope, limit: int, params: qdrant.SearchParams | None
    ) -> list[Hit]:
        if not scope.collection_ids or limit < 1:
            return []
        request = qdrant.QueryRequest(
            limit=limit, query=query, filter=_filter(scope), with_payload=_PAYLOAD, params=params
        )
        found = await self._read(lambda: self._open().query(request))
        return [
            Hit(
                id=str(each.id),
                collection_id=str(each.payload["collection_id"]),
                document_id=str(each.payload["document_id"]),
                chunk_index=int(each.payload["chunk_index"]),
                score=float(each.score),
            )
            for each in found
            if each.payload is not None
        ]

    async def _delete(self, *conditions: qdrant.FieldCondition) -> None:
        operation = qdrant.UpdateOperation.delete_points_by_filter(qdrant.Filter(must=list(conditions)))
        await self._write(lambda: self._open().update(operation))

    async def _read(self, work: Callable[[], T]) -> T:
        return await anyio.to_thread.run_sync(work, limiter=self._readers)

    async def _write(self, work: Callable[[], T]) -> T:
        # Threads are not abandoned on cancellation (anyio's default), so a write that has begun is finished.
        return await anyio.to_thread.run_sync(work, limiter=self._writer)

    def _upsert(self, points: Sequence[Point]) -> None:
        bm25 = self._words()
        rows = [
            qdrant.Point(
                UUID(each.id),
                {_DENSE: each.vector.tolist(), _WORDS: bm25.embed_document(each.text)},
                {
                    "owner_id": each.owner_id,
                    "collection_id": each.collection_id,
                    "document_id": each.document_id,
                    "chunk_index": each.chunk_index,
                },
            )
            for each in points
        ]
        self._open().update(qdrant.UpdateOperation.upsert_points(rows))
        self._written += len(rows)
        if self._written >= self._optimize_after and (self._optimizer is None or not self._optimizer.is_alive()):
            self._written = 0
            self._optimizer = threading.Thread(target=self._optimize, name="qdrant-optimize", daemon=True)
            self._optimizer.start()

    def _optimize(self) -> None:
        with self._optimizing:
            if self._is_closed:
                return
            try:
                self._open().optimize()
            except Exception:  # a thread's root; search goes on without the index
                log.exception("vector_index_not_built")

    def _cosines(self, vector: Vector, ids: list[str], scope: Scope) -> dict[str, float]:
        # By id, then checked: a search that is filtered by ids and scope would look at every point of the scope.
        records = self._open().retrieve([UUID(each) for each in ids], with_payload=_WALLS, with_vector=[_DENSE])
        found: dict[str, float] = {}
        for record in records:
            vectors, payload = record.vector, record.payload or {}
            is_seen = payload.get("owner_id") == scope.owner_id and payload.get("collection_id") in scope.collection_ids
            if is_seen and isinstance(vectors, dict):
                found[str(record.id)] = float(np.asarray(vectors[_DENSE], dtype=np.float32) @ vector)
        return found

    def _words(self) -> qdrant.Bm25:
        if self._bm25 is None:
            self._bm25 = qdrant.Bm25(qdrant.Bm25Config(k=BM25_K, b=BM25_B, avg_len=_AVERAGE_WORDS, ascii_folding=True))
        return self._bm25

    def _open(self) -> qdrant.EdgeShard:
        if self._shard is None:
            with self._opening:
                if self._is_closed:
                    detail = "The vector index is closed."
                    raise Unavailable(detail)
                if self._shard is None:
                    self._shard = self._load()
        return self._shard

    def _load(self) -> qdrant.EdgeShard:
        config = qdrant.EdgeConfig(
            vectors={_DENSE: qdrant.EdgeVectorParams(size=self._dimensions, distance=qdrant.Distance.Cosine)},
            sparse_vectors={_WORDS: qdrant.EdgeSparseVectorParams(modifier=qdrant.Modifier.Idf)},
            wal_enabled=True,
        )
        is_new = not self._folder.is_dir() or not any(self._folder.iterdir())
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            shard = (
                qdrant.EdgeShard.create(str(self._folder), config)
                if is_new
                else qdrant.EdgeShard.load(str(self._folder))
            )
        except Exception as error:
            detail = f"The vector index in {str(self._folder)!r} cannot be opened ({error}). Is another server running on it?"
            raise Unavailable(detail) from error
        if is_new:
            for key in _KEYS:
                shard.update(qdrant.UpdateOperation.create_field_index(key, qdrant.PayloadSchemaType.Keyword))
        return shard

    def _close(self) -> None:
        with self._optimizing, self._opening:
            self._is_closed = True
            if self._shard is not None:
                self._shard.flush()
                self._shard.close()
                self._shard = None


def _is(key: str, value: str) -> qdrant.FieldCondition:
    return qdrant.FieldCondition(key=key, match=qdrant.MatchValue(value))


def _filter(scope: Scope) -> qdrant.Filter:
    collections = qdrant.FieldCondition(key="collection_id", match=qdrant.MatchAny(list(scope.collection_ids)))
    return qdrant.Filter(must=[_is("owner_id", scope.owner_id), collections])
