"""Collections, documents and chunks: the records, their wire form, and the room's settings."""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from alcove.kernel.chat import Source

MIB = 1024 * 1024
_INVISIBLE = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060\u2066-\u2069\ufeff]"
)


def _plain(text: str) -> str:
    """Refuses characters that show nothing, or turn the direction of what follows, and so make one name look like another."""
    if _INVISIBLE.search(text):
        msg = "control characters are not allowed"
        raise ValueError(msg)
    return text


class KnowledgeSettings(BaseModel):
    """Reading, cutting and finding documents."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    max_upload_bytes: Annotated[int, Field(ge=1_024, lt=2 * 1024 * MIB)] = 50 * MIB
    """Largest document, in bytes. Default 50 MiB; raise `edge.max_upload_bytes` with it."""

    max_documents: Annotated[int, Field(ge=1, le=10_000_000)] = 100_000
    """Documents one collection may hold. Default 100,000, what search was measured with."""

    searches_per_minute: Annotated[int, Field(ge=1, le=1_000_000)] = 240
    """Searches a person may make in a minute over the API; those of answers do not count. Default 240, four a second."""

    searches_at_once: Annotated[int, Field(ge=1, le=1_000)] = 4
    """Searches of one person that may run at once. Default 4: each embeds its question, and others want the processor too."""

    parse_memory_bytes: Annotated[int, Field(ge=128 * MIB, le=64 * 1024 * MIB)] = 1024 * MIB
    """Address space of the process that reads a file, in bytes. Default 1 GiB: a hostile file ends that process, nothing else."""

    parse_cpu_s: Annotated[int, Field(ge=1, le=3_600)] = 30
    """Processor seconds a file may take to read. Default 30, some 15,000 pages."""

    parse_wall_s: Annotated[float, Field(ge=1, le=7_200)] = 60.0
    """Seconds a file may take to read in all. Default 60."""

    max_pages: Annotated[int, Field(ge=1, le=1_000_000)] = 5_000
    """Pages of one document. Default 5,000."""

    max_characters: Annotated[int, Field(ge=1_000, le=100_000_000)] = 10_000_000
    """Characters of one document's text. Default 10 million, about 2,500 printed pages."""

    chunk_min_tokens: Annotated[int, Field(ge=8, le=256)] = 64
    """Tokens a chunk should have at least, where its section is long enough. Default 64."""

    chunk_max_tokens: Annotated[int, Field(ge=16, le=256)] = 128
    """Tokens a chunk has at most; the embedding model sees 256. Default 128: small chunks are found best (docs/retrieval.md)."""

    workers: Annotated[int, Field(ge=1, le=64)] = 2
    """Documents read at a time. Default 2."""

    candidates: Annotated[int, Field(ge=1, le=1_000)] = 50
    """Chunks that search by meaning and search by words each put forward. Default 50."""

    dense_weight: Annotated[float, Field(ge=0, le=1)] = 0.7
    """Weight of meaning against words in hybrid search, 0 to 1. Default 0.7, the best measured."""

    sources: Annotated[int, Field(ge=1, le=50)] = 8
    """Sources put before a model. Default 8."""

    context_characters: Annotated[int, Field(ge=500, le=1_000_000)] = 8_000
    """Characters all sources together may have, about a quarter as many tokens; what is left over is spent on the text around
    the best ones. Default 8,000."""


class CollectionKind(StrEnum):
    """Whether people see a collection in their list."""

    COLLECTION = "collection"
    CHAT = "chat"


class DocumentStatus(StrEnum):
    """How far a document is."""

    QUEUED = "queued"
    PROCESSING = "processing"
    READY = "ready"
    FAILED = "failed"


class Stage(StrEnum):
    """What is being done with a document."""

    WAITING = "waiting"
    PARSING = "parsing"
    CHUNKING = "chunking"
    EMBEDDING = "embedding"
    INDEXING = "indexing"
    DONE = "done"


class Strategy(StrEnum):
    """How chunks are found: by meaning, by words, or both."""

    HYBRID = "hybrid"
    DENSE = "dense"
    SPARSE = "sparse"


