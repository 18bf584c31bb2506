"""`alcove/reader`, the built-in model: it answers by quoting the sentences that answer, each with its citation.

A fresh machine has no model file, yet its documents can be read. The reader scores every sentence put before it (meaning by
the packaged embedding model, rare words in common, the kind of thing asked for), chooses one to four that complement each
other, and quotes them to the letter. Where nothing fits it says so. It writes nothing of its own but the fixed words in
`phrases.py`, and takes no orders from what it reads. How well it does is measured in `docs/retrieval.md`.
"""

import re
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from anyio import to_thread

from alcove.gateway.adapters.reader import phrases
from alcove.gateway.adapters.reader.passages import Passage, Reading, reading
from alcove.gateway.adapters.reader.scoring import (
    Question,
    Sentence,
    Vectors,
    Weights,
    all_sentences,
    by_words,
    embedding_text,
    question_of,
)
from alcove.gateway.adapters.reader.selection import Choice, Scores, central, choose
from alcove.kernel.chat import ChatRequest, ChatRole, Citation, Delta, JsonValue, Usage
from alcove.kernel.ports import CallContext, EmbeddingModel, ModelInfo
from alcove.kernel.questions import refers_back
from alcove.kernel.trace import ObservationKind, Tracer

READER = ModelInfo(
    id="alcove/reader",
    name="Reader",
    description="Answers from your documents by quoting the sentences that answer. Built in; writes no text of its own.",
    is_generative=False,
    reads_sources=True,
)

