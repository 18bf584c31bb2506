"""The gateway beside its peers: the same requests, from the same client, to the same mock upstream, through each of them in one run.

    make bench ARGS="gateway"          or in `benchmarks/`: python -m gateway [--quick] [--only alcove,nginx] [--rounds 3] [--seconds 3]

The mock upstream and the load client are C programs on one core, the target has the other to itself. "a second" is what the client
saw and suffers when the machine has other work; **CPU µs an answer** is the process tree's own time from /proc and does not, so 1,000,000
divided by it is what one core gives. Of several rounds the best is kept: the least disturbed one. Every answer is checked (status, framing,
`[DONE]`); a row with errors says so. Times are of the whole answer for unary requests, of the first event for streams.
"""

import argparse
import os
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from gateway.cases import CASES, Case, request
from gateway.peers import PEERS, Target
from gateway.processes import Unavailable
from gateway.programs import Answers, Load, ask, upstream
from house import cpu_s_of, memory_of
from report import Row, show

_WARM_S = 0.7
_NONE = "-"


@dataclass(frozen=True)
class Figure:
    """What one case gave at one number of connections."""

    per_s: float
    cpu_us: float
    p50_ms: float
    p99_ms: float
    errors: int


@dataclass
class Measured:
    """A target and all its figures, by case and connections."""

    name: str
    figures: dict[tuple[str, int], Figure] = field(default_factory=dict)
    rss_mb: float = 0
    notes: str = ""

    def of(self, case: str, connections: int) -> Figure | None:
        """Gives a figure, if it was taken."""
        return self.figures.get((case, connections))

    def best_cpu_us(self, case: str) -> float | None:
        """Gives the CPU time of an answer where the target is busy: the least of all its figures with more than one connection."""
        found = [each.cpu_us for (name, at), each in self.figures.items() if name == case and at > 1 and each.cpu_us]
        return min(found) if found else None


def measure(folder: Path, target: Target, case: Case, connections: int, seconds: float) -> tuple[Figure, Answers]:
    """Asks a target, and gives what that cost it."""
    asked = request(case.model, target.headers, is_streaming=case.is_streaming, prompt_bytes=case.prompt_bytes)
    before_s = cpu_s_of(target.pid)
    load = Load(port=target.port, requests=[asked], connections=connections, seconds=seconds)
    answers = ask(folder, load)
    used_s = cpu_s_of(target.pid) - before_s
    times = "first_" if case.is_streaming else ""
    figure = Figure(
        per_s=answers["per_s"],
        cpu_us=used_s / answers.good * 1e6 if answers.good else 0,
        p50_ms=answers[f"{times}p50_ms"],
        p99_ms=answers[f"{times}p99_ms"],
        errors=sum(answers.errors.values()),
    )
    return figure, answers


def _better(one: Figure | None, other: Figure) -> Figure:
    """Gives the less disturbed of two, each figure for itself."""
    if one is None or not one.cpu_us:
        return other
    return Figure(
        per_s=max(one.per_s, other.per_s),
        cpu_us=min(one.cpu_us, other.cpu_us or one.cpu_us),
        p50_ms=min(one.p50_ms, other.p50_ms),
        p99_ms=min(one.p99_ms, other.p99_ms),
        errors=one.errors + other.errors,
    )


def measure_all(folder: Path, name: str, target: Target, arguments: argparse.Namespace) -> Measured:
    """Asks a target everything."""
    measured = Measured(name, notes=target.notes)
    for case in CASES:
        measure(folder, target, case, 16, _WARM_S)
    for _ in range(arguments.rounds):
        for case in CASES:
            for connections in case.connections:
                figure, answers = measure(folder, target, case, connections, arguments.seconds)
                measured.figures[case.name, connections] = _better(measured.of(case.name, connections), figure)
                said = f"{figure.per_s:10,.0f}/s {figure.cpu_us:10,.0f} µs {figure.p50_ms:9.2f} ms p50 {figure.p99_ms:9.2f} ms p99"
                print(f"  {name:26} {case.name:8} {connections:3}  {said}  {answers.errors or ''}", flush=True)
                if answers.errors:
                    print(f"    {answers.figures['sample']}")
    measured.rss_mb = memory_of(target.pid).rss_mb
    return measured


def rate_rows(all_measured: list[Measured]) -> list[Row]:
    """Gives answers a second, as the client saw them."""
    rows: list[Row] = []
    for measured in all_measured:
        row: dict[str, str | float | int] = {"target": measured.name}
        for case in CASES:
            found = [measured.of(case.name, connections) for connections in case.connections]
            name = f"{case.name} {'/'.join(map(str, case.connections))}"
            row[name] = " / ".join(_number(each.per_s) if each else _NONE for each in found)
        row["errors"] = sum(each.errors for each in measured.figures.values())
        row["notes"] = measured.notes
        rows.append(row)
    return rows


