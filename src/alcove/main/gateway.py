"""Builds the gateway: which deployment answers, what is cached, who may ask how much, what it costs, what is guarded."""

from dataclasses import dataclass
from functools import partial

from alcove.gateway.adapters.anthropic import AnthropicUpstreamFactory
from alcove.gateway.adapters.fake import FakeUpstreamFactory
from alcove.gateway.adapters.ollama import OllamaUpstreamFactory
from alcove.gateway.adapters.openai_compatible import OpenAiUpstreamFactory
from alcove.gateway.adapters.prices import PackagedPrices
from alcove.gateway.adapters.reader import Reader
from alcove.gateway.adapters.remote_ollamas import RemoteOllamaServers
from alcove.gateway.cache.adapters.memory import MemoryCache
from alcove.gateway.cache.flights import Flights
from alcove.gateway.cache.metrics import CacheCollector
from alcove.gateway.cache.policies import ConfiguredPolicies, FirstPolicies
from alcove.gateway.cache.service import CacheService
from alcove.gateway.cache.shelf import Shelf
from alcove.gateway.cache.source import CachedSource
from alcove.gateway.directory import DeploymentDirectory
from alcove.gateway.embedding import EmbeddingService
from alcove.gateway.faces.ollama_loading import DeploymentLoading
from alcove.gateway.faces.token_count import TokenCount
from alcove.gateway.guards.directory import ConfiguredGuards, GuardDirectory
from alcove.gateway.guards.filter import GuardrailFilter
from alcove.gateway.guards.metrics import GuardCollector
from alcove.gateway.guards.service import GuardService
from alcove.gateway.guards.store import SqlGuardStore
from alcove.gateway.limits.meter import LimitedMeter
from alcove.gateway.limits.metered import MeteredSource
from alcove.gateway.models import Provider
from alcove.gateway.passthrough.rerank import EmbeddingReranker
from alcove.gateway.passthrough.service import PassThroughService
from alcove.gateway.ports import Audit, UpstreamFactory
from alcove.gateway.prices import DeploymentPricing
from alcove.gateway.routing.board import HealthBoard
from alcove.gateway.routing.checks import HealthChecks
from alcove.gateway.routing.circuit import CircuitLimits
from alcove.gateway.routing.estimate import RoutedEstimate
from alcove.gateway.routing.groups import GroupDirectory
from alcove.gateway.routing.metrics import RoutingCollector
from alcove.gateway.routing.policies import RoutedCaching, RoutedGuards, RoutedNames, RoutedPolicies
from alcove.gateway.routing.routed import RoutedModels
from alcove.gateway.routing.router import PoolRouter
from alcove.gateway.routing.service import ModelGroupService, RoutingStanding
from alcove.gateway.routing.store import SqlModelGroupStore
from alcove.gateway.routing.transports import TimedUpstreams, Transports
from alcove.gateway.service import BuiltInModels, DeploymentService, ModelCatalogue
from alcove.gateway.store import SqlDeploymentStore
from alcove.infra.embedder import Embedder
from alcove.infra.http import AddressGuard, HttpClient
from alcove.infra.secrets import SecretBox
from alcove.infra.valkey import open_valkey
from alcove.kernel.ports import ModelSource, Pricing
from alcove.kernel.trace import TraceSink
from alcove.main.ground import Ground
from alcove.main.limits import open_meter
from alcove.main.usage import UsageParts
from alcove.status.service import Part

_OWN_OLLAMA = frozenset({"http://127.0.0.1:11434", "http://localhost:11434"})


@dataclass(frozen=True, kw_only=True, slots=True)
class RoutingParts:
    """What finds the deployment that answers."""

    store: SqlModelGroupStore
    groups: GroupDirectory
    board: HealthBoard
    router: PoolRouter
    policies: RoutedPolicies


