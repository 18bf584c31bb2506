"""One contract for every limit store: in memory, and on a Valkey server."""

import random
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from alcove.gateway.limits.models import NANO, LimitKind, Standing
from alcove.kernel.errors import Unavailable
from alcove.kernel.principal import BudgetPeriod
from tests.gateway.limits.conftest import Counted, subject


async def taken(counted: Counted, *allowances: Any, tokens: int = 0, nano: int = 0) -> Any:
    found = await counted.store.reserve(allowances, tokens, nano)
    assert not isinstance(found, Standing), found
    return found


async def full(counted: Counted, *allowances: Any, tokens: int = 0, nano: int = 0) -> Standing:
    found = await counted.store.reserve(allowances, tokens, nano)
    assert isinstance(found, Standing)
    return found


async def test_requests_of_a_minute_are_counted_and_leave_the_window(counted: Counted) -> None:
    three = subject(requests_per_minute=3)
    lefts = []
    for _ in range(3):
        held = await taken(counted, three)
        lefts.append(held.left().requests.left)
        held.settle(0, 0)
    assert lefts == [2, 1, 0]
    refused = await full(counted, three)
    assert (refused.kind, refused.limit, refused.used) == (LimitKind.REQUESTS, 3, 3)
    assert 0.5 < refused.wait_s <= 1.6
    assert refused.reset_s >= refused.wait_s - 0.01
    await anyio.sleep(refused.wait_s + 0.05)
    (await taken(counted, three)).settle(0, 0)


async def test_tokens_are_held_by_estimate_and_corrected_by_truth(counted: Counted) -> None:
    most = subject(tokens_per_minute=100)
    first = await taken(counted, most, tokens=90)
    second = await taken(counted, most, tokens=90)  # something was left: the last one may go beyond
    assert (await full(counted, most)).used == 180
    first.settle(10, 0)
    second.settle(20, 0)
    first.settle(1000, 0)  # a second time does nothing
    await counted.settled()
    assert [each.used for each in await counted.store.look([most])] == [30]
    (await taken(counted, most, tokens=1)).settle(1, 0)


async def test_calls_under_way_are_counted_until_they_are_settled(counted: Counted) -> None:
    two = subject(max_parallel=2)
    first, second = await taken(counted, two), await taken(counted, two)
    assert (await full(counted, two)).kind is LimitKind.PARALLEL
    second.settle(0, 0)
    await counted.settled()
    third = await taken(counted, two)
    await full(counted, two)
    for each in (first, third):
        each.settle(0, 0)
    await counted.settled()
    assert [each.used for each in await counted.store.look([two])] == [0]


