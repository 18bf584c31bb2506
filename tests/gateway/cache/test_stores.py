"""What every store of cached answers does, in memory and on a server."""

import socket
from pathlib import Path

import pytest
from redis.asyncio import Redis

from alcove.gateway.cache.adapters.memory import MemoryCache
from alcove.gateway.cache.adapters.valkey import ValkeyCache
from alcove.gateway.cache.models import Entry, Neighbourhood
from alcove.gateway.cache.ports import CacheAway, ResponseCache
from alcove.kernel.clock import FakeClock


def entry(key: str, owner: str = "ada", model: str = "small", value: bytes = b"x\ny", near: str = "") -> Entry:
    place = Neighbourhood(id=near, vector=bytes([len(key)] * 8)) if near else None
    return Entry(key=key, owner_id=owner, model=model, value=value, near=place)


async def test_what_was_put_is_found_and_nothing_else(cache: ResponseCache):
    await cache.put([entry("a"), entry("b", value=b"")], 60)
    found = await cache.get(["b", "c", "a"])
    assert [None if each is None else each.value for each in found] == [b"", None, b"x\ny"]
    assert await cache.get([]) == []
    assert (await cache.fill()).entries == 2


async def test_an_entry_tells_its_age(cache: ResponseCache, clock: FakeClock):
    await cache.put([entry("a")], 60)
    clock.advance(12)
    found = (await cache.get(["a"]))[0]
    assert found is not None
    assert found.age_s == pytest.approx(12, abs=0.1)


async def test_a_later_entry_takes_the_place_of_an_earlier_one(cache: ResponseCache):
    await cache.put([entry("a", value=b"old", near="n")], 60)
    await cache.put([entry("a", value=b"new", near="n")], 60)
    found = (await cache.get(["a"]))[0]
    assert found is not None
    assert found.value == b"new"
    assert list((await cache.neighbours("n")).keys) == ["a"]


async def test_neighbours_are_bounded_and_the_latest_stay(cache: ResponseCache, clock: FakeClock):
    for key in ("a", "bb", "ccc", "dddd"):
        await cache.put([entry(key, near="n")], 60)
        clock.advance(1)
    found = await cache.neighbours("n")
    assert set(found.keys) == {"bb", "ccc", "dddd"}
    rows = {key: found.vectors[index * 8 : index * 8 + 8] for index, key in enumerate(found.keys)}
    assert rows == {key: bytes([len(key)] * 8) for key in rows}
    assert (await cache.neighbours("other")).keys in ([], ())


async def test_the_entries_of_an_owner_and_of_a_model_can_be_dropped(cache: ResponseCache):
    await cache.put([entry("a"), entry("b", owner="bob"), entry("c", model="large", near="n")], 60)
    assert await cache.delete(owner_id="ada", model="large") == 1
    assert list((await cache.neighbours("n")).keys) == []
    assert await cache.delete(owner_id="ada") == 1
    assert [each is not None for each in await cache.get(["a", "b", "c"])] == [False, True, False]
    assert await cache.delete(model="large") == 0
    assert await cache.delete() == 1
    assert (await cache.fill()).entries == 0


async def test_no_more_than_so_many_entries_are_kept(cache: ResponseCache, clock: FakeClock):
    for number in range(30):
        await cache.put([entry(f"k{number}")], 60)
        clock.advance(0.1)
    assert (await cache.fill()).entries == 20
    assert (await cache.get(["k0"]))[0] is None
    assert (await cache.get(["k29"]))[0] is not None


async def test_memory_forgets_at_the_end_of_the_time_and_the_longest_unasked_first(clock: FakeClock):
    cache = MemoryCache(clock, max_bytes=3 * 1000)
    await cache.put([entry(key, value=bytes(400)) for key in "abc"], 60)
    await cache.get(["a"])
    await cache.put([entry("d", value=bytes(400)), entry("huge", value=bytes(10_000))], 60)
    assert [each is not None for each in await cache.get(["a", "b", "c", "d", "huge"])] == [
        True,
        False,
        True,
        True,
        False,
    ]
    clock.advance(60)
    assert (await cache.get(["a"]))[0] is None
    assert (await cache.neighbours("n")).keys == ()


async def test_valkey_gives_every_entry_a_time_to_live(valkey: Redis, clock: FakeClock):
    cache = ValkeyCache(valkey, clock, timeout_s=5)
    await cache.put([entry("a", near="n")], 60)
    for key in await valkey.keys("*"):
        assert await valkey.ttl(key) > 0, key
    assert 0 < await valkey.ttl("alcove:cache:a:a") <= 60


async def test_a_server_that_is_not_there_or_hangs_is_away(tmp_path: Path, clock: FakeClock):
    gone = ValkeyCache(Redis(unix_socket_path=str(tmp_path / "none")), clock)
    for call in (gone.get(["a"]), gone.put([entry("a")], 1), gone.neighbours("n"), gone.delete(), gone.fill()):
        with pytest.raises(CacheAway):
            await call
    with socket.create_server(("127.0.0.1", 0)) as silent:
        hanging = Redis(host="127.0.0.1", port=silent.getsockname()[1])
        with pytest.raises(CacheAway):
            await ValkeyCache(hanging, clock, timeout_s=0.05).get(["a"])
        await hanging.aclose()
