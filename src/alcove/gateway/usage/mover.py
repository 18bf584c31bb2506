"""The way on: batches of rows go from the journal into the database, off everyone's path.

A batch, its sums and the journal's new position are one transaction, so each row is counted once, whenever the process
dies. The sums are made here, in slices short enough that an answer does not wait for them.
"""

import random
from datetime import timedelta
from typing import Any

import anyio
import anyio.lowlevel
import structlog

from alcove.gateway.usage.encoding import FIELDS, decoded, mended_value
from alcove.gateway.usage.journal import UsageJournal
from alcove.gateway.usage.models import UsageSettings
from alcove.gateway.usage.ports import UsageStore
from alcove.gateway.usage.sums import Tally
from alcove.kernel.clock import Clock
from alcove.kernel.errors import AlcoveError, Unavailable

log = structlog.get_logger(__name__)

_BATCH_ENTRIES = 2000
_BATCH_BYTES = 4 << 20
_SLICE = 50  # entries between two looks at the event loop: a fifth of a millisecond
_BATCH_S = 15.0
_CATCH_UP_S = 2.0
_READ_WAIT_S = 1.0
_DRAIN_S = 5.0
_FIRST_BACKOFF_S = 0.1
_MAX_BACKOFF_S = 5.0
_RETRY_S = 1.0
_FIRST_PRUNE_S = 900.0
_PRUNE_INTERVAL_S = 6 * 3600.0
_PRUNE_PIECE = 500
_PRUNE_PAUSE_S = 0.05


