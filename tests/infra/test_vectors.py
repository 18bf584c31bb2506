"""One suite for every vector index."""

import signal
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator
from itertools import pairwise
from uuid import UUID, uuid5

import anyio
import numpy as np
import pytest

from alcove.infra.embedder import FakeEmbedder
from alcove.infra.qdrant_edge import QdrantEdgeIndex
from alcove.infra.vectors import InMemoryVectorIndex, Point, Scope, VectorIndex
from alcove.kernel.errors import Unavailable

SPACE = UUID("00000000-0000-0000-0000-000000000001")
TEXTS = (
    "The lighthouse of Skerry Point was built by Agnes Thornbury.",
    "Whale oil burned in the lamp until the year of the storm.",
    "Axolotls live in the lakes near Mexico City.",
    "The tax office opens at nine and closes at four.",
)


@pytest.fixture(params=["memory", "qdrant"])
async def index(request: pytest.FixtureRequest, tmp_path) -> AsyncIterator[VectorIndex]:
    made: VectorIndex = (
        InMemoryVectorIndex() if request.param == "memory" else QdrantEdgeIndex(tmp_path / "vectors", dimensions=384)
    )
    yield made
    await made.aclose()


async def points(owner: str, collection: str, document: str, texts=TEXTS) -> list[Point]:
    vectors = await FakeEmbedder().embed_array(texts)
    return [
        Point(
            id=str(uuid5(SPACE, f"{owner}/{document}/{number}")), owner_id=owner, collection_id=collection,
            document_id=document, chunk_index=number, vector=vectors[number], text=text,
        )
        for number, text in enumerate(texts)
    ]  # fmt: skip


async def vector(text: str) -> np.ndarray:
    return (await FakeEmbedder().embed_array([text]))[0]


MINE = Scope(owner_id="ada", collection_ids=("c1",))


async def test_finds_by_meaning_and_by_words(index: VectorIndex):
    await index.upsert(await points("ada", "c1", "d1"))
    dense = await index.dense(await vector(TEXTS[2]), MINE, limit=2)
    assert (dense[0].chunk_index, dense[0].document_id, dense[0].collection_id) == (2, "d1", "c1")
    assert dense[0].score == pytest.approx(1, abs=1e-3)
    assert dense[0].score > dense[1].score
    sparse = await index.sparse("who built the lighthouse", MINE, limit=10)
    assert sparse[0].chunk_index == 0
    assert all(a.score >= b.score for a, b in pairwise(sparse))
    assert await index.sparse("zzz qqq", MINE, limit=10) == []
    assert await index.count(MINE) == 4


async def test_upsert_again_changes_nothing_and_replaces(index: VectorIndex):
    made = await points("ada", "c1", "d1")
    await index.upsert(made)
    await index.upsert(made)
    assert await index.count(MINE) == 4
    await index.upsert([])


async def test_owner_and_collection_are_walls(index: VectorIndex):
    await index.upsert(await points("ada", "c1", "d1"))
    await index.upsert(await points("bob", "c2", "d2"))
    await index.upsert(await points("ada", "c3", "d3"))
    for scope in (
        Scope(owner_id="bob", collection_ids=("c1",)),
        Scope(owner_id="ada", collection_ids=("c2",)),
        Scope(owner_id="ada", collection_ids=()),
        Scope(owner_id="", collection_ids=("c1",)),
        Scope(owner_id="' OR 1=1", collection_ids=("c1", "*", "../c1")[1:]),
    ):
        assert await index.dense(await vector(TEXTS[0]), scope, limit=10) == []
        assert await index.sparse(TEXTS[0], scope, limit=10) == []
        assert await index.count(scope) == 0
    both = Scope(owner_id="ada", collection_ids=("c1", "c2", "c3"))
    assert {hit.document_id for hit in await index.dense(await vector(TEXTS[0]), both, limit=50)} == {"d1", "d3"}


async def test_rarity_of_words_is_counted_within_the_scope(index: VectorIndex):
    """Another person's thousand documents about lighthouses must not make the word common for me."""
    await index.upsert(await points("ada", "c1", "d1"))
    before = (await index.sparse("lighthouse", MINE, limit=1))[0].score
    await index.upsert(await points("bob", "c2", "d2", ["lighthouse " * 3] * 50))
    after = (await index.sparse("lighthouse", MINE, limit=1))[0].score
    assert after == pytest.approx(before, rel=1e-3)


