"""Answers kept in this process: bounded by number and by bytes, those not asked for the longest go first."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

from alcove.gateway.cache.models import Entry, Fill, Found, Neighbours
from alcove.kernel.clock import Clock


@dataclass(frozen=True, slots=True)
class _Kept:
    entry: Entry
    kept_s: float
    ends_s: float


@dataclass(slots=True)
class MemoryCache:
    """A `ResponseCache` in memory.

    Attributes:
        clock: The time.
        max_entries: Entries at most.
        max_bytes: What they may take.
        max_neighbours: Entries of one neighbourhood at most.
    """

    clock: Clock
    max_entries: int = 20_000
    max_bytes: int = 64 << 20
    max_neighbours: int = 256
    _kept: OrderedDict[str, _Kept] = field(default_factory=OrderedDict)
    _near: dict[str, OrderedDict[str, bytes]] = field(default_factory=dict)
    _size: int = 0

    @property
    def size_bytes(self) -> int:
        """Gives about what all entries take."""
        return self._size

    async def get(self, keys: Sequence[str]) -> Sequence[Found | None]:
        """Gives what is kept under each key."""
        return [self._get(key) for key in keys]

    async def put(self, entries: Sequence[Entry], ttl_s: int) -> None:
        """Keeps entries; an entry larger than the whole cache is not kept."""
        now_s = self.clock.monotonic_s()
        for entry in entries:
            self._drop(entry.key)
            if entry.size_bytes > self.max_bytes:
                continue
            self._kept[entry.key] = _Kept(entry, now_s, now_s + ttl_s)
            self._size += entry.size_bytes
            if entry.near is not None:
                rows = self._near.setdefault(entry.near.id, OrderedDict())
                rows[entry.key] = entry.near.vector
                while len(rows) > self.max_neighbours:
                    self._drop(next(iter(rows)))
        while len(self._kept) > self.max_entries or self._size > self.max_bytes:
            self._drop(next(iter(self._kept)))

    async def neighbours(self, neighbourhood: str) -> Neighbours:
        """Gives the entries of a neighbourhood."""
        rows = self._near.get(neighbourhood)
        if not rows:
            return Neighbours((), b"")
        for key in [key for key in rows if self._is_over(key)]:
            self._drop(key)
        return Neighbours(list(rows), b"".join(rows.values()))

    async def delete(self, *, model: str | None = None, owner_id: str | None = None) -> int:
        """Drops entries."""
        chosen = [
            key
            for key, kept in self._kept.items()
            if model in {None, kept.entry.model} and owner_id in {None, kept.entry.owner_id}
        ]
        for key in chosen:
            self._drop(key)
        return len(chosen)

    async def fill(self) -> Fill:
        """Tells how much is kept."""
        return Fill(entries=len(self._kept), size_bytes=self._size)

    def _get(self, key: str) -> Found | None:
        if self._is_over(key):
            self._drop(key)
        kept = self._kept.get(key)
        if kept is None:
            return None
        self._kept.move_to_end(key)
        return Found(value=kept.entry.value, age_s=self.clock.monotonic_s() - kept.kept_s)

    def _is_over(self, key: str) -> bool:
        kept = self._kept.get(key)
        return kept is not None and self.clock.monotonic_s() >= kept.ends_s

    def _drop(self, key: str) -> None:
        kept = self._kept.pop(key, None)
        if kept is None:
            return
        self._size -= kept.entry.size_bytes
        if kept.entry.near is not None:
            rows = self._near[kept.entry.near.id]
            del rows[key]
            if not rows:
                del self._near[kept.entry.near.id]
