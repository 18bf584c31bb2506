"""From the journal into the database: each row once, whatever dies when, and nobody waits."""

import contextlib
import errno
import os
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alcove.gateway.usage import mover as mover_module
from alcove.gateway.usage.models import Grouping, RowFilter, SummaryQuery
from alcove.gateway.usage.store import SqlUsageStore
from alcove.gateway.usage.sums import DELETED, Batch
from alcove.infra.database import Database, metadata, open_database
from alcove.infra.journal import Journal
from alcove.kernel.errors import Conflict, Overloaded, Unavailable
from alcove.kernel.principal import BudgetPeriod
from tests.gateway.usage.conftest import START, Usage, open_usage, row, sql

ANY = RowFilter(owner_id=None)
DAY = START.replace(hour=0, minute=0)


@dataclass
class Stubborn:
    """A store that can be away, or stop in the middle."""

    inner: SqlUsageStore
    is_away: bool = False
    fails_after_commit: int = 0
    delay_s: float = 0
    calls: list[str] = field(default_factory=list)

    async def move(self, batch: Batch, *, journal: str, begin: int, end: int) -> None:
        if self.delay_s:
            await anyio.sleep(self.delay_s)
        if self.is_away:
            raise Unavailable
        await self.inner.move(batch, journal=journal, begin=begin, end=end)
        if self.fails_after_commit:
            self.fails_after_commit -= 1
            raise Unavailable

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


async def total(store: Any, wanted: RowFilter = ANY) -> Any:
    (line,) = await store.summary(SummaryQuery(wanted=wanted, limit=1))
    return line


async def test_row_comes_back_as_it_was(database: Database, tmp_path: Path):
    async with open_usage(tmp_path / "usage", sql(database)) as usage:
        kept = row(group_id="group-1", cost_usd=Decimal("0.000000000123"))
        usage.journal.append(kept)
        usage.journal.append(row(1, cost_usd=None, first_token_ms=None, key_id=None, cache="exact"))
        await usage.mover.move()
        unpriced, found = await usage.store.rows(ANY, None, 10)
        assert unpriced.cost_usd is None
        assert unpriced.key_id is None
        assert unpriced.first_token_ms is None
        assert found.cost_usd == "0.000000000123"
        assert found.at == kept.at
        for name in ("id", "user_id", "key_id", "group_id", "model", "deployment", "input_tokens", "reasoning_tokens",
                     "latency_ms", "status", "is_streaming", "is_estimated", "trace_id"):  # fmt: skip
            assert getattr(found, name) == getattr(kept, name), name


async def test_spend_is_exact_for_every_subject_and_period(database: Database, tmp_path: Path):
    async with open_usage(tmp_path / "usage", sql(database)) as usage:
        for number in range(30):
            usage.journal.append(row(number * 86_400, group_id="g", cost_usd=Decimal("0.1")))
        await usage.mover.move()
        spent = usage.service.spent
        running = [
            await spent("group:g", period, start)
            for period, start in (
                (BudgetPeriod.DAY, DAY + timedelta(days=3)),
                (BudgetPeriod.WEEK, DAY + timedelta(days=4)),  # a Monday
                (BudgetPeriod.MONTH, DAY),
                (BudgetPeriod.TOTAL, START),
            )
        ]
        assert running == [(Decimal("0.1"), 110), (Decimal("0.7"), 770), (Decimal("3.0"), 3300), (Decimal("3.0"), 3300)]
        assert await spent("key:key-1", BudgetPeriod.TOTAL, START) == (Decimal("3.0"), 3300)
        for subject in ("user:user-ada", "user:user-bob"):  # what a group pays for is nobody's own
            assert await spent(subject, BudgetPeriod.TOTAL, START) == (Decimal(0), 0)


async def test_a_call_on_no_groups_account_is_the_persons_own(database: Database, tmp_path: Path):
    async with open_usage(tmp_path / "usage", sql(database)) as usage:
        usage.journal.append(row(cost_usd=Decimal("0.1")))
        await usage.mover.move()
        assert await usage.service.spent("user:user-ada", BudgetPeriod.DAY, DAY) == (Decimal("0.1"), 110)


async def test_left_over_is_moved_before_anybody_asks(database: Database, tmp_path: Path):
    async with open_usage(tmp_path / "usage", sql(database)) as usage:
        usage.journal.append(row())
    async with open_usage(tmp_path / "usage", sql(database)) as usage:
        assert await usage.service.spent("user:user-ada", BudgetPeriod.TOTAL, START) == (Decimal("0.0012345678"), 110)


