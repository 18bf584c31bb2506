"""Answers kept in a Valkey (or Redis) server, for all processes together.

Each entry is a string with a time to live: one line of JSON about it, then the answer. Sorted sets say which keys there are, of
an owner, of a model and of a neighbourhood, by the time they end; what has ended is taken out of them at each write. A
neighbourhood's vectors lie in a hash beside its set. Losing any part only costs a hit.
"""

import base64
import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import anyio
from redis.asyncio import Redis
from redis.exceptions import RedisError

from alcove.gateway.cache.models import Entry, Fill, Found, Neighbours
from alcove.gateway.cache.ports import CacheAway
from alcove.kernel.clock import Clock

_BATCH = 500


@dataclass(frozen=True, slots=True)
class ValkeyCache:
    """A `ResponseCache` in a Valkey server.

    Attributes:
        server: The connections; whether they give bytes or text makes no difference.
        clock: The time.
        max_entries: Entries at most; those that end soonest go first.
        max_neighbours: Entries of one neighbourhood at most.
        timeout_s: Seconds for each call.
        prefix: What every key begins with.
    """

    server: Redis
    clock: Clock
    max_entries: int = 20_000
    max_neighbours: int = 256
    timeout_s: float = 0.25
    prefix: str = "alcove"

    async def get(self, keys: Sequence[str]) -> Sequence[Found | None]:
        """Gives what is kept under each key."""
        if not keys:
            return []
        async with self._asking():
            found = await self._values(keys)
        return [self._found(each) for each in found]

    async def put(self, entries: Sequence[Entry], ttl_s: int) -> None:
        """Keeps entries."""
        now_s = self.clock.now().timestamp()
        async with self._asking():
            pipe = self.server.pipeline(transaction=False)
            for entry in entries:
                near_id = entry.near.id if entry.near else ""
                head = json.dumps({"at": now_s, "owner": entry.owner_id, "model": entry.model, "near": near_id})
                pipe.set(f"{self.prefix}:cache:a:{entry.key}", f"{head}\n{_text(entry.value)}", ex=ttl_s)
                names = ["all", f"o:{entry.owner_id}", f"m:{entry.model}"]
                if entry.near is not None:
                    names.append(f"n:{near_id}")
                    pipe.hset(f"{self.prefix}:cache:v:{near_id}", entry.key, _text(entry.near.vector))
                    pipe.expire(f"{self.prefix}:cache:v:{near_id}", ttl_s)
                for name in names:
                    pipe.zadd(f"{self.prefix}:cache:{name}", {entry.key: now_s + ttl_s})
                    pipe.zremrangebyscore(f"{self.prefix}:cache:{name}", "-inf", now_s)
                    pipe.expire(f"{self.prefix}:cache:{name}", max(ttl_s, 31 * 86_400))
            await pipe.execute()
            await self._trim(entries)

    async def neighbours(self, neighbourhood: str) -> Neighbours:
        """Gives the entries of a neighbourhood."""
        now_s = self.clock.now().timestamp()
        async with self._asking():
            keys = _keys(await self.server.zrange(
                f"{self.prefix}:cache:n:{neighbourhood}", "+inf", f"({now_s}", desc=True, byscore=True, offset=0, num=self.max_neighbours
            ))  # fmt: skip
            if not keys:
                return Neighbours((), b"")
            rows: list[bytes | str | None] = cast(
                "Any", await self.server.hmget(f"{self.prefix}:cache:v:{neighbourhood}", keys)
            )
        found = [(key, row) for key, row in zip(keys, rows, strict=True) if row is not None]
        return Neighbours([key for key, _ in found], b"".join(base64.b64decode(row) for _, row in found))

    async def delete(self, *, model: str | None = None, owner_id: str | None = None) -> int:
        """Drops entries."""
        name = f"o:{owner_id}" if owner_id is not None else f"m:{model}" if model is not None else "all"
        deleted = 0
        async with self._asking(50):
            keys = _keys(await self.server.zrange(f"{self.prefix}:cache:{name}", 0, -1))
            for start in range(0, len(keys), _BATCH):
                deleted += await self._delete(keys[start : start + _BATCH], model if owner_id is not None else None)
        return deleted

    async def fill(self) -> Fill:
        """Tells how much is kept; only the server knows the bytes."""
        async with self._asking():
            now_s = self.clock.now().timestamp()
            return Fill(
                entries=int(await self.server.zcount(f"{self.prefix}:cache:all", f"({now_s}", "+inf")), size_bytes=None
            )

    @contextlib.asynccontextmanager
    async def _asking(self, times: int = 1) -> AsyncIterator[None]:
        try:
            with anyio.fail_after(self.timeout_s * times):
                yield
        except (RedisError, OSError, TimeoutError) as error:
            detail = f"The cache does not answer: {type(error).__name__}"
            raise CacheAway(detail) from error

    async def _values(self, keys: Sequence[str]) -> list[str | None]:
        found: list[Any] = cast("Any", await self.server.mget([f"{self.prefix}:cache:a:{key}" for key in keys]))
        return [each.decode() if isinstance(each, bytes) else each for each in found]

    def _found(self, data: str | None) -> Found | None:
        if data is None:
            return None
        head, _, value = data.partition("\n")
        return Found(
            value=base64.b64decode(value), age_s=max(0.0, self.clock.now().timestamp() - float(json.loads(head)["at"]))
        )

    async def _delete(self, keys: Sequence[str], model: str | None) -> int:
        found = await self._values(keys)
        pipe = self.server.pipeline(transaction=False)
        deleted = 0
        for key, data in zip(keys, found, strict=True):
            if data is None:
                pipe.zrem(f"{self.prefix}:cache:all", key)
                continue
            head = json.loads(data.partition("\n")[0])
            if model is not None and head["model"] != model:
                continue
            deleted += 1
            pipe.delete(f"{self.prefix}:cache:a:{key}")
            for name in ("all", f"o:{head['owner']}", f"m:{head['model']}", f"n:{head['near']}"):
                pipe.zrem(f"{self.prefix}:cache:{name}", key)
            if head["near"]:
                pipe.hdel(f"{self.prefix}:cache:v:{head['near']}", key)
        await pipe.execute()
        return deleted

    async def _trim(self, entries: Sequence[Entry]) -> None:
        """Takes out what is too much, of everything and of each neighbourhood that was written to."""
        surplus = await self.server.zcard(f"{self.prefix}:cache:all") - self.max_entries
        if surplus > 0:
            ended = await self.server.zrange(f"{self.prefix}:cache:all", 0, surplus - 1)
            await self._delete(_keys(ended), None)
        for near_id in {entry.near.id for entry in entries if entry.near is not None}:
            surplus = await self.server.zcard(f"{self.prefix}:cache:n:{near_id}") - self.max_neighbours
            if surplus > 0:
                ended = await self.server.zrange(f"{self.prefix}:cache:n:{near_id}", 0, surplus - 1)
                await self._delete(_keys(ended), None)


def _keys(found: Any) -> list[str]:  # noqa: ANN401  the library's type allows for forms that are not asked for
    return [key.decode() if isinstance(key, bytes) else str(key) for key in found]


def _text(data: bytes) -> str:
    """Gives bytes as text, so that a client that reads all answers as text can be shared with others."""
    return base64.b64encode(data).decode()
