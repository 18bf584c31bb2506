"""Anthropic's message, written: whole, or as the events of a stream.

The input is counted once the model is done, so `message_start` has zeros and `message_delta` the counts, as its reference allows.
Alcove's own `sources`, `citations` and `trace_id` stand beside Anthropic's fields: of the whole message, or of `message_delta`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import pydantic_core

from alcove.gateway.faces.segments import Change, Kind, Segment, Segments, Step, arguments_of
from alcove.gateway.native import native_of
from alcove.gateway.openai_answer import AnswerHead, dump, grounds_json
from alcove.infra.problems import anthropic_error
from alcove.kernel.chat import Answer, Delta, JsonValue, Usage
from alcove.kernel.errors import AlcoveError

PING = b'event: ping\ndata: {"type":"ping"}\n\n'
_TEXT = (
    b"event: content_block_delta\n"
    b'data: {"type":"content_block_delta","index":%d,"delta":{"type":"text_delta","text":%b}}\n\n'
)
_STOP_REASONS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}
_OWN_COUNTS = frozenset({"input_tokens", "output_tokens", "cache_read_input_tokens"})


def _event(kind: str, data: Mapping[str, JsonValue]) -> bytes:
    return b"event: " + kind.encode() + b"\ndata: " + dump({"type": kind, **data}) + b"\n\n"


def _count(value: JsonValue) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def usage_json(answer: Answer) -> dict[str, JsonValue]:
    """Gives token counts as Anthropic has them: what came from its cache, and what went into it, is no part of `input_tokens`."""
    usage = answer.usage or Usage()
    told = native_of(answer.extra).get("usage")
    told = told if isinstance(told, Mapping) else {}
    written = min(_count(told.get("cache_creation_input_tokens")), usage.input_tokens - usage.cached_input_tokens)
    counts: dict[str, JsonValue] = {
        "input_tokens": max(0, usage.input_tokens - usage.cached_input_tokens - max(0, written)),
        "cache_creation_input_tokens": max(0, written),
        "cache_read_input_tokens": usage.cached_input_tokens,
        "output_tokens": usage.output_tokens,
    }
    if usage.reasoning_tokens:
        counts["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
    return {**counts, **{key: value for key, value in told.items() if key not in counts and key not in _OWN_COUNTS}}


def stop_json(answer: Answer) -> dict[str, JsonValue]:
    """Gives why an answer ended; Anthropic's own word for it where it has one."""
    native = native_of(answer.extra)
    own = native.get("stop_reason")
    reason = _STOP_REASONS.get(answer.finish_reason or "stop", "end_turn")
    if reason == "end_turn" and answer.tool_calls:
        reason = "tool_use"  # some servers say `stop` after a tool call
    stop: dict[str, JsonValue] = {
        "stop_reason": own if isinstance(own, str) else reason,
        "stop_sequence": native.get("stop_sequence"),
    }
    if native.get("stop_details") is not None:
        stop["stop_details"] = native["stop_details"]
    return stop


def _block(segment: Segment) -> dict[str, JsonValue]:
    """Gives a whole segment as a content block."""
    match segment.kind:
        case Kind.REASONING:
            return {"type": "thinking", "thinking": segment.text, "signature": segment.block.get("signature", "")}
        case Kind.CALL:
            return {"type": "tool_use", "id": segment.id, "name": segment.name, "input": arguments_of(segment.text)}
        case Kind.BLOCK:
            return dict(segment.block)
        case Kind.TEXT | Kind.REFUSAL:
            block: dict[str, JsonValue] = {"type": "text", "text": segment.text}
            return {**block, "citations": segment.citations} if segment.citations else block


def _start(segment: Segment) -> dict[str, JsonValue]:
    match segment.kind:
        case Kind.REASONING:
            return {"type": "thinking", "thinking": "", "signature": ""}
        case Kind.CALL:
            return {"type": "tool_use", "id": segment.id, "name": segment.name, "input": {}}
        case Kind.BLOCK:
            return dict(segment.block)
        case Kind.TEXT | Kind.REFUSAL:
            return {"type": "text", "text": ""}


