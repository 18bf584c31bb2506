"""The stream of what local models do, as server-sent events for the page.

Only the latest state of each model waits to be sent, so a reader that is slow costs no more than one that is quick, and a model that
changes a thousand times a second is told of a few times. A stream ends by itself after a while, so that whoever was signed out meanwhile does not
go on reading, and as soon as the server is told to stop; pages open it again.
"""

import contextlib
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import anyio
import structlog
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from alcove.kernel.errors import Overloaded
from alcove.runtime.models import RunningModel
from alcove.runtime.service import RuntimeService

log = structlog.get_logger(__name__)

Render = Callable[[Sequence[RunningModel]], bytes]
"""Gives the data of an event about some models, as one line of JSON."""

_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]


@dataclass(frozen=True, kw_only=True, slots=True)
class Rhythm:
    """How a stream paces itself.

    Attributes:
        pause_s: Seconds between two events at least.
        tick_s: Seconds between two looks at whether the server is stopping.
        whole_s: Seconds after which the whole is told again; also the sign of life. The memory that models take changes without an event.
        life_s: Seconds after which the stream ends.
    """

    pause_s: float = 0.2
    tick_s: float = 0.5
    whole_s: float = 10.0
    life_s: float = 600.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Seats:
    """Bounds how many streams are open.

    Attributes:
        most: All together.
        most_each: Of one person.
    """

    most: int = 256
    most_each: int = 12
    _taken: Counter[str] = field(default_factory=Counter)

    @contextlib.contextmanager
    def taken(self, user_id: str) -> Iterator[None]:
        """Holds a seat for the block.

        Raises:
            Overloaded: When there is none.
        """
        if self._taken[user_id] >= self.most_each or self._taken.total() >= self.most:
            detail = "Too many pages follow the local models already; close some of them."
            raise Overloaded(detail, retry_after_s=30)
        self._taken[user_id] += 1
        try:
            yield
        finally:
            self._taken[user_id] -= 1
            if not self._taken[user_id]:
                del self._taken[user_id]


class RunningEvents(Response):
    """Sends `snapshot` (all models), then `change` (those that changed), and `snapshot` again now and then; until the client leaves."""

    def __init__(
        self, service: RuntimeService, render: Render, seat: contextlib.AbstractContextManager[None], rhythm: Rhythm
    ) -> None:
        """Make a stream.

        Args:
            service: Knows what models do.
            render: Writes it.
            seat: Held while the stream is open.
            rhythm: How it paces itself.
        """
        super().__init__()
        self._service = service
        self._render = render
        self._seat = seat
        self._rhythm = rhythm
        self._pending: dict[str, RunningModel] = {}
        self._changed = anyio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  as ASGI has it
        """Sends the events."""
        with self._seat:
            await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
            async with anyio.create_task_group() as group:
                group.start_soon(_until_left, receive, group.cancel_scope)
                group.start_soon(self._collect)
                await self._tell(send)
                group.cancel_scope.cancel()
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _collect(self) -> None:
        async with contextlib.aclosing(self._service.watch()) as changes:
            async for each in changes:
                self._pending[each.model] = each
                self._changed.set()

    async def _tell(self, send: Send) -> None:
        began_s = anyio.current_time()
        whole_at_s = began_s
        while not _is_ending() and anyio.current_time() - began_s < self._rhythm.life_s:
            if anyio.current_time() >= whole_at_s:
                whole_at_s = anyio.current_time() + self._rhythm.whole_s
                await self._send(send, "snapshot", self._service.running())
            elif self._pending:
                changed = list(self._pending.values())
                self._pending.clear()
                await self._send(send, "change", changed)
            await anyio.sleep(self._rhythm.pause_s)
            if not self._pending:
                self._changed = anyio.Event()
                with anyio.move_on_after(self._rhythm.tick_s):
                    await self._changed.wait()

    async def _send(self, send: Send, name: str, models: Sequence[RunningModel]) -> None:
        body = b"event: " + name.encode() + b"\ndata: " + self._render(models) + b"\n\n"
        message: Mapping[str, object] = {"type": "http.response.body", "body": body, "more_body": True}
        await send(dict(message))


async def _until_left(receive: Receive, scope: anyio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()


def _is_ending() -> bool:
    """Tells whether the server has been told to stop: then all requests have a deadline."""
    return math.isfinite(anyio.current_effective_deadline())
