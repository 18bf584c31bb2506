"""Ten minutes of traffic with faults: the upstream is slow, refuses, breaks, cuts, stalls and lies, and clients leave in mid-answer.

    python -m gateway.soak [--seconds 600] [--connections 24] [--seed 1] [--target alcove] [--faults slow=0.02,429=0.02,…]     (in `benchmarks/`)

Faults are drawn from a seed and strike one model only, so the others show whether the harm spreads: their errors must be none. Given are answers
and errors by kind, memory at start and end, and the budget error: what the usage rows cost together less what the budget counter says was
spent, and the tokens of the usage rows beside those that the upstream's answers claimed.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from gateway.cases import PRICED, request
from gateway.ledger import Ledger
from gateway.peers import PEERS, Target
from gateway.processes import Unavailable
from gateway.programs import Answers, Load, Upstream, answers_of, asking, upstream
from house import cpu_s_of, memory_of
from report import Row, show

FAULTS = "slow=0.02,429=0.02,500=0.02,cut=0.02,stall=0.005,malformed=0.02"
_LEAVE = 0.05
_DEADLINE_S = 30
_SAMPLE_S = 10
_SETTLE_S = 8


def loads(target: Target, arguments: argparse.Namespace) -> dict[str, Load]:
    """Gives who asks: some a faulty model, some a sound one, some sound ones that leave early."""
    small, stream = (request(PRICED, target.headers, is_streaming=each) for each in (False, True))
    faulty = [request("faulty", target.headers, is_streaming=each) for each in (False, True)]
    burst = request("burst", target.headers, is_streaming=True)
    paced = request("paced", target.headers, is_streaming=True)
    share = max(1, arguments.connections // 3)
    options = {"seed": arguments.seed, "deadline": _DEADLINE_S}
    return {
        "faulty model": Load(port=target.port, requests=faulty, connections=share, seconds=arguments.seconds, options=options),
        "sound model": Load(port=target.port, requests=[small, stream], connections=share, seconds=arguments.seconds, options=options),
        "clients that leave": Load(port=target.port, requests=[burst, paced], connections=share, seconds=arguments.seconds, options={**options, "leave": _LEAVE}),
    }  # fmt: skip


def row(name: str, answers: Answers) -> Row:
    """Gives what those saw."""
    errors = answers.errors
    known = (
        "status 429",
        "status 500",
        "status 502",
        "status 503",
        "status 504",
        "malformed",
        "cut",
        "timeout",
        "refused",
    )
    return {
        "who": name, "good": answers.good, "left": int(answers["left"]), **{kind: errors.pop(kind, 0) for kind in known},
        "other": sum(errors.values()), "p50 ms": answers["p50_ms"], "p99 ms": answers["p99_ms"],
    }  # fmt: skip


def soak(folder: Path, target: Target, mock: Upstream, arguments: argparse.Namespace) -> None:
    """Runs it and prints."""
    ledger = Ledger(target)
    began, cpu_s = memory_of(target.pid), cpu_s_of(target.pid)
    highest_mb = began.pss_mb
    started_s = time.monotonic()
    asked = loads(target, arguments)
    seen: dict[str, Answers] = {}
    names = iter(asked.items())

    def with_next() -> None:
        nonlocal highest_mb
        try:
            name, load = next(names)
        except StopIteration:
            while time.monotonic() - started_s < arguments.seconds:
                time.sleep(min(_SAMPLE_S, max(0.1, arguments.seconds - (time.monotonic() - started_s))))
                memory = memory_of(target.pid)
                highest_mb = max(highest_mb, memory.pss_mb)
                print(f"  {time.monotonic() - started_s:5.0f} s  PSS {memory.pss_mb:.1f} MB", flush=True)
            return
        with asking(folder, load, name=name.replace(" ", "-")) as process:
            with_next()
            seen[name] = answers_of(process)

    with_next()
    time.sleep(_SETTLE_S)  # what is written off the path
    ended = memory_of(target.pid)
    show("Soak: answers and errors by kind", [row(name, seen[name]) for name in asked])
    show("Soak: what the upstream did", [{"what": name, "answers": count} for name, count in mock.stats().items()])
    memory: Row = {
        "seconds": round(time.monotonic() - started_s - _SETTLE_S, 0), "PSS MB at start": round(began.pss_mb, 1), "highest": round(highest_mb, 1),
        "at end": round(ended.pss_mb, 1), "CPU s": round(cpu_s_of(target.pid) - cpu_s, 1),
    }  # fmt: skip
    show("Soak: memory", [memory])
    show("Soak: the books", ledger.rows(sum(each.good for each in seen.values())))


def main() -> int:
    """Runs the soak."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--connections", type=int, default=24, help="of all clients together, up to 1,000")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--target", choices=list(PEERS), default="alcove")
    parser.add_argument("--faults", default=FAULTS)
    arguments = parser.parse_args()
    arguments.connections = min(arguments.connections, 1000)
    peer = PEERS[arguments.target]
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True)
    try:
        peer.install()
        with tempfile.TemporaryDirectory(prefix="bench-") as name:
            folder = Path(name)
            with upstream(folder, seed=arguments.seed, faults=arguments.faults) as mock, peer.start(folder, mock.port) as target:  # fmt: skip
                soak(folder, target, mock, arguments)
    except Unavailable as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
