"""An answer put away, and given again piece by piece as it first came: text, reasoning, tool calls, sources, tokens."""

import re
from collections.abc import Iterator

import pydantic
import pydantic_core

from alcove.kernel.chat import Answer, Citation, Delta, JsonValue, Source, ToolCallDelta, Usage

_PIECE = re.compile(r"\s*\S+\s*", re.DOTALL)
_MAX_PIECES = 400
_WHOLE = frozenset({"stop", "tool_calls", "function_call"})


class _Call(pydantic.BaseModel):
    id: str
    name: str
    arguments: str
    extra: dict[str, pydantic.JsonValue] = {}


class KeptAnswer(pydantic.BaseModel):
    """An answer as it is kept."""

    content: str
    reasoning: str
    calls: list[_Call]
    sources: tuple[Source, ...]
    citations: tuple[Citation, ...]
    finish_reason: str
    usage: Usage | None
    extra: dict[str, pydantic.JsonValue]

    @classmethod
    def of(cls, answer: Answer) -> "KeptAnswer | None":
        """Gives what is to be kept of an answer; None unless it is whole and good: not cut, not filtered, not empty."""
        if answer.finish_reason not in _WHOLE or not (answer.content or answer.tool_calls):
            return None
        return cls(
            content=answer.content,
            reasoning=answer.reasoning,
            calls=[
                _Call(id=each.id, name=each.name, arguments=each.arguments, extra=_plain(each.extra))
                for each in answer.tool_calls
            ],
            sources=answer.sources,
            citations=tuple(answer.citations),
            finish_reason=answer.finish_reason,
            usage=answer.usage,
            extra=_plain(answer.extra),
        )

    def encoded(self) -> bytes:
        """Gives it as bytes."""
        return pydantic_core.to_json(self)

    @classmethod
    def decoded(cls, data: bytes) -> "KeptAnswer | None":
        """Gives it back; None when the bytes are of another making."""
        try:
            return cls.model_validate_json(data)
        except ValueError:
            return None

    def deltas(self) -> Iterator[Delta]:
        """Gives the answer piece by piece, a word at a time, long ones in larger pieces."""
        if self.sources:
            yield Delta(sources=self.sources)
        for piece in _pieces(self.reasoning):
            yield Delta(reasoning=piece)
        for piece in _pieces(self.content):
            yield Delta(content=piece)
        for index, call in enumerate(self.calls):
            yield Delta(tool_calls=(ToolCallDelta(index=index, id=call.id, name=call.name, extra=call.extra),))
            for piece in _pieces(call.arguments):
                yield Delta(tool_calls=(ToolCallDelta(index=index, arguments=piece),))
        if self.citations:
            yield Delta(citations=self.citations)
        yield Delta(finish_reason=self.finish_reason, usage=self.usage, extra=self.extra)


def _pieces(text: str) -> list[str]:
    """Cuts a text after words; their sum is the text."""
    if not text:
        return []
    words = _PIECE.findall(text) or [text]
    step = -(-len(words) // _MAX_PIECES)
    return ["".join(words[start : start + step]) for start in range(0, len(words), step)]


def _plain(value: "dict[str, JsonValue] | object") -> dict[str, pydantic.JsonValue]:
    found = pydantic_core.from_json(pydantic_core.to_json(value))
    return found if isinstance(found, dict) else {}
