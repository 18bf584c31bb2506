"""The gateway as an application of its own: real services, a fake model server, an answer to who is asking."""

import contextlib
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import TypeVar

import anthropic
import anyio
import httpx2
import openai
import pytest
import uvicorn
from anyio import to_thread
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from alcove.gateway import api, openai_api
from alcove.gateway.adapters.anthropic import AnthropicUpstreamFactory
from alcove.gateway.adapters.fake import FakeUpstreamFactory
from alcove.gateway.adapters.ollama import OllamaUpstreamFactory
from alcove.gateway.adapters.openai_compatible import OpenAiUpstreamFactory
from alcove.gateway.adapters.prices import PackagedPrices
from alcove.gateway.directory import DeploymentDirectory
from alcove.gateway.embedding import EmbeddingService
from alcove.gateway.faces import anthropic_api, completions_api, ollama_api, ollama_embed, responses_api
from alcove.gateway.faces.token_count import TokenCount
from alcove.gateway.metering import FreeMeter, MemoryUsageLog
from alcove.gateway.models import Deployment, DeploymentSettings, GatewaySettings, Provider
from alcove.gateway.openai_api import ChatFace
from alcove.gateway.passthrough import api as passthrough_api
from alcove.gateway.passthrough.rerank import EmbeddingReranker
from alcove.gateway.passthrough.service import PassThroughService
from alcove.gateway.ports import Origin
from alcove.gateway.routing import api as routing_api
from alcove.gateway.routing.board import HealthBoard
from alcove.gateway.routing.circuit import CircuitLimits
from alcove.gateway.routing.groups import GroupDirectory
from alcove.gateway.routing.models import ModelGroup
from alcove.gateway.routing.routed import RoutedModels
from alcove.gateway.routing.router import PoolRouter
from alcove.gateway.routing.service import ModelGroupService, RoutingStanding
from alcove.gateway.routing.transports import TimedUpstreams, Transports
from alcove.gateway.service import BuiltInModels, DeploymentService, ModelCatalogue
from alcove.infra.background import background_tasks
from alcove.infra.http import AddressGuard
from alcove.infra.problems import install_error_handlers
from alcove.kernel.chat import ChatRequest, Citation, Delta, JsonValue, Source, Usage
from alcove.kernel.clock import Clock, SystemClock
from alcove.kernel.errors import AlcoveError, AlreadyExists, Forbidden, NotAuthenticated, NotFound
from alcove.kernel.filters import BaseFilter
from alcove.kernel.ports import CallContext, EmbeddingContext, Embeddings, ModelInfo, ModelSource
from alcove.kernel.principal import Allowance, Principal, Role
from alcove.kernel.runner import TurnRunner
from alcove.kernel.trace import ListTraceSink
from alcove.kernel.turn import Turn
from tests.wire.anthropic_server import AnthropicServer
from tests.wire.openai_server import OpenAiServer

T = TypeVar("T")

PEOPLE = {
    "sk-as-root": Principal(user_id="user-root", email="root@example.org", role=Role.ADMIN, key_id="key-root"),
    "sk-as-ada": Principal(user_id="user-ada", email="ada@example.org", role=Role.USER, key_id="key-ada"),
    "sk-as-bound": Principal(
        user_id="user-bound",
        email="bound@example.org",
        role=Role.USER,
        key_id="key-bound",
        allowances=(Allowance(subject="key:key-bound", name="bound", models=("other",)),),
    ),
    "sk-as-bob": Principal(user_id="user-bob", email="bob@example.org", role=Role.USER, key_id="key-bob"),
}


@dataclass
class MemoryDeployments:
    """Deployments in a dictionary."""

    rows: dict[str, Deployment] = field(default_factory=dict)

    async def list(self) -> Sequence[Deployment]:
        return list(self.rows.values())

    def _refuse_taken(self, deployment: Deployment) -> None:
        if any(
            each.id != deployment.id and each.name.lower() == deployment.name.lower() for each in self.rows.values()
        ):
            raise AlreadyExists

    async def add(self, deployment: Deployment) -> None:
        self._refuse_taken(deployment)
        self.rows[deployment.id] = deployment

    async def update(self, deployment: Deployment) -> None:
        if deployment.id not in self.rows:
            raise NotFound
        self._refuse_taken(deployment)
        self.rows[deployment.id] = deployment

    async def delete(self, deployment_id: str) -> bool:
        return self.rows.pop(deployment_id, None) is not None


