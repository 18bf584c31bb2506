"""The packaged embedding model: all-MiniLM-L6-v2 in 8 bits on onnxruntime, without torch and without a network.

The file is made by `scripts/make_minilm.py`; `digest.json` beside it says from what. Texts are cut at 256 tokens, the length the
model was trained for. The files are opened at the first call (0.2 s, about 45 MB), so that a server that embeds nothing stays small.

Each text is computed alone, by one thread, and several texts side by side. The 8-bit model scales what flows through it by the
largest number in the batch, so in a batch a text's vector would depend on its neighbours (cosine 0.99 to itself, measured); alone,
the same text always gives the same vector, nothing is padded, memory stays low, and chunks cost no more than in batches. One thread
a text leaves no threads waiting for one another, neither sleeping (slow) nor spinning (a burnt core). Figures: docs/retrieval.md.
"""

import contextlib
import hashlib
import os
import re
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import numpy as np
import numpy.typing as npt

from alcove.kernel.chat import Usage
from alcove.kernel.errors import ContextOverflow, Overloaded, Unavailable
from alcove.kernel.ports import EmbeddingContext, Embeddings, ModelInfo

if TYPE_CHECKING:  # 22 MB, loaded with the model's files
    from onnxruntime import InferenceSession
    from tokenizers import Encoding, Tokenizer

MODEL_FOLDER = Path(__file__).parent / "minilm"
DIMENSIONS = 384
MAX_TOKENS = 256
# Calls of `embed` up to this size go ahead of documents: a question, or the sentences that the reader weighs for one.
QUESTION_TOKENS = 8_192
# One turn of a worker: a thread keeps its place for so many tokens (25 ms), then the next caller has its turn.
_TURN_TOKENS = 256
_WINDOW = 256  # texts tokenised at a time
_MARKS = 2  # tokens around every text
_MOST_AT_ONCE = 4  # more texts side by side do not share a laptop well
_MOST_CALLS = 256  # of `embed`, waiting or computed; one more is refused, since it would wait for a minute or more
_CACHED_TEXTS = 2_048
_CACHED_CHARACTERS = 2_000
# English has four to five characters a token; this many hold 256 tokens of anything that reads like text.
_READ_CHARACTERS = 4_096
_SQUEEZED_CHARACTERS = 65_536
_COUNTED_CHARACTERS = 16_384
_WORD = re.compile(r"\w+")

Vectors = npt.NDArray[np.float32]
"""n x d float32, rows of unit length."""

Tokens = Sequence[int]
"""One text as the model reads it, its start and end marks included."""


@dataclass(frozen=True, slots=True)
class _Known:
    """A text that was embedded: its vector, and how many tokens were read for it."""

    vector: Vectors
    tokens: int