_PIECES = re.compile(r"\s*\S+")
_FOOTNOTE = re.compile(r"\s?\[(?:\d{1,3}(?:\s*,\s*\d{1,3})*|citation needed|note \d+)\]")
_CHARACTERS_PER_READING = 200_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Bounds of the reader's work.

    Attributes:
        sentences: Sentences looked at for words in common.
        embedded: Sentences compared by meaning: the best by words and, of a summary, an even spread.
        sure: Confidence from which the sentences are given as the answer.
        possible: Confidence from which they are given as what comes closest; below it the sources do not answer.
    """

    sentences: int = 2000
    embedded: int = 32
    sure: float = 0.44
    possible: float = 0.28


def _has_none() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class _Found:
    """Sentences in the order they are said, and how sure it is that they answer."""

    sentences: Sequence[Sentence]
    confidence: float


@dataclass(frozen=True, slots=True)
class _Segment:
    """A piece of the answer with the citation that it completes."""

    text: str
    citation: Citation | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Reader:
    """The built-in extractive model.

    Attributes:
        embedder: Gives vectors for the question and the sentences.
        count_tokens: Counts tokens of a text, for usage and `max_tokens`.
        has_generative_model: Tells whether one could be chosen instead; if so, there is no need to say how to get one.
        weights: What each sign of a fitting sentence counts for.
        choice: How sentences are chosen.
        limits: Bounds of the work.
    """

    embedder: EmbeddingModel
    count_tokens: Callable[[str], int]
    has_generative_model: Callable[[], bool] = _has_none
    weights: Weights = field(default_factory=Weights)
    choice: Choice = field(default_factory=Choice)
    limits: Limits = field(default_factory=Limits)

    @property
    def info(self) -> ModelInfo:
        """Gives what is known of the model."""
        return READER

    async def stream(self, request: ChatRequest, context: CallContext) -> AsyncGenerator[Delta, None]:
        """Answers from the request's sources, tool results or pasted text, word by word.

        Raises:
            AlcoveError: When the embedding model cannot answer.
        """
        what = await to_thread.run_sync(reading, request)
        segments = await self._answer(what, context.tracer, with_notice=self._owes_notice(request))
        said: list[str] = []
        finish_reason = "stop"
        budget = _Budget(request.extra, self.count_tokens)
        for segment in segments:
            text, reason = budget.admit(segment.text)
            for piece in _pieces(text):
                said.append(piece)
                yield Delta(content=piece)
            if reason is not None:
                finish_reason = reason
                break
            if segment.citation is not None:
                yield Delta(citations=(segment.citation,))
        usage = await to_thread.run_sync(self._usage, request, "".join(said))
        yield Delta(finish_reason=finish_reason, usage=usage)

    async def _answer(self, what: Reading, tracer: Tracer, *, with_notice: bool) -> list[_Segment]:
        if phrases.is_small_talk(what.question):
            return [_Segment(phrases.SELF_DESCRIPTION)]
        if phrases.is_courtesy(what.question):
            return [_Segment(phrases.COURTESY)]
        if not any(passage.text.strip() for passage in what.passages):
            return [_Segment(phrases.NOTHING_TO_READ if what.question else phrases.SELF_DESCRIPTION)]
        if not what.question and any(passage.is_source for passage in what.passages):
            return [_Segment(phrases.NO_QUESTION)]
        with tracer.observe(ObservationKind.SPAN, "choose sentences") as observation:
            observation.input = what.question
            found = await self._find(what)
            observation.output = [each.text for each in found.sentences]
            observation.metadata["confidence"] = round(found.confidence, 3)
        if found.confidence < self.limits.possible:
            return [_Segment(phrases.refusal(_closest(found, what.passages), with_hint=with_notice))]
        segments = _composed(found.sentences, what.passages)
        if found.confidence < self.limits.sure:
            segments.insert(0, _Segment(f"{phrases.UNSURE}\n\n"))
        if with_notice:
            segments.append(_Segment(f"\n\n{phrases.NOTICE}"))
        return segments

    async def _find(self, what: Reading) -> _Found:
        """Finds the sentences that answer best, or those that sum up best."""
        is_summary = not what.question or phrases.asks_for_summary(what.question)
        is_follow_up = refers_back(what.question) and not phrases.is_small_talk(what.earlier)
        earlier = what.earlier if is_follow_up else ""
        question, candidates, scores = await to_thread.run_sync(self._candidates, what, earlier, is_summary)
        if not candidates:
            return _Found((), 0.0)
        asked = [what.question, *([f"{earlier} {what.question}"] if earlier else [])]
        embedded = await self.embedder.embed([*asked, *(embedding_text(each, what.passages) for each in candidates)])
        rows: Vectors = np.asarray(embedded.vectors, dtype=np.float32)
        vectors = rows[len(asked) :]
        if is_summary:
            return _Found([candidates[i] for i in sorted(central(candidates, vectors, self.choice))], 1.0)
        meaning = (vectors @ rows[: len(asked)].mean(axis=0)).astype(np.float64)
        picked = choose(question, candidates, vectors, scores + self.weights.meaning * meaning, self.choice)
        chosen = [candidates[i] for i in picked]
        confidence = _confidence(question, chosen, float(meaning[picked].max()))
        return _Found(_in_order(chosen) if confidence >= self.limits.sure else chosen[:1], confidence)

    def _candidates(self, what: Reading, earlier: str, is_summary: bool) -> tuple[Question, list[Sentence], Scores]:  # noqa: FBT001  called by position in a thread
        """Gives the sentences worth embedding, and what they score without it."""
        found = all_sentences(what.passages, self.limits.sentences)
        question = question_of(what.question, earlier, found)
        scores = by_words(question, found, what.passages, self.weights)
        if len(found) > self.limits.embedded:
            if is_summary:
                kept = np.unique(np.linspace(0, len(found) - 1, self.limits.embedded).astype(int))
            else:
                kept = np.sort(np.argsort(-scores, kind="stable")[: self.limits.embedded])
            found, scores = [found[i] for i in kept], scores[kept]
        return question, found, scores

    def _owes_notice(self, request: ChatRequest) -> bool:
        """Tells whether this conversation has yet to hear that nothing here writes text."""
        was_told = any(m.role is ChatRole.ASSISTANT and phrases.NOTICE_MARK in m.text for m in request.messages)
        return not was_told and not self.has_generative_model()

    def _usage(self, request: ChatRequest, answer: str) -> Usage:
        texts = [*(message.text for message in request.messages), *(source.text for source in request.sources)]
        return Usage(
            input_tokens=sum(self.count_tokens(text[:_CHARACTERS_PER_READING]) for text in texts if text),
            output_tokens=self.count_tokens(answer) if answer else 0,
        )


class _Budget:
    """Cuts the answer at `max_tokens` and at `stop`."""

    def __init__(self, extra: Mapping[str, JsonValue], count_tokens: Callable[[str], int]) -> None:
        limit = extra.get("max_completion_tokens", extra.get("max_tokens"))
        self._limit = limit if isinstance(limit, int) and not isinstance(limit, bool) and limit > 0 else None
        stop = extra.get("stop")
        listed = [stop] if isinstance(stop, str) else stop if isinstance(stop, list) else []
        self._stops = [each for each in listed if isinstance(each, str) and each]
        self._count_tokens = count_tokens
        self._said = ""

    def admit(self, text: str) -> tuple[str, str | None]:
        """Gives what of the next piece may be said, and why it ends there, if it does."""
        whole = self._said + text
        ends = [found for stop in self._stops if (found := whole.find(stop)) >= 0]
        reason: str | None = None
        if ends:
            whole, reason = whole[: max(min(ends), len(self._said))], "stop"
        if self._limit is not None and self._count_tokens(whole) > self._limit:
            whole, reason = self._cut(whole, self._limit), "length"
        admitted = whole[len(self._said) :]
        self._said = whole
        return admitted, reason

    def _cut(self, whole: str, limit: int) -> str:
        """Gives the longest run of whole words within the limit that keeps what was said before."""
        ends = [match.end() for match in _PIECES.finditer(whole) if match.end() > len(self._said)]
        low, high = 0, len(ends)
        while low < high:
            middle = (low + high + 1) // 2
            if self._count_tokens(whole[: ends[middle - 1]]) <= limit:
                low = middle
            else:
                high = middle - 1
        return whole[: ends[low - 1]] if low else self._said


def _pieces(text: str) -> list[str]:
    """Parts a text into words, each with the space before it; the space at the end goes with the last."""
    found = _PIECES.findall(text)
    rest = text[sum(map(len, found)) :]
    if rest and found:
        found[-1] += rest
    return found or ([text] if text else [])


def _confidence(question: Question, chosen: Sequence[Sentence], meaning: float) -> float:
    """Tells how likely sentences answer at all, 0 to 1: their nearness in meaning, and how many of the question's words they hold."""
    held = frozenset[str]().union(*(each.words | each.title_words for each in chosen))
    return 0.7 * meaning + 0.3 * question.share(held)


