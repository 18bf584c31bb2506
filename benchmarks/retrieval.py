"""How well search finds what answers, how fast documents go in, and what a search costs besides embedding.

Data: `cranfield`, the Cranfield collection (1,400 abstracts, 225 questions, graded judgements), and `hotpot100`, a sample of HotpotQA
(994 passages, 100 two-hop questions), each a folder in the layout of BEIR, in the folder given as argument. Every ranking comes from the packaged embedding model, the Qdrant index and the
product's own fusion: 50 candidates by meaning and 50 by words. Each set is searched twice: with every passage as one vector, and
cut into chunks as documents are, where a passage ranks as its best chunk. nDCG@10 has the grade as gain (trec_eval's), recall@10
counts every judged passage. Needs some four minutes of CPU; `--vectors FOLDER` keeps the vectors for the next run.
"""

import argparse
import hashlib
import json
import math
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from statistics import mean, median, quantiles
from uuid import UUID, uuid5

import anyio
import numpy as np
from pydantic import BaseModel, Field

from alcove.infra.database import metadata, open_database
from alcove.infra.embedder import MODEL_FOLDER, Embedder, Vectors
from alcove.infra.jobs import JobQueue
from alcove.infra.qdrant_edge import QdrantEdgeIndex
from alcove.infra.vectors import Hit, Point, Scope, VectorIndex
from alcove.kernel.clock import SystemClock
from alcove.knowledge.chunking import chunk
from alcove.knowledge.models import (
    ChunkRecord,
    CollectionKind,
    CollectionRecord,
    DocumentContent,
    DocumentRecord,
    DocumentStatus,
    KnowledgeSettings,
    Stage,
    Strategy,
)
from alcove.knowledge.parsing import ParsedDocument
from alcove.knowledge.retrieval import Retriever, fuse
from alcove.knowledge.store import SqlKnowledgeStore
from report import Row, show

SETS = ("cranfield", "hotpot100")
CANDIDATES = 50
WEIGHTS = (0.6, 0.65, 0.7, 0.75, 0.8)
WEIGHT = KnowledgeSettings().dense_weight
CUT = 10
INGESTED = 200
TIMED = 300
OWNER = "bench"
SPACE = UUID("6f1e9a52-3c43-5d0a-8a58-53d0a1c0b7aa")

Ranking = Sequence[str]
"""Ids of passages, best first."""


class Passage(BaseModel):
    """A passage of a corpus, as the files of the sets have it."""

    id: str = Field(alias="_id")
    title: str
    text: str


class Query(BaseModel):
    """A question."""

    id: str = Field(alias="_id")
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Set:
    """A collection with questions and what is known to answer them: question -> passage -> grade."""

    name: str
    passages: Sequence[Passage]
    queries: Sequence[Query]
    grades: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """What is embedded and indexed: a whole passage, or a chunk of one."""

    passage: str
    number: int
    text: str
    start: int
    end: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidates:
    """What both searches found for a question."""

    dense: list[Hit]
    sparse: list[Hit]
    cosines: dict[str, float]

    def hybrid(self, weight: float) -> list[Hit]:
        return fuse(self.dense, self.sparse, self.cosines, weight=weight)

    def reciprocal(self, k: int) -> list[Hit]:
        """Fuses by reciprocal rank, for comparison."""
        scores: dict[str, float] = {}
        for rank, hit in chain(enumerate(self.dense, 1), enumerate(self.sparse, 1)):
            scores[hit.id] = scores.get(hit.id, 0.0) + 1 / (k + rank)
        hits = {each.id: each for each in (*self.dense, *self.sparse)}
        return sorted((replace(hits[key], score=score) for key, score in scores.items()), key=lambda each: -each.score)


