"""A gateway with the hot route in front of it, on a server that offers it the wire."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import anyio
import anyio.lowlevel
import httpx2
import uvicorn
from starlette.types import Receive, Scope, Send

from alcove.gateway.adapters.openai_bytes import sum_up
from alcove.gateway.calls import Call, UsageRow
from alcove.gateway.hot.face import PATH, Concern, HotFace
from alcove.gateway.hot.traces import HotTraces
from alcove.gateway.metering import FreeMeter, MemoryUsageLog
from alcove.gateway.models import GatewaySettings
from alcove.gateway.ports import Admission, Meter
from alcove.infra.lean_edge import LeanEdge
from alcove.infra.metrics import Metrics
from alcove.infra.middleware import EdgeSettings
from alcove.infra.wire import HttpProtocol
from alcove.kernel.ports import NoPricing
from alcove.kernel.principal import Principal
from alcove.kernel.trace import ListTraceSink
from tests.gateway.conftest import PEOPLE, Gateway, open_gateway, running


class Keys:
    """Knows the people of the tests; one of them has to be looked up first."""

    def known(self, secret: str, ip: str) -> Principal | None:
        return None if secret == "sk-as-bob" else PEOPLE.get(secret)

    async def find(self, secret: str, ip: str) -> Principal | None:
        await anyio.lowlevel.checkpoint()
        return PEOPLE.get(secret)


@dataclass
class Inner:
    """The application behind, which counts what is handed on to it."""

    gateway: Gateway
    count: int = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self.count += 1
        await self.gateway.app(scope, receive, send)


@dataclass
class Hot:
    """A hot gateway that listens."""

    url: str
    gateway: Gateway
    face: HotFace
    inner: Inner
    log: MemoryUsageLog
    sink: ListTraceSink = field(default_factory=ListTraceSink)

    def client(self, key: str | None = "sk-as-ada", **more: str) -> httpx2.AsyncClient:
        headers = {**more} if key is None else {"authorization": f"Bearer {key}", **more}
        return httpx2.AsyncClient(base_url=self.url, headers=headers, timeout=20, trust_env=False)

    async def row(self) -> UsageRow:
        """Gives the usage row of the last call, once it is there."""
        with anyio.fail_after(3):
            while not self.log.rows:
                await anyio.sleep(0.005)
        return self.log.rows[-1]


@dataclass
class RefusingMeter:
    """Refuses every call."""

    error: Exception

    async def admit(self, who: Principal, call: Call) -> Admission:
        raise self.error


@contextlib.asynccontextmanager
async def _listening(
    settings: GatewaySettings, concerns: Sequence[Concern], meter: Meter | None, traces_per_s: float
) -> AsyncIterator[Hot]:
    async with open_gateway(settings) as gateway:
        log, sink, inner = MemoryUsageLog(), ListTraceSink(), Inner(gateway)
        traces = HotTraces(sink=sink, sum_up=sum_up, clock=gateway.clock, per_s=traces_per_s)
        face = HotFace(
            inner=inner,
            edge=LeanEdge.of(EdgeSettings(), "127.0.0.1", settings.max_body_bytes, PATH),
            keys=Keys(),
            router=gateway.router,
            meter=meter or FreeMeter(log),
            concerns=concerns,
            slots=gateway.face.slots,
            pricing=NoPricing(),
            traces=traces,
            metrics=Metrics(),
            settings=settings,
        )
        config = uvicorn.Config(
            face,
            host="127.0.0.1",
            port=0,
            log_level="error",
            lifespan="on",
            http=HttpProtocol.of_one_server(face),
            timeout_keep_alive=1,
        )
        server = uvicorn.Server(config)
        async with anyio.create_task_group() as group, anyio.create_task_group() as workers:
            group.start_soon(server.serve)
            workers.start_soon(traces.run)
            while not server.started:
                await anyio.sleep(0.005)
            port = server.servers[0].sockets[0].getsockname()[1]
            yield Hot(f"http://127.0.0.1:{port}", gateway, face, inner, log, sink)
            server.should_exit = server.force_exit = True
            workers.cancel_scope.cancel()


def hot(
    settings: GatewaySettings,
    *,
    concerns: Sequence[Concern] = (),
    meter: Meter | None = None,
    traces_per_s: float = 1000.0,
) -> AbstractContextManager[Hot]:
    """Runs a hot gateway in a thread of its own."""

    def start() -> contextlib.AbstractAsyncContextManager[Hot]:
        return _listening(settings, concerns, meter, traces_per_s)

    return running(start)
