"""An append-only journal on disk: what was appended survives `kill -9`, and waits there until it has been stored elsewhere.

It is the queue between those who must be answered now and a store that likes large batches and sometimes stalls. There is
one path, not two: the reader always reads from the files, so going on after a crash is the same code as every other day.

Format: segment files named by the position of their first byte. Each entry is a frame of length and CRC-32 (both 4 bytes,
big-endian) and the payload. An append is one `os.write`, so a killed process leaves at most one torn frame, at the end of
a segment. Segments that were open at a crash are never written again; a new one is begun.
"""

import contextlib
import errno
import fcntl
import os
import struct
import threading
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import anyio
import anyio.to_thread
import structlog

from alcove.kernel.errors import Overloaded, TooLarge, Unavailable

log = structlog.get_logger(__name__)

_HEADER = struct.Struct(">II")
_SUFFIX = ".journal"
_DAMAGED = ".damaged"


@dataclass(frozen=True, kw_only=True, slots=True)
class Chunk:
    """Entries read from a journal.

    Attributes:
        entries: Payloads, oldest first.
        end: Position just past them; hand it to `discard` once they are stored.
    """

    entries: tuple[bytes, ...]
    end: int


@dataclass(slots=True)
class _Segment:
    path: Path
    start: int
    size: int
    is_damaged: bool = False

    @property
    def end(self) -> int:
        return self.start + self.size


@dataclass(slots=True)
class _Group:
    """Appends that go to disk in one write."""

    payloads: list[bytes] = field(default_factory=list)
    size_bytes: int = 0
    is_done: bool = False
    end: int = 0
    error: Exception | None = None


