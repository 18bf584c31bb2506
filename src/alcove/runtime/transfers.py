"""Pulls that are under way: they run by themselves, and whoever wants to watches them.

One that was begun in the page goes on when the page is closed; one of a client that waits for it (`ollama pull`) ends when that client
leaves, unless somebody else watches.
"""

import contextlib
from collections.abc import AsyncGenerator, Callable, Hashable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Literal

import anyio
import structlog

from alcove.kernel.clock import Clock
from alcove.kernel.errors import AlcoveError, InternalError, NotFound, Overloaded, Unavailable, first_known
from alcove.kernel.ids import new_id
from alcove.runtime.catalog.progress import Progress
from alcove.runtime.registry.tasks import TransferTasks

log = structlog.get_logger(__name__)

_MAX_RUNNING = 32
_MAX_ENDED = 20

TransferState = Literal["running", "done", "failed", "cancelled"]
Lines = Callable[[], AsyncGenerator[Progress, None]]


@dataclass(slots=True, kw_only=True)
class Transfer:
    """A pull.

    Attributes:
        id: Its id.
        model: What was asked for, as it may be shown.
        key: What makes another pull the same one.
        started_by: The person who did.
        started_at: When.
        is_kept: Whether it goes on when nobody watches.
        state: How it stands.
        error: Why it failed.
        lines: What it told so far; of each file only the latest.
    """

    id: str
    model: str
    key: Hashable
    started_by: str
    started_at: datetime
    is_kept: bool
    state: TransferState = "running"
    error: AlcoveError | None = None
    lines: list[Progress] = field(default_factory=list)
    _started_s: float = 0.0
    _first_bytes: int | None = None
    _watchers: int = 0
    _changed: anyio.Event = field(default_factory=anyio.Event)
    _scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)

    @property
    def total(self) -> int:
        """Bytes of the files seen so far."""
        return sum(each.total for each in self.lines)

    @property
    def completed(self) -> int:
        """Those of them that are here."""
        return sum(each.completed for each in self.lines)

    @property
    def is_ending(self) -> bool:
        """Whether it has been told to end."""
        return self._scope.cancel_called

    def speed(self, now_s: float) -> float:
        """Gives the bytes a second that came since the first of them."""
        passed_s = now_s - self._started_s
        if self._first_bytes is None or passed_s <= 0 or self.state != "running":
            return 0.0
        return max(0.0, (self.completed - self._first_bytes) / passed_s)

    def take(self, line: Progress, now_s: float) -> None:
        """Takes the next line in."""
        if self.lines and line.total and self.lines[-1].status == line.status:
            self.lines[-1] = line
        else:
            self.lines.append(line)
        if self._first_bytes is None and line.total:
            self._first_bytes, self._started_s = self.completed, now_s
        self._wake()

    def end(self, state: TransferState, error: AlcoveError | None = None) -> None:
        """Notes how it ended."""
        self.state, self.error = state, error
        self._wake()

    def cancel(self) -> None:
        """Ends it; what is here is kept."""
        self._scope.cancel()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

    async def follow(self) -> AsyncGenerator[Progress, None]:
        """Tells how it goes, from its beginning; close the generator to stop watching.

        Raises:
            AlcoveError: Why it failed.
        """
        seen, last = 0, None
        self._watchers += 1
        try:
            while True:
                changed = self._changed
                is_over = self.state != "running"
                if seen and self.lines[seen - 1] is not last:
                    last = self.lines[seen - 1]
                    yield last
                for line in self.lines[seen:]:
                    seen, last = seen + 1, line
                    yield line
                if is_over and seen == len(self.lines):
                    break
                if not is_over:
                    await changed.wait()
            if self.error is not None:
                raise self.error
        finally:
            self._watchers -= 1
            if not self._watchers and not self.is_kept:
                self._scope.cancel()

    async def run(self, lines: Lines, clock: Clock) -> None:
        """Does it."""
        try:
            with self._scope:
                async with contextlib.aclosing(lines()) as told:
                    async for line in told:
                        self.take(line, clock.monotonic_s())
            if self._scope.cancelled_caught:
                self.end("cancelled", Unavailable("The pull was ended; pull again, and what is here already is kept."))
            else:
                self.end("done")
        except AlcoveError as error:
            self.end("failed", error)
        except BaseExceptionGroup as failures:
            known = first_known(failures)
            self.end("failed", known if isinstance(known, AlcoveError) else InternalError())
            if not isinstance(known, AlcoveError):
                raise
        except Exception:
            self.end("failed", InternalError())
            raise
        finally:
            if self.state == "running":  # the house is closing
                self.end(
                    "cancelled", Unavailable("The server is closing; pull again, and what is here already is kept.")
                )


@dataclass(frozen=True, kw_only=True, slots=True)
class Transfers:
    """The pulls under way, and the last ones that ended.

    Attributes:
        tasks: Where they run.
        clock: The time.
    """

    tasks: TransferTasks
    clock: Clock
    _all: dict[str, Transfer] = field(default_factory=dict)

    def list(self) -> Sequence[Transfer]:
        """Gives them, the latest first."""
        return sorted(self._all.values(), key=lambda each: each.id, reverse=True)

    def get(self, transfer_id: str) -> Transfer:
        """Gives one.

        Raises:
            NotFound: When there is none of that id.
        """
        found = self._all.get(transfer_id)
        if found is None:
            detail = f"There is no pull {transfer_id!r}; it may have ended a while ago."
            raise NotFound(detail)
        return found

    async def start(self, model: str, lines: Lines, *, key: Hashable, by: str, is_kept: bool) -> Transfer:
        """Begins a pull; gives the same one that is under way, if there is one.

        Args:
            model: What is pulled, as it may be shown.
            lines: Does it.
            key: What two pulls have to have in common to be the same.
            by: The person who asked.
            is_kept: Whether it goes on when nobody watches.

        Raises:
            Overloaded: When there are too many.
            Unavailable: When the house is closing.
        """
        running = [each for each in self._all.values() if each.state == "running"]
        same = next((each for each in running if each.key == key and not each.is_ending), None)
        if same is not None:
            same.is_kept = same.is_kept or is_kept
            return same
        if len(running) >= _MAX_RUNNING:
            detail = f"{_MAX_RUNNING} pulls are under way already; wait for one to end."
            raise Overloaded(detail, retry_after_s=30)
        self._forget_old()
        transfer = Transfer(
            id=new_id(), model=model, key=key, started_by=by, started_at=self.clock.now(), is_kept=is_kept
        )
        self._all[transfer.id] = transfer
        try:
            await self.tasks.start(partial(transfer.run, lines, self.clock), f"pull {model[:100]}")
        except BaseException:
            del self._all[transfer.id]
            raise
        return transfer

    def _forget_old(self) -> None:
        ended = [each for each in self.list() if each.state != "running"]
        for each in ended[_MAX_ENDED - 1 :]:
            del self._all[each.id]
