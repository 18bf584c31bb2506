"""Embeddings for clients, with a trace."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from alcove.gateway.service import ModelCatalogue
from alcove.kernel.chat import JsonValue
from alcove.kernel.clock import Clock
from alcove.kernel.errors import AlcoveError, FieldError, InternalError, InvalidRequest
from alcove.kernel.ids import new_trace_id
from alcove.kernel.ports import EmbeddingContext, EmbeddingModel, Embeddings, Pricing
from alcove.kernel.principal import Principal
from alcove.kernel.trace import Level, ObservationKind, Trace, Tracer, TraceSink


@dataclass(frozen=True, kw_only=True, slots=True)
class EmbeddingRequest:
    """What is to be embedded.

    Attributes:
        model: Id of the model.
        texts: The texts.
        dimensions: Length of vector the client wants; None for the model's own.
        request_id: Id of the HTTP request.
        kind: What the vectors are for.
        endpoint: The path that was asked.
        extra: What else the client wants (`EmbeddingContext.extra`).
    """

    model: str
    texts: Sequence[str]
    dimensions: int | None = None
    request_id: str = ""
    kind: Literal["embedding", "rerank"] = "embedding"
    endpoint: str = "/v1/embeddings"
    extra: Mapping[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class EmbeddingService:
    """Embeds texts for clients.

    Attributes:
        models: Where models are found.
        sink: Where traces go.
        pricing: What calls cost.
        clock: The time.
    """

    models: ModelCatalogue
    sink: TraceSink
    pricing: Pricing
    clock: Clock

    async def embed(self, request: EmbeddingRequest, who: Principal) -> tuple[Embeddings, str]:
        """Gives the vectors, and the id of the trace.

        Raises:
            ModelNotFound: When there is no such model for this person.
            InvalidRequest: When the model's vectors have another length than asked for.
            Overloaded: When the trace could not be kept.
            AlcoveError: When the model cannot answer.
        """
        self.sink.admit()
        model = await self.models.embedding_model(request.model, who)
        if model.dimensions:
            _check_dimensions(request, model.dimensions)
        trace = Trace(
            id=new_trace_id(),
            owner_id=who.user_id,
            name="embeddings",
            started_at=self.clock.now(),
            model=request.model,
            input={"texts": len(request.texts), "characters": sum(map(len, request.texts))},
        )
        trace.metadata["request_id"] = request.request_id
        if who.key_id:
            trace.metadata["key_id"] = who.key_id
        try:
            vectors = await self._embed(model, request, Tracer(trace, self.clock))
        except AlcoveError as error:
            trace.level, trace.status_message = Level.ERROR, error.detail
            raise
        except Exception as error:  # the edge of a model's code: the trace tells of whatever it was
            trace.level, trace.status_message = Level.ERROR, InternalError().detail
            raise InternalError from error
        finally:
            trace.ended_at = self.clock.now()
            await self.sink.record(trace)
        return vectors, trace.id

    async def _embed(self, model: EmbeddingModel, request: EmbeddingRequest, tracer: Tracer) -> Embeddings:
        context = EmbeddingContext(
            kind=request.kind,
            endpoint=request.endpoint,
            request_id=request.request_id,
            trace_id=tracer.trace.id,
            user_id=tracer.trace.owner_id,
            extra=request.extra,
        )
        with tracer.observe(
            ObservationKind.EMBEDDING, f"embeddings {model.info.id}", model=model.info.id
        ) as observation:
            observation.metadata["provider"] = model.info.provider
            observation.input = tracer.trace.input
            vectors = await model.embed(request.texts, context=context)
            observation.usage = vectors.usage
            observation.metadata["provider"] = context.served.provider or model.info.provider
            observation.cost_usd = self.pricing.cost_usd(model.info, vectors.usage, context.served)
            if len(vectors.vectors) and not model.dimensions:
                _check_dimensions(request, len(vectors.vectors[0]))
            return vectors


def _check_dimensions(request: EmbeddingRequest, dimensions: int) -> None:
    if request.dimensions is not None and request.dimensions != dimensions:
        message = f"vectors of {request.model!r} have {dimensions} dimensions; leave the field out"
        raise InvalidRequest(f"dimensions: {message}", fields=(FieldError(field="dimensions", message=message),))