def _closest(found: _Found, passages: Sequence[Passage]) -> str:
    """Names the passage that fits best: its document and its number."""
    if found.sentences:
        best = passages[found.sentences[0].passage]
    else:
        best = max((each for each in passages if each.text.strip()), key=lambda each: each.score)
    number = f" [{best.number}]" if best.number is not None else ""
    return f"“{_shown(best.name)}”{number}" if best.name else number.strip()


def _in_order(quoted: Sequence[Sentence]) -> list[Sentence]:
    """Puts sentences of one passage together, in its order; passages in the order of their best sentence."""
    order = list(dict.fromkeys(each.passage for each in quoted))
    return sorted(quoted, key=lambda each: (order.index(each.passage), each.start))


def _composed(quoted: Sequence[Sentence], passages: Sequence[Passage]) -> list[_Segment]:
    """Writes the answer: each sentence with its number, what follows directly on the same line."""
    segments: list[_Segment] = []
    before: Sentence | None = None
    for each in quoted:
        passage = passages[each.passage]
        quote = passage.text[each.start : each.end]
        is_next = before is not None and before.passage == each.passage and each.start - before.end <= 2  # noqa: PLR2004
        gap = "" if before is None else " " if is_next else "\n\n"
        shown = _shown(each.text)
        text = f"{shown} [{passage.number}]" if passage.number is not None else f"“{shown}”"
        citation = None
        if passage.is_source and passage.number is not None:
            start = None if passage.start is None else passage.start + each.start
            end = None if passage.start is None else passage.start + each.end
            citation = Citation(number=passage.number, quote=quote, start=start, end=end)
        segments.append(_Segment(gap + text, citation))
        before = each
    return segments


def _shown(text: str) -> str:
    """Gives quoted words without what a page would act on: footnote marks that look like our citations, images, links."""
    return _FOOTNOTE.sub("", text).replace("![", "[").replace("](", "] (")
