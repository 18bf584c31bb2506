"""Parses files in limited processes, so that no file can harm or stall the server.

A bounded number of warm processes (see `child`) take one file at a time; each file is parsed in a fork of its own. A parse
that passes its deadline, or whose caller goes away, is killed with its process, and the next file gets a new one.
"""

import json
import os
import signal
import sys
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from subprocess import DEVNULL
from types import TracebackType
from typing import Final, Self

import anyio
import anyio.to_thread
import structlog
from anyio.abc import ByteReceiveStream, Process
from anyio.streams.buffered import BufferedByteReceiveStream
from pydantic import BaseModel, ValidationError

from alcove.kernel.errors import AlcoveError, InternalError, Unavailable
from alcove.knowledge.parsing.errors import BY_CODE, DamagedDocument, ParseLimit
from alcove.knowledge.parsing.models import MEDIA_TYPES, PageSpan, ParsedDocument, ParseLimits, Section

_COMMAND: Final = (sys.executable, "-I", "-m", "alcove.knowledge.parsing.child")
_ENVIRONMENT: Final = {"LANG": "C.UTF-8"}  # all that the process gets to know
_START_TIMEOUT_S: Final = 30.0
_STOP_TIMEOUT_S: Final = 5.0
_MAX_LINE: Final = 200
_BIG_ANSWER: Final = 200_000  # bytes of JSON from which decoding would hold the event loop up

_log = structlog.stdlib.get_logger(__name__)


class _Ended(Exception):
    """The process has ended, or does not speak as agreed."""


class _Error(BaseModel):
    code: str
    detail: str


class _Document(BaseModel):
    text: str
    pages: list[tuple[int, int, int]]
    sections: list[tuple[int, int, tuple[str, ...]]]
    media_type: str
    page_count: int | None
    warnings: tuple[str, ...]
    title: str | None


class _Answer(BaseModel):
    document: _Document | None = None
    error: _Error | None = None
    crash: str | None = None


class _Head(BaseModel):
    status: int
    size: int


class _Child:
    """One warm process."""

    def __init__(self, process: Process, stdout: ByteReceiveStream) -> None:
        self._process = process
        self._stdout = BufferedByteReceiveStream(stdout)

    @classmethod
    async def start(cls) -> Self:
        """Start a process and wait until it is ready.

        Raises:
            Unavailable: It does not start.
        """
        process = await anyio.open_process(_COMMAND, stderr=DEVNULL, env=_ENVIRONMENT, cwd="/", start_new_session=True)
        if process.stdout is None or process.stdin is None:  # pragma: no cover - both are pipes by default
            raise InternalError
        child = cls(process, process.stdout)
        is_ready = False
        try:
            with anyio.move_on_after(_START_TIMEOUT_S):
                is_ready = await child._line() == b"ready"
        except _Ended:
            pass
        finally:
            if not is_ready:
                await child.stop()
        if not is_ready:
            message = "The process that reads documents does not start; the server's log and `alcove doctor` say more."
            raise Unavailable(message)
        return child

    async def ask(self, path: Path, *, name: str, limits: ParseLimits) -> tuple[int, bytes]:
        """Have one file parsed; gives the wait status of its process and its answer.

        Raises:
            _Ended: This process is gone.
        """
        request = json.dumps({"path": str(path), "name": name, "limits": asdict(limits)})
        stdin = self._process.stdin
        try:
            if stdin is not None:
                await stdin.send(request.encode() + b"\n")
            head = _Head.model_validate_json(await self._line())
            if not 0 <= head.size <= limits.answer_bytes:
                raise _Ended
            return head.status, await self._stdout.receive_exactly(head.size) if head.size else b""
        except (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.IncompleteRead, ValidationError) as error:
            raise _Ended from error

    async def _line(self) -> bytes:
        try:
            return await self._stdout.receive_until(b"\n", _MAX_LINE)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.IncompleteRead, anyio.EndOfStream) as error:
            raise _Ended from error
        except anyio.DelimiterNotFound as error:
            raise _Ended from error

    async def stop(self) -> None:
        """Kill the process and the parse it is at."""
        with anyio.CancelScope(shield=True), anyio.move_on_after(_STOP_TIMEOUT_S):
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            await self._process.aclose()


