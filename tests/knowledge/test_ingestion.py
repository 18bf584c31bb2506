"""Reading documents: stages, failures, repetition; and that nothing half-done is found, and nothing erased stays."""

from dataclasses import replace

import pytest

from alcove.infra.vectors import InMemoryVectorIndex
from alcove.kernel.errors import Conflict, NotFound, Unavailable
from alcove.knowledge.models import DocumentStatus, SearchRequest, Stage, Strategy
from alcove.knowledge.parsing import EncryptedDocument
from tests.knowledge.conftest import Room, job, paragraphs, with_settings

TEXT = paragraphs(30)


@pytest.fixture
async def papers(room: Room, ada):
    return await room.collection(ada)


async def test_a_document_is_read_from_file_to_ready(room: Room, papers, ada):
    queued = await room.upload(ada, papers, TEXT + "\n\nA picture was here, and some more words for this last part.")
    assert (queued.status, queued.stage, queued.progress) == (DocumentStatus.QUEUED, Stage.WAITING, 0.0)
    await room.work()
    document = await room.documents.get(ada, queued.id)
    assert (document.status, document.stage, document.progress) == (DocumentStatus.READY, Stage.DONE, 1.0)
    assert document.error is None
    assert document.warnings == ("one picture was left out",)
    assert document.media_type == "text/plain"
    assert document.chunk_count > 10
    assert await room.points(ada, papers) == document.chunk_count
    _, content = await room.documents.text(ada, document.id)
    assert content.text.startswith(TEXT)
    assert document.character_count == len(content.text)
    assert len(content.pages) == document.page_count
    assert await room.jobs.depth() == 0


async def test_progress_is_told_stage_by_stage_and_never_goes_back(room: Room, papers, ada):
    room = with_settings(room, chunk_min_tokens=8, chunk_max_tokens=16)
    document = await room.upload(ada, papers, paragraphs(60))
    seen: list[tuple[Stage, float]] = []

    async def look() -> None:
        room.clock.advance(1)
        now = await room.documents.get(ada, document.id)
        assert now.status is DocumentStatus.PROCESSING
        seen.append((now.stage, now.progress))

    room.parser.before = room.embedder.before = look
    await room.work()
    stages = [stage for stage, _ in seen]
    assert stages[0] is Stage.PARSING
    assert set(stages[1:]) == {Stage.EMBEDDING}
    assert len(stages) > 5
    progress = [each for _, each in seen]
    assert progress == sorted(progress)
    assert len(set(progress[2:])) == len(progress[2:])  # one step a batch
    assert progress[-1] < 1


async def test_a_document_that_is_not_ready_is_never_found(room: Room, papers, ada):
    await room.add(ada, papers, "The lighthouse keeper wrote letters to the harbour master.", "old.txt")
    document = await room.upload(ada, papers, TEXT, "new.txt")
    found: list[str] = []

    async def look() -> None:
        for strategy in Strategy:
            result = await room.collections.search(
                ada, papers.id, SearchRequest(query="topic3 part3x1 colour1", strategy=strategy)
            )
            found.extend(each.document for each in result.sources)

    room.parser.before = room.embedder.before = look
    await room.work()
    assert set(found) == {"old.txt"}
    result = await room.collections.search(ada, papers.id, SearchRequest(query="topic3 part3x1 colour1"))
    assert result.sources[0].document_id == document.id


async def test_the_reason_of_a_failure_is_kept_and_nothing_is_left_in_the_index(room: Room, papers, ada):
    room.parser.error = EncryptedDocument("'secret.pdf' is protected by a password.")
    document = await room.add(ada, papers, TEXT, "secret.pdf")
    assert (document.status, document.stage) == (DocumentStatus.FAILED, Stage.DONE)
    assert document.error is not None
    assert document.error.code == "encrypted_document"
    assert "secret.pdf" in document.error.detail
    assert len(room.parser.parsed) == 1  # it is not tried again: the file stays what it is
    assert await room.points(ada, papers) == 0
    with pytest.raises(Conflict, match=r"secret\.pdf"):
        await room.documents.text(ada, document.id)


async def test_a_document_without_words_says_so(room: Room, papers, ada):
    document = await room.add(ada, papers, " \n\n ")
    assert document.error is not None
    assert document.error.code == "no_text"