class Embedder:
    """Turns texts into vectors of 384 numbers; an `EmbeddingModel`. Safe to use from many tasks at once.

    Questions and documents wait in different queues: while documents are being embedded, a question shares the processor with
    them instead of waiting for them. A cancelled call ends after the texts it has under way, some 25 ms.
    """

    max_tokens = MAX_TOKENS
    precision = "int8"

    def __init__(
        self,
        folder: Path = MODEL_FOLDER,
        *,
        threads: int = 1,
        at_once: int | None = None,
        cached_texts: int = _CACHED_TEXTS,
        max_calls: int = _MOST_CALLS,
    ) -> None:
        """Names the files; nothing is opened yet.

        Args:
            folder: Where `model.onnx` and `tokenizer.json` lie.
            threads: Threads for one text; more than one is slower unless there is nothing else to do.
            at_once: Texts computed at a time for questions, and again for documents; default one for each core, at most four.
            cached_texts: Texts whose vectors `embed` remembers, of up to 2,000 characters each; 1.5 kB and the text.
            max_calls: Calls of `embed` that wait or are computed, at a time; more are refused.
        """
        self._folder = folder
        self._threads = threads
        self._at_once = at_once if at_once is not None else min(os.cpu_count() or 1, _MOST_AT_ONCE)
        self._questions = anyio.CapacityLimiter(self._at_once)
        self._documents = anyio.CapacityLimiter(self._at_once)
        self._opening = threading.Lock()
        self._session: InferenceSession | None = None
        self._tokenizer: Tokenizer | None = None
        self._cached_texts = cached_texts
        self._max_calls = max_calls
        self._calls = 0
        self._cache: OrderedDict[str, _Known] = OrderedDict()

    @property
    def info(self) -> ModelInfo:
        """Gives what is known of the model."""
        return ModelInfo(
            id="alcove/minilm",
            kind="embedding",
            name="MiniLM",
            description="Packaged embedding model (all-MiniLM-L6-v2, 384 dimensions), for search by meaning.",
            is_generative=False,
        )

    @property
    def dimensions(self) -> int:
        """Gives the length of the vectors."""
        return DIMENSIONS

    async def embed(self, texts: Sequence[str], *, context: EmbeddingContext | None = None) -> Embeddings:
        """Gives a vector for each text; those asked for lately come from memory.

        `usage` counts the tokens read, marks included, of each text as often as it was given.

        Raises:
            ContextOverflow: When a text is too long, and the client does not want it cut.
            Overloaded: When too many calls wait already.
            Unavailable: When the model's files cannot be opened.
        """
        if context is not None and context.extra.get("truncate") is False:
            with self._call():
                await anyio.to_thread.run_sync(self._refuse_long, texts)
        # What is remembered is taken out before anything is awaited: another call may push it out of the cache meanwhile.
        known = {text: found for text in texts if (found := self._recall(text)) is not None}
        missing = list(dict.fromkeys(text for text in texts if text not in known))
        if missing:
            with self._call():
                tokens = await anyio.to_thread.run_sync(self._read, missing)
                is_question = sum(map(len, tokens)) <= QUESTION_TOKENS
                vectors = await self._vectors(tokens, self._questions if is_question else self._documents)
            for text, row, ids in zip(missing, vectors, tokens, strict=True):
                known[text] = _Known(row.copy(), len(ids))
                self._remember(text, known[text])
        return Embeddings(
            vectors=[known[text].vector.tolist() for text in texts],
            usage=Usage(input_tokens=sum(known[text].tokens for text in texts)),
        )

    def _refuse_long(self, texts: Sequence[str]) -> None:
        for index, text in enumerate(texts):
            tokens = self.count_tokens(text) + _MARKS
            if tokens > MAX_TOKENS:
                detail = f"The text of number {index} has {tokens:,} tokens; {self.info.id} reads {MAX_TOKENS}."
                raise ContextOverflow(detail, status=400)

    async def embed_array(self, texts: Sequence[str]) -> Vectors:
        """Gives the vectors of many texts, n x 384 float32, rows of unit length. Nothing is cached; questions go ahead.

        Raises:
            Unavailable: When the model's files cannot be opened.
        """
        result = np.empty((len(texts), DIMENSIONS), dtype=np.float32)
        for start in range(0, len(texts), _WINDOW):
            window = list(texts[start : start + _WINDOW])
            tokens = await anyio.to_thread.run_sync(self._read, window)
            result[start : start + _WINDOW] = await self._vectors(tokens, self._documents)
        return result

    def count_tokens(self, text: str) -> int:
        """Gives the length of a text in the model's tokens, uncut, its start and end marks not counted.

        Long texts are counted in pieces between words, so that memory stays small; a single word of more than 16,000
        characters may be off by a token for each piece.
        """
        return sum(len(each) for piece in _pieces(text) for each in self._encode([piece], with_marks=False))

    def load(self) -> None:
        """Opens the model now; blocks for some 0.2 s.

        Raises:
            Unavailable: When the model's files cannot be opened.
        """
        self._tokens()
        self._runtime()

    @contextlib.contextmanager
    def _call(self) -> Iterator[None]:
        if self._calls >= self._max_calls:
            detail = "As many texts wait to be embedded as can; try again shortly."
            raise Overloaded(detail, retry_after_s=2)
        self._calls += 1
        try:
            yield
        finally:
            self._calls -= 1

    def _recall(self, text: str) -> _Known | None:
        found = self._cache.get(text)
        if found is not None:
            self._cache.move_to_end(text)
        return found

    def _remember(self, text: str, known: _Known) -> None:
        if len(text) > _CACHED_CHARACTERS:
            return
        self._cache[text] = known
        while len(self._cache) > self._cached_texts:
            self._cache.popitem(last=False)

    async def _vectors(self, texts: Sequence[Tokens], queue: anyio.CapacityLimiter) -> Vectors:
        result = np.empty((len(texts), DIMENSIONS), dtype=np.float32)
        turns = list(_turns(texts))
        open_turns = iter(turns)  # shared: the next turn goes to whichever worker is free

        async def work() -> None:
            for turn in open_turns:
                result[turn] = await anyio.to_thread.run_sync(self._compute, texts[turn], limiter=queue)

        try:
            async with anyio.create_task_group() as group:
                for _ in range(min(self._at_once, len(turns))):
                    group.start_soon(work)
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None  # callers know this error, not that there were several workers
        return result

    def _read(self, texts: list[str]) -> list[Tokens]:
        """Gives the texts as the model reads them, each cut at 256 tokens."""
        self._runtime()  # a missing file is an error here, before the work is shared out
        read: list[Tokens] = []
        for each in self._encode([_readable(text) for text in texts], with_marks=True):
            ids = each.ids
            read.append(ids if len(ids) <= MAX_TOKENS else [*ids[: MAX_TOKENS - 1], ids[-1]])
        return read

    def _encode(self, texts: list[str], *, with_marks: bool) -> "list[Encoding]":
        # Unlike `encode`, this lets other threads run; `encode` would hold up the whole server for a long text.
        try:
            return self._tokens().encode_batch_fast(texts, add_special_tokens=with_marks)
        except TypeError:  # half a surrogate pair, as some models stream them
            whole = [text.encode("utf-8", "replace").decode() for text in texts]
            return self._tokens().encode_batch_fast(whole, add_special_tokens=with_marks)

    def _compute(self, texts: Sequence[Tokens]) -> Vectors:
        session = self._runtime()
        result = np.empty((len(texts), DIMENSIONS), dtype=np.float32)
        for row, tokens in enumerate(texts):
            ids = np.asarray([tokens], dtype=np.int64)
            # The graph ends with the mean over tokens and unit length.
            result[row] = session.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids)})[0][0]
        return result

    def _tokens(self) -> "Tokenizer":
        if self._tokenizer is None:
            with self._opening:
                if self._tokenizer is None:
                    try:
                        library = import_module("tokenizers")
                        tokenizer: Tokenizer = library.Tokenizer.from_file(str(self._folder / "tokenizer.json"))
                    except Exception as error:  # the library raises nothing more precise
                        raise self._missing(error) from error
                    tokenizer.no_truncation()
                    tokenizer.no_padding()
                    self._tokenizer = tokenizer
        return self._tokenizer

    def _runtime(self) -> "InferenceSession":
        if self._session is None:
            with self._opening:
                if self._session is None:
                    onnxruntime = import_module("onnxruntime")
                    options = onnxruntime.SessionOptions()
                    options.intra_op_num_threads = self._threads
                    options.inter_op_num_threads = 1
                    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
                    try:
                        self._session = onnxruntime.InferenceSession(
                            str(self._folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
                        )
                    except Exception as error:  # the library's own errors have no public base
                        raise self._missing(error) from error
        return self._session

    def _missing(self, error: Exception) -> Unavailable:
        return Unavailable(
            f"The embedding model in {str(self._folder)!r} cannot be opened ({error}). Install Alcove again."
        )


def _turns(texts: Sequence[Tokens]) -> Iterator[slice]:
    """Gives runs of neighbouring texts of up to 256 tokens together, at least one text each."""
    start, tokens = 0, 0
    for index, text in enumerate(texts):
        if index > start and tokens + len(text) > _TURN_TOKENS:
            yield slice(start, index)
            start, tokens = index, 0
        tokens += len(text)
    if texts:
        yield slice(start, len(texts))


def _readable(text: str) -> str:
    """Gives as much of a text's beginning as the model may read: more would be tokenised only to be thrown away."""
    if len(text) <= _READ_CHARACTERS:
        return text
    return " ".join(text[:_SQUEEZED_CHARACTERS].split())[:_READ_CHARACTERS]


def _pieces(text: str) -> Iterator[str]:
    """Parts a text between words into pieces that are quickly tokenised."""
    start = 0
    while len(text) - start > _COUNTED_CHARACTERS:
        end = start + _COUNTED_CHARACTERS
        while end > start and not text[end].isspace():
            end -= 1
        end = end if end > start else start + _COUNTED_CHARACTERS
        yield text[start:end]
        start = end
    yield text[start:]


class FakeEmbedder:
    """Embeds by hashing words into 384 buckets: texts that share words are near. For tests; no model file is read."""

    max_tokens = MAX_TOKENS
    precision = "fake"

    @property
    def info(self) -> ModelInfo:
        """Gives what is known of the model."""
        return ModelInfo(id="alcove/fake-embedder", kind="embedding", name="Fake embedder", is_generative=False)

    @property
    def dimensions(self) -> int:
        """Gives the length of the vectors."""
        return DIMENSIONS

    async def embed(self, texts: Sequence[str], *, context: EmbeddingContext | None = None) -> Embeddings:  # noqa: ARG002  the port's signature
        """Gives a vector for each text."""
        vectors = [vector.tolist() for vector in await self.embed_array(texts)]
        return Embeddings(vectors=vectors, usage=Usage(input_tokens=sum(map(self.count_tokens, texts))))

    async def embed_array(self, texts: Sequence[str]) -> Vectors:
        """Gives the vectors of many texts, n x 384 float32, rows of unit length."""
        result = np.full((len(texts), DIMENSIONS), 1e-3, dtype=np.float32)
        for row, text in enumerate(texts):
            for word in _WORD.findall(text.lower()):
                bucket = int.from_bytes(hashlib.sha256(word.encode()).digest()[:4], "big") % DIMENSIONS
                result[row, bucket] += 1
        return np.asarray(result / np.linalg.norm(result, axis=1, keepdims=True), dtype=np.float32)

    def count_tokens(self, text: str) -> int:
        """Gives the number of words."""
        return len(_WORD.findall(text))
