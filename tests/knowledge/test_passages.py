"""Joining hits into passages and widening them, on any document and any hits."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

from hypothesis import given, settings
from hypothesis import strategies as st

from alcove.infra.embedder import FakeEmbedder
from alcove.infra.vectors import Hit, InMemoryVectorIndex, Scope, Vector
from alcove.kernel.clock import FakeClock
from alcove.knowledge.models import ChunkRecord, KnowledgeSettings, Retrieved, Strategy
from alcove.knowledge.ports import KnowledgeStore
from alcove.knowledge.retrieval import Retriever
from tests.knowledge.conftest import collection_record, texts_are_in_place

OWNER = "user-ada"


@dataclass
class OneDocument:
    """As much of a store and an index as search needs: one ready document, and the hits it was told to give."""

    sizes: list[int]
    found: list[int]
    chunks_a_page: int = 1_000
    text: str = ""
    chunks: list[ChunkRecord] = field(default_factory=list)

    def __post_init__(self) -> None:
        for index, size in enumerate(self.sizes):
            start = len(self.text)
            self.chunks.append(
                ChunkRecord(
                    document_id="d", index=index, start=start, end=start + size, page=index // self.chunks_a_page + 1
                )
            )
            self.text += chr(0x4E00 + index) * size + "\n" * (1 + index % 3)

    async def ready_names(self, owner_id: str, document_ids: Sequence[str]) -> dict[str, str]:
        return {"d": "d.txt"} if "d" in document_ids else {}

    async def ready_chunks(self, owner_id: str, keys: Sequence[tuple[str, int]]) -> Sequence[ChunkRecord]:
        return [each for each in self.chunks if ("d", each.index) in keys]

    async def passages(self, owner_id: str, ranges: Sequence[tuple[str, int, int]]) -> Sequence[str]:
        return [self.text[start:end] for _, start, end in ranges]

    def hits(self) -> list[Hit]:
        return [
            Hit(
                id=f"{index:03}", collection_id=COLLECTION.id, document_id="d", chunk_index=index, score=1 - place / 100
            )
            for place, index in enumerate(self.found)
        ]

    async def search(self, budget: int, limit: int | None) -> Retrieved:
        retriever = Retriever(
            store=cast("KnowledgeStore", self),
            index=FixedIndex(self.hits()),
            embedder=FakeEmbedder(),
            settings=KnowledgeSettings(context_characters=budget),
        )
        return await retriever.retrieve(OWNER, [COLLECTION], "x", strategy=Strategy.DENSE, limit=limit)


class Ada:
    user_id = OWNER


COLLECTION = collection_record(Ada, "Papers", FakeClock())  # type: ignore[arg-type]


class FixedIndex(InMemoryVectorIndex):
    """Finds what it was told to."""

    def __init__(self, hits: list[Hit]) -> None:
        super().__init__()
        self.hits = hits

    async def dense(self, vector: Vector, scope: Scope, *, limit: int) -> list[Hit]:
        return self.hits[:limit]


@st.composite
def cases(draw: st.DrawFn) -> OneDocument:
    sizes = draw(st.lists(st.integers(1, 400), min_size=1, max_size=25))
    return OneDocument(sizes, draw(st.lists(st.integers(0, len(sizes) - 1), unique=True, max_size=20)))


@given(case=cases(), limit=st.one_of(st.none(), st.integers(1, 12)), budget=st.integers(500, 4_000))
@settings(max_examples=150, deadline=None)
async def test_passages_are_in_place_apart_and_within_the_budget(case: OneDocument, limit: int | None, budget: int):
    found = await case.search(budget, limit)
    texts_are_in_place(found, case.text)
    assert bool(found.sources) == bool(case.found)
    total = sum(len(each.text) for each in found.sources)
    if limit is None:
        assert len(found.sources) <= KnowledgeSettings().sources
        assert len(found.sources) <= 1 or total <= budget
    else:
        assert len(found.sources) <= limit
        assert total <= max(budget, sum(case.sizes[index] for index in case.found))
    assert [each.score for each in found.sources] == sorted((each.score for each in found.sources), reverse=True)
    for source in found.sources:
        best = case.chunks[source.chunk_index]
        assert source.start <= best.start
        assert best.end <= source.end
        assert source.page == best.page
        assert not source.text[0].isspace()  # it begins and ends with a chunk
        assert not source.text[-1].isspace()
    if case.found:
        assert found.sources[0].chunk_index == case.found[0]


async def test_a_chunk_between_two_found_ones_makes_them_one_passage():
    case = OneDocument([100] * 9, [2, 4, 7, 3])
    found = await case.search(500, None)
    assert [(each.chunk_index, each.text[0], each.text[-1]) for each in found.sources] == [
        (2, chr(0x4E02), chr(0x4E04)),
        (7, chr(0x4E07), chr(0x4E07)),
    ]
    assert [each.score for each in found.sources] == [1.0, 0.98]


async def test_the_best_passages_are_widened_first():
    case = OneDocument([200] * 12, [2, 8])
    found = await case.search(1_000, None)
    lengths = [len(each.text) for each in found.sources]
    assert lengths[0] > 600
    assert lengths[1] < 400


async def test_a_best_chunk_larger_than_the_budget_is_given_all_the_same():
    found = await OneDocument([900, 100], [0, 1]).search(500, None)
    assert [len(each.text) for each in found.sources] == [900]


async def test_a_source_is_of_one_page() -> None:
    """A quote in it must be on the page that is named, so neither joining nor widening goes beyond the page."""
    document = OneDocument(sizes=[100] * 6, found=[2, 3], chunks_a_page=3)
    found = await document.search(10_000, None)
    assert [(each.page, each.chunk_index) for each in found.sources] == [(1, 2), (2, 3)]
    for source in found.sources:
        assert source.start is not None
        assert source.end is not None
        pages = {each.page for each in document.chunks if each.start < source.end and source.start < each.end}
        assert pages == {source.page}
