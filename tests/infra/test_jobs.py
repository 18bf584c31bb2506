import signal
import subprocess
import sys
import textwrap

import anyio
import pytest
from sqlalchemy import select

from alcove.infra.database import Database, open_database
from alcove.infra.jobs import Job, JobQueue, PermanentFailure, jobs
from alcove.kernel.clock import FakeClock, SystemClock


async def add(queue: JobQueue, kind: str = "read", **payload: object) -> str:
    async with queue.database.write() as connection:
        job_id = await queue.enqueue(connection, kind, payload)
    queue.wake()
    return job_id


async def run_until(queue: JobQueue, handler, done: anyio.Event, *, concurrency: int = 2) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(lambda: queue.run({"read": handler}, concurrency=concurrency))
        with anyio.fail_after(10):
            await done.wait()
            while await queue.depth():
                await anyio.sleep(0.01)
        group.cancel_scope.cancel()


async def test_each_job_is_done_once_and_forgotten(database: Database):
    queue, seen, done = JobQueue(database, SystemClock()), [], anyio.Event()
    for number in range(20):
        await add(queue, number=number)

    async def work(job: Job) -> None:
        await anyio.sleep(0.001)
        seen.append(job.payload["number"])
        if len(seen) == 20:
            done.set()

    await run_until(queue, work, done, concurrency=4)
    assert sorted(seen) == list(range(20))
    assert await queue.depth() == 0


async def test_a_job_of_a_rolled_back_transaction_does_not_exist(database: Database):
    queue = JobQueue(database, SystemClock())
    with pytest.raises(ZeroDivisionError):
        async with database.write() as connection:
            await queue.enqueue(connection, "read", {})
            raise ZeroDivisionError
    assert await queue.depth() == 0


async def test_waking_starts_work_without_waiting_for_the_poll(database: Database):
    queue, done = JobQueue(database, SystemClock()), anyio.Event()

    async def work(job: Job) -> None:
        done.set()

    async with anyio.create_task_group() as group:
        group.start_soon(lambda: queue.run({"read": work}))
        await anyio.sleep(0.1)  # idle workers
        await add(queue)
        with anyio.fail_after(2):
            await done.wait()
        group.cancel_scope.cancel()


async def test_failure_is_tried_again_and_the_last_one_is_kept_as_dead(database: Database):
    clock = FakeClock()
    queue, attempts = JobQueue(database, clock, max_attempts=2), []
    job_id = await add(queue)

    async def work(job: Job) -> None:
        attempts.append((job.attempt, job.is_last))
        raise ValueError("no luck")

    async with anyio.create_task_group() as group:
        group.start_soon(lambda: queue.run({"read": work}, concurrency=1))
        with anyio.fail_after(10):
            while len(attempts) < 2:
                await anyio.sleep(0.01)
                clock.advance(1)
                queue.wake()
            while await queue.depth():
                await anyio.sleep(0.01)
        group.cancel_scope.cancel()
    assert attempts == [(1, False), (2, True)]
    async with database.read() as connection:
        row = (await connection.execute(select(jobs).where(jobs.c.id == job_id))).mappings().one()
    assert row["state"] == "dead"
    assert "no luck" in row["last_error"]


async def test_permanent_failure_is_not_tried_again(database: Database):
    queue, attempts, done = JobQueue(database, SystemClock()), [], anyio.Event()
    await add(queue)

    async def work(job: Job) -> None:
        attempts.append(job.attempt)
        done.set()
        raise PermanentFailure("broken for good")

    await run_until(queue, work, done)
    assert attempts == [1]


async def test_cancelled_job_goes_back_without_costing_an_attempt(database: Database):
    queue, begun = JobQueue(database, SystemClock()), anyio.Event()
    await add(queue)

    async def work(job: Job) -> None:
        begun.set()
        await anyio.sleep_forever()

    async with anyio.create_task_group() as group:
        group.start_soon(lambda: queue.run({"read": work}))
        await begun.wait()
        group.cancel_scope.cancel()
    async with database.read() as connection:
        row = (await connection.execute(select(jobs))).mappings().one()
    assert (row["state"], row["attempts"], row["leased_by"]) == ("queued", 0, None)


async def test_a_database_that_fails_for_a_while_ends_no_worker(database: Database, monkeypatch):
    queue, done = JobQueue(database, SystemClock()), anyio.Event()
    await add(queue)
    take, failures = JobQueue._take, 2

    async def flaky(self: JobQueue, kinds: tuple[str, ...]) -> Job | None:
        nonlocal failures
        if failures:
            failures -= 1
            raise OSError("database is locked")
        return await take(self, kinds)

    async def work(job: Job) -> None:
        done.set()

    monkeypatch.setattr(JobQueue, "_take", flaky)
    monkeypatch.setattr("alcove.infra.jobs._POLL_S", 0.01)
    await run_until(queue, work, done, concurrency=1)