def cpu_rows(all_measured: list[Measured]) -> list[Row]:
    """Gives what an answer costs the target, and its memory."""
    rows: list[Row] = []
    for measured in all_measured:
        row: dict[str, str | float | int] = {"target": measured.name}
        for case in CASES:
            cpu_us = measured.best_cpu_us(case.name)
            row[f"{case.name} µs (k/s)"] = f"{cpu_us:,.0f} ({1000 / cpu_us:,.2f})" if cpu_us else _NONE
        row["RSS MB"] = f"{measured.rss_mb:,.0f}" if measured.rss_mb else _NONE
        rows.append(row)
    return rows


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def time_rows(all_measured: list[Measured]) -> list[Row]:
    """Gives times: p50 / p99 ms of the whole answer, for streams of the first event; what is added to direct in front."""
    direct = all_measured[0]
    rows: list[Row] = []
    for measured in all_measured:
        row: dict[str, str | float | int] = {"target": measured.name}
        for case in CASES:
            for connections in (case.connections[0], case.connections[-1]):
                found, base = measured.of(case.name, connections), direct.of(case.name, connections)
                text = f"{found.p50_ms:,.2f} / {found.p99_ms:,.2f}" if found else _NONE
                if found and base and measured is not direct:
                    text = f"{found.p50_ms - base.p50_ms:+,.2f}: {text}"
                row[f"{case.name} at {connections}"] = text
        rows.append(row)
    return rows


def ratio_rows(all_measured: list[Measured]) -> list[Row]:
    """Gives each target as a part of nginx and as a multiple of LiteLLM: by CPU time, and in brackets by what the client saw."""
    by_name = {each.name: each for each in all_measured}
    rows: list[Row] = []
    for measured in all_measured[1:]:
        row: dict[str, str | float | int] = {"target": measured.name}
        for case in CASES:
            for peer in ("nginx", "LiteLLM"):
                row[f"{case.name}, of {peer}"] = _ratio(measured, by_name.get(peer), case)
        rows.append(row)
    return rows


def _ratio(measured: Measured, peer: Measured | None, case: Case) -> str:
    at = case.connections[-1]
    if peer is None or not (ours := measured.of(case.name, at)) or not (theirs := peer.of(case.name, at)):
        return _NONE
    mine_us, peers_us = measured.best_cpu_us(case.name), peer.best_cpu_us(case.name)
    by_cpu = f"{peers_us / mine_us:,.2f}" if mine_us and peers_us else _NONE
    return f"{by_cpu} ({ours.per_s / theirs.per_s:,.2f})" if theirs.per_s else by_cpu


def parsed() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one round of 1 s a case: under 4 minutes for everything")
    parser.add_argument("--only", help=f"targets, with commas: {', '.join(PEERS)}; always with `direct`")
    parser.add_argument("--seconds", type=float, help="for each case (3)")
    parser.add_argument("--rounds", type=int, help="of which the best is kept (2)")
    arguments = parser.parse_args()
    arguments.seconds = arguments.seconds or (1.0 if arguments.quick else 3.0)
    arguments.rounds = arguments.rounds or (1 if arguments.quick else 2)
    arguments.chosen = arguments.only.split(",") if arguments.only else list(PEERS)
    unknown = [name for name in arguments.chosen if name not in PEERS]
    if unknown:
        parser.error(f"there is no target {unknown[0]!r}; there are {', '.join(PEERS)}")
    return arguments


def main() -> int:
    """Measures and prints; the exit status is 1 when an answer was wrong."""
    arguments = parsed()
    all_measured: list[Measured] = []
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        try:
            with upstream(folder) as mock:
                print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True)
                all_measured.append(measure_all(folder, "direct", Target(port=mock.port, pid=mock.pid), arguments))
                all_measured[0].rss_mb = 0
                for chosen in arguments.chosen:
                    peer = PEERS[chosen]
                    try:
                        peer.install()
                        with peer.start(folder, mock.port) as target:
                            all_measured.append(measure_all(folder, peer.name, target, arguments))
                    except Unavailable as error:
                        all_measured.append(Measured(peer.name, notes=f"not measured: {error}"))
                print(f"load average {os.getloadavg()[0]:.1f}")
        except Unavailable as error:
            print(error, file=sys.stderr)
            return 1
    show("Gateway: answers a second at so many connections", rate_rows(all_measured))
    show("Gateway: CPU µs an answer, and answers a CPU second in thousands", cpu_rows(all_measured))
    show("Gateway: ms added to direct (p50): p50 / p99", time_rows(all_measured))
    show("Gateway: CPU efficiency as a multiple of the peer's, in brackets answers a second", ratio_rows(all_measured))
    return int(any(figure.errors for each in all_measured for figure in each.figures.values()))


if __name__ == "__main__":
    sys.exit(main())
