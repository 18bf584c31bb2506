"""`kill -9` in mid-embedding: the next process takes the document up again, and nothing is lost, doubled or half-done."""

import signal
import sys
from pathlib import Path

import anyio
import pytest

from alcove.infra.database import open_database
from alcove.infra.jobs import JobQueue
from alcove.infra.qdrant_edge import QdrantEdgeIndex
from alcove.infra.vectors import Scope
from alcove.kernel.clock import SystemClock
from alcove.kernel.pages import PageRequest
from alcove.knowledge.models import DocumentStatus, KnowledgeSettings
from alcove.knowledge.retrieval import Retriever
from alcove.knowledge.store import SqlKnowledgeStore
from tests.knowledge.conftest import WatchedEmbedder, paragraphs

_READER = """
import hashlib, sys, anyio
from functools import partial
from pathlib import Path
from alcove.infra.blobs import BlobStore
from alcove.infra.database import metadata, open_database
from alcove.infra.embedder import FakeEmbedder
from alcove.infra.jobs import JobQueue
from alcove.infra.qdrant_edge import QdrantEdgeIndex
from alcove.infra.ratelimit import memory_turnstile
from alcove.infra.uploads import ReceivedFile
from alcove.kernel.clock import SystemClock
from alcove.kernel.principal import Principal, Role
from alcove.knowledge.ingestion import Ingestion
from alcove.knowledge.models import CollectionCreate, KnowledgeSettings
from alcove.knowledge.parsing import ParsedDocument
from alcove.knowledge.ports import ERASE, INGEST
from alcove.knowledge.retrieval import Retriever
from alcove.knowledge.service import CollectionService, DocumentService
from alcove.knowledge.store import SqlKnowledgeStore

class Slow(FakeEmbedder):
    async def embed_array(self, texts):
        print("embedding", flush=True)
        await anyio.sleep(float(sys.argv[2]))
        return await super().embed_array(texts)

class Parser:
    async def parse(self, path, *, name):
        text = path.read_text()
        return ParsedDocument(text=text, pages=(), sections=(), media_type="text/plain", page_count=None, warnings=())

async def main():
    folder, clock, settings = Path(sys.argv[1]), SystemClock(), KnowledgeSettings(chunk_min_tokens=8, chunk_max_tokens=16)
    database = open_database(f"sqlite+aiosqlite:///{folder / 'alcove.db'}")
    is_first = not (folder / "blobs").exists()
    async with database.write() as connection:
        await connection.run_sync(metadata.create_all)
    jobs, embedder = JobQueue(database, clock), Slow()
    store, blobs = SqlKnowledgeStore(database, jobs), BlobStore(folder / "blobs")
    index = QdrantEdgeIndex(folder / "vectors", dimensions=embedder.dimensions)
    await blobs.open()
    ingestion = Ingestion(
        store=store, index=index, blobs=blobs, embedder=embedder, parser=Parser(), settings=settings, clock=clock
    )
    if is_first:
        who = Principal(user_id="user-ada", email="ada@example.org", role=Role.USER)
        retriever = Retriever(store=store, index=index, embedder=embedder, settings=settings)
        collections = CollectionService(
            store=store, retriever=retriever, embedder=embedder, searches=memory_turnstile("search", per_minute=9, at_once=1), clock=clock
        )
        documents = DocumentService(
            store=store, blobs=blobs, files=ingestion.files, embedder=embedder, settings=settings, clock=clock
        )
        papers = await collections.create(who, CollectionCreate(name="Papers"))
        data = (folder / "paper.txt").read_bytes()
        received = blobs.incoming / "received"
        received.write_bytes(data)
        await documents.add(who, papers.id, ReceivedFile(
            path=received, name="paper.txt", media_type="text/plain", size_bytes=len(data),
            sha256=hashlib.sha256(data).hexdigest(),
        ))
    print("recovered", await jobs.recover(), flush=True)
    async with anyio.create_task_group() as group:
        group.start_soon(partial(jobs.run, {INGEST: ingestion.ingest, ERASE: ingestion.erase}))
        while await jobs.depth():
            await anyio.sleep(0.05)
        group.cancel_scope.cancel()
    await index.aclose()
    await database.close()
    print("done", flush=True)

anyio.run(main)
"""
_OWNER = "user-ada"


async def read(folder: Path, *, slow_s: float, kill_at: int | None) -> list[str]:
    """Runs a process that reads what waits; kills it while it computes the batch `kill_at`. Gives what it said."""
    said = b""
    async with await anyio.open_process(
        [sys.executable, "-c", _READER, str(folder), str(slow_s)], stderr=None
    ) as child:
        assert child.stdout is not None
        async for more in child.stdout:
            said += more
            if kill_at is not None and said.count(b"embedding") >= kill_at:
                child.send_signal(signal.SIGKILL)
                break
        async for more in child.stdout:
            said += more
        assert await child.wait() == (0 if kill_at is None else -signal.SIGKILL)
    return said.decode().splitlines()


@pytest.mark.timeout(90)  # three processes, each of which loads the index
async def test_kill_9_while_embedding_ends_in_one_document_whole_and_nothing_doubled(tmp_path: Path) -> None:
    text = paragraphs(80)
    (tmp_path / "paper.txt").write_text(text)
    said = await read(tmp_path, slow_s=0.1, kill_at=4)
    assert said[0] == "recovered 0"
    database, embedder = open_database(f"sqlite+aiosqlite:///{tmp_path / 'alcove.db'}"), WatchedEmbedder()
    store = SqlKnowledgeStore(database, JobQueue(database, SystemClock()))
    papers = await store.find_collection(_OWNER, "Papers")
    assert papers is not None
    (half,) = (await store.list_documents(_OWNER, papers.id, PageRequest())).items
    assert half.status is DocumentStatus.PROCESSING
    assert half.chunk_count == 0
    assert await store.content(_OWNER, half.id) is None

    said = await read(tmp_path, slow_s=0.1, kill_at=2)  # once more, sooner: the points of the first try are ahead of it
    assert said[0] == "recovered 1"
    said = await read(tmp_path, slow_s=0, kill_at=None)
    assert said[0] == "recovered 1"
    assert said[-1] == "done"

    (document,) = (await store.list_documents(_OWNER, papers.id, PageRequest())).items
    assert document.id == half.id
    assert document.status is DocumentStatus.READY
    assert document.chunk_count > 300
    chunks = await store.ready_chunks(_OWNER, [(document.id, index) for index in range(document.chunk_count + 5)])
    assert [each.index for each in chunks] == list(range(document.chunk_count))
    content = await store.content(_OWNER, document.id)
    assert content is not None
    assert content.text == text

    index = QdrantEdgeIndex(tmp_path / "vectors", dimensions=embedder.dimensions)
    assert await index.count(Scope(owner_id=_OWNER, collection_ids=(papers.id,))) == document.chunk_count
    retriever = Retriever(store=store, index=index, embedder=embedder, settings=KnowledgeSettings())
    found = await retriever.retrieve(_OWNER, [papers], "topic23 part23x7 colour7", limit=3)
    assert "topic23 has part23x7" in found.sources[0].text
    assert len({(each.document_id, each.start) for each in found.sources}) == len(found.sources)
    await index.aclose()
    await database.close()
    blobs = [each.name for each in (tmp_path / "blobs").rglob("*") if each.is_file()]
    assert blobs == [document.sha256]