@dataclass
class MemoryModelGroups:
    """Model groups in a dictionary."""

    rows: dict[str, ModelGroup] = field(default_factory=dict)

    async def list(self) -> Sequence[ModelGroup]:
        return list(self.rows.values())

    async def add(self, group: ModelGroup) -> None:
        if any(each.model == group.model for each in self.rows.values()):
            raise AlreadyExists
        self.rows[group.id] = group

    async def update(self, group: ModelGroup) -> None:
        if group.id not in self.rows:
            raise NotFound
        if any(each.model == group.model and each.id != group.id for each in self.rows.values()):
            raise AlreadyExists
        self.rows[group.id] = group

    async def delete(self, group_id: str) -> bool:
        return self.rows.pop(group_id, None) is not None


class ReversingCipher:
    """Hides a secret from a test that looks for it, and binds it to its record."""

    def encrypt(self, plain: str, *, record_id: str) -> str:
        return f"{record_id}:{plain[::-1]}"

    def decrypt(self, token: str, *, record_id: str) -> str:
        bound, _, reverse = token.partition(":")
        assert bound == record_id
        return reverse[::-1]


@dataclass
class ListAudit:
    """Remembers in a list."""

    lines: list[tuple[str, str, str]] = field(default_factory=list)
    origins: list[Origin] = field(default_factory=list)

    async def record(self, who: Principal, action: str, subject: str, origin: Origin) -> None:
        self.lines.append((who.user_id, action, subject))
        self.origins.append(origin)


@dataclass
class FakeEmbedding:
    """Embeds by length."""

    info: ModelInfo = field(
        default_factory=lambda: ModelInfo(id="alcove/minilm", kind="embedding", is_generative=False)
    )
    dimensions: int = 3

    async def embed(self, texts: Sequence[str], *, context: EmbeddingContext | None = None) -> Embeddings:
        return Embeddings(vectors=[[0.6, 0.8, 0.0] for _ in texts], usage=Usage(input_tokens=len(texts)))


@dataclass
class FakeReader:
    """Answers from its sources, as the built-in reader does."""

    info: ModelInfo = field(
        default_factory=lambda: ModelInfo(id="alcove/reader", is_generative=False, reads_sources=True)
    )

    async def stream(self, request: ChatRequest, context: CallContext) -> AsyncGenerator[Delta, None]:
        yield Delta(content=f"{len(request.sources)} sources")
        yield Delta(citations=tuple(Citation(number=each.number, quote=each.text) for each in request.sources))
        yield Delta(finish_reason="stop")


class CollectionFilter(BaseFilter):
    """Finds one passage in every collection."""

    name = "knowledge"
    status = "Searching"

    def applies(self, turn: Turn) -> bool:
        return bool(turn.request.collections)

    async def inlet(self, turn: Turn) -> None:
        found = tuple(
            Source(
                number=number, text="Water boils at 100 °C.", document_id="d", document="boil.txt", collection_id=name,
                collection=name, chunk_index=0, score=0.5,
            )
            for number, name in enumerate(turn.request.collections, 1)
        )  # fmt: skip
        turn.request = replace(turn.request, sources=found)


@dataclass
class FakeLoading:
    """Loads the models it is told are local."""

    local: set[str] = field(default_factory=set)
    loaded: list[tuple[str, str, Mapping[str, JsonValue], JsonValue]] = field(default_factory=list)
    unloaded: list[tuple[str, str]] = field(default_factory=list)
    failure: AlcoveError | None = None

    async def load(
        self, model_id: str, who: Principal, *, options: Mapping[str, JsonValue], keep_alive: JsonValue
    ) -> bool:
        if self.failure is not None:
            raise self.failure
        self.loaded.append((model_id, who.user_id, options, keep_alive))
        return model_id in self.local

    async def unload(self, model_id: str, who: Principal) -> bool:
        self.unloaded.append((model_id, who.user_id))
        return model_id in self.local


