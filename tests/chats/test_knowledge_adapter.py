"""The chats' documents on the real knowledge room."""

from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from alcove.chats.adapters.knowledge import KnowledgeDocuments
from alcove.infra.database import Database
from alcove.kernel.errors import NotFound, Unprocessable
from alcove.kernel.ids import new_id
from alcove.knowledge.models import CollectionKind, DocumentStatus, Failure
from alcove.knowledge.parsing import EncryptedDocument
from tests.knowledge.conftest import Room, make_room


@pytest.fixture
async def knowledge(database: Database, tmp_path: Path) -> Room:
    return await make_room(database, tmp_path)


@pytest.fixture
def documents(knowledge: Room) -> KnowledgeDocuments:
    return KnowledgeDocuments(knowledge.collections, knowledge.documents)


async def test_collections_come_in_the_order_asked_for_without_those_that_are_not_there(
    knowledge: Room, documents, ada, bob
):
    papers, notes = await knowledge.collection(ada, "Papers"), await knowledge.collection(ada, "Notes")
    theirs = await knowledge.collection(bob, "Theirs")
    found = await documents.collections(ada, [notes.id, theirs.id, new_id(), "../x", "\x00", papers.id])
    assert [(each.id, each.name, each.kind) for each in found] == [
        (notes.id, "Notes", "collection"),
        (papers.id, "Papers", "collection"),
    ]
    assert await documents.collections(ada, []) == []


async def test_a_chat_has_one_hidden_collection_from_the_first_use_on(knowledge: Room, documents, ada, bob):
    first = await documents.own_collection(ada, "chat-1")
    assert first.kind == "chat"
    assert await documents.own_collection(ada, "chat-1") == first
    assert (await documents.own_collection(ada, "chat-2")).id != first.id
    assert await documents.collections(ada, [first.id]) == [first]
    assert await documents.collections(bob, [first.id]) == []
    assert (await documents.own_collection(bob, "chat-1")).id != first.id
    assert (await knowledge.collections.get(ada, first.id)).kind is CollectionKind.CHAT


async def test_files_dropped_together_on_a_new_chat_go_into_one_collection(documents, ada):
    made: set[str] = set()

    async def drop() -> None:
        made.add((await documents.own_collection(ada, "chat-1")).id)

    async with anyio.create_task_group() as group:
        for _ in range(6):
            group.start_soon(drop)
    assert len(made) == 1


async def test_deleting_the_chats_own_collection_leaves_nothing_of_its_files(knowledge: Room, documents, ada, bob):
    own = await documents.own_collection(ada, "chat-1")
    collection = await knowledge.collections.get(ada, own.id)
    document = await knowledge.add(ada, collection, "The keeper of the lighthouse.")
    await documents.delete_own_collection(bob, "chat-1")
    assert (await knowledge.documents.get(ada, document.id)).status is DocumentStatus.READY
    await documents.delete_own_collection(ada, "chat-1")
    await documents.delete_own_collection(ada, "chat-1")  # there is none any more
    await knowledge.work()
    assert knowledge.files() == []
    assert await knowledge.points(ada, collection) == 0
    with pytest.raises(NotFound):
        await knowledge.documents.get(ada, document.id)


async def test_documents_are_given_each_once_and_only_ones_own(knowledge: Room, documents, ada, bob):
    papers = await knowledge.collection(ada)
    one = await knowledge.upload(ada, papers, "One.", "one.txt")
    two = await knowledge.upload(ada, papers, "Two.", "two.txt")
    found = await documents.documents(ada, [two.id, one.id, two.id])
    assert [(each.id, each.name) for each in found] == [(two.id, "two.txt"), (one.id, "one.txt")]
    for who, ids in ((bob, [one.id]), (ada, [one.id, new_id()]), (ada, ["\x00"]), (ada, ["../x"])):
        with pytest.raises(NotFound):
            await documents.documents(who, ids)


async def test_documents_are_unread_until_they_are_ready(knowledge: Room, documents, ada, bob):
    papers = await knowledge.collection(ada)
    document = await knowledge.upload(ada, papers, "The keeper of the lighthouse.")
    assert [each.id for each in await documents.unread(ada, [document.id])] == [document.id]
    await knowledge.store.update_document(replace(document, status=DocumentStatus.PROCESSING))
    assert [each.name for each in await documents.unread(ada, [document.id])] == ["paper.txt"]
    assert await documents.unread(bob, [document.id]) == []
    await knowledge.work()
    assert await documents.unread(ada, [document.id]) == []


async def test_a_document_deleted_meanwhile_is_not_waited_for(knowledge: Room, documents, ada):
    papers = await knowledge.collection(ada)
    document = await knowledge.upload(ada, papers, "One.")
    await knowledge.documents.delete(ada, document.id)
    assert await documents.unread(ada, [document.id]) == []


async def test_a_document_that_could_not_be_read_is_said_with_its_reason(knowledge: Room, documents, ada):
    papers = await knowledge.collection(ada)
    knowledge.parser.error = EncryptedDocument("it is protected by a password")
    document = await knowledge.add(ada, papers, "One.", "secret.pdf")
    with pytest.raises(Unprocessable, match=r"secret\.pdf.*password"):
        await documents.unread(ada, [document.id])
    assert document.error == Failure(code="encrypted_document", detail="it is protected by a password")
