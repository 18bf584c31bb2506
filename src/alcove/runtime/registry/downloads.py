"""Fetches files: in parts at the same time, going on where an earlier process stopped, checked before they get their final name.

Who wants a file that is being fetched already joins in; the fetching ends when the last one leaves. What is here then is kept.
"""

import contextlib
import errno
import os
import random
import re
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field
from functools import partial

import anyio
import anyio.to_thread
import structlog

from alcove.infra.http import HttpClientError, Response
from alcove.kernel.errors import AlcoveError, InternalError, Unavailable, first_known
from alcove.runtime.catalog.checked import CheckedFiles
from alcove.runtime.catalog.digests import file_digest
from alcove.runtime.catalog.errors import DigestMismatch, DiskFull
from alcove.runtime.catalog.folder import ModelFolder
from alcove.runtime.registry.errors import RegistryError, RegistryUnreachable
from alcove.runtime.registry.partial import Part, PartialFile
from alcove.runtime.registry.ports import RemoteFile
from alcove.runtime.registry.settings import RegistrySettings
from alcove.runtime.registry.tasks import TransferTasks

log = structlog.get_logger(__name__)

_TELL_S = 0.06
_NOTE_BYTES = 4 << 20
_WRITE_BYTES = 1 << 20
_MAX_PAUSE_S = 60.0
_PARTIAL, _WHOLE = 206, 200
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Fetched:
    """How a fetching stands.

    Attributes:
        completed: Bytes that are here.
        total: Bytes in all.
        is_verifying: Whether all are here and being checked.
        digest: The file's digest, once it is known and right; empty before.
    """

    completed: int
    total: int
    is_verifying: bool = False
    digest: str = ""


class _NoRanges(Exception):
    """The server gives the whole file alone."""


