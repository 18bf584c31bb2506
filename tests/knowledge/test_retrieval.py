"""Finding passages: what is found by whom, how wide passages are, and that they are what stands in the document."""

from itertools import pairwise
from pathlib import Path

import pytest

from alcove.knowledge.models import Retrieved, Strategy
from alcove.knowledge.parsing import ParseLimits, Parsers
from tests.knowledge.conftest import (
    Room,
    collection_record,
    document_record,
    make_room,
    paragraphs,
    texts_are_in_place,
    with_settings,
)
from tests.knowledge.files import pdf

TEXT = paragraphs(40)
QUESTION = "topic17 part17x3 colour3"


@pytest.fixture
async def papers(room: Room, ada):
    return await room.collection(ada)


async def ask(room: Room, who, collections, question: str = QUESTION, **options) -> Retrieved:
    return await room.retriever.retrieve(who.user_id, collections, question, **options)


@pytest.mark.parametrize("strategy", list(Strategy))
async def test_every_strategy_finds_the_passage(room: Room, papers, ada, strategy):
    document = await room.add(ada, papers, TEXT)
    found = await ask(room, ada, [papers], strategy=strategy)
    best = found.sources[0]
    assert "topic17 has" in best.text
    assert (best.document_id, best.document) == (document.id, "paper.txt")
    assert (best.collection_id, best.collection) == (papers.id, "Papers")
    assert [each.number for each in found.sources] == list(range(1, len(found.sources) + 1))
    assert [each.score for each in found.sources] == sorted((each.score for each in found.sources), reverse=True)
    assert all(0 <= each.score <= 1 for each in found.sources)
    texts_are_in_place(found, TEXT)
    stages = set(found.latency_ms)
    wanted = {"dense": {"embed", "dense"}, "sparse": {"sparse"}, "hybrid": {"embed", "dense", "sparse", "fuse"}}
    assert stages == wanted[strategy.value] | {"documents", "passages"}
    assert all(each >= 0 for each in found.latency_ms.values())


async def test_the_page_is_the_one_on_which_the_best_chunk_begins(room: Room, papers, ada):
    room = with_settings(room, context_characters=500)  # too little to widen anything
    document = await room.add(ada, papers, TEXT)
    _, content = await room.documents.text(ada, document.id)
    for source in (await ask(room, ada, [papers])).sources:
        page = next(each for each in content.pages if each.start <= source.start < each.end)
        assert source.page == page.page


@pytest.mark.parametrize("question", ["", "   \n"])
async def test_no_question_finds_nothing(room: Room, papers, ada, question):
    await room.add(ada, papers, TEXT)
    assert (await ask(room, ada, [papers], question)).sources == ()


@pytest.mark.parametrize("strategy", list(Strategy))
async def test_nothing_to_search_finds_nothing(room: Room, papers, ada, strategy):
    assert (await ask(room, ada, [], strategy=strategy)).sources == ()
    assert (await ask(room, ada, [papers], strategy=strategy)).sources == ()
    await room.add(ada, papers, TEXT)
    assert (await ask(room, ada, [papers], "¿…!", strategy=Strategy.SPARSE)).sources == ()


@pytest.mark.parametrize("strategy", list(Strategy))
async def test_another_persons_collection_gives_nothing_even_when_it_is_handed_in(
    room: Room, papers, ada, bob, strategy
):
    await room.add(ada, papers, TEXT)
    mine = await room.collection(bob)
    await room.add(bob, mine, "The topic17 of Bob.")
    found = await ask(room, bob, [papers, mine], strategy=strategy)
    assert {each.collection_id for each in found.sources} == {mine.id}
    assert (await ask(room, bob, [papers], strategy=strategy)).sources == ()


async def test_only_the_collections_named_are_searched(room: Room, papers, ada):
    other = await room.collection(ada, "Other")
    await room.add(ada, papers, TEXT)
    await room.add(ada, other, paragraphs(40, "matter"))
    assert {each.collection for each in (await ask(room, ada, [other])).sources} == {"Other"}
    both = await ask(room, ada, [papers, other], "topic17 matter17 part17x3")
    assert {each.collection for each in both.sources} == {"Papers", "Other"}


@pytest.mark.parametrize("limit", [1, 3, 10, 50])
async def test_no_more_passages_than_asked_for(room: Room, papers, ada, limit):
    await room.add(ada, papers, TEXT)
    found = await ask(room, ada, [papers], "The topic has part and colour in it.", limit=limit)
    assert 1 <= len(found.sources) <= limit
    texts_are_in_place(found, TEXT)


