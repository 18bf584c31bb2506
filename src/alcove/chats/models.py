"""Chats and messages: the records, their wire form, and the room's settings."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal, TypedDict

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from alcove.infra.problems import Problem
from alcove.kernel.chat import Citation, Source, Usage

MAX_CONTENT = 400_000
MAX_TITLE = 200


class ChatSettings(BaseModel):
    """Chats and the answers that run in them."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    max_answers: Annotated[int, Field(ge=1, le=10_000)] = 64
    """Answers that may run at once in this process; one more is refused with 503. 1 to 10,000."""

    max_answers_per_user: Annotated[int, Field(ge=1, le=1_000)] = 8
    """Answers that may run at once for one person; one more is refused with 429. 1 to 1,000."""

    checkpoint_s: Annotated[float, Field(ge=0.05, le=60)] = 1.0
    """Seconds between two savings of a running answer, so that a crash loses no more than this much of it. 0.05 to 60."""

    replay_s: Annotated[float, Field(ge=0, le=3_600)] = 120.0
    """Seconds for which a finished answer's events stay in memory for pages that reconnect; later they get it whole. 0 to 3,600."""

    keep_alive_s: Annotated[float, Field(ge=1, le=120)] = 15.0
    """Seconds of silence after which an event stream sends a comment, so that proxies keep it open. 1 to 120."""

    document_wait_s: Annotated[float, Field(ge=0, le=3_600)] = 300.0
    """Seconds an answer waits for documents sent with its question to be read. 0 to 3,600."""


class MessageStatus(StrEnum):
    """How far a message is."""

    COMPLETE = "complete"
    STREAMING = "streaming"
    STOPPED = "stopped"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, kw_only=True, slots=True)
class ChatRecord:
    """One conversation.

    Attributes:
        id: Row id.
        owner_id: Whose it is.
        title: What the sidebar shows.
        has_own_title: Whether a person chose the title; the first question makes it otherwise.
        model: Model that answers; None for the house's default.
        collection_ids: Collections its answers are drawn from.
        current_message_id: The leaf of the branch on display.
        is_pinned: Whether it stays on top.
        created_at: When it was begun.
        updated_at: When it last got a message.
    """

    id: str
    owner_id: str
    title: str
    has_own_title: bool
    model: str | None
    collection_ids: tuple[str, ...]
    current_message_id: str | None
    is_pinned: bool
    created_at: datetime
    updated_at: datetime


class ChatChanges(TypedDict, total=False):
    """What of a chat is to change; what is left out stays as it is in the store, whatever it is there by now."""

    title: str
    has_own_title: bool
    model: str | None
    collection_ids: list[str]
    current_message_id: str
    is_pinned: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class DocumentRef:
    """A document sent with a message."""

    id: str
    name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class MessageRecord:
    """One message of a chat's tree.

    Attributes:
        id: Row id.
        chat_id: Its chat.
        owner_id: Whose chat it is.
        parent_id: The message it follows; None for a first one. Siblings are branches.
        role: `user` or `assistant`.
        content: The text.
        reasoning: The model's reasoning.
        model: The model that answered.
        status: How far it is.
        error: Why it failed, as problem details.
        sources: Passages the answer was drawn from.
        citations: What it rests on.
        usage: Tokens, once known.
        trace_id: The trace of the answer.
        documents: Documents sent with a question.
        created_at: When it was begun.
        finished_at: When the answer ended.
    """

    id: str
    chat_id: str
    owner_id: str
    parent_id: str | None
    role: Literal["user", "assistant"]
    content: str
    created_at: datetime
    reasoning: str = ""
    model: str | None = None
    status: MessageStatus = MessageStatus.COMPLETE
    error: Problem | None = None
    sources: tuple[Source, ...] = ()
    citations: tuple[Citation, ...] = ()
    usage: Usage | None = None
    trace_id: str | None = None
    documents: tuple[DocumentRef, ...] = field(default=())
    finished_at: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundChat:
    """A chat in a listing, with the words that matched a search."""

    chat: ChatRecord
    snippet: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class CollectionRef:
    """A collection a chat is answered from."""

    id: str
    name: str
    kind: str


class Chat(BaseModel):
    """A chat on the wire."""

    id: str
    title: str
    model: str | None
    collections: list[CollectionRef]
    current_message_id: str | None
    pinned: bool
    created_at: datetime
    updated_at: datetime
    snippet: str | None = None


class MessageUsage(BaseModel):
    """Tokens of one answer."""

    input_tokens: int
    output_tokens: int


class Message(BaseModel):
    """A message on the wire."""

    id: str
    chat_id: str
    parent_id: str | None
    role: Literal["user", "assistant"]
    content: str
    reasoning: str
    model: str | None
    status: MessageStatus
    error: Problem | None
    sources: list[Source]
    citations: list[Citation]
    usage: MessageUsage | None
    trace_id: str | None
    documents: list[DocumentRef]
    created_at: datetime
    finished_at: datetime | None

    @classmethod
    def of(cls, record: MessageRecord) -> "Message":
        """Gives a message's wire form."""
        usage = record.usage
        return cls(
            id=record.id,
            chat_id=record.chat_id,
            parent_id=record.parent_id,
            role=record.role,
            content=record.content,
            reasoning=record.reasoning,
            model=record.model,
            status=record.status,
            error=record.error,
            sources=list(record.sources),
            citations=list(record.citations),
            usage=MessageUsage(input_tokens=usage.input_tokens, output_tokens=usage.output_tokens) if usage else None,
            trace_id=record.trace_id,
            documents=list(record.documents),
            created_at=record.created_at,
            finished_at=record.finished_at,
        )


class ChatDetail(BaseModel):
    """A chat with the whole tree of its messages."""

    chat: Chat
    messages: list[Message]


def _storable(text: str) -> str:
    if "\x00" in text:
        msg = "must not hold the character U+0000"
        raise ValueError(msg)
    return text


StoredText = Annotated[str, AfterValidator(_storable)]
"""Text that every database takes."""

Title = Annotated[StoredText, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_TITLE)]
ModelId = Annotated[StoredText, StringConstraints(min_length=1, max_length=300)]
Id = Annotated[StoredText, StringConstraints(min_length=1, max_length=64)]
Ids = Annotated[list[Id], Field(max_length=50)]


class ChatCreate(BaseModel):
    """A new chat."""

    model_config = ConfigDict(extra="forbid")

    title: Title | None = None
    model: ModelId | None = None
    collection_ids: Ids = []


class ChatUpdate(BaseModel):
    """What of a chat is to change; fields left out stay as they are."""

    model_config = ConfigDict(extra="forbid")

    title: Title | None = None
    model: ModelId | None = None
    collection_ids: Ids | None = None
    current_message_id: Id | None = None
    pinned: bool | None = None


class MessageCreate(BaseModel):
    """A new question. Editing one is the same with the parent of the edited question."""

    model_config = ConfigDict(extra="forbid")

    parent_id: Id | None = None
    content: Annotated[StoredText, StringConstraints(min_length=1, max_length=MAX_CONTENT)]
    model: ModelId | None = None
    document_ids: Ids = []


class Regenerate(BaseModel):
    """Another answer to the same question."""

    model_config = ConfigDict(extra="forbid")

    model: ModelId | None = None


class Exchange(BaseModel):
    """A question and its answer that has begun."""

    user_message: Message
    assistant_message: Message


class Begun(BaseModel):
    """An answer that has begun."""

    assistant_message: Message