@dataclass(slots=True)
class _Download:
    """One file that is being fetched."""

    file: RemoteFile
    folder: ModelFolder
    checked: CheckedFiles
    settings: RegistrySettings
    waiters: int = 0
    total: int = 0
    digest: str = ""
    error: AlcoveError | None = None
    is_verifying: bool = False
    done: anyio.Event = field(default_factory=anyio.Event)
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    kept: PartialFile = field(init=False)
    verified: int = 0

    def __post_init__(self) -> None:
        self.kept = PartialFile(self.folder.blobs / f"{self.file.key}-partial")

    def state(self) -> Fetched:
        return Fetched(
            completed=sum(each.completed for each in self.kept.parts),
            total=self.total,
            is_verifying=self.is_verifying,
            digest=self.digest,
        )

    async def run(self) -> None:
        try:
            with self.scope:
                await self._fetch()
        except AlcoveError as error:
            self.error = error
        except OSError as error:
            self.error = _disk_error(error, self.folder)
        except BaseExceptionGroup as failures:
            known = first_known(failures, OSError)
            if isinstance(known, OSError):
                self.error = _disk_error(known, self.folder)
            elif isinstance(known, AlcoveError):
                self.error = known
            else:
                self.error = InternalError()
                raise
        except BaseException:
            self.error = Unavailable("The pull was ended; pull again, and what is here already is kept.")
            raise
        finally:
            if not self.digest and self.error is None:
                self.error = Unavailable("The pull was ended; pull again, and what is here already is kept.")
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(self._close)
            self.done.set()

    def _close(self) -> None:
        try:
            for part in () if self.digest else self.kept.parts:
                if self.kept.path.exists():
                    self.kept.note(part)
        except OSError as error:
            log.warning("partial_download_not_noted", path=str(self.kept.path), reason=str(error))
        self.kept.close()

    async def _fetch(self) -> None:
        size = self.file.size
        if size is None:
            size = await self.file.origin.size()
        if size is None:
            detail = f"the length of {self.file.label or self.file.key} is not known; it cannot be fetched"
            raise RegistryError(detail)
        self.total = size
        await anyio.to_thread.run_sync(self._open, size)
        if bool(self.file.digest) and await anyio.to_thread.run_sync(self.folder.has, self.file.digest, size):
            self.digest = self.file.digest
            return
        try:
            await self._fetch_parts()
        except* _NoRanges:
            await anyio.to_thread.run_sync(self.kept.restart_whole)
            await self._fetch_part(self.kept.parts[0], is_whole=True)
        await self._finish()

    def _open(self, size: int) -> None:
        self.folder.need_room(size - self.kept.here(size))
        self.kept.open(size, parts=self.settings.parts, min_part_bytes=self.settings.min_part_bytes)

    async def _fetch_parts(self) -> None:
        limiter = anyio.CapacityLimiter(self.settings.parts)

        async def fetch(part: Part) -> None:
            async with limiter:
                await self._fetch_part(part)

        async with anyio.create_task_group() as group:
            for part in self.kept.parts:
                if part.completed < part.size:
                    group.start_soon(fetch, part)

    async def _fetch_part(self, part: Part, *, is_whole: bool = False) -> None:
        """Fetches a part, and asks again, for as long as new bytes come now and then."""
        failures = 0
        while part.completed < part.size:
            before = part.completed
            try:
                await self._ask(part, is_whole=is_whole)
            except (RegistryUnreachable, HttpClientError) as error:
                failures = failures + 1 if part.completed == before else 1
                if failures >= self.settings.attempts:
                    detail = (
                        f"the connection failed {failures} times in a row ({error}); "
                        "what is here already is kept: pull again to go on"
                    )
                    raise RegistryUnreachable(detail) from error
                log.info("part_asked_again", key=self.file.key, part=part.number, reason=str(error))
                if is_whole:
                    part.completed = 0
                pause_s = min(_MAX_PAUSE_S, self.settings.first_pause_s * 2 ** (failures - 1))
                await anyio.sleep(pause_s * random.uniform(0.75, 1.25))  # noqa: S311  so that parts do not come back as one

    async def _ask(self, part: Part, *, is_whole: bool) -> None:
        start = 0 if is_whole else part.at
        with await self.file.origin.open(start, None if is_whole else part.end) as response:
            if response.status in _PASSING:
                msg = f"status {response.status}"
                raise RegistryUnreachable(msg)
            if response.status == _WHOLE and not is_whole and (part.at > 0 or part.end < self.total):
                raise _NoRanges
            if response.status not in {_WHOLE, _PARTIAL}:
                detail = f"{self.file.label or self.file.key} cannot be fetched: the server answered {response.status}"
                raise RegistryError(detail)
            if response.status == _PARTIAL:
                self._check_range(response, part)
            await self._take(response, part)

    def _check_range(self, response: Response, part: Part) -> None:
        match = _CONTENT_RANGE.fullmatch(response.headers.get("content-range", ""))
        if match is None or int(match[1]) != part.at:
            detail = f"{self.file.label or self.file.key}: the server gives other bytes than it was asked for"
            raise RegistryError(detail)
        if match[3] != "*" and int(match[3]) != self.total:
            detail = (
                f"{self.file.label or self.file.key} has {match[3]} bytes there instead of {self.total}; "
                "the registry is damaged, or the file has changed: pull again"
            )
            raise RegistryError(detail)

    async def _take(self, response: Response, part: Part) -> None:
        noted = part.completed
        pieces: list[bytes] = []
        held = 0
        try:
            while part.completed + held < part.size:
                piece = await response.read_some()
                if not piece:
                    msg = "the answer ended before its end"
                    raise RegistryUnreachable(msg)
                pieces.append(piece)
                held += len(piece)
                if held >= _WRITE_BYTES:
                    await self._write(pieces, part)
                    pieces, held = [], 0
                if part.completed - noted >= _NOTE_BYTES:
                    noted = part.completed
                    await anyio.to_thread.run_sync(self.kept.note, part)
        finally:
            with anyio.CancelScope(shield=True):
                await self._write(pieces, part)
                await anyio.to_thread.run_sync(self.kept.note, part)

    async def _write(self, pieces: list[bytes], part: Part) -> None:
        data = b"".join(pieces)[: part.size - part.completed]  # servers may send more than was asked for
        if data:
            await anyio.to_thread.run_sync(self.kept.write, data, part)
            part.completed += len(data)

    async def _finish(self) -> None:
        self.is_verifying = True
        path = self.kept.path
        await anyio.to_thread.run_sync(self.kept.sync)
        found = await anyio.to_thread.run_sync(partial(file_digest, path, self._check_wanted), abandon_on_cancel=True)
        if self.file.digest and found != self.file.digest:
            await anyio.to_thread.run_sync(self.kept.remove)
            detail = (
                f"digest mismatch, file must be downloaded again: want {self.file.digest}, got {found}; "
                "the damaged download was removed"
            )
            raise DigestMismatch(detail)
        with anyio.CancelScope(shield=True):  # from here it is one step
            await anyio.to_thread.run_sync(self._take_in, found)

    def _check_wanted(self, length: int) -> None:
        self.verified += length
        if self.scope.cancel_called:
            msg = "nobody waits any more"
            raise InterruptedError(msg)

    def _take_in(self, digest: str) -> None:
        self.kept.close()
        blob = self.folder.take_in(self.kept.path, digest)
        self.kept.forget()
        self.checked.remember(blob, digest)
        self.digest = digest


