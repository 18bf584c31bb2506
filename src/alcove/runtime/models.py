"""Types of the runtime: models on disk, how they are run, and what they are doing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Literal

from alcove.kernel.chat import JsonValue

FOREVER_S = float("inf")
"""A `keep_alive` without end."""


class Capability(StrEnum):
    """What a model on disk can do, in Ollama's words; `rerank` is ours."""

    COMPLETION = "completion"
    TOOLS = "tools"
    INSERT = "insert"
    VISION = "vision"
    AUDIO = "audio"
    EMBEDDING = "embedding"
    THINKING = "thinking"
    RERANK = "rerank"


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelFiles:
    """The files of a model that the engine reads.

    Attributes:
        weights: The GGUF file.
        projector: The GGUF file that turns images into embeddings; None for text alone.
        adapters: LoRA adapters, as GGUF files.
    """

    weights: Path
    projector: Path | None = None
    adapters: tuple[Path, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelShape:
    """What the header of a GGUF file says of a model's size: what memory is predicted from.

    Attributes:
        architecture: Such as `llama`.
        parameters: Number of weights.
        layers: Number of blocks.
        context_length: Tokens it was trained on.
        embedding_length: Width.
        kv_bytes_per_token: Bytes of keys and values per token of context, at two bytes a number, all layers together.
        weights_bytes: Size of the tensors in the file.
        repacked_bytes: Of those, what the engine copies into memory of its own (Q4_0 on processors).
    """

    architecture: str
    parameters: int = 0
    layers: int = 0
    context_length: int = 0
    embedding_length: int = 0
    kv_bytes_per_token: int = 0
    weights_bytes: int = 0
    repacked_bytes: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class InstalledModel:
    """A model on this machine's disk.

    Attributes:
        name: Its shortest name, with the tag: `qwen2.5:0.5b`.
        digest: SHA-256 of its manifest, in hex.
        weights_digest: SHA-256 of its weights, in hex.
        size_bytes: All its layers together.
        modified_at: When its manifest was written.
        files: What the engine reads.
        shape: What its header says.
        family: Family, as Ollama's `details` have it.
        families: All of them.
        parameter_size: Such as `8.0B`.
        quantization: Such as `Q4_K_M`.
        capabilities: What it can do.
        parameters: Options its makers set (`temperature`, `stop`, `num_ctx`, …).
        template: Its prompt template of Ollama's layers; empty where there is none (the GGUF's own is used).
        chat_template: The Jinja template in its GGUF; empty for none.
        system: Its system prompt.
        messages: Messages put before every conversation.
        license: Licences, in full.
        is_read_only: Whether it lies in a store that is used in place and never changed.
    """

    name: str
    digest: str
    weights_digest: str
    size_bytes: int
    modified_at: datetime
    files: ModelFiles
    shape: ModelShape
    family: str = ""
    families: tuple[str, ...] = ()
    parameter_size: str = ""
    quantization: str = ""
    capabilities: frozenset[Capability] = frozenset()
    parameters: Mapping[str, JsonValue] = field(default_factory=dict)
    template: str = ""
    chat_template: str = ""
    system: str = ""
    messages: Sequence[Mapping[str, JsonValue]] = ()
    license: tuple[str, ...] = ()
    is_read_only: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadOptions:
    """What can be chosen only when a model is loaded: another choice loads it anew. None is the house's own choice.

    Attributes:
        num_ctx: Tokens of context for each request.
        num_batch: Tokens of a prompt computed at once.
        num_gpu: Layers on the GPU.
        main_gpu: Which GPU.
        num_thread: Threads.
        use_mmap: Whether the weights are mapped rather than read.
    """

    num_ctx: int | None = None
    num_batch: int | None = None
    num_gpu: int | None = None
    main_gpu: int | None = None
    num_thread: int | None = None
    use_mmap: bool | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class LeaseRequest:
    """Asks for a loaded model.

    Attributes:
        model: Its name.
        user_id: Who asks; turns are fair between users.
        options: How it is to be loaded.
        keep_alive_s: Seconds it stays loaded after its last request; 0 unloads it then, `FOREVER_S` never; None leaves that as it is.
    """

    model: str
    user_id: str = ""
    options: LoadOptions = LoadOptions()
    keep_alive_s: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Lease:
    """A turn on a loaded model: one request may be sent now.

    Attributes:
        model: The model.
        socket: Unix socket of its llama.cpp server (OpenAI's protocol, `/v1/…`); one connection per request.
        num_ctx: Tokens of context a request has.
        waited_s: Seconds in the queue.
        load_s: Seconds the model took to load for this request; 0 where it was loaded.
        deadline_s: Seconds the request may take.
    """

    model: InstalledModel
    socket: Path
    num_ctx: int
    waited_s: float = 0.0
    load_s: float = 0.0
    deadline_s: float = 600.0


RunState = Literal["unloaded", "loading", "loaded", "sleeping", "failed"]


@dataclass(frozen=True, kw_only=True, slots=True)
class RunningModel:
    """What a model is doing.

    Attributes:
        model: Its name.
        digest: SHA-256 of its manifest.
        state: What it is doing.
        reason: Why, in words: what it waits for, why it was unloaded, how it failed.
        size_bytes: Memory it takes, as measured; before that, as predicted.
        vram_bytes: Of that, on GPUs.
        num_ctx: Tokens of context for each request.
        slots: Requests it answers at a time.
        active: Requests it is answering.
        queued: Requests that wait.
        expires_at: When it is unloaded if nobody asks; None while it is at work or stays for ever.
        keep_alive_s: Seconds it stays after its last request.
        is_pinned: Whether it is never evicted for another.
        tokens_per_s: Speed of its last answers; 0 for not known.
        stderr: The last lines its process wrote, after a failure.
        pid: Its process; 0 for none.
    """

    model: str
    digest: str
    state: RunState
    reason: str = ""
    size_bytes: int = 0
    vram_bytes: int = 0
    num_ctx: int = 0
    slots: int = 1
    active: int = 0
    queued: int = 0
    expires_at: datetime | None = None
    keep_alive_s: float = 0.0
    is_pinned: bool = False
    tokens_per_s: float = 0.0
    stderr: tuple[str, ...] = ()
    pid: int = 0