@dataclass(frozen=True, kw_only=True, slots=True)
class CollectionRecord:
    """A set of documents that is searched together.

    Attributes:
        id: Row id.
        owner_id: Whose it is.
        name: Unique among the owner's collections, letters' case aside.
        description: What it is about.
        kind: Whether it is in the owner's list, or the files of one chat.
        chat_id: That chat.
        embedding_model: Model that its vectors are of.
        embedding_precision: That model's precision; vectors of different ones are never mixed.
        created_at: When it was made.
        updated_at: When it or its documents last changed.
        document_count: Documents in it.
        chunk_count: Chunks of those that are ready.
    """

    id: str
    owner_id: str
    name: str
    description: str
    kind: CollectionKind
    chat_id: str | None
    embedding_model: str
    embedding_precision: str
    created_at: datetime
    updated_at: datetime
    document_count: int = 0
    chunk_count: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """Why a document could not be read.

    Attributes:
        code: The error's code.
        detail: What was wrong, and what to do.
    """

    code: str
    detail: str


@dataclass(frozen=True, kw_only=True, slots=True)
class DocumentRecord:
    """One file in a collection.

    Attributes:
        id: Row id.
        owner_id: Whose it is.
        collection_id: Its collection.
        name: File name.
        media_type: What its content is.
        size_bytes: Its size.
        sha256: Hash of its content; names the stored file.
        status: How far it is.
        stage: What is being done with it.
        progress: How much is done, 0 to 1.
        error: Why it could not be read.
        page_count: Pages, where it has any.
        chunk_count: Chunks, once ready.
        character_count: Characters of its text, once ready.
        warnings: What may be missing.
        created_at: When it was uploaded.
        updated_at: When it last changed.
    """

    id: str
    owner_id: str
    collection_id: str
    name: str
    media_type: str
    size_bytes: int
    sha256: str
    created_at: datetime
    updated_at: datetime
    status: DocumentStatus = DocumentStatus.QUEUED
    stage: Stage = Stage.WAITING
    progress: float = 0.0
    error: Failure | None = None
    page_count: int | None = None
    chunk_count: int = 0
    character_count: int = 0
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class ChunkRecord:
    """One chunk of a document.

    Attributes:
        document_id: Its document.
        index: Which one, from 0.
        start: Offset in the document's text, in characters.
        end: Offset just past its end.
        page: Page it begins on.
    """

    document_id: str
    index: int
    start: int
    end: int
    page: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class PageRange:
    """Where in a document's text a page stands."""

    page: int
    start: int
    end: int


@dataclass(frozen=True, kw_only=True, slots=True)
class DocumentContent:
    """What was read from a document.

    Attributes:
        text: Its whole text.
        pages: Where its pages stand in it.
        chunks: Its chunks.
    """

    text: str
    pages: tuple[PageRange, ...]
    chunks: tuple[ChunkRecord, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Retrieved:
    """What a search found.

    Attributes:
        sources: The passages, best first, numbered from 1.
        latency_ms: Milliseconds by stage.
    """

    sources: tuple[Source, ...]
    latency_ms: dict[str, float]


class Collection(BaseModel):
    """A collection on the wire."""

    id: str
    name: str
    description: str
    kind: CollectionKind
    document_count: int
    chunk_count: int
    embedding_model: str
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, record: CollectionRecord) -> "Collection":
        """Gives a collection's wire form."""
        return cls.model_validate(record, from_attributes=True)


class Document(BaseModel):
    """A document on the wire."""

    id: str
    collection_id: str
    name: str
    media_type: str
    size_bytes: int
    status: DocumentStatus
    stage: Stage
    progress: float
    error: Failure | None
    page_count: int | None
    chunk_count: int
    character_count: int
    sha256: str
    warnings: list[str]
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, record: DocumentRecord) -> "Document":
        """Gives a document's wire form."""
        return cls.model_validate(record, from_attributes=True)


class DocumentText(BaseModel):
    """The text that was read from a document."""

    name: str
    text: str
    pages: list[PageRange]


Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=100, pattern=r"^[^\x00-\x1f]+$"),
    AfterValidator(_plain),
]
Description = Annotated[str, StringConstraints(strip_whitespace=True, max_length=1_000), AfterValidator(_plain)]


class CollectionCreate(BaseModel):
    """A new collection."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    description: Description = ""


class CollectionUpdate(BaseModel):
    """What of a collection is to change."""

    model_config = ConfigDict(extra="forbid")

    name: Name | None = None
    description: Description | None = None


class SearchRequest(BaseModel):
    """A search."""

    model_config = ConfigDict(extra="forbid")

    query: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=10_000)]
    top_k: Annotated[int, Field(ge=1, le=50)] = 10
    strategy: Strategy = Strategy.HYBRID


class SearchResult(BaseModel):
    """What a search found, and how long each stage took."""

    sources: list[Source]
    latency_ms: dict[str, float]