async def test_retry_reads_a_failed_document_again(room: Room, papers, ada):
    room.parser.error = EncryptedDocument()
    document = await room.add(ada, papers, TEXT)
    room.parser.error = None
    again = await room.documents.retry(ada, document.id)
    assert (again.status, again.error, again.progress) == (DocumentStatus.QUEUED, None, 0.0)
    with pytest.raises(Conflict, match="queued"):
        await room.documents.retry(ada, document.id)
    await room.work()
    assert (await room.documents.get(ada, document.id)).status is DocumentStatus.READY
    with pytest.raises(Conflict, match="ready"):
        await room.documents.retry(ada, document.id)


async def test_uploading_a_failed_document_again_reads_it_again(room: Room, papers, ada):
    room.parser.error = EncryptedDocument()
    document = await room.add(ada, papers, TEXT)
    room.parser.error = None
    again, is_new = await room.documents.add(ada, papers.id, await room.received(TEXT))
    assert (again.id, is_new, again.status) == (document.id, False, DocumentStatus.QUEUED)
    await room.work()
    assert (await room.documents.get(ada, document.id)).status is DocumentStatus.READY


@pytest.mark.parametrize("error", [RuntimeError("a bug"), Unavailable("the index cannot be opened")])
async def test_what_may_pass_is_tried_again(room: Room, papers, ada, error):
    document = await room.upload(ada, papers, TEXT)
    room.embedder.error = error

    async def recover() -> None:
        if room.embedder.batches > 1:
            room.embedder.error = None

    room.embedder.before = recover
    await room.work(step_s=1)
    assert (await room.documents.get(ada, document.id)).status is DocumentStatus.READY
    assert len(room.parser.parsed) == 2


async def test_the_last_attempt_of_an_unexpected_error_marks_the_document_failed(room: Room, papers, ada):
    document = await room.upload(ada, papers, TEXT)
    room.embedder.error = RuntimeError("secret details")
    await room.work(step_s=1)
    assert len(room.parser.parsed) == room.jobs.max_attempts
    failed = await room.documents.get(ada, document.id)
    assert failed.status is DocumentStatus.FAILED
    assert failed.error is not None
    assert failed.error.code == "internal_error"
    assert "secret" not in failed.error.detail
    assert await room.points(ada, papers) == 0
    room.embedder.error = None
    await room.documents.retry(ada, document.id)
    await room.work()
    assert (await room.documents.get(ada, document.id)).status is DocumentStatus.READY


class BrokenIndex(InMemoryVectorIndex):
    """An index that cannot be opened."""

    async def upsert(self, points) -> None:
        raise Unavailable("the index cannot be opened")

    async def delete_document(self, owner_id: str, document_id: str) -> None:
        raise Unavailable("the index cannot be opened")


async def test_a_broken_index_leaves_the_document_failed_with_the_reason_not_reading_for_ever(room: Room, papers, ada):
    document = await room.upload(ada, papers, TEXT)
    room = replace(room, ingestion=replace(room.ingestion, index=BrokenIndex()))
    await room.work(step_s=1)
    failed = await room.documents.get(ada, document.id)
    assert failed.status is DocumentStatus.FAILED
    assert failed.error is not None
    assert failed.error.code == "unavailable"


@pytest.mark.parametrize("moment", ["parsing", "embedding"])
@pytest.mark.parametrize("what", ["document", "collection", "person"])
async def test_a_document_deleted_while_it_is_read_leaves_nothing(room: Room, papers, ada, moment, what):
    room = with_settings(room, chunk_min_tokens=8, chunk_max_tokens=16)
    document = await room.upload(ada, papers, paragraphs(60))

    async def delete() -> None:
        if moment == "embedding" and room.embedder.batches < 2:
            return
        room.parser.before = room.embedder.before = nothing_more
        match what:
            case "document":
                await room.documents.delete(ada, document.id)
            case "collection":
                await room.collections.delete(ada, papers.id)
            case _:
                await room.collections.delete_owner(ada.user_id)

    async def nothing_more() -> None:
        return

    if moment == "parsing":
        room.parser.before = delete
    else:
        room.embedder.before = delete
    await room.work()
    assert await room.points(ada, papers) == 0
    assert room.files() == []
    with pytest.raises(NotFound):
        await room.documents.get(ada, document.id)


