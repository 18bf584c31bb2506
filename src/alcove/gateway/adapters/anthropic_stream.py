"""Anthropic's stream events, read: from JSON objects to deltas.

Beside text, reasoning and tool calls, a delta's `extra` carries what only Anthropic's face can show: `delta.thinking_blocks`, the
signed thinking that must come back with the next turn; and under `NATIVE` the blocks of tools that ran at Anthropic, citations, the
exact reason of the end, and the counts of its cache.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import pydantic_core

from alcove.gateway.native import NATIVE, THINKING_BLOCKS
from alcove.kernel.chat import Delta, JsonValue, ToolCallDelta, Usage

_MAX_BLOCKS = 1024
_FINISH_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "content_filter",
}
_MORE_USAGE = (
    "cache_creation_input_tokens",
    "cache_creation",
    "server_tool_use",
    "service_tier",
    "inference_geo",
    "speed",
)


class NotAnEvent(ValueError):
    """The JSON is not an event of a message."""


@dataclass(slots=True)
class _Block:
    """A content block of which more may come."""

    kind: str
    data: dict[str, JsonValue]
    call: int | None = None
    texts: list[str] = field(default_factory=list)
    signature: str = ""
    citations: list[JsonValue] = field(default_factory=list)


@dataclass(slots=True)
class EventReader:
    """Reads the events of one message.

    Attributes:
        finish_reason: Why it ended, once it has.
        has_begun: Whether there was anything in it.
        is_done: Whether its end has come.
    """

    finish_reason: str | None = None
    has_begun: bool = False
    is_done: bool = False
    _blocks: dict[int, _Block] = field(default_factory=dict)
    _calls: int = 0
    _counts: dict[str, JsonValue] = field(default_factory=dict)

    def deltas(self, event: JsonValue) -> Iterator[Delta]:
        """Gives what an event adds; nothing for a ping, and for events that are not known yet.

        Raises:
            NotAnEvent: When it is something else.
        """
        if not isinstance(event, dict) or not isinstance(event.get("type"), str):
            raise NotAnEvent
        match event["type"]:
            case "content_block_delta":
                yield from self._more(self._block(event), _object(event.get("delta")))
            case "content_block_start":
                yield from self._start(event)
            case "content_block_stop":
                yield from self._stop(event)
            case "message_start":
                self._count(_object(event.get("message")).get("usage"))
            case "message_delta":
                self._count(event.get("usage"))
                yield from self._end(_object(event.get("delta")))
            case "message_stop":
                self.is_done = True
                if self.finish_reason is None:
                    yield from self._end({"stop_reason": "end_turn"})
            case "message":  # an answer in one piece
                yield from self._whole(event)

    def _whole(self, message: Mapping[str, JsonValue]) -> Iterator[Delta]:
        content = message.get("content")
        if not isinstance(content, list):
            raise NotAnEvent
        self._count(message.get("usage"))
        for index, block in enumerate(content):
            yield from self._start({"index": index, "content_block": block})
            yield from self._stop({"index": index})
        yield from self._end(message)
        self.is_done = True

    def _block(self, event: Mapping[str, JsonValue]) -> _Block:
        index = event.get("index")
        block = self._blocks.get(index) if isinstance(index, int) else None
        if block is None:
            raise NotAnEvent
        return block

    def _start(self, event: Mapping[str, JsonValue]) -> Iterator[Delta]:
        index, data = event.get("index"), _object(event.get("content_block"))
        kind = data.get("type")
        if not isinstance(index, int) or not isinstance(kind, str) or len(self._blocks) >= _MAX_BLOCKS:
            raise NotAnEvent
        self.has_begun = True
        block = self._blocks[index] = _Block(kind, dict(data))
        if kind == "tool_use":
            block.call = self._calls
            self._calls += 1
            yield Delta(tool_calls=(ToolCallDelta(index=block.call, id=_text(data, "id"), name=_text(data, "name")),))
            if data.get("input"):
                yield from self._more(block, {"partial_json": pydantic_core.to_json(data["input"]).decode()})
            return
        yield from self._more(block, data)

    def _more(self, block: _Block, data: Mapping[str, JsonValue]) -> Iterator[Delta]:
        """Takes more of a block in: a piece, or the fields it began with."""
        match block.kind:
            case "text":
                citations = data.get("citations")
                block.citations += citations if isinstance(citations, list) else []
                if data.get("citation") is not None:
                    block.citations.append(data["citation"])
                if text := _text(data, "text"):
                    yield Delta(content=text)
            case "thinking":
                block.signature += _text(data, "signature")
                if text := _text(data, "thinking"):
                    block.texts.append(text)
                    yield Delta(reasoning=text)
            case "tool_use":
                if block.call is not None and (piece := _text(data, "partial_json")):
                    block.texts.append(piece)
                    yield Delta(tool_calls=(ToolCallDelta(index=block.call, arguments=piece),))
            case _:
                block.texts.append(_text(data, "partial_json"))

    def _stop(self, event: Mapping[str, JsonValue]) -> Iterator[Delta]:
        block = self._block(event)
        text = "".join(block.texts)
        block.texts.clear()
        match block.kind:
            case "text":
                if block.citations:
                    yield Delta(extra={NATIVE: {"citations": block.citations}})
            case "thinking":
                if block.signature:
                    signed: JsonValue = {"type": "thinking", "thinking": text, "signature": block.signature}
                    yield Delta(extra={"delta": {THINKING_BLOCKS: [signed]}})
            case "redacted_thinking":
                yield Delta(extra={"delta": {THINKING_BLOCKS: [block.data]}})
            case "tool_use":
                if not text and block.call is not None:
                    yield Delta(tool_calls=(ToolCallDelta(index=block.call, arguments="{}"),))
            case _:
                if text:
                    block.data["input"] = _parsed(text)
                yield Delta(extra={NATIVE: {"blocks": [block.data]}})

    def _end(self, delta: Mapping[str, JsonValue]) -> Iterator[Delta]:
        reason = delta.get("stop_reason")
        if not isinstance(reason, str):
            return
        self.has_begun = True
        self.finish_reason = _FINISH_REASONS.get(reason, "stop")
        native = {key: value for key in ("stop_reason", "stop_sequence", "stop_details") if (value := delta.get(key))}
        more = {key: self._counts[key] for key in _MORE_USAGE if self._counts.get(key)}
        yield Delta(
            finish_reason=self.finish_reason,
            usage=self._usage(),
            extra={NATIVE: {**native, "usage": more} if more else native},
        )

    def _count(self, usage: JsonValue) -> None:
        """Notes counts; later ones are of the whole message, and those that are not said again stay."""
        if isinstance(usage, Mapping):
            self._counts.update({key: value for key, value in usage.items() if value is not None})

    def _usage(self) -> Usage:
        cached = _number(self._counts, "cache_read_input_tokens")
        written = _number(self._counts, "cache_creation_input_tokens")
        return Usage(
            input_tokens=_number(self._counts, "input_tokens") + cached + written,
            output_tokens=_number(self._counts, "output_tokens"),
            cached_input_tokens=cached,
            reasoning_tokens=_number(_object(self._counts.get("output_tokens_details")), "thinking_tokens"),
        )


def _object(value: JsonValue) -> Mapping[str, JsonValue]:
    return value if isinstance(value, Mapping) else {}


def _text(data: Mapping[str, JsonValue], key: str) -> str:
    value = data.get(key)
    return value if isinstance(value, str) else ""


def _number(data: Mapping[str, JsonValue], key: str) -> int:
    value = data.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 53 else 0


def _parsed(text: str) -> JsonValue:
    try:
        parsed: JsonValue = pydantic_core.from_json(text)
    except ValueError:
        return text
    return parsed
