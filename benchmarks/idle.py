"""Memory of an idle house: ten seconds after it is ready, and again some time after it has answered a question.

A question loads the embedding model and opens the trace store, which is closed again when nobody uses it; the embedding
model stays. Figures are of the whole process tree.
"""

import tempfile
import time
from pathlib import Path

from house import Memory, cpu_s_of, memory_of, running_house
from report import Row, show

WAIT_S = 10
GOAL_MB = 250


def row(when: str, memory: Memory, cpu_percent: float) -> Row:
    """Gives the table's row for a moment."""
    return {
        "when": when,
        "processes": memory.processes,
        "PSS MB": round(memory.pss_mb, 1),
        "RSS MB": round(memory.rss_mb, 1),
        "private MB": round(memory.private_mb, 1),
        "CPU %": round(cpu_percent, 2),
        "goal MB": GOAL_MB,
    }


def rested(pid: int) -> tuple[Memory, float]:
    """Waits; gives the memory then, and how busy the house was meanwhile, in percent of one core."""
    before_s = cpu_s_of(pid)
    time.sleep(WAIT_S)
    return memory_of(pid), (cpu_s_of(pid) - before_s) / WAIT_S * 100


def main() -> None:
    """Measures and prints."""
    with tempfile.TemporaryDirectory() as folder, running_house(Path(folder)) as house:
        rows = [row(f"{WAIT_S} s after ready", *rested(house.process.pid))]
        house.ask(house.new_key(), "What can you do here?")
        rows.append(row(f"{WAIT_S} s after an answer", *rested(house.process.pid)))
    show("Idle memory", rows)


if __name__ == "__main__":
    main()