@dataclass(frozen=True, kw_only=True, slots=True)
class GatewayParts:
    """What the gateway is made of."""

    embedder: Embedder
    pricing: Pricing
    addresses: AddressGuard
    cipher: SecretBox
    store: SqlDeploymentStore
    directory: DeploymentDirectory
    routing: RoutingParts
    caching: CachedSource
    meter: LimitedMeter
    guard_store: SqlGuardStore
    guards: GuardrailFilter
    catalogue: ModelCatalogue

    @property
    def shelf(self) -> Shelf:
        """Where answers are cached."""
        return self.caching.shelf

    @property
    def parts(self) -> tuple[Part, ...]:
        """The parts of the house whose health can be asked for."""
        return (Part(name="Model servers", check=self._check), Part(name="Answer cache", check=self.shelf.check))

    async def _check(self) -> tuple[bool, str]:
        unreached = self.directory.unreached()
        return not unreached, f"no answer from {', '.join(unreached)}" if unreached else "all that are set up answer"


@dataclass(frozen=True, kw_only=True, slots=True)
class GatewayServices:
    """What routes reach of the gateway."""

    deployments: DeploymentService
    model_groups: ModelGroupService
    embedding_service: EmbeddingService
    pass_through: PassThroughService
    reranker: EmbeddingReranker
    response_cache: CacheService
    guardrails: GuardService
    token_count: TokenCount
    model_loading: DeploymentLoading


async def open_gateway(ground: Ground, usage: UsageParts, local: UpstreamFactory | None = None) -> GatewayParts:
    """Opens the deployments, and everything that acts around calls to them.

    Args:
        ground: What every room stands on.
        usage: Where calls are counted.
        local: Opens the models on this machine's disk; None where there are none.
    """
    options, clock = ground.settings.gateway, ground.clock
    if (
        ground.settings.server.seed_ports and options.ollama_url in _OWN_OLLAMA
    ):  # who listens there is this server itself
        options = options.model_copy(update={"ollama_discovery": False})
    addresses = AddressGuard(options.named_addresses())
    transports = Transports(options.http_limits(), addresses)
    ground.stack.callback(transports.close)
    store = SqlDeploymentStore(ground.database)
    cipher = SecretBox(ground.key.derive_all("secrets"))
    prices = PackagedPrices()
    directory = DeploymentDirectory(
        settings=options,
        store=store,
        cipher=cipher,
        factories={
            Provider.OPENAI: TimedUpstreams(OpenAiUpstreamFactory, transports),
            Provider.OLLAMA: TimedUpstreams(OllamaUpstreamFactory, transports),
            Provider.ANTHROPIC: TimedUpstreams(AnthropicUpstreamFactory, transports),
            Provider.FAKE: FakeUpstreamFactory(options.http_limits()),
            **({Provider.LOCAL: local} if local is not None else {}),
        },
        clock=clock,
        prices=prices,
    )
    await directory.load()
    ground.workers.start(directory.run, "model lists")
    pricing = DeploymentPricing(prices, directory.prices_of)
    routing = await _open_routing(ground, directory, pricing)
    embedder = Embedder()
    reader = Reader(
        embedder=embedder, count_tokens=embedder.count_tokens, has_generative_model=directory.has_generative
    )
    caching = CachedSource(
        inner=RoutedModels(directory=directory, router=routing.router, clock=clock),
        policies=FirstPolicies((RoutedCaching(routing.policies), ConfiguredPolicies(ground.settings.cache.rules))),
        shelf=_open_cache(ground, embedder),
        flights=Flights(ground.settings.cache.wait_s),
    )
    meter = open_meter(ground, usage, RoutedEstimate(routing.router, pricing))
    guard_store = SqlGuardStore(ground.database)
    sources: list[ModelSource] = [
        MeteredSource(inner=each, meter=meter, pricing=pricing, clock=clock)
        for each in (caching, BuiltInModels(chat=(reader,), embedding=(embedder,)))
    ]
    return GatewayParts(
        embedder=embedder,
        pricing=pricing,
        addresses=addresses,
        cipher=cipher,
        store=store,
        directory=directory,
        routing=routing,
        caching=caching,
        meter=meter,
        guard_store=guard_store,
        guards=await _open_guards(ground, guard_store, routing.policies),
        catalogue=ModelCatalogue(sources, options.default_model),
    )


