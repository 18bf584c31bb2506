"""The store on both databases: who sees what, what is unique, and what must follow is queued in the same transaction."""

from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import replace

import anyio
import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from alcove.infra.database import Database
from alcove.infra.jobs import JobQueue, jobs
from alcove.kernel.chat import JsonValue
from alcove.kernel.clock import FakeClock
from alcove.kernel.errors import AlreadyExists, InvalidRequest, NotFound
from alcove.kernel.ids import new_id
from alcove.kernel.pages import PageRequest
from alcove.kernel.principal import Principal
from alcove.knowledge.models import (
    ChunkRecord,
    CollectionKind,
    CollectionRecord,
    DocumentContent,
    DocumentRecord,
    DocumentStatus,
    Failure,
    PageRange,
    Stage,
)
from alcove.knowledge.ports import ERASE, INGEST
from alcove.knowledge.store import SqlKnowledgeStore, chunks, collections, document_texts, documents
from tests.knowledge.conftest import collection_record, document_record

IMPOSSIBLE = ["../x", "' OR 1=1--", "\x00", "a\x00b", "\ud800", "x" * 5_000, "", "%", "_"]


@pytest.fixture
def store(database: Database, clock: FakeClock) -> SqlKnowledgeStore:
    return SqlKnowledgeStore(database, JobQueue(database, clock))


@pytest.fixture
async def papers(store: SqlKnowledgeStore, ada: Principal, clock: FakeClock) -> CollectionRecord:
    collection = collection_record(ada, "Papers", clock)
    await store.add_collection(collection)
    return collection


async def queued(database: Database, kind: str) -> list[Mapping[str, JsonValue]]:
    async with database.read() as connection:
        found = await connection.execute(select(jobs.c.payload).where(jobs.c.kind == kind).order_by(jobs.c.id))
        return list(found.scalars())


async def rows(database: Database) -> dict[str, int]:
    async with database.read() as connection:
        tables = (collections, documents, document_texts, chunks)
        return {
            each.name: (await connection.execute(select(func.count()).select_from(each))).scalar_one()
            for each in tables
        }


async def ready(store: SqlKnowledgeStore, document: DocumentRecord, text: str = "One. Two.") -> DocumentRecord:
    kept = await store.add_document(document)
    done = replace(
        kept, status=DocumentStatus.READY, stage=Stage.DONE, progress=1.0, chunk_count=2, character_count=len(text)
    )
    half = len(text) // 2
    content = DocumentContent(
        text=text,
        pages=(PageRange(page=1, start=0, end=len(text)),),
        chunks=(
            ChunkRecord(document_id=kept.id, index=0, start=0, end=half, page=1),
            ChunkRecord(document_id=kept.id, index=1, start=half, end=len(text), page=None),
        ),
    )
    assert await store.finish_document(done, content)
    return done


async def test_a_collection_comes_back_as_it_was_put_in(store, papers, ada):
    assert await store.get_collection(ada.user_id, papers.id) == papers
    assert await store.find_collection(ada.user_id, "PAPERS") == papers


@pytest.mark.parametrize(
    ("first", "second"),
    [("Papers", "papers"), ("Straße", "STRASSE"), ("Café", "Cafe\u0301"), ("ΣΊΣΥΦΟΣ", "σίσυφος")],
)
async def test_names_are_unique_whatever_case_and_spelling_of_accents(store, ada, bob, clock, first, second):
    await store.add_collection(collection_record(ada, first, clock))
    with pytest.raises(AlreadyExists, match="already"):
        await store.add_collection(collection_record(ada, second, clock))
    await store.add_collection(collection_record(bob, second, clock))
    other = collection_record(ada, "Other", clock)
    await store.add_collection(other)
    with pytest.raises(AlreadyExists):
        await store.update_collection(replace(other, name=second))
    found = await store.find_collection(ada.user_id, second)
    assert found is not None
    assert found.name == first


async def test_a_name_that_folds_to_thrice_its_length_is_kept_and_found(store, ada, clock):
    names = ["\u0390" * 100, "\u0390" * 99 + "x"]
    for name in names:
        await store.add_collection(collection_record(ada, name, clock))
    assert [(await store.find_collection(ada.user_id, name)).name for name in names] == names


async def test_renaming_to_the_same_name_in_another_case_is_allowed(store, papers, ada):
    await store.update_collection(replace(papers, name="PAPERS"))
    assert (await store.get_collection(ada.user_id, papers.id)).name == "PAPERS"


