"""Reading a document: parse, cut into chunks, embed, index, and only then, in one transaction, ready.

Until that last step nothing of a document is found or shown. Every step can be repeated: the points of a document have ids made from
its own and the chunk's number, so a job that is taken up again after a crash overwrites what the one before had written.
"""

import uuid
from dataclasses import dataclass, field, replace

import anyio
import anyio.to_thread
import structlog

from alcove.infra.blobs import BlobStore
from alcove.infra.jobs import Job
from alcove.infra.vectors import Point, VectorIndex
from alcove.kernel.clock import Clock
from alcove.kernel.errors import AlcoveError, Unprocessable
from alcove.knowledge.chunking import Chunk, ChunkSettings, chunk
from alcove.knowledge.models import (
    ChunkRecord,
    DocumentContent,
    DocumentRecord,
    DocumentStatus,
    Failure,
    KnowledgeSettings,
    PageRange,
    Stage,
)
from alcove.knowledge.parsing import ParsedDocument
from alcove.knowledge.ports import DocumentParser, KnowledgeStore, TextEmbedder

log = structlog.get_logger(__name__)

_BATCH = 64
_SAVE_EVERY_S = 0.5
_SERVER_FAULT = 500  # errors of this status and above are ours, and may pass
_POINTS = uuid.UUID("5d3f2c1a-7e64-5b0f-9c58-2f1d6b8a4e90")  # name space of point ids


class _Gone(Exception):
    """The document was deleted while it was read."""


class NothingToRead(Unprocessable):
    """There is no text in this document."""

    code = "no_text"
    title = "No text"


