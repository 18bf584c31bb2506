"""The runtime's routes on a loopback port, with an answer to who is asking."""

import contextlib
import socket
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import httpx2
import uvicorn
from fastapi import APIRouter, FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from alcove.infra.middleware import BodyLimit, HostCheck
from alcove.infra.problems import install_error_handlers
from alcove.kernel.clock import FakeClock
from alcove.kernel.errors import NotAuthenticated
from alcove.kernel.principal import Allowance, Principal, Role
from alcove.main.runtime_catalog import open_catalog, runtime_state
from alcove.runtime import api as page_api
from alcove.runtime import ollama_api, registry_api, running_api
from alcove.runtime.catalog.ports import NoRemoteOllamas, Origin, RemoteOllamas, SimpleForecast
from alcove.runtime.catalog.settings import CatalogSettings
from alcove.runtime.heartbeat import Heartbeat
from alcove.runtime.library import ModelLibrary
from alcove.runtime.ports import ModelAccess, OpenAccess
from alcove.runtime.registry.settings import RegistrySettings
from alcove.runtime.testing.local import FakeLocalModels

PEOPLE = {
    "sk-as-root": Principal(user_id="user-root", email="root@example.org", role=Role.ADMIN, key_id="key-root"),
    "sk-as-ada": Principal(user_id="user-ada", email="ada@example.org", role=Role.USER, key_id="key-ada"),
    "sk-as-bob": Principal(
        user_id="user-bob",
        email="bob@example.org",
        role=Role.USER,
        key_id="key-bob",
        allowances=(Allowance(subject="key:key-bob", name="narrow", models=("tiny",)),),
    ),
}


@dataclass
class ListAudit:
    """Remembers what was recorded."""

    lines: list[tuple[str, str, str]] = field(default_factory=list)

    async def record(self, who: Principal, action: str, subject: str, origin: Origin) -> None:
        self.lines.append((who.user_id, action, subject))


@dataclass
class Doorkeeper:
    """Knows people by their key."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            state = scope.setdefault("state", {})
            state["request_id"] = "request-1"
            headers = dict(scope["headers"])
            given = headers.get(b"authorization", b"").decode().removeprefix("Bearer ")
            if given in PEOPLE:
                state["principal"] = PEOPLE[given]
            else:
                state["refusal"] = NotAuthenticated()
        await self.app(scope, receive, send)


@dataclass(frozen=True, kw_only=True)
class Served:
    """The runtime, listening."""

    url: str
    library: ModelLibrary
    local: FakeLocalModels
    audit: ListAudit
    clock: FakeClock

    def client(self, key: str = "sk-as-root") -> httpx2.AsyncClient:
        headers = {"authorization": f"Bearer {key}"} if key else {}
        return httpx2.AsyncClient(base_url=self.url, headers=headers, timeout=20, trust_env=False)


@contextlib.asynccontextmanager
async def listening(
    folder: Path,
    catalog: CatalogSettings | None = None,
    remote: RemoteOllamas | None = None,
    routers: Sequence[APIRouter] = (),
    access: ModelAccess | None = None,
    **options: Any,
) -> AsyncIterator[Served]:
    """Runs the routes on a free port; `options` are fields of the settings of registries."""
    given: dict[str, Any] = {"first_pause_s": 0.01, "stall_s": 2.0, **options}
    clock, audit = FakeClock(), ListAudit()
    parts = await open_catalog(folder, catalog or CatalogSettings(), RegistrySettings(**given), clock=clock)
    library = parts.library(audit)
    local = FakeLocalModels(parts.catalog)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, object]]:
        serve = (catalog or CatalogSettings()).serve
        memory = SimpleForecast(budget=1 << 30)
        yield runtime_state(
            library, local, memory, remote or NoRemoteOllamas(), access or OpenAccess(), serve=serve, clock=clock
        )

    app = FastAPI(lifespan=lifespan)
    for each in (ollama_api.router, registry_api.router, page_api.router, running_api.router, *routers):
        app.include_router(each)
    install_error_handlers(app)
    limited = BodyLimit(Doorkeeper(app), max_bytes=1 << 16, max_upload_bytes=1 << 16)
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    outer = HostCheck(Heartbeat(limited, port), bind_host="127.0.0.1")
    server = uvicorn.Server(uvicorn.Config(outer, log_level="error", lifespan="on"))
    async with contextlib.AsyncExitStack() as stack, anyio.create_task_group() as outermost:
        stack.callback(listener.close)
        outermost.start_soon(parts.tasks.run)
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: server.serve(sockets=[listener]))
            while not server.started:
                await anyio.sleep(0.005)
            try:
                yield Served(url=f"http://127.0.0.1:{port}", library=library, local=local, audit=audit, clock=clock)
            finally:
                server.should_exit = server.force_exit = True
        outermost.cancel_scope.cancel()
    parts.close()
