"""Jobs: work that a 2xx has promised and that outlives the process.

A job is a row, added in the same transaction as what it is about. A worker takes one by leasing it (`leased_until` in the future),
renews the lease while it works, and marks it done. Each lease has a name of its own: who lost one changes nothing. When a worker dies, its lease runs out and another takes the job up; when the
only process of a data folder starts, it takes up at once whatever the one before had leased.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

import anyio
import structlog
from sqlalchemy import (
    JSON,
    Column,
    Index,
    Integer,
    Select,
    String,
    Table,
    Text,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from alcove.infra.database import Database, UtcDateTime, metadata
from alcove.kernel.chat import JsonValue
from alcove.kernel.clock import Clock
from alcove.kernel.ids import new_id

log = structlog.get_logger(__name__)

jobs = Table(
    "jobs",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("kind", String(64), nullable=False),
    Column("payload", JSON, nullable=False),
    Column("state", String(16), nullable=False),  # queued, running, dead
    Column("attempts", Integer, nullable=False),
    Column("run_at", UtcDateTime, nullable=False),
    Column("leased_by", String(36)),
    Column("leased_until", UtcDateTime),
    Column("last_error", Text),
    Column("created_at", UtcDateTime, nullable=False),
    Index(None, "state", "run_at"),
)

_POLL_S = 5.0
_FIRST_RETRY_S = 2.0
_MAX_RETRY_S = 600.0


class PermanentFailure(Exception):
    """A job's work can never succeed; it is not tried again."""


