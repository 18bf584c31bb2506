"""What admins do with the cache: look at it, and empty it."""

from dataclasses import dataclass

from alcove.gateway.cache.models import CacheState, Place
from alcove.gateway.cache.ports import CacheAway
from alcove.gateway.cache.shelf import Shelf
from alcove.gateway.ports import Audit, Origin
from alcove.kernel.principal import Principal

_NO_REQUEST = Origin()


@dataclass(frozen=True, kw_only=True, slots=True)
class CacheService:
    """Looks after the cache.

    Attributes:
        shelf: The cache.
        audit: Remembers who did what.
        place: Where answers are kept.
    """

    shelf: Shelf
    audit: Audit
    place: Place

    async def state(self) -> CacheState:
        """Tells how it is doing."""
        counts, settings = self.shelf.counts, self.shelf.settings
        try:
            fill = await self.shelf.cache.fill()
        except CacheAway:
            fill = None
        return CacheState(
            entries=fill.entries if fill else None,
            size_bytes=fill.size_bytes if fill else None,
            hits=counts.hits,
            semantic_hits=counts.semantic_hits,
            misses=counts.misses,
            failures=counts.failures,
            place=self.place,
            max_entries=settings.max_entries,
            max_bytes=settings.max_mb << 20 if self.place == "memory" else None,
            rules=settings.rules,
        )

    async def clear(
        self, who: Principal, *, model: str | None = None, owner_id: str | None = None, origin: Origin = _NO_REQUEST
    ) -> int:
        """Drops the answers of a model, of a person, or all; gives their number.

        Raises:
            CacheAway: When the store does not answer; nothing may have been dropped.
        """
        dropped = await self.shelf.cache.delete(model=model, owner_id=owner_id)
        subject = f"model:{model}" if model is not None else f"user:{owner_id}" if owner_id is not None else "all"
        await self.audit.record(who, "cache.clear", f"cache:{subject}", origin)
        return dropped
