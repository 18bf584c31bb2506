"""What people do with collections and documents."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import anyio

from alcove.infra.blobs import BlobStore
from alcove.infra.ratelimit import Turnstile
from alcove.infra.uploads import ReceivedFile
from alcove.kernel.clock import Clock
from alcove.kernel.errors import AlcoveError, AlreadyExists, Conflict, NotFound, Unavailable
from alcove.kernel.ids import is_id, new_id
from alcove.kernel.pages import Page, PageRequest
from alcove.kernel.principal import Principal
from alcove.knowledge.models import (
    CollectionCreate,
    CollectionKind,
    CollectionRecord,
    CollectionUpdate,
    DocumentContent,
    DocumentRecord,
    DocumentStatus,
    KnowledgeSettings,
    Retrieved,
    SearchRequest,
    Stage,
)
from alcove.knowledge.ports import FileReceiver, KnowledgeStore, TextEmbedder
from alcove.knowledge.retrieval import Retriever

_CHAT_FILES = "Files of this chat"


@dataclass(frozen=True, kw_only=True, slots=True)
class CollectionService:
    """Collections of people.

    Attributes:
        store: Where they are kept.
        retriever: Searches them.
        embedder: The model of new ones.
        searches: How many searches a person may make; those of answers are limited with the answers.
        clock: The time.
    """

    store: KnowledgeStore
    retriever: Retriever
    embedder: TextEmbedder
    searches: Turnstile
    clock: Clock

    async def create(self, who: Principal, wanted: CollectionCreate) -> CollectionRecord:
        """Makes a collection.

        Raises:
            AlreadyExists: When there is one of that name.
        """
        return await self._add(who, wanted.name, wanted.description, CollectionKind.COLLECTION, None)

    async def page(
        self, who: Principal, kind: CollectionKind, page: PageRequest, name: str | None = None
    ) -> Page[CollectionRecord]:
        """Lists collections by name; with `name`, the one of that name."""
        if name is not None:
            found = await self.store.find_collection(who.user_id, name.strip())
            return Page(items=[found] if found is not None else [])
        return await self.store.list_collections(who.user_id, kind, page)

    async def get(self, who: Principal, collection_id: str) -> CollectionRecord:
        """Gives a collection by id.

        Raises:
            NotFound: When it is not there.
        """
        found = await self.store.get_collection(who.user_id, collection_id)
        if found is None:
            raise _no_collection(collection_id)
        return found

    async def resolve(self, who: Principal, names_or_ids: Sequence[str]) -> list[CollectionRecord]:
        """Gives collections by name or id, each once.

        Raises:
            NotFound: When one is not there; names it.
        """
        found: dict[str, CollectionRecord] = {}
        for each in names_or_ids:
            record = await self.store.get_collection(who.user_id, each) if is_id(each) else None
            record = record or await self.store.find_collection(who.user_id, each.strip())
            if record is None:
                raise _no_collection(each)
            found[record.id] = record
        return list(found.values())

    async def existing(self, who: Principal, collection_ids: Sequence[str]) -> list[CollectionRecord]:
        """Gives those of the collections that are there, in the order asked for."""
        found = [await self.store.get_collection(who.user_id, each) for each in collection_ids]
        return [each for each in found if each is not None]

    async def update(self, who: Principal, collection_id: str, wanted: CollectionUpdate) -> CollectionRecord:
        """Changes name or description.

        Raises:
            NotFound: When it is not there.
            AlreadyExists: When there is another of that name.
        """
        record = await self.get(who, collection_id)
        record = replace(
            record,
            name=wanted.name if wanted.name is not None else record.name,
            description=wanted.description if wanted.description is not None else record.description,
            updated_at=self.clock.now(),
        )
        await self.store.update_collection(record)
        return record

    async def delete(self, who: Principal, collection_id: str) -> None:
        """Deletes a collection with everything in it.

        Raises:
            NotFound: When it is not there.
        """
        if not await self.store.delete_collection(who.user_id, collection_id):
            raise _no_collection(collection_id)

    async def delete_owner(self, user_id: str) -> None:
        """Deletes everything of a person who is being deleted."""
        await self.store.delete_owner(user_id)

    async def of_chat(self, who: Principal, chat_id: str) -> CollectionRecord | None:
        """Gives the collection that holds a chat's own files, if it has any."""
        return await self.store.chat_collection(who.user_id, chat_id)

    async def make_of_chat(self, who: Principal, chat_id: str) -> CollectionRecord:
        """Gives the collection for a chat's own files; makes it on first use."""
        found = await self.store.chat_collection(who.user_id, chat_id)
        if found is not None:
            return found
        try:
            return await self._add(who, _CHAT_FILES, "", CollectionKind.CHAT, chat_id)
        except AlreadyExists:  # another upload to this chat was first
            found = await self.store.chat_collection(who.user_id, chat_id)
            if found is None:
                raise
            return found

    async def search(self, who: Principal, collection_id: str, wanted: SearchRequest) -> Retrieved:
        """Searches a collection.

        Raises:
            NotFound: When it is not there.
            RateLimited: When this person searches too often or too much at once.
        """
        async with self.searches.passing(who.user_id, "searches"):
            collection = await self.get(who, collection_id)
            return await self.retriever.retrieve(
                who.user_id, [collection], wanted.query, strategy=wanted.strategy, limit=wanted.top_k
            )

    async def _add(
        self, who: Principal, name: str, description: str, kind: CollectionKind, chat_id: str | None
    ) -> CollectionRecord:
        now = self.clock.now()
        record = CollectionRecord(
            id=new_id(),
            owner_id=who.user_id,
            name=name,
            description=description,
            kind=kind,
            chat_id=chat_id,
            embedding_model=self.embedder.info.id,
            embedding_precision=self.embedder.precision,
            created_at=now,
            updated_at=now,
        )
        await self.store.add_collection(record)
        return record


