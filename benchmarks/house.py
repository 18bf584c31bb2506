"""A real Alcove process to measure: started as a person would, on a free port, with a data folder of its own."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx2

EMAIL = "bench@example.org"
PASSWORD = "a long sentence nobody else would choose"
_ALCOVE = (sys.executable, "-m", "alcove")


@dataclass
class House:
    """A running server.

    Attributes:
        process: Its first process.
        url: Where it answers.
        started_s: When it was begun, on `time.perf_counter`.
        ready_s: Seconds from there to its `ready` line.
        data_dir: Its data folder.
    """

    process: subprocess.Popen[str]
    url: str
    started_s: float
    ready_s: float
    data_dir: Path

    def new_key(self, *limits: str) -> str:
        """Makes an API key with the command line; `limits` are its options."""
        command = [*_ALCOVE, "keys", "create", "--user", EMAIL, "--name", "bench", *limits]
        made = subprocess.run(command, env=_environment(self.data_dir), stdout=subprocess.PIPE, text=True, check=True)
        return made.stdout.strip()

    def ask(self, key: str, question: str) -> httpx2.Response:
        """Asks the house's default model on the OpenAI face."""
        body = {"model": "alcove/reader", "messages": [{"role": "user", "content": question}]}
        headers = {"authorization": f"Bearer {key}"}
        return httpx2.post(f"{self.url}/v1/chat/completions", json=body, headers=headers, timeout=60).raise_for_status()


def _environment(data_dir: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ALCOVE_")}  # noqa: TID251
    return kept | {
        "ALCOVE_DATA_DIR": str(data_dir),
        "ALCOVE_SETUP__ADMIN_EMAIL": EMAIL,
        "ALCOVE_SETUP__ADMIN_PASSWORD": PASSWORD,
    }


@contextlib.contextmanager
def running_house(data_dir: Path, settings: Mapping[str, str] | None = None) -> Iterator[House]:
    """Starts Alcove, waits for its `ready` line, and stops it by signal at the end; `settings` are variables of its environment."""
    started_s = time.perf_counter()
    process = subprocess.Popen(
        [*_ALCOVE, "up", "--port", "0"],
        env=_environment(data_dir) | dict(settings or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield House(process, _wait_for_ready(process), started_s, time.perf_counter() - started_s, data_dir)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for_ready(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("ready "):
            return line.split()[1]
    msg = f"alcove ended with {process.wait()} before it was ready"
    raise SystemExit(msg)


@dataclass(frozen=True)
class Memory:
    """Memory of a process and all its descendants, in MB.

    Attributes:
        processes: How many there are.
        pss_mb: Proportional set size: shared pages counted once. The figure that adds up.
        rss_mb: Resident set size: shared pages counted in each process.
        private_mb: What would be free if they ended.
    """

    processes: int
    pss_mb: float
    rss_mb: float
    private_mb: float


def memory_of(pid: int) -> Memory:
    """Reads the memory of a process tree from /proc (Linux)."""
    pids = _tree(pid)
    totals = dict.fromkeys(("Pss", "Rss", "Private_Clean", "Private_Dirty"), 0)
    for each in pids:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for line in Path(f"/proc/{each}/smaps_rollup").read_text().splitlines()[1:]:
                name, amount = line.split(":")
                if name in totals:
                    totals[name] += int(amount.split()[0])
    private = totals["Private_Clean"] + totals["Private_Dirty"]
    return Memory(len(pids), totals["Pss"] / 1024, totals["Rss"] / 1024, private / 1024)


def cpu_s_of(pid: int) -> float:
    """Reads the CPU seconds that a process tree has used so far, ended children included (Linux)."""
    ticks = 0
    for each in _tree(pid):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(int(field) for field in fields[11:15])
    return ticks / os.sysconf("SC_CLK_TCK")


def _tree(pid: int) -> list[int]:
    found = [pid]
    for parent in found:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for task in Path(f"/proc/{parent}/task").iterdir():
                found.extend(int(child) for child in (task / "children").read_text().split())
    return found
