"""The ports of everything that answers: models, embedding models, and the places they come from.

Its twin, the `Filter` that acts around an answer, is in `alcove.kernel.filters`.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, Protocol

from alcove.kernel.chat import ChatRequest, Delta, JsonValue, Usage
from alcove.kernel.principal import Principal
from alcove.kernel.trace import Tracer

DEFAULT_MODEL = "default"
"""The id under which every person finds the model the house would choose for them."""


ModelKind = Literal["chat", "embedding", "rerank", "moderation", "image", "transcription", "speech"]
"""What a model does; only models that chat or embed are used by the house itself, the others are passed through."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelInfo:
    """What is known of a model before it is asked.

    Attributes:
        id: What clients send as `model`.
        kind: What it does.
        name: What people read.
        provider: Who serves it (`alcove`, `ollama`, `openai`, …): OpenTelemetry's `gen_ai.provider.name`.
        owned_by: `owned_by` of OpenAI's model object.
        description: One sentence for the model picker.
        created: Unix seconds, as in OpenAI's model object.
        is_generative: Whether it writes text of its own (the reader and embedding models do not).
        is_composite: Whether it answers by asking other models; their calls are traced, and its own is a span around them.
        reads_sources: Whether it takes `ChatRequest.sources` as they are, without having them rendered into the prompt.
        capabilities: Words such as `tools`, `vision`, `reasoning`.
        aliases: Other ids under which it is found.
        access_groups: Groups of models it belongs to; allowances name them as `@name`.
        asks: Ids of the models that a composite one asks; what is on for them is on for it.
    """

    id: str
    kind: ModelKind = "chat"
    name: str = ""
    provider: str = "alcove"
    owned_by: str = "alcove"
    description: str = ""
    created: int = 0
    is_generative: bool = True
    is_composite: bool = False
    reads_sources: bool = False
    capabilities: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    access_groups: tuple[str, ...] = ()
    asks: tuple[str, ...] = ()


CacheKind = Literal["", "exact", "semantic"]
"""Which cache answered a call; empty for none."""


@dataclass(kw_only=True, slots=True)
class Served:
    """Who served a call to a model; filled in on the way by whoever does.

    Attributes:
        deployment: Name of the deployment; empty for the house's own models.
        provider: OpenTelemetry's `gen_ai.provider.name`.
        upstream_model: The model's id there.
        cache: Which cache answered in its place.
        attempts: How many times a deployment was asked.
        is_stopped: Whether the house ended the answer before the model did, as a guardrail does.
        is_cache_missed: Whether a cache was asked and had no answer.
        cache_age_s: Seconds since the cached answer was kept.
    """

    deployment: str = ""
    provider: str = ""
    upstream_model: str = ""
    cache: CacheKind = ""
    attempts: int = 0
    is_stopped: bool = False
    is_cache_missed: bool = False
    cache_age_s: float = 0.0


class Shield(Protocol):
    """Keeps what may not leave the house out of every call to a model, also out of those that composite models make.

    It has one state for a whole turn: what was hidden in one call is known, and hidden alike, in the next.
    """

    async def conceal(self, request: ChatRequest) -> ChatRequest:
        """Gives what the model may see: stand-ins in place of what is hidden."""
        ...

    def reveal(self, deltas: AsyncGenerator[Delta, None]) -> AsyncGenerator[Delta, None]:
        """Gives the answer with the stand-ins taken out again, wherever the stream cuts them."""
        ...

    def mask(self, text: str) -> str:
        """Gives a text as it may be kept in a trace."""
        ...


class Pricing(Protocol):
    """Knows what calls cost."""

    def cost_usd(self, model: ModelInfo, usage: Usage, served: Served | None = None) -> Decimal | None:
        """Gives the price of a call in US dollars; None when the price is not known, never 0 for that.

        Args:
            model: The model that was asked.
            usage: Tokens of the call.
            served: Who served it, where that is known: a model may be on several deployments, at a price of each.
        """
        ...


class NoPricing:
    """Knows no price."""

    def cost_usd(self, model: ModelInfo, usage: Usage, served: Served | None = None) -> Decimal | None:  # noqa: ARG002
        """Gives None: not known."""
        return None


