"""Traces to test with, and the room in each of its forms."""

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from alcove.infra.journal import Journal
from alcove.kernel.chat import Usage
from alcove.kernel.clock import FakeClock
from alcove.kernel.ids import new_span_id, new_trace_id
from alcove.kernel.trace import Level, Observation, ObservationKind, Trace
from alcove.tracing.adapters.duckdb_store import DuckDbTraceStore
from alcove.tracing.adapters.memory import MemoryTraceStore
from alcove.tracing.intake import TraceIntake
from alcove.tracing.models import TracingSettings
from alcove.tracing.ports import TraceStore
from alcove.tracing.service import TraceService

MakeTrace = Callable[..., Trace]


@pytest.fixture
def make_trace(clock: FakeClock) -> MakeTrace:
    """Gives a function that makes a trace as a turn leaves it; each starts a second after the one before."""

    def make(
        owner_id: str = "user-ada", *, question: str = "What is an alcove?", answer: str = "A recess.", **fields: object
    ) -> Trace:
        clock.advance(1)
        started_at = clock.now()
        retrieval = Observation(
            id=new_span_id(),
            parent_id=None,
            kind=ObservationKind.RETRIEVER,
            name="retrieve",
            started_at=started_at,
            ended_at=started_at + timedelta(milliseconds=20),
            input=question,
            output=[{"document": "house.md", "score": 0.87}],
        )
        generation = Observation(
            id=new_span_id(),
            parent_id=None,
            kind=ObservationKind.GENERATION,
            name="chat small",
            model="small",
            started_at=started_at + timedelta(milliseconds=20),
            first_token_at=started_at + timedelta(milliseconds=170),
            ended_at=started_at + timedelta(milliseconds=500),
            input=[{"role": "user", "content": question}],
            output=answer,
            usage=Usage(input_tokens=100, output_tokens=7, cached_input_tokens=64),
            cost_usd=Decimal("0.00000123"),
            metadata={"provider": "alcove", "finish_reason": "stop"},
        )
        given = {
            "id": new_trace_id(),
            "owner_id": owner_id,
            "name": "chat",
            "started_at": started_at,
            "ended_at": started_at + timedelta(milliseconds=512.5),
            "session_id": "chat-1",
            "model": "small",
            "input": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": question}],
            "output": answer,
            "level": Level.DEFAULT,
            "metadata": {"request_id": "r-1"},
            "tags": ["home"],
            "observations": [retrieval, generation],
        }
        return Trace(**(given | fields))

    return make


@pytest.fixture(params=["memory", "duckdb"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[TraceStore]:
    """Every adapter, empty."""
    if request.param == "memory":
        yield MemoryTraceStore()
        return
    duckdb = DuckDbTraceStore(tmp_path / "traces.duckdb", memory_mb=128, threads=1, query_timeout_s=10)
    yield duckdb
    await duckdb.release()


@pytest.fixture
def settings() -> TracingSettings:
    return TracingSettings(flush_interval_s=0.01)


@pytest.fixture
def memory() -> MemoryTraceStore:
    return MemoryTraceStore()


@pytest.fixture
async def intake(
    memory: MemoryTraceStore, clock: FakeClock, settings: TracingSettings, tmp_path: Path
) -> AsyncIterator[TraceIntake]:
    journal = Journal(tmp_path / "journal", segment_bytes=5 << 20, max_bytes=12 << 20)
    intake = TraceIntake(store=memory, journal=journal, clock=clock, settings=settings)
    async with intake.running():
        yield intake


@pytest.fixture
def service(memory: MemoryTraceStore, intake: TraceIntake) -> TraceService:
    return TraceService(store=memory, intake=intake)
