"""The packaged embedding model: all-MiniLM-L6-v2 in 8 bits on onnxruntime, without torch and without a network.

The file is made by `scripts/make_minilm.py`; `digest.json` beside it says from what. Texts are cut at 256 tokens, the length the
model was trained for. The session is opened at the first call (0.2 s, about 80 MB), so that a server that embeds nothing stays small.
"""

import hashlib
import re
import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import anyio
import anyio.to_thread
import numpy as np
import numpy.typing as npt
import onnxruntime
from tokenizers import Tokenizer

from alcove.kernel.chat import Usage
from alcove.kernel.ports import Embeddings, ModelInfo

MODEL_FOLDER = Path(__file__).parent / "minilm"
DIMENSIONS = 384
MAX_TOKENS = 256
_BATCH = 32
_CACHED = 2_048
_WORD = re.compile(r"\w+")

Vectors = npt.NDArray[np.float32]
"""n x d float32, rows of unit length."""


class Embedder:
    """Turns texts into vectors of 384 numbers; an `EmbeddingModel`. Safe to use from many tasks at once."""

    max_tokens = MAX_TOKENS
    precision = "int8"

    def __init__(self, folder: Path = MODEL_FOLDER, *, threads: int = 2, at_once: int = 1) -> None:
        """Names the files; nothing is opened yet.

        Args:
            folder: Where `model.onnx` and `tokenizer.json` lie.
            threads: Threads for one batch.
            at_once: Batches computed at a time; more wait.
        """
        self._folder = folder
        self._threads = threads
        self._limiter = anyio.CapacityLimiter(at_once)
        self._opening = threading.Lock()
        self._session: onnxruntime.InferenceSession | None = None
        self._tokenizer: Tokenizer | None = None
        self._cache: OrderedDict[str, Vectors] = OrderedDict()

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

    async def embed(self, texts: Sequence[str]) -> Embeddings:
        """Gives a vector for each text; those asked for lately come from memory."""
        missing = list(dict.fromkeys(text for text in texts if text not in self._cache))
        found = dict(zip(missing, await self.embed_array(missing), strict=True)) if missing else {}
        vectors = [self._cache[text] if text in self._cache else found[text] for text in texts]
        for text, vector in zip(texts, vectors, strict=True):
            self._cache[text] = vector
            self._cache.move_to_end(text)
        while len(self._cache) > _CACHED:
            self._cache.popitem(last=False)
        tokens = await anyio.to_thread.run_sync(self._count_all, texts)
        return Embeddings(vectors=[vector.tolist() for vector in vectors], usage=Usage(input_tokens=tokens))

    async def embed_array(self, texts: Sequence[str]) -> Vectors:
        """Gives the vectors of many texts, n x 384 float32, rows of unit length. Nothing is cached.

        Texts of like length are computed together, which saves padding; batches of several callers take turns.
        """
        if not texts:
            return np.zeros((0, DIMENSIONS), dtype=np.float32)
        encoded = await anyio.to_thread.run_sync(self._encode, list(texts))
        order = sorted(range(len(encoded)), key=lambda index: len(encoded[index]))
        result = np.empty((len(encoded), DIMENSIONS), dtype=np.float32)
        for start in range(0, len(order), _BATCH):
            indices = order[start : start + _BATCH]
            result[indices] = await anyio.to_thread.run_sync(
                self._compute, [encoded[index] for index in indices], limiter=self._limiter
            )
        return result

    def count_tokens(self, text: str) -> int:
        """Gives the length of a text in the model's tokens, uncut, its start and end marks not counted."""
        return len(self._tokens().encode(text, add_special_tokens=False).ids)

    def load(self) -> None:
        """Opens the model now; blocks for some 0.2 s."""
        self._tokens()
        self._runtime()

    def _count_all(self, texts: Sequence[str]) -> int:
        return sum(len(ids) for ids in self._encode(list(texts)))

    def _encode(self, texts: list[str]) -> list[list[int]]:
        encoded = self._tokens().encode_batch(texts)
        return [
            each.ids if len(each.ids) <= MAX_TOKENS else [*each.ids[: MAX_TOKENS - 1], each.ids[-1]] for each in encoded
        ]

    def _compute(self, batch: list[list[int]]) -> Vectors:
        longest = max(len(ids) for ids in batch)
        ids = np.zeros((len(batch), longest), dtype=np.int64)
        mask = np.zeros((len(batch), longest), dtype=np.int64)
        for row, tokens in enumerate(batch):
            ids[row, : len(tokens)] = tokens
            mask[row, : len(tokens)] = 1
        output = self._runtime().run(None, {"input_ids": ids, "attention_mask": mask})[0]
        return np.asarray(output, dtype=np.float32)  # the graph ends with the mean over tokens and unit length

    def _tokens(self) -> Tokenizer:
        if self._tokenizer is None:
            with self._opening:
                if self._tokenizer is None:
                    tokenizer = Tokenizer.from_file(str(self._folder / "tokenizer.json"))
                    tokenizer.no_truncation()
                    tokenizer.no_padding()
                    self._tokenizer = tokenizer
        return self._tokenizer

    def _runtime(self) -> onnxruntime.InferenceSession:
        if self._session is None:
            with self._opening:
                if self._session is None:
                    options = onnxruntime.SessionOptions()
                    options.intra_op_num_threads = self._threads
                    options.inter_op_num_threads = 1
                    options.enable_cpu_mem_arena = False  # the arena keeps the largest batch's memory for ever
                    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
                    self._session = onnxruntime.InferenceSession(
                        str(self._folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
                    )
        return self._session


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

    async def embed(self, texts: Sequence[str]) -> Embeddings:
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
