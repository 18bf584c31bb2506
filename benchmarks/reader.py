"""How well the built-in reader finds the sentences that answer, and how often it keeps quiet when nothing answers.

Data: `hotpot100`, a sample of HotpotQA (994 passages, 100 two-hop questions, both supporting passages known), and `cranfield`, the
Cranfield collection, each a folder in the layout of BEIR, in the folder given as argument. Each question's eight best passages (0.7 cosine + 0.3 BM25 / its maximum) are
put before the reader as sources; a quoted sentence counts as right when its passage is one of the two that support the
answer. The weights were searched for on the first fifty questions; both halves are shown. Takes some minutes, most of them to embed.
"""

import math
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import mean, median

import anyio
import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, Field

from alcove.gateway.adapters.reader import Reader, Weights
from alcove.gateway.adapters.reader.phrases import UNSURE
from alcove.gateway.adapters.reader.words import words
from alcove.infra.embedder import Embedder, Vectors
from alcove.kernel.chat import Answer, ChatMessage, ChatRequest, ChatRole, Source
from alcove.kernel.clock import SystemClock
from alcove.kernel.ids import new_trace_id
from alcove.kernel.ports import CallContext, Embeddings, ModelInfo
from alcove.kernel.principal import Principal, Role
from alcove.kernel.sentences import sentences
from alcove.kernel.trace import Trace, Tracer
from report import Row, show

TOP = 8
TIMED = 40
CRANFIELD_QUESTIONS = 100

Passages = list[tuple[int, float]]
"""Indexes of passages with their scores, best first."""


class Document(BaseModel):
    """A passage of the corpus."""

    id: str = Field(alias="_id")
    title: str
    text: str


class Query(BaseModel):
    """A question with its known answers."""

    id: str = Field(alias="_id")
    text: str
    answers: tuple[str, ...] = ()


@dataclass(slots=True)
class Remembering:
    """An embedding model that computes each text once; the same passages come up again and again here."""

    inner: Embedder
    known: dict[str, Sequence[float]] = field(default_factory=dict)

    @property
    def info(self) -> ModelInfo:
        return self.inner.info

    @property
    def dimensions(self) -> int:
        return self.inner.dimensions

    async def embed(self, texts: Sequence[str]) -> Embeddings:
        missing = list(dict.fromkeys(text for text in texts if text not in self.known))
        for text, vector in zip(missing, await self.inner.embed_array(missing), strict=True):
            self.known[text] = vector.tolist()
        return Embeddings(vectors=[self.known[text] for text in texts])


