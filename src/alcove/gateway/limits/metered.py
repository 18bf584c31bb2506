"""Models whose calls are admitted and settled, whoever asks: an API, a chat of the page, an agent, a collection that answers.

Composite models are not metered themselves, as the models they ask are; which of them may be used is checked all the same.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from alcove.gateway.calls import CLIENT_LEFT, Call, CallKind, Outcome
from alcove.gateway.limits.estimates import (
    characters_of,
    input_tokens_of,
    output_tokens_of,
    text_tokens_of,
    tokens_of,
)
from alcove.gateway.limits.meter import LimitedMeter
from alcove.infra.lean_edge import header_fields
from alcove.kernel.chat import ChatRequest, Delta, Usage
from alcove.kernel.clock import Clock
from alcove.kernel.errors import AlcoveError, InternalError
from alcove.kernel.ports import (
    CallContext,
    EmbeddingContext,
    EmbeddingModel,
    Embeddings,
    Model,
    ModelInfo,
    ModelSource,
    Pricing,
)
from alcove.kernel.principal import Principal


@dataclass(slots=True)
class _Answered:
    """What has come of a call so far."""

    usage: Usage | None = None
    characters: int = 0
    first_s: float | None = None
    status: int = CLIENT_LEFT  # until it is known that nobody left
    error_code: str = ""

    def add(self, delta: Delta, clock: Clock) -> None:
        characters = characters_of(delta)
        if characters:
            self.characters += characters
            if self.first_s is None:
                self.first_s = clock.monotonic_s()
        self.usage = delta.usage or self.usage

    def fail(self, error: AlcoveError) -> None:
        self.status, self.error_code = error.status, error.code

    def counted(self, call: Call) -> tuple[Usage | None, bool]:
        """Gives the tokens, and whether they were counted here: where the server did not say, or had no time to.

        A client that leaves before anything came has had its input read all the same.
        """
        if self.usage is not None:
            return self.usage, False
        if not self.characters and self.error_code:
            return None, False
        return Usage(input_tokens=call.input_tokens, output_tokens=tokens_of(self.characters)), True


@dataclass(frozen=True, kw_only=True, slots=True)
class MeteredModel:
    """A chat model whose calls are admitted and settled.

    Attributes:
        inner: The model.
        meter: Admits.
        clock: The time.
    """

    inner: Model
    meter: LimitedMeter
    clock: Clock

    @property
    def info(self) -> ModelInfo:
        """Gives what is known of the model."""
        return self.inner.info

    async def stream(self, request: ChatRequest, context: CallContext) -> AsyncGenerator[Delta, None]:
        """Answers as the model does, once the call is admitted; settles it in every case.

        Raises:
            AlcoveError: As `Meter.admit`, and as the model.
        """
        info = self.inner.info
        call = Call(
            kind=CallKind.CHAT,
            model=info.id,
            endpoint=context.endpoint,
            is_streaming=request.is_streaming,
            input_tokens=input_tokens_of(request),
            output_tokens=output_tokens_of(request),
            request_id=context.request_id,
            trace_id=context.tracer.trace.id,
            at=self.clock.now(),
            began_s=self.clock.monotonic_s(),
        )
        admission = await self.meter.admit(context.principal, call)
        answered = _Answered()
        try:
            context.headers[:] = header_fields(admission.lines())
            async with aclosing(self.inner.stream(request, context)) as deltas:
                async for delta in deltas:
                    answered.add(delta, self.clock)
                    yield delta
            answered.status = 200
        except AlcoveError as error:
            answered.fail(error)
            raise
        except Exception:
            answered.fail(InternalError())
            raise
        finally:
            if context.served.is_stopped:
                answered.status = 200
            usage, is_estimated = answered.counted(call)
            admission.settle(
                Outcome(
                    served=context.served,
                    status=answered.status,
                    error_code=answered.error_code,
                    usage=usage,
                    is_estimated=is_estimated,
                    cost_usd=None if usage is None else context.pricing.cost_usd(info, usage, context.served),
                    ended_s=self.clock.monotonic_s(),
                    first_s=answered.first_s,
                )
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class MeteredEmbeddingModel:
    """An embedding model whose calls are admitted and settled, for one principal.

    Attributes:
        inner: The model.
        principal: Who asks.
        meter: Admits.
        pricing: What calls cost.
        clock: The time.
    """

    inner: EmbeddingModel
    principal: Principal
    meter: LimitedMeter
    pricing: Pricing
    clock: Clock

    @property
    def info(self) -> ModelInfo:
        """Gives what is known of the model."""
        return self.inner.info

    @property
    def dimensions(self) -> int:
        """Gives the length of its vectors."""
        return self.inner.dimensions

    async def embed(self, texts: Sequence[str], *, context: EmbeddingContext | None = None) -> Embeddings:
        """Embeds as the model does, once the call is admitted; settles it in every case.

        Raises:
            AlcoveError: As `Meter.admit`, and as the model.
        """
        context = context or EmbeddingContext(user_id=self.principal.user_id)
        info, clock, served = self.inner.info, self.clock, context.served
        estimate = text_tokens_of(texts)
        call = Call(
            kind=CallKind(context.kind),
            model=info.id,
            endpoint=context.endpoint,
            input_tokens=estimate,
            request_id=context.request_id,
            trace_id=context.trace_id,
            at=clock.now(),
            began_s=clock.monotonic_s(),
        )
        admission = await self.meter.admit(self.principal, call)
        usage: Usage | None = None
        status, error_code, is_estimated = CLIENT_LEFT, "", False
        try:
            vectors = await self.inner.embed(texts, context=context)
            status = 200
            is_estimated = not vectors.usage.total_tokens and not served.cache
            usage = Usage(input_tokens=estimate) if is_estimated else vectors.usage
        except AlcoveError as error:
            status, error_code = error.status, error.code
            raise
        except Exception:
            status, error_code = InternalError.status, InternalError.code
            raise
        else:
            return vectors
        finally:
            if not served.provider and not served.cache and not error_code:  # a model of the house, which says nothing
                served.provider = info.provider
            admission.settle(
                Outcome(
                    served=served,
                    status=status,
                    error_code=error_code,
                    usage=usage,
                    is_estimated=is_estimated,
                    cost_usd=None if usage is None else self.pricing.cost_usd(info, usage, served),
                    ended_s=clock.monotonic_s(),
                )
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class MeteredSource:
    """A place models come from, each of them metered; which of them somebody may use is not decided here.

    Attributes:
        inner: The place.
        meter: Admits.
        pricing: What calls cost.
        clock: The time.
    """

    inner: ModelSource
    meter: LimitedMeter
    pricing: Pricing
    clock: Clock

    async def list_models(self, principal: Principal) -> Sequence[ModelInfo]:
        """Lists the models this person may use from here."""
        return await self.inner.list_models(principal)

    async def find_model(self, model_id: str, principal: Principal) -> Model | None:
        """Gives the chat model of that id; one that may not be used says so when it is asked."""
        model = await self.inner.find_model(model_id, principal)
        if model is None:
            return None
        if model.info.is_composite:
            return model
        return MeteredModel(inner=model, meter=self.meter, clock=self.clock)

    async def find_embedding_model(self, model_id: str, principal: Principal) -> EmbeddingModel | None:
        """Gives the embedding model of that id, likewise."""
        model = await self.inner.find_embedding_model(model_id, principal)
        if model is None:
            return None
        return MeteredEmbeddingModel(
            inner=model, principal=principal, meter=self.meter, pricing=self.pricing, clock=self.clock
        )
