"""Types of the runtime: models on disk, how they are run, and what they are doing."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from alcove.kernel.chat import JsonValue
from alcove.runtime.catalog.settings import CatalogSettings
from alcove.runtime.registry.settings import RegistrySettings

FOREVER_S = float("inf")
"""A `keep_alive` without end."""

Purpose = Literal["chat", "embedding", "rerank"]
"""What a model is loaded for: llama.cpp is set up for one of them."""


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
        purpose: What it is to be loaded for; None for what it is made for.
    """

    model: str
    user_id: str = ""
    options: LoadOptions = LoadOptions()
    keep_alive_s: float | None = None
    purpose: Purpose | None = None


def _forget(tokens_per_s: float) -> None:
    """Takes a speed that nobody asked for."""


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
        note: What was chosen otherwise than asked for, such as a `num_ctx` over the length it was trained on; empty for nothing.
        report_speed: Takes the tokens a second of the answer, for pages.
    """

    model: InstalledModel
    socket: Path
    num_ctx: int
    waited_s: float = 0.0
    load_s: float = 0.0
    deadline_s: float = 600.0
    note: str = ""
    report_speed: Callable[[float], None] = field(default=_forget, repr=False, compare=False)


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


@dataclass(frozen=True, kw_only=True, slots=True)
class RunnerPlan:
    """How a model is to be run; what it takes was predicted from this.

    Attributes:
        model: The model.
        purpose: What for.
        num_ctx: Tokens of context for each request.
        slots: Requests answered at a time.
        threads: Threads that compute.
        batch: Tokens of prompts computed at once; also how soon one that nobody waits for is noticed.
        gpu_wanted: Layers wanted on the GPU; -1 for all.
        gpu_layers: Layers that go there.
        main_gpu: Which GPU.
        use_mmap: Whether the weights are mapped rather than read.
        memory_bytes: Memory it will take.
        vram_bytes: Of that, on the GPU.
        note: What was chosen otherwise than asked for, in words; empty for nothing.
    """

    model: InstalledModel
    purpose: Purpose = "chat"
    num_ctx: int = 4096
    slots: int = 1
    threads: int = 1
    batch: int = 64
    gpu_wanted: int = -1
    gpu_layers: int = 0
    main_gpu: int = 0
    use_mmap: bool = True
    memory_bytes: int = 0
    vram_bytes: int = 0
    note: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class MemoryUse:
    """What local models take.

    Attributes:
        budget_bytes: What they may take together.
        taken_bytes: What those that are loaded were predicted to take.
    """

    budget_bytes: int
    taken_bytes: int


class RuntimeSettings(BaseModel):
    """Local models: how they are run, and how much of this machine they may take."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    enabled: bool = True
    """Whether models on this machine's disk are run here. Off, only the models of other servers answer."""

    memory_mb: Annotated[int, Field(ge=0, le=1 << 24)] = 0
    """Memory that loaded models may take together, in MB. Default 0: `memory_share` of what is free at the start. Up to 16 TB."""

    memory_share: Annotated[float, Field(gt=0, le=1)] = 0.8
    """Share of the free memory that models may take, where `memory_mb` is 0. Up to 1."""

    max_loaded: Annotated[int, Field(ge=0, le=1000)] = 0
    """Models loaded at a time at most; 0 for as many as fit into the memory. Up to 1,000."""

    parallel: Annotated[int, Field(ge=1, le=256)] = 4
    """Requests that one model answers at a time; each has a context of its own. Fewer where their contexts do not fit into the memory. 1 to 256."""

    max_queue: Annotated[int, Field(ge=1, le=100_000)] = 128
    """Requests that wait for one model at most; more are refused with 503 and `Retry-After`. 1 to 100,000."""

    context_length: Annotated[int, Field(ge=256, le=1 << 24)] = 4096
    """Tokens of context where neither request nor model says; never more than the model was trained on. 256 to 16 million."""

    keep_alive_s: Annotated[float, Field(ge=-1, le=31_536_000)] = 300.0
    """Seconds a model stays loaded after its last request, where that does not say; -1 for ever, 0 not at all. Up to a year."""

    threads: Annotated[int, Field(ge=0, le=1024)] = 0
    """Threads that compute, for each model. Default 0: one less than this machine's processors. Two models with as many threads as processors slow each other down twentyfold."""

    deadline_s: Annotated[float, Field(gt=0, le=86_400)] = 1800.0
    """Seconds one request may take; a process that goes on after it is ended. Up to a day."""

    load_timeout_s: Annotated[float, Field(gt=0, le=3600)] = 300.0
    """Seconds a model may take to load. Up to an hour."""

    stop_grace_s: Annotated[float, Field(ge=0, le=600)] = 5.0
    """Seconds a model's process has to end by itself before it is killed. 0 to 600."""

    exclusive_groups: tuple[tuple[str, ...], ...] = ()
    """Groups of models of which only one is loaded at a time, as a list of lists of names."""

    pinned: tuple[str, ...] = ()
    """Models that stay loaded once they are, and never make room for others."""

    cache_type: Literal["f16", "q8_0", "q4_0"] = "f16"
    """How keys and values are kept: `q8_0` takes half the memory and `q4_0` a quarter, for a little quality."""

    limit_address_space: bool = False
    """Whether a model's process may reserve no more than about twice the memory predicted for it. It then fails with an error where it would have taken the machine's last memory."""

    gpu_share: Annotated[float, Field(gt=0, le=1)] = 0.9
    """Share of a GPU's free memory that models here may take; the rest is left to its other users. Up to 1."""

    gpu_wait_s: Annotated[float, Field(ge=0, le=3600)] = 30.0
    """Seconds to wait for another user of the GPU to give memory back before fewer layers go there. Up to an hour."""

    catalog: CatalogSettings = CatalogSettings()
    """Where models are kept."""

    registry: RegistrySettings = RegistrySettings()
    """Where models may be pulled from and pushed to."""
