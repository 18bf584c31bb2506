"""The way in: one write to a journal on disk before a call is over, and nothing else.

A call's row must not be lost once its answer is given, and must not wait for a database either. Where the journal can take no
more (the database was away for long, or the disk is full), calls under way go on: their rows are held in memory, as many as
there is room for, and written when the disk takes them. New calls are refused: what cannot be counted cannot be limited.
"""

from collections import deque
from pathlib import Path

import anyio
import anyio.to_thread
import structlog

from alcove.gateway.calls import UsageRow
from alcove.gateway.usage.encoding import PROBE, encoded, encoded_erasure
from alcove.gateway.usage.live import LiveCounts
from alcove.infra.journal import Chunk, Journal
from alcove.kernel.errors import AlcoveError, Overloaded, Unavailable
from alcove.kernel.ids import is_id, new_id

log = structlog.get_logger(__name__)

ADMIT_SHARE = 0.8
"""How much of the journal may be full while calls are admitted; the rest is for calls that are under way."""

_MAX_HELD = 10_000
_SEGMENT_BYTES = 8 << 20


class UsageJournal:
    """Takes rows in; a `UsageLog`, between `open` and `close`. For one event loop."""

    def __init__(self, folder: Path, *, max_bytes: int, is_synced: bool, live: LiveCounts) -> None:
        """Nothing is opened before `open`.

        Args:
            folder: Where the journal lies.
            max_bytes: How much may wait for the database.
            is_synced: Whether each row is forced to the disk.
            live: Is told of each row.
        """
        self._folder = folder
        self._journal = Journal(folder, segment_bytes=_SEGMENT_BYTES, max_bytes=max_bytes, is_synced=is_synced)
        self._live = live
        self._held: deque[bytes] = deque()
        self._is_refused = False
        self._lost_count = 0
        self._name = ""
        self.arrived = anyio.Event()

    @property
    def name(self) -> str:
        """Name of this journal among those of other processes on the same database; made with its folder."""
        return self._name

    @property
    def end(self) -> int:
        """Position just past the last entry."""
        return self._journal.end

    @property
    def backlog_bytes(self) -> int:
        """How much waits for the database."""
        return self._journal.backlog_bytes

    @property
    def held_count(self) -> int:
        """Rows that are in memory alone, as the disk takes none."""
        return len(self._held)

    @property
    def lost_count(self) -> int:
        """Rows that came to nothing since the start of the process; each is in the log."""
        return self._lost_count

    def find_name(self) -> str:
        """Finds or makes the journal's name. It goes with the folder: a new folder is a new journal, counted from 0."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._folder / "name"
        found = path.read_text().strip() if path.exists() else ""
        if not is_id(found):
            found = new_id()
            unfinished = path.with_suffix(".new")
            unfinished.write_text(found)
            unfinished.replace(path)
        self._name = found
        return found

    def open(self, *, stored_to: int) -> None:
        """Takes the folder; from here on rows are taken.

        Args:
            stored_to: How far it has been moved into the database.

        Raises:
            Unavailable: When another process has it.
        """
        self._journal.open(stored_to=stored_to)
        self._journal.discard(stored_to)

    def admit(self) -> None:
        """Says whether the row of another call could be kept. Takes less than a microsecond.

        Raises:
            Unavailable: When the disk takes none.
            Overloaded: When too many wait for the database.
        """
        if self._is_refused:
            detail = "Usage cannot be recorded: its journal takes nothing more. Calls go on when there is room again."
            raise Unavailable(detail, retry_after_s=5)
        try:
            self._journal.admit(0, share=ADMIT_SHARE)
        except Overloaded as error:
            detail = "Usage cannot be recorded: too many rows wait for the database. Calls go on when it takes them."
            raise Overloaded(detail, retry_after_s=5) from error

    def append(self, row: UsageRow) -> None:
        """Adds a row; when this returns, it survives `kill -9`.

        Raises:
            AlcoveError: When it could not be written now. It is held in memory and tried again, unless too many are.
        """
        self._live.note(row)
        entry = encoded(row)
        try:
            self._journal.append_now(entry)
        except AlcoveError as error:
            self._hold(entry, error)
            raise
        if not self.arrived.is_set():
            self.arrived.set()

    def erase(self, user_id: str) -> None:
        """Has all rows of a person deleted; survives `kill -9` likewise.

        Raises:
            AlcoveError: When it cannot be written.
        """
        self._journal.append_now(encoded_erasure(user_id))
        self.arrived.set()

    def retry(self) -> None:
        """Writes what is held, if the disk takes it again."""
        if not self._is_refused:
            return
        try:
            self._journal.append_now(PROBE)
            while self._held:
                self._journal.append_now(self._held[0])
                self._held.popleft()
        except AlcoveError:
            return
        self._is_refused = False
        self.arrived.set()
        log.info("usage_recorded_again")

    def note_lost(self, count: int) -> None:
        """Counts rows that came to nothing."""
        self._lost_count += count

    async def peek(self, max_entries: int, max_bytes: int) -> Chunk:
        """Reads the oldest entries and leaves them where they are."""

        def read() -> Chunk:
            return self._journal.peek(max_entries=max_entries, max_bytes=max_bytes)

        return await anyio.to_thread.run_sync(read)

    async def discard(self, end: int) -> None:
        """Forgets the entries before a position; they are in the database."""
        await anyio.to_thread.run_sync(self._journal.discard, end)

    def close(self) -> None:
        """Lets go of the files; what was not moved stays for the next `open`."""
        self.retry()
        if self._held:
            self.note_lost(len(self._held))
            log.error("usage_rows_lost", rows=len(self._held))
        self._journal.close()

    def _hold(self, entry: bytes, error: AlcoveError) -> None:
        if not self._is_refused:
            self._is_refused = True
            log.error("usage_not_recorded", detail=error.detail)
        if len(self._held) < _MAX_HELD:
            self._held.append(entry)
            return
        self._lost_count += 1
        log.error("usage_row_lost", rows_lost=self._lost_count)
