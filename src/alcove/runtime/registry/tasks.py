"""Where transfers run: they belong to nobody's request, and end at once when the house closes, for what is on disk goes on later."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import anyio
import structlog
from anyio.abc import TaskGroup

from alcove.kernel.errors import Unavailable

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class TransferTasks:
    """Runs tasks while `run` does: a worker of the house."""

    _group: TaskGroup | None = None
    _is_ready: anyio.Event = field(default_factory=anyio.Event)

    async def run(self) -> None:
        """Runs what is started, until cancelled."""
        try:
            async with anyio.create_task_group() as group:
                self._group = group
                self._is_ready.set()
                await anyio.sleep_forever()
        finally:
            self._group = None
            self._is_ready = anyio.Event()

    async def start(self, task: Callable[[], Awaitable[None]], name: str) -> None:
        """Starts a task; its failure is logged and harms nobody else.

        Raises:
            Unavailable: When the house is closing.
        """
        with anyio.move_on_after(5):
            await self._is_ready.wait()
        if self._group is None:
            detail = "The server is closing; pull again when it is back, and what is here already is kept."
            raise Unavailable(detail)
        self._group.start_soon(self._run, task, name, name=name)

    @staticmethod
    async def _run(task: Callable[[], Awaitable[None]], name: str) -> None:
        try:
            await task()
        except Exception:  # a task root: nobody else would see it
            log.exception("transfer_failed", task=name)