@dataclass(slots=True)
class Remembering:
    """The embedding model, with vectors kept in a folder from run to run if there is one."""

    inner: Embedder
    folder: Path | None

    async def embed_array(self, texts: Sequence[str]) -> Vectors:
        if self.folder is None:
            return await self.inner.embed_array(texts)
        what = (MODEL_FOLDER / "digest.json").read_text() + json.dumps(texts)
        path = self.folder / f"{hashlib.sha256(what.encode()).hexdigest()}.npy"
        if path.is_file():
            return np.asarray(np.load(path), dtype=np.float32)
        vectors = await self.inner.embed_array(texts)
        self.folder.mkdir(parents=True, exist_ok=True)
        np.save(path, vectors)
        return vectors


def read_set(folder: Path) -> Set:
    grades: dict[str, dict[str, int]] = {}
    for line in (folder / "qrels.tsv").read_text().splitlines()[1:]:
        query, passage, grade = line.split("\t")
        grades.setdefault(query, {})[passage] = int(grade)
    queries = [Query.model_validate_json(line) for line in (folder / "queries.jsonl").read_bytes().splitlines()]
    return Set(
        name=folder.name,
        passages=[Passage.model_validate_json(line) for line in (folder / "corpus.jsonl").read_bytes().splitlines()],
        queries=[each for each in queries if each.id in grades],
        grades=grades,
    )


def whole(passage: Passage, _: Embedder) -> list[Piece]:
    text = f"{passage.title}\n{passage.text}"
    return [Piece(passage=passage.id, number=0, text=text, start=0, end=len(passage.text))]


def chunked(passage: Passage, embedder: Embedder) -> list[Piece]:
    document = ParsedDocument(
        text=passage.text, pages=(), sections=(), media_type="text/plain", page_count=None, warnings=()
    )
    return [
        Piece(passage=passage.id, number=each.index, text=each.embedding_text, start=each.start, end=each.end)
        for each in chunk(document, title=passage.title, count_tokens=embedder.count_tokens)
    ]


def points(name: str, pieces: Sequence[Piece], vectors: Vectors) -> list[Point]:
    return [
        Point(
            id=str(uuid5(SPACE, f"{name}/{each.passage}/{each.number}")),
            owner_id=OWNER,
            collection_id=name,
            document_id=each.passage,
            chunk_index=each.number,
            vector=vector,
            text=each.text,
        )
        for each, vector in zip(pieces, vectors, strict=True)
    ]


async def candidates(index: VectorIndex, text: str, vector: Vectors, scope: Scope) -> Candidates:
    dense = await index.dense(vector, scope, limit=CANDIDATES)
    sparse = await index.sparse(text, scope, limit=CANDIDATES)
    known = {each.id for each in dense}
    cosines = await index.cosines(vector, [each.id for each in sparse if each.id not in known], scope)
    return Candidates(dense=dense, sparse=sparse, cosines=cosines)


def ranking(hits: Sequence[Hit]) -> Ranking:
    """Ranks passages as their best chunks."""
    return list(dict.fromkeys(each.document_id for each in hits))


def ndcg(found: Ranking, grades: Mapping[str, int]) -> float:
    gained = sum(grades.get(each, 0) / math.log2(place + 1) for place, each in enumerate(found[:CUT], 1))
    best = sorted(grades.values(), reverse=True)[:CUT]
    return gained / sum(grade / math.log2(place + 1) for place, grade in enumerate(best, 1))


def recall(found: Ranking, grades: Mapping[str, int]) -> float:
    return len(set(found[:CUT]) & grades.keys()) / len(grades)


