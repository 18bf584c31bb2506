"""Local models through bare xllamacpp, our runner, and the whole platform: tokens a second, time to the first, loading, clients that leave.

    make bench ARGS="runtime"          or in `benchmarks/`: python -m runtime [--quick] [--models 24m,125m] [--rounds 5] [--tokens 256]

The models have random weights and a vocabulary of a usual size. All three places run one plan (threads, slots, context, batch) in the
environment of our child processes: **bare** by function calls in xllamacpp's own process, without HTTP; **runner** over the unix socket of our
child; **platform** through `alcove up`, over TCP, with a key that has every limit, with traces and usage rows. They are asked one after the other in each round, so
that what else the machine does hits all alike; a figure is the median of the rounds, a ratio the median of the rounds' own ratios. Answers are greedy and of a fixed length.
"""

import argparse
import itertools
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import anyio
import anyio.to_thread

from report import Row, show
from runtime.cancel import endured
from runtime.client import Run, run
from runtime.models import SHAPES
from runtime.places import Platform, bare, our_runner, plan_of, platform

_STREAMS = (1, 4, 8)
_PLACES = ("bare", "runner", "platform")
_LOADS = 5

Asker = Callable[[list[list[str]], dict[str, Any]], Run]


@dataclass
class Measured:
    """The rounds of one place at one number of streams."""

    tokens_per_s: list[float] = field(default_factory=list)
    first_ms: list[float] = field(default_factory=list)

    def take(self, found: Run) -> None:
        """Adds a round: its first tokens by their median."""
        self.tokens_per_s.append(found.tokens_per_s)
        self.first_ms.append(median(each.first_s for each in found.answers) * 1000)


def _fields(tokens: int) -> dict[str, Any]:
    return {
        "max_tokens": tokens, "temperature": 0, "ignore_eos": True, "stream": True, "stream_options": {"include_usage": True},
    }  # fmt: skip


def measured(askers: dict[str, Asker], streams: int, arguments: argparse.Namespace, numbers: "itertools.count[int]") -> dict[str, Measured]:  # fmt: skip
    """Asks the places in turn, each round in another order."""
    found = {name: Measured() for name in askers}
    order = list(askers)
    for place in range(arguments.rounds + 1):
        prompts = [[f"Question {next(numbers):06d}" for _ in range(arguments.turns)] for _ in range(streams)]
        for name in order:
            answers = askers[name](prompts, _fields(arguments.tokens if place else 16))
            short = [each for each in answers.answers if each.tokens != (arguments.tokens if place else 16)]
            if short:
                msg = f"{name} gave {short[0].tokens} tokens"
                raise SystemExit(msg)
            if place:  # the first round warms up
                found[name].take(answers)
        order = order[1:] + order[:1]
    return found


def rows_of(model: str, streams: int, found: dict[str, Measured]) -> Row:
    """Gives a row of the table."""
    base = found["bare"]
    row: dict[str, str | float | int] = {"model": model, "streams": streams}
    for name in _PLACES:
        row[f"{name} tok/s"] = round(median(found[name].tokens_per_s), 1)
    for name in _PLACES[1:]:
        pairs = zip(found[name].tokens_per_s, base.tokens_per_s, strict=True)
        row[f"{name} of bare"] = f"{median(one / other for one, other in pairs):.3f}"
    row["bare first ms"] = round(median(base.first_ms), 1)
    for name in _PLACES[1:]:
        added = median(one - other for one, other in zip(found[name].first_ms, base.first_ms, strict=True))
        row[f"{name} +ms"] = f"{added:+.1f}"
    return row


async def model_rows(place: Platform, folder: Path, model: str, arguments: argparse.Namespace) -> tuple[list[Row], Row]:
    """Measures a model; gives its speeds, and its times of loading."""
    plan = await plan_of(place.house.data_dir, model)
    loads: dict[str, list[float]] = {name: [] for name in ("bare, inside", *_PLACES)}
    for _ in range(_LOADS):
        with bare(plan, folder) as alone:
            loads["bare"].append(alone.load_s)
            loads["bare, inside"].append(alone.load_inside_s)
        async with our_runner(plan) as (_door, load_s):
            loads["runner"].append(load_s)
        loads["platform"].append(await anyio.to_thread.run_sync(place.load_s, model))
    rows: list[Row] = []
    numbers = itertools.count()
    with bare(plan, folder) as alone:
        async with our_runner(plan) as (door, _):
            askers: dict[str, Asker] = {
                "bare": alone.run,
                "runner": partial(run, door),
                "platform": partial(run, place.door(model)),
            }
            for streams in _STREAMS:
                found = await anyio.to_thread.run_sync(measured, askers, streams, arguments, numbers)
                rows.append(rows_of(model, streams, found))
                print(f"  {rows[-1]}  load {os.getloadavg()[0]:.1f}", flush=True)
    load_row: Row = {"model": model, "threads": plan.threads, "slots": plan.slots, **{f"{name} s": round(median(each), 3) for name, each in loads.items()}}  # fmt: skip
    return rows, load_row


def parsed() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="three rounds of shorter answers, 500 clients that leave")
    parser.add_argument("--models", help=f"with commas, of {', '.join(SHAPES)} (24m,125m)", default="24m,125m")
    parser.add_argument("--rounds", type=int, help="of which the median is given (5)")
    parser.add_argument("--tokens", type=int, help="of an answer (256)")
    parser.add_argument("--turns", type=int, help="answers of each stream in a round (2)", default=2)
    parser.add_argument("--requests", type=int, help="clients of which half leave (2000); 0 for none")
    arguments = parser.parse_args()
    arguments.rounds = arguments.rounds or (3 if arguments.quick else 5)
    arguments.tokens = arguments.tokens or (64 if arguments.quick else 256)
    arguments.requests = (500 if arguments.quick else 2000) if arguments.requests is None else arguments.requests
    arguments.chosen = arguments.models.split(",")
    unknown = [each for each in arguments.chosen if each not in SHAPES]
    if unknown:
        parser.error(f"there is no model {unknown[0]!r}; there are {', '.join(SHAPES)}")
    return arguments


def main() -> int:
    """Measures and prints; the exit status is 1 when a request failed."""
    arguments = parsed()
    speeds: list[Row] = []
    loads: list[Row] = []
    left: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="bench-") as name, platform(Path(name) / "data") as place:
        print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True)
        for model in arguments.chosen:
            place.add(model)
            rows, load_row = anyio.run(model_rows, place, Path(name), model, arguments)
            speeds += rows
            loads.append(load_row)
            if model == arguments.chosen[0] and arguments.requests:
                left = endured(place, model, requests=arguments.requests, streams=8, seed=1)
            place.unload(model)
        print(f"load average {os.getloadavg()[0]:.1f}")
    show("Local models: tokens a second, and ms to the first token", speeds)
    show("Local models: seconds to load, the file being in memory", loads)
    if left:
        show("Local models: clients that leave", left)
    return int(any(row["failed"] != 0 for row in left))


if __name__ == "__main__":
    sys.exit(main())
