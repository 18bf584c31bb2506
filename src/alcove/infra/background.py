"""Tasks that nobody waits for, but that somebody owns."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import anyio
import structlog
from anyio.abc import TaskGroup

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class TaskGroupBackground:
    """Runs tasks in one task group of the application; a failure is logged and harms nobody else."""

    _group: TaskGroup

    def start(self, task: Callable[[], Awaitable[None]], name: str) -> None:
        """Starts a task.

        Args:
            task: What to run.
            name: What it is called in logs.
        """
        self._group.start_soon(self._run, task, name, name=name)

    @staticmethod
    async def _run(task: Callable[[], Awaitable[None]], name: str) -> None:
        try:
            await task()
        except Exception:  # a task root: nobody else would see it
            log.exception("background_task_failed", task=name)


@contextlib.asynccontextmanager
async def background_tasks(*, drain_s: float) -> AsyncIterator[TaskGroupBackground]:
    """Gives a place to run tasks; at the end they have `drain_s` seconds to finish, then they are cancelled."""
    async with anyio.create_task_group() as group:
        yield TaskGroupBackground(group)
        group.cancel_scope.deadline = anyio.current_time() + drain_s