async def test_a_budget_counts_what_is_held_and_then_what_was_spent(counted: Counted) -> None:
    money = subject(budget_usd=Decimal("1.00"), budget_tokens=1000)
    first = await taken(counted, money, tokens=10, nano=NANO * 9 // 10)
    second = await taken(counted, money, tokens=10, nano=NANO * 9 // 10)
    refused = await full(counted, money, tokens=10, nano=1)
    assert (refused.kind, refused.used, refused.held) == (LimitKind.BUDGET_USD, 0, NANO * 18 // 10)
    first.settle(5, NANO * 4 // 10)
    second.settle(5, NANO * 5 // 10)
    await counted.settled()
    standing = {each.kind: each for each in await counted.store.look([money])}
    assert standing[LimitKind.BUDGET_USD].used == NANO * 9 // 10
    assert standing[LimitKind.BUDGET_USD].held == 0
    assert standing[LimitKind.BUDGET_TOKENS].used == 10
    last = await taken(counted, money, nano=NANO)
    last.settle(0, NANO * 3 // 10)
    await counted.settled()
    refused = await full(counted, money)
    assert (refused.used, refused.held, refused.left) == (NANO * 12 // 10, 0, 0)
    assert refused.resets_at is not None
    assert refused.resets_at > datetime.now(UTC)


async def test_a_budget_in_tokens_binds_by_itself(counted: Counted) -> None:
    few = subject(budget_tokens=10, budget_period=BudgetPeriod.TOTAL)
    (await taken(counted, few, tokens=10)).settle(10, 0)
    await counted.settled()
    refused = await full(counted, few)
    assert (refused.kind, refused.resets_at) == (LimitKind.BUDGET_TOKENS, None)


async def test_what_was_spent_before_is_asked_once_and_counts(counted: Counted) -> None:
    counted.ledger.usd, counted.ledger.tokens = Decimal("0.75"), 7
    money = subject(budget_usd=Decimal(1), budget_period=BudgetPeriod.DAY)
    found: list[Any] = []
    async with anyio.create_task_group() as group:
        for _ in range(10):

            async def one() -> None:
                found.append(await counted.store.reserve([money], 1, NANO // 10))

            group.start_soon(one)
    held = [each for each in found if not isinstance(each, Standing)]
    assert len(held) == 3  # 0.75 + three times 0.10 is more than 1
    for each in held:
        each.settle(1, NANO // 10)
    await counted.settled()
    assert [each.used for each in await counted.store.look([money])] == [NANO * 105 // 100]
    assert {name for name, _ in counted.ledger.asked} == {"key:1"}
    assert counted.ledger.asked[0][1].hour == 0


async def test_a_ledger_that_fails_refuses_what_a_budget_binds_and_nothing_else(counted: Counted) -> None:
    counted.ledger.error = OSError("no database")
    with pytest.raises(Unavailable):
        await counted.store.reserve([subject(budget_usd=Decimal(1))], 1, 1)
    (await taken(counted, subject("key:2", requests_per_minute=5))).settle(0, 0)
    counted.ledger.error = None
    (await taken(counted, subject(budget_usd=Decimal(1)), nano=1)).settle(0, 1)


async def test_all_limits_hold_at_once_and_a_refused_call_takes_nothing(counted: Counted) -> None:
    key = subject("key:1", requests_per_minute=5, max_parallel=5, tokens_per_minute=1000, budget_tokens=1000)
    group = subject("group:1", requests_per_minute=1)
    (await taken(counted, key, group, tokens=10)).settle(10, 0)
    await counted.settled()
    for _ in range(3):
        refused = await full(counted, key, group, tokens=10)
        assert (refused.allowance.subject, refused.kind) == ("group:1", LimitKind.REQUESTS)
    used = {each.kind: (each.used, each.held) for each in await counted.store.look([key])}
    assert used == {
        LimitKind.REQUESTS: (1, 0), LimitKind.TOKENS: (10, 0), LimitKind.PARALLEL: (0, 0), LimitKind.BUDGET_TOKENS: (10, 0),
    }  # fmt: skip


async def test_a_limit_that_an_admin_changes_counts_with_what_was_used(counted: Counted) -> None:
    for _ in range(3):
        (await taken(counted, subject(requests_per_minute=10))).settle(0, 0)
    await full(counted, subject(requests_per_minute=3))
    (await taken(counted, subject(requests_per_minute=4))).settle(0, 0)


@pytest.mark.parametrize("seed", range(3))
async def test_under_any_interleaving_totals_are_exact_and_one_call_at_most_goes_beyond(
    counted: Counted, seed: int
) -> None:
    """Calls of random cost at random times: none costs more than it holds, as where `max_tokens` is known."""
    dice = random.Random(seed)
    budget, most = NANO, NANO // 10
    money = subject(budget_usd=Decimal(1), max_parallel=6)
    spent: list[int] = []
    peak = under_way = 0

    async def one(costs: int, pauses: int) -> None:
        nonlocal peak, under_way
        await anyio.sleep(0.001 * dice.randrange(5))
        held = await counted.store.reserve([money], 3, most)
        if isinstance(held, Standing):
            return
        under_way += 1
        peak = max(peak, under_way)
        try:
            for _ in range(pauses):
                await anyio.lowlevel.checkpoint()
        finally:
            under_way -= 1
            held.settle(3, costs)
            spent.append(costs)
            await counted.settled()

    for _ in range(4):
        async with anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(one, dice.randrange(most + 1), dice.randrange(6))
            if dice.random() < 0.5:
                await anyio.sleep(0.004)
                group.cancel_scope.cancel()
    await counted.settled()
    standing = {each.kind: each for each in await counted.store.look([money])}
    assert peak <= 6
    assert sum(spent) < budget + most
    assert standing[LimitKind.PARALLEL].used == 0, "no lease leaks, whoever is cancelled"
    assert (standing[LimitKind.BUDGET_USD].used, standing[LimitKind.BUDGET_USD].held) == (sum(spent), 0)
