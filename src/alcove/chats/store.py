"""Chats and messages in the SQL database."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    ForeignKey,
    Index,
    RowMapping,
    String,
    Table,
    Text,
    Update,
    and_,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)

from alcove.chats.models import ChatChanges, ChatRecord, DocumentRef, FoundChat, MessageRecord, MessageStatus
from alcove.infra.cursors import a_flag, a_time, an_id, read_cursor, write_cursor
from alcove.infra.database import Database, UtcDateTime, metadata
from alcove.infra.problems import Problem
from alcove.kernel.chat import Citation, Source, Usage
from alcove.kernel.pages import Page, PageRequest

chats = Table(
    "chats",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("owner_id", String(36), nullable=False),
    Column("title", String(200), nullable=False),
    Column("has_own_title", Boolean, nullable=False),
    Column("model", String(300)),
    Column("collection_ids", JSON, nullable=False),
    Column("current_message_id", String(36)),
    Column("is_pinned", Boolean, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Index(None, "owner_id", "is_pinned", "updated_at", "id"),
)

messages = Table(
    "messages",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("chat_id", String(36), ForeignKey("chats.id", ondelete="CASCADE"), nullable=False),
    Column("owner_id", String(36), nullable=False),
    Column("parent_id", String(36)),
    Column("role", String(16), nullable=False),
    Column("content", Text, nullable=False),
    Column("reasoning", Text, nullable=False),
    Column("model", String(300)),
    Column("status", String(16), nullable=False),
    Column("error", JSON),
    Column("sources", JSON, nullable=False),
    Column("citations", JSON, nullable=False),
    Column("usage", JSON),
    Column("trace_id", String(32)),
    Column("documents", JSON, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime),
    Index(None, "chat_id", "created_at", "id"),
    Index(None, "owner_id", "id"),
    Index(None, "status"),
)

_SOURCES: TypeAdapter[tuple[Source, ...]] = TypeAdapter(tuple[Source, ...])
_CITATIONS: TypeAdapter[tuple[Citation, ...]] = TypeAdapter(tuple[Citation, ...])
_DOCUMENTS: TypeAdapter[tuple[DocumentRef, ...]] = TypeAdapter(tuple[DocumentRef, ...])
_USAGE: TypeAdapter[Usage | None] = TypeAdapter(Usage | None)
_SNIPPET = 120


@dataclass(frozen=True, slots=True)
class SqlChatStore:
    """`ChatStore` on the SQL database."""

    _database: Database

    async def add_chat(self, chat: ChatRecord) -> None:
        """Adds a chat."""
        async with self._database.write() as connection:
            await connection.execute(insert(chats).values(**_chat_values(chat)))

    async def get_chat(self, owner_id: str, chat_id: str) -> ChatRecord | None:
        """Gives a chat of this owner."""
        query = select(chats).where(chats.c.id == chat_id, chats.c.owner_id == owner_id)
        async with self._database.read() as connection:
            row = (await connection.execute(query)).mappings().one_or_none()
        return _chat(row) if row is not None else None

    async def find_chats(self, owner_id: str, query: str, page: PageRequest) -> Page[FoundChat]:
        """Lists this owner's chats, pinned ones first, then the latest."""
        order = (chats.c.is_pinned, chats.c.updated_at, chats.c.id)
        wanted = select(chats).where(chats.c.owner_id == owner_id)
        if query:
            pattern = _like(query)
            in_messages = exists().where(
                messages.c.chat_id == chats.c.id,
                messages.c.owner_id == owner_id,
                messages.c.content.ilike(pattern, escape="\\"),
            )
            wanted = wanted.where(or_(chats.c.title.ilike(pattern, escape="\\"), in_messages))
        if page.cursor is not None:
            is_pinned, updated_at, chat_id = read_cursor(page.cursor, a_flag, a_time, an_id)
            older = or_(chats.c.updated_at < updated_at, and_(chats.c.updated_at == updated_at, chats.c.id < chat_id))
            after = and_(chats.c.is_pinned == is_pinned, older)
            wanted = wanted.where(or_(after, chats.c.is_pinned.is_(False)) if is_pinned else after)
        wanted = wanted.order_by(*(column.desc() for column in order)).limit(page.limit + 1)
        async with self._database.read() as connection:
            rows = [_chat(row) for row in (await connection.execute(wanted)).mappings()]
            has_more, rows = len(rows) > page.limit, rows[: page.limit]
            snippets: dict[str, str] = {}
            if query and rows:
                found = (
                    select(messages.c.chat_id, func.min(messages.c.content).label("content"))
                    .where(
                        messages.c.chat_id.in_([each.id for each in rows]),
                        messages.c.owner_id == owner_id,
                        messages.c.content.ilike(_like(query), escape="\\"),
                    )
                    .group_by(messages.c.chat_id)
                )
                snippets = {
                    row["chat_id"]: _snippet(row["content"], query)
                    for row in (await connection.execute(found)).mappings()
                }
        return Page(
            items=[FoundChat(chat=each, snippet=snippets.get(each.id)) for each in rows],
            next_cursor=_cursor(rows[-1]) if has_more else None,
        )

    async def update_chat(self, owner_id: str, chat_id: str, changes: ChatChanges) -> ChatRecord | None:
        """Changes the columns named, of a chat of this owner."""
        if not changes:
            return await self.get_chat(owner_id, chat_id)
        statement = _update_chat(owner_id, chat_id).values(**changes).returning(chats)
        async with self._database.write() as connection:
            row = (await connection.execute(statement)).mappings().one_or_none()
        return _chat(row) if row is not None else None

    async def add_collection(self, owner_id: str, chat_id: str, collection_id: str) -> bool:
        """Adds a collection to a chat of this owner; the row is locked between reading and writing."""
        query = select(chats.c.collection_ids).where(chats.c.id == chat_id, chats.c.owner_id == owner_id)
        async with self._database.write() as connection:
            ids = (await connection.execute(query.with_for_update())).scalar_one_or_none()
            if ids is None:
                return False
            if collection_id not in ids:
                await connection.execute(_update_chat(owner_id, chat_id).values(collection_ids=[*ids, collection_id]))
            return True

    async def delete_chat(self, owner_id: str, chat_id: str) -> bool:
        """Deletes a chat of this owner with all its messages."""
        statement = delete(chats).where(chats.c.id == chat_id, chats.c.owner_id == owner_id)
        async with self._database.write() as connection:
            return bool((await connection.execute(statement)).rowcount)

    async def add_messages(
        self, messages: Sequence[MessageRecord], *, title: str | None = None, model: str | None = None
    ) -> bool:
        """Adds messages of one chat; its row comes first, so that nobody deletes it in between."""
        last = messages[-1]
        chat = _update_chat(last.owner_id, last.chat_id)
        values: dict[str, Any] = {"current_message_id": last.id, "updated_at": last.created_at}
        if model is not None:
            values["model"] = model
        async with self._database.write() as connection:
            if not (await connection.execute(chat.values(**values))).rowcount:
                return False
            if title is not None:
                await connection.execute(chat.where(chats.c.has_own_title.is_(False)).values(title=title))
            await connection.execute(insert(_messages), [_message_values(each) for each in messages])
            return True

    async def get_message(self, owner_id: str, chat_id: str, message_id: str) -> MessageRecord | None:
        """Gives a message of this owner."""
        query = select(messages).where(
            messages.c.id == message_id, messages.c.chat_id == chat_id, messages.c.owner_id == owner_id
        )
        async with self._database.read() as connection:
            row = (await connection.execute(query)).mappings().one_or_none()
        return _message(row) if row is not None else None

    async def list_messages(self, owner_id: str, chat_id: str) -> Sequence[MessageRecord]:
        """Gives all messages of a chat of this owner, oldest first."""
        query = (
            select(messages)
            .where(messages.c.chat_id == chat_id, messages.c.owner_id == owner_id)
            .order_by(messages.c.created_at, messages.c.id)
        )
        async with self._database.read() as connection:
            return [_message(row) for row in (await connection.execute(query)).mappings()]

    async def update_message(self, message: MessageRecord) -> None:
        """Replaces a message of its owner."""
        statement = (
            update(messages)
            .where(messages.c.id == message.id, messages.c.owner_id == message.owner_id)
            .values(**_message_values(message))
        )
        async with self._database.write() as connection:
            await connection.execute(statement)

    async def running(self) -> Sequence[MessageRecord]:
        """Gives every answer that is marked as running, whoever owns it."""
        query = select(messages).where(messages.c.status == MessageStatus.STREAMING.value).order_by(messages.c.id)
        async with self._database.read() as connection:
            return [_message(row) for row in (await connection.execute(query)).mappings()]

    async def interrupt_all(self, at: datetime) -> int:
        """Marks every answer that was running as interrupted."""
        statement = (
            update(messages)
            .where(messages.c.status == MessageStatus.STREAMING.value)
            .values(status=MessageStatus.INTERRUPTED.value, finished_at=at)
        )
        async with self._database.write() as connection:
            return int((await connection.execute(statement)).rowcount)

    async def delete_owner(self, owner_id: str) -> Sequence[str]:
        """Deletes all chats of a person; gives their ids."""
        async with self._database.write() as connection:
            ids = (await connection.execute(select(chats.c.id).where(chats.c.owner_id == owner_id))).scalars().all()
            await connection.execute(delete(chats).where(chats.c.owner_id == owner_id))
        return ids


