"""The way in: encode, journal, acknowledge; then, off everyone's path, into the store.

The journal is the queue. One task reads it and moves batches into the store, so starting again after a crash is nothing
special: what had not been stored is simply still there. Because the store replaces rows by id, a batch that was stored but
not yet forgotten when the process died does no harm. Deletions travel through the journal like everything else, in order;
otherwise a restart could bring a deleted text back.
"""

import contextlib
import random
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

import anyio
import anyio.to_thread
import structlog

from alcove.infra.journal import Chunk, Journal
from alcove.kernel.clock import Clock
from alcove.kernel.errors import AlcoveError, Unavailable
from alcove.kernel.trace import Trace
from alcove.tracing.encoding import decoded, encoded, encoded_erasure
from alcove.tracing.models import Change, Erasure, TracingSettings
from alcove.tracing.ports import TraceStore

log = structlog.get_logger(__name__)

_BATCH_ENTRIES = 500  # about 2,000 rows of turns
_BATCH_BYTES = 8 << 20
_MAX_ENTRY_BYTES = 4 << 20
_ADMIT_SHARE = 0.8  # the rest of the journal is for turns that are under way
_READ_WAIT_S = 1.0
_DRAIN_S = 5.0
_FIRST_BACKOFF_S = 0.1
_MAX_BACKOFF_S = 5.0
_FIRST_PRUNE_S = 600.0
_PRUNE_INTERVAL_S = 6 * 3600.0