async def test_expired_lease_is_taken_over_and_a_live_one_is_not(database: Database):
    clock = FakeClock()
    dead, alive = JobQueue(database, clock, lease_s=30), JobQueue(database, clock, lease_s=30)
    await add(dead)
    assert await dead._take(("read",)) is not None
    assert await alive._take(("read",)) is None
    clock.advance(31)
    taken = await alive._take(("read",))
    assert taken is not None
    assert taken.attempt == 2


async def test_job_of_a_killed_process_is_done_by_the_next(tmp_path):
    script = textwrap.dedent(
        """
        import sys, anyio
        from alcove.infra.database import metadata, open_database
        from alcove.infra.jobs import JobQueue
        from alcove.kernel.clock import SystemClock
        async def work(job):
            print("begun", flush=True)
            await anyio.sleep_forever()
        async def main():
            database = open_database(sys.argv[1])
            queue = JobQueue(database, SystemClock())
            async with database.write() as connection:
                await connection.run_sync(metadata.create_all)
                await queue.enqueue(connection, "read", {"document": "d1"})
            await queue.run({"read": work})
        anyio.run(main)
        """
    )

    url = f"sqlite+aiosqlite:///{tmp_path / 'jobs.db'}"
    child = subprocess.Popen([sys.executable, "-c", script, url], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "begun\n"
    child.send_signal(signal.SIGKILL)
    child.wait(10)
    child.stdout.close()
    database = open_database(url)
    queue, seen, done = JobQueue(database, SystemClock()), [], anyio.Event()
    assert await queue.recover() == 1

    async def work(job: Job) -> None:
        seen.append(job.payload["document"])
        done.set()

    await run_until(queue, work, done)
    assert seen == ["d1"]
    await database.close()


async def test_who_lost_the_lease_changes_nothing(database: Database):
    clock = FakeClock()
    first, second = JobQueue(database, clock), JobQueue(database, clock)
    await add(first)
    stalled = await first._take(("read",))
    assert stalled is not None
    clock.advance(31)
    assert await first._take(("read",)) is None  # its own work is left alone, however long it stood still
    taken = await second._take(("read",))
    assert taken is not None
    await first._forget(stalled)
    assert not await first._set(stalled, state="dead")
    assert await second._set(taken, leased_until=clock.now())


async def test_a_job_that_ends_its_process_each_time_is_given_up(database: Database):
    clock, seen = FakeClock(), []
    for _ in range(3):
        queue = JobQueue(database, clock)
        if not seen:
            await add(queue)
        await queue.recover()
        seen.append(await queue._take(("read",)))
    assert [each.is_spent for each in seen] == [False, False, False]
    queue = JobQueue(database, clock)
    await queue.recover()
    given_up: list[bool] = []
    done = anyio.Event()

    async def work(job: Job) -> None:
        given_up.append(job.is_spent)
        done.set()

    await run_until(queue, work, done)
    assert given_up == [True]
    assert queue.dead_count == 1


async def test_an_endless_kind_is_tried_until_it_succeeds(database: Database):
    clock = FakeClock()
    queue, attempts, done = JobQueue(database, clock, endless={"read"}), [], anyio.Event()
    await add(queue)

    async def work(job: Job) -> None:
        attempts.append(job.attempt)
        clock.advance(601)
        assert not job.is_last
        if job.attempt < 6:
            queue.wake()
            raise OSError("the disk is full")
        done.set()

    async def hurry() -> None:
        while not done.is_set():
            queue.wake()
            clock.advance(100)
            await anyio.sleep(0.01)

    async with anyio.create_task_group() as group:
        group.start_soon(hurry)
        await run_until(queue, work, done)
    assert attempts == [1, 2, 3, 4, 5, 6]
    assert queue.dead_count == 0


async def test_a_worker_that_asked_before_another_took_the_job_leaves_it(database: Database):
    class AsksEarly(JobQueue):
        """Puts its question before its neighbour has said what it is at."""

        def _wanted(self, kinds):
            return JobQueue(self.database, self.clock)._wanted(kinds)

    clock = FakeClock()
    queue = AsksEarly(database, clock)
    await add(queue)
    assert await queue._take(("read",)) is not None
    clock.advance(queue.lease_s + 1)
    assert await queue._take(("read",)) is None
    assert await JobQueue(database, clock)._take(("read",)) is not None, "another process may: the lease has run out"
