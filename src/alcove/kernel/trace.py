"""What is remembered of a turn: a trace and its observations, collected in memory while the turn runs.

Names follow the field: a *trace* is one turn, an *observation* is one thing that happened in it. Ids are W3C trace and span
ids, so that a trace can be exported to any OpenTelemetry backend unchanged.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from alcove.kernel.chat import JsonValue, Usage
from alcove.kernel.clock import Clock
from alcove.kernel.ids import new_span_id


class ObservationKind(StrEnum):
    """What sort of thing an observation is."""

    SPAN = "span"
    GENERATION = "generation"
    RETRIEVER = "retriever"
    EMBEDDING = "embedding"
    TOOL = "tool"
    FILTER = "filter"
    EVENT = "event"


class Level(StrEnum):
    """How it went."""

    DEFAULT = "default"
    WARNING = "warning"
    ERROR = "error"


@dataclass(slots=True, kw_only=True)
class Observation:
    """One thing that happened in a turn; filled in while it happens.

    Attributes:
        id: W3C span id.
        parent_id: The observation around it; None directly under the trace.
        kind: What sort of thing it is.
        name: What happened, in a few words (`retrieve`, `chat qwen2.5:0.5b`).
        started_at: When it began, UTC.
        ended_at: When it ended; None while it runs.
        first_token_at: For a generation: when the first piece of the answer came.
        model: For a generation or embedding: the model's id.
        input: What went in, as JSON.
        output: What came out, as JSON.
        usage: Tokens, where there were any.
        cost_usd: Price, where it is known; None is unknown, not free.
        level: How it went.
        status_message: What went wrong.
        metadata: Anything else worth knowing.
    """

    id: str
    parent_id: str | None
    kind: ObservationKind
    name: str
    started_at: datetime
    ended_at: datetime | None = None
    first_token_at: datetime | None = None
    model: str | None = None
    input: JsonValue = None
    output: JsonValue = None
    usage: Usage | None = None
    cost_usd: Decimal | None = None
    level: Level = Level.DEFAULT
    status_message: str | None = None
    metadata: dict[str, JsonValue] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Trace:
    """One turn, as it will be stored.

    Attributes:
        id: W3C trace id, also in the answer's `x-trace-id`.
        owner_id: Whose turn it was.
        name: What kind of turn (`chat`, `embeddings`).
        started_at: When the request came in, UTC.
        ended_at: When the answer was complete; outlets may end later.
        session_id: The chat, where there is one.
        model: The model that was asked for.
        input: The conversation, as JSON.
        output: The answer, as JSON.
        level: How it went.
        status_message: What went wrong.
        metadata: Request id, API key id, and the like.
        tags: Words to find it by.
        observations: What happened, in order of start.
    """

    id: str
    owner_id: str
    name: str
    started_at: datetime
    ended_at: datetime | None = None
    session_id: str | None = None
    model: str | None = None
    input: JsonValue = None
    output: JsonValue = None
    level: Level = Level.DEFAULT
    status_message: str | None = None
    metadata: dict[str, JsonValue] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)
    observations: list[Observation] = field(default_factory=list)


def mask_trace(trace: Trace, mask: Callable[[str], str]) -> None:
    """Changes every text that went in or out, in a trace and its observations."""
    trace.input, trace.output = _masked(trace.input, mask), _masked(trace.output, mask)
    trace.status_message = None if trace.status_message is None else mask(trace.status_message)
    for each in trace.observations:
        each.input, each.output = _masked(each.input, mask), _masked(each.output, mask)
        each.status_message = None if each.status_message is None else mask(each.status_message)
        each.metadata = {key: _masked(value, mask) for key, value in each.metadata.items()}


def _masked(value: JsonValue, mask: Callable[[str], str]) -> JsonValue:
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, Mapping):
        return {key: _masked(each, mask) for key, each in value.items()}
    if isinstance(value, Sequence):
        return [_masked(each, mask) for each in value]
    return value


class TraceSink(Protocol):
    """Takes finished traces."""

    def admit(self) -> None:
        """Says whether another turn may begin; every answer has a trace, so one that could not be kept is not begun.

        Raises:
            Overloaded: When too many traces wait to be stored.
        """
        ...

    async def record(self, trace: Trace) -> None:
        """Keeps a trace; one recorded again takes the place of the earlier one.

        When this returns, the trace survives `kill -9` of this process. It raises nothing: the answer has been given, and
        what cannot be kept after all (a full disk) is logged by the sink.
        """
        ...


class NullTraceSink:
    """Forgets every trace; tracing switched off changes no behaviour."""

    def admit(self) -> None:
        """Lets every turn begin."""

    async def record(self, trace: Trace) -> None:
        """Does nothing."""


@dataclass(slots=True)
class ListTraceSink:
    """Keeps traces in a list; for tests."""

    traces: list[Trace] = field(default_factory=list)

    def admit(self) -> None:
        """Lets every turn begin."""

    async def record(self, trace: Trace) -> None:
        """Appends the trace."""
        self.traces.append(trace)

    def record_now(self, trace: Trace) -> None:
        """Appends the trace."""
        self.traces.append(trace)


_open: ContextVar[tuple["Tracer", str] | None] = ContextVar("alcove_open_observation", default=None)
"""The innermost observation held open by `Tracer.observe` here, and the tracer that opened it."""


@dataclass(frozen=True, slots=True)
class Tracer:
    """Adds observations to the trace of one turn.

    Attributes:
        trace: The trace.
        clock: The time.
        parent_id: The observation under which all others of this tracer stand; None for the trace itself.
    """

    trace: Trace
    clock: Clock
    parent_id: str | None = None

    def under(self, observation: Observation) -> "Tracer":
        """Gives a tracer whose observations stand under one of this tracer's, for what is called from there."""
        return replace(self, parent_id=observation.id)

    @contextlib.contextmanager
    def observe(self, kind: ObservationKind, name: str, *, model: str | None = None) -> Iterator[Observation]:
        """Opens an observation for the body of a `with`; nested ones become its children.

        An exception marks the observation as failed and goes on. Not to be held open across a `yield` of an async generator
        whose consumer may be in another context: use `begin` and `end` there.
        """
        observation = self.begin(kind, name, model=model)
        token = _open.set((self, observation.id))
        try:
            yield observation
        except BaseException as error:
            self.fail(observation, error)
            raise
        finally:
            _open.reset(token)
            self.end(observation)

    def begin(self, kind: ObservationKind, name: str, *, model: str | None = None) -> Observation:
        """Opens an observation under the current one; the caller must `end` it."""
        around = _open.get()
        is_ours = around is not None and around[0].trace is self.trace and around[0].parent_id == self.parent_id
        observation = Observation(
            id=new_span_id(),
            parent_id=around[1] if around is not None and is_ours else self.parent_id,
            kind=kind,
            name=name,
            started_at=self.clock.now(),
            model=model,
        )
        self.trace.observations.append(observation)
        return observation

    def end(self, observation: Observation) -> None:
        """Closes an observation; a second call changes nothing."""
        if observation.ended_at is None:
            observation.ended_at = self.clock.now()

    def fail(self, observation: Observation, error: BaseException) -> None:
        """Marks an observation as failed (or, for a cancellation, as cut short)."""
        observation.level = Level.ERROR if isinstance(error, Exception) else Level.WARNING
        observation.status_message = str(error) or type(error).__name__