class UsageMover:
    """Moves rows into the database, between `open` and `close`, with `run` in a task."""

    def __init__(self, *, journal: UsageJournal, store: UsageStore, clock: Clock, settings: UsageSettings) -> None:
        """Nothing is opened before `open`."""
        self._journal = journal
        self._store = store
        self._clock = clock
        self._settings = settings
        self._stored_to = 0
        self._is_unsure = False
        self._trouble: str | None = None
        self._hurry = anyio.Event()
        self._moved = anyio.Event()
        self._moving = anyio.Lock()

    @property
    def trouble(self) -> str | None:
        """Why rows are not moved at the moment; None when they are."""
        return self._trouble

    async def open(self) -> None:
        """Opens the journal and moves what an earlier process left in it, so that what was spent is known before anybody asks.

        Raises:
            Unavailable: When another process has the journal, or the database does not answer.
        """
        self._stored_to = await self._store.position(self._journal.find_name())
        self._journal.open(stored_to=self._stored_to)
        await self.move()

    async def run(self) -> None:
        """Moves rows, and deletes old ones, until cancelled."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._move_forever)
            group.start_soon(self._retry_forever)
            group.start_soon(self._prune_forever)

    async def close(self) -> None:
        """Moves what is left, for a few seconds at most, and closes the journal; the rest waits for the next `open`."""
        self._journal.retry()
        with anyio.move_on_after(_DRAIN_S, shield=True):
            try:
                await self.move()
            except AlcoveError as error:
                log.warning("usage_left_in_journal", size_bytes=self._journal.backlog_bytes, detail=error.detail)
        self._journal.close()

    async def move(self) -> None:
        """Moves all that is in the journal now.

        Raises:
            AlcoveError: When the database cannot take it now; it stays in the journal.
        """
        async with self._moving:
            size = _BATCH_ENTRIES
            while self._stored_to < self._journal.end:
                try:
                    with anyio.fail_after(_BATCH_S, shield=True):  # a batch is one piece of work, of milliseconds
                        size = await self._move_batch(size)
                except TimeoutError as error:
                    detail = f"The database did not take usage within {_BATCH_S:g} s."
                    raise Unavailable(detail) from error

    async def catch_up(self, wait_s: float = _READ_WAIT_S) -> bool:
        """Waits until all rows that have been taken can be read; tells whether that is so now."""
        target = self._journal.end
        if self._stored_to >= target:
            return True
        self._hurry.set()
        with anyio.move_on_after(wait_s):
            while self._stored_to < target:
                await self._moved.wait()
        return self._stored_to >= target

    async def catch_up_or_fail(self) -> None:
        """Waits until all rows that have been taken are in the sums.

        Raises:
            Unavailable: When that takes too long.
        """
        if not await self.catch_up(_CATCH_UP_S) or self._journal.held_count:
            detail = "What was used so far cannot be told, as the database does not take it; try again in a moment."
            raise Unavailable(detail, retry_after_s=2)

    async def prune(self) -> int:
        """Deletes what is older than the settings allow, in small pieces; gives how much that was.

        Raises:
            Unavailable: When the database does not answer.
        """
        now, settings, total = self._clock.now(), self._settings, 0
        rows_before = now - timedelta(days=settings.retention_days) if settings.retention_days else None
        hours_before = now - timedelta(days=settings.rollup_days) if settings.rollup_days else None
        while True:
            count = await self._store.prune(rows_before=rows_before, hours_before=hours_before, limit=_PRUNE_PIECE)
            total += count
            if not count:
                return total
            await anyio.sleep(_PRUNE_PAUSE_S)

    async def _move_forever(self) -> None:
        backoff_s = _FIRST_BACKOFF_S
        while True:
            await self._journal.arrived.wait()
            self._journal.arrived = anyio.Event()
            with anyio.move_on_after(self._settings.flush_interval_s):
                await self._hurry.wait()
            self._hurry = anyio.Event()
            try:
                await self.move()
            except AlcoveError as error:
                self._note_trouble(error.detail)
            except Exception:  # a task root: the house goes on, and tries again
                log.exception("usage_not_moved")
                self._note_trouble("Usage cannot be moved into the database; the log has the reason.")
            else:
                backoff_s, self._trouble = _FIRST_BACKOFF_S, None
                continue
            self._journal.arrived.set()
            await anyio.sleep(backoff_s * random.uniform(0.5, 1.0))  # noqa: S311  spreads load, guards nothing
            backoff_s = min(2 * backoff_s, _MAX_BACKOFF_S)

    def _note_trouble(self, detail: str) -> None:
        if self._trouble is None:
            log.warning("usage_waits", size_bytes=self._journal.backlog_bytes, detail=detail)
        self._trouble = detail

    async def _retry_forever(self) -> None:
        while True:
            await anyio.sleep(_RETRY_S)
            self._journal.retry()

    async def _prune_forever(self) -> None:
        await anyio.sleep(_FIRST_PRUNE_S)
        while True:
            try:
                count = await self.prune()
            except AlcoveError as error:
                log.warning("usage_prune_failed", detail=error.detail)
            else:
                log.info("usage_pruned", count=count)
            await anyio.sleep(_PRUNE_INTERVAL_S)

    async def _move_batch(self, size: int) -> int:
        """Moves up to `size` entries; gives how many to take the next time."""
        if self._is_unsure:  # the last answer of the database was lost; it may have stored the batch all the same
            await self._note_stored(max(self._stored_to, await self._store.position(self._journal.name)))
        self._is_unsure = True
        chunk = await self._journal.peek(size, _BATCH_BYTES)
        if not await self._store_all(chunk.entries, chunk.end):
            return max(1, len(chunk.entries) // 2)
        self._is_unsure = False
        await self._note_stored(chunk.end)
        return min(2 * size, _BATCH_ENTRIES)

    async def _note_stored(self, end: int) -> None:
        self._stored_to = end
        await self._journal.discard(end)
        self._moved.set()
        self._moved = anyio.Event()

    async def _store_all(self, entries: tuple[bytes, ...], end: int) -> bool:
        """Stores entries; False when the database finds fault with one of several. A single faulty one is mended or left out.

        Raises:
            AlcoveError: When the database does not answer.
        """
        found = [values for entry in entries if (values := self._decoded(entry)) is not None]
        try:
            await self._store_values(found, end)
        except AlcoveError:
            raise
        except Exception as error:  # noqa: BLE001  whatever a row provokes; the last one of them is logged with its trace
            if len(entries) > 1:
                log.warning("usage_batch_rejected", rows=len(entries), error=type(error).__name__)
                return False
            await self._store_mended(found, end)
        return True

    async def _store_mended(self, entries: list[list[Any]], end: int) -> None:
        try:
            await self._store_values([[mended_value(value) for value in entry] for entry in entries], end)
        except AlcoveError:
            raise
        except Exception:
            self._journal.note_lost(1)
            log.exception("usage_row_rejected")
            await self._store_values([], end)

    async def _store_values(self, entries: list[list[Any]], end: int) -> None:
        leaving = [str(entry[0]) for entry in entries if len(entry) == 1]
        tally = Tally((await self._store.erased()).union(leaving))
        tally.batch.erased.extend(leaving)
        for index, entry in enumerate(entries):
            if len(entry) == len(FIELDS):
                tally.add(entry)
            if index % _SLICE == 0:
                await anyio.lowlevel.checkpoint()
        await self._store.move(tally.finish(), journal=self._journal.name, begin=self._stored_to, end=end)

    def _decoded(self, entry: bytes) -> list[Any] | None:
        try:
            return decoded(entry)
        except ValueError as error:  # a fault of ours; it must not stop the rest
            self._journal.note_lost(1)
            log.error("usage_row_unreadable", size_bytes=len(entry), error=str(error))  # noqa: TRY400  nothing to trace
            return None