@pytest.mark.parametrize("budget", [500, 1_500, 8_000])
@pytest.mark.parametrize("question", [QUESTION, "The topic has part and colour in it."])
async def test_the_sources_of_a_turn_keep_to_the_budget(room: Room, papers, ada, budget, question):
    room = with_settings(room, context_characters=budget, sources=20)
    await room.add(ada, papers, TEXT)
    found = await ask(room, ada, [papers], question)
    assert found.sources
    assert len(found.sources) == 1 or sum(len(each.text) for each in found.sources) <= budget
    texts_are_in_place(found, TEXT)


async def test_a_search_with_a_limit_gives_that_many_whatever_the_budget(room: Room, papers, ada):
    room = with_settings(room, context_characters=500)
    for number in range(12):
        await room.add(ada, papers, f"{paragraphs(1)} And number{number}.", f"{number}.txt")
    assert len((await ask(room, ada, [papers], limit=10)).sources) == 10


async def test_what_is_left_of_the_budget_goes_to_the_text_around_the_best(room: Room, papers, ada):
    document = await room.add(ada, papers, TEXT)
    narrow = await ask(with_settings(room, context_characters=500), ada, [papers], limit=1)
    wide = await ask(room, ada, [papers], limit=1)
    assert narrow.sources[0].text in wide.sources[0].text
    assert len(wide.sources[0].text) > 2 * len(narrow.sources[0].text)
    assert wide.sources[0].chunk_index == narrow.sources[0].chunk_index
    assert document.chunk_count > 10


async def test_documents_being_read_do_not_crowd_the_others_out(room: Room, papers, ada):
    room = with_settings(room, candidates=5)
    await room.add(
        ada, papers, f"{QUESTION} is only mentioned here, among many more words about other things.", "old.txt"
    )
    repeated = "\n\n".join(f"{QUESTION} " * 30 + f"copy{number}." for number in range(40))
    await room.upload(ada, papers, repeated, "new.txt")
    seen: list[set[str]] = []

    async def look() -> None:
        if room.embedder.batches > 1:  # the first batch is in the index
            for strategy in Strategy:
                found = await ask(room, ada, [papers], strategy=strategy, limit=3)
                seen.append({each.document for each in found.sources})

    room.embedder.before = look
    room = with_settings(room, chunk_min_tokens=8, chunk_max_tokens=16)
    await room.work()
    assert seen
    assert all(each == {"old.txt"} for each in seen)


async def test_vectors_of_another_model_are_not_compared(room: Room, ada, clock):
    old = collection_record(ada, "Old", clock, embedding_precision="float16")
    await room.store.add_collection(old)
    await room.store.add_document(document_record(old, clock))
    found = await ask(room, ada, [old], strategy=Strategy.DENSE)
    assert "sparse" in found.latency_ms
    assert "dense" not in found.latency_ms


async def test_sources_of_a_real_pdf_stand_at_their_place_in_its_text(sqlite, tmp_path: Path, ada):
    """From file to sources with the real parser: the page's passage view relies on it."""
    room = await make_room(sqlite, tmp_path)
    pages = [
        [f"Page {page} line {line} tells of harbour{page}x{line} and of tide{line}, as the log of the ship has it." for line in range(40)]
        for page in range(6)
    ]  # fmt: skip
    papers = await room.collection(ada)
    async with Parsers(size=1, limits=ParseLimits(memory_bytes=512 << 20)) as parsers:
        room.ingestion = type(room.ingestion)(
            **{name: getattr(room.ingestion, name) for name in room.ingestion.__slots__} | {"parser": parsers}
        )
        document, _ = await room.documents.add(ada, papers.id, await room.received(pdf(pages), "log.pdf"))
        await room.work()
    _, content = await room.documents.text(ada, document.id)
    assert (await room.documents.get(ada, document.id)).page_count == 6
    for page in range(6):
        found = await ask(room, ada, [papers], f"harbour{page}x20 tide20")
        texts_are_in_place(found, content.text)
        best = found.sources[0]
        assert f"harbour{page}x20" in best.text
        span = next(each for each in content.pages if each.page == best.page)
        assert best.start < span.end
        assert best.end > span.start
    assert all(one.end <= other.start for one, other in pairwise(content.pages))
