"""What the knowledge room needs of others."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from alcove.infra.uploads import ReceivedFile
from alcove.kernel.pages import Page, PageRequest
from alcove.kernel.ports import Embeddings, ModelInfo
from alcove.knowledge.models import (
    ChunkRecord,
    CollectionKind,
    CollectionRecord,
    DocumentContent,
    DocumentRecord,
)
from alcove.knowledge.parsing import ParsedDocument

INGEST = "knowledge.ingest"
ERASE = "knowledge.erase"


class KnowledgeStore(Protocol):
    """Keeps collections, documents and chunks. Every method asks for one owner's rows only, save where it says otherwise."""

    async def add_collection(self, collection: CollectionRecord) -> None:
        """Adds a collection.

        Raises:
            AlreadyExists: When the owner has one of that name.
        """
        ...

    async def get_collection(self, owner_id: str, collection_id: str) -> CollectionRecord | None:
        """Gives a collection."""
        ...

    async def find_collection(self, owner_id: str, name: str) -> CollectionRecord | None:
        """Gives the collection of that name, letters' case aside."""
        ...

    async def chat_collection(self, owner_id: str, chat_id: str) -> CollectionRecord | None:
        """Gives the files of a chat."""
        ...

    async def list_collections(self, owner_id: str, kind: CollectionKind, page: PageRequest) -> Page[CollectionRecord]:
        """Lists collections by name."""
        ...

    async def update_collection(self, collection: CollectionRecord) -> None:
        """Replaces name and description.

        Raises:
            AlreadyExists: When the owner has another of that name.
        """
        ...

    async def delete_collection(self, owner_id: str, collection_id: str) -> bool:
        """Deletes a collection with its documents, and queues the erasing of what they left; False when there was none."""
        ...

    async def delete_owner(self, owner_id: str) -> None:
        """Deletes all of a person's collections, likewise."""
        ...

    async def add_document(self, document: DocumentRecord) -> DocumentRecord:
        """Adds a document and queues its reading, in one transaction.

        Gives the document; the existing one when the collection holds the same content already.

        Raises:
            NotFound: When its collection is gone, or not its owner's.
        """
        ...

    async def get_document(self, owner_id: str, document_id: str) -> DocumentRecord | None:
        """Gives a document."""
        ...

    async def list_documents(self, owner_id: str, collection_id: str, page: PageRequest) -> Page[DocumentRecord]:
        """Lists a collection's documents, the latest first."""
        ...

    async def update_document(self, document: DocumentRecord) -> bool:
        """Replaces a document's state; False when it is gone."""
        ...

    async def requeue(self, document: DocumentRecord) -> bool:
        """Replaces a document's state and queues its reading anew, in one transaction; False when it is not failed (any more)."""
        ...

    async def finish_document(self, document: DocumentRecord, content: DocumentContent) -> bool:
        """Makes a document ready with its text and chunks, in one transaction; False when it is gone."""
        ...

    async def delete_document(self, owner_id: str, document_id: str) -> bool:
        """Deletes a document and queues the erasing of what it left; False when there was none."""
        ...

    async def is_used(self, sha256: str) -> bool:
        """Tells whether any document of anybody has this content."""
        ...

    async def content(self, owner_id: str, document_id: str) -> DocumentContent | None:
        """Gives the text of a ready document, without chunks."""
        ...

    async def ready_chunks(self, owner_id: str, keys: Sequence[tuple[str, int]]) -> Sequence[ChunkRecord]:
        """Gives chunks by document and index; only those of ready documents."""
        ...

    async def passages(self, owner_id: str, ranges: Sequence[tuple[str, int, int]]) -> Sequence[str]:
        """Gives pieces of documents' texts, by document, start and end; empty where the document is gone."""
        ...

    async def ready_names(self, owner_id: str, document_ids: Sequence[str]) -> dict[str, str]:
        """Gives the names of documents that are ready, by id; others are left out."""
        ...


class TextEmbedder(Protocol):
    """The embedding model of the collections."""

    precision: str

    @property
    def info(self) -> ModelInfo:
        """Gives what is known of the model."""
        ...

    async def embed(self, texts: Sequence[str]) -> Embeddings:
        """Gives vectors for a few texts, such as questions."""
        ...

    async def embed_array(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Gives the vectors of many texts, n x d float32, rows of unit length."""
        ...

    def count_tokens(self, text: str) -> int:
        """Gives the length of a text in the model's tokens."""
        ...


class DocumentParser(Protocol):
    """Turns files into text."""

    async def parse(self, path: Path, *, name: str) -> ParsedDocument:
        """Reads a file.

        Raises:
            AlcoveError: When it cannot be read, with the reason.
        """
        ...


class FileReceiver(Protocol):
    """Receives the file that somebody is sending."""

    async def __call__(self, *, folder: Path, max_bytes: int) -> ReceivedFile:
        """Receives it into a folder, synced.

        Raises:
            AlcoveError: When there is none, or it is larger than `max_bytes`.
        """
        ...