class _LeaseLost(Exception):
    """Another worker has the job now."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """A job at work.

    Attributes:
        id: Row id.
        kind: What sort of work.
        payload: What it is about.
        attempt: Which try this is, from 1.
        is_last: Whether it is the last one.
        is_spent: Whether all tries ended with the process, so that this is no try: only note that it is given up.
        lease: Name of the lease it is held by.
    """

    id: str
    kind: str
    payload: Mapping[str, JsonValue]
    attempt: int
    is_last: bool
    is_spent: bool = False
    lease: str = ""


Handler = Callable[[Job], Awaitable[None]]


@dataclass(slots=True)
class JobQueue:
    """Keeps and runs jobs.

    Attributes:
        database: Where they are kept.
        clock: The time.
        lease_s: Seconds a lease lasts; renewed at a third of it.
        max_attempts: Tries before a job is dead.
        endless: Kinds of jobs that are tried until they succeed.
    """

    database: Database
    clock: Clock
    lease_s: float = 30.0
    max_attempts: int = 3
    endless: Collection[str] = ()
    _at_work: set[str] = field(default_factory=set)
    _dead_count: int = 0
    _bell: anyio.Event = field(default_factory=anyio.Event)

    async def enqueue(self, connection: AsyncConnection, kind: str, payload: Mapping[str, JsonValue]) -> str:
        """Adds a job in the caller's transaction; gives its id. Call `wake` once that is committed."""
        now = self.clock.now()
        job_id = new_id()
        values = {
            "id": job_id,
            "kind": kind,
            "payload": dict(payload),
            "state": "queued",
            "attempts": 0,
            "run_at": now,
            "created_at": now,
        }
        await connection.execute(insert(jobs).values(**values))
        return job_id

    def wake(self) -> None:
        """Tells the workers of this process that there is something to do."""
        bell, self._bell = self._bell, anyio.Event()
        bell.set()

    @property
    def dead_count(self) -> int:
        """How many jobs were given up, as far as this process knows: those it found in `recover`, and its own."""
        return self._dead_count

    async def depth(self) -> int:
        """Gives the number of jobs that wait or run."""
        query = select(func.count()).select_from(jobs).where(jobs.c.state != "dead")
        async with self.database.read() as connection:
            return int((await connection.execute(query)).scalar_one())

    async def recover(self) -> int:
        """Takes back every lease; for the start of the only process of a data folder. Gives their number."""
        statement = (
            update(jobs).where(jobs.c.state == "running").values(state="queued", leased_by=None, leased_until=None)
        )
        dead = select(func.count()).select_from(jobs).where(jobs.c.state == "dead")
        async with self.database.write() as connection:
            self._dead_count = int((await connection.execute(dead)).scalar_one())
            return int((await connection.execute(statement)).rowcount)

    async def run(self, handlers: Mapping[str, Handler], *, concurrency: int = 2) -> None:
        """Runs jobs of the given kinds until cancelled; a cancelled job goes back into the queue.

        Args:
            handlers: What to do, by kind. An exception has the job tried again later; `PermanentFailure` does not.
            concurrency: Jobs at work at a time.
        """
        async with anyio.create_task_group() as group:
            for _ in range(concurrency):
                group.start_soon(self._work, handlers)

    async def _work(self, handlers: Mapping[str, Handler]) -> None:
        while True:
            bell = self._bell
            try:
                job = await self._take(tuple(handlers))
                if job is not None:
                    try:
                        await self._do(job, handlers[job.kind])
                    finally:
                        self._at_work.discard(job.id)
                    continue
            except Exception:  # a task root: without the database there is nothing to do but wait for it
                log.exception("jobs_not_taken")
            with anyio.move_on_after(_POLL_S):
                await bell.wait()

    async def _do(self, job: Job, handler: Handler) -> None:
        try:
            failures = await self._attempt(job, handler)
        except anyio.get_cancelled_exc_class():
            with anyio.CancelScope(shield=True):
                await self._set(job, state="queued", leased_by=None, leased_until=None, attempts=job.attempt - 1)
            raise
        if failures is not None and failures.subgroup(_LeaseLost) is not None:
            log.warning("lease_lost", kind=job.kind, job_id=job.id)
        elif failures is None and not job.is_spent:
            await self._forget(job)
        elif failures is None:
            await self._bury(job, f"the process ended during each of {job.attempt - 1} attempts")
        elif job.is_last or failures.subgroup(PermanentFailure) is not None:
            await self._bury(job, _text(failures))
        else:
            wait_s = min(_FIRST_RETRY_S * 4 ** min(job.attempt - 1, 10), _MAX_RETRY_S)
            run_at = self.clock.now() + timedelta(seconds=wait_s)
            await self._set(
                job, state="queued", leased_by=None, leased_until=None, run_at=run_at, last_error=_text(failures)
            )

    async def _attempt(self, job: Job, handler: Handler) -> BaseExceptionGroup[Exception] | None:
        """Does a job's work once, its lease renewed meanwhile; gives what went wrong."""
        failed: BaseExceptionGroup[Exception] | None = None
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._renew, job)
                await handler(job)
                group.cancel_scope.cancel()
        except* _LeaseLost as lost:
            failed = lost
        except* Exception as failures:  # a task root: whatever it is, the job is tried again or buried
            log.exception("job_failed", kind=job.kind, job_id=job.id, attempt=job.attempt)
            failed = failed or failures
        return failed

    async def _take(self, kinds: tuple[str, ...]) -> Job | None:
        async with self.database.read() as connection:
            # Looking first without the writer's lock keeps idle workers out of everybody's way.
            if (await connection.execute(self._wanted(kinds))).first() is None:
                return None
        job: Job | None = None
        try:
            async with self.database.write() as connection:
                job = await self._lease(connection, kinds)
        except BaseException:
            if job is not None:
                self._at_work.discard(job.id)
            raise
        return job

    async def _lease(self, connection: AsyncConnection, kinds: tuple[str, ...]) -> Job | None:
        row = (await connection.execute(self._wanted(kinds))).mappings().one_or_none()
        if row is None or row["id"] in self._at_work:  # another worker took it after the question was put
            return None
        attempt = int(row["attempts"]) + 1
        lease = new_id()
        until = self.clock.now() + timedelta(seconds=self.lease_s)
        taken = update(jobs).where(jobs.c.id == row["id"])
        await connection.execute(taken.values(state="running", attempts=attempt, leased_by=lease, leased_until=until))
        # Before the lease can be seen: a worker of this process that looks late must not think it has run out.
        self._at_work.add(row["id"])
        is_endless = row["kind"] in self.endless
        return Job(
            id=row["id"],
            kind=row["kind"],
            payload=row["payload"],
            attempt=attempt,
            is_last=attempt >= self.max_attempts and not is_endless,
            is_spent=attempt > self.max_attempts and not is_endless,
            lease=lease,
        )

    def _wanted(self, kinds: tuple[str, ...]) -> Select[tuple[object, ...]]:
        """Gives the question for the job to do next."""
        now = self.clock.now()
        is_free = or_(jobs.c.state == "queued", (jobs.c.state == "running") & (jobs.c.leased_until < now))
        return (
            select(jobs)
            # What this process is at is left alone, even if it stood still for longer than the lease.
            .where(jobs.c.kind.in_(kinds), jobs.c.run_at <= now, is_free, jobs.c.id.not_in(self._at_work))
            .order_by(jobs.c.run_at, jobs.c.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        )

    async def _renew(self, job: Job) -> None:
        while True:
            await anyio.sleep(self.lease_s / 3)
            until = self.clock.now() + timedelta(seconds=self.lease_s)
            try:
                is_held = await self._set(job, leased_until=until)
            except Exception:  # a task root: two more renewals may fail before the lease runs out
                log.exception("lease_not_renewed", job_id=job.id)
                continue
            if not is_held:
                raise _LeaseLost

    async def _bury(self, job: Job, reason: str) -> None:
        if await self._set(job, state="dead", leased_by=None, leased_until=None, last_error=reason):
            self._dead_count += 1

    async def _set(self, job: Job, **values: object) -> bool:
        """Changes a job that is held by this lease; tells whether it is."""
        statement = update(jobs).where(jobs.c.id == job.id, jobs.c.leased_by == job.lease)
        async with self.database.write() as connection:
            return bool((await connection.execute(statement.values(**values))).rowcount)

    async def _forget(self, job: Job) -> None:
        async with self.database.write() as connection:
            await connection.execute(delete(jobs).where(jobs.c.id == job.id, jobs.c.leased_by == job.lease))


def _text(failures: BaseExceptionGroup[Exception]) -> str:
    return "; ".join(f"{type(each).__name__}: {each}" for each in failures.exceptions)[:2_000]
