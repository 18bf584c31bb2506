"""Builds every room around one database, one task group and one clock, and ends them in order."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

import structlog
from sqlalchemy import text

import alcove
from alcove.chats.adapters.knowledge import KnowledgeDocuments
from alcove.chats.answers import Answers
from alcove.chats.recovery import interrupt_left
from alcove.chats.service import ChatService
from alcove.chats.store import SqlChatStore
from alcove.gateway.adapters.local_access import LocalModelAccess
from alcove.gateway.limits.service import LimitService
from alcove.gateway.openai_api import ChatFace
from alcove.gateway.ports import Origin
from alcove.gateway.service import ModelCatalogue
from alcove.gateway.usage.service import UsageService
from alcove.identity.audit import AuditService
from alcove.identity.models import Action, Actor
from alcove.identity.service import Identity
from alcove.infra.background import TaskGroupBackground, background_tasks, running_workers
from alcove.infra.blobs import BlobStore
from alcove.infra.database import Database, migrate, open_database
from alcove.infra.jobs import JobQueue
from alcove.infra.journal import Journal
from alcove.infra.metrics import MeteredTraceSink, Metrics
from alcove.infra.one_server import one_server
from alcove.infra.qdrant_edge import QdrantEdgeIndex
from alcove.infra.ratelimit import memory_turnstile
from alcove.kernel.clock import SystemClock
from alcove.kernel.principal import Principal
from alcove.kernel.runner import TurnRunner
from alcove.kernel.trace import TraceSink
from alcove.knowledge.catalogue import CollectionModels
from alcove.knowledge.filter import KnowledgeFilter
from alcove.knowledge.grounding import TurnSearch
from alcove.knowledge.ingestion import Ingestion
from alcove.knowledge.parsing import ParseLimits, Parsers
from alcove.knowledge.ports import ERASE, INGEST
from alcove.knowledge.retrieval import Retriever
from alcove.knowledge.service import CollectionService, DocumentService
from alcove.knowledge.store import SqlKnowledgeStore
from alcove.main.gateway import GatewayParts, GatewayServices, gateway_services, open_gateway, remote_ollamas
from alcove.main.ground import Ground
from alcove.main.hot import HotGround, HotParts, open_hot
from alcove.main.limits import AllowancesOfHouse
from alcove.main.people import build_audit, build_identity, master_key
from alcove.main.runtime import open_local_models
from alcove.main.usage import open_usage
from alcove.runtime.catalog.ports import Origin as ModelOrigin
from alcove.settings import Settings
from alcove.status.service import Part, StatusService
from alcove.tracing.adapters.duckdb_store import DuckDbTraceStore
from alcove.tracing.intake import TraceIntake
from alcove.tracing.service import TraceService

log = structlog.get_logger(__name__)

_INSIDE = frozenset({"background", "gateway", "hot", "runtime"})  # what no route asks for by its name


@dataclass(frozen=True, kw_only=True, slots=True)
class House:
    """The services that routes reach, each under its name in the request's state; and where answers run."""

    background: TaskGroupBackground
    identity: Identity
    chats: ChatService
    collections: CollectionService
    documents: DocumentService
    traces: TraceService
    status: StatusService
    metrics: Metrics
    model_catalogue: ModelCatalogue
    gateway: GatewayServices
    runtime: Mapping[str, object]
    usage: UsageService
    limits: LimitService
    chat_face: ChatFace
    hot: HotParts

    def state(self) -> dict[str, Any]:
        """Gives the services by name, as the application's lifespan hands them to requests."""
        return {
            **_by_name(self.gateway),
            **self.runtime,
            **{name: each for name, each in _by_name(self).items() if name not in _INSIDE},
        }


def _by_name(record: object) -> dict[str, Any]:
    return {field.name: getattr(record, field.name) for field in fields(record)}  # type: ignore[arg-type]  # dataclasses


@dataclass(frozen=True, slots=True)
class AuditOfRooms:
    """The audit port of the gateway and of the runtime on the house's audit table."""

    audit: AuditService

    async def record(self, who: Principal, action: str, subject: str, origin: Origin | ModelOrigin) -> None:
        """Adds a line to the audit trail."""
        actor = Actor(name=who.email, ip=origin.ip, request_id=origin.request_id)
        await self.audit.record(actor, Action(action), subject)


@dataclass(frozen=True, kw_only=True, slots=True)
class TracingParts:
    """What the tracing room is made of."""

    intake: TraceIntake
    service: TraceService
    sink: TraceSink


