"""Start to first answered request: on an empty folder, and again on the same one.

`ready` is the line on standard output; `first answer` is the first page of the API (200 on `/api/v1/auth/state`), asked as
soon as that line is there. Each kind of start is done several times; the median counts, the best shows what load hid.
"""

import statistics
import tempfile
import time
from pathlib import Path

import httpx2

from house import cpu_s_of, running_house
from report import Row, show

ROUNDS = 5
GOAL_S = 3.0


def measured_start(data_dir: Path) -> tuple[float, float, float]:
    """Starts and stops Alcove; gives seconds to `ready`, seconds to the first answer, CPU seconds until then."""
    with running_house(data_dir) as house:
        httpx2.get(f"{house.url}/api/v1/auth/state").raise_for_status()
        answered_s = time.perf_counter() - house.started_s
        return house.ready_s, answered_s, cpu_s_of(house.process.pid)


def row(kind: str, starts: list[tuple[float, float, float]]) -> Row:
    """Gives the table's row for a kind of start."""
    ready, answered, cpu = zip(*starts, strict=True)
    return {
        "start": kind,
        "ready s": statistics.median(ready),
        "first answer s": statistics.median(answered),
        "best s": min(answered),
        "CPU s": statistics.median(cpu),
        "goal s": GOAL_S,
    }


def main() -> None:
    """Measures and prints."""
    first: list[tuple[float, float, float]] = []
    later: list[tuple[float, float, float]] = []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            first.append(measured_start(Path(folder)))
            later.append(measured_start(Path(folder)))
    show("Start to first answered request", [row("empty folder", first), row("again", later)])


if __name__ == "__main__":
    main()
