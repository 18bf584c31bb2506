"""OpenAI's response object, written: whole, or as the typed events of a stream.

A stream ends with `response.completed`, `response.incomplete` (cut at a limit) or `response.failed`, each with the whole object.
Alcove's own `sources`, `citations` and `trace_id` stand beside OpenAI's fields of that object.
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import pydantic_core

from alcove.gateway.faces.responses_items import ItemEvent, Items
from alcove.gateway.openai_answer import KEEP_ALIVE, AnswerHead, dump, grounds_json
from alcove.infra.problems import responses_error
from alcove.kernel.chat import Answer, Delta, JsonValue, Usage
from alcove.kernel.errors import AlcoveError

_TEXT = (
    b"event: response.output_text.delta\n"
    b'data: {"type":"response.output_text.delta","sequence_number":%d,"item_id":"%b","output_index":%d,"content_index":%d,'
    b'"delta":%b,"logprobs":[]}\n\n'
)
_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}


def _usage(usage: Usage | None) -> JsonValue:
    if usage is None:
        return None
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {"cached_tokens": usage.cached_input_tokens, "cache_write_tokens": 0},
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.total_tokens,
    }


@dataclass(slots=True)
class _Response:
    """The object that every event of its life repeats."""

    head: AnswerHead
    echo: Mapping[str, JsonValue]
    items: Items

    def json(self, status: str, **more: JsonValue) -> dict[str, JsonValue]:
        return {
            "id": f"resp_{self.head.trace_id}",
            "object": "response",
            "created_at": self.head.created,
            "status": status,
            "background": False,
            "error": None,
            "incomplete_details": None,
            "model": self.head.model,
            "output": [each.json() for each in self.items.all],
            "previous_response_id": None,
            "store": False,
            "truncation": "disabled",
            "usage": None,
            **self.echo,
            **more,
        }

    def ended(self, answer: Answer) -> dict[str, JsonValue]:
        reason = _INCOMPLETE.get(answer.finish_reason or "")
        status = "completed" if reason is None else "incomplete"
        return self.json(
            status,
            incomplete_details=None if reason is None else {"reason": reason},
            completed_at=int(time.time()) if reason is None else None,
            usage=_usage(answer.usage),
            **grounds_json(answer.sources, answer.citations, self.head.trace_id),
        )


def _status(answer: Answer) -> str:
    return "incomplete" if answer.finish_reason in _INCOMPLETE else "completed"


@dataclass(slots=True)
class ResponseWriter:
    """Writes the events of a stream.

    Attributes:
        head: What is the same in every answer.
        echo: What the answer repeats of the request.
    """

    head: AnswerHead
    echo: Mapping[str, JsonValue]
    _response: _Response = field(init=False)
    _number: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        """Begins without items."""
        self._response = _Response(self.head, self.echo, Items(self.head.trace_id))

    @property
    def keep_alive(self) -> bytes:
        """Gives a comment."""
        return KEEP_ALIVE

    def events(self, delta: Delta) -> bytes:
        """Gives the events for a delta, none when it holds nothing for the client yet."""
        longer = self._response.items.more_text(delta)
        if longer is not None:
            number, self._number = self._number, self._number + 1
            at = longer.id.encode(), longer.place, len(longer.segments) - 1
            return _TEXT % (number, *at, dump(delta.content))
        events = list(self._response.items.take(delta))
        return self._begin() + self._written(events) if events else b""

    def end(self, answer: Answer) -> bytes:
        """Gives the last events: the ends of items, and the whole object."""
        begin = self._begin()
        events = list(self._response.items.finish(_status(answer)))
        last = self._response.ended(answer)
        return begin + self._written([*events, (f"response.{last['status']}", {"response": last})])

    def failed(self, error: AlcoveError) -> bytes:
        """Gives the object as far as it came, with the error."""
        begin = self._begin()
        last = self._response.json("failed", error=responses_error(error))
        return begin + self._written([("response.failed", {"response": last})])

    def _begin(self) -> bytes:
        if self._number:
            return b""
        begun: JsonValue = {**self._response.json("in_progress"), "output": []}
        return self._written([("response.created", {"response": begun}), ("response.in_progress", {"response": begun})])

    def _written(self, events: Iterable[ItemEvent]) -> bytes:
        out: list[bytes] = []
        for kind, fields in events:
            data = dump({"type": kind, "sequence_number": self._number, **fields})
            self._number += 1
            out.append(b"event: " + kind.encode() + b"\ndata: " + data + b"\n\n")
        return b"".join(out)


@dataclass(slots=True)
class WholeResponse:
    """Collects an answer, and writes it in one piece.

    Attributes:
        head: What is the same in every answer.
        echo: What the answer repeats of the request.
    """

    head: AnswerHead
    echo: Mapping[str, JsonValue]
    _items: Items = field(init=False)

    def __post_init__(self) -> None:
        """Begins without items."""
        self._items = Items(self.head.trace_id)

    def take(self, delta: Delta) -> None:
        """Takes the next delta in."""
        for _ in self._items.take(delta):
            pass

    def body(self, answer: Answer) -> bytes:
        """Gives the response object."""
        for _ in self._items.finish(_status(answer)):
            pass
        return pydantic_core.to_json(_Response(self.head, self.echo, self._items).ended(answer))