async def test_killed_between_commit_and_forgetting_counts_once(database: Database, tmp_path: Path):
    store = Stubborn(sql(database), fails_after_commit=1)
    async with open_usage(tmp_path / "usage", store) as usage:
        for number in range(5):
            usage.journal.append(row(number))
        with pytest.raises(Unavailable):
            await usage.mover.move()
    for number in range(3):
        async with open_usage(tmp_path / "usage", store) as usage:
            assert (await total(store)).requests == 5 + number
            assert len(await store.rows(ANY, None, 10)) == 5 + number
            usage.journal.append(row(6))


async def test_answer_of_the_database_that_was_lost_counts_once(database: Database, tmp_path: Path):
    store = Stubborn(sql(database), fails_after_commit=1)
    async with open_usage(tmp_path / "usage", store) as usage:
        usage.journal.append(row(1))
        with pytest.raises(Unavailable):
            await usage.mover.move()
        usage.journal.append(row(2))
        await usage.mover.move()
        assert (await total(store)).requests == 2
        assert usage.journal.lost_count == 0
        assert usage.journal.backlog_bytes == 0


async def test_positions_go_on_where_an_empty_journal_ended(database: Database, tmp_path: Path):
    for number in range(4):
        async with open_usage(tmp_path / "usage", sql(database)) as usage:
            usage.journal.append(row(number))
            await usage.mover.move()
            assert (await total(usage.store)).requests == number + 1
            assert not list((tmp_path / "usage").glob("*.journal"))


async def test_new_folder_is_a_new_journal(database: Database, tmp_path: Path):
    for folder in ("one", "two"):
        async with open_usage(tmp_path / folder, sql(database)) as usage:
            usage.journal.append(row())
            await usage.mover.move()
    assert (await total(sql(database))).requests == 2


async def test_second_mover_of_a_journal_stores_nothing(database: Database, tmp_path: Path):
    store = sql(database)
    async with open_usage(tmp_path / "usage", store) as usage:
        usage.journal.append(row())
        await usage.mover.move()
        with pytest.raises(Conflict):
            await store.move(Batch(), journal=usage.journal.name, begin=0, end=10)


@settings(max_examples=25, deadline=None)
@given(
    data=st.lists(
        st.tuples(
            st.integers(0, 3),  # user
            st.integers(0, 50 * 86_400),  # when
            st.one_of(st.none(), st.decimals(0, 10, places=9)),
            st.integers(0, 1000),
            st.sampled_from(["append", "move", "kill", "fail"]),
        ),
        max_size=25,
    ),
    size=st.integers(1, 7),
)
def test_sums_are_exact_for_any_batches_and_restarts(data: list[Any], size: int):
    async def run() -> None:
        with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
            patch.setattr(mover_module, "_BATCH_ENTRIES", size)
            database = open_database(f"sqlite+aiosqlite:///{folder}/alcove.db")
            async with database.write() as connection:
                await connection.run_sync(metadata.create_all)
            store = Stubborn(sql(database))
            waiting = list(data)
            while True:
                async with open_usage(Path(folder) / "usage", store) as usage:
                    is_killed = await play(usage, store, waiting)
                if not is_killed:
                    break
            async with open_usage(Path(folder) / "usage", store):
                pass
            await check(store, data)
            await database.close()

    async def play(usage: Usage, store: Stubborn, waiting: list[Any]) -> bool:
        while waiting:
            user, second, cost, tokens, then = waiting.pop(0)
            usage.journal.append(row(second, user_id=f"u{user}", cost_usd=cost, input_tokens=tokens, output_tokens=0))
            if then == "kill":
                return True
            if then == "fail":
                store.fails_after_commit = 1
                with pytest.raises(Unavailable):
                    await usage.mover.move()
                return True
            if then == "move":
                await usage.mover.move()
        return False

    async def check(store: Any, data: list[Any]) -> None:
        costs: Counter[Any] = Counter()
        tokens_of: Counter[Any] = Counter()
        for user, second, cost, tokens, _ in data:
            month = (START + timedelta(seconds=second)).replace(day=1, hour=0, minute=0, second=0)
            costs[user, month] += cost or Decimal(0)
            tokens_of[user, month] += tokens
        for (user, month), cost in costs.items():
            assert await store.spent(f"user:u{user}", BudgetPeriod.MONTH, month) == (cost, tokens_of[user, month])
        line = await total(store)
        assert line.requests == len(data) == len(await store.rows(ANY, None, 100))
        assert line.cost_usd == sum((each[2] or Decimal(0) for each in data), Decimal(0))
        assert line.unpriced == sum(each[2] is None for each in data)
        assert sum(line.latency_counts) == len(data)

    anyio.run(run)


