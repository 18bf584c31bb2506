"""Where the CPU time of an answer goes: by thread from /proc, and by function of the thread that holds the interpreter, from py-spy.

    python -m gateway.hotspots [--target alcove] [--model small] [--connections 16] [--seconds 10] [--raw FILE]      (in `benchmarks/`)

CPU time by thread is exact. The functions are samples taken while the thread held the interpreter's lock, so waiting is not in them; a
function's share is of all samples, with what it calls. `--raw` keeps the stacks, for a flame graph.
"""

import argparse
import collections
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from gateway.cases import MODELS, request
from gateway.peers import PEERS
from gateway.processes import Unavailable
from gateway.programs import CACHE, Load, answers_of, asking, upstream
from report import Row, show

_SHOWN = 45
_LEAST = 0.01


def py_spy() -> Path:
    """Gives py-spy, installed into an environment of its own."""
    program = CACHE / "py-spy" / "bin" / "py-spy"
    if not program.exists():
        try:
            subprocess.run([sys.executable, "-m", "venv", CACHE / "py-spy"], check=True)
            subprocess.run([CACHE / "py-spy" / "bin" / "pip", "install", "-q", "py-spy"], check=True)
        except subprocess.SubprocessError as error:
            msg = "py-spy cannot be installed"
            raise Unavailable(msg) from error
    return program


def thread_cpu_s(pid: int) -> dict[int, float]:
    """Gives the CPU seconds of each thread of a process."""
    found: dict[int, float] = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        fields = (task / "stat").read_text().rpartition(")")[2].split()
        found[int(task.name)] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return found


def thread_names(pid: int) -> dict[int, str]:
    """Gives the names of a process's Python threads by their ids of the system."""
    dump = subprocess.run([py_spy(), "dump", "--nonblocking", "-p", str(pid)], capture_output=True, text=True, check=False).stdout  # fmt: skip
    return {int(found[1]): found[2] for found in re.finditer(r'^Thread (\d+) \(.*?\): "(.*)"', dump, re.MULTILINE)}


def _kind(name: str) -> str:
    return re.sub(r"[-_ ]?\d+( |$)", " ", name).strip()


def main() -> int:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", choices=["alcove", "alcove-gateway", "bare", "litellm"], default="alcove")
    parser.add_argument("--model", choices=MODELS, default="small")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--raw", type=Path)
    arguments = parser.parse_args()
    is_streaming = arguments.model in {"burst", "paced"}
    try:
        with tempfile.TemporaryDirectory(prefix="bench-") as name, upstream(Path(name)) as mock:
            folder = Path(name)
            peer = PEERS[arguments.target]
            peer.install()
            with peer.start(folder, mock.port) as target:
                asked = [request(arguments.model, target.headers, is_streaming=is_streaming)]
                load = Load(port=target.port, requests=asked, connections=arguments.connections, seconds=arguments.seconds)  # fmt: skip
                with asking(folder, Load(port=target.port, requests=asked, connections=arguments.connections, seconds=2)) as process:  # fmt: skip
                    answers_of(process)
                before = thread_cpu_s(target.pid)
                with asking(folder, load) as process:
                    good = answers_of(process).good
                time.sleep(1)
                after, names = thread_cpu_s(target.pid), thread_names(target.pid)
                used: collections.Counter[str] = collections.Counter()
                for thread, seconds in after.items():
                    used[_kind(names.get(thread, "native"))] += round((seconds - before.get(thread, 0)) / good * 1e6)
                show(f"CPU µs an answer of `{arguments.model}`, by thread", [{"thread": kind, "µs": us} for kind, us in used.most_common() if us > 0])  # fmt: skip
                raw = arguments.raw or folder / "stacks.txt"
                with asking(folder, load) as process:
                    command = [py_spy(), "record", "--gil", "-r", "250", "-d", str(max(1, arguments.seconds - 2)), "-f", "raw", "--threads", "-o", raw, "-p", str(target.pid)]  # fmt: skip
                    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                    answers_of(process)
                shares(raw)
    except Unavailable as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def shares(raw: Path) -> None:
    """Prints the share of each function, with what it calls, those of interest only."""
    whole, total = collections.Counter[str](), 0
    for line in raw.read_text().splitlines():
        stack, _, count = line.rpartition(" ")
        total += int(count)
        for frame in {re.sub(r":\d+\)$", ")", frame) for frame in stack.split(";")}:
            whole[frame] += int(count)
    rows: list[Row] = [{"function": frame, "%": round(count / total * 100, 1)} for frame, count in whole.most_common(_SHOWN * 3) if count / total >= _LEAST]  # fmt: skip
    show(f"Share of {total:,} samples, with what it calls", rows)


if __name__ == "__main__":
    sys.exit(main())
