"""Runs a turn: resolve the model, filters in, sources in, generate, and afterwards, off the client's path, filters out.

Each step is a method over the `Turn`, testable alone. Nothing here knows HTTP, a database or a vendor.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol

import anyio

from alcove.kernel.chat import ChatRequest, Delta
from alcove.kernel.clock import Clock
from alcove.kernel.errors import AlcoveError, InternalError
from alcove.kernel.filters import BaseFilter, Filter
from alcove.kernel.grounding import citations_in, grounded
from alcove.kernel.ids import new_trace_id
from alcove.kernel.ports import CallContext, Model, Pricing
from alcove.kernel.principal import Principal
from alcove.kernel.trace import Level, ObservationKind, Trace, Tracer, TraceSink, mask_trace
from alcove.kernel.turn import Turn, ask


class ModelCatalogue(Protocol):
    """Finds models by id."""

    async def chat_model(self, model_id: str, principal: Principal) -> Model:
        """Gives the model of that id.

        Raises:
            ModelNotFound: When there is none, or not for this person.
        """
        ...


class BackgroundTasks(Protocol):
    """Runs what nobody waits for, with an owner: finished or cancelled before the process ends."""

    def start(self, task: Callable[[], Awaitable[None]], name: str) -> None:
        """Starts a task; its failure is logged and harms nobody else."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class TurnRunner:
    """Runs turns.

    Attributes:
        models: Where models are found.
        filters: Every filter of the house; each turn uses those that apply, by priority.
        sink: Where traces go.
        pricing: What calls cost.
        background: Where outlets run.
        clock: The time.
    """

    models: ModelCatalogue
    filters: Sequence[Filter]
    sink: TraceSink
    pricing: Pricing
    background: BackgroundTasks
    clock: Clock

    def open(
        self,
        request: ChatRequest,
        principal: Principal,
        *,
        request_id: str = "",
        endpoint: str = "",
        cache_control: frozenset[str] = frozenset(),
    ) -> Turn:
        """Opens a turn and its trace; nothing runs yet.

        Raises:
            Overloaded: When its trace could not be kept.
        """
        self.sink.admit()
        trace = Trace(
            id=new_trace_id(),
            owner_id=principal.user_id,
            name="chat",
            started_at=self.clock.now(),
            session_id=request.session_id,
            model=request.model,
        )
        if request_id:
            trace.metadata["request_id"] = request_id
        if principal.key_id:
            trace.metadata["key_id"] = principal.key_id
        context = CallContext(
            principal=principal,
            tracer=Tracer(trace, self.clock),
            request_id=request_id,
            pricing=self.pricing,
            endpoint=endpoint,
            cache_control=cache_control,
        )
        return Turn(request=request, context=context)

    async def stream(
        self, turn: Turn, *, first: Callable[[Turn], Awaitable[None]] | None = None
    ) -> AsyncGenerator[Delta, None]:
        """Runs the turn; gives its deltas. Close the generator (`aclosing`) to cut the answer short.

        The trace is kept before the generator ends, so every turn that began has one, whatever became of it.

        Args:
            turn: An opened turn.
            first: What must have happened before the model is looked for, such as a wait; a part of the turn and its trace.

        Raises:
            AlcoveError: When there is no answer, or it breaks off.
        """
        active: list[Filter] = []
        try:
            if first is not None:
                await first(turn)
            await self.resolve(turn)
            active = sorted((each for each in self.filters if each.applies(turn)), key=lambda each: each.priority)
            async with aclosing(self.inlet(turn, active)) as progress:
                async for delta in progress:
                    yield delta
            self.ground(turn)
            async with aclosing(self.generate(turn, active)) as deltas:
                async for delta in deltas:
                    yield delta
        except AlcoveError as error:
            turn.error = error
            raise
        except Exception as error:  # a filter's or a model's own; outside it is an error without their words
            turn.error = InternalError()
            turn.error.__cause__ = error
            raise turn.error from error
        except BaseException:  # cancelled, or closed by a consumer who has gone
            turn.is_cancelled = True
            raise
        finally:
            with anyio.CancelScope(shield=True):
                await self.finish(turn, active)

    async def resolve(self, turn: Turn) -> None:
        """Step 1: find the model.

        Raises:
            ModelNotFound: When there is none of that id for this person.
        """
        turn.model = await self.models.chat_model(turn.request.model, turn.context.principal)

    async def inlet(self, turn: Turn, filters: Sequence[Filter]) -> AsyncGenerator[Delta, None]:
        """Step 2: let the filters change the request, in order; tell those who wait what is being done."""
        for each in filters:
            if each.status:
                yield Delta(status=each.status)
            with turn.context.tracer.observe(ObservationKind.FILTER, f"{each.name} inlet"):
                await each.inlet(turn)
        if turn.request.sources:
            delta = Delta(sources=turn.request.sources)
            turn.answer.add(delta)
            yield delta

    def ground(self, turn: Turn) -> None:
        """Step 3: put the sources into the prompt, unless the model reads them as they are."""
        if turn.model is not None and not turn.model.info.reads_sources and not turn.model.info.is_composite:
            turn.request = grounded(turn.request)

    async def generate(self, turn: Turn, filters: Sequence[Filter]) -> AsyncGenerator[Delta, None]:
        """Step 4: ask the model, through the stream filters; the last filter on the way in is the first on the way out."""
        if turn.model is None:
            raise InternalError
        own = ask(turn.model, turn.request, turn.context, served=turn.served)
        deltas = own
        for each in reversed(filters):
            deltas = each.stream(turn, deltas)
        try:
            async for delta in deltas:
                turn.answer.add(delta)
                yield delta
        finally:
            await deltas.aclose()
            await own.aclose()
        if turn.answer.sources and not turn.answer.citations:
            citations = citations_in(turn.answer.content, turn.answer.sources)
            if citations:
                delta = Delta(citations=citations)
                turn.answer.add(delta)
                yield delta

    async def finish(self, turn: Turn, filters: Sequence[Filter]) -> None:
        """Step 5: keep the trace; then, off the client's path, run the outlets and keep what they added."""
        trace = turn.context.tracer.trace
        trace.ended_at = self.clock.now()
        trace.input = [{"role": message.role.value, "content": message.text} for message in turn.request.messages]
        trace.output = turn.answer.content
        if turn.error is not None:
            trace.level, trace.status_message = Level.ERROR, turn.error.detail
        elif turn.is_cancelled:
            trace.level, trace.status_message = Level.WARNING, "The answer was stopped before its end."
        self.mask(turn)
        await self.sink.record(trace)
        with_outlet = [each for each in reversed(filters) if type(each).outlet is not BaseFilter.outlet]
        if with_outlet and turn.error is None:
            self.background.start(lambda: self.outlet(turn, with_outlet), f"outlet {trace.id}")

    def mask(self, turn: Turn) -> None:
        """Takes out of the trace what the turn's shield hides, before it is kept."""
        if turn.context.shield is not None:
            mask_trace(turn.context.tracer.trace, turn.context.shield.mask)

    async def outlet(self, turn: Turn, filters: Sequence[Filter]) -> None:
        """Step 6: let the filters see the answer, and keep the trace once more with what they left in it.

        Raises:
            ExceptionGroup: What went wrong in filters; each is in the trace too.
        """
        failures: list[Exception] = []
        for each in filters:
            try:
                with turn.context.tracer.observe(ObservationKind.FILTER, f"{each.name} outlet"):
                    await each.outlet(turn)
            except Exception as error:  # noqa: BLE001  one filter must not keep the next from seeing the answer
                failures.append(error)
        self.mask(turn)
        await self.sink.record(turn.context.tracer.trace)
        if failures:
            msg = f"outlets failed after turn {turn.trace_id}"
            raise ExceptionGroup(msg, failures)
