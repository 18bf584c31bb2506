"""Metrics: what is counted, and that nobody can make them grow without bound."""

from collections.abc import AsyncIterator
from datetime import timedelta

import anyio
import httpx2
import pytest
from fastapi import APIRouter, FastAPI
from starlette.responses import StreamingResponse

from alcove.infra.metrics import MeteredTraceSink, Metrics, MetricsMiddleware
from alcove.kernel.chat import Usage
from alcove.kernel.clock import FakeClock
from alcove.kernel.trace import Level, ListTraceSink, Observation, ObservationKind, Trace


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
async def client(metrics: Metrics) -> AsyncIterator[httpx2.AsyncClient]:
    app = FastAPI()
    router = APIRouter(prefix="/api/v1/things")

    @router.get("/{thing_id}")
    async def get_thing(thing_id: str) -> str:
        if thing_id == "broken":
            raise RuntimeError
        return thing_id

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            assert value(metrics, "alcove_http_requests_in_flight") == 1
            for _ in range(3):
                await anyio.sleep(0.01)
                yield b"part"

        return StreamingResponse(parts())

    app.include_router(router)
    transport = httpx2.ASGITransport(app=MetricsMiddleware(app, metrics), raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://alcove") as client:
        yield client


async def test_requests_are_counted_by_route_not_by_path(client: httpx2.AsyncClient, metrics: Metrics) -> None:
    for number in range(5):
        await client.get(f"/api/v1/things/{number}")
    route = "/api/v1/things/{thing_id}"
    assert value(metrics, "alcove_http_requests_total", route=route, method="GET", status="200") == 5
    assert value(metrics, "alcove_http_request_duration_seconds_count", route=route, method="GET") == 5
    assert value(metrics, "alcove_http_requests_in_flight") == 0


async def test_paths_and_methods_that_lead_nowhere_share_a_label(client: httpx2.AsyncClient, metrics: Metrics) -> None:
    for number in range(20):
        await client.get(f"/nothing/{number}")
        await client.request(f"METHOD{number}", "/nothing")
    assert value(metrics, "alcove_http_requests_total", route="unmatched", method="GET", status="404") == 20
    assert value(metrics, "alcove_http_requests_total", route="unmatched", method="other", status="404") == 20
    assert metrics.render().count(b"alcove_http_requests_total{") == 2


async def test_request_that_breaks_counts_as_500(client: httpx2.AsyncClient, metrics: Metrics) -> None:
    await client.get("/api/v1/things/broken")
    route = "/api/v1/things/{thing_id}"
    assert value(metrics, "alcove_http_requests_total", route=route, method="GET", status="500") == 1
    assert value(metrics, "alcove_http_requests_in_flight") == 0


async def test_stream_is_timed_to_its_last_byte(client: httpx2.AsyncClient, metrics: Metrics) -> None:
    assert (await client.get("/stream")).text == "partpartpart"
    seconds = value(metrics, "alcove_http_request_duration_seconds_sum", route="/stream", method="GET")
    assert seconds is not None
    assert seconds >= 0.03


def test_watched_value_is_read_when_metrics_are(metrics: Metrics) -> None:
    backlog = [3.0]
    metrics.watch("alcove_trace_journal_bytes", "Traces that wait", lambda: backlog[0])
    assert b"alcove_trace_journal_bytes 3.0" in metrics.render()
    backlog[0] = 0
    assert b"alcove_trace_journal_bytes 0.0" in metrics.render()


def turn(clock: FakeClock, number: int, *, model: str | None = "small", level: Level = Level.DEFAULT) -> Trace:
    at = clock.now()
    trace = Trace(
        id=f"{number:032x}",
        owner_id="ada",
        name="chat",
        model=model,
        level=level,
        started_at=at,
        ended_at=at + timedelta(seconds=2),
    )
    if model is not None:
        trace.observations.append(
            Observation(
                id="a" * 16,
                parent_id=None,
                kind=ObservationKind.GENERATION,
                name="chat",
                model=model,
                started_at=at,
                first_token_at=at + timedelta(seconds=0.5),
                usage=Usage(input_tokens=10, output_tokens=3),
            )
        )
    return trace


async def test_turn_is_counted_once_though_its_trace_is_recorded_twice(metrics: Metrics, clock: FakeClock) -> None:
    inner = ListTraceSink()
    sink = MeteredTraceSink(inner, metrics)
    sink.admit()
    for _ in range(2):
        await sink.record(turn(clock, 1))
    await sink.record(turn(clock, 2, level=Level.WARNING))
    assert len(inner.traces) == 3
    assert value(metrics, "alcove_turns_total", model="small", outcome="ok") == 1
    assert value(metrics, "alcove_turns_total", model="small", outcome="stopped") == 1
    assert value(metrics, "alcove_tokens_total", model="small", kind="input") == 20
    assert value(metrics, "alcove_tokens_total", model="small", kind="output") == 6
    assert value(metrics, "alcove_turn_time_to_first_token_seconds_sum", model="small") == 1
    assert value(metrics, "alcove_turn_duration_seconds_sum", model="small") == 4


async def test_models_that_are_not_there_share_a_label(metrics: Metrics, clock: FakeClock) -> None:
    sink = MeteredTraceSink(ListTraceSink(), metrics)
    for number in range(50):
        trace = turn(clock, number, model=None, level=Level.ERROR)
        trace.model = f"made up {number}"
        await sink.record(trace)
    assert value(metrics, "alcove_turns_total", model="unknown", outcome="error") == 50
    for number in range(300):
        await sink.record(turn(clock, 1000 + number, model=f"real {number}"))
    assert value(metrics, "alcove_turns_total", model="other", outcome="ok") == 100
