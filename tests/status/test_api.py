"""Health, metrics and status over HTTP: who may see what."""

from collections.abc import AsyncIterator

import httpx2
import pytest
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from alcove.infra.metrics import Metrics
from alcove.infra.problems import install_error_handlers
from alcove.kernel.clock import FakeClock
from alcove.kernel.principal import Principal
from alcove.status.api import router
from alcove.status.service import Part, StatusService


class House:
    """The API, called by whom and from where a test says."""

    def __init__(self, clock: FakeClock) -> None:
        self.who: Principal | None = None
        self.client_address = "203.0.113.9"
        self.is_well = True
        self.is_forwarded = False
        part = Part(name="database", check=self._check, is_essential=True)
        self.status = StatusService(parts=[part], clock=clock, version="1.2.3", started_s=0)
        self.metrics = Metrics()
        app = FastAPI()
        app.include_router(router)
        install_error_handlers(app)
        self._app = app

    async def _check(self) -> tuple[bool, str]:
        return self.is_well, "at /secret/path"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["client"] = (self.client_address, 5000)
        scope["state"] = {"status": self.status, "metrics": self.metrics, "principal": self.who}
        if self.is_forwarded:
            scope["state"]["is_forwarded"] = True
        await self._app(scope, receive, send)


@pytest.fixture
def house(clock: FakeClock) -> House:
    return House(clock)


@pytest.fixture
async def client(house: House) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=house), base_url="http://alcove") as client:
        yield client


async def test_anyone_may_ask_whether_it_lives_and_is_ready_but_learns_no_more(
    client: httpx2.AsyncClient, house: House, clock: FakeClock
) -> None:
    live, ready = await client.get("/health/live"), await client.get("/health/ready")
    assert (live.status_code, live.json()) == (200, {"status": "ok"})
    assert (ready.status_code, ready.json()) == (200, {"status": "ready"})
    house.is_well = False
    clock.advance(2)
    live, ready = await client.get("/health/live"), await client.get("/health/ready")
    assert live.status_code == 200
    assert (ready.status_code, ready.json()) == (503, {"status": "not_ready"})
    assert ready.headers["retry-after"] == "1"


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
async def test_metrics_are_open_on_the_machine_itself(client: httpx2.AsyncClient, house: House, address: str) -> None:
    house.client_address = address
    answer = await client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "process_resident_memory_bytes" in answer.text


async def test_metrics_are_closed_to_others(client: httpx2.AsyncClient, house: House, ada: Principal) -> None:
    assert (await client.get("/metrics")).status_code == 403
    house.who = ada
    assert (await client.get("/metrics")).status_code == 403


async def test_metrics_are_closed_to_callers_behind_a_proxy_on_the_machine(
    client: httpx2.AsyncClient, house: House
) -> None:
    house.client_address = "127.0.0.1"
    house.is_forwarded = True
    assert (await client.get("/metrics")).status_code == 403


async def test_metrics_are_open_to_admins_anywhere(client: httpx2.AsyncClient, house: House, root: Principal) -> None:
    house.who = root
    assert (await client.get("/metrics")).status_code == 200


async def test_status_is_for_admins(client: httpx2.AsyncClient, house: House, ada: Principal, root: Principal) -> None:
    assert (await client.get("/api/v1/status")).status_code == 401
    house.who = ada
    assert (await client.get("/api/v1/status")).status_code == 403
    house.who = root
    answer = await client.get("/api/v1/status")
    assert answer.json() == {
        "version": "1.2.3",
        "uptime_s": 0.0,
        "parts": [{"name": "database", "healthy": True, "detail": "at /secret/path"}],
    }
