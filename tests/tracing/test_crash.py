"""`kill -9` at any moment: nothing acknowledged is lost, nothing is doubled, nothing erased comes back."""

import signal
import sys
from pathlib import Path

import anyio

from alcove.infra.journal import Journal
from alcove.kernel.clock import SystemClock
from alcove.tracing.adapters.duckdb_store import DuckDbTraceStore
from alcove.tracing.intake import TraceIntake
from alcove.tracing.models import TraceQuery, TracingSettings

_RECORDER = """
import sys, anyio
from pathlib import Path
from alcove.infra.journal import Journal
from alcove.kernel.clock import SystemClock
from alcove.kernel.trace import Observation, ObservationKind, Trace
from alcove.tracing.adapters.duckdb_store import DuckDbTraceStore
from alcove.tracing.intake import TraceIntake
from alcove.tracing.models import TracingSettings

async def main():
    folder, clock = Path(sys.argv[1]), SystemClock()
    store = DuckDbTraceStore(folder / "traces.duckdb", memory_mb=128, threads=1, query_timeout_s=10)
    intake = TraceIntake(
        store=store, journal=Journal(folder / "journal"), clock=clock, settings=TracingSettings(flush_interval_s=0.01)
    )
    async with intake.running():
        for number in range(int(sys.argv[2]), 1_000_000):
            session = "gone" if number % 10 == 9 else "kept"
            trace = Trace(id=f"{number:032x}", owner_id="ada", name="chat", started_at=clock.now(), session_id=session)
            trace.input = "x" * (number * 7919 % 3000)
            for place in range(3):
                trace.observations.append(Observation(
                    id=f"{place + 1:016x}", parent_id=None, kind=ObservationKind.SPAN, name="step", started_at=clock.now()
                ))
            await intake.record(trace)
            trace.output = "after the outlets"
            await intake.record(trace)
            if session == "gone":
                await intake.erase("ada", "gone")
            print(number, flush=True)
            await anyio.sleep(0.002)

anyio.run(main)
"""


async def recorded_until_killed(folder: Path, first: int, after_s: float) -> int:
    """Records traces in a child process and kills it; gives the number of the last trace that was acknowledged."""
    command = [sys.executable, "-c", _RECORDER, str(folder), str(first)]
    async with await anyio.open_process(command, stdin=None, stderr=None) as child:
        assert child.stdout is not None
        said = await child.stdout.receive()
        with anyio.move_on_after(after_s):
            async for more in child.stdout:
                said += more
        child.send_signal(signal.SIGKILL)
        async for more in child.stdout:
            said += more
    return int(said.split(b"\n")[-2])


async def test_kill_9_while_recording_loses_and_doubles_nothing(tmp_path: Path) -> None:
    first = 0
    ends: list[int] = []
    for round_number in range(3):  # the second and third begin with what the one before left in the journal
        last = await recorded_until_killed(tmp_path, first, 0.25 + 0.2 * round_number)
        ends.append(last)
        first = last + 2  # the next one may or may not have been taken
    store = DuckDbTraceStore(tmp_path / "traces.duckdb", memory_mb=128, threads=1, query_timeout_s=10)
    intake = TraceIntake(
        store=store, journal=Journal(tmp_path / "journal"), clock=SystemClock(), settings=TracingSettings()
    )
    async with intake.running():
        with anyio.fail_after(10):
            while intake.backlog_bytes:
                await intake.catch_up()
        heads = await store.find(TraceQuery(owner_id="ada", limit=100_000))
        found = [int(head.id, 16) for head in heads]
        unsure = {end + 1 for end in ends}
        expected = {number for number in range(ends[-1] + 1) if number % 10 != 9}
        assert len(found) == len(set(found))
        assert set(found) - unsure == expected - unsure
        for head in heads:
            if int(head.id, 16) not in unsure:
                assert (head.output_preview, head.observation_count) == ("after the outlets", 3)
        counted = await store._run_read(
            lambda connection: connection.execute(
                "SELECT count(*), count(DISTINCT trace_id || id) FROM observations"
            ).fetchone(),
            None,
        )
        assert counted is not None
        assert counted[0] == counted[1] == 3 * len(found)
