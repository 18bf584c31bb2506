"""Traces over HTTP: whose they are, pages, filters, and what they look like on the wire."""

import base64
from collections.abc import AsyncIterator

import httpx2
import pytest
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from alcove.infra.problems import install_error_handlers
from alcove.kernel.principal import Principal
from alcove.kernel.trace import Level
from alcove.tracing.api import router
from alcove.tracing.intake import TraceIntake
from alcove.tracing.service import TraceService
from tests.tracing.conftest import MakeTrace


class Caller:
    """Speaks to the API as whoever is set."""

    def __init__(self, service: TraceService) -> None:
        self.who: Principal | None = None
        self._service = service
        app = FastAPI()
        app.include_router(router)
        install_error_handlers(app)
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"] = {"traces": self._service, "principal": self.who}
        await self._app(scope, receive, send)


@pytest.fixture
def caller(service: TraceService, ada: Principal) -> Caller:
    caller = Caller(service)
    caller.who = ada
    return caller


@pytest.fixture
async def client(caller: Caller) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=caller), base_url="http://alcove") as client:
        yield client


@pytest.mark.parametrize("path", ["", f"/{'a' * 32}"])
async def test_nobody_in_particular_sees_nothing(client: httpx2.AsyncClient, caller: Caller, path: str) -> None:
    caller.who = None
    answer = await client.get(f"/api/v1/traces{path}")
    assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")


async def test_another_persons_trace_is_not_found(
    client: httpx2.AsyncClient, intake: TraceIntake, make_trace: MakeTrace
) -> None:
    his = make_trace("user-bob")
    await intake.record(his)
    theirs = await client.get(f"/api/v1/traces/{his.id}")
    nothing = await client.get(f"/api/v1/traces/{'0' * 32}")
    assert (theirs.status_code, theirs.json()["code"]) == (404, "not_found")
    assert theirs.json()["detail"] == nothing.json()["detail"]
    assert (await client.get("/api/v1/traces")).json() == {"items": [], "next_cursor": None}


async def test_everyones_traces_are_for_admins_who_ask(
    client: httpx2.AsyncClient, caller: Caller, intake: TraceIntake, make_trace: MakeTrace, root: Principal
) -> None:
    his = make_trace("user-bob")
    await intake.record(his)
    for path in ("", f"/{his.id}"):
        assert (await client.get(f"/api/v1/traces{path}?all=true")).status_code == 403
    caller.who = root
    assert (await client.get("/api/v1/traces")).json()["items"] == []
    assert [item["user_id"] for item in (await client.get("/api/v1/traces?all=true")).json()["items"]] == ["user-bob"]
    assert (await client.get(f"/api/v1/traces/{his.id}")).status_code == 404
    assert (await client.get(f"/api/v1/traces/{his.id}?all=true")).status_code == 200


@pytest.mark.parametrize(
    "query",
    [
        "cursor=nonsense",
        "cursor=" + base64.urlsafe_b64encode(b'["now","x"]').decode(),
        "cursor=" + base64.urlsafe_b64encode(b"[1,2]").decode(),
        "cursor=" + base64.urlsafe_b64encode(b'["0001-01-01T00:00:00+14:00","x"]').decode(),
        "cursor=" + base64.urlsafe_b64encode(b"{}").decode(),
        "limit=0",
        "limit=201",
        "level=fatal",
        "all=perhaps",
        "session_id=" + "x" * 201,
    ],
)
async def test_bad_input_is_refused(client: httpx2.AsyncClient, query: str) -> None:
    answer = await client.get(f"/api/v1/traces?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")


