"""Requests under way, so that the very same request waits for the answer instead of being sent as well."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import anyio


@dataclass(frozen=True, slots=True)
class Flights:
    """The requests under way, by key.

    Attributes:
        wait_s: How long the others wait for the first; 0 for not at all.
    """

    wait_s: float
    _open: dict[str, anyio.Event] = field(default_factory=dict)

    async def landed(self, key: str) -> bool:
        """Waits while this request is under way elsewhere; gives whether it was, and is over."""
        event = self._open.get(key)
        if event is None or self.wait_s <= 0:
            return False
        with anyio.move_on_after(self.wait_s):
            await event.wait()
        return event.is_set()

    @contextlib.asynccontextmanager
    async def flying(self, key: str) -> AsyncIterator[None]:
        """Holds the place of the first; those that wait go on at the end of the body, whatever became of it."""
        event = anyio.Event()
        is_first = self._open.setdefault(key, event) is event
        try:
            yield
        finally:
            if is_first:
                del self._open[key]
                event.set()
