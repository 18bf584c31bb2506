"""What people do with chats: begin, ask, edit, regenerate, stop, find, export, delete."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

from alcove.chats.answers import Answers, Place
from alcove.chats.events import ChatEvent
from alcove.chats.models import (
    Chat,
    ChatChanges,
    ChatCreate,
    ChatRecord,
    ChatUpdate,
    CollectionRef,
    MessageCreate,
    MessageRecord,
    MessageStatus,
)
from alcove.chats.ports import ChatDocuments, ChatStore, SessionTraces
from alcove.kernel.chat import ChatMessage, ChatRequest, ChatRole
from alcove.kernel.clock import Clock
from alcove.kernel.errors import Conflict, InvalidRequest, NotFound
from alcove.kernel.ids import is_id, new_id
from alcove.kernel.pages import Page, PageRequest
from alcove.kernel.ports import DEFAULT_MODEL
from alcove.kernel.principal import Principal
from alcove.kernel.runner import ModelCatalogue

NEW_TITLE = "New chat"
_TITLE_LENGTH = 60


@dataclass(frozen=True, kw_only=True, slots=True)
class ChatService:
    """Chats of people.

    Attributes:
        store: Where they are kept.
        answers: Runs the answers.
        documents: Knowledge they are answered from.
        traces: Traces they leave.
        models: Which models there are.
        clock: The time.
    """

    store: ChatStore
    answers: Answers
    documents: ChatDocuments
    traces: SessionTraces
    models: ModelCatalogue
    clock: Clock

    async def create(self, who: Principal, wanted: ChatCreate) -> Chat:
        """Begins a chat.

        Raises:
            NotFound: When a collection is not there.
            ModelNotFound: When the model is not there.
        """
        if wanted.model is not None:
            await self.models.chat_model(wanted.model, who)
        collections = await self._collections(who, wanted.collection_ids)
        now = self.clock.now()
        chat = ChatRecord(
            id=new_id(),
            owner_id=who.user_id,
            title=wanted.title or NEW_TITLE,
            has_own_title=wanted.title is not None,
            model=wanted.model,
            collection_ids=tuple(each.id for each in collections),
            current_message_id=None,
            is_pinned=False,
            created_at=now,
            updated_at=now,
        )
        await self.store.add_chat(chat)
        return _wire(chat, collections)

    async def find(self, who: Principal, query: str, page: PageRequest) -> Page[Chat]:
        """Lists chats, pinned ones first, then the latest; with `query`, those that hold it."""
        found = await self.store.find_chats(who.user_id, " ".join(query.split()), page)
        return Page(
            items=[_wire(each.chat, (), snippet=each.snippet) for each in found.items], next_cursor=found.next_cursor
        )

    async def get(self, who: Principal, chat_id: str) -> tuple[Chat, Sequence[MessageRecord]]:
        """Gives a chat and all its messages, running answers as they are now.

        Raises:
            NotFound: When it is not there.
        """
        chat = await self._chat(who, chat_id)
        messages = await self.store.list_messages(who.user_id, chat_id)
        collections = await self.documents.collections(who, chat.collection_ids)
        return _wire(chat, collections), [self.answers.latest(each) for each in messages]

    async def update(self, who: Principal, chat_id: str, wanted: ChatUpdate) -> Chat:
        """Changes a chat's title, model, collections, branch on display, or pin.

        Raises:
            NotFound: When the chat, a collection or the message is not there.
            ModelNotFound: When the model is not there.
        """
        await self._chat(who, chat_id)
        changes = ChatChanges()
        if wanted.title is not None:
            changes["title"], changes["has_own_title"] = wanted.title, True
        if "model" in wanted.model_fields_set:
            if wanted.model is not None:
                await self.models.chat_model(wanted.model, who)
            changes["model"] = wanted.model
        if wanted.collection_ids is not None:
            collections = await self._collections(who, wanted.collection_ids)
            changes["collection_ids"] = [each.id for each in collections]
        if wanted.current_message_id is not None:
            await self._message(who, chat_id, wanted.current_message_id)
            changes["current_message_id"] = wanted.current_message_id
        if wanted.pinned is not None:
            changes["is_pinned"] = wanted.pinned
        chat = await self.store.update_chat(who.user_id, chat_id, changes)
        if chat is None:
            raise _no_chat()
        return _wire(chat, await self.documents.collections(who, chat.collection_ids))

    async def delete(self, who: Principal, chat_id: str) -> None:
        """Deletes a chat: its messages, its own documents and its traces; running answers are stopped.

        Raises:
            NotFound: When it is not there.
        """
        await self._chat(who, chat_id)
        await self.documents.delete_own_collection(who, chat_id)
        await self.store.delete_chat(who.user_id, chat_id)
        await self.answers.stop_chat(who.user_id, chat_id)  # after the row, so that none begins meanwhile
        await self.traces.delete_session(who.user_id, chat_id)

    async def ask(
        self, who: Principal, chat_id: str, wanted: MessageCreate, *, request_id: str = ""
    ) -> tuple[MessageRecord, MessageRecord]:
        """Adds a question and starts its answer; gives both. When this returns, the question is kept.

        Raises:
            NotFound: When the chat, the parent or a document is not there.
            ModelNotFound: When the model is not there.
            Conflict: When the parent is still being answered.
            RateLimited: When too many answers are running for this person.
            Overloaded: When too many are running in all.
        """
        chat = await self._chat(who, chat_id)
        if wanted.parent_id is not None:
            await self._check_parent(who, chat_id, wanted.parent_id)
        documents = await self.documents.documents(who, wanted.document_ids)
        question = MessageRecord(
            id=new_id(),
            chat_id=chat_id,
            owner_id=who.user_id,
            parent_id=wanted.parent_id,
            role="user",
            content=wanted.content,
            documents=tuple(documents),
            created_at=self.clock.now(),
        )
        answer = await self._answer(who, chat, question, wanted.model, (question,), request_id)
        return question, answer

    async def regenerate(
        self, who: Principal, chat_id: str, message_id: str, model: str | None, *, request_id: str = ""
    ) -> MessageRecord:
        """Starts another answer: beside an answer, or below a question.

        Raises:
            NotFound: When the message is not there.
            ModelNotFound: When the model is not there.
            Conflict: When the answer is still running.
            RateLimited: When too many answers are running for this person.
            Overloaded: When too many are running in all.
        """
        chat = await self._chat(who, chat_id)
        message = await self._message(who, chat_id, message_id)
        if message.role == "assistant":
            if self.answers.latest(message).status is MessageStatus.STREAMING:
                detail = "This answer is still running; stop it first."
                raise Conflict(detail)
            message = await self._message(who, chat_id, message.parent_id or "")
        return await self._answer(who, chat, message, model, (), request_id)

    async def stop(self, who: Principal, chat_id: str, message_id: str) -> MessageRecord:
        """Stops an answer; what it has so far is kept.

        Raises:
            NotFound: When it is not there.
        """
        message = await self._message(who, chat_id, message_id)
        await self.answers.stop(message.id)
        return await self._message(who, chat_id, message_id)

    async def events(
        self, who: Principal, chat_id: str, message_id: str, after: int
    ) -> AsyncGenerator[ChatEvent | None, None]:
        """Gives the events of an answer after number `after`, up to the final one; None for a sign of life.

        Raises:
            NotFound: When it is not there.
            InvalidRequest: When it is a question.
        """
        message = await self._message(who, chat_id, message_id)
        if message.role != "assistant":
            detail = f"{message_id!r} is a question; only answers have events."
            raise InvalidRequest(detail)
        return self.answers.events(message, after)

    async def own_collection(self, who: Principal, chat_id: str) -> CollectionRef:
        """Gives the collection that documents dropped on this chat go into; from then on it is answered from it.

        Raises:
            NotFound: When the chat is not there.
        """
        await self._chat(who, chat_id)
        collection = await self.documents.own_collection(who, chat_id)
        if not await self.store.add_collection(who.user_id, chat_id, collection.id):
            await self.documents.delete_own_collection(who, chat_id)
            raise _no_chat()
        return collection

    async def delete_owner(self, user_id: str) -> None:
        """Deletes all chats of a person who is being deleted; their answers end."""
        chat_ids = await self.store.delete_owner(user_id)
        await self.answers.stop_owner(user_id)  # after the rows, so that none begins meanwhile
        for chat_id in chat_ids:
            await self.traces.delete_session(user_id, chat_id)

    async def _answer(
        self,
        who: Principal,
        chat: ChatRecord,
        question: MessageRecord,
        model: str | None,
        to_add: Sequence[MessageRecord],
        request_id: str,
    ) -> MessageRecord:
        with self.answers.place(who.user_id) as place:
            return await self._answer_in(place, who, chat, question, model, to_add, request_id)

    async def _answer_in(
        self,
        place: Place,
        who: Principal,
        chat: ChatRecord,
        question: MessageRecord,
        model: str | None,
        to_add: Sequence[MessageRecord],
        request_id: str,
    ) -> MessageRecord:
        chosen = await self.models.chat_model(model or chat.model or DEFAULT_MODEL, who)
        history = await self.store.list_messages(who.user_id, chat.id)
        path = branch([*history, *to_add], question.id)
        request = ChatRequest(
            model=chosen.info.id,
            messages=tuple(ChatMessage.of(ChatRole(each.role), each.content) for each in path if each.content),
            is_streaming=True,
            collections=chat.collection_ids,
            session_id=chat.id,
        )
        another = frozenset() if to_add else frozenset({"no-cache"})  # who asks again wants another answer
        turn = self.answers.runner.open(request, who, request_id=request_id, cache_control=another)
        answer = MessageRecord(
            id=new_id(),
            chat_id=chat.id,
            owner_id=who.user_id,
            parent_id=question.id,
            role="assistant",
            content="",
            model=chosen.info.id,
            status=MessageStatus.STREAMING,
            trace_id=turn.trace_id,
            created_at=self.clock.now(),
        )
        place.message_id = answer.id
        title = title_of(question.content) if to_add and question.parent_id is None else None
        # A chat keeps the model that answered first: a default that changes must not send it elsewhere without a word.
        kept = model or (chosen.info.id if chat.model is None else None)
        if not await self.store.add_messages([*to_add, answer], title=title, model=kept):
            raise _no_chat()
        self.answers.start(answer, tuple(each.id for each in question.documents), turn, place)
        return answer

    async def _chat(self, who: Principal, chat_id: str) -> ChatRecord:
        chat = await self.store.get_chat(who.user_id, chat_id) if is_id(chat_id) else None
        if chat is None:
            raise _no_chat()
        return chat

    async def _message(self, who: Principal, chat_id: str, message_id: str) -> MessageRecord:
        are_ids = is_id(chat_id) and is_id(message_id)
        message = await self.store.get_message(who.user_id, chat_id, message_id) if are_ids else None
        if message is None:
            detail = "There is no such message in this chat."
            raise NotFound(detail)
        return self.answers.latest(message)

    async def _check_parent(self, who: Principal, chat_id: str, parent_id: str) -> None:
        parent = await self._message(who, chat_id, parent_id)
        if parent.role != "assistant":
            detail = "A question follows an answer (or nothing); `parent_id` names a question."
            raise InvalidRequest(detail)
        if parent.status is MessageStatus.STREAMING:
            detail = "The answer before is still running; wait for it or stop it."
            raise Conflict(detail)

    async def _collections(self, who: Principal, ids: Sequence[str]) -> Sequence[CollectionRef]:
        unique = list(dict.fromkeys(ids))
        found = await self.documents.collections(who, unique)
        missing = set(unique) - {each.id for each in found}
        if missing:
            detail = f"collection_ids: there is no collection {min(missing)!r}, or it is not yours."
            raise NotFound(detail)
        return found


def _no_chat() -> NotFound:
    return NotFound("There is no such chat, or it is not yours.")


def branch(messages: Sequence[MessageRecord], leaf_id: str) -> list[MessageRecord]:
    """Gives the messages from the first one down to `leaf_id`, along parents."""
    by_id = {each.id: each for each in messages}
    path: list[MessageRecord] = []
    at = by_id.get(leaf_id)
    while at is not None:
        path.append(at)
        at = by_id.pop(at.parent_id, None) if at.parent_id else None
    return path[::-1]


def title_of(question: str) -> str:
    """Gives a chat's title from its first question: its first line, cut at a word near 60 characters."""
    line = next((each.strip(" #*>-`") for each in question.splitlines() if each.strip(" #*>-`")), "")
    line = " ".join(line.split())
    if len(line) <= _TITLE_LENGTH:
        return line or NEW_TITLE
    cut = line[: _TITLE_LENGTH + 1].rsplit(" ", 1)[0][:_TITLE_LENGTH]
    return f"{cut.rstrip(' ,;:.')}…"


def _wire(chat: ChatRecord, collections: Sequence[CollectionRef], *, snippet: str | None = None) -> Chat:
    return Chat(
        id=chat.id,
        title=chat.title,
        model=chat.model,
        collections=list(collections),
        current_message_id=chat.current_message_id,
        pinned=chat.is_pinned,
        created_at=chat.created_at,
        updated_at=chat.updated_at,
        snippet=snippet,
    )