class Journal:
    """A durable queue of byte strings: many appenders, one reader, one process.

    `append` is for the event loop; appends that wait for each other share one write. `append_now` writes in the caller's own
    thread, one system call, for small entries that must be kept before the next line runs. The other methods block for the
    time of a few system calls and may be called from any thread.
    """

    def __init__(
        self, folder: Path, *, segment_bytes: int = 8 << 20, max_bytes: int = 256 << 20, is_synced: bool = False
    ) -> None:
        """Names the folder; nothing is touched before `open`.

        Args:
            folder: Where the segments lie; nothing else may be there.
            segment_bytes: Size at which a new segment is begun.
            max_bytes: How much may wait to be stored; more is refused.
            is_synced: Whether every write is also forced to the disk, so that it survives a power cut.
        """
        self._folder = folder
        self._segment_bytes = segment_bytes
        self._max_bytes = max_bytes
        self._is_synced = is_synced
        self._segments: list[_Segment] = []
        self._fd: int | None = None  # of the last segment, where that is being written
        self._lock_fd: int | None = None
        self._read_at = 0
        self._end = 0
        self._state = threading.Lock()
        self._turn = anyio.Lock()
        self._group = _Group()
        self._limiter = anyio.CapacityLimiter(1)

    @property
    def end(self) -> int:
        """Position just past the last entry."""
        return self._end

    @property
    def backlog_bytes(self) -> int:
        """How much waits to be stored."""
        return self._end - self._read_at

    def open(self, *, stored_to: int = 0) -> None:
        """Takes the folder for this process, and finds what an earlier one left there.

        Args:
            stored_to: Position up to which entries are known to be stored elsewhere; they are not read again, and new
                entries come after it. For stores that note the position together with the entries, exactly once.

        Raises:
            Unavailable: When another process has it.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock_fd = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock_fd)
            self._lock_fd = None
            detail = f"The journal {str(self._folder)!r} is in use by another process; stop that one first."
            raise Unavailable(detail) from error
        self._segments = _left_over(self._folder)
        self._read_at = self._end = stored_to
        if self._segments:
            self._read_at = max(self._segments[0].start, stored_to)
            self._end = max(self._segments[-1].end, stored_to)
        if self._end > self._read_at:
            log.info("journal_left_over_found", folder=self._folder.name, size_bytes=self.backlog_bytes)

    def close(self) -> None:
        """Lets go of the files; what was not discarded stays for the next `open`."""
        with self._state:
            self._close_segment()
            if self._lock_fd is not None:
                os.close(self._lock_fd)
                self._lock_fd = None

    def admit(self, size_bytes: int, *, share: float = 1.0) -> None:
        """Says whether there is room.

        Args:
            size_bytes: How much is to be appended.
            share: The part of the journal's bound that may be filled, 0 to 1; less than 1 leaves room for what is under way.

        Raises:
            Overloaded: When there is none.
        """
        if self.backlog_bytes + self._group.size_bytes + size_bytes > self._max_bytes * share:
            detail = f"{self.backlog_bytes} bytes wait to be stored; no more can be taken at the moment."
            raise Overloaded(detail, retry_after_s=1)

    async def append(self, payload: bytes) -> int:
        """Appends an entry; when this returns, it survives `kill -9`.

        Returns:
            The position just past the entry, or past others written with it.

        Raises:
            Overloaded: When too much waits to be stored already.
            TooLarge: When the entry alone is larger than a segment.
            Unavailable: When the disk refuses it; then it is not in the journal.
        """
        size = self._admitted(payload)
        group = self._group
        group.payloads.append(payload)
        group.size_bytes += size
        async with self._turn:
            if not group.is_done:
                self._group = _Group()
                with anyio.CancelScope(shield=True):  # others wait for this write too
                    await anyio.to_thread.run_sync(self._write_group, group, limiter=self._limiter)
        if group.error is not None:
            raise _unwritten(group.error) from group.error
        return group.end

    def append_now(self, payload: bytes) -> int:
        """Appends an entry before it returns, by one write in this very thread; then it survives `kill -9`.

        Returns:
            The position just past the entry.

        Raises:
            Overloaded: When too much waits to be stored already.
            TooLarge: When the entry alone is larger than a segment.
            Unavailable: When the disk refuses it; then it is not in the journal.
        """
        self._admitted(payload)
        try:
            return self._write(_HEADER.pack(len(payload), zlib.crc32(payload)) + payload)
        except (OSError, ValueError) as error:
            raise _unwritten(error) from error

    def peek(self, *, max_entries: int, max_bytes: int) -> Chunk:
        """Reads the oldest entries and leaves them where they are.

        Args:
            max_entries: How many at most.
            max_bytes: How many bytes at most; the first entry is given even if it is larger.
        """
        with self._state:
            segments = list(self._segments)
            at = self._read_at
        entries: list[bytes] = []
        size = 0
        for segment in segments:
            if at >= segment.end:
                continue
            at = max(at, segment.start)
            with segment.path.open("rb") as file:
                file.seek(at - segment.start)
                while at < segment.end and len(entries) < max_entries:
                    payload = _read_frame(file.read(_HEADER.size), file, segment, at)
                    if payload is None:
                        at = segment.end
                        break
                    if entries and size + len(payload) > max_bytes:
                        return Chunk(entries=tuple(entries), end=at)
                    entries.append(payload)
                    size += len(payload)
                    at += _HEADER.size + len(payload)
            if len(entries) >= max_entries:
                break
        return Chunk(entries=tuple(entries), end=at)

    def discard(self, end: int) -> None:
        """Forgets everything before a position, as `peek` gave it; its segments are deleted once nothing in them is needed."""
        done: list[_Segment] = []
        with self._state:
            self._read_at = max(self._read_at, end)
            if self._read_at == self._end:
                self._close_segment()
            while self._segments and self._segments[0].end <= self._read_at:
                if len(self._segments) == 1 and self._fd is not None:
                    break
                segment = self._segments.pop(0)
                if segment.size:
                    done.append(segment)
                else:  # the next one begins at the same position, and is named the same
                    segment.path.unlink(missing_ok=True)
        for segment in done:  # outside of the lock: deleting takes long enough for an append to notice
            if segment.is_damaged:
                segment.path.rename(segment.path.with_suffix(_DAMAGED))
            else:
                segment.path.unlink(missing_ok=True)

    def _admitted(self, payload: bytes) -> int:
        """Gives the size of an entry's frame, if there is room for it."""
        size = _HEADER.size + len(payload)
        if size > self._segment_bytes or not payload:
            detail = f"An entry must have 1 to {self._segment_bytes - _HEADER.size} bytes, not {len(payload)}."
            raise TooLarge(detail)
        self.admit(size)
        return size

    def _write_group(self, group: _Group) -> None:
        try:
            self._write(
                b"".join(part for each in group.payloads for part in (_HEADER.pack(len(each), zlib.crc32(each)), each))
            )
        except (OSError, ValueError) as error:
            group.error = error
        group.end = self._end
        group.is_done = True

    def _write(self, frames: bytes) -> int:
        """Writes whole frames; gives the position just past them."""
        with self._state:
            if self._lock_fd is None:
                msg = "the journal is closed"
                raise ValueError(msg)
            if self._fd is not None and self._segments[-1].size + len(frames) > self._segment_bytes:
                self._close_segment()
            fd = self._fd if self._fd is not None else self._begin_segment()
            segment = self._segments[-1]
            try:
                _write_whole(fd, frames, is_synced=self._is_synced)
            except OSError:
                with contextlib.suppress(OSError):  # half a frame must not stand before whole ones
                    os.ftruncate(fd, segment.size)
                self._close_segment()
                raise
            segment.size += len(frames)
            self._end = segment.end
            return self._end

    def _begin_segment(self) -> int:
        path = self._folder / f"{self._end:020d}{_SUFFIX}"
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o600)
        if self._is_synced:
            folder_fd = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder_fd)
            finally:
                os.close(folder_fd)
        if self._segments and self._segments[-1].path == path:  # its first write failed
            self._segments.pop()
        self._segments.append(_Segment(path, self._end, 0))
        self._fd = fd
        return fd

    def _close_segment(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def _unwritten(error: Exception) -> Unavailable:
    return Unavailable(f"The journal cannot be written: {error.strerror if isinstance(error, OSError) else 'closed'}")


def _left_over(folder: Path) -> list[_Segment]:
    """Lists the segments an earlier process left; empty ones are deleted."""
    segments: list[_Segment] = []
    for path in sorted(folder.glob(f"*{_SUFFIX}")):
        size = path.stat().st_size
        if not size:
            path.unlink()
            continue
        segment = _Segment(path, int(path.stem), size)
        if segments and segments[-1].end > segment.start:  # a failed write left bytes that do not count
            segments[-1].size = segment.start - segments[-1].start
        segments.append(segment)
    return segments


def _write_whole(fd: int, data: bytes, *, is_synced: bool) -> None:
    if os.write(fd, data) != len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if is_synced:
        os.fdatasync(fd)


def _read_frame(header: bytes, file: BinaryIO, segment: _Segment, at: int) -> bytes | None:
    """Gives the payload of the frame at `at`, or None when the rest of the segment holds no whole one."""
    rest = segment.end - at - _HEADER.size
    length, checksum = _HEADER.unpack(header) if len(header) == _HEADER.size else (0, 0)
    if not 0 < length <= rest:
        log.warning("journal_tail_torn", segment=segment.path.name, skipped_bytes=segment.end - at)
        return None
    payload = file.read(length)
    if len(payload) != length or zlib.crc32(payload) != checksum:
        segment.is_damaged = True
        log.error("journal_entry_damaged", segment=segment.path.name, skipped_bytes=segment.end - at)
        return None
    return payload
