"""What people do with collections and documents, beyond reading them."""

from dataclasses import replace

import anyio
import pytest

from alcove.kernel.errors import AlreadyExists, Conflict, NotFound, Unavailable
from alcove.knowledge.models import CollectionCreate, CollectionKind, CollectionUpdate, DocumentStatus
from tests.knowledge.conftest import Room, collection_record, with_settings


async def test_the_same_content_again_gives_the_document_there_is(room: Room, ada):
    papers = await room.collection(ada)
    document, is_new = await room.documents.add(ada, papers.id, await room.received("Some words."))
    again, is_new_again = await room.documents.add(ada, papers.id, await room.received("Some words.", "copy.txt"))
    assert (is_new, is_new_again) == (True, False)
    assert again == document
    assert room.files() == [document.sha256]


async def test_a_collection_deleted_while_a_file_is_received_leaves_no_file(room: Room, ada):
    papers = await room.collection(ada)
    received = await room.received("Some words.")
    await room.collections.delete(ada, papers.id)
    with pytest.raises(NotFound):
        await room.documents.add(ada, papers.id, received)
    assert room.files() == []


async def test_a_refused_file_that_another_document_has_too_stays(room: Room, ada, bob):
    theirs = await room.collection(bob)
    kept = await room.upload(bob, theirs, "Some words.")
    with pytest.raises(NotFound):
        await room.documents.add(ada, theirs.id, await room.received("Some words."))
    assert room.files() == [kept.sha256]


async def test_a_full_collection_takes_no_more_however_many_come_at_once(room: Room, ada):
    room = with_settings(room, max_documents=3)
    papers = await room.collection(ada)
    received = [await room.received(f"Words {number}.") for number in range(6)]
    refused: list[str] = []

    async def add(number: int) -> None:
        try:
            await room.documents.add(ada, papers.id, received[number])
        except Conflict as error:
            refused.append(error.detail)

    async with anyio.create_task_group() as group:
        for number in range(6):
            group.start_soon(add, number)
    assert (await room.collections.get(ada, papers.id)).document_count == 3
    assert len(refused) == 3
    assert "is full" in refused[0]
    assert len(room.files()) == 3


async def test_a_collection_of_another_embedding_model_takes_no_documents(room: Room, ada, clock):
    old = collection_record(ada, "Old", clock, embedding_model="alcove/older")
    await room.store.add_collection(old)
    with pytest.raises(Conflict, match="alcove/older"):
        await room.documents.check_room(ada, old.id)


async def test_a_file_that_is_missing_is_said_to_be(room: Room, ada):
    papers = await room.collection(ada)
    document = await room.upload(ada, papers, "Some words.")
    room.blobs.path(document.sha256).unlink()
    with pytest.raises(Unavailable, match=r"paper\.txt"):
        await room.documents.file(ada, document.id)


async def test_names_and_ids_are_resolved_each_once(room: Room, ada):
    papers, notes = await room.collection(ada, "Papers"), await room.collection(ada, "Notes")
    found = await room.collections.resolve(ada, ["notes", papers.id, " PAPERS ", notes.id])
    assert [each.id for each in found] == [notes.id, papers.id]


async def test_existing_leaves_out_what_is_gone_or_not_ones_own(room: Room, ada, bob):
    papers, theirs = await room.collection(ada), await room.collection(bob)
    found = await room.collections.existing(ada, [theirs.id, "gone", papers.id, "\x00"])
    assert [each.id for each in found] == [papers.id]


async def test_an_update_changes_what_is_named_and_nothing_else(room: Room, ada, bob):
    papers = await room.collections.create(ada, CollectionCreate(name="Papers", description="Of mine"))
    room.clock.advance(5)
    changed = await room.collections.update(ada, papers.id, CollectionUpdate(name="Essays"))
    assert (changed.name, changed.description) == ("Essays", "Of mine")
    assert await room.collections.get(ada, papers.id) == changed
    assert changed.updated_at > papers.updated_at
    await room.collection(ada, "Notes")
    with pytest.raises(AlreadyExists):
        await room.collections.update(ada, papers.id, CollectionUpdate(name="NOTES"))
    with pytest.raises(NotFound):
        await room.collections.update(bob, papers.id, CollectionUpdate(name="Mine"))


async def test_two_first_uploads_to_a_chat_share_one_collection(room: Room, ada):
    made: list[str] = []

    async def make() -> None:
        made.append((await room.collections.make_of_chat(ada, "chat-1")).id)

    async with anyio.create_task_group() as group:
        for _ in range(8):
            group.start_soon(make)
    assert len(made) == 8
    assert len(set(made)) == 1
    record = await room.collections.of_chat(ada, "chat-1")
    assert record is not None
    assert record.kind is CollectionKind.CHAT


@pytest.mark.parametrize(
    "name", ["", "   ", "x" * 101, "a\nb", "a\x00b", "a\x7fb", "a\x9bb", "\u202egnp.exe", "zero\u200bwidth", "\ufeffx"]
)
def test_names_that_cannot_be_read_are_refused(name):
    with pytest.raises(ValueError, match="name"):
        CollectionCreate(name=name)


@pytest.mark.parametrize("name", ["Ä", "漢字", "👩‍👧 family", "a/b", "../x", "' OR 1=1--", "x" * 100, "<script>"])
async def test_names_that_can_be_read_are_taken_as_they_are(room: Room, ada, name):
    made = await room.collection(ada, name)
    assert (await room.collections.resolve(ada, [name])) == [made]


@pytest.mark.parametrize("description", ["a\x00b", "x" * 1_001, "\u202ex"])
def test_descriptions_that_cannot_be_kept_are_refused(description):
    with pytest.raises(ValueError, match="description"):
        CollectionCreate(name="x", description=description)


async def test_a_document_of_another_person_is_not_there(room: Room, ada, bob):
    papers = await room.collection(ada)
    document = await room.upload(ada, papers, "Some words.")
    await room.store.update_document(replace(document, status=DocumentStatus.FAILED))
    for attempt in (
        room.documents.get,
        room.documents.text,
        room.documents.file,
        room.documents.retry,
        room.documents.delete,
    ):
        with pytest.raises(NotFound):
            await attempt(bob, document.id)
    assert (await room.documents.get(ada, document.id)).status is DocumentStatus.FAILED