async def test_delete_leaves_nothing(index: VectorIndex):
    await index.upsert(await points("ada", "c1", "d1"))
    await index.upsert(await points("ada", "c1", "d2"))
    await index.upsert(await points("bob", "c1", "d1"))
    await index.delete_document("ada", "d1")
    assert {hit.document_id for hit in await index.dense(await vector(TEXTS[0]), MINE, limit=50)} == {"d2"}
    assert await index.count(Scope(owner_id="bob", collection_ids=("c1",))) == 4
    await index.delete_collection("ada", "c1")
    assert await index.count(MINE) == 0
    assert await index.count(Scope(owner_id="bob", collection_ids=("c1",))) == 4


async def test_cosines_of_given_points(index: VectorIndex):
    made = await points("ada", "c1", "d1")
    await index.upsert(made)
    wanted = await vector(TEXTS[1])
    found = await index.cosines(wanted, [made[0].id, made[1].id, str(uuid5(SPACE, "nowhere"))], MINE)
    assert set(found) == {made[0].id, made[1].id}
    assert found[made[1].id] == pytest.approx(1, abs=1e-3)
    assert found[made[0].id] == pytest.approx(float(made[0].vector @ wanted), abs=1e-3)
    assert await index.cosines(wanted, [], MINE) == {}


async def test_cosines_are_given_within_the_scope_only(index: VectorIndex):
    mine, elsewhere, theirs = [
        await points(owner, collection, document)
        for owner, collection, document in (("ada", "c1", "d1"), ("ada", "c3", "d3"), ("bob", "c1", "d2"))
    ]
    await index.upsert([*mine, *elsewhere, *theirs])
    ids = [mine[0].id, elsewhere[0].id, theirs[0].id]
    assert set(await index.cosines(await vector(TEXTS[0]), ids, MINE)) == {mine[0].id}
    assert await index.cosines(await vector(TEXTS[0]), ids, Scope(owner_id="ada", collection_ids=())) == {}


async def test_reads_while_writing(index: VectorIndex):
    async def write() -> None:
        for number in range(10):
            await index.upsert(await points("ada", "c1", f"d{number}"))

    async def read() -> None:
        for _ in range(20):
            await index.dense(await vector(TEXTS[0]), MINE, limit=5)

    async with anyio.create_task_group() as group:
        group.start_soon(write)
        group.start_soon(read)
        group.start_soon(read)
    assert await index.count(MINE) == 40


async def test_qdrant_agrees_with_the_exact_index(tmp_path):
    exact, engine = InMemoryVectorIndex(), QdrantEdgeIndex(tmp_path / "vectors", dimensions=384, optimize_after=100)
    texts = [f"{TEXTS[number % 4]} Note {number} of {number * 7 % 31}." for number in range(300)]
    made = await points("ada", "c1", "d1", texts)
    await exact.upsert(made)
    await engine.upsert(made)
    for question in ("lighthouse note 5", "tax office 30", "axolotls in lakes"):
        wanted = await vector(question)
        best = await exact.dense(wanted, MINE, limit=10)
        found = await engine.dense(wanted, MINE, limit=10)
        assert [hit.score for hit in found] == pytest.approx([hit.score for hit in best], abs=1e-3)
    await engine.aclose()


async def test_reopens_with_what_was_acknowledged_and_refuses_a_second_process(tmp_path):
    """A writer is killed in mid-insert; everything it had acknowledged is there afterwards."""
    script = textwrap.dedent(
        """
        import sys, anyio
        from pathlib import Path
        from tests.infra.test_vectors import points
        from alcove.infra.qdrant_edge import QdrantEdgeIndex
        async def main():
            index = QdrantEdgeIndex(Path(sys.argv[1]), dimensions=384)
            for number in range(100000):
                await index.upsert(await points("ada", "c1", f"d{number}"))
                print(number, flush=True)
        anyio.run(main)
        """
    )
    folder = tmp_path / "vectors"
    child = subprocess.Popen([sys.executable, "-c", script, str(folder)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    acknowledged = 0
    for line in child.stdout:
        acknowledged = int(line) + 1
        if acknowledged == 3:
            second = QdrantEdgeIndex(folder, dimensions=384)
            with pytest.raises(Unavailable, match="another server"):
                await second.count(MINE)
        if acknowledged == 25:
            child.send_signal(signal.SIGKILL)
            break
    child.wait(10)
    child.stdout.close()
    index = QdrantEdgeIndex(folder, dimensions=384)
    assert await index.count(MINE) >= acknowledged * 4
    for number in range(acknowledged):
        assert await index.cosines(await vector("x"), [str(uuid5(SPACE, f"ada/d{number}/0"))], MINE)
    await index.aclose()
