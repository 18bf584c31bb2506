"""OpenAI's legacy completion, written: whole, or as chunks of a stream."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pydantic_core

from alcove.gateway.openai_answer import DONE, KEEP_ALIVE, AnswerHead, event, grounds_json, usage_json
from alcove.infra.problems import openai_error
from alcove.kernel.chat import Answer, Delta, JsonValue, Usage
from alcove.kernel.errors import AlcoveError

_REASONS = {"length": "length", "content_filter": "content_filter"}


def _chunk(head: AnswerHead, choices: list[JsonValue]) -> dict[str, JsonValue]:
    return {
        "id": f"cmpl-{head.trace_id}",
        "object": "text_completion",
        "created": head.created,
        "model": head.model,
        "choices": choices,
    }


def _choice(text: str, logprobs: JsonValue, reason: str | None) -> JsonValue:
    return {"text": text, "index": 0, "logprobs": logprobs, "finish_reason": reason}


def _reason(answer: Answer) -> str:
    return _REASONS.get(answer.finish_reason or "", "stop")


def _tokens(extra: Mapping[str, JsonValue]) -> Sequence[Mapping[str, JsonValue]]:
    """Gives the tokens of a chat answer with their log probabilities; none where the server gave none."""
    found = extra.get("logprobs")
    content = found.get("content") if isinstance(found, Mapping) else None
    return [each for each in content if isinstance(each, Mapping)] if isinstance(content, list) else []


def _legacy(tokens: Sequence[Mapping[str, JsonValue]], offset: int) -> JsonValue:
    """Gives log probabilities in the legacy form: four lists of one length.

    Args:
        tokens: The tokens.
        offset: Where the first of them begins in the text.
    """
    if not tokens:
        return None
    texts = [str(each.get("token", "")) for each in tokens]
    offsets: list[JsonValue] = []
    for text in texts:
        offsets.append(offset)
        offset += len(text)
    return {
        "tokens": texts,
        "token_logprobs": [each.get("logprob") for each in tokens],
        "top_logprobs": [_top(each.get("top_logprobs")) for each in tokens],
        "text_offset": offsets,
    }


def _top(value: JsonValue) -> JsonValue:
    if not isinstance(value, list) or not value:
        return None
    return {str(each.get("token", "")): each.get("logprob") for each in value if isinstance(each, Mapping)}


@dataclass(slots=True)
class CompletionWriter:
    """Writes the chunks of a stream.

    Attributes:
        head: What is the same in every chunk.
        wants_usage: Whether the client asked for token counts.
    """

    head: AnswerHead
    wants_usage: bool
    _offset: int = field(init=False, default=0)

    @property
    def keep_alive(self) -> bytes:
        """Gives a comment."""
        return KEEP_ALIVE

    def events(self, delta: Delta) -> bytes:
        """Gives the chunk for a delta, none when there is no text in it."""
        if not delta.content:
            return b""
        logprobs = _legacy(_tokens(delta.extra), self._offset) if delta.extra else None
        self._offset += len(delta.content)
        return event(self._one(_choice(delta.content, logprobs, None)))

    def end(self, answer: Answer) -> bytes:
        """Gives the last chunks: why it ended, the tokens if asked for, and the mark of the end."""
        last = self._one(_choice("", None, _reason(answer)))
        last.update(grounds_json(answer.sources, answer.citations, self.head.trace_id))
        counts = b""
        if self.wants_usage:
            counts = event({**_chunk(self.head, []), "usage": usage_json(answer.usage or Usage())})
        return event(last) + counts + DONE

    def failed(self, error: AlcoveError) -> bytes:
        """Gives the error, and no mark of the end."""
        return event(openai_error(error))

    def _one(self, choice: JsonValue) -> dict[str, JsonValue]:
        chunk = _chunk(self.head, [choice])
        return {**chunk, "usage": None} if self.wants_usage else chunk


@dataclass(frozen=True, slots=True)
class WholeCompletion:
    """Writes an answer in one piece.

    Attributes:
        head: What is the same in every answer.
    """

    head: AnswerHead

    def take(self, delta: Delta) -> None:
        """Needs no more than the sum of all deltas."""

    def body(self, answer: Answer) -> bytes:
        """Gives the completion."""
        choice = _choice(answer.content, _legacy(_tokens(answer.extra), 0), _reason(answer))
        body = _chunk(self.head, [choice])
        body["usage"] = None if answer.usage is None else usage_json(answer.usage)
        body.update(grounds_json(answer.sources, answer.citations, self.head.trace_id))
        return pydantic_core.to_json(body)