class TraceIntake:
    """Takes traces in; a `TraceSink`, between `open` and `close`, and with `run` in a task; or inside `running()`."""

    def __init__(self, *, store: TraceStore, journal: Journal, clock: Clock, settings: TracingSettings) -> None:
        """Nothing is opened before `open`."""
        self._store = store
        self._journal = journal
        self._clock = clock
        self._settings = settings
        self._arrived = anyio.Event()
        self._hurry = anyio.Event()
        self._moved = anyio.Event()
        self._draining = anyio.Lock()
        self._is_closed = False
        self._stored_to = 0
        self._trouble: str | None = None
        self._lost_count = 0

    @property
    def backlog_bytes(self) -> int:
        """How much waits to be stored."""
        return self._journal.backlog_bytes

    @property
    def lost_count(self) -> int:
        """Traces that came to nothing since the start of the process; each is in the log."""
        return self._lost_count

    async def open(self) -> None:
        """Opens the journal; from here on traces are taken.

        Raises:
            Unavailable: When another process has the journal.
        """
        await anyio.to_thread.run_sync(self._journal.open)
        self._stored_to = self._journal.end - self._journal.backlog_bytes
        if self._journal.backlog_bytes:
            self._arrived.set()

    async def run(self) -> None:
        """Moves traces into the store, and deletes old ones, until cancelled."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._move_forever)
            group.start_soon(self._prune_forever)

    async def close(self) -> None:
        """Stores what is left, for a few seconds at most, and lets go of the files; the rest waits for the next `open`."""
        with anyio.move_on_after(_DRAIN_S, shield=True):
            with contextlib.suppress(Unavailable):
                await self._drain()
        self._is_closed = True
        with anyio.CancelScope(shield=True):
            await self._store.release()
        self._journal.close()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["TraceIntake"]:
        """Opens, runs for as long as the block lasts, and closes.

        Raises:
            Unavailable: As `open`.
        """
        await self.open()
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self.run)
                try:
                    yield self
                finally:
                    group.cancel_scope.cancel()
        finally:
            await self.close()

    def admit(self) -> None:
        """Says whether another turn may begin.

        Raises:
            Overloaded: When too many traces wait to be stored.
        """
        self._journal.admit(0, share=_ADMIT_SHARE)

    async def record(self, trace: Trace) -> None:
        """Keeps a trace. When this returns, it survives `kill -9` of this process.

        The answer it belongs to has been given by now, so a trace that cannot be kept is logged and counted, not raised.
        `admit` sees to it that this needs a full disk.
        """
        try:
            await self.take(trace)
        except AlcoveError as error:
            self._lose(trace, error)

    def record_now(self, trace: Trace) -> None:
        """Keeps a trace, as `record`, without waiting: by one write in this very thread."""
        try:
            self._journal.append_now(self._encoded(trace))
        except AlcoveError as error:
            self._lose(trace, error)
        else:
            self._arrived.set()

    def _lose(self, trace: Trace, error: AlcoveError) -> None:
        self._lost_count += 1
        log.warning("trace_lost", trace_id=trace.id, code=error.code, detail=error.detail)

    def _encoded(self, trace: Trace) -> bytes:
        return encoded(trace, max_text_chars=self._settings.max_text_chars, max_bytes=_MAX_ENTRY_BYTES)

    async def take(self, trace: Trace) -> None:
        """Keeps a trace, as `record`, for senders that can send it again.

        Raises:
            Overloaded: When too many traces wait to be stored.
            Unavailable: When the disk refuses it.
        """
        await self._journal.append(self._encoded(trace))
        self._arrived.set()

    async def erase(self, owner_id: str, session_id: str | None) -> None:
        """Deletes the traces of a session, or all of an owner; those still under way too. Survives `kill -9` likewise.

        Raises:
            Overloaded: When too much waits to be stored.
            Unavailable: When the disk refuses it.
        """
        await self._journal.append(encoded_erasure(Erasure(owner_id=owner_id, session_id=session_id)))
        self._arrived.set()

    async def catch_up(self) -> None:
        """Waits until all that has been taken can be read; a second at most."""
        target = self._journal.end
        if self._stored_to >= target:
            return
        self._hurry.set()
        with anyio.move_on_after(_READ_WAIT_S):
            while self._stored_to < target:
                await self._moved.wait()

    async def check(self) -> None:
        """Tells whether traces are taken and stored.

        Raises:
            AlcoveError: When they are not, and why.
        """
        self.admit()
        if self._trouble is not None:
            raise Unavailable(self._trouble)
        await self._store.check()

    async def _move_forever(self) -> None:
        backoff_s = _FIRST_BACKOFF_S
        while True:
            while not self._arrived.is_set():
                with anyio.move_on_after(self._settings.idle_close_s) as idle:
                    await self._arrived.wait()
                if idle.cancelled_caught:
                    await self._release()
            self._arrived = anyio.Event()
            with anyio.move_on_after(self._settings.flush_interval_s):
                await self._hurry.wait()
            self._hurry = anyio.Event()
            try:
                await self._drain()
            except Unavailable as error:
                self._trouble = error.detail
            except Exception:  # a task root: the house goes on, and tries again
                log.exception("traces_not_moved")
                self._trouble = "Traces cannot be moved into the store; the log has the reason."
            else:
                backoff_s, self._trouble = _FIRST_BACKOFF_S, None
                continue
            self._arrived.set()
            await anyio.sleep(backoff_s * random.uniform(0.5, 1.0))  # noqa: S311  spreads load, guards nothing
            backoff_s = min(2 * backoff_s, _MAX_BACKOFF_S)

    async def _release(self) -> None:
        try:
            await self._store.release()
        except Exception:  # a task root: it was only to save memory
            log.exception("trace_store_not_released")

    async def _drain(self) -> None:
        """Moves all that is in the journal now.

        Raises:
            Unavailable: When the store cannot take it now; it stays in the journal.
        """
        async with self._draining:
            while self._journal.backlog_bytes and not self._is_closed:
                chunk, changes = await anyio.to_thread.run_sync(self._read)
                await self._store_all(changes)
                await anyio.to_thread.run_sync(self._journal.discard, chunk.end)
                self._stored_to = chunk.end
                self._moved.set()
                self._moved = anyio.Event()

    def _read(self) -> tuple[Chunk, list[Change]]:
        chunk = self._journal.peek(max_entries=_BATCH_ENTRIES, max_bytes=_BATCH_BYTES)
        changes: list[Change] = []
        for entry in chunk.entries:
            try:
                changes.append(decoded(entry))
            except ValueError as error:  # a fault of ours; it must not stop the rest, and its text is not for logs
                self._lost_count += 1
                log.warning("trace_unreadable", size_bytes=len(entry), error=type(error).__name__)
        return chunk, changes

    async def _store_all(self, changes: Sequence[Change]) -> None:
        """Stores a batch; where the store finds fault with it, one by one, and the faulty ones are left out."""
        if not changes:
            return
        try:
            await self._store.write(changes)
        except Unavailable:
            raise
        except Exception as error:
            if len(changes) == 1:
                if isinstance(changes[0], Erasure):  # a promise: it stays first in the journal until it is kept
                    detail = f"A deletion of traces cannot be carried out ({type(error).__name__}); it is tried again."
                    raise Unavailable(detail) from error
                self._lost_count += 1
                log.warning("trace_rejected", error=type(error).__name__)
                return
            for change in changes:
                await self._store_all([change])

    async def _prune_forever(self) -> None:
        if not self._settings.retention_days:
            return
        wait_s = _FIRST_PRUNE_S
        while True:
            await anyio.sleep(wait_s)
            wait_s = _PRUNE_INTERVAL_S
            await self.prune()

    async def prune(self) -> None:
        """Deletes what is older than the settings allow."""
        before = self._clock.now() - timedelta(days=self._settings.retention_days)
        try:
            count = await self._store.prune(before)
        except Unavailable as error:
            log.warning("traces_prune_failed", detail=error.detail)
            return
        except Exception:  # a task root: the house goes on, and tries again
            log.exception("traces_prune_failed")
            return
        log.info("traces_pruned", count=count)
