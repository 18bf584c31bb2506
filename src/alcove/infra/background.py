"""Tasks that nobody waits for, but that somebody owns: those that end, and workers, which do not."""

import contextlib
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field

import anyio
import structlog
from anyio.abc import TaskGroup

log = structlog.get_logger(__name__)

_FIRST_PAUSE_S = 0.5
_MAX_PAUSE_S = 30.0
_STEADY_S = 60.0  # so long after a failure a worker counts as well again


@dataclass(slots=True)
class Deadline:
    """A time, not known yet when work begins, at which all of it is cancelled."""

    _at_s: float = math.inf
    _scopes: set[anyio.CancelScope] = field(default_factory=set)

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """Runs the block until it ends or the time comes; being cancelled so is no error."""
        with anyio.CancelScope(deadline=self._at_s) as scope:
            self._scopes.add(scope)
            try:
                yield
            finally:
                self._scopes.discard(scope)

    def set(self, at_s: float) -> None:
        """Sets the time, by `anyio.current_time`, for what runs and what will; an earlier one that is set stays."""
        self._at_s = min(self._at_s, at_s)
        for scope in self._scopes:
            scope.deadline = self._at_s


@dataclass(frozen=True, slots=True)
class TaskGroupBackground:
    """Runs tasks in one task group of the application; a failure is logged and harms nobody else.

    Attributes:
        deadline: When they are cancelled.
    """

    _group: TaskGroup
    deadline: Deadline = field(default_factory=Deadline)

    def start(self, task: Callable[[], Awaitable[None]], name: str) -> None:
        """Starts a task.

        Args:
            task: What to run.
            name: What it is called in logs.
        """
        self._group.start_soon(self._run, task, name, name=name)

    async def _run(self, task: Callable[[], Awaitable[None]], name: str) -> None:
        try:
            with self.deadline.applied():
                await task()
        except Exception:  # a task root: nobody else would see it
            log.exception("background_task_failed", task=name)


@contextlib.asynccontextmanager
async def background_tasks(*, drain_s: float) -> AsyncIterator[TaskGroupBackground]:
    """Gives a place to run tasks; at the end they have `drain_s` seconds, or until a deadline set before, and are cancelled."""
    async with anyio.create_task_group() as group:
        background = TaskGroupBackground(group)
        yield background
        background.deadline.set(anyio.current_time() + drain_s)


@dataclass(frozen=True, slots=True)
class Workers:
    """Runs tasks for as long as the house is open; one that fails is logged and started again, and ends nobody else."""

    _group: TaskGroup
    _failed_at_s: dict[str, float] = field(default_factory=dict)

    def start(self, work: Callable[[], Awaitable[None]], name: str) -> None:
        """Starts a worker.

        Args:
            work: What to run, again after each failure.
            name: What it is called in logs, and for admins.
        """
        self._group.start_soon(self._keep, work, name, name=name)

    def unwell(self) -> Sequence[str]:
        """Gives the names of those that failed in the last minute."""
        since_s = anyio.current_time() - _STEADY_S
        return [name for name, at_s in self._failed_at_s.items() if at_s > since_s]

    async def _keep(self, work: Callable[[], Awaitable[None]], name: str) -> None:
        pause_s = _FIRST_PAUSE_S
        while True:
            started_s = anyio.current_time()
            try:
                await work()
            except Exception:  # a task root: the house goes on, and the worker is started again
                log.exception("worker_failed", worker=name)
            else:
                return
            self._failed_at_s[name] = now_s = anyio.current_time()
            pause_s = _FIRST_PAUSE_S if now_s - started_s > _STEADY_S else pause_s
            await anyio.sleep(pause_s)
            pause_s = min(2 * pause_s, _MAX_PAUSE_S)


@contextlib.asynccontextmanager
async def running_workers() -> AsyncIterator[Workers]:
    """Gives a place for workers; at the end they are cancelled, and what they clean up is waited for."""
    async with anyio.create_task_group() as group:
        yield Workers(group)
        group.cancel_scope.cancel()