@dataclass(frozen=True, kw_only=True, slots=True)
class KnowledgeParts:
    """What the knowledge room is made of."""

    collections: CollectionService
    documents: DocumentService
    search: TurnSearch
    jobs: JobQueue


@contextlib.asynccontextmanager
async def open_house(settings: Settings, metrics: Metrics) -> AsyncIterator[House]:
    """Opens every store, starts every worker, gives the services; at the end lets running work finish, then closes.

    Raises:
        AlcoveError: When something cannot be opened, with what to do about it.
        UnsafeSecret: When a secret is a placeholder or weak.
    """
    clock = SystemClock()
    started_s = clock.monotonic_s()
    async with (
        _open_database(settings) as database,
        contextlib.AsyncExitStack() as stack,  # closed when nobody is at work any more
        running_workers() as workers,
        background_tasks(drain_s=settings.server.drain_s) as background,
    ):
        ground = Ground(
            settings=settings,
            clock=clock,
            database=database,
            key=master_key(settings),
            background=background,
            workers=workers,
            metrics=metrics,
            stack=stack,
        )
        tracing = await _open_tracing(ground)
        usage = await open_usage(ground)
        audit = build_audit(database, clock)
        local = await open_local_models(ground, AuditOfRooms(audit))
        gateway = await open_gateway(ground, usage, local.upstreams)
        knowledge = await _open_knowledge(ground, gateway)
        runner = TurnRunner(
            models=gateway.catalogue,
            filters=(gateway.guards, KnowledgeFilter(knowledge.collections, knowledge.search)),
            sink=tracing.sink,
            pricing=gateway.pricing,
            background=background,
            clock=clock,
        )
        chats = await _open_chats(ground, runner, gateway, knowledge, tracing)
        identity = build_identity(
            settings,
            database,
            ground.key,
            background,
            audit,
            on_user_deleted=(
                chats.delete_owner,
                knowledge.collections.delete_owner,
                tracing.service.delete_owner,
                usage.delete_owner,
                gateway.shelf.delete_owner,
            ),
        )
        chat_face = ChatFace.of(runner, settings.gateway)
        hot = HotGround(runner=runner, authenticator=identity.authenticator, sink=tracing.intake, slots=chat_face.slots)
        yield House(
            background=background,
            identity=identity,
            chats=chats,
            collections=knowledge.collections,
            documents=knowledge.documents,
            traces=tracing.service,
            status=StatusService(
                parts=(*_parts(ground, tracing, knowledge), *gateway.parts, usage.part),
                clock=clock,
                version=alcove.__version__,
                started_s=started_s,
            ),
            metrics=metrics,
            model_catalogue=gateway.catalogue,
            gateway=gateway_services(ground, gateway, tracing.sink, AuditOfRooms(audit)),
            runtime=local.state(ground, remote_ollamas(ground, gateway), LocalModelAccess(gateway.directory)),
            usage=usage.service,
            limits=LimitService(store=gateway.meter.store, allowances=AllowancesOfHouse(identity)),
            chat_face=chat_face,
            hot=open_hot(ground, gateway, hot),
        )


@contextlib.asynccontextmanager
async def _open_database(settings: Settings) -> AsyncIterator[Database]:
    database = open_database(settings.database_url)
    try:
        async with one_server(database):
            await migrate(database)
            yield database
    finally:
        await database.close()


async def _open_tracing(ground: Ground) -> TracingParts:
    folder, options = ground.settings.data_dir, ground.settings.tracing
    store = DuckDbTraceStore(
        folder / "traces.duckdb",
        memory_mb=options.memory_mb,
        threads=options.threads,
        query_timeout_s=options.query_timeout_s,
    )
    journal = Journal(folder / "journal", max_bytes=options.max_journal_mb << 20, is_synced=options.is_synced)
    intake = TraceIntake(store=store, journal=journal, clock=ground.clock, settings=options)
    await intake.open()
    ground.stack.push_async_callback(intake.close)
    ground.workers.start(intake.run, "traces")
    ground.metrics.watch("alcove_trace_journal_bytes", "Traces that wait to be stored", lambda: intake.backlog_bytes)
    return TracingParts(
        intake=intake,
        service=TraceService(store=store, intake=intake),
        sink=MeteredTraceSink(intake, ground.metrics),
    )


