"""Memory over 200,000 requests, and 2,000 open idle streams in one process.

    python -m gateway.endure [--requests 200000] [--streams 2000] [--target alcove] [--longest-s 1800]      (in `benchmarks/`)

Memory is of the whole process tree, read every tenth of the way. What is kept on the first tenth (caches, pools, modules loaded on first
use) is no leak, so the growth is given from there on, with its slope for each 10,000 requests.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from gateway.cases import request
from gateway.peers import PEERS, Target
from gateway.processes import Unavailable
from gateway.programs import Load, answers_of, ask, asking, upstream
from house import cpu_s_of, memory_of
from report import Row, show

_PARTS = 10
_CONNECTIONS = 32


def many(folder: Path, target: Target, requests: int, longest_s: float) -> list[Row]:
    """Asks so often, three unary requests to a stream, and gives memory on the way."""
    asked = [request("small", target.headers, is_streaming=False)] * 3 + [request("burst", target.headers, is_streaming=True)]  # fmt: skip
    rows: list[Row] = []
    done, errors, until_s = 0, 0, time.monotonic() + longest_s
    first_mb = 0.0
    for part in range(_PARTS):
        left_s = max(1.0, until_s - time.monotonic())
        options = {"count": requests // _PARTS, "seed": part + 1}
        answers = ask(folder, Load(port=target.port, requests=asked, connections=_CONNECTIONS, seconds=left_s, options=options))  # fmt: skip
        done += answers.good
        errors += sum(answers.errors.values())
        memory = memory_of(target.pid)
        first_mb = first_mb or memory.pss_mb
        rows.append({
            "requests": done, "errors": errors, "PSS MB": round(memory.pss_mb, 1), "RSS MB": round(memory.rss_mb, 1),
            "grown MB": round(memory.pss_mb - first_mb, 1),
            "kB for 10,000 more": round((memory.pss_mb - first_mb) * 1024 / max(1, done - rows[0]["requests"] if rows else 1) * 10_000, 1) if part else 0.0,  # type: ignore[operator]  # whole numbers
        })  # fmt: skip
        print(f"  {rows[-1]}", flush=True)
        if time.monotonic() > until_s:
            break
    return rows


def idle(folder: Path, target: Target, streams: int) -> Row:
    """Opens so many streams that say one event and then nothing; gives what holding them costs, and what goes on beside them."""
    before = memory_of(target.pid)
    hold_s = max(20.0, streams / 50)
    held = Load(port=target.port, requests=[request("idle", target.headers, is_streaming=True)], connections=streams, seconds=hold_s, options={"hold": 1})  # fmt: skip
    with asking(folder, held, name="hold") as process:
        time.sleep(hold_s - 8)
        during, cpu_before_s = memory_of(target.pid), cpu_s_of(target.pid)
        time.sleep(3)
        cpu_percent = (cpu_s_of(target.pid) - cpu_before_s) / 3 * 100
        small = request("small", target.headers, is_streaming=False)
        beside = ask(folder, Load(port=target.port, requests=[small], connections=1, seconds=2))
        answers = answers_of(process)
    return {
        "asked for": streams, "held": int(answers["held"]), "PSS MB before": round(before.pss_mb, 1), "PSS MB during": round(during.pss_mb, 1),
        "kB each": round((during.pss_mb - before.pss_mb) * 1024 / max(1, streams), 1), "CPU % idle": round(cpu_percent, 1),
        "p50 ms beside": beside["p50_ms"], "first event p99 ms": answers["first_p99_ms"], "errors": sum(answers.errors.values()) + sum(beside.errors.values()),
    }  # fmt: skip


def main() -> int:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=200_000)
    parser.add_argument("--streams", type=int, default=2_000)
    parser.add_argument("--target", choices=list(PEERS), default="alcove")
    parser.add_argument("--longest-s", type=float, default=1800, help="for all requests together; fewer are made if it is over before")  # fmt: skip
    arguments = parser.parse_args()
    peer = PEERS[arguments.target]
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True)
    try:
        peer.install()
        with tempfile.TemporaryDirectory(prefix="bench-") as name, upstream(Path(name)) as mock:
            folder = Path(name)
            with peer.start(folder, mock.port) as target:
                if arguments.streams:
                    show(f"{peer.name}: open idle streams", [idle(folder, target, arguments.streams)])
                if arguments.requests:
                    show(f"{peer.name}: memory over requests", many(folder, target, arguments.requests, arguments.longest_s))  # fmt: skip
    except Unavailable as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
