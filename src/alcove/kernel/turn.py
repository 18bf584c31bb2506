"""The state of one turn: from a request to its answer."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field, replace

from alcove.kernel.chat import Answer, ChatRequest, Delta
from alcove.kernel.errors import AlcoveError
from alcove.kernel.ports import CallContext, Model, Served
from alcove.kernel.trace import ObservationKind


@dataclass(slots=True, kw_only=True)
class Turn:
    """One request on its way to an answer; the steps of `TurnRunner` fill it in.

    Attributes:
        request: What is asked; filters replace it on the way in.
        context: Who asks, and where observations go.
        model: What answers, once resolved.
        answer: The deltas so far, summed up.
        error: Why there is no (whole) answer.
        is_cancelled: Whether the answer was cut short because nobody wanted the rest.
        served: Who serves the answer.
    """

    request: ChatRequest
    context: CallContext
    model: Model | None = None
    answer: Answer = field(default_factory=Answer)
    error: AlcoveError | None = None
    is_cancelled: bool = False
    served: Served = field(default_factory=Served)

    @property
    def trace_id(self) -> str:
        """Id of the trace this turn leaves."""
        return self.context.tracer.trace.id


async def ask(
    model: Model, request: ChatRequest, context: CallContext, *, served: Served | None = None
) -> AsyncGenerator[Delta, None]:
    """Asks a model and leaves an observation of the call: model, input, output, tokens, cost, time to first token.

    The one way in which anything here calls a model: the turn itself, and composite models that call others. What the turn's
    shield hides is hidden from every model but composite ones, whose own calls come through here again.

    Args:
        model: What answers.
        request: What is asked.
        context: Who asks, and where observations go.
        served: Is told who serves.

    Raises:
        AlcoveError: As `Model.stream`.
    """
    shield = None if model.info.is_composite else context.shield
    if shield is not None:
        request = await shield.conceal(request)
    own = _observed(model, request, context, served or Served())
    deltas = own if shield is None else shield.reveal(own)
    try:
        async for delta in deltas:
            yield delta
    finally:
        await deltas.aclose()
        await own.aclose()


async def _observed(
    model: Model, request: ChatRequest, context: CallContext, served: Served
) -> AsyncGenerator[Delta, None]:
    tracer = context.tracer
    kind = ObservationKind.SPAN if model.info.is_composite else ObservationKind.GENERATION
    observation = tracer.begin(kind, f"chat {model.info.id}", model=model.info.id)
    observation.metadata["provider"] = model.info.provider
    answer = Answer()
    stream = model.stream(request, replace(context, tracer=tracer.under(observation), served=served))
    try:
        observation.input = [{"role": message.role.value, "content": message.text} for message in request.messages]
        async for delta in stream:
            if observation.first_token_at is None and (delta.content or delta.reasoning or delta.tool_calls):
                observation.first_token_at = tracer.clock.now()
            answer.add(delta)
            yield delta
    except BaseException as error:
        tracer.fail(observation, error)
        raise
    finally:
        observation.output = answer.content
        if served.deployment:
            observation.metadata["deployment"] = served.deployment
        if served.cache:
            observation.metadata["cache"] = served.cache
        if answer.tool_calls:
            observation.metadata["tool_calls"] = [
                {"id": call.id, "name": call.name, "arguments": call.arguments} for call in answer.tool_calls
            ]
        if answer.finish_reason:
            observation.metadata["finish_reason"] = answer.finish_reason
        if answer.usage is not None and not model.info.is_composite:
            observation.usage = answer.usage
            observation.cost_usd = context.pricing.cost_usd(model.info, answer.usage, served)
        tracer.end(observation)
        await stream.aclose()