async def test_trace_on_the_wire(client: httpx2.AsyncClient, intake: TraceIntake, make_trace: MakeTrace) -> None:
    trace = make_trace()
    await intake.record(trace)
    (summary,) = (await client.get("/api/v1/traces")).json()["items"]
    assert summary == {
        "id": trace.id,
        "name": "chat",
        "user_id": "user-ada",
        "session_id": "chat-1",
        "model": "small",
        "level": "default",
        "started_at": "2026-01-01T00:00:01Z",
        "latency_ms": 512.5,
        "time_to_first_token_ms": 170.0,
        "input_tokens": 100,
        "output_tokens": 7,
        "cost_usd": "0.00000123",
        "input_preview": "What is an alcove?",
        "output_preview": "A recess.",
        "observation_count": 2,
    }
    detail = (await client.get(f"/api/v1/traces/{trace.id}")).json()
    assert detail["trace"] == summary | {
        "status_message": None,
        "unpriced_count": 0,
        "input": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is an alcove?"}],
        "output": "A recess.",
        "metadata": {"request_id": "r-1"},
        "tags": ["home"],
    }
    assert detail["observations"][1] == {
        "id": trace.observations[1].id,
        "parent_id": None,
        "kind": "generation",
        "name": "chat small",
        "started_at": "2026-01-01T00:00:01.020000Z",
        "ended_at": "2026-01-01T00:00:01.500000Z",
        "latency_ms": 480.0,
        "time_to_first_token_ms": 150.0,
        "model": "small",
        "input": [{"role": "user", "content": "What is an alcove?"}],
        "output": "A recess.",
        "usage": {"input_tokens": 100, "output_tokens": 7, "cached_input_tokens": 64, "reasoning_tokens": 0},
        "cost_usd": "0.00000123",
        "level": "default",
        "status_message": None,
        "metadata": {"provider": "alcove", "finish_reason": "stop"},
    }
    assert [each["kind"] for each in detail["observations"]] == ["retriever", "generation"]


async def test_no_number_is_a_null_not_a_broken_answer(
    client: httpx2.AsyncClient, intake: TraceIntake, make_trace: MakeTrace
) -> None:
    trace = make_trace(output=float("nan"), metadata={"score": float("inf")})
    await intake.record(trace)
    detail = (await client.get(f"/api/v1/traces/{trace.id}")).json()
    assert detail["trace"]["output"] is None
    assert detail["trace"]["metadata"] == {"score": None}


async def test_pages_cover_everything_once(
    client: httpx2.AsyncClient, intake: TraceIntake, make_trace: MakeTrace
) -> None:
    traces = [make_trace() for _ in range(5)]
    for trace in traces:
        await intake.record(trace)
    got: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = (await client.get("/api/v1/traces", params={"limit": 2} | ({"cursor": cursor} if cursor else {}))).json()
        got.extend(item["id"] for item in page["items"])
        cursor = page["next_cursor"]
    assert got == [trace.id for trace in reversed(traces)]


async def test_filters_reach_the_store(client: httpx2.AsyncClient, intake: TraceIntake, make_trace: MakeTrace) -> None:
    plain = make_trace()
    special = make_trace(question="Where is the cellar?", session_id="chat-2", model="large", level=Level.ERROR)
    for trace in (plain, special):
        await intake.record(trace)
    for query in ("session_id=chat-2", "model=large", "level=error", "query=CELLAR"):
        items = (await client.get(f"/api/v1/traces?{query}")).json()["items"]
        assert [item["id"] for item in items] == [special.id], query
    assert len((await client.get("/api/v1/traces?session_id=&model=&query=")).json()["items"]) == 2


async def test_traces_of_a_deleted_chat_are_gone(
    client: httpx2.AsyncClient, intake: TraceIntake, service: TraceService, make_trace: MakeTrace
) -> None:
    trace = make_trace(session_id="chat-1")
    kept = make_trace(session_id="chat-2")
    for each in (trace, kept):
        await intake.record(each)
    await service.delete_session("user-bob", "chat-1")
    assert (await client.get(f"/api/v1/traces/{trace.id}")).status_code == 200
    await service.delete_session("user-ada", "chat-1")
    assert (await client.get(f"/api/v1/traces/{trace.id}")).status_code == 404
    await service.delete_owner("user-ada")
    assert (await client.get("/api/v1/traces")).json()["items"] == []