@dataclass(frozen=True, kw_only=True, slots=True)
class Ingestion:
    """Reads documents and erases what deleted ones left; the handlers of this room's jobs.

    Attributes:
        store: Where documents are kept.
        index: Where chunks are found.
        blobs: Where files lie.
        embedder: Turns chunks into vectors.
        parser: Turns files into text.
        settings: Sizes and limits.
        clock: The time.
        files: Held while a file is put or erased, so that neither happens between the other's looking and doing.
    """

    store: KnowledgeStore
    index: VectorIndex
    blobs: BlobStore
    embedder: TextEmbedder
    parser: DocumentParser
    settings: KnowledgeSettings
    clock: Clock
    files: anyio.Lock = field(default_factory=anyio.Lock)
    _reading: dict[str, anyio.Lock] = field(default_factory=dict)

    async def ingest(self, job: Job) -> None:
        """Reads the document a job is about; one that cannot be read is marked with the reason."""
        document_id = str(job.payload["document_id"])
        # One reader a document: who retries while an earlier reading is still clearing up must not have its points cleared too.
        lock = self._reading.setdefault(document_id, anyio.Lock())
        async with lock:
            try:
                await self._ingest(job, str(job.payload["owner_id"]), document_id)
            finally:
                if not lock.statistics().tasks_waiting:
                    self._reading.pop(document_id, None)

    async def _ingest(self, job: Job, owner_id: str, document_id: str) -> None:
        document = await self.store.get_document(owner_id, document_id)
        if document is None or document.status is DocumentStatus.FAILED:
            # Deleted or given up; an earlier try, ended by a crash, may have written points since they were erased.
            await self.index.delete_document(owner_id, document_id)
            return
        if document.status is DocumentStatus.READY:
            return
        if job.is_spent:
            detail = f"Reading it ended the server {job.attempt - 1} times; it is not tried again by itself."
            await self._fail(document, Failure(code="reading_ended_server", detail=detail))
            return
        try:
            await self._read(document)
        except _Gone:
            await self.index.delete_document(owner_id, document_id)
        except AlcoveError as error:
            if error.status >= _SERVER_FAULT and not job.is_last:
                raise
            await self._fail(document, Failure(code=error.code, detail=error.detail))
        except Exception:
            if job.is_last:
                detail = "Something went wrong while reading it; the server's log has the details. Try again."
                await self._fail(document, Failure(code="internal_error", detail=detail))
            raise

    async def erase(self, job: Job) -> None:
        """Erases what a deleted document or collection left: its points, and files that nobody else has."""
        owner_id = str(job.payload["owner_id"])
        document_id, collection_id = job.payload.get("document_id"), job.payload.get("collection_id")
        if isinstance(document_id, str):
            await self.index.delete_document(owner_id, document_id)
        if isinstance(collection_id, str):
            await self.index.delete_collection(owner_id, collection_id)
        hashes = job.payload["sha256"]
        for sha256 in hashes if isinstance(hashes, list) else []:
            async with self.files:
                if not await self.store.is_used(str(sha256)):
                    await self.blobs.delete(str(sha256))

    async def _read(self, document: DocumentRecord) -> None:
        document = await self._at(document, Stage.PARSING, 0.05)
        parsed = await self.parser.parse(self.blobs.path(document.sha256), name=document.name)
        document = await self._at(replace(document, media_type=parsed.media_type), Stage.CHUNKING, 0.2)
        chunks = await anyio.to_thread.run_sync(self._chunk, parsed, document.name)
        if not chunks:
            detail = f"There is no text in {document.name!r}."
            raise NothingToRead(detail)
        await self.index.delete_document(document.owner_id, document.id)  # of an earlier try
        document = await self._index(document, chunks)
        ready = replace(
            document,
            status=DocumentStatus.READY,
            stage=Stage.DONE,
            progress=1.0,
            error=None,
            page_count=parsed.page_count,
            chunk_count=len(chunks),
            character_count=len(parsed.text),
            warnings=parsed.warnings,
            updated_at=self.clock.now(),
        )
        content = DocumentContent(
            text=parsed.text,
            pages=tuple(PageRange(page=each.page, start=each.start, end=each.end) for each in parsed.pages),
            chunks=tuple(
                ChunkRecord(document_id=document.id, index=each.index, start=each.start, end=each.end, page=each.page)
                for each in chunks
            ),
        )
        if not await self.store.finish_document(ready, content):
            raise _Gone
        log.info("document_read", document_id=document.id, chunks=len(chunks), pages=parsed.page_count)

    def _chunk(self, parsed: ParsedDocument, name: str) -> list[Chunk]:
        settings = ChunkSettings(min_tokens=self.settings.chunk_min_tokens, max_tokens=self.settings.chunk_max_tokens)
        return chunk(parsed, title=parsed.title or name, count_tokens=self.embedder.count_tokens, settings=settings)

    async def _index(self, document: DocumentRecord, chunks: list[Chunk]) -> DocumentRecord:
        saved_at_s = self.clock.monotonic_s()
        document = await self._at(document, Stage.EMBEDDING, 0.25)
        for start in range(0, len(chunks), _BATCH):
            batch = chunks[start : start + _BATCH]
            vectors = await self.embedder.embed_array([each.embedding_text for each in batch])
            await self.index.upsert(
                [
                    Point(
                        id=str(uuid.uuid5(_POINTS, f"{document.id}/{each.index}")),
                        owner_id=document.owner_id,
                        collection_id=document.collection_id,
                        document_id=document.id,
                        chunk_index=each.index,
                        vector=vector,
                        text=each.embedding_text,
                    )
                    for each, vector in zip(batch, vectors, strict=True)
                ]
            )
            if self.clock.monotonic_s() - saved_at_s >= _SAVE_EVERY_S:
                done = (start + len(batch)) / len(chunks)
                document = await self._at(document, Stage.EMBEDDING, round(0.25 + 0.7 * done, 3))
                saved_at_s = self.clock.monotonic_s()
        return await self._at(document, Stage.INDEXING, 0.97)

    async def _at(self, document: DocumentRecord, stage: Stage, progress: float) -> DocumentRecord:
        document = replace(
            document,
            status=DocumentStatus.PROCESSING,
            stage=stage,
            progress=progress,
            error=None,
            updated_at=self.clock.now(),
        )
        if not await self.store.update_document(document):
            raise _Gone
        return document

    async def _fail(self, document: DocumentRecord, failure: Failure) -> None:
        failed = replace(
            document, status=DocumentStatus.FAILED, stage=Stage.DONE, error=failure, updated_at=self.clock.now()
        )
        await self.store.update_document(failed)  # first: it must not hang on an index that may be what has failed
        await self.index.delete_document(document.owner_id, document.id)
        log.info("document_not_read", document_id=document.id, code=failure.code)