_messages = messages  # the parameter of `add_messages` has the same name


def _update_chat(owner_id: str, chat_id: str) -> Update:
    return update(chats).where(chats.c.id == chat_id, chats.c.owner_id == owner_id)


def _chat_values(chat: ChatRecord) -> dict[str, Any]:
    return {
        "id": chat.id,
        "owner_id": chat.owner_id,
        "title": chat.title,
        "has_own_title": chat.has_own_title,
        "model": chat.model,
        "collection_ids": list(chat.collection_ids),
        "current_message_id": chat.current_message_id,
        "is_pinned": chat.is_pinned,
        "created_at": chat.created_at,
        "updated_at": chat.updated_at,
    }


def _chat(row: RowMapping) -> ChatRecord:
    return ChatRecord(**{**row, "collection_ids": tuple(row["collection_ids"])})


def _message_values(message: MessageRecord) -> dict[str, Any]:
    return {
        "id": message.id,
        "chat_id": message.chat_id,
        "owner_id": message.owner_id,
        "parent_id": message.parent_id,
        "role": message.role,
        "content": _storable(message.content),
        "reasoning": _storable(message.reasoning),
        "model": message.model,
        "status": message.status.value,
        "error": message.error.model_dump(mode="json") if message.error else None,
        "sources": _SOURCES.dump_python(message.sources, mode="json"),
        "citations": _CITATIONS.dump_python(message.citations, mode="json"),
        "usage": _USAGE.dump_python(message.usage, mode="json"),
        "trace_id": message.trace_id,
        "documents": _DOCUMENTS.dump_python(message.documents, mode="json"),
        "created_at": message.created_at,
        "finished_at": message.finished_at,
    }


def _storable(text: str) -> str:
    """Gives a model's text without what databases refuse: U+0000 and halves of surrogate pairs."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()


def _message(row: RowMapping) -> MessageRecord:
    return MessageRecord(
        **{
            **row,
            "status": MessageStatus(row["status"]),
            "error": Problem.model_validate(row["error"]) if row["error"] else None,
            "sources": _SOURCES.validate_python(row["sources"]),
            "citations": _CITATIONS.validate_python(row["citations"]),
            "usage": _USAGE.validate_python(row["usage"]),
            "documents": _DOCUMENTS.validate_python(row["documents"]),
        }
    )


def _like(query: str) -> str:
    escaped = query.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


def _snippet(content: str, query: str) -> str:
    """Gives some 120 characters of the content around the first match, with dots where it goes on."""
    at = max(0, content.lower().find(query.lower()) - _SNIPPET // 3)
    piece = " ".join(content[at : at + _SNIPPET].split())
    return f"{'…' if at else ''}{piece}{'…' if at + _SNIPPET < len(content) else ''}"


def _cursor(chat: ChatRecord) -> str:
    return write_cursor(chat.is_pinned, chat.updated_at, chat.id)
