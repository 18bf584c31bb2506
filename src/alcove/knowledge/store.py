"""Collections, documents and chunks in the SQL database."""

import hashlib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import (
    JSON,
    Column,
    ColumnElement,
    CompoundSelect,
    Float,
    ForeignKey,
    Index,
    Integer,
    RowMapping,
    Select,
    String,
    Table,
    Text,
    UniqueConstraint,
    and_,
    bindparam,
    delete,
    func,
    insert,
    literal,
    select,
    tuple_,
    union_all,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from alcove.infra.cursors import a_text, an_id, read_cursor, write_cursor
from alcove.infra.database import Database, UtcDateTime, metadata
from alcove.infra.jobs import JobQueue
from alcove.kernel.errors import AlreadyExists, NotFound
from alcove.kernel.pages import Page, PageRequest
from alcove.knowledge.models import (
    ChunkRecord,
    CollectionKind,
    CollectionRecord,
    DocumentContent,
    DocumentRecord,
    DocumentStatus,
    Failure,
    PageRange,
    Stage,
)
from alcove.knowledge.ports import ERASE, INGEST

collections = Table(
    "collections",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("owner_id", String(36), nullable=False),
    Column("name", String(100), nullable=False),
    Column("name_key", String(200), nullable=False),  # the name without letters' case, or the chat it belongs to
    Column("description", Text, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("chat_id", String(36)),
    Column("embedding_model", String(200), nullable=False),
    Column("embedding_precision", String(16), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    UniqueConstraint("owner_id", "kind", "name_key"),
)

documents = Table(
    "documents",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("owner_id", String(36), nullable=False),
    Column("collection_id", String(36), ForeignKey("collections.id", ondelete="CASCADE"), nullable=False),
    Column("name", String(200), nullable=False),
    Column("media_type", String(200), nullable=False),
    Column("size_bytes", Integer, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("status", String(16), nullable=False),
    Column("stage", String(16), nullable=False),
    Column("progress", Float, nullable=False),
    Column("error", JSON),
    Column("page_count", Integer),
    Column("chunk_count", Integer, nullable=False),
    Column("character_count", Integer, nullable=False),
    Column("warnings", JSON, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    UniqueConstraint("collection_id", "sha256"),
    Index(None, "sha256"),
    Index(None, "owner_id", "collection_id", "created_at", "id"),
)

document_texts = Table(
    "document_texts",
    metadata,
    Column("document_id", String(36), ForeignKey("documents.id", ondelete="CASCADE"), primary_key=True),
    Column("text", Text, nullable=False),
    Column("pages", JSON, nullable=False),
)

chunks = Table(
    "chunks",
    metadata,
    Column("document_id", String(36), ForeignKey("documents.id", ondelete="CASCADE"), primary_key=True),
    Column("index", Integer, primary_key=True),
    Column("start", Integer, nullable=False),
    Column("end", Integer, nullable=False),
    Column("page", Integer),
)

_PAGES: TypeAdapter[tuple[PageRange, ...]] = TypeAdapter(tuple[PageRange, ...])
_FAILURE: TypeAdapter[Failure | None] = TypeAdapter(Failure | None)
_KEYS_AT_ONCE = 200
_MAX_KEY = 200


@dataclass(frozen=True, slots=True)
class SqlKnowledgeStore:
    """`KnowledgeStore` on the SQL database; work that must follow is queued in the same transaction."""

    _database: Database
    _jobs: JobQueue

    async def add_collection(self, collection: CollectionRecord) -> None:
        """Adds a collection."""
        values = {
            "id": collection.id,
            "owner_id": collection.owner_id,
            "name": collection.name,
            "name_key": _key(collection),
            "description": collection.description,
            "kind": collection.kind.value,
            "chat_id": collection.chat_id,
            "embedding_model": collection.embedding_model,
            "embedding_precision": collection.embedding_precision,
            "created_at": collection.created_at,
            "updated_at": collection.updated_at,
        }
        try:
            async with self._database.write() as connection:
                await connection.execute(insert(collections).values(**values))
        except IntegrityError as error:
            raise _name_taken(collection.name) from error

    async def get_collection(self, owner_id: str, collection_id: str) -> CollectionRecord | None:
        """Gives a collection of this owner."""
        if not _is_storable(collection_id):
            return None
        return await self._one(_counted(owner_id).where(collections.c.id == collection_id))

    async def find_collection(self, owner_id: str, name: str) -> CollectionRecord | None:
        """Gives this owner's collection of that name."""
        if not _is_storable(name):
            return None
        wanted = _counted(owner_id).where(
            collections.c.kind == CollectionKind.COLLECTION.value, collections.c.name_key == _name_key(name)
        )
        return await self._one(wanted)

    async def chat_collection(self, owner_id: str, chat_id: str) -> CollectionRecord | None:
        """Gives the files of this owner's chat."""
        wanted = _counted(owner_id).where(
            collections.c.kind == CollectionKind.CHAT.value, collections.c.name_key == chat_id
        )
        return await self._one(wanted)

    async def list_collections(self, owner_id: str, kind: CollectionKind, page: PageRequest) -> Page[CollectionRecord]:
        """Lists this owner's collections by name."""
        wanted = _counted(owner_id).where(collections.c.kind == kind.value)
        if page.cursor is not None:
            wanted = wanted.where(collections.c.name_key > read_cursor(page.cursor, a_text)[0])
        wanted = wanted.order_by(collections.c.name_key).limit(page.limit + 1)
        async with self._database.read() as connection:
            found = [_collection(row) for row in (await connection.execute(wanted)).mappings()]
        items = found[: page.limit]
        return Page(items=items, next_cursor=write_cursor(_key(items[-1])) if len(found) > page.limit else None)

    async def update_collection(self, collection: CollectionRecord) -> None:
        """Replaces name and description of a collection of its owner."""
        statement = (
            update(collections)
            .where(collections.c.id == collection.id, collections.c.owner_id == collection.owner_id)
            .values(
                name=collection.name,
                name_key=_key(collection),
                description=collection.description,
                updated_at=collection.updated_at,
            )
        )
        try:
            async with self._database.write() as connection:
                await connection.execute(statement)
        except IntegrityError as error:
            raise _name_taken(collection.name) from error

    async def delete_collection(self, owner_id: str, collection_id: str) -> bool:
        """Deletes a collection of this owner with its documents; queues the erasing of what they left."""
        if not _is_storable(collection_id):
            return False
        async with self._database.write() as connection:
            is_deleted = await self._delete_collection(connection, owner_id, collection_id)
        self._jobs.wake()
        return is_deleted

    async def delete_owner(self, owner_id: str) -> None:
        """Deletes all of a person's collections."""
        async with self._database.write() as connection:
            query = select(collections.c.id).where(collections.c.owner_id == owner_id)
            for collection_id in (await connection.execute(query)).scalars().all():
                await self._delete_collection(connection, owner_id, collection_id)
        self._jobs.wake()

    async def add_document(self, document: DocumentRecord) -> DocumentRecord:
        """Adds a document and queues its reading; gives the existing one for content the collection holds already."""
        same = select(documents).where(
            documents.c.owner_id == document.owner_id,
            documents.c.collection_id == document.collection_id,
            documents.c.sha256 == document.sha256,
        )
        own = select(collections.c.id).where(
            collections.c.id == document.collection_id, collections.c.owner_id == document.owner_id
        )
        try:
            async with self._database.write() as connection:
                row = (await connection.execute(same)).mappings().one_or_none()
                if row is not None:
                    return _document(row)
                if (await connection.execute(own)).first() is None:
                    raise _no_collection()
                values = {
                    "id": document.id,
                    "owner_id": document.owner_id,
                    "collection_id": document.collection_id,
                    "name": document.name,
                    "size_bytes": document.size_bytes,
                    "sha256": document.sha256,
                    "created_at": document.created_at,
                }
                await connection.execute(insert(documents).values(**values, **_state(document)))
                await self._queue_reading(connection, document)
                await self._touch(connection, document)
        except (
            IntegrityError
        ) as error:  # another request was first: with the same content, or it deleted the collection
            async with self._database.read() as connection:
                row = (await connection.execute(same)).mappings().one_or_none()
            if row is None:
                raise _no_collection() from error
            return _document(row)
        self._jobs.wake()
        return document

    async def get_document(self, owner_id: str, document_id: str) -> DocumentRecord | None:
        """Gives a document of this owner."""
        if not _is_storable(document_id):
            return None
        query = select(documents).where(documents.c.id == document_id, documents.c.owner_id == owner_id)
        async with self._database.read() as connection:
            row = (await connection.execute(query)).mappings().one_or_none()
        return _document(row) if row is not None else None

    async def list_documents(self, owner_id: str, collection_id: str, page: PageRequest) -> Page[DocumentRecord]:
        """Lists documents of this owner's collection, the latest first (ids are in the order of time)."""
        query = select(documents).where(documents.c.owner_id == owner_id, documents.c.collection_id == collection_id)
        if page.cursor is not None:
            query = query.where(documents.c.id < read_cursor(page.cursor, an_id)[0])
        query = query.order_by(documents.c.id.desc()).limit(page.limit + 1)
        async with self._database.read() as connection:
            found = [_document(row) for row in (await connection.execute(query)).mappings()]
        items = found[: page.limit]
        return Page(items=items, next_cursor=write_cursor(items[-1].id) if len(found) > page.limit else None)

    async def update_document(self, document: DocumentRecord) -> bool:
        """Replaces the state of a document of its owner."""
        async with self._database.write() as connection:
            return await self._update(connection, document)

    async def requeue(self, document: DocumentRecord) -> bool:
        """Replaces the state of a document that failed, and queues its reading anew."""
        is_failed = documents.c.status == DocumentStatus.FAILED.value
        async with self._database.write() as connection:
            if not await self._update(connection, document, is_failed):
                return False
            await self._queue_reading(connection, document)
        self._jobs.wake()
        return True

    async def finish_document(self, document: DocumentRecord, content: DocumentContent) -> bool:
        """Makes a document ready with its text and chunks."""
        async with self._database.write() as connection:
            if not await self._update(connection, document):
                return False
            await connection.execute(delete(chunks).where(chunks.c.document_id == document.id))
            await connection.execute(delete(document_texts).where(document_texts.c.document_id == document.id))
            text = {"document_id": document.id, "text": content.text, "pages": _PAGES.dump_python(content.pages)}
            await connection.execute(insert(document_texts).values(**text))
            rows = [
                {
                    "document_id": document.id,
                    "index": each.index,
                    "start": each.start,
                    "end": each.end,
                    "page": each.page,
                }
                for each in content.chunks
            ]
            if rows:
                await connection.execute(insert(chunks), rows)
            await self._touch(connection, document)
            return True

    async def delete_document(self, owner_id: str, document_id: str) -> bool:
        """Deletes a document of this owner; queues the erasing of what it left."""
        if not _is_storable(document_id):
            return False
        query = select(documents).where(documents.c.id == document_id, documents.c.owner_id == owner_id)
        async with self._database.write() as connection:
            row = (await connection.execute(query)).mappings().one_or_none()
            if row is None:
                return False
            document = _document(row)
            await connection.execute(delete(documents).where(documents.c.id == document_id))
            payload = {"owner_id": owner_id, "document_id": document_id, "sha256": [document.sha256]}
            await self._jobs.enqueue(connection, ERASE, payload)
            await self._touch(connection, document)
        self._jobs.wake()
        return True

    async def is_used(self, sha256: str) -> bool:
        """Tells whether any document of anybody has this content."""
        async with self._database.read() as connection:
            found = await connection.execute(select(documents.c.id).where(documents.c.sha256 == sha256).limit(1))
            return found.first() is not None

    async def content(self, owner_id: str, document_id: str) -> DocumentContent | None:
        """Gives the text of a ready document of this owner."""
        query = (
            select(document_texts)
            .join(documents, documents.c.id == document_texts.c.document_id)
            .where(
                documents.c.id == document_id,
                documents.c.owner_id == owner_id,
                documents.c.status == DocumentStatus.READY.value,
            )
        )
        async with self._database.read() as connection:
            row = (await connection.execute(query)).mappings().one_or_none()
        if row is None:
            return None
        return DocumentContent(text=row["text"], pages=_PAGES.validate_python(row["pages"]), chunks=())

    async def ready_chunks(self, owner_id: str, keys: Sequence[tuple[str, int]]) -> Sequence[ChunkRecord]:
        """Gives chunks of this owner's ready documents."""
        found: list[ChunkRecord] = []
        async with self._database.read() as connection:
            for at in range(0, len(keys), _KEYS_AT_ONCE):
                wanted = keys[at : at + _KEYS_AT_ONCE]
                values = {"owner_id": owner_id, "keys": wanted}
                found += [
                    ChunkRecord(document_id=document_id, index=index, start=start, end=end, page=page)
                    for document_id, index, start, end, page in await connection.execute(_READY_CHUNKS, values)
                ]
        return found

    async def passages(self, owner_id: str, ranges: Sequence[tuple[str, int, int]]) -> Sequence[str]:
        """Gives pieces of the texts of this owner's documents; only the pieces leave the database."""
        if not ranges:
            return []
        values: dict[str, Any] = {"owner_id": owner_id}
        for number, (document_id, start, end) in enumerate(ranges):
            values |= {f"id{number}": document_id, f"from{number}": start + 1, f"length{number}": end - start}
        async with self._database.read() as connection:
            rows = (await connection.execute(_pieces(len(ranges)), values)).mappings()
            found = {int(row["number"]): str(row["piece"]) for row in rows}
        return [found.get(number, "") for number in range(len(ranges))]

    async def ready_names(self, owner_id: str, document_ids: Sequence[str]) -> dict[str, str]:
        """Gives the names of those of this owner's documents that are ready, by id."""
        values = {"owner_id": owner_id, "ids": list(document_ids)}
        async with self._database.read() as connection:
            return {row[0]: row[1] for row in await connection.execute(_READY_NAMES, values)}

    async def _one(self, query: Select[Any]) -> CollectionRecord | None:
        async with self._database.read() as connection:
            row = (await connection.execute(query)).mappings().one_or_none()
        return _collection(row) if row is not None else None

    async def _update(
        self, connection: AsyncConnection, document: DocumentRecord, *conditions: ColumnElement[bool]
    ) -> bool:
        statement = (
            update(documents)
            .where(documents.c.id == document.id, documents.c.owner_id == document.owner_id, *conditions)
            .values(**_state(document))
        )
        return bool((await connection.execute(statement)).rowcount)

    async def _queue_reading(self, connection: AsyncConnection, document: DocumentRecord) -> None:
        payload = {"owner_id": document.owner_id, "document_id": document.id}
        await self._jobs.enqueue(connection, INGEST, payload)

    async def _touch(self, connection: AsyncConnection, document: DocumentRecord) -> None:
        statement = update(collections).where(collections.c.id == document.collection_id)
        await connection.execute(statement.values(updated_at=document.updated_at))

    async def _delete_collection(self, connection: AsyncConnection, owner_id: str, collection_id: str) -> bool:
        # Locked first, so that no document can be added between the look at them and the end of this transaction.
        own = select(collections.c.id).where(collections.c.id == collection_id, collections.c.owner_id == owner_id)
        if (await connection.execute(own.with_for_update())).first() is None:
            return False
        query = select(documents.c.sha256).where(
            documents.c.owner_id == owner_id, documents.c.collection_id == collection_id
        )
        hashes = list((await connection.execute(query)).scalars())
        await connection.execute(delete(collections).where(collections.c.id == collection_id))
        payload = {"owner_id": owner_id, "collection_id": collection_id, "sha256": hashes}
        await self._jobs.enqueue(connection, ERASE, payload)
        return True


def _counted(owner_id: str) -> Select[Any]:
    """Gives this owner's collections with the numbers of their documents and chunks."""
    counts = (
        select(
            documents.c.collection_id,
            func.count().label("document_count"),
            func.sum(documents.c.chunk_count).label("chunk_count"),
        )
        .where(documents.c.owner_id == owner_id)
        .group_by(documents.c.collection_id)
        .subquery()
    )
    return (
        select(
            collections,
            func.coalesce(counts.c.document_count, 0).label("document_count"),
            func.coalesce(counts.c.chunk_count, 0).label("chunk_count"),
        )
        .outerjoin(counts, counts.c.collection_id == collections.c.id)
        .where(collections.c.owner_id == owner_id)
    )


def _key(collection: CollectionRecord) -> str:
    return collection.chat_id if collection.chat_id is not None else _name_key(collection.name)


def _name_key(name: str) -> str:
    """Gives what two spellings of a name have in common: letters' case and the way accents are written do not count."""
    key = unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
    if len(key) <= _MAX_KEY:
        return key
    digest = hashlib.sha256(key.encode()).hexdigest()  # folding can make a name three times as long
    return key[: _MAX_KEY - len(digest)] + digest


def _is_storable(text: str) -> bool:
    """Tells whether the database could hold a text; what it could not hold is not there."""
    return "\x00" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)


def _collection(row: RowMapping) -> CollectionRecord:
    values = {name: value for name, value in row.items() if name != "name_key"}
    return CollectionRecord(**{**values, "kind": CollectionKind(row["kind"]), "chunk_count": int(row["chunk_count"])})


def _state(document: DocumentRecord) -> dict[str, Any]:
    return {
        "status": document.status.value,
        "stage": document.stage.value,
        "progress": document.progress,
        "error": _FAILURE.dump_python(document.error, mode="json"),
        "media_type": document.media_type,
        "page_count": document.page_count,
        "chunk_count": document.chunk_count,
        "character_count": document.character_count,
        "warnings": list(document.warnings),
        "updated_at": document.updated_at,
    }


def _document(row: RowMapping) -> DocumentRecord:
    return DocumentRecord(
        **{
            **row,
            "status": DocumentStatus(row["status"]),
            "stage": Stage(row["stage"]),
            "error": _FAILURE.validate_python(row["error"]),
            "warnings": tuple(row["warnings"]),
        }
    )


_IS_READY = and_(documents.c.owner_id == bindparam("owner_id"), documents.c.status == DocumentStatus.READY.value)
_READY_NAMES = select(documents.c.id, documents.c.name).where(
    _IS_READY, documents.c.id.in_(bindparam("ids", expanding=True))
)
_READY_CHUNKS = (
    select(chunks.c.document_id, chunks.c.index, chunks.c.start, chunks.c.end, chunks.c.page)
    .join(documents, documents.c.id == chunks.c.document_id)
    .where(_IS_READY, tuple_(chunks.c.document_id, chunks.c.index).in_(bindparam("keys", expanding=True)))
)


@lru_cache(maxsize=64)
def _pieces(count: int) -> CompoundSelect[tuple[int, str]]:
    """Gives the query for so many pieces of texts; made once, since making it takes longer than running it."""
    return union_all(
        *(
            select(
                literal(number).label("number"),
                func.substr(
                    document_texts.c.text,
                    bindparam(f"from{number}", type_=Integer),
                    bindparam(f"length{number}", type_=Integer),
                ).label("piece"),
            )
            .join(documents, documents.c.id == document_texts.c.document_id)
            .where(documents.c.id == bindparam(f"id{number}"), documents.c.owner_id == bindparam("owner_id"))
            for number in range(count)
        )
    )


def _no_collection() -> NotFound:
    return NotFound("The collection is not there any more; it was deleted meanwhile.")


def _name_taken(name: str) -> AlreadyExists:
    return AlreadyExists(f"You have a collection {name!r} already; choose another name.")
