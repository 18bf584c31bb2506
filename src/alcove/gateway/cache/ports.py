"""What the cache needs of others."""

from collections.abc import Sequence
from typing import Protocol

from alcove.gateway.cache.models import Entry, Fill, Found, Neighbours
from alcove.gateway.calls import CachePolicy
from alcove.kernel.errors import Unavailable


class CacheAway(Unavailable):
    """The store of cached answers does not answer."""

    code = "cache_away"
    title = "The cache is away"


class ResponseCache(Protocol):
    """Keeps answers for a while; may forget any of them at any time. Every method raises `CacheAway` when it cannot answer."""

    async def get(self, keys: Sequence[str]) -> Sequence[Found | None]:
        """Gives what is kept under each key."""
        ...

    async def put(self, entries: Sequence[Entry], ttl_s: int) -> None:
        """Keeps entries for so many seconds at most, in place of those that had their keys."""
        ...

    async def neighbours(self, neighbourhood: str) -> Neighbours:
        """Gives the entries of a neighbourhood, the latest ones if there are too many."""
        ...

    async def delete(self, *, model: str | None = None, owner_id: str | None = None) -> int:
        """Drops the entries of a model and of an owner (both where both are named), or all; gives their number."""
        ...

    async def fill(self) -> Fill:
        """Tells how much is kept."""
        ...


class CachePolicies(Protocol):
    """Knows whose answers are kept."""

    def of(self, model_id: str) -> CachePolicy | None:
        """Gives a model's policy; None for no cache. Quick: it is asked for every request."""
        ...
