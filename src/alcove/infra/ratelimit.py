"""Limits on how often something may happen, over the `limits` package (sliding window; memory now, a server later).

Three shapes: `Window` counts every call; `Turnstile` counts every call and how many run at once; `AttemptGuard` counts only
attempts that failed, and counts those still under way, so that a hundred attempts at once get no more tries than a hundred in a row.
"""

import contextlib
import math
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from limits import RateLimitItem, RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter

from alcove.kernel.errors import RateLimited

_MIN_WAIT_S = 1.0


@dataclass(frozen=True, slots=True)
class Window:
    """So many events in so many seconds, for each subject.

    Attributes:
        _limiter: The strategy with its storage.
        _item: Amount and length of the window.
        _name: Keeps the subjects of different windows apart.
    """

    _limiter: SlidingWindowCounterRateLimiter
    _item: RateLimitItem
    _name: str

    async def hit(self, subject: str) -> float | None:
        """Counts one event.

        Returns:
            None when it is within the limit, else the seconds until trying again makes sense.
        """
        if await self._limiter.hit(self._item, self._name, subject):
            return None
        return await self.wait_s(subject)

    async def remaining(self, subject: str) -> int:
        """Gives how many events are still within the limit."""
        return (await self._limiter.get_window_stats(self._item, self._name, subject)).remaining

    async def wait_s(self, subject: str) -> float:
        """Gives the seconds until the next event may happen, at least one."""
        stats = await self._limiter.get_window_stats(self._item, self._name, subject)
        return max(_MIN_WAIT_S, stats.reset_time - time.time())

    async def clear(self, subject: str) -> None:
        """Forgets what was counted for a subject."""
        await self._limiter.clear(self._item, self._name, subject)


def memory_window(name: str, *, amount: int, window_s: int) -> Window:
    """Gives a window counted in this process's memory.

    Args:
        name: What is counted.
        amount: How many events are within the limit.
        window_s: Length of the window in seconds.
    """
    return Window(SlidingWindowCounterRateLimiter(MemoryStorage()), RateLimitItemPerSecond(amount, window_s), name)


@dataclass(frozen=True, slots=True)
class Turnstile:
    """Lets a subject through so often, and only so many times at once.

    Attributes:
        _window: Counts who went through.
        _at_once: How many may be inside for one subject.
        _inside: How many are, by subject.
    """

    _window: Window
    _at_once: int
    _inside: Counter[str] = field(default_factory=Counter)

    @contextlib.asynccontextmanager
    async def passing(self, subject: str, what: str) -> AsyncIterator[None]:
        """Runs the block inside.

        Args:
            subject: On whose behalf.
            what: What is limited, as a plural, for the message.

        Raises:
            RateLimited: When too many are inside or went through, with the seconds to wait.
        """
        if self._inside[subject] >= self._at_once:  # before any await, so that none slips in between
            detail = f"{self._at_once} {what} of yours are running already; wait for one to end."
            raise RateLimited(detail, retry_after_s=_MIN_WAIT_S)
        self._inside[subject] += 1
        try:
            wait_s = await self._window.hit(subject)
            if wait_s is not None:
                detail = f"Too many {what}; try again in {math.ceil(wait_s)} s."
                raise RateLimited(detail, retry_after_s=wait_s)
            yield
        finally:
            self._inside[subject] -= 1
            if self._inside[subject] <= 0:
                del self._inside[subject]


def memory_turnstile(name: str, *, per_minute: int, at_once: int) -> Turnstile:
    """Gives a turnstile counted in this process's memory.

    Args:
        name: What is counted.
        per_minute: How often a subject may go through in a minute.
        at_once: How many times at once.
    """
    return Turnstile(memory_window(name, amount=per_minute, window_s=60), at_once)


@dataclass(slots=True)
class Attempt:
    """One attempt under way; say `fail()` when it failed."""

    has_failed: bool = False

    def fail(self) -> None:
        """Counts this attempt against the limit."""
        self.has_failed = True


@dataclass(frozen=True, slots=True)
class AttemptGuard:
    """Lets attempts through until too many of them failed.

    Attributes:
        _window: Counts the failures.
        _under_way: How many attempts have not ended yet, by subject.
    """

    _window: Window
    _under_way: Counter[str] = field(default_factory=Counter)

    @contextlib.asynccontextmanager
    async def attempt(self, *subjects: str) -> AsyncIterator[Attempt]:
        """Guards one attempt, made on behalf of every one of the subjects (an account, an address).

        Raises:
            RateLimited: When one of the subjects has failed too often, with the seconds to wait.
        """
        for subject in subjects:
            # No await between the look at `_under_way` and the increment below that could let another attempt slip by:
            # the memory storage answers without giving way, and a server's storage counts the failures in any case.
            if await self._window.remaining(subject) <= self._under_way[subject]:
                raise RateLimited(
                    "Too many failed attempts; wait and try again.", retry_after_s=await self._window.wait_s(subject)
                )
        attempt = Attempt()
        self._under_way.update(subjects)
        try:
            yield attempt
        finally:
            if attempt.has_failed:
                for subject in subjects:
                    await self._window.hit(subject)
            self._under_way.subtract(subjects)
            for subject in subjects:
                if self._under_way[subject] <= 0:
                    del self._under_way[subject]

    async def forgive(self, subject: str) -> None:
        """Forgets the failures of a subject, after an attempt that succeeded."""
        await self._window.clear(subject)
