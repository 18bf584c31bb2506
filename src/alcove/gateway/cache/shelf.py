"""The cache as models see it: it never fails, only misses; and it counts."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import structlog

from alcove.gateway.cache.models import CacheSettings, Entry, Found, Neighbourhood
from alcove.gateway.cache.ports import CacheAway, ResponseCache
from alcove.kernel.clock import Clock
from alcove.kernel.errors import AlcoveError
from alcove.kernel.ports import EmbeddingModel

log = structlog.get_logger(__name__)

_REST_S = 1.0  # after a failure nobody asks for so long, so that requests do not all wait for a store that is away
_SAY_EVERY_S = 30.0
T = TypeVar("T")


@dataclass(slots=True)
class CacheCounts:
    """What came of asking, since the process began.

    Attributes:
        hits: The very same request was found.
        semantic_hits: One that means the same was found.
        misses: Nothing was found.
        failures: The store did not answer.
    """

    hits: int = 0
    semantic_hits: int = 0
    misses: int = 0
    failures: int = 0


@dataclass(slots=True)
class Shelf:
    """Finds and keeps answers; fails open.

    Attributes:
        cache: Where they are kept.
        embedder: Tells what questions mean.
        clock: The time.
        settings: Bounds.
        counts: What came of asking.
    """

    cache: ResponseCache
    embedder: EmbeddingModel
    clock: Clock
    settings: CacheSettings
    counts: CacheCounts = field(default_factory=CacheCounts)
    _rests_until_s: float = float("-inf")
    _said_s: float = float("-inf")

    async def find(self, keys: Sequence[str]) -> Sequence[Found | None]:
        """Gives what is kept under each key."""
        return await self._open(lambda: self.cache.get(keys)) or [None] * len(keys)

    async def find_alike(self, near: Neighbourhood, threshold: float) -> Found | None:
        """Gives the entry of a neighbourhood that is most alike, if it is alike enough."""
        found = await self._open(lambda: self.cache.neighbours(near.id))
        if found is None or not found.keys:
            return None
        wanted = np.frombuffer(near.vector, dtype=np.float32)
        rows = np.frombuffer(found.vectors, dtype=np.float32)
        if rows.size != len(found.keys) * wanted.size:
            return None  # of another embedding model
        scores = rows.reshape(len(found.keys), wanted.size) @ wanted
        best = int(scores.argmax())
        if scores[best] < threshold:
            return None
        return (await self.find([found.keys[best]]))[0]

    async def near(self, neighbourhood: str, question: str) -> Neighbourhood | None:
        """Gives where a question belongs; None when its meaning cannot be told now."""
        try:
            vectors = (await self.embedder.embed([question])).vectors
        except AlcoveError as error:
            self._failed(error)
            return None
        return Neighbourhood(id=neighbourhood, vector=np.asarray(vectors[0], dtype=np.float32).tobytes())

    async def keep(self, entries: Sequence[Entry], ttl_s: int) -> None:
        """Keeps entries that are not too large."""
        small = [each for each in entries if len(each.value) <= self.settings.max_entry_kb << 10]
        if small:
            await self._open(lambda: self.cache.put(small, ttl_s))

    async def delete_owner(self, user_id: str) -> None:
        """Drops everything that was answered to a person who is being deleted.

        Raises:
            CacheAway: When the store does not answer: a person is not deleted with their answers left.
        """
        await self.cache.delete(owner_id=user_id)

    async def check(self) -> tuple[bool, str]:
        """Tells whether the store answers, and how full it is.

        Raises:
            CacheAway: When it does not.
        """
        fill = await self.cache.fill()
        counts = self.counts
        size = "" if fill.size_bytes is None else f", {fill.size_bytes} bytes"
        return True, f"{fill.entries} answers{size}; {counts.hits + counts.semantic_hits} hits, {counts.misses} misses"

    async def _open(self, call: Callable[[], Awaitable[T]]) -> T | None:
        if self.clock.monotonic_s() < self._rests_until_s:
            return None
        try:
            return await call()
        except CacheAway as error:
            self._rests_until_s = self.clock.monotonic_s() + _REST_S
            self._failed(error)
            return None

    def _failed(self, error: AlcoveError) -> None:
        self.counts.failures += 1
        if self.clock.monotonic_s() - self._said_s >= _SAY_EVERY_S:
            self._said_s = self.clock.monotonic_s()
            log.warning("cache_away", detail=error.detail, failures=self.counts.failures)