@dataclass(frozen=True, kw_only=True, slots=True)
class DocumentService:
    """Documents of people.

    Attributes:
        store: Where they are kept.
        blobs: Where their files lie.
        files: Held while a file is put or erased; the same lock as the ingestion's.
        embedder: The model in use; a collection of another one takes no more documents.
        settings: Limits.
        clock: The time.
    """

    store: KnowledgeStore
    blobs: BlobStore
    files: anyio.Lock
    embedder: TextEmbedder
    settings: KnowledgeSettings
    clock: Clock

    async def check_room(self, who: Principal, collection_id: str) -> CollectionRecord:
        """Checks that a collection can take another document; before anything of it is received.

        Raises:
            NotFound: When it is not there.
            Conflict: When it is full, or its vectors are of another model.
        """
        collection = await self.store.get_collection(who.user_id, collection_id)
        if collection is None:
            raise _no_collection(collection_id)
        if (collection.embedding_model, collection.embedding_precision) != (
            self.embedder.info.id,
            self.embedder.precision,
        ):
            detail = (
                f"{collection.name!r} was made with the embedding model {collection.embedding_model} "
                f"({collection.embedding_precision}), which is not the one in use; make a new collection."
            )
            raise Conflict(detail)
        if collection.document_count >= self.settings.max_documents:
            detail = f"{collection.name!r} is full: it holds {self.settings.max_documents} documents, the most allowed."
            raise Conflict(detail)
        return collection

    async def receive(self, who: Principal, collection_id: str, receive: FileReceiver) -> tuple[DocumentRecord, bool]:
        """Takes in a file that is being sent, if the collection can take another; gives what `add` gives.

        Raises:
            AlcoveError: As `check_room`, `receive` and `add` do; nothing is received when there is no room.
        """
        await self.check_room(who, collection_id)
        received = await receive(folder=self.blobs.incoming, max_bytes=self.settings.max_upload_bytes)
        return await self.add(who, collection_id, received)

    async def add(self, who: Principal, collection_id: str, received: ReceivedFile) -> tuple[DocumentRecord, bool]:
        """Takes a received file in and queues its reading; gives the document, and whether it is new.

        When this returns, the file and its job survive `kill -9`. Content the collection holds already is not taken twice.

        Raises:
            NotFound: When the collection was deleted while the file was received.
            Conflict: When it has become full meanwhile.
        """
        now = self.clock.now()
        document = DocumentRecord(
            id=new_id(),
            owner_id=who.user_id,
            collection_id=collection_id,
            name=received.name,
            media_type=received.media_type,
            size_bytes=received.size_bytes,
            sha256=received.sha256,
            created_at=now,
            updated_at=now,
        )
        try:
            async with self.files:
                await self.check_room(who, collection_id)
                await self.blobs.put(received.path, received.sha256)
                kept = await self.store.add_document(document)
        except AlcoveError:
            await self._discard(received)
            raise
        if kept.id != document.id and kept.status is DocumentStatus.FAILED:
            return await self._read_again(kept), False
        return kept, kept.id == document.id

    async def page(self, who: Principal, collection_id: str, page: PageRequest) -> Page[DocumentRecord]:
        """Lists a collection's documents, the latest first.

        Raises:
            NotFound: When the collection is not there.
        """
        if await self.store.get_collection(who.user_id, collection_id) is None:
            raise _no_collection(collection_id)
        return await self.store.list_documents(who.user_id, collection_id, page)

    async def get(self, who: Principal, document_id: str) -> DocumentRecord:
        """Gives a document.

        Raises:
            NotFound: When it is not there.
        """
        found = await self.store.get_document(who.user_id, document_id)
        if found is None:
            detail = "There is no such document, or it is not yours."
            raise NotFound(detail)
        return found

    async def retry(self, who: Principal, document_id: str) -> DocumentRecord:
        """Queues the reading of a document that failed anew.

        Raises:
            NotFound: When it is not there.
            Conflict: When it did not fail.
        """
        document = await self.get(who, document_id)
        if document.status is not DocumentStatus.FAILED:
            detail = f"{document.name!r} did not fail; it is {document.status.value}."
            raise Conflict(detail)
        return await self._read_again(document)

    async def _read_again(self, failed: DocumentRecord) -> DocumentRecord:
        """Queues the reading of a document that failed, unless another request has done so already."""
        document = replace(
            failed,
            status=DocumentStatus.QUEUED,
            stage=Stage.WAITING,
            progress=0.0,
            error=None,
            updated_at=self.clock.now(),
        )
        if await self.store.requeue(document):
            return document
        return await self.store.get_document(failed.owner_id, failed.id) or document

    async def _discard(self, received: ReceivedFile) -> None:
        """Throws away a received file that was refused."""
        await anyio.Path(received.path).unlink(missing_ok=True)
        async with self.files:
            if not await self.store.is_used(received.sha256):
                await self.blobs.delete(received.sha256)

    async def delete(self, who: Principal, document_id: str) -> None:
        """Deletes a document: its row, text, vectors, and its file if nobody else has the same.

        Raises:
            NotFound: When it is not there.
        """
        if not await self.store.delete_document(who.user_id, document_id):
            detail = "There is no such document, or it is not yours."
            raise NotFound(detail)

    async def text(self, who: Principal, document_id: str) -> tuple[DocumentRecord, DocumentContent]:
        """Gives what was read from a document.

        Raises:
            NotFound: When it is not there.
            Conflict: When it has not been read.
        """
        document = await self.get(who, document_id)
        content = await self.store.content(who.user_id, document_id)
        if content is None:
            detail = f"{document.name!r} has not been read yet; it is {document.status.value}."
            raise Conflict(detail)
        return document, content

    async def file(self, who: Principal, document_id: str) -> tuple[DocumentRecord, Path]:
        """Gives a document with the path of its file.

        Raises:
            NotFound: When it is not there.
            Unavailable: When its file is missing from the data folder.
        """
        document = await self.get(who, document_id)
        path = self.blobs.path(document.sha256)
        if not await anyio.Path(path).is_file():
            detail = f"The file of {document.name!r} is missing from the data folder; restore it from a backup."
            raise Unavailable(detail)
        return document, path


def _no_collection(name_or_id: str) -> NotFound:
    return NotFound(f"There is no collection {name_or_id[:100]!r}, or it is not yours.")
