"""Models whose calls are admitted before they are made and leave a usage row."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from decimal import Decimal

from alcove.gateway.calls import CLIENT_LEFT, Call, CallKind, Outcome
from alcove.gateway.ports import Meter
from alcove.gateway.prices import CallPricing
from alcove.kernel.chat import ChatRequest, Delta, Usage
from alcove.kernel.clock import Clock
from alcove.kernel.errors import AlcoveError, InternalError
from alcove.kernel.ports import CallContext, EmbeddingModel, Embeddings, Model, ModelInfo, ModelSource, Served
from alcove.kernel.principal import Principal


@dataclass(frozen=True, kw_only=True, slots=True)
class Till:
    """What counts calls.

    Attributes:
        meter: Admits and settles them.
        pricing: What they cost.
        clock: The time.
    """

    meter: Meter
    pricing: CallPricing
    clock: Clock

    def begun(self, kind: CallKind, info: ModelInfo) -> Call:
        """Gives a call that begins now."""
        return Call(kind=kind, model=info.id, at=self.clock.now(), began_s=self.clock.monotonic_s())

    def outcome(self, info: ModelInfo, served: Served, usage: Usage | None, first_s: float | None) -> Outcome:
        """Gives what came of a call that went well."""
        cost: Decimal | None = None
        if usage is not None and not served.cache:
            cost = self.pricing.cost_usd(info, usage, served.deployment)
        provider = served.provider or info.provider
        return Outcome(
            served=replace(served, provider=provider),
            usage=usage,
            cost_usd=cost,
            first_s=first_s,
            ended_s=self.clock.monotonic_s(),
        )


@dataclass(frozen=True, slots=True)
class MeteredModel:
    """A chat model whose calls are counted."""

    inner: Model
    till: Till

    @property
    def info(self) -> ModelInfo:
        """Gives what is known of the model."""
        return self.inner.info

    async def stream(self, request: ChatRequest, context: CallContext) -> AsyncGenerator[Delta, None]:
        """Answers as the model does."""
        till, info = self.till, self.inner.info
        call = replace(
            till.begun(CallKind.CHAT, info),
            endpoint=context.endpoint,
            is_streaming=request.is_streaming,
            request_id=context.request_id,
            trace_id=context.tracer.trace.id,
        )
        admission = await till.meter.admit(context.principal, call)
        usage: Usage | None = None
        first_s: float | None = None
        status, code = CLIENT_LEFT, ""
        try:
            async with aclosing(self.inner.stream(request, context)) as deltas:
                async for delta in deltas:
                    if first_s is None and (delta.content or delta.reasoning or delta.tool_calls):
                        first_s = till.clock.monotonic_s()
                    usage = delta.usage or usage
                    yield delta
            status = 200
        except AlcoveError as error:
            status, code = error.status, error.code
            raise
        except Exception:
            status, code = InternalError.status, InternalError.code
            raise
        finally:
            outcome = till.outcome(info, context.served, usage, first_s)
            admission.settle(replace(outcome, status=status, error_code=code))


@dataclass(frozen=True, slots=True)
class MeteredEmbedding:
    """An embedding model whose calls are counted, for one person."""

    inner: EmbeddingModel
    till: Till
    who: Principal

    @property
    def info(self) -> ModelInfo:
        """Gives what is known of the model."""
        return self.inner.info

    @property
    def dimensions(self) -> int:
        """Gives the length of its vectors."""
        return self.inner.dimensions

    async def embed(self, texts: Sequence[str]) -> Embeddings:
        """Gives a vector for each text."""
        till, info = self.till, self.inner.info
        admission = await till.meter.admit(self.who, till.begun(CallKind.EMBEDDING, info))
        usage: Usage | None = None
        status, code = CLIENT_LEFT, ""
        try:
            vectors = await self.inner.embed(texts)
            usage, status = vectors.usage, 200
        except AlcoveError as error:
            status, code = error.status, error.code
            raise
        except Exception:
            status, code = InternalError.status, InternalError.code
            raise
        finally:
            outcome = till.outcome(info, Served(), usage, None)
            admission.settle(replace(outcome, status=status, error_code=code))
        return vectors


@dataclass(frozen=True, slots=True)
class MeteredSource:
    """A place models come from, all of whose models are counted; composite ones are not, as they ask others that are."""

    inner: ModelSource
    till: Till

    async def list_models(self, principal: Principal) -> Sequence[ModelInfo]:
        """Lists the models this person may use from here."""
        return await self.inner.list_models(principal)

    async def find_model(self, model_id: str, principal: Principal) -> Model | None:
        """Gives the chat model of that id, or None when it is not from here."""
        found = await self.inner.find_model(model_id, principal)
        return found if found is None or found.info.is_composite else MeteredModel(found, self.till)

    async def find_embedding_model(self, model_id: str, principal: Principal) -> EmbeddingModel | None:
        """Gives the embedding model of that id, or None likewise."""
        found = await self.inner.find_embedding_model(model_id, principal)
        return None if found is None else MeteredEmbedding(found, self.till, principal)
