"""What tracing costs: CPU per turn on its path, and how much the store takes and gives.

A turn is a trace of four observations with about 2 kB of text. "On the path" is the CPU time of the event loop's thread and
the journal's, until the trace is acknowledged; "until stored" is all CPU of the process from the first record until
everything can be read.
"""

import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import anyio
import anyio.to_thread

from alcove.infra.journal import Journal
from alcove.kernel.chat import Usage
from alcove.kernel.clock import SystemClock
from alcove.kernel.ids import new_span_id, new_trace_id
from alcove.kernel.trace import Observation, ObservationKind, Trace
from alcove.tracing.adapters.duckdb_store import DuckDbTraceStore
from alcove.tracing.adapters.memory import MemoryTraceStore
from alcove.tracing.intake import TraceIntake
from alcove.tracing.models import TraceQuery, TracingSettings
from alcove.tracing.ports import TraceStore
from report import show

TURNS = 5_000
CONCURRENCY = 16
TEXT = "An alcove is a small recessed section of a room or an arched opening in a wall. " * 6


def turn(number: int) -> Trace:
    """Makes a trace as a turn with retrieval leaves it."""
    clock = SystemClock()
    at = clock.now()
    trace = Trace(
        id=new_trace_id(),
        owner_id=f"user-{number % 7}",
        name="chat",
        started_at=at,
        ended_at=at + timedelta(milliseconds=900),
        session_id=f"chat-{number // 10}",
        model="small",
        input=[{"role": "user", "content": f"{number} {TEXT}"}],
        output=TEXT,
        metadata={"request_id": new_trace_id()},
    )
    for kind in (
        ObservationKind.FILTER,
        ObservationKind.RETRIEVER,
        ObservationKind.EMBEDDING,
        ObservationKind.GENERATION,
    ):
        is_generation = kind is ObservationKind.GENERATION
        trace.observations.append(
            Observation(
                id=new_span_id(),
                parent_id=None,
                kind=kind,
                name=f"{kind} small",
                started_at=at,
                ended_at=at + timedelta(milliseconds=300),
                first_token_at=at if is_generation else None,
                model="small" if is_generation else None,
                input=TEXT[:240],
                output=TEXT if is_generation else None,
                usage=Usage(input_tokens=500, output_tokens=80) if is_generation else None,
                cost_usd=Decimal("0.000123") if is_generation else None,
                metadata={"provider": "alcove"},
            )
        )
    return trace


async def recorded(intake: TraceIntake, traces: Sequence[Trace], at_once: int) -> None:
    """Records all traces, so many at once."""
    waiting = iter(traces)

    async def work() -> None:
        for trace in waiting:
            await intake.record(trace)

    async with anyio.create_task_group() as group:
        for _ in range(at_once):
            group.start_soon(work)


async def on_the_path_us(folder: Path, at_once: int) -> tuple[float, float]:
    """Gives CPU and wall microseconds per turn until its trace is acknowledged."""
    journal = Journal(folder / f"journal-{at_once}", max_bytes=1 << 30)
    await anyio.to_thread.run_sync(journal.open)
    intake = TraceIntake(store=MemoryTraceStore(), journal=journal, clock=SystemClock(), settings=TracingSettings())
    cost = await per_turn_us(lambda: recorded(intake, [turn(number) for number in range(TURNS)], at_once))
    await anyio.to_thread.run_sync(journal.close)
    return cost


async def until_readable_us(store: TraceStore, folder: Path) -> tuple[float, float]:
    """Gives CPU and wall microseconds per turn until it can be read."""
    settings = TracingSettings(max_journal_mb=1024)
    journal = Journal(folder / "journal", max_bytes=1 << 30)
    async with TraceIntake(store=store, journal=journal, clock=SystemClock(), settings=settings).running() as intake:

        async def all_of_it() -> None:
            await recorded(intake, [turn(number) for number in range(TURNS)], CONCURRENCY)
            while intake.backlog_bytes:
                await intake.catch_up()

        return await per_turn_us(all_of_it)


async def per_turn_us(work: Callable[[], Awaitable[None]]) -> tuple[float, float]:
    """Gives CPU and wall microseconds per turn, the making of the traces taken off."""
    begun_s = time.process_time()
    for number in range(TURNS):
        turn(number)
    making_s = time.process_time() - begun_s
    cpu_s, wall_s = time.process_time(), time.perf_counter()
    await work()
    cpu_s, wall_s = time.process_time() - cpu_s, time.perf_counter() - wall_s
    return (cpu_s - making_s) / TURNS * 1e6, (wall_s - making_s) / TURNS * 1e6


async def timed_ms(query: Callable[[], Awaitable[object]]) -> float:
    """Gives the best of five, in milliseconds."""
    times: list[float] = []
    for _ in range(5):
        begun_s = time.perf_counter()
        await query()
        times.append((time.perf_counter() - begun_s) * 1000)
    return min(times)


async def measure(folder: Path) -> None:
    """Measures and prints."""
    rows: list[dict[str, str | float | int]] = []
    for at_once in (1, CONCURRENCY):
        cpu, wall = await on_the_path_us(folder, at_once)
        rows.append({"turns": f"on the path, {at_once} at once", "CPU µs": cpu, "wall µs": wall})
    store = DuckDbTraceStore(folder / "traces.duckdb", memory_mb=256, threads=2, query_timeout_s=60)
    cpu, wall = await until_readable_us(store, folder)
    rows.append({"turns": "until stored and readable", "CPU µs": cpu, "wall µs": wall})
    show(f"Tracing a turn ({TURNS:,} turns, goal 300 µs CPU on the path)", rows)

    (newest,) = await store.find(TraceQuery(owner_id="user-1", limit=1))
    queries: dict[str, Callable[[], Awaitable[object]]] = {
        "first page of a list": lambda: store.find(TraceQuery(owner_id="user-1")),
        "one chat's traces": lambda: store.find(TraceQuery(owner_id="user-1", session_id="chat-7")),
        "text in all traces": lambda: store.find(TraceQuery(owner_id="user-1", text="recessed section")),
        "a trace with its observations": lambda: store.get("user-1", newest.id),
    }
    show(
        f"Reading {TURNS:,} traces, {5 * TURNS:,} rows",
        [{"query": name, "best ms": await timed_ms(query)} for name, query in queries.items()],
    )
    await store.release()


def main() -> None:
    """Runs the benchmark in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        anyio.run(measure, Path(folder), backend_options={"use_uvloop": True})


if __name__ == "__main__":
    main()
