"""Traces of answers that went through as bytes: only as many as that may cost.

Every call leaves a usage row. Beside it, calls are traced with their texts as long as there are not too many of them: a bucket of
so many a second. A person who asks one thing after the other always has a trace; thousands of requests a second have some. An
error always leaves one, unless even errors come faster than they can be kept.

A trace whose id the client is told is kept before its answer ends, so that it survives `kill -9`; those of other errors are kept a
moment later, off everyone's path.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import NamedTuple, Protocol

import anyio
import anyio.to_thread
import msgspec
import pydantic_core
import structlog

from alcove.gateway.calls import CLIENT_LEFT, Call, Outcome
from alcove.gateway.openai_request import chat_call
from alcove.gateway.passed import PassedRequest
from alcove.kernel.chat import Answer, JsonValue
from alcove.kernel.clock import Clock
from alcove.kernel.errors import AlcoveError
from alcove.kernel.ids import new_span_id, new_trace_id
from alcove.kernel.principal import Principal
from alcove.kernel.trace import Level, Observation, ObservationKind, Trace, TraceSink

log = structlog.get_logger(__name__)

_MAX_WAITING = 256
_BURST_S = 60.0  # an hour without a question fills the bucket no further than a minute
_LARGE_BYTES = 256 * 1024


class PassedCall(NamedTuple):
    """A call that is over, with what is needed to make its trace.

    Attributes:
        call: What was wanted.
        who: By whom.
        request: The request.
        blocks: What was sent to the client.
        outcome: What came of it.
        error: What went wrong.
        finish_reason: Why the answer ended.
    """

    call: Call
    who: Principal
    request: PassedRequest
    blocks: Sequence[bytes]
    outcome: Outcome
    error: AlcoveError | None
    finish_reason: str | None

    @property
    def size_bytes(self) -> int:
        """How much there is to read."""
        return sum(map(len, self.blocks)) + self.call.input_tokens * 4


class NowSink(TraceSink, Protocol):
    """Where traces go that must be kept at once."""

    def record_now(self, trace: Trace) -> None:
        """Keeps a trace; when this returns, it survives `kill -9`. Never raises."""
        ...


SumUp = Callable[[bytes, bool], Answer]
"""Reads what was sent to a client, an answer in one piece or (true) a stream of events, back into an answer."""


@dataclass(slots=True, kw_only=True)
class HotTraces:
    """Keeps traces of calls that went through as bytes.

    Attributes:
        sink: Where they go.
        sum_up: Reads answers back.
        clock: The time.
        per_s: How many a second are kept with their texts, beside those of errors.
        lost: How many could not be kept.
    """

    sink: NowSink
    sum_up: SumUp
    clock: Clock
    per_s: float
    lost: int = 0
    _left: float = field(init=False)
    _filled_s: float = field(init=False)
    _waiting: deque[PassedCall] = field(default_factory=deque)
    _arrived: anyio.Event = field(default_factory=anyio.Event)

    def __post_init__(self) -> None:
        """Begins with a full bucket."""
        self._left = self._most
        self._filled_s = self.clock.monotonic_s()

    @property
    def _most(self) -> float:
        return max(self.per_s * _BURST_S, 1.0) if self.per_s else 0.0

    def take(self) -> str:
        """Gives the id of a trace that will be kept; empty when this call is not to have one."""
        now_s = self.clock.monotonic_s()
        self._left = min(self._most, self._left + (now_s - self._filled_s) * self.per_s)
        self._filled_s = now_s
        if self._left < 1 or len(self._waiting) >= _MAX_WAITING:
            return ""
        try:
            self.sink.admit()
        except AlcoveError:
            return ""
        self._left -= 1
        return new_trace_id()

    @property
    def is_waiting(self) -> bool:
        """Whether traces wait to be kept."""
        return bool(self._waiting)

    def keep(self, call: PassedCall) -> None:
        """Keeps the trace of a call: now, if its id is told and it is of usual size; else with the next `flush`."""
        if call.call.trace_id and call.size_bytes <= _LARGE_BYTES:
            try:
                self.sink.record_now(self.trace(call))
            except Exception:  # whatever cannot be made into a trace must not keep the answer from ending
                self.lost += 1
                log.exception("trace_not_made", request_id=call.call.request_id)
            return
        if len(self._waiting) >= _MAX_WAITING:
            self.lost += 1
            return
        self._waiting.append(call)
        self._arrived.set()

    async def run(self) -> None:
        """Keeps what waits, until cancelled."""
        while True:
            await self._arrived.wait()
            self._arrived = anyio.Event()
            await self.flush()

    async def flush(self) -> None:
        """Keeps what waits now."""
        while self._waiting:
            call = self._waiting.popleft()
            try:
                if call.size_bytes > _LARGE_BYTES:
                    trace = await anyio.to_thread.run_sync(self.trace, call)
                else:
                    trace = self.trace(call)
                await self.sink.record(trace)
            except Exception:  # a task root: one trace that cannot be made must not keep the next from being kept
                self.lost += 1
                log.exception("trace_not_made", request_id=call.call.request_id)

    def trace(self, passed: PassedCall) -> Trace:
        """Makes the trace of a call: the same as that of a turn with one generation in it."""
        call, outcome = passed.call, passed.outcome
        ended_at = call.at + timedelta(seconds=outcome.ended_s - call.began_s)
        asked, session_id = _input(passed.request)
        answer = self._answer(passed)
        generation = Observation(
            id=new_span_id(),
            parent_id=None,
            kind=ObservationKind.GENERATION,
            name=f"chat {call.model}",
            started_at=call.at,
            ended_at=ended_at,
            first_token_at=None
            if outcome.first_s is None
            else call.at + timedelta(seconds=outcome.first_s - call.began_s),
            model=call.model,
            input=asked,
            output=answer.content,
            usage=outcome.usage,
            cost_usd=outcome.cost_usd,
        )
        served = outcome.served
        named = {
            "provider": served.provider,
            "deployment": served.deployment,
            "cache": served.cache,
            "finish_reason": passed.finish_reason or "",
        }
        generation.metadata.update({name: value for name, value in named.items() if value})
        if answer.tool_calls:
            generation.metadata["tool_calls"] = [
                {"id": each.id, "name": each.name, "arguments": each.arguments} for each in answer.tool_calls
            ]
        trace = Trace(
            id=call.trace_id or new_trace_id(),
            owner_id=passed.who.user_id,
            name="chat",
            started_at=call.at,
            ended_at=ended_at,
            session_id=session_id,
            model=call.model,
            input=asked,
            output=answer.content,
            metadata={"request_id": call.request_id},
            observations=[generation],
        )
        if passed.who.key_id:
            trace.metadata["key_id"] = passed.who.key_id
        if passed.error is not None:
            trace.level = generation.level = Level.ERROR
            trace.status_message = generation.status_message = passed.error.detail
        elif outcome.status == CLIENT_LEFT:
            trace.level = generation.level = Level.WARNING
            trace.status_message = generation.status_message = "The answer was stopped before its end."
        return trace

    def _answer(self, passed: PassedCall) -> Answer:
        sent = b"".join(passed.blocks)
        try:
            return self.sum_up(sent, passed.request.is_streaming) if sent else Answer()
        except AlcoveError:  # it was cut in the middle
            return Answer()


def _input(request: PassedRequest) -> tuple[JsonValue, str | None]:
    """Gives the conversation as a turn's trace has it, and the session; the messages as they came where they cannot be read."""
    data = pydantic_core.from_json(msgspec.json.encode(request.fields))
    try:
        asked = chat_call(data).request
    except AlcoveError:
        messages: JsonValue = data["messages"]
        return messages, None
    return [{"role": each.role.value, "content": each.text} for each in asked.messages], asked.session_id