async def test_slow_store_holds_no_append_up(database: Database, tmp_path: Path):
    store = Stubborn(sql(database), delay_s=0.5)
    async with (
        open_usage(tmp_path / "usage", store, flush_interval_s=0.01) as usage,
        anyio.create_task_group() as group,
    ):
        group.start_soon(usage.mover.run)
        slowest_s = 0.0
        for number in range(200):
            started_s = time.perf_counter()
            usage.journal.append(row(number))
            slowest_s = max(slowest_s, time.perf_counter() - started_s)
            await anyio.sleep(0.001)
        assert slowest_s < 0.1
        group.cancel_scope.cancel()


async def test_locked_database_holds_no_append_up_and_loses_nothing(tmp_path: Path):
    database = open_database(f"sqlite+aiosqlite:///{tmp_path / 'alcove.db'}")
    async with database.write() as connection:
        await connection.run_sync(metadata.create_all)
    async with (
        open_usage(tmp_path / "usage", sql(database), flush_interval_s=0.01) as usage,
        anyio.create_task_group() as group,
    ):
        group.start_soon(usage.mover.run)
        other = open_database(f"sqlite+aiosqlite:///{tmp_path / 'alcove.db'}")
        async with other.engine.connect() as connection:
            await connection.exec_driver_sql("BEGIN IMMEDIATE")
            started_s = time.perf_counter()
            for number in range(100):
                usage.journal.append(row(number))
                await anyio.lowlevel.checkpoint()
            assert time.perf_counter() - started_s < 1
            with pytest.raises(Unavailable):
                await usage.service.spent("user:user-ada", BudgetPeriod.TOTAL, START)
            await connection.rollback()
        await other.close()
        with anyio.fail_after(20):
            while not await usage.mover.catch_up():
                pass
        assert (await total(usage.store)).requests == 100
        group.cancel_scope.cancel()
    await database.close()


async def test_full_journal_refuses_new_calls_and_keeps_those_under_way(database: Database, tmp_path: Path):
    store = Stubborn(sql(database))
    async with open_usage(tmp_path / "usage", store, max_bytes=4000) as usage:
        store.is_away = True
        count = 0
        with pytest.raises(Overloaded) as refused:
            while True:
                usage.journal.admit()
                usage.journal.append(row(count))
                count += 1
        assert "Usage cannot be recorded" in refused.value.detail
        assert refused.value.retry_after_s
        for _ in range(20):  # under way when it filled up
            with contextlib.suppress(Overloaded):
                usage.journal.append(row(count))
            count += 1
        assert usage.journal.held_count
        with pytest.raises(Unavailable):
            await usage.mover.move()
        store.is_away = False
        await usage.mover.move()
        usage.journal.retry()
        await usage.mover.move()
        usage.journal.admit()
        assert usage.journal.lost_count == 0
        assert (await total(store)).requests == count


async def test_full_disk_refuses_new_calls_until_there_is_room(database: Database, tmp_path: Path, monkeypatch):
    async with open_usage(tmp_path / "usage", sql(database)) as usage:
        usage.journal.append(row(1))
        write = os.write

        def full(fd: int, data: bytes) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, "write", full)
        with pytest.raises(Unavailable):
            usage.journal.append(row(2))
        with pytest.raises(Unavailable, match="journal takes nothing more"):
            usage.journal.admit()
        usage.journal.retry()
        with pytest.raises(Unavailable):
            usage.journal.admit()
        monkeypatch.setattr(os, "write", write)
        usage.journal.retry()
        usage.journal.admit()
        await usage.mover.move()
        assert (await total(usage.store)).requests == 2


async def test_row_that_no_database_takes_is_mended_and_stops_no_other(database: Database, tmp_path: Path):
    async with open_usage(tmp_path / "usage", sql(database)) as usage:
        for number in range(7):
            usage.journal.append(row(number))
        usage.journal.append(row(8, model="a\x00b" * 500, error_code="\ud800"))
        usage.journal.append(row(9, input_tokens=2**70))
        for number in range(7):
            usage.journal.append(row(number))
        await usage.mover.move()
        assert (await total(usage.store)).requests == 16
        assert usage.journal.lost_count == 0