async def _open_routing(ground: Ground, directory: DeploymentDirectory, pricing: Pricing) -> RoutingParts:
    options, clock = ground.settings.gateway, ground.clock
    store = SqlModelGroupStore(ground.database)
    groups = GroupDirectory(settings=options, store=store, clock=clock)
    await groups.load()
    limits = CircuitLimits(
        failures=options.cooldown_failures, cooldown_s=options.cooldown_s, max_cooldown_s=options.max_cooldown_s
    )
    board = HealthBoard(limits=limits, clock=clock)
    router = PoolRouter(directory=directory, groups=groups, board=board, pricing=pricing, clock=clock)
    checks = HealthChecks(
        directory=directory,
        board=board,
        interval_s=options.health_check_interval_s,
        timeout_s=options.health_check_timeout_s,
        clock=clock,
    )
    ground.workers.start(checks.run, "health checks")
    ground.metrics.registry.register(RoutingCollector(board, router))
    return RoutingParts(store=store, groups=groups, board=board, router=router, policies=RoutedPolicies(router))


def _open_cache(ground: Ground, embedder: Embedder) -> Shelf:
    options, clock, valkey = ground.settings.cache, ground.clock, ground.settings.valkey
    if valkey.url is not None:
        from alcove.gateway.cache.adapters.valkey import ValkeyCache  # noqa: PLC0415  its client takes 11 MB that few need

        client = open_valkey(valkey)
        ground.stack.push_async_callback(partial(client.aclose, close_connection_pool=True))
        shelf = Shelf(
            ValkeyCache(
                client,
                clock,
                max_entries=options.max_entries,
                max_neighbours=options.neighbours,
                timeout_s=options.timeout_s,
                prefix=valkey.prefix,
            ),
            embedder,
            clock,
            options,
        )
    else:
        kept = MemoryCache(
            clock,
            max_entries=options.max_entries,
            max_bytes=options.max_mb << 20,
            max_neighbours=options.neighbours,
        )
        ground.metrics.watch("alcove_cache_bytes", "Cached answers in this process", lambda: kept.size_bytes)
        shelf = Shelf(kept, embedder, clock, options)
    ground.metrics.registry.register(CacheCollector(shelf))
    return shelf


async def _open_guards(ground: Ground, store: SqlGuardStore, policies: RoutedPolicies) -> GuardrailFilter:
    options = ground.settings.guards
    configured = ConfiguredGuards(options.models, RoutedNames(policies))
    directory = GuardDirectory(options, store, (RoutedGuards(policies), configured), ground.clock)
    await directory.load()
    ground.workers.start(directory.run, "guardrails")
    found = GuardrailFilter(directory)
    ground.metrics.registry.register(GuardCollector(found.counts))
    return found


def remote_ollamas(ground: Ground, gateway: GatewayParts) -> RemoteOllamaServers:
    """Gives the models of Ollama deployments, for those who list models by Ollama's protocol."""
    return RemoteOllamaServers(gateway.directory, HttpClient(ground.settings.gateway.http_limits(), gateway.addresses))


def gateway_services(ground: Ground, gateway: GatewayParts, sink: TraceSink, audit: Audit) -> GatewayServices:
    """Gives what routes reach of the gateway."""
    clock, routing = ground.clock, gateway.routing
    embedding = EmbeddingService(models=gateway.catalogue, sink=sink, pricing=gateway.pricing, clock=clock)
    return GatewayServices(
        deployments=DeploymentService(
            directory=gateway.directory,
            store=gateway.store,
            cipher=gateway.cipher,
            addresses=gateway.addresses,
            audit=audit,
            clock=clock,
            standing=RoutingStanding(routing.board, routing.groups),
        ),
        model_groups=ModelGroupService(
            groups=routing.groups,
            store=routing.store,
            directory=gateway.directory,
            deployments=gateway.store,
            audit=audit,
            clock=clock,
        ),
        embedding_service=embedding,
        pass_through=PassThroughService(
            router=routing.router,
            models=gateway.catalogue,
            meter=gateway.meter,
            sink=sink,
            pricing=gateway.pricing,
            clock=clock,
        ),
        reranker=EmbeddingReranker(embedding),
        response_cache=CacheService(
            shelf=gateway.shelf, audit=audit, place="memory" if ground.settings.valkey.url is None else "valkey"
        ),
        guardrails=GuardService(
            directory=gateway.guards.directory,
            store=gateway.guard_store,
            audit=audit,
            clock=clock,
            counts=gateway.guards.counts,
        ),
        token_count=TokenCount(gateway.catalogue, gateway.directory),
        model_loading=DeploymentLoading(gateway.directory),
    )
