"""Deadlines without a timer each: waits are written down, and one timer looks at all of them now and again.

Setting and cancelling a timer costs more than reading what a server sent; a wait that is watched costs an entry in a set.
A deadline is noticed up to a tick late: an eighth of the shortest bound, at most half a second.
"""

import asyncio
from typing import Protocol

_MIN_TICK_S = 0.01
_MAX_TICK_S = 0.5
_TICKS = 8


class Waiter(Protocol):
    """Something that waits, and not for ever."""

    def look(self, now_s: float) -> None:
        """Ends the wait if its time has come, by the loop's clock."""
        ...


class Watch:
    """Looks at those who wait."""

    __slots__ = ("_is_set", "_tick_s", "_waiting")

    def __init__(self, shortest_s: float) -> None:
        """Makes one; it looks at nobody until somebody waits.

        Args:
            shortest_s: The shortest bound of any wait that is watched.
        """
        self._tick_s = min(max(shortest_s / _TICKS, _MIN_TICK_S), _MAX_TICK_S)
        self._waiting: set[Waiter] = set()
        self._is_set = False

    def add(self, waiter: Waiter) -> None:
        """Begins to look at one that waits."""
        self._waiting.add(waiter)
        if not self._is_set:
            self._is_set = True
            asyncio.get_running_loop().call_later(self._tick_s, self._tick)

    def discard(self, waiter: Waiter) -> None:
        """Looks at it no more."""
        self._waiting.discard(waiter)

    def _tick(self) -> None:
        if not self._waiting:
            self._is_set = False
            return
        loop = asyncio.get_running_loop()
        now_s = loop.time()
        for waiter in tuple(self._waiting):
            waiter.look(now_s)
        loop.call_later(self._tick_s, self._tick)
