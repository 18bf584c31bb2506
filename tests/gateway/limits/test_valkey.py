"""What only a shared server does: several replicas, a killed one, a server that is away."""

import subprocess
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import anyio
import pytest
from redis.asyncio import Redis

from alcove.gateway.limits.models import NANO, LimitKind, Standing
from alcove.gateway.limits.valkey import ValkeyLimitStore
from alcove.kernel.clock import SystemClock
from alcove.kernel.errors import RateLimited, Unavailable
from tests.gateway.limits.conftest import Flat, Ledger, a_call, came_to, holder, meter_of, subject


def replica(valkey: Redis, **more: object) -> ValkeyLimitStore:
    return ValkeyLimitStore(valkey, Ledger(), SystemClock(), **more)  # type: ignore[arg-type]  # fields by name


async def test_two_replicas_share_limits(valkey: Redis) -> None:
    one, two = meter_of(replica(valkey), Flat(NANO // 2)), meter_of(replica(valkey), Flat(NANO // 2))
    who = holder(subject(requests_per_minute=3, budget_usd=Decimal(10)))
    for meter in (one, two, one):
        (await meter.admit(who, a_call())).settle(came_to(5, "0.25"))
    with pytest.raises(RateLimited) as refused:
        await two.admit(who, a_call())
    assert refused.value.headers["x-ratelimit-remaining-requests"] == "0"
    for meter in (one, two):
        assert await meter.store.flush()  # type: ignore[attr-defined]
    for meter in (one, two):
        spent = {each.kind: each.used for each in await meter.store.look(who.allowances)}
        assert spent[LimitKind.BUDGET_USD] == NANO * 75 // 100


async def test_what_a_killed_replica_held_comes_back(valkey: Redis) -> None:
    most = subject(max_parallel=1, budget_usd=Decimal(1))
    killed, alive = replica(valkey, lease_s=0.3), replica(valkey)
    assert not isinstance(await killed.reserve([most], 5, NANO), Standing)
    assert isinstance(await alive.reserve([most], 5, NANO), Standing)
    await anyio.sleep(0.35)
    held = await alive.reserve([most], 5, NANO)
    assert not isinstance(held, Standing)
    held.settle(5, 1)
    await alive.flush()
    assert [(each.used, each.held) for each in await alive.look([most])] == [(0, 0), (1, 0)]


async def test_a_call_that_runs_long_keeps_what_it_holds(valkey: Redis) -> None:
    store, most = replica(valkey, lease_s=0.3), subject(max_parallel=1, budget_usd=Decimal(1))
    async with anyio.create_task_group() as group:
        group.start_soon(store.run)
        held = await store.reserve([most], 5, NANO)
        assert not isinstance(held, Standing)
        await anyio.sleep(0.7)
        assert isinstance(await store.reserve([most], 5, NANO), Standing)
        held.settle(5, NANO // 2)
        with anyio.fail_after(5):
            while isinstance(again := await store.reserve([most], 5, 1), Standing):
                await anyio.sleep(0.01)
        again.settle(1, 1)
        group.cancel_scope.cancel()  # ending settles what is left
    assert [(each.used, each.held) for each in await store.look([most])] == [(0, 0), (NANO // 2 + 1, 0)]


async def test_a_settlement_that_is_sent_twice_counts_once(valkey: Redis) -> None:
    store, most = replica(valkey), subject(budget_usd=Decimal(1), tokens_per_minute=100)
    held = await store.reserve([most], 50, 100)
    assert not isinstance(held, Standing)
    for _ in range(2):  # as when the answer to the first was lost
        store.later(held, 5, 70, is_whole=True)
    await store.flush()
    assert [(each.used, each.held) for each in await store.look([most])] == [(5, 0), (70, 0)]


async def test_a_cancelled_reservation_holds_nothing(valkey: Redis) -> None:
    store, most = replica(valkey), subject(max_parallel=5, budget_usd=Decimal(1))
    (await store.reserve([most], 1, 1)).settle(0, 0)  # type: ignore[union-attr]
    for delay_s in (0, 0.0001, 0.0003, 0.001, 0.003):
        with anyio.move_on_after(delay_s):
            held = await store.reserve([most], 7, 7)
            assert not isinstance(held, Standing)
            held.settle(0, 0)
    await store.flush()
    await anyio.sleep(0.05)
    await store.flush()
    assert [(each.used, each.held) for each in await store.look([most])] == [(0, 0), (0, 0)]


async def test_with_the_server_away_limited_calls_are_refused_and_the_others_go_on(tmp_path: Path) -> None:
    store = replica(Redis(unix_socket_path=str(tmp_path / "nobody"), decode_responses=True))
    meter = meter_of(store)
    with pytest.raises(Unavailable, match="cannot be checked") as refused:
        await meter.admit(holder(subject(requests_per_minute=3)), a_call())
    assert (refused.value.status, refused.value.retry_after_s) == (503, 1)
    assert meter.counts.unchecked == 1
    (await meter.admit(holder(), a_call())).settle(came_to(1))
    (await meter.admit(holder(subject(models=("m",))), a_call())).settle(came_to(1))


async def test_what_was_to_be_settled_while_the_server_was_away_is_settled_when_it_is_back(
    valkey: Redis, tmp_path: Path
) -> None:
    store, most = replica(valkey), subject(budget_usd=Decimal(1))
    held = await store.reserve([most], 5, NANO)
    assert not isinstance(held, Standing)
    store.client = Redis(unix_socket_path=str(tmp_path / "nobody"), decode_responses=True)
    held.settle(5, 123)
    assert not await store.flush()
    store.client = valkey
    assert await store.flush()
    assert [(each.used, each.held) for each in await store.look([most])] == [(123, 0)]


async def test_a_server_that_forgot_everything_begins_with_the_ledger(valkey: Redis) -> None:
    store, most = replica(valkey), subject(budget_usd=Decimal(1))
    (await store.reserve([most], 5, 5)).settle(5, 5)  # type: ignore[union-attr]
    await store.flush()
    await valkey.flushall()
    await valkey.script_flush()
    store.ledger = replace(store.ledger, usd=Decimal("0.60"))  # type: ignore[type-var]
    assert [each.used for each in await store.look([most])] == [NANO * 6 // 10]


def test_every_key_has_an_end(valkey_server: Path) -> None:
    """Runs last on the server as the tests above left it; nothing stays for ever."""
    client = ["redis-cli", "-s", str(valkey_server), "--raw"]
    keys = subprocess.run([*client, "KEYS", "*"], capture_output=True, text=True, check=True).stdout.split()
    for key in keys:
        left = subprocess.run([*client, "PTTL", key], capture_output=True, text=True, check=True).stdout
        assert int(left) != -1, key