@dataclass(frozen=True, kw_only=True, slots=True)
class CallContext:
    """What a model may know of the turn it answers in.

    Attributes:
        principal: Who is asking.
        tracer: Where observations go.
        request_id: Id of the HTTP request, to hand on to upstreams.
        pricing: What calls cost.
        endpoint: The path that was asked, such as `/v1/messages`; empty for a chat of the page.
        served: Who serves the call; each call has its own.
        headers: Header fields for the client, such as how much is left to it; all calls of a turn share them.
        cache_control: What the client wants of caches: `no-cache` (do not answer from one), `no-store` (do not keep the answer).
        shield: What keeps things from models; None for nothing.
    """

    principal: Principal
    tracer: Tracer
    request_id: str = ""
    pricing: Pricing = field(default_factory=NoPricing)
    endpoint: str = ""
    served: Served = field(default_factory=Served)
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    cache_control: frozenset[str] = frozenset()
    shield: Shield | None = None


class Model(Protocol):
    """Anything that answers."""

    @property
    def info(self) -> ModelInfo:
        """Gives what is known of the model."""
        ...

    def stream(self, request: ChatRequest, context: CallContext) -> AsyncGenerator[Delta, None]:
        """Answers piece by piece; an async generator, closed early when nobody wants the rest.

        The last delta carries `finish_reason`; `usage` is on it or on the one after. Closing the generator must end the
        upstream call.

        Raises:
            AlcoveError: Before the first delta, when the model cannot answer; after it, when the answer breaks off.
        """
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Embeddings:
    """Vectors for a list of texts.

    Attributes:
        vectors: One per text, in order; each a list of `dimensions` floats, unit length.
        usage: Input tokens of all texts together.
    """

    vectors: Sequence[Sequence[float]]
    usage: Usage = field(default_factory=Usage)


@dataclass(frozen=True, kw_only=True, slots=True)
class EmbeddingContext:
    """What an embedding model may know of the call it answers.

    Attributes:
        kind: What the vectors are for.
        endpoint: The path that was asked, such as `/v1/embeddings`; empty for the house's own calls.
        request_id: Id of the HTTP request.
        trace_id: Trace of the call; empty where none is kept.
        user_id: Who asks; empty for nobody in particular.
        served: Who serves the call; each call has its own.
        extra: What else the client wants, by Ollama's names, for models that know it: `truncate` (false: refuse a text that is too
            long in place of cutting it), `normalize` (false: vectors as the model gives them), `keep_alive`, `num_ctx`, ….
    """

    kind: Literal["embedding", "rerank"] = "embedding"
    endpoint: str = ""
    request_id: str = ""
    trace_id: str = ""
    user_id: str = ""
    served: Served = field(default_factory=Served)
    extra: Mapping[str, JsonValue] = field(default_factory=dict)


class EmbeddingModel(Protocol):
    """Anything that turns texts into vectors."""

    @property
    def info(self) -> ModelInfo:
        """Gives what is known of the model; `kind` is `embedding`."""
        ...

    @property
    def dimensions(self) -> int:
        """Gives the length of its vectors; 0 when it is known only after the first call."""
        ...

    async def embed(self, texts: Sequence[str], *, context: EmbeddingContext | None = None) -> Embeddings:
        """Gives a vector for each text. Texts beyond the model's length are cut at its end.

        Args:
            texts: The texts.
            context: What the call is part of; None where nobody wants to know.

        Raises:
            AlcoveError: When the model cannot answer.
        """
        ...


class ModelSource(Protocol):
    """A place models come from: the deployments, the built-in ones, the collections that answer."""

    async def list_models(self, principal: Principal) -> Sequence[ModelInfo]:
        """Lists the models this person may use from here."""
        ...

    async def find_model(self, model_id: str, principal: Principal) -> Model | None:
        """Gives the chat model of that id, or None when it is not from here (or not for this person)."""
        ...

    async def find_embedding_model(self, model_id: str, principal: Principal) -> EmbeddingModel | None:
        """Gives the embedding model of that id, or None likewise."""
        ...