class Parsers:
    """Parses documents in at most `size` limited processes at a time; close it with the server."""

    def __init__(self, *, size: int = 2, limits: ParseLimits | None = None) -> None:
        """Nothing is started before the first file comes.

        Args:
            size: How many files may be parsed at once; more wait for their turn.
            limits: What a file may cost where `parse` is not told.
        """
        self._limits = limits or ParseLimits()
        self._slots = anyio.Semaphore(size)
        self._idle: list[_Child] = []
        self._is_closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Stop the processes; parses in flight end theirs themselves."""
        self._is_closed = True
        while self._idle:
            await self._idle.pop().stop()

    async def parse(self, path: Path, *, name: str, limits: ParseLimits | None = None) -> ParsedDocument:
        """The document in a file.

        Args:
            path: Where the file lies.
            name: What its owner calls it, for telling Markdown from text and for messages.
            limits: What it may cost.

        Raises:
            AlcoveError: Why it cannot be read (see `parsing.errors`), by class and `code`.
            Unavailable: The parsing process cannot be started.
        """
        limits = limits or self._limits
        if not await anyio.Path(path).is_file():
            message = f"The stored file of {name!r} is missing."
            raise InternalError(message)
        async with self._slots:
            status, answer = await self._ask(path, name=name, limits=limits)
        return await _understand(status, answer, name=name, limits=limits)

    async def _ask(self, path: Path, *, name: str, limits: ParseLimits) -> tuple[int, bytes]:
        while self._idle:
            try:
                return await self._ask_one(self._idle.pop(), path, name=name, limits=limits)
            except _Ended:  # it was killed while it waited
                continue
        try:
            return await self._ask_one(await _Child.start(), path, name=name, limits=limits)
        except _Ended as error:
            message = "The process that reads documents ended unexpectedly; try again."
            raise Unavailable(message) from error

    async def _ask_one(self, child: _Child, path: Path, *, name: str, limits: ParseLimits) -> tuple[int, bytes]:
        answer: tuple[int, bytes] | None = None
        try:
            with anyio.move_on_after(limits.wall_s):
                answer = await child.ask(path, name=name, limits=limits)
        finally:
            if answer is None or self._is_closed:
                await child.stop()
            else:
                self._idle.append(child)
        if answer is None:
            message = f"Reading {name!r} took longer than {limits.wall_s:g} s; split it into smaller files."
            raise ParseLimit(message)
        return answer


async def parse(path: Path, *, name: str, limits: ParseLimits | None = None) -> ParsedDocument:
    """Parse one file in a process started for it alone; a server keeps a `Parsers` instead."""
    async with Parsers(size=1) as parsers:
        return await parsers.parse(path, name=name, limits=limits)


async def _understand(status: int, data: bytes, *, name: str, limits: ParseLimits) -> ParsedDocument:
    """The document in an answer, or the error that it tells of."""
    code = os.waitstatus_to_exitcode(status)
    if code != 0:
        raise _crash(code, name, limits)
    try:
        if len(data) < _BIG_ANSWER:
            return _document(_Answer.model_validate_json(data), name)
        return _document(await anyio.to_thread.run_sync(_Answer.model_validate_json, data), name)
    except ValidationError as error:
        _log.warning("parser_answer_malformed", size_bytes=len(data))
        raise _unreadable(name) from error


def _document(answer: _Answer, name: str) -> ParsedDocument:
    if answer.error is not None:
        kind: type[AlcoveError] = BY_CODE.get(answer.error.code, DamagedDocument)
        raise kind(answer.error.detail)
    found = answer.document
    if found is None:
        _log.warning("parser_failed", where=answer.crash)
        raise _unreadable(name)
    spans = [(start, end) for _, start, end in found.pages] + [(start, end) for start, end, _ in found.sections]
    if found.media_type not in MEDIA_TYPES or not all(0 <= start <= end <= len(found.text) for start, end in spans):
        _log.warning("parser_answer_malformed")
        raise _unreadable(name)
    return ParsedDocument(
        text=found.text,
        pages=tuple(PageSpan(page=page, start=start, end=end) for page, start, end in found.pages),
        sections=tuple(Section(start=start, end=end, headings=path) for start, end, path in found.sections),
        media_type=found.media_type,
        page_count=found.page_count,
        warnings=found.warnings,
        title=found.title,
    )


def _unreadable(name: str) -> DamagedDocument:
    message = (
        f"{name!r} could not be read; it seems to be damaged. Save it again in its own program and upload the copy."
    )
    return DamagedDocument(message)


def _crash(code: int, name: str, limits: ParseLimits) -> AlcoveError:
    """What the end of a parsing process by a signal means (`code` is the negative signal)."""
    _log.warning("parser_process_died", signal=-code if code < 0 else None, exit_code=code)
    if code == -signal.SIGXCPU:
        message = f"Reading {name!r} took more than {limits.cpu_s} s of processor time; split it into smaller files."
        return ParseLimit(message)
    megabytes = limits.memory_bytes >> 20
    message = (
        f"Reading {name!r} failed: it needs more than {megabytes:,} MiB of memory or is damaged. "
        "Split it into smaller files, or save it again in its own program and upload the copy."
    )
    return ParseLimit(message)