async def test_a_chat_has_one_collection_and_its_name_takes_nobodys(store, ada, clock):
    for chat_id in ("chat-1", "chat-2"):
        await store.add_collection(
            collection_record(ada, "Files of this chat", clock, kind=CollectionKind.CHAT, chat_id=chat_id)
        )
    await store.add_collection(collection_record(ada, "Files of this chat", clock))
    with pytest.raises(AlreadyExists):
        await store.add_collection(collection_record(ada, "x", clock, kind=CollectionKind.CHAT, chat_id="chat-1"))
    assert (await store.chat_collection(ada.user_id, "chat-2")).chat_id == "chat-2"
    assert await store.chat_collection(ada.user_id, "chat-3") is None
    listed = await store.list_collections(ada.user_id, CollectionKind.COLLECTION, PageRequest())
    assert [each.kind for each in listed.items] == [CollectionKind.COLLECTION]
    hidden = await store.list_collections(ada.user_id, CollectionKind.CHAT, PageRequest(limit=1))
    assert hidden.next_cursor is not None


async def test_the_same_content_is_taken_once_a_collection(store, papers, database, ada, clock):
    first = await store.add_document(document_record(papers, clock))
    again = await store.add_document(document_record(papers, clock, name="other name.txt"))
    assert again == first
    assert len(await queued(database, INGEST)) == 1
    other = collection_record(ada, "Other", clock)
    await store.add_collection(other)
    copy = await store.add_document(document_record(other, clock))
    assert copy.id != first.id
    assert await queued(database, INGEST) == [
        {"owner_id": ada.user_id, "document_id": each.id} for each in (first, copy)
    ]


async def test_the_same_content_sent_twenty_times_at_once_is_one_document_and_one_job(store, papers, database, clock):
    kept: list[str] = []

    async def add() -> None:
        kept.append((await store.add_document(document_record(papers, clock))).id)

    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(add)
    assert len(set(kept)) == 1
    assert len(await queued(database, INGEST)) == 1
    assert (await rows(database))["documents"] == 1


async def test_no_document_gets_into_a_collection_that_is_gone_or_another_persons(store, papers, database, bob, clock):
    stranger = replace(papers, owner_id=bob.user_id)
    with pytest.raises(NotFound, match="collection"):
        await store.add_document(document_record(stranger, clock))
    await store.delete_collection(papers.owner_id, papers.id)
    with pytest.raises(NotFound):
        await store.add_document(document_record(papers, clock))
    assert await queued(database, INGEST) == []


async def test_another_person_learns_nothing_of_the_same_content(store, papers, bob, clock):
    """The same content under somebody else's collection id must not give the document away."""
    await store.add_document(document_record(papers, clock))
    with pytest.raises(NotFound):
        await store.add_document(document_record(replace(papers, owner_id=bob.user_id), clock))


async def test_counts_are_of_documents_and_of_chunks_that_are_ready(store, papers, ada, clock):
    await ready(store, document_record(papers, clock, "one"))
    await ready(store, document_record(papers, clock, "two"))
    await store.add_document(document_record(papers, clock, "three"))
    empty = collection_record(ada, "Empty", clock)
    await store.add_collection(empty)
    found = await store.list_collections(ada.user_id, CollectionKind.COLLECTION, PageRequest())
    assert [(each.name, each.document_count, each.chunk_count) for each in found.items] == [
        ("Empty", 0, 0),
        ("Papers", 3, 4),
    ]


