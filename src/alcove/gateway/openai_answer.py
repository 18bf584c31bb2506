"""OpenAI's chat answer, written: whole, or as the events of a stream.

Alcove's own additions stand beside OpenAI's fields, where strict clients do not mind them: `sources`, `citations` and
`trace_id` at the top level, of the whole answer or of the chunk that carries `finish_reason`, and only where there are sources.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pydantic_core

from alcove.gateway.openai_request import tool_call_json
from alcove.infra.problems import openai_error
from alcove.kernel.chat import Answer, Citation, Delta, JsonValue, Source, ToolCallDelta, Usage
from alcove.kernel.errors import AlcoveError

DONE = b"data: [DONE]\n\n"
KEEP_ALIVE = b": keep-alive\n\n"


def dump(value: object) -> bytes:
    """Gives JSON in one line that every SSE reader takes for one line.

    U+0085, U+2028 and U+2029 may stand in JSON texts as they are, but some clients split lines at them.
    """
    data = pydantic_core.to_json(value)
    if data.isascii():
        return data
    return (
        data.replace(b"\xe2\x80\xa8", b"\\u2028").replace(b"\xe2\x80\xa9", b"\\u2029").replace(b"\xc2\x85", b"\\u0085")
    )


def event(value: object) -> bytes:
    """Gives an event of a stream."""
    return b"data: " + dump(value) + b"\n\n"


@dataclass(frozen=True, kw_only=True, slots=True)
class AnswerHead:
    """What is the same in every piece of an answer.

    Attributes:
        trace_id: Trace of the answer; its id, too.
        model: The model that was asked for.
        created: Unix seconds.
    """

    trace_id: str
    model: str
    created: int

    def fields(self, kind: str) -> dict[str, JsonValue]:
        """Gives the first fields of the answer or of a chunk."""
        return {"id": f"chatcmpl-{self.trace_id}", "object": kind, "created": self.created, "model": self.model}


def whole_answer(head: AnswerHead, answer: Answer) -> bytes:
    """Gives an answer in one piece."""
    message: dict[str, JsonValue] = {
        "role": "assistant",
        "content": answer.content if answer.content or not answer.tool_calls else None,
        "refusal": None,
    }
    if answer.reasoning:
        message["reasoning_content"] = answer.reasoning
    if answer.tool_calls:
        message["tool_calls"] = [tool_call_json(each) for each in answer.tool_calls]
    extra = dict(answer.extra)
    more = extra.pop("delta", None)
    if isinstance(more, Mapping):
        message.update(more)
    choice: dict[str, JsonValue] = {
        "index": 0,
        "message": message,
        "logprobs": None,
        "finish_reason": answer.finish_reason or "stop",
        **extra,
    }
    body = head.fields("chat.completion")
    body["choices"] = [choice]
    body["usage"] = None if answer.usage is None else usage_json(answer.usage)
    body.update(grounds_json(answer.sources, answer.citations, head.trace_id))
    return pydantic_core.to_json(body)


@dataclass(slots=True)
class ChunkWriter:
    """Writes the events of a stream.

    The chunk with `finish_reason` is held back to the end, because sources and citations go with it.

    Attributes:
        head: What is the same in every chunk.
        wants_usage: Whether the client asked for token counts; then every chunk has `usage`, null but in the last.
    """

    head: AnswerHead
    wants_usage: bool
    _before: bytes = field(init=False)
    _after: bytes = field(init=False)
    _has_begun: bool = field(init=False, default=False)
    _finish_extra: dict[str, JsonValue] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Writes what is the same in every chunk once."""
        self._before = (
            b"data: "
            + dump(self.head.fields("chat.completion.chunk"))[:-1]
            + b',"choices":[{"index":0,"delta":{"content":'
        )
        self._after = (
            b'},"logprobs":null,"finish_reason":null}],"usage":null}\n\n'
            if self.wants_usage
            else b'},"logprobs":null,"finish_reason":null}]}\n\n'
        )

    @property
    def keep_alive(self) -> bytes:
        """Gives a comment."""
        return KEEP_ALIVE

    def failed(self, error: AlcoveError) -> bytes:
        """Gives the error, and no mark of the end."""
        return event(openai_error(error))

    def events(self, delta: Delta) -> bytes:
        """Gives the events for a delta, none when it holds nothing for the client yet."""
        if delta.finish_reason is not None and delta.extra:
            self._finish_extra.update(delta.extra)
            extra: Mapping[str, JsonValue] = {}
        else:
            extra = delta.extra
        if delta.content and not delta.reasoning and not delta.tool_calls and not extra:
            data = self._before + dump(delta.content) + self._after
        elif delta.content or delta.reasoning or delta.tool_calls or extra:
            data = self._full(delta, extra)
        else:
            return b""
        return data if self._has_begun else self._begin() + data

    def end(self, answer: Answer) -> bytes:
        """Gives the last events: why it ended, on what it rests, the tokens if asked for, and the mark of the end."""
        parts = [b"" if self._has_begun else self._begin()]
        more = self._finish_extra.pop("delta", None)
        delta = dict(more) if isinstance(more, Mapping) else {}
        choice: dict[str, JsonValue] = {
            "index": 0,
            "delta": delta,
            "logprobs": None,
            "finish_reason": answer.finish_reason or "stop",
        }
        parts.append(
            self._chunk(
                {**choice, **self._finish_extra}, grounds_json(answer.sources, answer.citations, self.head.trace_id)
            )
        )
        if self.wants_usage:
            chunk = self.head.fields("chat.completion.chunk")
            chunk["choices"] = []
            chunk["usage"] = usage_json(answer.usage or Usage())
            parts.append(event(chunk))
        parts.append(DONE)
        return b"".join(parts)

    def _begin(self) -> bytes:
        self._has_begun = True
        delta: JsonValue = {"role": "assistant", "content": "", "refusal": None}
        return self._chunk({"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}, {})

    def _full(self, delta: Delta, extra: Mapping[str, JsonValue]) -> bytes:
        data: dict[str, JsonValue] = {}
        if delta.content:
            data["content"] = delta.content
        if delta.reasoning:
            data["reasoning_content"] = delta.reasoning
        if delta.tool_calls:
            data["tool_calls"] = [_tool_call_delta_json(each) for each in delta.tool_calls]
        extra = dict(extra)
        more = extra.pop("delta", None)
        if isinstance(more, Mapping):
            data.update(more)
        return self._chunk({"index": 0, "delta": data, "logprobs": None, "finish_reason": None, **extra}, {})

    def _chunk(self, choice: Mapping[str, JsonValue], more: Mapping[str, JsonValue]) -> bytes:
        chunk = self.head.fields("chat.completion.chunk")
        chunk["choices"] = [choice]
        if self.wants_usage:
            chunk["usage"] = None
        chunk.update(more)
        return event(chunk)


def usage_json(usage: Usage) -> dict[str, JsonValue]:
    """Gives token counts as OpenAI's JSON object."""
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_input_tokens},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }


def grounds_json(sources: tuple[Source, ...], citations: list[Citation], trace_id: str) -> dict[str, JsonValue]:
    """Gives what an answer rests on, as Alcove's own fields; nothing without sources."""
    if not sources:
        return {}
    return {
        "sources": [source_json(each) for each in sources],
        "citations": [
            {"number": each.number, "quote": each.quote, "start": each.start, "end": each.end} for each in citations
        ],
        "trace_id": trace_id,
    }


def source_json(source: Source) -> dict[str, JsonValue]:
    """Gives a source as JSON."""
    return {
        "number": source.number,
        "text": source.text,
        "document_id": source.document_id,
        "document": source.document,
        "collection_id": source.collection_id,
        "collection": source.collection,
        "chunk_index": source.chunk_index,
        "score": source.score,
        "page": source.page,
        "start": source.start,
        "end": source.end,
    }


def _tool_call_delta_json(piece: ToolCallDelta) -> dict[str, JsonValue]:
    data: dict[str, JsonValue] = {"index": piece.index}
    function: dict[str, JsonValue] = {}
    if piece.id is not None:
        data["id"] = piece.id
        data["type"] = "function"
    if piece.name is not None:
        function["name"] = piece.name
    function["arguments"] = piece.arguments
    data["function"] = function
    data.update(piece.extra)
    return data