class Doorkeeper:
    """Says who is asking, as the identity room's layer does."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            state = scope.setdefault("state", {})
            state["request_id"] = "request-1"
            headers = dict(scope["headers"])
            given = headers.get(b"x-api-key", headers.get(b"authorization", b"")).decode("latin-1")
            given = given.removeprefix("Bearer ")
            if given in PEOPLE:
                state["principal"] = PEOPLE[given]
            elif given:
                state["refusal"] = Forbidden() if given == "limited" else NotAuthenticated()
        await self._app(scope, receive, send)


@dataclass
class Gateway:
    """The parts of a gateway under test."""

    settings: GatewaySettings
    clock: Clock
    store: MemoryDeployments
    audit: ListAudit
    sink: ListTraceSink
    directory: DeploymentDirectory
    catalogue: ModelCatalogue
    deployments: DeploymentService
    app: ASGIApp
    face: ChatFace
    usage: MemoryUsageLog
    router: PoolRouter
    groups: ModelGroupService
    board: HealthBoard
    loading: FakeLoading


@contextlib.asynccontextmanager
async def open_gateway(
    settings: GatewaySettings, *, clock: Clock | None = None, sources: Sequence[ModelSource] = ()
) -> AsyncIterator[Gateway]:
    """Builds a gateway as `main` does, without the other rooms."""
    clock = clock or SystemClock()
    guard = AddressGuard(settings.named_addresses())
    transports = Transports(settings.http_limits(), guard)
    store, audit, sink, cipher = MemoryDeployments(), ListAudit(), ListTraceSink(), ReversingCipher()
    factories = {
        Provider.FAKE: FakeUpstreamFactory(settings.http_limits()),
        Provider.OPENAI: TimedUpstreams(OpenAiUpstreamFactory, transports),
        Provider.OLLAMA: TimedUpstreams(OllamaUpstreamFactory, transports),
        Provider.ANTHROPIC: TimedUpstreams(AnthropicUpstreamFactory, transports),
    }
    prices = PackagedPrices()
    directory = DeploymentDirectory(settings, store, cipher, factories, clock)
    await directory.load()
    built_in = BuiltInModels(chat=(FakeReader(),), embedding=(FakeEmbedding(),))
    group_store = MemoryModelGroups()
    groups = GroupDirectory(settings=settings, store=group_store, clock=clock)
    await groups.load()
    limits = CircuitLimits(
        failures=settings.cooldown_failures, cooldown_s=settings.cooldown_s, max_cooldown_s=settings.max_cooldown_s
    )
    board = HealthBoard(limits=limits, clock=clock)
    router = PoolRouter(directory=directory, groups=groups, board=board, pricing=prices, clock=clock)
    routed = RoutedModels(directory=directory, router=router, clock=clock)
    catalogue = ModelCatalogue([built_in, routed, *sources], settings.default_model)
    deployments = DeploymentService(
        directory=directory,
        store=store,
        cipher=cipher,
        addresses=guard,
        audit=audit,
        clock=clock,
        standing=RoutingStanding(board, groups),
    )
    group_service = ModelGroupService(
        groups=groups, store=group_store, directory=directory, deployments=store, audit=audit, clock=clock
    )
    async with background_tasks(drain_s=1) as background:
        runner = TurnRunner(
            models=catalogue,
            filters=[CollectionFilter()],
            sink=sink,
            pricing=prices,
            background=background,
            clock=clock,
        )
        face = ChatFace.of(runner, settings)
        embedding = EmbeddingService(models=catalogue, sink=sink, pricing=prices, clock=clock)

        loading = FakeLoading()
        usage = MemoryUsageLog()
        pass_through = PassThroughService(
            router=router,
            models=catalogue,
            meter=FreeMeter(usage),
            sink=sink,
            pricing=prices,
            clock=clock,
        )

        @contextlib.asynccontextmanager
        async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, object]]:
            yield {
                "model_catalogue": catalogue,
                "deployments": deployments,
                "model_groups": group_service,
                "chat_face": face,
                "embedding_service": embedding,
                "pass_through": pass_through,
                "reranker": EmbeddingReranker(embedding),
                "token_count": TokenCount(catalogue, directory),
                "model_loading": loading,
            }

        app = FastAPI(lifespan=lifespan)
        app.include_router(api.router)
        app.include_router(passthrough_api.router)
        app.include_router(routing_api.router)
        for protocol in (openai_api, anthropic_api, responses_api, completions_api, ollama_api, ollama_embed):
            app.include_router(protocol.router)
        install_error_handlers(app)
        yield Gateway(
            settings,
            clock,
            store,
            audit,
            sink,
            directory,
            catalogue,
            deployments,
            Doorkeeper(app),
            face,
            usage,
            router,
            group_service,
            board,
            loading,
        )
    transports.close()


@dataclass
class Served:
    """A gateway that listens."""

    url: str
    gateway: Gateway

    def client(self, key: str = "sk-as-ada") -> httpx2.AsyncClient:
        return httpx2.AsyncClient(
            base_url=self.url, headers={"authorization": f"Bearer {key}"}, timeout=10, trust_env=False
        )

    def anthropic(self, key: str = "sk-as-ada") -> anthropic.Anthropic:
        http = httpx2.Client(trust_env=False, timeout=10)
        return anthropic.Anthropic(base_url=self.url, api_key=key, max_retries=0, http_client=http)

    def openai(self, key: str = "sk-as-ada") -> openai.OpenAI:
        http = httpx2.Client(trust_env=False, timeout=10)
        return openai.OpenAI(base_url=f"{self.url}/v1", api_key=key, max_retries=0, http_client=http)


@contextlib.contextmanager
def running(service: Callable[[], AbstractAsyncContextManager[T]]) -> Iterator[T]:
    """Runs a service in a thread of its own, with a loop of its own."""
    found: list[T] = []
    failures: list[BaseException] = []
    ready, stop = threading.Event(), threading.Event()

    async def serve() -> None:
        async with service() as made:
            found.append(made)
            ready.set()
            await to_thread.run_sync(stop.wait)

    def run() -> None:
        try:
            anyio.run(serve)
        except BaseException as error:  # noqa: BLE001  told to the test below
            failures.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert ready.wait(10)
        if found:
            yield found[0]
    finally:
        stop.set()
        thread.join(10)
    if failures:
        raise failures[0]


@contextlib.asynccontextmanager
async def listening(settings: GatewaySettings) -> AsyncIterator[Served]:
    """Runs a gateway on a free port."""
    async with open_gateway(settings) as gateway:
        server = uvicorn.Server(uvicorn.Config(gateway.app, host="127.0.0.1", port=0, log_level="error", lifespan="on"))
        async with anyio.create_task_group() as group:
            group.start_soon(server.serve)
            while not server.started:
                await anyio.sleep(0.005)
            port = server.servers[0].sockets[0].getsockname()[1]
            yield Served(f"http://127.0.0.1:{port}", gateway)
            server.should_exit = server.force_exit = True


def served(settings: GatewaySettings) -> AbstractContextManager[Served]:
    """Runs a gateway in a thread of its own."""
    return running(lambda: listening(settings))


def settings_for_both(upstream: OpenAiServer, claude: AnthropicServer, **more: object) -> GatewaySettings:
    """Gives settings with both fake servers, as the deployments `up` and `claude`."""
    deployments = (
        DeploymentSettings(name="up", base_url=upstream.base_url, api_key="sk-upstream-secret-1234"),  # type: ignore[arg-type]  # pydantic wraps it
        DeploymentSettings(
            name="claude",
            provider=Provider.ANTHROPIC,
            base_url=claude.base_url,
            api_key="sk-ant-upstream-secret-1234",  # type: ignore[arg-type]
        ),
    )
    return GatewaySettings(**{"deployments": deployments, "ollama_discovery": False, **more})  # type: ignore[arg-type]  # fields by name


def settings_for(upstream: OpenAiServer, **more: object) -> GatewaySettings:
    """Gives settings with the fake server as the deployment `up`."""
    deployment = DeploymentSettings(name="up", base_url=upstream.base_url, api_key="sk-upstream-secret-1234")  # type: ignore[arg-type]  # pydantic wraps it
    return GatewaySettings(**{"deployments": (deployment,), "ollama_discovery": False, **more})  # type: ignore[arg-type]  # fields by name


@pytest.fixture(scope="module")
def _upstream() -> Iterator[OpenAiServer]:
    with running(OpenAiServer) as server:
        yield server


@pytest.fixture(scope="module")
def _serving(_upstream: OpenAiServer) -> Iterator[Served]:
    with served(settings_for(_upstream, keep_alive_s=0.3, read_timeout_s=2)) as house:
        yield house


@pytest.fixture
def upstream(_upstream: OpenAiServer) -> OpenAiServer:
    """A fake model server that remembers nothing of the test before."""
    _upstream.script.clear()
    _upstream.requests.clear()
    _upstream.ollama_models = None
    return _upstream


@pytest.fixture
def serving(_serving: Served, upstream: OpenAiServer) -> Served:
    """A gateway that listens, over the fake server."""
    _serving.gateway.sink.traces.clear()
    loading = _serving.gateway.loading
    loading.local.clear()
    loading.loaded.clear()
    loading.unloaded.clear()
    loading.failure = None
    return _serving


@pytest.fixture(scope="module")
def _claude() -> Iterator[AnthropicServer]:
    with running(AnthropicServer) as server:
        yield server


@pytest.fixture(scope="module")
def _both(_upstream: OpenAiServer, _claude: AnthropicServer) -> Iterator[Served]:
    with served(settings_for_both(_upstream, _claude, keep_alive_s=0.3, read_timeout_s=2)) as house:
        yield house


@pytest.fixture
def claude(_claude: AnthropicServer) -> AnthropicServer:
    """A fake server of Anthropic's that remembers nothing of the test before."""
    _claude.script.clear()
    _claude.requests.clear()
    return _claude


@pytest.fixture
def both(_both: Served, upstream: OpenAiServer, claude: AnthropicServer) -> Served:
    """A gateway that listens, over both fake servers."""
    _both.gateway.sink.traces.clear()
    return _both
