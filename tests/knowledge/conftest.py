"""The knowledge room on the real store and queue, with a parser, embedder and index that need no files of their own."""

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import combinations
from pathlib import Path

import anyio
import numpy as np
import numpy.typing as npt
import pytest
from structlog.testing import capture_logs

from alcove.infra.blobs import BlobStore
from alcove.infra.database import Database, metadata, open_database
from alcove.infra.embedder import FakeEmbedder
from alcove.infra.jobs import Job, JobQueue
from alcove.infra.ratelimit import Turnstile, memory_turnstile
from alcove.infra.uploads import ReceivedFile
from alcove.infra.vectors import InMemoryVectorIndex, Scope
from alcove.kernel.clock import FakeClock
from alcove.kernel.ids import new_id
from alcove.kernel.ports import Embeddings
from alcove.kernel.principal import Principal
from alcove.knowledge.grounding import TurnSearch
from alcove.knowledge.ingestion import Ingestion
from alcove.knowledge.models import (
    CollectionCreate,
    CollectionKind,
    CollectionRecord,
    DocumentRecord,
    KnowledgeSettings,
    Retrieved,
)
from alcove.knowledge.parsing import PageSpan, ParsedDocument
from alcove.knowledge.ports import ERASE, INGEST
from alcove.knowledge.retrieval import Retriever
from alcove.knowledge.service import CollectionService, DocumentService
from alcove.knowledge.store import SqlKnowledgeStore

PAGE_CHARACTERS = 20_000
"""Pages of the fake parser's documents have so many characters."""

Hook = Callable[[], Awaitable[None]]


async def nothing() -> None:
    """A hook that does nothing."""


@dataclass
class FakeParser:
    """Takes every file for UTF-8 text with pages of one size; can be told to fail, or to do something first."""

    error: Exception | None = None
    before: Hook = nothing
    parsed: list[str] = field(default_factory=list)

    async def parse(self, path: Path, *, name: str) -> ParsedDocument:
        await self.before()
        self.parsed.append(name)
        if self.error is not None:
            raise self.error
        text = await anyio.Path(path).read_text(encoding="utf-8")
        spans = [
            PageSpan(page=number + 1, start=start, end=min(start + PAGE_CHARACTERS, len(text)))
            for number, start in enumerate(range(0, len(text), PAGE_CHARACTERS))
        ]
        return ParsedDocument(
            text=text,
            pages=tuple(spans),
            sections=(),
            media_type="text/plain",
            page_count=len(spans),
            warnings=("one picture was left out",) if "picture" in text else (),
        )


class WatchedEmbedder(FakeEmbedder):
    """A fake embedder that does something before each batch of chunks, and can fail at one."""

    def __init__(self) -> None:
        self.before: Hook = nothing
        self.error: Exception | None = None
        self.batches = 0

    async def embed_array(self, texts: list[str]) -> npt.NDArray[np.float32]:
        self.batches += 1
        await self.before()
        if self.error is not None:
            raise self.error
        return await super().embed_array(texts)

    async def embed(self, texts: list[str]) -> Embeddings:
        return await FakeEmbedder().embed(texts)  # questions are no batches


@dataclass
class Room:
    """Everything of the room, and the steps tests take most."""

    database: Database
    clock: FakeClock
    jobs: JobQueue
    store: SqlKnowledgeStore
    index: InMemoryVectorIndex
    blobs: BlobStore
    embedder: WatchedEmbedder
    parser: FakeParser
    settings: KnowledgeSettings
    ingestion: Ingestion
    retriever: Retriever
    collections: CollectionService
    documents: DocumentService
    search: TurnSearch

    async def collection(self, who: Principal, name: str = "Papers") -> CollectionRecord:
        return await self.collections.create(who, CollectionCreate(name=name))

    async def received(self, content: str | bytes, name: str = "paper.txt") -> ReceivedFile:
        """A file as an upload leaves it."""
        data = content.encode() if isinstance(content, str) else content
        path = self.blobs.incoming / new_id()
        path.write_bytes(data)
        return ReceivedFile(
            path=path,
            name=name,
            media_type="text/plain",
            size_bytes=len(data),
            sha256=hashlib.sha256(data).hexdigest(),
        )

    async def upload(
        self, who: Principal, collection: CollectionRecord, content: str, name: str = "paper.txt"
    ) -> DocumentRecord:
        """Takes a document in; nothing is read yet."""
        document, _ = await self.documents.add(who, collection.id, await self.received(content, name))
        return document

    async def add(
        self, who: Principal, collection: CollectionRecord, content: str, name: str = "paper.txt"
    ) -> DocumentRecord:
        """Takes a document in and has it read."""
        document = await self.upload(who, collection, content, name)
        await self.work()
        return await self.documents.get(who, document.id)

    async def work(self, *, step_s: float = 0.0) -> None:
        """Does all jobs; with `step_s` time goes on meanwhile, so that those to be tried again come up."""
        handlers = {INGEST: self.ingestion.ingest, ERASE: self.ingestion.erase}
        async with anyio.create_task_group() as group:
            group.start_soon(partial(self.jobs.run, handlers, concurrency=1))
            with anyio.fail_after(20):
                while await self.jobs.depth():
                    self.clock.advance(step_s)
                    self.jobs.wake()
                    await anyio.sleep(0.005)
            group.cancel_scope.cancel()

    async def points(self, who: Principal, collection: CollectionRecord) -> int:
        return await self.index.count(Scope(owner_id=who.user_id, collection_ids=(collection.id,)))

    def files(self) -> list[str]:
        """The names of all stored and half-received files."""
        return sorted(each.name for each in self.blobs.folder.rglob("*") if each.is_file())