@dataclass(frozen=True, kw_only=True, slots=True)
class Searched:
    """All candidates of a set, and how it was cut."""

    data: Set
    cut: str
    pieces: int
    found: Sequence[Candidates]

    def row(self, name: str, of: Callable[[Candidates], list[Hit]]) -> Row:
        rankings = [ranking(of(each)) for each in self.found]
        grades = [self.data.grades[each.id] for each in self.data.queries]
        gains = [ndcg(found, known) for found, known in zip(rankings, grades, strict=True)]
        return {
            "set": f"{self.data.name}, {self.cut}",
            "search": name,
            "nDCG@10 %": 100 * mean(gains),
            "recall@10 %": 100 * mean(recall(f, g) for f, g in zip(rankings, grades, strict=True)),
            "odd / even": f"{mean(gains[::2]):.3f} / {mean(gains[1::2]):.3f}",
        }

    def rows(self) -> list[Row]:
        return [
            self.row("by words (BM25)", lambda each: each.sparse),
            self.row("by meaning", lambda each: each.dense),
            self.row(f"hybrid ({WEIGHT:g})", lambda each: each.hybrid(WEIGHT)),
        ]

    def variants(self) -> list[Row]:
        weighted = [self.row(f"convex {weight:g}", partial(Candidates.hybrid, weight=weight)) for weight in WEIGHTS]
        ranked = [self.row(f"reciprocal ranks, k = {k}", partial(Candidates.reciprocal, k=k)) for k in (2, 60)]
        unknown = self.row("convex 0.7, lowest cosine seen", lambda each: replace(each, cosines={}).hybrid(0.7))
        return [*weighted, unknown, *ranked]


async def search(data: Set, cut: Callable[[Passage, Embedder], list[Piece]], model: Remembering) -> Searched:
    pieces = [piece for passage in data.passages for piece in cut(passage, model.inner)]
    vectors = await model.embed_array([each.text for each in pieces])
    asked = await model.embed_array([each.text for each in data.queries])
    scope = Scope(owner_id=OWNER, collection_ids=(data.name,))
    with tempfile.TemporaryDirectory() as folder:
        index = QdrantEdgeIndex(Path(folder) / "vectors", dimensions=model.inner.dimensions)
        await index.upsert(points(data.name, pieces, vectors))
        found = [
            await candidates(index, query.text, vector, scope)
            for query, vector in zip(data.queries, asked, strict=True)
        ]
        await index.aclose()
    return Searched(data=data, cut="chunks" if cut is chunked else "whole", pieces=len(pieces), found=found)


async def ingestion(data: Set, embedder: Embedder) -> list[Row]:
    """Embeds and indexes chunks, and embeds alone, by turns; storing must add little."""
    pieces = [piece for passage in data.passages for piece in chunked(passage, embedder)][:INGESTED]
    texts = [each.text for each in pieces]
    with tempfile.TemporaryDirectory() as folder:
        index = QdrantEdgeIndex(Path(folder) / "vectors", dimensions=embedder.dimensions)
        await index.upsert(points("warm", pieces[:8], await embedder.embed_array(texts[:8])))
        wall, used = time.perf_counter(), time.process_time()
        vectors = await embedder.embed_array(texts)
        embedded_s, embedded_cpu_s = time.perf_counter() - wall, time.process_time() - used
        wall, used = time.perf_counter(), time.process_time()
        await index.upsert(points("timed", pieces, vectors))
        stored_s, stored_cpu_s = time.perf_counter() - wall, time.process_time() - used
        await index.aclose()
    rows: list[Row] = []
    for name, wall_s, cpu_s in (
        ("embed", embedded_s, embedded_cpu_s),
        ("embed and index", embedded_s + stored_s, embedded_cpu_s + stored_cpu_s),
    ):
        rows.append({"chunks": len(texts), "step": name, "per s": len(texts) / wall_s, "per CPU s": len(texts) / cpu_s})
    return rows


async def memory() -> list[Row]:
    """Gives the resident memory of this process as the model is opened and used; run before anything else."""
    embedder = Embedder()
    rows: list[Row] = [{"resident MB": "this process before", "now": resident_mb(), "most": peak_mb()}]
    embedder.load()
    rows.append({"resident MB": "model opened", "now": resident_mb(), "most": peak_mb()})
    text = "The lighthouse of Skerry Point was built by Agnes Thornbury in the year of the storm. " * 7
    await embedder.embed_array([f"{number} {text}" for number in range(INGESTED)])
    rows.append({"resident MB": f"{INGESTED} chunks embedded", "now": resident_mb(), "most": peak_mb()})
    return rows