@dataclass(frozen=True, kw_only=True, slots=True)
class Downloads:
    """Fetches files into a folder.

    Attributes:
        folder: Where they go.
        checked: Where it is noted that they were checked.
        settings: How they are fetched.
        tasks: Where the fetching runs.
    """

    folder: ModelFolder
    checked: CheckedFiles
    settings: RegistrySettings
    tasks: TransferTasks
    _running: dict[str, _Download] = field(default_factory=dict)

    async def fetch(self, file: RemoteFile) -> AsyncGenerator[Fetched, None]:
        """Fetches a file; tells how it stands, and last its digest. Close the generator to leave.

        Raises:
            DigestMismatch: When what came is not what it should be; it is removed.
            DiskFull: When there is no room.
            RegistryError: When it cannot be had.
        """
        async with self._joined(file) as download:
            last: Fetched | None = None
            while not download.done.is_set():
                now = download.state()
                if now != last and now.total:
                    last = now
                    yield now
                with anyio.move_on_after(_TELL_S):
                    await download.done.wait()
            if download.error is not None:
                raise download.error
            yield download.state()

    @contextlib.asynccontextmanager
    async def _joined(self, file: RemoteFile) -> AsyncIterator[_Download]:
        download = self._running.get(file.key)
        while download is not None and download.scope.cancel_called:  # everybody has left it, and it has not ended yet
            await download.done.wait()
            download = self._running.get(file.key)
        if download is None:
            download = _Download(file, self.folder, self.checked, self.settings)
            self._running[file.key] = download
            try:
                await self.tasks.start(partial(self._run, download), f"download {file.key}")
            except BaseException:
                del self._running[file.key]
                download.done.set()
                raise
        download.waiters += 1
        try:
            yield download
        finally:
            download.waiters -= 1
            if not download.waiters:
                download.scope.cancel()

    async def _run(self, download: _Download) -> None:
        try:
            await download.run()
        finally:
            self._running.pop(download.file.key, None)


def _disk_error(error: OSError, folder: ModelFolder) -> AlcoveError:
    if isinstance(error, InterruptedError):
        return Unavailable("The pull was ended; pull again, and what is here already is kept.")
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return DiskFull(f"the disk of {str(folder.root)!r} is full; what is here already is kept")
    return Unavailable(f"{str(folder.root)!r} cannot be written: {error.strerror or os.strerror(error.errno or 0)}")
