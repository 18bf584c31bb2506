"""The HTTP application: the routes of every room, the page, and the edge around them."""

from collections.abc import Mapping
from pathlib import Path

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

import alcove
from alcove.chats import api as chats_api
from alcove.gateway import api as gateway_api
from alcove.gateway import openai_api
from alcove.gateway.cache import api as cache_api
from alcove.gateway.faces import anthropic_api, completions_api, ollama_api, ollama_embed, responses_api
from alcove.gateway.guards import api as guards_api
from alcove.gateway.limits import api as limits_api
from alcove.gateway.passthrough import api as passthrough_api
from alcove.gateway.routing import api as routing_api
from alcove.gateway.usage import api as usage_api
from alcove.identity import api as identity_api
from alcove.identity.middleware import Authentication
from alcove.infra.metrics import Metrics, MetricsMiddleware
from alcove.infra.middleware import BodyLimit, HostCheck, ProxyHeaders, RequestContext, SecurityHeaders
from alcove.infra.page import PageApp
from alcove.infra.problems import install_error_handlers
from alcove.knowledge import api as knowledge_api
from alcove.main.openapi import exact
from alcove.runtime import api as runtime_api
from alcove.runtime import ollama_api as runtime_ollama_api
from alcove.runtime import registry_api, running_api
from alcove.settings import Settings
from alcove.status import api as status_api
from alcove.tracing import api as tracing_api

PAGE_FOLDER = Path(alcove.__file__).parent / "page"
_ROUTERS = {
    "chats": (chats_api.router,),
    "gateway": (
        gateway_api.router,
        openai_api.router,
        passthrough_api.router,
        routing_api.router,
        limits_api.router,
        usage_api.router,
        anthropic_api.router,
        responses_api.router,
        completions_api.router,
        ollama_api.router,
        ollama_embed.router,
        cache_api.router,
        guards_api.router,
    ),
    "identity": (identity_api.router,),
    "knowledge": (knowledge_api.router,),
    "runtime": (runtime_api.router, running_api.router, runtime_ollama_api.router, registry_api.router),
    "tracing": (tracing_api.router,),
}
ROOMS = frozenset({*_ROUTERS, "page"})
"""What `alcove serve` can be told to serve."""


def create_app(settings: Settings, metrics: Metrics, rooms: frozenset[str] | None = None) -> FastAPI:
    """Gives the application; it finds the services of an open house in each request's state (`with_state`).

    Args:
        settings: All settings.
        metrics: Where requests are counted.
        rooms: Rooms whose routes are served; None for all. Health, metrics and status always are.
    """
    app = FastAPI(
        title="Alcove",
        version=alcove.__version__,
        summary="A private AI platform: chat, documents, model gateway and tracing.",
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        telemetry={"auto_configure": False},
    )
    document = app.openapi
    app.openapi = lambda: exact(document())  # type: ignore[method-assign]  # as FastAPI documents it
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


def with_state(app: ASGIApp, state: Mapping[str, object]) -> ASGIApp:
    """Gives the application with services in the state of every request."""

    async def stateful(scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"] = dict(state)
        await app(scope, receive, send)

    return stateful
