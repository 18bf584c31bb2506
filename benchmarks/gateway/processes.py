"""Starts, pins, measures and ends the processes of a run. Each is ended by its own id."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

CORES = sorted(os.sched_getaffinity(0))
LOAD_CORE = CORES[0]
"""Where the mock upstream and the load client run."""
TARGET_CORE = CORES[-1]
"""Where the measured process runs, alone but for what else the machine does."""

_STOP_S = 15


class Unavailable(Exception):
    """Something that a run wants is not on this machine; the text says what."""


@dataclass(frozen=True, kw_only=True)
class Launch:
    """How to start a process.

    Attributes:
        command: Program and arguments.
        core: The core it and its children stay on.
        log: File for what it says.
        env: Added to the environment; a value of None takes the variable away.
        cwd: Folder to start it in.
        is_read: Whether its standard output is read here; else it goes to the log too.
    """

    command: Sequence[str | Path]
    core: int
    log: Path
    env: Mapping[str, str | None] | None = None
    cwd: Path | None = None
    is_read: bool = True


@contextlib.contextmanager
def running(launch: Launch) -> Iterator[subprocess.Popen[str]]:
    """Runs a process on one core until the block ends. Settings of Alcove in the environment are not handed on."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("ALCOVE_")}  # noqa: TID251
    for name, value in (launch.env or {}).items():
        env.pop(name, None)
        if value is not None:
            env[name] = value
    with launch.log.open("ab") as log:
        process = subprocess.Popen(
            ["taskset", "-c", str(launch.core), *map(str, launch.command)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE if launch.is_read else log, stderr=log, text=True, env=env, cwd=launch.cwd,
        )  # fmt: skip
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def ready_line(process: subprocess.Popen[str], log: Path) -> str:
    """Waits for a line `ready X` and gives X.

    Raises:
        Unavailable: When the process ends before; with the end of its log.
    """
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("ready "):
            return line.split()[1]
    msg = f"ended with {process.wait()} before it was ready: {_end_of(log)}"
    raise Unavailable(msg)


def wait_for_port(process: subprocess.Popen[str], port: int, log: Path, timeout_s: float = 120) -> None:
    """Waits until something listens there.

    Raises:
        Unavailable: When the process ends or the time is over.
    """
    until_s = time.monotonic() + timeout_s
    while time.monotonic() < until_s:
        if process.poll() is not None:
            msg = f"ended with {process.returncode} before it was ready: {_end_of(log)}"
            raise Unavailable(msg)
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.2)
    msg = f"not ready after {timeout_s:.0f} s: {_end_of(log)}"
    raise Unavailable(msg)


def free_port() -> int:
    """Gives a port of the loopback nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _end_of(log: Path) -> str:
    return " ".join(log.read_text(errors="replace").split())[-300:]
