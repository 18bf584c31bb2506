"""The chats' documents, in the knowledge room."""

from collections.abc import Sequence
from dataclasses import dataclass

from alcove.chats.models import CollectionRef, DocumentRef
from alcove.kernel.errors import NotFound, Unprocessable
from alcove.kernel.principal import Principal
from alcove.knowledge.models import CollectionRecord, DocumentStatus
from alcove.knowledge.service import CollectionService, DocumentService

_UNREAD = frozenset({DocumentStatus.QUEUED, DocumentStatus.PROCESSING})


@dataclass(frozen=True, slots=True)
class KnowledgeDocuments:
    """`ChatDocuments` on collections and documents."""

    _collections: CollectionService
    _documents: DocumentService

    async def collections(self, who: Principal, collection_ids: Sequence[str]) -> Sequence[CollectionRef]:
        """Gives those of the collections that are there, in the order asked for."""
        return [_ref(each) for each in await self._collections.existing(who, collection_ids)]

    async def own_collection(self, who: Principal, chat_id: str) -> CollectionRef:
        """Gives the chat's own hidden collection; makes it on first use."""
        return _ref(await self._collections.make_of_chat(who, chat_id))

    async def delete_own_collection(self, who: Principal, chat_id: str) -> None:
        """Deletes the chat's own collection with all its documents, if there is one."""
        found = await self._collections.of_chat(who, chat_id)
        if found is not None:
            await self._collections.delete(who, found.id)

    async def documents(self, who: Principal, document_ids: Sequence[str]) -> Sequence[DocumentRef]:
        """Gives the documents.

        Raises:
            NotFound: When one is not there, or not this person's.
        """
        found = [await self._documents.get(who, each) for each in dict.fromkeys(document_ids)]
        return [DocumentRef(id=each.id, name=each.name) for each in found]

    async def unread(self, who: Principal, document_ids: Sequence[str]) -> Sequence[DocumentRef]:
        """Gives those of the documents that are still being read; one deleted meanwhile is not waited for.

        Raises:
            Unprocessable: When one could not be read, with the reason.
        """
        waiting: list[DocumentRef] = []
        for document_id in document_ids:
            try:
                document = await self._documents.get(who, document_id)
            except NotFound:
                continue
            if document.status is DocumentStatus.FAILED and document.error is not None:
                detail = f"{document.name!r} could not be read: {document.error.detail}"
                raise Unprocessable(detail)
            if document.status in _UNREAD:
                waiting.append(DocumentRef(id=document.id, name=document.name))
        return waiting


def _ref(collection: CollectionRecord) -> CollectionRef:
    return CollectionRef(id=collection.id, name=collection.name, kind=collection.kind.value)