async def _open_knowledge(ground: Ground, gateway: GatewayParts) -> KnowledgeParts:
    folder, options = ground.settings.data_dir, ground.settings.knowledge
    jobs = JobQueue(ground.database, ground.clock, endless={ERASE})
    ground.metrics.watch("alcove_jobs_dead", "Jobs that were given up", lambda: jobs.dead_count)
    store = SqlKnowledgeStore(ground.database, jobs)
    index = QdrantEdgeIndex(folder / "vectors", dimensions=gateway.embedder.dimensions)
    ground.stack.push_async_callback(index.aclose)
    blobs = BlobStore(folder / "blobs")
    await blobs.open()
    parsers = await ground.stack.enter_async_context(Parsers(size=options.workers, limits=_limits(ground.settings)))
    retriever = Retriever(store=store, index=index, embedder=gateway.embedder, settings=options)
    collections = CollectionService(
        store=store,
        retriever=retriever,
        embedder=gateway.embedder,
        searches=memory_turnstile("search", per_minute=options.searches_per_minute, at_once=options.searches_at_once),
        clock=ground.clock,
    )
    ingestion = Ingestion(
        store=store,
        index=index,
        blobs=blobs,
        embedder=gateway.embedder,
        parser=parsers,
        settings=options,
        clock=ground.clock,
    )
    documents = DocumentService(
        store=store,
        blobs=blobs,
        files=ingestion.files,
        embedder=gateway.embedder,
        settings=options,
        clock=ground.clock,
    )
    search = TurnSearch(retriever=retriever)
    collection_models = CollectionModels(collections=collections, search=search, models=gateway.catalogue)
    gateway.catalogue.add_source(collection_models)
    recovered = await jobs.recover()
    if recovered:
        log.info("jobs_resumed", jobs=recovered)
    handlers = {INGEST: ingestion.ingest, ERASE: ingestion.erase}
    ground.workers.start(partial(jobs.run, handlers, concurrency=options.workers), "jobs")
    return KnowledgeParts(collections=collections, documents=documents, search=search, jobs=jobs)


async def _open_chats(
    ground: Ground, runner: TurnRunner, gateway: GatewayParts, knowledge: KnowledgeParts, tracing: TracingParts
) -> ChatService:
    store = SqlChatStore(ground.database)
    interrupted = await interrupt_left(store, tracing.service, tracing.sink, ground.clock)
    if interrupted:
        log.warning("answers_interrupted", answers=interrupted)
    documents = KnowledgeDocuments(knowledge.collections, knowledge.documents)
    answers = Answers(
        store=store,
        documents=documents,
        runner=runner,
        background=ground.background,
        settings=ground.settings.chats,
        clock=ground.clock,
    )
    return ChatService(
        store=store,
        answers=answers,
        documents=documents,
        traces=tracing.service,
        models=gateway.catalogue,
        clock=ground.clock,
    )


def _limits(settings: Settings) -> ParseLimits:
    chosen = settings.knowledge
    return ParseLimits(
        max_bytes=chosen.max_upload_bytes,
        max_pages=chosen.max_pages,
        max_characters=chosen.max_characters,
        memory_bytes=chosen.parse_memory_bytes,
        cpu_s=chosen.parse_cpu_s,
        wall_s=chosen.parse_wall_s,
    )


def _parts(ground: Ground, tracing: TracingParts, knowledge: KnowledgeParts) -> tuple[Part, ...]:
    """Gives the parts of the house whose health can be asked for."""
    database = ground.database

    async def check_database() -> tuple[bool, str]:
        async with database.read() as connection:
            await connection.execute(text("SELECT 1"))
        return True, database.engine.dialect.name

    async def check_traces() -> tuple[bool, str]:
        await tracing.intake.check()
        lost = tracing.intake.lost_count
        return lost == 0, f"{tracing.intake.backlog_bytes} bytes wait to be stored, {lost} traces lost"

    async def check_jobs() -> tuple[bool, str]:
        jobs = knowledge.jobs
        return True, f"{await jobs.depth()} waiting or being read, {jobs.dead_count} given up"

    async def check_workers() -> tuple[bool, str]:
        unwell = ground.workers.unwell()
        return not unwell, f"failed, and started again: {', '.join(unwell)}" if unwell else "all run"

    return (
        Part(name="Database", check=check_database, is_essential=True),
        Part(name="Traces", check=check_traces, is_essential=True),
        Part(name="Documents", check=check_jobs),
        Part(name="Workers", check=check_workers),
    )