async def test_lists_are_complete_page_by_page(store, papers, ada, clock):
    names = ["Ärger", "apple", "Banana", "cherry", "Zoo"]
    for name in names:
        await store.add_collection(collection_record(ada, name, clock))
    ids = [(await store.add_document(document_record(papers, clock, str(number)))).id for number in range(5)]
    seen: list[str] = []
    cursor = None
    for _ in range(10):
        page = await store.list_collections(ada.user_id, CollectionKind.COLLECTION, PageRequest(cursor=cursor, limit=2))
        seen += [each.name for each in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert sorted(seen) == sorted([*names, "Papers"])
    assert len(seen) == len(set(seen))
    first = await store.list_documents(ada.user_id, papers.id, PageRequest(limit=3))
    rest = await store.list_documents(ada.user_id, papers.id, PageRequest(cursor=first.next_cursor, limit=3))
    assert [each.id for each in (*first.items, *rest.items)] == ids[::-1]
    assert rest.next_cursor is None


@pytest.mark.parametrize(
    "cursor",
    ["x", "é", "====", "bnVsbA", "WzFd", "e30", *(urlsafe_b64encode(each).decode() for each in (
        b'["a","b"]', b'["\\u0000"]', b'["\\ud800"]', b"[" * 300, b'["a"', b"\xff\xfe"
    ))],
)  # fmt: skip
async def test_what_is_no_cursor_is_refused(store, papers, ada, cursor):
    with pytest.raises(InvalidRequest, match="cursor"):
        await store.list_collections(ada.user_id, CollectionKind.COLLECTION, PageRequest(cursor=cursor))
    with pytest.raises(InvalidRequest, match="cursor"):
        await store.list_documents(ada.user_id, papers.id, PageRequest(cursor=cursor))


async def test_a_forged_cursor_shows_nothing_of_others(store, papers, bob):
    cursor = urlsafe_b64encode(b'[""]').decode()
    found = await store.list_collections(bob.user_id, CollectionKind.COLLECTION, PageRequest(cursor=cursor))
    assert found.items == []


async def test_deleting_a_document_takes_text_and_chunks_along_and_queues_the_rest(store, papers, database, ada, clock):
    document = await ready(store, document_record(papers, clock))
    assert (await rows(database)) == {"collections": 1, "documents": 1, "document_texts": 1, "chunks": 2}
    assert await store.delete_document(ada.user_id, document.id)
    assert (await rows(database)) == {"collections": 1, "documents": 0, "document_texts": 0, "chunks": 0}
    assert await queued(database, ERASE) == [
        {"owner_id": ada.user_id, "document_id": document.id, "sha256": [document.sha256]}
    ]
    assert not await store.delete_document(ada.user_id, document.id)
    assert len(await queued(database, ERASE)) == 1


async def test_deleting_a_collection_takes_everything_along_and_queues_the_rest(store, papers, database, ada, clock):
    made = [await ready(store, document_record(papers, clock, content)) for content in ("one", "two")]
    assert await store.delete_collection(ada.user_id, papers.id)
    assert set((await rows(database)).values()) == {0}
    (payload,) = await queued(database, ERASE)
    assert payload["collection_id"] == papers.id
    assert payload["owner_id"] == ada.user_id
    assert sorted(payload["sha256"]) == sorted(each.sha256 for each in made)
    assert not await store.delete_collection(ada.user_id, papers.id)


async def test_deleting_a_person_leaves_the_others_alone(store, papers, database, ada, bob, clock):
    await ready(store, document_record(papers, clock))
    await store.add_collection(
        collection_record(ada, "Files", clock, kind=CollectionKind.CHAT, chat_id="chat-1", id=new_id())
    )
    theirs = collection_record(bob, "Papers", clock)
    await store.add_collection(theirs)
    kept = await ready(store, document_record(theirs, clock))
    await store.delete_owner(ada.user_id)
    assert (await rows(database)) == {"collections": 1, "documents": 1, "document_texts": 1, "chunks": 2}
    assert await store.get_document(bob.user_id, kept.id) is not None
    assert {each["owner_id"] for each in await queued(database, ERASE)} == {ada.user_id}
    assert len(await queued(database, ERASE)) == 2


class NoQueue(JobQueue):
    """A queue that cannot take a job."""

    async def enqueue(self, connection: AsyncConnection, kind: str, payload: Mapping[str, JsonValue]) -> str:
        raise OSError("the disk is full")


async def test_nothing_is_changed_when_its_job_cannot_be_queued(store, papers, database, ada, clock):
    document = await ready(store, document_record(papers, clock))
    failed = await store.add_document(document_record(papers, clock, "failed"))
    failed = replace(failed, status=DocumentStatus.FAILED)
    await store.update_document(failed)
    before = await rows(database)
    unlucky = SqlKnowledgeStore(database, NoQueue(database, clock))
    for attempt in (
        lambda: unlucky.delete_document(ada.user_id, document.id),
        lambda: unlucky.delete_collection(ada.user_id, papers.id),
        lambda: unlucky.delete_owner(ada.user_id),
        lambda: unlucky.add_document(document_record(papers, clock, "new")),
        lambda: unlucky.requeue(replace(failed, status=DocumentStatus.QUEUED)),
    ):
        with pytest.raises(OSError, match="disk"):
            await attempt()
    assert await rows(database) == before
    assert (await store.get_document(ada.user_id, failed.id)).status is DocumentStatus.FAILED


async def test_a_document_is_read_again_once_however_often_that_is_asked(store, papers, database, clock):
    document = await store.add_document(document_record(papers, clock))
    again = replace(document, status=DocumentStatus.QUEUED)
    assert not await store.requeue(again)  # it waits already
    await store.update_document(
        replace(document, status=DocumentStatus.FAILED, error=Failure(code="no_text", detail="There is no text."))
    )
    done: list[bool] = []

    async def ask() -> None:
        done.append(await store.requeue(again))

    async with anyio.create_task_group() as group:
        for _ in range(8):
            group.start_soon(ask)
    assert sorted(done) == [False] * 7 + [True]
    assert len(await queued(database, INGEST)) == 2


async def test_a_documents_state_comes_back_as_it_was_put_in(store, papers, ada, clock):
    document = await store.add_document(document_record(papers, clock, name="Übersicht \U0001f4c4.pdf"))
    state = replace(
        document,
        status=DocumentStatus.FAILED,
        stage=Stage.DONE,
        progress=0.25,
        error=Failure(code="encrypted_document", detail="It is “protected”."),
        page_count=3,
        warnings=("page 2 is a picture",),
    )
    assert await store.update_document(state)
    assert await store.get_document(ada.user_id, document.id) == state
    await store.delete_document(ada.user_id, document.id)
    assert not await store.update_document(state)
    assert not await store.finish_document(state, DocumentContent(text="x", pages=(), chunks=()))


async def test_passages_count_characters_not_bytes(store, papers, ada, clock):
    text = "naïve \U0001f600 e\u0301 漢字 " * 3
    document = await ready(store, document_record(papers, clock), text)
    spans = [(start, start + length) for start in range(0, len(text), 3) for length in (0, 1, 5)]
    found = await store.passages(ada.user_id, [(document.id, start, end) for start, end in spans])
    assert list(found) == [text[start:end] for start, end in spans]


async def test_text_and_chunks_are_given_only_of_documents_that_are_ready(store, papers, ada, clock):
    document = await ready(store, document_record(papers, clock))
    keys = [(document.id, 0), (document.id, 1), (document.id, 7), (new_id(), 0)]
    assert [each.index for each in await store.ready_chunks(ada.user_id, keys)] == [0, 1]
    assert (await store.content(ada.user_id, document.id)).text == "One. Two."
    await store.update_document(replace(document, status=DocumentStatus.PROCESSING))
    assert await store.ready_chunks(ada.user_id, keys) == []
    assert await store.content(ada.user_id, document.id) is None
    assert await store.ready_chunks(ada.user_id, []) == []


async def test_finishing_twice_leaves_one_text(store, papers, database, clock):
    document = await ready(store, document_record(papers, clock), "One. Two.")
    content = DocumentContent(
        text="Three.", pages=(), chunks=(ChunkRecord(document_id=document.id, index=0, start=0, end=6, page=None),)
    )
    assert await store.finish_document(document, content)
    counted = await rows(database)
    assert (counted["document_texts"], counted["chunks"]) == (1, 1)


async def test_many_chunks_are_asked_for_in_pieces(store, papers, ada, clock):
    document = await store.add_document(document_record(papers, clock))
    all_of_them = tuple(
        ChunkRecord(document_id=document.id, index=index, start=index, end=index + 1, page=None)
        for index in range(1_000)
    )
    done = replace(document, status=DocumentStatus.READY)
    assert await store.finish_document(done, DocumentContent(text="x" * 1_000, pages=(), chunks=all_of_them))
    found = await store.ready_chunks(ada.user_id, [(document.id, index) for index in range(1_000)])
    assert sorted(each.index for each in found) == list(range(1_000))


async def test_other_owners_see_and_change_nothing(store, papers, database, ada, bob, clock):
    document = await ready(store, document_record(papers, clock))
    stranger = bob.user_id
    assert await store.get_collection(stranger, papers.id) is None
    assert await store.find_collection(stranger, "Papers") is None
    assert (await store.list_collections(stranger, CollectionKind.COLLECTION, PageRequest())).items == []
    assert await store.get_document(stranger, document.id) is None
    assert (await store.list_documents(stranger, papers.id, PageRequest())).items == []
    assert await store.content(stranger, document.id) is None
    assert await store.ready_chunks(stranger, [(document.id, 0)]) == []
    assert await store.passages(stranger, [(document.id, 0, 4)]) == [""]
    assert await store.ready_names(stranger, [document.id]) == {}
    assert not await store.delete_document(stranger, document.id)
    assert not await store.delete_collection(stranger, papers.id)
    assert not await store.update_document(replace(document, owner_id=stranger, progress=0.0))
    assert not await store.requeue(replace(document, owner_id=stranger))
    await store.update_collection(replace(papers, owner_id=stranger, name="Mine now"))
    await store.delete_owner(stranger)
    assert await queued(database, ERASE) == []
    assert (await store.get_collection(ada.user_id, papers.id)).name == "Papers"
    assert await store.get_document(ada.user_id, document.id) == document


@pytest.mark.parametrize("given", IMPOSSIBLE)
async def test_what_can_be_no_id_is_not_there(store, papers, ada, given):
    assert await store.get_collection(ada.user_id, given) is None
    assert await store.find_collection(ada.user_id, given) is None
    assert await store.get_document(ada.user_id, given) is None
    assert not await store.delete_collection(ada.user_id, given)
    assert not await store.delete_document(ada.user_id, given)


async def test_content_is_in_use_while_anybody_has_it(store, papers, bob, clock):
    document = await store.add_document(document_record(papers, clock))
    theirs = collection_record(bob, "Papers", clock)
    await store.add_collection(theirs)
    copy = await store.add_document(document_record(theirs, clock))
    await store.delete_document(papers.owner_id, document.id)
    assert await store.is_used(document.sha256)
    await store.delete_document(bob.user_id, copy.id)
    assert not await store.is_used(document.sha256)
