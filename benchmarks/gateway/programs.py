"""The mock upstream and the load client: two small C programs, compiled on first use, so that neither is what is measured."""

import contextlib
import hashlib
import json
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.processes import LOAD_CORE, Launch, Unavailable, ready_line, running

FOLDER = Path(__file__).parent
CACHE = Path.home() / ".cache" / "alcove-bench"


def compiled(name: str) -> Path:
    """Gives a program of this folder, compiled if its source is new.

    Raises:
        Unavailable: When there is no C compiler.
    """
    source = FOLDER / f"{name}.c"
    program = CACHE / f"{name}-{hashlib.sha256(source.read_bytes()).hexdigest()[:12]}"
    if not program.exists():
        compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
        if compiler is None:
            msg = (
                "this benchmark needs a C compiler for its mock upstream and load client (Debian: apt-get install gcc)"
            )
            raise Unavailable(msg)
        CACHE.mkdir(parents=True, exist_ok=True)
        subprocess.run([compiler, "-O2", "-o", program, source], check=True)
    return program


@dataclass(frozen=True)
class Upstream:
    """The running mock.

    Attributes:
        port: Where it listens, on the loopback.
        pid: Its process.
    """

    port: int
    pid: int

    def stats(self) -> dict[str, int]:
        """Gives what it has done: requests, streams, and answers by fault."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/stats", timeout=10) as answer:
            found: dict[str, int] = json.load(answer)
        return found


@contextlib.contextmanager
def upstream(folder: Path, *, seed: int = 1, faults: str = "", core: int = LOAD_CORE) -> Iterator[Upstream]:
    """Starts the mock; `faults` as `slow=0.02,429=0.02`, for the model `faulty`."""
    log = folder / "mock.log"
    launch = Launch(command=[compiled("mock"), "0", str(seed), faults or "none=1"], core=core, log=log)
    with running(launch) as process:
        yield Upstream(int(ready_line(process, log)), process.pid)


@dataclass(frozen=True, kw_only=True)
class Load:
    """What to ask, and how hard.

    Attributes:
        port: Of the target, on the loopback.
        requests: Whole HTTP requests; each time one is taken by chance.
        connections: How many ask at a time.
        seconds: How long.
        options: More of the client's options, as `count`, `seed`, `leave`, `hold`, `deadline`.
    """

    port: int
    requests: Sequence[bytes]
    connections: int
    seconds: float
    options: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Answers:
    """What the load client saw; times in ms."""

    figures: dict[str, Any]

    @property
    def good(self) -> int:
        """Whole and right answers."""
        return int(self.figures["good"])

    @property
    def errors(self) -> dict[str, int]:
        """Gives what went wrong, by kind."""
        kinds = {name: self.figures[name] for name in ("malformed", "cut", "timeout", "refused")}
        kinds |= {f"status {code}": count for code, count in self.figures["statuses"].items()}
        return {name: count for name, count in kinds.items() if count}

    def __getitem__(self, name: str) -> float:
        return float(self.figures[name])


@contextlib.contextmanager
def asking(folder: Path, load: Load, *, name: str = "load", core: int = LOAD_CORE) -> Iterator["subprocess.Popen[str]"]:
    """Starts the load client; `answers_of` waits for its end."""
    files = []
    for place, request in enumerate(load.requests):
        files.append(folder / f"{name}-{place}.http")
        files[-1].write_bytes(request)
    options = [f"{option}={value:g}" if value < 1e6 else f"{option}={value:.0f}" for option, value in load.options.items()]  # fmt: skip
    command: list[str | Path] = [
        compiled("load"),
        str(load.port),
        str(load.connections),
        str(load.seconds),
        *options,
        *files,
    ]
    with running(Launch(command=command, core=core, log=folder / f"{name}.log")) as process:
        yield process


def answers_of(process: "subprocess.Popen[str]") -> Answers:
    """Waits until the load client has ended, and gives what it saw."""
    assert process.stdout is not None
    text = process.stdout.read()
    if process.wait():
        msg = f"the load client ended with {process.returncode}"
        raise RuntimeError(msg)
    return Answers(json.loads(text))


def ask(folder: Path, load: Load) -> Answers:
    """Runs the load client to its end."""
    with asking(folder, load) as process:
        return answers_of(process)