async def test_same_row_twice_is_left_out_and_counted_as_lost(database: Database, tmp_path: Path):
    async with open_usage(tmp_path / "usage", sql(database)) as usage:
        same = row()
        for each in (same, row(1), same, row(2)):
            usage.journal.append(each)
        await usage.mover.move()
        assert (await total(usage.store)).requests == 3
        assert usage.journal.lost_count == 1
        assert (await usage.service.spent("user:user-ada", BudgetPeriod.TOTAL, START))[1] == 330


async def test_entry_that_cannot_be_read_stops_no_other(database: Database, tmp_path: Path):
    folder = tmp_path / "usage"
    async with open_usage(folder, sql(database)):
        pass
    other = Journal(folder)
    other.open()
    for entry in (b"\xc1", b"\x93\x01\x02\x03", b"hello"):
        other.append_now(entry)
    other.close()
    async with open_usage(folder, sql(database)) as usage:
        usage.journal.append(row())
        await usage.mover.move()
        assert (await total(usage.store)).requests == 1
        assert usage.journal.lost_count == 3


async def test_erased_person_leaves_no_row_and_the_house_its_sums(database: Database, tmp_path: Path):
    async with open_usage(tmp_path / "usage", sql(database)) as usage:
        journal, store = usage.journal, usage.store
        journal.append(row(1, group_id="g"))
        journal.append(row(2, user_id="user-bob", key_id="key-bob"))
        await usage.mover.move()
        journal.append(row(3, group_id="g"))
        journal.erase("user-ada")
        journal.append(row(4, group_id="g"))  # was under way
        await usage.mover.move()
    async with open_usage(tmp_path / "usage", sql(database)) as usage:
        usage.journal.append(row(5, group_id="g"))  # or later still
        await usage.mover.move()
        assert [each.user_id for each in await store.rows(ANY, None, 10)] == ["user-bob"]
        names = {
            line.name: line.requests
            for line in await store.summary(SummaryQuery(wanted=ANY, by=Grouping.USER, limit=9))
        }
        assert names == {"user-bob": 1, DELETED: 4}
        keys = {line.name for line in await store.summary(SummaryQuery(wanted=ANY, by=Grouping.KEY, limit=9))}
        assert keys == {"", "key-bob"}
        for subject in ("user:user-ada", "key:key-1"):
            assert await store.spent(subject, BudgetPeriod.TOTAL, START) == (Decimal(0), 0)
        assert (await store.spent("group:g", BudgetPeriod.TOTAL, START))[1] == 440
        assert (await store.spent("user:user-bob", BudgetPeriod.TOTAL, START))[1] == 110


async def test_old_rows_and_hours_are_pruned_in_pieces(database: Database, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(mover_module, "_PRUNE_PIECE", 3)
    async with open_usage(tmp_path / "usage", sql(database), retention_days=10, rollup_days=100) as usage:
        for day in range(0, 200, 10):
            usage.journal.append(row(day * 86_400))
        await usage.mover.move()
        usage.clock.at = START + timedelta(days=190)
        assert await usage.mover.prune() > 0
        assert len(await usage.store.rows(ANY, None, 100)) == 2
        assert (await total(usage.store)).requests == 11
        assert (await usage.store.spent("user:user-ada", BudgetPeriod.TOTAL, START))[1] == 20 * 110
        assert (await usage.store.spent("user:user-ada", BudgetPeriod.DAY, DAY))[1] == 0


async def test_last_minute_is_counted_by_model_and_forgotten_after_it(tmp_path: Path):
    database = open_database("sqlite+aiosqlite://")
    async with database.write() as connection:
        await connection.run_sync(metadata.create_all)
    async with open_usage(tmp_path / "usage", sql(database)) as usage:
        for status in (200, 200, 500, 499):
            usage.journal.append(row(status=status))
        usage.clock.advance(30)
        usage.journal.append(row(model="large"))
        now = usage.service.last_minute()
        assert (now.requests, now.errors, now.tokens) == (5, 1, 550)
        assert [(each.model, each.requests) for each in now.models] == [("small", 4), ("large", 1)]
        assert now.models[0].requests_by_second[29] == 4
        assert now.models[1].requests_by_second[59] == 1
        usage.clock.advance(31)
        assert [each.model for each in usage.service.last_minute().models] == ["large"]
    await database.close()


async def test_budget_that_is_spent_never_becomes_unspent(database: Database, tmp_path: Path):
    async with open_usage(tmp_path / "usage", sql(database)) as usage:
        for number in range(120):
            usage.journal.append(row(number, cost_usd=Decimal(10**9)))
        await usage.mover.move()
        assert await usage.store.spent("user:user-ada", BudgetPeriod.TOTAL, START) == (Decimal(9_000_000), 120 * 110)
