"""The parent's side of a child process: starts it, keeps its last words, notices its end at once, and ends it."""

import asyncio
import contextlib
import fcntl
import json
import os
import shutil
import signal
import sys
import tempfile
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import anyio
import anyio.to_thread
import structlog

from alcove.runtime.engine.plan import ENVIRONMENT, child_line
from alcove.runtime.errors import ModelFailed
from alcove.runtime.gguf import read_header
from alcove.runtime.models import ModelFiles, RunnerPlan, RuntimeSettings

log = structlog.get_logger(__name__)

_CHILD = Path(__file__).with_name("child.py")
_FOLDERS = "alcove-run-"
_LOCK = "lock"
_KEPT_CHECKS = 1000
_KEPT_LINES = 60
_LINE_BYTES = 500
_SHOWN_LINES = 8
_ANSWER_BYTES = 1 << 16
_LAST_WORDS_S = 0.2
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class _Child(asyncio.SubprocessProtocol):
    """What the event loop tells of a child."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.answer: asyncio.Future[bytes] = loop.create_future()
        self.ended: asyncio.Future[None] = loop.create_future()
        self.lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self._said = b""
        self._line = b""
        self._transport: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the transport."""
        self._transport = transport

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """Takes what the child wrote: its answer, or a line for the ring."""
        if fd == 1:
            self._said = (self._said + data)[:_ANSWER_BYTES]
            if b"\n" in self._said and not self.answer.done():
                self.answer.set_result(self._said.split(b"\n", 1)[0])
            return
        *whole, self._line = (self._line + data).split(b"\n")
        self._line = self._line[:_LINE_BYTES]
        self.lines.extend(each[:_LINE_BYTES].decode("utf-8", "replace").rstrip() for each in whole if each.strip())

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  the protocol's signature
        """Notes that the child is gone and all it wrote has been read."""
        if self._line.strip():
            self.lines.append(self._line.decode("utf-8", "replace").rstrip())
            self._line = b""
        if not self.answer.done():
            self.answer.set_result(b"")
        if not self.ended.done():
            self.ended.set_result(None)
        if self._transport is not None:
            self._transport.close()

    def process_exited(self) -> None:
        """Notes the end: what it wrote last is still on its way, but not waited for long."""
        asyncio.get_running_loop().call_later(_LAST_WORDS_S, self.connection_lost, None)


@dataclass(frozen=True, slots=True)
class ProcessRunner:
    """A child process that serves a model."""

    socket: Path
    grace_s: float
    _child: _Child = field(repr=False)
    _transport: asyncio.SubprocessTransport = field(repr=False)

    @property
    def pid(self) -> int:
        """Its process."""
        return self._transport.get_pid() or 0

    @property
    def stderr(self) -> Sequence[str]:
        """The last lines it wrote."""
        return tuple(self._child.lines)

    def memory_bytes(self) -> int:
        """Gives the memory it holds, the mapped weights among it; 0 once it is gone."""
        try:
            return int(Path(f"/proc/{self.pid}/statm").read_bytes().split()[1]) * _PAGE_BYTES
        except (OSError, ValueError, IndexError):
            return 0

    def cpu_s(self) -> float:
        """Gives the processor's seconds it has used; 0 once it is gone."""
        try:
            fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="latin-1").rsplit(")", 1)[1].split()
            return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S
        except (OSError, ValueError, IndexError):
            return 0.0

    async def wait(self) -> str:
        """Waits for its end; gives how it came, in words."""
        await asyncio.shield(self._child.ended)
        return how_it_ended(self._transport.get_returncode())

    async def stop(self) -> None:
        """Ends it: closes its standard input, and after a while kills it."""
        with anyio.CancelScope(shield=True):
            await _end(self._child, self._transport, self.grace_s)
        with contextlib.suppress(OSError):
            os.unlink(self.socket)  # noqa: PTH108  one call, without a thread's worth of waiting