def _deltas(step: Step) -> Iterator[dict[str, JsonValue]]:
    if step.change is Change.SIGNED:
        yield {"type": "signature_delta", "signature": step.segment.block.get("signature", "")}
        return
    if step.change is Change.CITED:
        for citation in step.more:
            yield {"type": "citations_delta", "citation": citation}
        return
    match step.segment.kind:
        case Kind.REASONING:
            yield {"type": "thinking_delta", "thinking": step.piece}
        case Kind.CALL:
            yield {"type": "input_json_delta", "partial_json": step.piece}
        case Kind.TEXT | Kind.REFUSAL:
            yield {"type": "text_delta", "text": step.piece}
        case Kind.BLOCK:
            return


def _message(head: AnswerHead, content: list[JsonValue]) -> dict[str, JsonValue]:
    return {
        "id": f"msg_{head.trace_id}",
        "type": "message",
        "role": "assistant",
        "model": head.model,
        "content": content,
    }


def _segments(head: AnswerHead) -> Segments:
    return Segments(call_prefix=f"toolu_{head.trace_id}_")


@dataclass(slots=True)
class MessageWriter:
    """Writes the events of a stream.

    Attributes:
        head: What is the same in every answer.
        request_id: Id of the HTTP request, for errors.
    """

    head: AnswerHead
    request_id: str
    _segments: Segments = field(init=False)
    _has_begun: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        """Begins without segments."""
        self._segments = _segments(self.head)

    @property
    def keep_alive(self) -> bytes:
        """Gives a ping."""
        return PING

    def events(self, delta: Delta) -> bytes:
        """Gives the events for a delta, none when it holds nothing for the client yet."""
        longer = self._segments.more_text(delta)
        if longer is not None:
            return _TEXT % (longer.place, dump(delta.content))
        steps = self._segments.take(delta)
        return b"".join([self._begin(), *map(self._step, steps)]) if steps else b""

    def end(self, answer: Answer) -> bytes:
        """Gives the last events: why it ended, and the tokens."""
        last: dict[str, JsonValue] = {"delta": stop_json(answer), "usage": usage_json(answer)}
        last.update(grounds_json(answer.sources, answer.citations, self.head.trace_id))
        steps = map(self._step, self._segments.finish())
        return b"".join([self._begin(), *steps, _event("message_delta", last), _event("message_stop", {})])

    def failed(self, error: AlcoveError) -> bytes:
        """Gives the error as an event, and no end of the message."""
        return b"event: error\ndata: " + dump(anthropic_error(error, request_id=self.request_id)) + b"\n\n"

    def _begin(self) -> bytes:
        if self._has_begun:
            return b""
        self._has_begun = True
        message = _message(self.head, [])
        message.update(stop_reason=None, stop_sequence=None, usage=usage_json(Answer()))
        return _event("message_start", {"message": message}) + PING

    def _step(self, step: Step) -> bytes:
        index = step.segment.place
        if step.change is Change.BEGUN:
            return _event("content_block_start", {"index": index, "content_block": _start(step.segment)})
        if step.change is Change.ENDED:
            return _event("content_block_stop", {"index": index})
        return b"".join(_event("content_block_delta", {"index": index, "delta": each}) for each in _deltas(step))


@dataclass(slots=True)
class WholeMessage:
    """Collects an answer, and writes it in one piece.

    Attributes:
        head: What is the same in every answer.
    """

    head: AnswerHead
    _segments: Segments = field(init=False)

    def __post_init__(self) -> None:
        """Begins without segments."""
        self._segments = _segments(self.head)

    def take(self, delta: Delta) -> None:
        """Takes the next delta in."""
        self._segments.take(delta)

    def body(self, answer: Answer) -> bytes:
        """Gives the message."""
        self._segments.finish()
        message = _message(self.head, [_block(each) for each in self._segments.all])
        message.update(stop_json(answer))
        message["usage"] = usage_json(answer)
        message.update(grounds_json(answer.sources, answer.citations, self.head.trace_id))
        return pydantic_core.to_json(message, inf_nan_mode="null")  # a model may write numbers that no JSON can hold