def resident_mb() -> float:
    status = Path("/proc/self/status")
    if not status.is_file():  # not Linux
        return peak_mb()
    line = next(each for each in status.read_text().splitlines() if each.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def peak_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)


async def questions_during_ingestion(data: Set) -> list[Row]:
    """Times questions with nothing else to do, and while documents are embedded."""
    embedder = Embedder()
    embedder.load()
    texts = [each.text for each in data.passages[:INGESTED]]
    rows: list[Row] = []
    questions = iter([f"{each.text} {number}" for number in range(20) for each in data.queries])

    async def ask(name: str, is_enough: Callable[[int], bool]) -> None:
        times: list[float] = []
        while not is_enough(len(times)):
            started_s = time.perf_counter()
            await embedder.embed([next(questions)])
            times.append((time.perf_counter() - started_s) * 1000)
            await anyio.sleep(0.05)
        rows.append({"embedding a question": name, "asked": len(times), **spread(times)})

    await ask("nothing else to do", lambda count: count >= 60)
    async with anyio.create_task_group() as group:
        is_done = anyio.Event()

        async def documents() -> None:
            await embedder.embed_array(texts)
            is_done.set()

        group.start_soon(documents)
        await ask("while documents are embedded", lambda _: is_done.is_set())
    return rows


def spread(times: Sequence[float]) -> Row:
    return {"p50 ms": median(times), "p99 ms": quantiles(times, n=100)[98], "least ms": min(times)}