@dataclass(slots=True)
class ProcessEngine:
    """Runs models in child processes.

    Attributes:
        settings: The room's settings.
        root: A folder that only its owner may enter, for the sockets.
    """

    settings: RuntimeSettings
    root: Path
    _lock: int = -1
    _number: int = 0
    _checked: dict[tuple[str, int, int, int], None] = field(default_factory=dict)

    @classmethod
    def open(cls, settings: RuntimeSettings) -> "ProcessEngine":
        """Gives an engine with a fresh folder: short, since a socket's path may have 107 bytes.

        The folder holds a lock for as long as its engine is open; those whose lock nobody holds are left from one that was killed, and removed.
        """
        for left in Path(tempfile.gettempdir()).glob(f"{_FOLDERS}*"):
            lock = _locked(left)
            if lock is not None:
                shutil.rmtree(left, ignore_errors=True)
                os.close(lock)
        root = Path(tempfile.mkdtemp(prefix=_FOLDERS))
        (root / _LOCK).touch(mode=0o600)
        lock = _locked(root)
        return cls(settings, root, -1 if lock is None else lock)

    def close(self) -> None:
        """Removes the folder."""
        shutil.rmtree(self.root, ignore_errors=True)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    async def can_offload(self) -> bool:
        """Tells whether the engine was built for a GPU, and finds one."""
        command = [sys.executable, "-I", str(_CHILD), "--devices"]
        done = await anyio.run_process(command, check=False, env=ENVIRONMENT, cwd=str(self.root))
        return bool(_parsed(done.stdout).get("devices"))

    async def start(self, plan: RunnerPlan) -> ProcessRunner:
        """Starts a model; returns when it can be asked.

        Raises:
            BadModelFile: When a file of it would not do.
            ModelFailed: When it did not start; with its last lines.
        """
        await anyio.to_thread.run_sync(self._check, plan.model.files)
        self._number += 1
        socket = self.root / f"{self._number}.sock"
        line = child_line(
            plan,
            socket,
            cache_type=self.settings.cache_type,
            limit_address_space=self.settings.limit_address_space,
        )
        transport, child = await asyncio.get_running_loop().subprocess_exec(
            _Child,
            sys.executable,
            "-I",
            str(_CHILD),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=ENVIRONMENT,
            cwd=str(self.root),
        )
        try:
            cast("asyncio.WriteTransport", transport.get_pipe_transport(0)).write(line)
            await self._ready(plan, child, transport)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await _end(child, transport, 0.0)
            raise
        return ProcessRunner(socket, self.settings.stop_grace_s, child, transport)

    def _check(self, files: ModelFiles) -> None:
        """Reads the headers of a model's files; one that was read and has not changed since is not read again."""
        for path in (files.weights, *([files.projector] if files.projector else []), *files.adapters):
            try:
                stat = path.stat()
                mark = (str(path), stat.st_ino, stat.st_size, stat.st_mtime_ns)
            except OSError:
                mark = None
            if mark is None or mark not in self._checked:
                read_header(path)
            if mark is not None:
                self._checked[mark] = None
                while len(self._checked) > _KEPT_CHECKS:
                    del self._checked[next(iter(self._checked))]

    async def _ready(self, plan: RunnerPlan, child: _Child, transport: asyncio.SubprocessTransport) -> None:
        name = plan.model.name
        try:
            async with asyncio.timeout(self.settings.load_timeout_s):
                answer = await asyncio.shield(child.answer)
        except TimeoutError:
            msg = f"{name!r} was not loaded within {self.settings.load_timeout_s:g} s."
            raise ModelFailed(msg, stderr=tuple(child.lines)) from None
        said = _parsed(answer)
        if said.get("state") == "ready":
            return
        await asyncio.shield(child.ended)
        how = str(said.get("detail", "")) or how_it_ended(transport.get_returncode())
        weights = plan.model.files.weights
        last = tuple(each.replace(str(weights), name).replace(str(weights.parent), "…") for each in child.lines)
        shown = " / ".join(last[-_SHOWN_LINES:])
        msg = f"{name!r} could not be loaded: {how}" + (f" Its last lines: {shown}" if shown else "")
        log.warning("model_failed", model=name, how=how)
        raise ModelFailed(msg, stderr=last)


def _locked(folder: Path) -> int | None:
    """Takes the lock of a folder of ours; None when it is held, or is not ours."""
    try:
        lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        return None
    return lock


async def _end(child: _Child, transport: asyncio.SubprocessTransport, grace_s: float) -> None:
    if transport.get_returncode() is None:
        stdin = transport.get_pipe_transport(0)
        if stdin is not None:
            stdin.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace_s):
                await asyncio.shield(child.ended)
    if transport.get_returncode() is None:
        with contextlib.suppress(ProcessLookupError):
            transport.kill()
        await asyncio.shield(child.ended)
    transport.close()


def how_it_ended(code: int | None) -> str:
    """Gives in words how a process ended."""
    if code is None:
        return "its process has ended."
    if code >= 0:
        return f"its process ended with status {code}."
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    why = " (perhaps for want of memory)" if -code == signal.SIGKILL else ""
    return f"its process was ended by {name}{why}."


def _parsed(answer: bytes) -> dict[str, object]:
    try:
        said = json.loads(answer or b"{}")
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}
