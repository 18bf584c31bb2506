"""Choosing the sentences of an answer: the best, then those that carry it further, and never the same thing twice."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from alcove.gateway.adapters.reader.scoring import Question, Sentence, Vectors

Scores = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """How sentences are chosen; measured in `benchmarks/reader.py` (docs/retrieval.md).

    Attributes:
        max_sentences: Never more than this.
        bridge: What it counts that a sentence's document is named in a chosen sentence (the next hop of the question).
        names: What it counts that a sentence takes up the names a chosen one brought in.
        gain: What it counts that a sentence brings words of the question which no chosen one has.
        redundancy: Taken off for likeness to a chosen sentence.
        keep: Share of the first sentence's score that a second one must reach.
        keep_step: How much more each sentence after the second must reach.
    """

    max_sentences: int = 4
    bridge: float = 0.4
    names: float = 0.2
    gain: float = 1.0
    redundancy: float = 0.3
    keep: float = 0.75
    keep_step: float = 0.15


def choose(
    question: Question, candidates: Sequence[Sentence], vectors: Vectors, scores: Scores, choice: Choice
) -> list[int]:
    """Gives the indexes of the chosen sentences, the best first; empty for no candidates.

    Args:
        question: What is asked.
        candidates: The sentences.
        vectors: Their embeddings, n x d, rows unit length.
        scores: How well each fits the question.
        choice: How to choose.
    """
    if not candidates:
        return []
    likeness = vectors @ vectors.T
    picked = [int(np.argmax(scores))]
    while len(picked) < min(choice.max_sentences, len(candidates)):
        values = _values(question, candidates, likeness, scores, picked, choice)
        best = int(np.argmax(values))
        required = choice.keep + choice.keep_step * (len(picked) - 1)
        if values[best] < required * scores[picked[0]]:
            break
        picked.append(best)
    return picked


def _values(
    question: Question,
    candidates: Sequence[Sentence],
    likeness: Vectors,
    scores: Scores,
    picked: Sequence[int],
    choice: Choice,
) -> Scores:
    covered = frozenset[str]().union(*(candidates[i].words | candidates[i].title_words for i in picked))
    read = {candidates[i].passage for i in picked}
    before = question.share(covered)
    values = np.full(len(candidates), -np.inf)
    for i, each in enumerate(candidates):
        if i in picked:
            continue
        gain = question.share(covered | each.words | each.title_words) - before
        led = max(_bridge(question, candidates[j], each, choice) for j in picked) if each.passage not in read else 0.0
        redundancy = max(0.0, float(likeness[i, picked].max()))
        values[i] = scores[i] + choice.gain * gain + led - choice.redundancy * redundancy
    return values


def _bridge(question: Question, chosen: Sentence, other: Sentence, choice: Choice) -> float:
    """Tells how far a chosen sentence leads to another document's: it names that document, or both name what is not yet asked."""
    if other.title_words == chosen.title_words and other.title_words:
        return 0.0
    named = len(other.title_words & chosen.words) / len(other.title_words) if other.title_words else 0.0
    brought = (chosen.names | chosen.title_words) - question.words.keys()
    taken_up = len(brought & (other.names | other.title_words)) / len(brought) if brought else 0.0
    return choice.bridge * named + choice.names * taken_up


def central(candidates: Sequence[Sentence], vectors: Vectors, choice: Choice) -> list[int]:
    """Gives the indexes of the sentences nearest to the middle of all, unlike each other; for summaries."""
    if not candidates:
        return []
    middle = vectors.mean(axis=0)
    closeness = (vectors @ (middle / (np.linalg.norm(middle) or 1.0))).astype(np.float64)
    closeness -= np.array([1.0 if each.is_fragment else 0.0 for each in candidates])
    likeness = vectors @ vectors.T
    picked: list[int] = []
    while len(picked) < min(choice.max_sentences, len(candidates)):
        values = closeness.copy()
        if picked:
            values -= choice.redundancy * np.maximum(0.0, likeness[:, picked].max(axis=1))
            values[picked] = -np.inf
        picked.append(int(np.argmax(values)))
    return picked