async def test_reading_stops_soon_after_the_document_is_deleted(room: Room, papers, ada):
    room = with_settings(room, chunk_min_tokens=8, chunk_max_tokens=16)
    document = await room.upload(ada, papers, paragraphs(200))

    async def delete() -> None:
        room.clock.advance(1)
        if room.embedder.batches == 1:
            await room.documents.delete(ada, document.id)

    room.embedder.before = delete
    await room.work()
    assert room.embedder.batches == 1


async def test_points_a_crash_left_after_the_erasing_go_with_the_next_try(room: Room, papers, ada):
    """The document is deleted and erased in mid-reading, then the process dies after one more batch was written."""
    document = await room.upload(ada, papers, TEXT)
    reading = job(document)

    async def die() -> None:
        raise SystemExit

    async def delete_and_erase() -> None:
        if room.embedder.batches == 1:
            await room.documents.delete(ada, document.id)
            await room.index.delete_document(ada.user_id, document.id)  # what the other worker does
        else:
            await die()

    room = with_settings(room, chunk_min_tokens=8, chunk_max_tokens=16)
    room.embedder.before = delete_and_erase
    with pytest.raises(SystemExit):
        await room.ingestion.ingest(reading)
    assert await room.points(ada, papers) > 0
    await room.ingestion.ingest(job(document, attempt=2))
    assert await room.points(ada, papers) == 0


async def test_reading_again_after_a_crash_doubles_nothing(room: Room, papers, ada):
    room = with_settings(room, chunk_min_tokens=8, chunk_max_tokens=16)
    document = await room.upload(ada, papers, paragraphs(60))

    async def die_late() -> None:
        if room.embedder.batches == 4:
            raise SystemExit

    room.embedder.before = die_late
    with pytest.raises(SystemExit):
        await room.ingestion.ingest(job(document))
    half = await room.points(ada, papers)
    assert half > 0
    assert (await room.documents.get(ada, document.id)).status is DocumentStatus.PROCESSING
    await room.work()
    done = await room.documents.get(ada, document.id)
    assert done.status is DocumentStatus.READY
    assert await room.points(ada, papers) == done.chunk_count > half
    await room.ingestion.ingest(job(document))  # a job that was done, but not crossed out
    assert await room.points(ada, papers) == done.chunk_count
    assert len(room.parser.parsed) == 2


async def test_erasing_leaves_no_row_no_point_no_file(room: Room, papers, ada):
    document = await room.add(ada, papers, TEXT)
    assert room.files() == [document.sha256]
    await room.documents.delete(ada, document.id)
    assert (await room.collections.search(ada, papers.id, SearchRequest(query="topic3"))).sources == ()
    await room.work()
    assert room.files() == []
    assert await room.points(ada, papers) == 0


async def test_a_file_that_another_document_shares_stays_until_the_last_is_gone(room: Room, papers, ada, bob):
    theirs = await room.collection(bob)
    mine, their = await room.add(ada, papers, TEXT), await room.add(bob, theirs, TEXT)
    await room.documents.delete(ada, mine.id)
    await room.work()
    assert room.files() == [mine.sha256]
    assert await room.points(ada, papers) == 0
    assert await room.points(bob, theirs) == their.chunk_count
    _, path = await room.documents.file(bob, their.id)
    assert path.read_text() == TEXT
    await room.collections.delete(bob, theirs.id)
    await room.work()
    assert room.files() == []


async def test_the_same_file_uploaded_while_the_old_one_is_erased_is_kept(room: Room, papers, ada):
    document = await room.add(ada, papers, TEXT)
    await room.documents.delete(ada, document.id)
    again = await room.upload(ada, papers, TEXT)  # before the erasing has run
    await room.work()
    assert (await room.documents.get(ada, again.id)).status is DocumentStatus.READY
    assert room.files() == [again.sha256]
    assert await room.points(ada, papers) > 0


async def test_deleting_one_collection_leaves_the_others_points(room: Room, papers, ada):
    other = await room.collection(ada, "Other")
    await room.add(ada, papers, TEXT)
    kept = await room.add(ada, other, TEXT)
    await room.collections.delete(ada, papers.id)
    await room.work()
    assert await room.points(ada, other) == kept.chunk_count
    assert room.files() == [kept.sha256]
