"""The way in: acknowledged is durable, the store may fail and stall, deletions stay in order."""

from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from alcove.infra.journal import Journal
from alcove.kernel.clock import FakeClock
from alcove.kernel.errors import Overloaded, Unavailable
from alcove.tracing.adapters.memory import MemoryTraceStore
from alcove.tracing.intake import TraceIntake
from alcove.tracing.models import TraceQuery, TracingSettings
from tests.tracing.conftest import MakeTrace


def new_intake(store: MemoryTraceStore, folder: Path, **settings: object) -> TraceIntake:
    journal = Journal(folder, segment_bytes=5 << 20, max_bytes=12 << 20)
    chosen = TracingSettings(**({"flush_interval_s": 0.01} | settings))
    return TraceIntake(store=store, journal=journal, clock=FakeClock(), settings=chosen)


async def count(store: MemoryTraceStore) -> int:
    return len(await store.find(TraceQuery(owner_id=None, limit=10_000)))


async def until(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(5):
        while not condition():
            await anyio.sleep(0.01)


async def test_recorded_trace_can_be_read_at_once(
    intake: TraceIntake, memory: MemoryTraceStore, make_trace: MakeTrace
) -> None:
    await intake.record(make_trace())
    await intake.catch_up()
    assert await count(memory) == 1
    assert intake.backlog_bytes == 0


async def test_reader_does_not_wait_for_the_gathering_of_a_batch(tmp_path: Path, make_trace: MakeTrace) -> None:
    store = MemoryTraceStore()
    async with new_intake(store, tmp_path, flush_interval_s=0.9).running() as intake:
        await intake.record(make_trace())
        with anyio.fail_after(0.5):
            await intake.catch_up()
        assert await count(store) == 1


async def test_traces_are_stored_in_batches(
    intake: TraceIntake, memory: MemoryTraceStore, make_trace: MakeTrace
) -> None:
    async with anyio.create_task_group() as group:
        for _ in range(300):
            group.start_soon(intake.record, make_trace())
    await intake.catch_up()
    assert await count(memory) == 300
    assert memory.writes <= 20


async def test_store_that_is_busy_is_tried_again(
    intake: TraceIntake, memory: MemoryTraceStore, make_trace: MakeTrace
) -> None:
    memory.failures = 2
    await intake.record(make_trace())
    await until(lambda: not intake.backlog_bytes)
    assert await count(memory) == 1
    await intake.check()


async def test_store_that_fails_shows_in_the_check(
    intake: TraceIntake, memory: MemoryTraceStore, make_trace: MakeTrace
) -> None:
    memory.failures = 1_000
    await intake.record(make_trace())
    await until(lambda: intake._trouble is not None)
    with pytest.raises(Unavailable):
        await intake.check()


async def test_trace_the_store_cannot_take_does_not_stop_the_others(
    intake: TraceIntake, memory: MemoryTraceStore, make_trace: MakeTrace
) -> None:
    memory.poison = "poison"
    for name in ("chat", "poison", "chat"):
        await intake.record(make_trace(name=name))
    await intake.catch_up()
    assert await count(memory) == 2
    assert intake.lost_count == 1


async def test_unforeseen_failure_of_the_mover_harms_nobody_and_is_tried_again(
    tmp_path: Path, make_trace: MakeTrace
) -> None:
    class FailingJournal(Journal):
        failures = 2

        def discard(self, end: int) -> None:
            if self.failures:
                self.failures -= 1
                raise OSError
            super().discard(end)

    store = MemoryTraceStore()
    intake = TraceIntake(
        store=store,
        journal=FailingJournal(tmp_path),
        clock=FakeClock(),
        settings=TracingSettings(flush_interval_s=0.01),
    )
    async with intake.running():
        await intake.record(make_trace())
        await until(lambda: intake._trouble is not None)
        await until(lambda: not intake.backlog_bytes)
        assert await count(store) == 1


async def test_what_is_left_at_the_end_is_stored_then(tmp_path: Path, make_trace: MakeTrace) -> None:
    store = MemoryTraceStore()
    async with new_intake(store, tmp_path, flush_interval_s=0.9).running() as intake:
        await intake.record(make_trace())
    assert await count(store) == 1


async def test_house_that_closes_before_its_workers_end_stores_all_and_leaves_the_store_alone_after(
    tmp_path: Path, make_trace: MakeTrace
) -> None:
    store = MemoryTraceStore()
    intake = new_intake(store, tmp_path, flush_interval_s=0.9)
    await intake.open()
    async with anyio.create_task_group() as workers:
        workers.start_soon(intake.run)
        await anyio.sleep(0.01)
        await intake.record(make_trace())
        await intake.close()
        assert await count(store) == 1
        await intake.record(make_trace())  # too late, but no harm
        assert intake.lost_count == 1
        await anyio.sleep(0.05)
        workers.cancel_scope.cancel()
    assert await count(store) == 1


async def test_what_could_not_be_stored_is_stored_after_a_restart(tmp_path: Path, make_trace: MakeTrace) -> None:
    store = MemoryTraceStore(failures=1_000)
    async with new_intake(store, tmp_path).running() as intake:
        await intake.record(make_trace())
    store.failures = 0
    async with new_intake(store, tmp_path).running() as intake:
        await intake.catch_up()
        assert await count(store) == 1


async def test_full_journal_keeps_turns_from_beginning_but_not_from_ending(
    tmp_path: Path, make_trace: MakeTrace
) -> None:
    store = MemoryTraceStore(failures=1_000_000)
    async with new_intake(store, tmp_path, max_text_chars=1_000_000).running() as intake:
        big = make_trace(answer="x" * 900_000)
        intake.admit()
        for _ in range(6):
            await intake.record(big)
        with pytest.raises(Overloaded) as refused:
            intake.admit()
        assert refused.value.retry_after_s == 1
        with pytest.raises(Overloaded):
            await intake.take(big)
        await intake.record(big)  # raises nothing
        assert intake.lost_count == 1
        with pytest.raises(Overloaded):
            await intake.check()


async def test_session_erased_while_its_trace_is_under_way_stays_erased(tmp_path: Path, make_trace: MakeTrace) -> None:
    store = MemoryTraceStore(failures=1_000)
    trace = make_trace(session_id="gone")
    async with new_intake(store, tmp_path).running() as intake:
        await intake.record(trace)
        await intake.erase("user-ada", "gone")
        await intake.record(trace)  # once more, after its outlets
    store.failures = 0
    async with new_intake(store, tmp_path).running() as intake:
        await intake.catch_up()
        assert await count(store) == 0


async def test_pruning_follows_the_retention(tmp_path: Path, make_trace: MakeTrace, clock: FakeClock) -> None:
    store = MemoryTraceStore()
    journal = Journal(tmp_path)
    settings = TracingSettings(retention_days=30, flush_interval_s=0.01)
    async with TraceIntake(store=store, journal=journal, clock=clock, settings=settings).running() as intake:
        await intake.record(make_trace())
        clock.advance(29 * 86_400)
        await intake.record(make_trace())
        await intake.catch_up()
        clock.advance(2 * 86_400)
        await intake.prune()
        assert await count(store) == 1


async def test_second_process_on_the_same_folder_is_refused(intake: TraceIntake, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="in use"):
        async with new_intake(MemoryTraceStore(), tmp_path / "journal").running():
            pass


async def test_unreadable_entry_is_counted_and_passed_over(tmp_path: Path, make_trace: MakeTrace) -> None:
    journal = Journal(tmp_path)
    journal.open()
    await journal.append(b'{"written by":"another version"}')
    journal.close()
    store = MemoryTraceStore()
    async with new_intake(store, tmp_path).running() as intake:
        await intake.record(make_trace())
        await intake.catch_up()
        assert await count(store) == 1
        assert intake.lost_count == 1
