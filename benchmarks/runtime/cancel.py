"""Requests through the whole platform whose clients leave at random: what fails, and what memory is not given back.

    python -m runtime.cancel [--requests 2000] [--streams 8] [--model 24m] [--seed 1]      (in `benchmarks/`)

About half of the clients leave: at once, within 20 ms or within 300 ms. The others have to get whole answers with all their tokens.
Memory is the proportional set size of the server and of the model's process, before (after 200 requests of the same kind) and ten seconds after.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from house import memory_of
from report import Row, show
from runtime.client import leave
from runtime.models import SHAPES
from runtime.places import Platform, platform

_WARM_REQUESTS = 200
_SETTLE_S = 10


def endured(place: Platform, model: str, *, requests: int, streams: int, seed: int) -> list[Row]:
    """Asks and leaves; gives what came of it, with the failures in the last column."""
    door = place.door(model)
    warm = leave(door, min(_WARM_REQUESTS, requests), streams, seed + 1)
    time.sleep(_SETTLE_S)
    before = _memory(place)
    began_s = time.perf_counter()
    found = leave(door, requests, streams, seed)
    took_s = time.perf_counter() - began_s
    time.sleep(_SETTLE_S)
    after = _memory(place)
    for each in (warm.failures + found.failures)[:5]:
        print(f"  failed: {each}")
    return [{
        "requests": requests, "whole": found.whole, "left": found.left, "s": round(took_s, 1), "same process": "yes" if before[2] == after[2] else "no",
        "server MB": f"{before[0]:.1f} → {after[0]:.1f} ({after[0] / before[0] - 1:+.1%})", "model MB": f"{before[1]:.1f} → {after[1]:.1f} ({after[1] / before[1] - 1:+.1%})",
        "failed": len(found.failures) + len(warm.failures),
    }]  # fmt: skip


def _memory(place: Platform) -> tuple[float, float, int]:
    """Gives the memory of the server and of its model, and the model's process."""
    (child,) = place.children()
    model_mb = memory_of(child).pss_mb
    return memory_of(place.house.process.pid).pss_mb - model_mb, model_mb, child


def main() -> int:
    """Measures and prints; the exit status is 1 when a request failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--streams", type=int, default=8)
    parser.add_argument("--model", choices=SHAPES, default="24m")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as name, platform(Path(name)) as place:
        place.add(arguments.model)
        place.load_s(arguments.model)
        rows = endured(place, arguments.model, requests=arguments.requests, streams=arguments.streams, seed=arguments.seed)  # fmt: skip
    show("Local models: clients that leave", rows)
    return int(rows[0]["failed"] != 0)


if __name__ == "__main__":
    sys.exit(main())
