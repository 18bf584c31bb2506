"""The HTTP application: the routes of every room, the page, and the edge around them."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import structlog
from fastapi import FastAPI

import alcove
from alcove.chats import api as chats_api
from alcove.gateway import api as gateway_api
from alcove.gateway import openai_api
from alcove.identity import api as identity_api
from alcove.identity.middleware import Authentication
from alcove.infra.metrics import Metrics, MetricsMiddleware
from alcove.infra.middleware import BodyLimit, HostCheck, ProxyHeaders, RequestContext, SecurityHeaders
from alcove.infra.page import PageApp
from alcove.infra.problems import install_error_handlers
from alcove.knowledge import api as knowledge_api
from alcove.main.house import open_house
from alcove.main.openapi import exact
from alcove.settings import Settings
from alcove.status import api as status_api
from alcove.tracing import api as tracing_api

log = structlog.get_logger(__name__)

PAGE_FOLDER = Path(alcove.__file__).parent / "page"
_ROUTERS = {
    "chats": (chats_api.router,),
    "gateway": (gateway_api.router, openai_api.router),
    "identity": (identity_api.router,),
    "knowledge": (knowledge_api.router,),
    "tracing": (tracing_api.router,),
}
ROOMS = frozenset({*_ROUTERS, "page"})
"""What `alcove serve` can be told to serve."""


def create_app(settings: Settings, rooms: frozenset[str] | None = None, *, base_url: str = "") -> FastAPI:
    """Gives the application.

    Args:
        settings: All settings.
        rooms: Rooms whose routes are served; None for all. Health, metrics and status always are.
        base_url: Address of the server, for the setup link.
    """
    metrics = Metrics()

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        async with open_house(settings, metrics) as house:
            link = await house.identity.setup.start(base_url)
            if link is not None:
                _show_setup_link(link)
            yield house.state()

    app = FastAPI(
        title="Alcove",
        version=alcove.__version__,
        summary="A private AI platform: chat, documents, model gateway and tracing.",
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    document = app.openapi
    app.openapi = lambda: exact(document())  # type: ignore[method-assign]  FastAPI's own way to change the document
    install_error_handlers(app)
    served = ROOMS if rooms is None else rooms
    for name, routers in _ROUTERS.items():
        for router in routers if name in served else ():
            app.include_router(router)
    app.include_router(status_api.router)
    if "page" in served:
        app.mount("/", PageApp(PAGE_FOLDER))
    edge = settings.edge
    # The last one added is the outermost.
    app.add_middleware(Authentication)
    app.add_middleware(BodyLimit, max_bytes=edge.max_body_bytes, max_upload_bytes=edge.max_upload_bytes)
    app.add_middleware(HostCheck, allowed=edge.allowed_hosts, bind_host=settings.server.host)
    app.add_middleware(MetricsMiddleware, metrics=metrics)
    app.add_middleware(RequestContext)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(ProxyHeaders, trusted=edge.trusted_proxies)
    return app


def _show_setup_link(link: str) -> None:
    """Shows the link on standard output, where the operator looks; it is in no log."""
    print(f"\n  Make the first account: {link}\n", flush=True)  # noqa: T201  meant for the terminal
