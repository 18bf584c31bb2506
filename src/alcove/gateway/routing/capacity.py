"""How many calls a deployment has under way, and who waits for room; first come, first served, and bounded both ways."""

import asyncio
from collections import deque
from dataclasses import dataclass, field

from alcove.gateway.routing.options import DeploymentOptions
from alcove.kernel.errors import AlcoveError, Overloaded

_WAIT_S = 1.0


@dataclass(slots=True, kw_only=True, eq=False)
class Capacity:
    """The room of one deployment, and what is counted of it.

    Attributes:
        name: The deployment's name.
        options: How much room it has.
        in_flight: Calls under way.
        requests: Calls that were made.
        failures: Those that failed, the client's own faults not counted.
        last_error: What went wrong last.
        last_error_s: When, by the monotonic clock.
        is_reached: Whether its last health check got an answer; None where there is none.
        checked_s: When that changed last, by the monotonic clock.
    """

    name: str
    options: DeploymentOptions
    in_flight: int = 0
    requests: int = 0
    failures: int = 0
    last_error: str | None = None
    last_error_s: float | None = None
    is_reached: bool | None = None
    checked_s: float | None = None
    _waiting: deque[asyncio.Future[bool]] = field(default_factory=deque)

    @property
    def waiting(self) -> int:
        """How many wait for room."""
        return sum(not each.done() for each in self._waiting)

    @property
    def has_room(self) -> bool:
        """Whether a call need not wait."""
        limit = self.options.max_parallel
        return limit is None or (self.in_flight < limit and not self._waiting)

    def try_take(self) -> bool:
        """Takes a place if one is free; tells whether it did. Give it back in every case."""
        limit = self.options.max_parallel
        if limit is not None and (self.in_flight >= limit or self._waiting):
            return False
        self.in_flight += 1
        return True

    async def take(self) -> None:
        """Takes a place, waiting for one if need be. Give it back in every case.

        Raises:
            Overloaded: When too many wait already, or none came free in time.
        """
        if self.try_take():
            return
        options = self.options
        if self.waiting >= options.max_waiting:
            detail = f"The deployment {self.name!r} has {options.max_parallel} calls under way and {options.max_waiting} that wait; try again shortly."
            raise Overloaded(detail, retry_after_s=_WAIT_S)
        loop = asyncio.get_running_loop()
        place: asyncio.Future[bool] = loop.create_future()
        self._waiting.append(place)
        timer = loop.call_later(options.max_wait_s, _give_up, place)
        try:
            has_place = await place
        except asyncio.CancelledError:
            if not place.cancelled() and place.result():  # given in the very moment in which the caller left
                self.give_back()
            raise
        finally:
            timer.cancel()
            if place in self._waiting:
                self._waiting.remove(place)
        if not has_place:
            detail = f"The deployment {self.name!r} had no room for {options.max_wait_s:g} s; try again shortly."
            raise Overloaded(detail, retry_after_s=_WAIT_S)

    def give_back(self) -> None:
        """Gives a place back, to the first who waits."""
        self.in_flight -= 1
        if self._waiting:
            self.admit_waiting()

    def admit_waiting(self) -> None:
        """Lets those in who wait, as far as there is room; also to be called when there is more of it."""
        while self._waiting:
            limit = self.options.max_parallel
            if limit is not None and self.in_flight >= limit:
                return
            place = self._waiting.popleft()
            if not place.done():
                self.in_flight += 1
                place.set_result(True)

    def note_failure(self, now_s: float, error: AlcoveError) -> None:
        """Counts a failure."""
        self.failures += 1
        self.last_error = error.detail
        self.last_error_s = now_s


def _give_up(place: asyncio.Future[bool]) -> None:
    if not place.done():
        place.set_result(False)