def searches(settings: KnowledgeSettings) -> Turnstile:
    return memory_turnstile("search", per_minute=settings.searches_per_minute, at_once=settings.searches_at_once)


async def make_room(database: Database, folder: Path, settings: KnowledgeSettings | None = None) -> Room:
    clock, settings = FakeClock(), settings or KnowledgeSettings()
    jobs = JobQueue(database, clock)
    store, index, blobs = SqlKnowledgeStore(database, jobs), InMemoryVectorIndex(), BlobStore(folder / "blobs")
    await blobs.open()
    embedder, parser = WatchedEmbedder(), FakeParser()
    retriever = Retriever(store=store, index=index, embedder=embedder, settings=settings)
    ingestion = Ingestion(
        store=store, index=index, blobs=blobs, embedder=embedder, parser=parser, settings=settings, clock=clock
    )
    return Room(
        database=database,
        clock=clock,
        jobs=jobs,
        store=store,
        index=index,
        blobs=blobs,
        embedder=embedder,
        parser=parser,
        settings=settings,
        ingestion=ingestion,
        retriever=retriever,
        collections=CollectionService(
            store=store, retriever=retriever, embedder=embedder, searches=searches(settings), clock=clock
        ),
        documents=DocumentService(
            store=store, blobs=blobs, files=ingestion.files, embedder=embedder, settings=settings, clock=clock
        ),
        search=TurnSearch(retriever=retriever),
    )


@pytest.fixture(autouse=True)
def logs() -> Iterator[list]:
    """What was logged; drawing the tracebacks of failures that are meant would take seconds."""
    with capture_logs() as entries:
        yield entries


@pytest.fixture
async def sqlite(tmp_path: Path) -> AsyncIterator[Database]:
    """An empty SQLite database, for what does not depend on which database it is."""
    opened = open_database(f"sqlite+aiosqlite:///{tmp_path / 'alcove.db'}")
    async with opened.write() as connection:
        await connection.run_sync(metadata.create_all)
    yield opened
    await opened.close()


@pytest.fixture
async def room(sqlite: Database, tmp_path: Path) -> Room:
    return await make_room(sqlite, tmp_path)


def with_settings(room: Room, **changes: object) -> Room:
    """The same room with other settings of search."""
    settings = KnowledgeSettings(**{**room.settings.model_dump(), **changes})
    retriever = replace(room.retriever, settings=settings)
    return replace(
        room,
        settings=settings,
        retriever=retriever,
        ingestion=replace(room.ingestion, settings=settings),
        collections=replace(room.collections, retriever=retriever, searches=searches(settings)),
        documents=replace(room.documents, settings=settings),
        search=TurnSearch(retriever=retriever),
    )


def texts_are_in_place(found: Retrieved, text: str) -> None:
    """Every source is the piece of the text that its offsets name, and no two overlap."""
    for source in found.sources:
        assert source.start is not None
        assert source.end is not None
        assert source.text == text[source.start : source.end]
        assert source.text
    for one, other in combinations(found.sources, 2):
        assert one.document_id != other.document_id or one.end <= other.start or other.end <= one.start


def paragraphs(count: int, topic: str = "topic") -> str:
    """A text of so many paragraphs, each a chunk of its own at the default sizes and about a thing of its own."""
    return "\n\n".join(
        " ".join(f"The {topic}{number} has part{number}x{word} and colour{word} in it." for word in range(10))
        for number in range(count)
    )


def collection_record(owner: Principal, name: str, clock: FakeClock, **fields: object) -> CollectionRecord:
    values = {
        "id": new_id(),
        "owner_id": owner.user_id,
        "name": name,
        "description": "",
        "kind": CollectionKind.COLLECTION,
        "chat_id": None,
        "embedding_model": "alcove/fake-embedder",
        "embedding_precision": "fake",
        "created_at": clock.now(),
        "updated_at": clock.now(),
    }
    return CollectionRecord(**{**values, **fields})


def document_record(
    collection: CollectionRecord, clock: FakeClock, content: str = "a", **fields: object
) -> DocumentRecord:
    values = {
        "id": new_id(),
        "owner_id": collection.owner_id,
        "collection_id": collection.id,
        "name": f"{content}.txt",
        "media_type": "text/plain",
        "size_bytes": len(content),
        "sha256": hashlib.sha256(content.encode()).hexdigest(),
        "created_at": clock.now(),
        "updated_at": clock.now(),
    }
    return DocumentRecord(**{**values, **fields})


def job(document: DocumentRecord, *, attempt: int = 1, is_last: bool = False) -> Job:
    """The job that reads a document, as the queue would give it."""
    payload = {"owner_id": document.owner_id, "document_id": document.id}
    return Job(id=new_id(), kind=INGEST, payload=payload, attempt=attempt, is_last=is_last)
