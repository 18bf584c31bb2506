"""What the chats need of others."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from alcove.chats.models import ChatChanges, ChatRecord, CollectionRef, DocumentRef, FoundChat, MessageRecord
from alcove.kernel.pages import Page, PageRequest
from alcove.kernel.principal import Principal


class ChatStore(Protocol):
    """Keeps chats and messages. Every method but `running`, `interrupt_all` and `delete_owner` asks for the owner's rows only."""

    async def add_chat(self, chat: ChatRecord) -> None:
        """Adds a chat."""
        ...

    async def get_chat(self, owner_id: str, chat_id: str) -> ChatRecord | None:
        """Gives a chat."""
        ...

    async def find_chats(self, owner_id: str, query: str, page: PageRequest) -> Page[FoundChat]:
        """Lists chats, pinned ones first, then the latest; with `query`, those whose title or messages hold it."""
        ...

    async def update_chat(self, owner_id: str, chat_id: str, changes: ChatChanges) -> ChatRecord | None:
        """Changes a chat, in what is named and nothing else; gives it as it is then, or None when it is not there."""
        ...

    async def add_collection(self, owner_id: str, chat_id: str, collection_id: str) -> bool:
        """Has a chat answered from one more collection, unless it is already; False when the chat is not there."""
        ...

    async def delete_chat(self, owner_id: str, chat_id: str) -> bool:
        """Deletes a chat with all its messages; False when there was none."""
        ...

    async def add_messages(
        self, messages: Sequence[MessageRecord], *, title: str | None = None, model: str | None = None
    ) -> bool:
        """Adds messages of one chat, in one transaction; the last one is on display from then on.

        Args:
            messages: The messages, at least one.
            title: The chat's title, unless a person chose one.
            model: The model that answers in this chat from now on; None leaves it as it is.

        Returns:
            False, with nothing added, when the chat is not there any more.
        """
        ...

    async def get_message(self, owner_id: str, chat_id: str, message_id: str) -> MessageRecord | None:
        """Gives a message."""
        ...

    async def list_messages(self, owner_id: str, chat_id: str) -> Sequence[MessageRecord]:
        """Gives all messages of a chat, oldest first."""
        ...

    async def update_message(self, message: MessageRecord) -> None:
        """Replaces a message, if its chat is still there."""
        ...

    async def running(self) -> Sequence[MessageRecord]:
        """Gives every answer that is marked as running, whoever owns it; for the start."""
        ...

    async def interrupt_all(self, at: datetime) -> int:
        """Marks every answer that was running as interrupted; gives their number. For the start of the process."""
        ...

    async def delete_owner(self, owner_id: str) -> Sequence[str]:
        """Deletes all chats of a person; gives their ids."""
        ...


class ChatDocuments(Protocol):
    """The knowledge a chat is answered from, as far as chats know of it."""

    async def collections(self, who: Principal, collection_ids: Sequence[str]) -> Sequence[CollectionRef]:
        """Gives those of the collections that are there and may be read, in the order asked for."""
        ...

    async def own_collection(self, who: Principal, chat_id: str) -> CollectionRef:
        """Gives the chat's own hidden collection; makes it on first use."""
        ...

    async def delete_own_collection(self, who: Principal, chat_id: str) -> None:
        """Deletes the chat's own collection with all its documents, if there is one."""
        ...

    async def documents(self, who: Principal, document_ids: Sequence[str]) -> Sequence[DocumentRef]:
        """Gives the documents.

        Raises:
            NotFound: When one is not there, or not this person's.
        """
        ...

    async def unread(self, who: Principal, document_ids: Sequence[str]) -> Sequence[DocumentRef]:
        """Gives those of the documents that are still being read.

        Raises:
            Unprocessable: When one could not be read, with the reason.
        """
        ...


class SessionTraces(Protocol):
    """The traces that chats leave."""

    async def delete_session(self, owner_id: str, session_id: str) -> None:
        """Deletes all traces of a chat."""
        ...
