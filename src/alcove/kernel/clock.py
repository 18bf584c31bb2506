"""Time as a port, so that tests own it."""

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Tells the time of day and a monotonic time."""

    def now(self) -> datetime:
        """Gives the time of day, in UTC with its time zone set."""
        ...

    def monotonic_s(self) -> float:
        """Gives seconds from an arbitrary start that never go back."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """Gives the time of day, in UTC with its time zone set."""
        return datetime.now(UTC)

    def monotonic_s(self) -> float:
        """Gives seconds from an arbitrary start that never go back."""
        return time.monotonic()


@dataclass(slots=True)
class FakeClock:
    """A clock that stands still until told to move; for tests and demonstrations."""

    at: datetime = field(default_factory=lambda: datetime(2026, 1, 1, tzinfo=UTC))
    elapsed_s: float = 0.0

    def now(self) -> datetime:
        """Gives the time of day that was set."""
        return self.at

    def monotonic_s(self) -> float:
        """Gives the seconds moved so far."""
        return self.elapsed_s

    def advance(self, seconds: float) -> None:
        """Moves both times forward by `seconds`."""
        self.at += timedelta(seconds=seconds)
        self.elapsed_s += seconds