async def overhead(data: Set, model: Remembering) -> Row:
    """Searches through the product's retriever and database; everything but embedding the question counts."""
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        database = open_database(f"sqlite+aiosqlite:///{folder / 'bench.db'}")
        stack.push_async_callback(database.close)
        async with database.write() as connection:
            await connection.run_sync(metadata.create_all)
        store = SqlKnowledgeStore(database, JobQueue(database, clock))
        index = QdrantEdgeIndex(folder / "vectors", dimensions=model.inner.dimensions)
        stack.push_async_callback(index.aclose)
        collection = CollectionRecord(
            id=data.name,
            owner_id=OWNER,
            name=data.name,
            description="",
            kind=CollectionKind.COLLECTION,
            chat_id=None,
            embedding_model=model.inner.info.id,
            embedding_precision=model.inner.precision,
            created_at=clock.now(),
            updated_at=clock.now(),
        )
        await store.add_collection(collection)
        by_passage = {each.id: chunked(each, model.inner) for each in data.passages}
        pieces = list(chain.from_iterable(by_passage.values()))
        await index.upsert(points(data.name, pieces, await model.embed_array([each.text for each in pieces])))
        for passage in data.passages:
            await add_document(store, passage, by_passage[passage.id], collection)
        retriever = Retriever(store=store, index=index, embedder=model.inner, settings=KnowledgeSettings())
        await model.inner.embed([each.text for each in data.queries])
        times: list[float] = []
        used = time.process_time()
        for query in (list(data.queries) * (TIMED // len(data.queries) + 1))[:TIMED]:
            found = await retriever.retrieve(OWNER, [collection], query.text, strategy=Strategy.HYBRID)
            times.append(sum(took for stage, took in found.latency_ms.items() if stage != "embed"))
        cpu_ms = (time.process_time() - used) / TIMED * 1000
    return {"a search without embedding": f"{data.name}, {len(pieces):,} chunks", **spread(times), "CPU ms": cpu_ms}


async def add_document(
    store: SqlKnowledgeStore, passage: Passage, pieces: Sequence[Piece], collection: CollectionRecord
) -> None:
    document = DocumentRecord(
        id=passage.id,
        owner_id=OWNER,
        collection_id=collection.id,
        name=passage.title[:100],
        media_type="text/plain",
        size_bytes=len(passage.text),
        sha256=hashlib.sha256(passage.id.encode()).hexdigest(),
        created_at=collection.created_at,
        updated_at=collection.updated_at,
    )
    await store.add_document(document)
    records = (
        ChunkRecord(document_id=passage.id, index=each.number, start=each.start, end=each.end, page=None)
        for each in pieces
    )
    content = DocumentContent(text=passage.text, pages=(), chunks=tuple(records))
    await store.finish_document(replace(document, status=DocumentStatus.READY, stage=Stage.DONE), content)


async def scale(count: int, data: Set, model: Remembering) -> Row:
    """Searches a set among many made-up chunks of the same collection, without the database."""
    generator, words = np.random.default_rng(7), random.Random(7)
    vocabulary = list({word for each in data.passages for word in each.text.lower().split()})
    asked = await model.embed_array([each.text for each in data.queries])
    scope = Scope(owner_id=OWNER, collection_ids=(data.name,))
    with tempfile.TemporaryDirectory() as folder:
        index = QdrantEdgeIndex(Path(folder) / "vectors", dimensions=model.inner.dimensions, optimize_after=count)
        started_s = time.perf_counter()
        for start in range(0, count, 1_000):
            rows = generator.standard_normal((min(1_000, count - start), model.inner.dimensions), dtype=np.float32)
            rows /= np.linalg.norm(rows, axis=1, keepdims=True)
            pieces = [
                Piece(passage=f"{start + n}", number=0, text=" ".join(words.choices(vocabulary, k=80)), start=0, end=0)
                for n in range(len(rows))
            ]
            await index.upsert(points(data.name, pieces, rows))
        await index.aclose()  # waits for the index that is being built
        built_s = time.perf_counter() - started_s
        index = QdrantEdgeIndex(Path(folder) / "vectors", dimensions=model.inner.dimensions)
        times = []
        for query, vector in (list(zip(data.queries, asked, strict=True)) * 9)[:TIMED]:
            started_s = time.perf_counter()
            (await candidates(index, query.text, vector, scope)).hybrid(WEIGHT)
            times.append((time.perf_counter() - started_s) * 1000)
        await index.aclose()
    return {"both searches and fusion": f"{count:,} made-up chunks", **spread(times), "written and built s": built_s}


async def measured(data: Path, vectors: Path | None, chunks: int) -> None:
    show("Retrieval: memory of the embedding model", await memory())
    model = Remembering(Embedder(), vectors)
    sets = [read_set(data / name) for name in SETS]
    searched = [await search(each, cut, model) for each in sets for cut in (whole, chunked)]
    show("Retrieval: quality", [row for each in searched for row in each.rows()])
    show("Retrieval: other ways to fuse", [row for each in searched for row in each.variants()])
    show("Retrieval: speed of ingestion", await ingestion(sets[0], model.inner))
    show("Retrieval: questions", await questions_during_ingestion(sets[1]))
    show("Retrieval: overhead of a search", [await overhead(each, model) for each in sets])
    if chunks:
        show("Retrieval: many chunks", [await scale(chunks, sets[1], model)])


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?", help="folder of the sets cranfield and hotpot100")
    parser.add_argument("--vectors", type=Path, help="folder where vectors are kept from run to run")
    parser.add_argument("--chunks", type=int, default=0, help="also search among so many made-up chunks")
    arguments = parser.parse_args()
    if arguments.data is None or not all((arguments.data / name).is_dir() for name in SETS):
        print(f"Give the folder that holds the sets {' and '.join(SETS)} as argument (docs/retrieval.md).")
        return
    anyio.run(measured, arguments.data, arguments.vectors, arguments.chunks)


if __name__ == "__main__":
    main()
