"""How well each sentence fits the question: meaning, rare words in common, where it is from, and the kind of thing asked for."""

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from alcove.gateway.adapters.reader.passages import Passage
from alcove.gateway.adapters.reader.words import names, words
from alcove.kernel.sentences import sentences

Vectors = npt.NDArray[np.float32]

_SPACE = re.compile(r"\s+")
_MARK = re.compile(r"(?:(?:[-*+\u2022\u25e6\u25aa\u2013\u2023\u00b7>]|#{1,6}|\(?\d{1,3}[.)])\s+)+")
_YEAR_OR_DATE = re.compile(
    r"\b(?:1[0-9]{3}|20[0-9]{2})s?\b|\b\d{1,2}[./-]\d{1,2}[./-]\d{2,4}\b|\b\d{1,2}(?:st|nd|rd|th) century\b"
    r"|\b(?:January|February|March|April|May|June|July|August|September|October|November|December|"
    r"Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)\b"
)
_NUMBER = re.compile(
    r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|dozen|hundred|thousand|million|billion|once|twice)\b",
    re.IGNORECASE,
)
_PLACE = re.compile(r"\b(?:in|at|near|from|of|on|to|between|around|outside)\s+(?:the\s+)?[A-Z]")
_REASON = re.compile(
    r"\b(?:because|due to|since|so that|in order to|as a result|therefore|reason|caused?|leads? to|by)\b", re.IGNORECASE
)
_ASKS = (
    (
        re.compile(
            r"\b(?:when|what (?:year|date|day|month|decade|century)|which (?:year|date|day|month)|how (?:long ago|old))\b"
        ),
        _YEAR_OR_DATE,
    ),
    (
        re.compile(
            r"\b(?:how (?:many|much|long|far|large|big|tall|high|deep|often|fast)|what (?:number|percentage|population|amount|share))\b"
        ),
        _NUMBER,
    ),
    (
        re.compile(r"\b(?:where|(?:what|which) (?:\w+ )?(?:city|country|state|place|town|county|island|region))\b"),
        _PLACE,
    ),
    (re.compile(r"\b(?:why|how come)\b"), _REASON),
)
_ASKS_FOR_NAME = re.compile(r"\b(?:who|whom|whose)\b")


@dataclass(frozen=True, kw_only=True, slots=True)
class Weights:
    """What each sign counts for; measured in `benchmarks/reader.py` (docs/retrieval.md).

    Attributes:
        meaning: Cosine of question and sentence, the sentence read under its document's title.
        words: Share of the question's words in the sentence or its document's title, rare ones counting more.
        source: The passage's own score, relative to the best passage.
        cue: The sentence has the kind of thing asked for: a date, a number, a place, a name, a reason.
        fragment: Taken off for questions, headings and fragments.
    """

    meaning: float = 1.0
    words: float = 0.6
    source: float = 0.3
    cue: float = 0.1
    fragment: float = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """A sentence that may be quoted.

    Attributes:
        passage: Index of its passage.
        start: Offset in the passage.
        end: Offset just past its end.
        text: The words, on one line.
        words: Its words, comparable.
        title_words: Those of its document's title.
        names: Its capitalised words, comparable.
        is_fragment: Whether it is a question, a heading or a scrap.
    """

    passage: int
    start: int
    end: int
    text: str
    words: frozenset[str]
    title_words: frozenset[str]
    names: frozenset[str]
    is_fragment: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is looked for.

    Attributes:
        words: Its words and what each counts; those of the question before it too, where it refers back.
        names: Its capitalised words.
        cue: What an answer to it contains; None when anything goes.
        asks_for_name: Whether it asks who.
    """

    words: dict[str, float]
    names: frozenset[str]
    cue: re.Pattern[str] | None
    asks_for_name: bool

    def share(self, found: frozenset[str]) -> float:
        """Gives how much of the question's words is among those found, 0 to 1."""
        total = sum(self.words.values())
        return sum(weight for word, weight in self.words.items() if word in found) / total if total else 0.0


def all_sentences(passages: Sequence[Passage], limit: int) -> list[Sentence]:
    """Gives the sentences of the passages, each only once, in order, `limit` at most."""
    found: list[Sentence] = []
    seen: set[str] = set()
    for index, passage in enumerate(passages):
        title_words = frozenset(words(passage.title))
        for span_start, end in sentences(passage.text):
            start = _after_mark(passage.text, span_start, end)
            text = _SPACE.sub(" ", passage.text[start:end])
            if text in seen or not any(map(str.isalnum, text)):
                continue
            seen.add(text)
            sentence_words = frozenset(words(text))
            found.append(
                Sentence(
                    passage=index,
                    start=start,
                    end=end,
                    text=text,
                    words=sentence_words,
                    title_words=title_words,
                    names=names(text),
                    is_fragment=_is_fragment(text, sentence_words),
                )
            )
            if len(found) >= limit:
                return found
    return found


def _after_mark(text: str, start: int, end: int) -> int:
    """Gives where the words begin: after the mark of a list, a heading or a quotation."""
    mark = _MARK.match(text, start, end)
    return mark.end() if mark is not None and mark.end() < end else start


def question_of(text: str, earlier: str, candidates: Sequence[Sentence]) -> Question:
    """Weighs the question's words by how rare they are in the sentences; words of the question before count half."""
    counts = Counter(word for each in candidates for word in each.words | each.title_words)
    total = len(candidates)

    def rarity(word: str) -> float:
        return math.log(1 + (total - counts[word] + 0.5) / (counts[word] + 0.5)) if total else 1.0

    weighed = {word: 0.5 * rarity(word) for word in words(earlier)}
    weighed |= {word: rarity(word) for word in words(text)}
    lowered = text.lower()
    cue = next((pattern for asks, pattern in _ASKS if asks.search(lowered)), None)
    return Question(
        words=weighed,
        names=names(text) | names(earlier),
        cue=cue,
        asks_for_name=cue is None and _ASKS_FOR_NAME.search(lowered) is not None,
    )


def by_words(
    question: Question, candidates: Sequence[Sentence], passages: Sequence[Passage], weights: Weights
) -> npt.NDArray[np.float64]:
    """Scores sentences by everything but their meaning; cheap, so that only the best need to be embedded."""
    best = max((passage.score for passage in passages), default=0.0)
    return np.array(
        [
            weights.words * question.share(each.words | each.title_words)
            + (weights.source * max(0.0, passages[each.passage].score) / best if best > 0 else 0.0)
            + weights.cue * _has_cue(question, each)
            - weights.fragment * each.is_fragment
            for each in candidates
        ],
        dtype=np.float64,
    )


def embedding_text(sentence: Sentence, passages: Sequence[Passage]) -> str:
    """Gives the sentence under its document's title, the way it is embedded."""
    title = passages[sentence.passage].title
    return f"{title}: {sentence.text}" if title else sentence.text


def _has_cue(question: Question, sentence: Sentence) -> bool:
    if question.cue is not None:
        return question.cue.search(sentence.text) is not None
    return question.asks_for_name and bool(sentence.names - question.names)


def _is_fragment(text: str, sentence_words: frozenset[str]) -> bool:
    return text.rstrip("\"'\u201d\u2019)").endswith("?") or len(sentence_words) < 3  # noqa: PLR2004  a heading or a scrap