@dataclass(frozen=True, kw_only=True, slots=True)
class Collection:
    """A corpus that can be searched: 0.7 cosine + 0.3 BM25 over its maximum (specification of retrieval, section 0)."""

    documents: Sequence[Document]
    vectors: Vectors
    counts: Sequence[Counter[str]]

    def scores(self, query: str, vector: Sequence[float]) -> npt.NDArray[np.float64]:
        lengths = [counts.total() for counts in self.counts]
        average = mean(lengths)
        found = np.zeros(len(self.counts))
        for word in set(words(query)):
            having = sum(word in counts for counts in self.counts)
            rarity = math.log(1 + (len(self.counts) - having + 0.5) / (having + 0.5))
            for i, counts in enumerate(self.counts):
                if (times := counts[word]) > 0:
                    found[i] += rarity * times * 2.2 / (times + 1.2 * (0.25 + 0.75 * lengths[i] / average))
        return 0.7 * (self.vectors @ np.asarray(vector)) + 0.3 * found / max(float(found.max()), 1e-9)

    def sources(self, passages: Passages) -> tuple[Source, ...]:
        return tuple(
            Source(
                number=n,
                text=self.documents[i].text,
                document_id=str(i),
                document=self.documents[i].title,
                collection_id="c",
                collection="benchmark",
                chunk_index=0,
                score=score,
                start=0,
            )
            for n, (i, score) in enumerate(passages, 1)
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Quoted:
    """What was quoted for one question: index of the passage and sentence; and whether it was given for certain."""

    sentences: list[tuple[int, str]]
    outcome: str = "answered"


async def collection_of(folder: Path, model: Remembering) -> tuple[Collection, list[Query]]:
    documents = [Document.model_validate_json(line) for line in (folder / "corpus.jsonl").read_bytes().splitlines()]
    queries = [Query.model_validate_json(line) for line in (folder / "queries.jsonl").read_bytes().splitlines()]
    texts = [f"{each.title}\n{each.text}" for each in documents]
    vectors = await model.inner.embed_array(texts)
    collection = Collection(documents=documents, vectors=vectors, counts=[Counter(words(text)) for text in texts])
    return collection, queries


def gold_of(folder: Path, collection: Collection, queries: Sequence[Query]) -> list[set[int]]:
    at = {each.id: i for i, each in enumerate(collection.documents)}
    found: dict[str, set[int]] = {}
    for line in (folder / "qrels.tsv").read_text().splitlines()[1:]:
        query, document, _ = line.split("\t")
        found.setdefault(query, set()).add(at[document])
    return [found[each.id] for each in queries]


async def ask(reader: Reader, collection: Collection, question: str, passages: Passages) -> Quoted:
    answer = Answer()
    clock = SystemClock()
    trace = Trace(id=new_trace_id(), owner_id="bench", name="chat", started_at=clock.now())
    who = Principal(user_id="bench", email="bench@example.org", role=Role.USER)
    request = ChatRequest(
        model="alcove/reader",
        messages=(ChatMessage.of(ChatRole.USER, question),),
        sources=collection.sources(passages),
    )
    async for delta in reader.stream(request, CallContext(principal=who, tracer=Tracer(trace, clock))):
        answer.add(delta)
    quoted = [(passages[each.number - 1][0], each.quote) for each in answer.citations]
    outcome = "refused" if not quoted else "unsure" if answer.content.startswith(UNSURE) else "answered"
    return Quoted(sentences=quoted, outcome=outcome)


def quality(name: str, quoted: Sequence[Quoted], gold: Sequence[set[int]], queries: Sequence[Query]) -> Row:
    """Gives one row: how right the quoted sentences are."""
    flat = [i in right for each, right in zip(quoted, gold, strict=True) for i, _ in each.sentences]
    passages = [{i for i, _ in each.sentences} for each in quoted]
    worded = [
        any(answer.lower() in text.lower() for answer in query.answers for _, text in each.sentences)
        for each, query in zip(quoted, queries, strict=True)
        if {answer.lower() for answer in query.answers}.isdisjoint({"yes", "no"})
    ]
    return {
        "method": name,
        "sentences from gold %": 100 * mean(flat) if flat else 0.0,
        "first from gold %": 100
        * mean(bool(q.sentences) and q.sentences[0][0] in g for q, g in zip(quoted, gold, strict=True)),
        "one gold passage %": 100 * mean(bool(p & g) for p, g in zip(passages, gold, strict=True)),
        "both gold passages %": 100 * mean(g <= p for p, g in zip(passages, gold, strict=True)),
        "answer's words quoted %": 100 * mean(worded),
        "sentences": mean(len(each.sentences) for each in quoted),
        "refused %": 100 * mean(each.outcome == "refused" for each in quoted),
    }


def outcomes(name: str, quoted: Sequence[Quoted]) -> Row:
    """Gives one row: answered, offered as the closest, or refused."""
    return {
        "questions and sources": name,
        "questions": len(quoted),
        "answered %": 100 * mean(each.outcome == "answered" for each in quoted),
        "closest offered %": 100 * mean(each.outcome == "unsure" for each in quoted),
        "refused %": 100 * mean(each.outcome == "refused" for each in quoted),
    }


def ranked(
    scores: npt.NDArray[np.float64], count: int = TOP, allowed: Callable[[int], bool] = lambda _: True
) -> Passages:
    return [(i, float(scores[i])) for i in np.argsort(-scores).tolist() if allowed(i)][:count]


def first_sentences(collection: Collection, passages: Passages, count: int) -> Quoted:
    """Baseline: the first sentence of each of the top passages."""
    texts = [(i, collection.documents[i].text) for i, _ in passages[:count]]
    return Quoted(sentences=[(i, text[slice(*sentences(text)[0])]) for i, text in texts])


async def nearest_sentences(
    model: Remembering, collection: Collection, question: str, passages: Passages, count: int
) -> Quoted:
    """Baseline: the sentences nearest in meaning, whatever they are from."""
    found = [
        (i, collection.documents[i].text[start:end])
        for i, _ in passages
        for start, end in sentences(collection.documents[i].text)
    ]
    vectors = np.asarray((await model.embed([question, *(text for _, text in found)])).vectors)
    best = np.argsort(-(vectors[1:] @ vectors[0]))[:count]
    return Quoted(sentences=[found[i] for i in best])


@dataclass(frozen=True, kw_only=True, slots=True)
class Bench:
    """What is measured."""

    model: Remembering
    hotpot: Collection
    queries: list[Query]
    gold: list[set[int]]
    scores: list[npt.NDArray[np.float64]]

    @property
    def retrieved(self) -> list[Passages]:
        return [ranked(each) for each in self.scores]

    @property
    def oracle(self) -> list[Passages]:
        """The two that support the answer among the six that look most like it."""
        found = []
        for scores, gold in zip(self.scores, self.gold, strict=True):
            hard = ranked(scores, TOP - len(gold), lambda i, gold=gold: i not in gold)
            found.append(sorted([*hard, *((i, float(scores[i])) for i in gold)], key=lambda each: -each[1]))
        return found

    async def read(self, reader: Reader, passages: Sequence[Passages]) -> list[Quoted]:
        return [
            await ask(reader, self.hotpot, query.text, each) for query, each in zip(self.queries, passages, strict=True)
        ]

    async def selection(self, reader: Reader) -> list[Row]:
        retrieved, half = self.retrieved, len(self.queries) // 2
        by_reader = await self.read(reader, retrieved)
        lexical = replace(
            reader, weights=Weights(meaning=0.0, words=1.6), limits=replace(reader.limits, possible=-1.0, sure=-1.0)
        )
        pairs = list(zip(self.queries, retrieved, strict=True))
        row = lambda name, quoted: quality(name, quoted, self.gold, self.queries)  # noqa: E731
        return [
            row("reader", by_reader),
            quality("- questions 1-50 (searched on)", by_reader[:half], self.gold[:half], self.queries[:half]),
            quality("- questions 51-100", by_reader[half:], self.gold[half:], self.queries[half:]),
            row("reader, both gold among sources", await self.read(reader, self.oracle)),
            row("first sentence of top passage", [first_sentences(self.hotpot, p, 1) for _, p in pairs]),
            row("first sentences of top two", [first_sentences(self.hotpot, p, 2) for _, p in pairs]),
            row("nearest sentence", [await nearest_sentences(self.model, self.hotpot, q.text, p, 1) for q, p in pairs]),
            row(
                "two nearest sentences",
                [await nearest_sentences(self.model, self.hotpot, q.text, p, 2) for q, p in pairs],
            ),
            row("reader by words only", await self.read(lexical, retrieved)),
        ]

    async def silence(self, reader: Reader, folder: Path) -> list[Row]:
        half = len(self.queries) // 2
        last = max(i for gold in self.gold[:half] for i in gold)  # the passages lie in the order of the questions
        elsewhere = [
            ranked(scores, TOP, (lambda i: i > last) if n < half else (lambda i: i <= last))
            for n, scores in enumerate(self.scores)
        ]
        without = [
            ranked(scores, TOP, lambda i, gold=gold: i not in gold)
            for scores, gold in zip(self.scores, self.gold, strict=True)
        ]
        rows = [
            outcomes("hotpot100: its own passages", await self.read(reader, self.retrieved)),
            outcomes("hotpot100: passages of the other half", await self.read(reader, elsewhere)),
            outcomes("hotpot100: its own without the two gold", await self.read(reader, without)),
        ]
        if (folder / "cranfield").is_dir():
            cranfield, questions = await collection_of(folder / "cranfield", self.model)
            own, foreign = questions[:CRANFIELD_QUESTIONS], [*self.queries]
            for name, asked in (("cranfield: its own abstracts", own), ("hotpot100: cranfield abstracts", foreign)):
                vectors = (await self.model.embed([each.text for each in asked])).vectors
                found = [
                    await ask(reader, cranfield, each.text, ranked(cranfield.scores(each.text, vector)))
                    for each, vector in zip(asked, vectors, strict=True)
                ]
                rows.append(outcomes(name, found))
        return rows

    async def speed(self) -> list[Row]:
        """Times answers with nothing remembered."""
        embedder = Embedder()
        embedder.load()
        reader = Reader(embedder=embedder, count_tokens=embedder.count_tokens)
        times, work = [], []
        for query, passages in list(zip(self.queries, self.retrieved, strict=True))[:TIMED]:
            started, used = time.perf_counter(), time.process_time()
            await ask(reader, self.hotpot, query.text, passages)
            times.append(1000 * (time.perf_counter() - started))
            work.append(1000 * (time.process_time() - used))
        return [
            {"answers": len(times), "CPU ms, median": median(work), "median ms": median(times), "best ms": min(times)}
        ]


async def measured(folder: Path) -> None:
    model = Remembering(Embedder())
    reader = Reader(embedder=model, count_tokens=model.inner.count_tokens)
    hotpot, queries = await collection_of(folder / "hotpot100", model)
    vectors = (await model.embed([each.text for each in queries])).vectors
    bench = Bench(
        model=model,
        hotpot=hotpot,
        queries=queries,
        gold=gold_of(folder / "hotpot100", hotpot, queries),
        scores=[hotpot.scores(each.text, vector) for each, vector in zip(queries, vectors, strict=True)],
    )
    show("The reader: what it quotes", await bench.selection(reader))
    show("The reader: when it keeps quiet", await bench.silence(reader, folder))
    show("The reader: time of an answer, eight sources", await bench.speed())


def main() -> None:
    """Measures and prints."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    if folder is None or not (folder / "hotpot100").is_dir():
        print("Give the folder that holds the sets hotpot100 and cranfield as argument (docs/retrieval.md).")
        return
    anyio.run(measured, folder)


if __name__ == "__main__":
    main()
