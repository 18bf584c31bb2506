"""Search by meaning and by words over chunks of text: the port, and a small index in memory."""

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float32]
"""One vector, unit length."""

BM25_K = 1.2
BM25_B = 0.75
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """One chunk as the index keeps it.

    Attributes:
        id: A UUID as text.
        owner_id: Whose it is.
        collection_id: The collection it is in.
        document_id: The document it is from.
        chunk_index: Which chunk of the document.
        vector: Its embedding.
        text: Its words.
    """

    id: str
    owner_id: str
    collection_id: str
    document_id: str
    chunk_index: int
    vector: Vector
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Hit:
    """A chunk that was found.

    Attributes:
        id: Its point's id.
        collection_id: The collection it is in.
        document_id: The document it is from.
        chunk_index: Which chunk of the document.
        score: Cosine similarity or BM25 score, as asked for; higher is better.
    """

    id: str
    collection_id: str
    document_id: str
    chunk_index: int
    score: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Scope:
    """What a search may see. The owner is part of every search, and the engine itself filters by it.

    Attributes:
        owner_id: Whose chunks.
        collection_ids: In which collections.
    """

    owner_id: str
    collection_ids: tuple[str, ...]


class VectorIndex(Protocol):
    """Keeps points and finds them again."""

    async def upsert(self, points: Sequence[Point]) -> None:
        """Adds points, replacing those of the same id. When this returns, they survive `kill -9`."""
        ...

    async def delete_document(self, owner_id: str, document_id: str) -> None:
        """Deletes all points of a document."""
        ...

    async def delete_collection(self, owner_id: str, collection_id: str) -> None:
        """Deletes all points of a collection."""
        ...

    async def dense(self, vector: Vector, scope: Scope, *, limit: int) -> list[Hit]:
        """Finds the nearest points; scores are cosines."""
        ...

    async def sparse(self, text: str, scope: Scope, *, limit: int) -> list[Hit]:
        """Finds the points that share words with a text; scores are BM25, rarity counted within the scope."""
        ...

    async def cosines(self, vector: Vector, ids: Sequence[str], scope: Scope) -> dict[str, float]:
        """Gives the cosine of given points, by id; ids that are not in the scope are left out."""
        ...

    async def count(self, scope: Scope) -> int:
        """Gives the number of points in a scope."""
        ...

    async def aclose(self) -> None:
        """Writes everything out and lets go of the files."""
        ...


@dataclass(slots=True)
class InMemoryVectorIndex:
    """A `VectorIndex` in a dictionary, exact and forgetful; for tests and as the measure of others."""

    _points: dict[str, Point] = field(default_factory=dict)

    async def upsert(self, points: Sequence[Point]) -> None:
        """Adds points, replacing those of the same id."""
        self._points.update({each.id: each for each in points})

    async def delete_document(self, owner_id: str, document_id: str) -> None:
        """Deletes all points of a document."""
        self._keep(lambda each: not (each.owner_id == owner_id and each.document_id == document_id))

    async def delete_collection(self, owner_id: str, collection_id: str) -> None:
        """Deletes all points of a collection."""
        self._keep(lambda each: not (each.owner_id == owner_id and each.collection_id == collection_id))

    async def dense(self, vector: Vector, scope: Scope, *, limit: int) -> list[Hit]:
        """Finds the nearest points by comparing with each."""
        return _best([(float(each.vector @ vector), each) for each in self._in(scope)], limit)

    async def sparse(self, text: str, scope: Scope, *, limit: int) -> list[Hit]:
        """Finds the points that share words, by BM25 (Robertson and Zaragoza 2009, k = 1.2, b = 0.75)."""
        points = self._in(scope)
        words = [Counter(_words(each.text)) for each in points]
        lengths = [sum(each.values()) for each in words]
        average = sum(lengths) / len(lengths) if lengths else 1
        scored: list[tuple[float, Point]] = []
        wanted = set(_words(text))
        holders = {word: sum(word in each for each in words) for word in wanted}
        for point, counts, length in zip(points, words, lengths, strict=True):
            score = 0.0
            for word in wanted & counts.keys():
                rarity = math.log(1 + (len(points) - holders[word] + 0.5) / (holders[word] + 0.5))
                weight = counts[word] * (BM25_K + 1)
                score += rarity * weight / (counts[word] + BM25_K * (1 - BM25_B + BM25_B * length / (average or 1)))
            if score > 0:
                scored.append((score, point))
        return _best(scored, limit)

    async def cosines(self, vector: Vector, ids: Sequence[str], scope: Scope) -> dict[str, float]:
        """Gives the cosine of given points in a scope."""
        wanted = frozenset(ids)
        return {each.id: float(each.vector @ vector) for each in self._in(scope) if each.id in wanted}

    async def count(self, scope: Scope) -> int:
        """Gives the number of points in a scope."""
        return len(self._in(scope))

    async def aclose(self) -> None:
        """Does nothing: there is nothing to write."""

    def _in(self, scope: Scope) -> list[Point]:
        return [
            each
            for each in self._points.values()
            if each.owner_id == scope.owner_id and each.collection_id in scope.collection_ids
        ]

    def _keep(self, wanted: Callable[[Point], bool]) -> None:
        self._points = {key: each for key, each in self._points.items() if wanted(each)}


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _best(scored: list[tuple[float, Point]], limit: int) -> list[Hit]:
    scored.sort(key=lambda each: (-each[0], each[1].id))
    return [
        Hit(
            id=point.id,
            collection_id=point.collection_id,
            document_id=point.document_id,
            chunk_index=point.chunk_index,
            score=score,
        )
        for score, point in scored[:limit]
    ]
