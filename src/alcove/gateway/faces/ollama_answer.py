"""Ollama's answers, written: whole, or as lines of JSON.

Go leaves out fields that are zero, and so does this. The times of the last line are those that the model's server measured, where it
tells; else what was seen from here: until the first piece came, and from then on. Alcove's own `sources`, `citations` and `trace_id`
stand beside Ollama's fields in the last line. `context` is not given: what tokens a conversation had only the model's server knows.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

import pydantic_core

from alcove.gateway.faces.segments import Change, Kind, Segment, Segments, arguments_of
from alcove.gateway.ollama_words import TIMES, ollama_of
from alcove.gateway.openai_answer import AnswerHead, dump, grounds_json
from alcove.infra.problems import ollama_error
from alcove.kernel.chat import Answer, Delta, JsonValue, Usage
from alcove.kernel.errors import AlcoveError

NDJSON = b"application/x-ndjson"

_NS = 1_000_000_000
_LOGPROB_FIELDS = ("token", "logprob", "bytes")


def timestamp(at_ns: int | None = None) -> str:
    """Gives a time as Ollama writes it, to the nanosecond; of now, if none is given."""
    seconds, rest_ns = divmod(time.time_ns() if at_ns is None else at_ns, _NS)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest_ns:09d}Z"


def load_body(model: str, way: Literal["chat", "generate"], reason: Literal["load", "unload"]) -> bytes:
    """Gives the answer to a request that only loads or unloads a model."""
    body: dict[str, JsonValue] = {"model": model, "created_at": timestamp()}
    body |= {"message": {"role": "assistant", "content": ""}} if way == "chat" else {"response": ""}
    return pydantic_core.to_json({**body, "done": True, "done_reason": reason})


@dataclass(slots=True)
class _Clock:
    """Measures an answer from here, for servers that do not say how long things took."""

    begun_ns: int = field(default_factory=time.monotonic_ns)
    first_ns: int | None = None

    def see(self, delta: Delta) -> None:
        if self.first_ns is None and (delta.content or delta.reasoning or delta.tool_calls):
            self.first_ns = time.monotonic_ns()

    def metrics(self, answer: Answer) -> dict[str, JsonValue]:
        """Gives the counts and times of the last line."""
        ended_ns = time.monotonic_ns()
        first_ns = ended_ns if self.first_ns is None else self.first_ns
        usage = answer.usage or Usage()
        told = _told_times(answer.extra)
        counts: dict[str, JsonValue] = {
            "total_duration": ended_ns - self.begun_ns,
            "load_duration": told.get("load_duration", 0),
            "prompt_eval_count": usage.input_tokens,
            "prompt_eval_duration": told.get("prompt_eval_duration", first_ns - self.begun_ns),
            "eval_count": usage.output_tokens,
            "eval_duration": told.get("eval_duration", ended_ns - first_ns),
        }
        return {key: value for key, value in counts.items() if value}


def _told_times(extra: Mapping[str, JsonValue]) -> dict[str, int]:
    told = ollama_of(extra)
    found = {key: value for key in TIMES if isinstance(value := told.get(key), int) and value >= 0}
    timings = extra.get("timings")  # as llama.cpp's server has them
    if isinstance(timings, Mapping):
        for key, theirs in (("prompt_eval_duration", "prompt_ms"), ("eval_duration", "predicted_ms")):
            value = timings.get(theirs)
            if key not in found and isinstance(value, int | float) and value >= 0:
                found[key] = round(value * 1e6)
    return found


def _logprobs(extra: Mapping[str, JsonValue]) -> list[JsonValue]:
    found = extra.get("logprobs") if extra else None
    content = found.get("content") if isinstance(found, Mapping) else None
    return [_logprob(each) for each in content if isinstance(each, Mapping)] if isinstance(content, list) else []


def _logprob(token: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    one: dict[str, JsonValue] = {key: token[key] for key in _LOGPROB_FIELDS if token.get(key) is not None}
    others = token.get("top_logprobs")
    if isinstance(others, list) and others:
        one["top_logprobs"] = [_logprob(each) for each in others if isinstance(each, Mapping)]
    return one


def _call_json(segment: Segment, index: int) -> dict[str, JsonValue]:
    function: JsonValue = {"index": index, "name": segment.name, "arguments": arguments_of(segment.text)}
    return {"id": segment.id, "function": function}


def _segments(head: AnswerHead) -> Segments:
    return Segments(call_prefix=f"call_{head.trace_id[-7:]}")  # with the call's number, eight characters


def _reason(answer: Answer) -> str:
    return "length" if answer.finish_reason == "length" else "stop"


@dataclass(slots=True)
class LineWriter:
    """Writes the lines of a stream.

    Attributes:
        head: What is the same in every line.
        way: Which endpoint's lines they are.
    """

    head: AnswerHead
    way: Literal["chat", "generate"]
    _segments: Segments = field(init=False)
    _clock: _Clock = field(default_factory=_Clock)
    _calls: int = 0
    _before: bytes = field(init=False)
    _between: bytes = field(init=False)
    _after: bytes = field(init=False)

    def __post_init__(self) -> None:
        """Writes what is the same in every line once."""
        self._segments = _segments(self.head)
        is_chat = self.way == "chat"
        self._before = b'{"model":' + dump(self.head.model) + b',"created_at":"'
        self._between = b'","message":{"role":"assistant","content":' if is_chat else b'","response":'
        self._after = b'},"done":false}\n' if is_chat else b',"done":false}\n'

    @property
    def keep_alive(self) -> bytes:
        """Gives a blank before the next line: clients read line by line, and take an empty one for an error."""
        return b" "

    def events(self, delta: Delta) -> bytes:
        """Gives the lines for a delta, none when it holds nothing for the client yet."""
        self._clock.see(delta)
        if self._segments.more_text(delta) is not None:
            return self._text(delta.content)
        return b"".join(self._lines(delta))

    def end(self, answer: Answer) -> bytes:
        """Gives the last lines: tool calls that were not whole, then why it ended, with counts and times."""
        calls = b"".join(self._ended())
        last = self._line({"content": ""})
        last |= {"done": True, "done_reason": _reason(answer), **self._clock.metrics(answer)}
        last.update(grounds_json(answer.sources, answer.citations, self.head.trace_id))
        return calls + dump(last) + b"\n"

    def failed(self, error: AlcoveError) -> bytes:
        """Gives the error as the last line, and none that says `done`."""
        return dump(ollama_error(error)) + b"\n"

    def _text(self, text: str) -> bytes:
        return b"".join((self._before, timestamp().encode(), self._between, dump(text), self._after))

    def _lines(self, delta: Delta) -> Iterator[bytes]:
        logprobs = _logprobs(delta.extra)
        for step in self._segments.take(delta):
            if step.change is Change.ENDED and step.segment.kind is Kind.CALL:
                yield self._call(step.segment)
            elif step.change is Change.GROWN and step.segment.kind is Kind.REASONING:
                yield self._dumped({"content": "", "thinking": step.piece})
            elif step.change is Change.GROWN and step.segment.kind in {Kind.TEXT, Kind.REFUSAL}:
                given, logprobs = logprobs, []
                yield self._dumped({"content": step.piece}, {"logprobs": given} if given else {})
        if logprobs:
            yield self._dumped({"content": ""}, {"logprobs": logprobs})

    def _ended(self) -> Iterator[bytes]:
        for step in self._segments.finish():
            if step.change is Change.ENDED and step.segment.kind is Kind.CALL:
                yield self._call(step.segment)

    def _call(self, segment: Segment) -> bytes:
        index, self._calls = self._calls, self._calls + 1
        return self._dumped({"content": "", "tool_calls": [_call_json(segment, index)]})

    def _dumped(self, message: Mapping[str, JsonValue], more: Mapping[str, JsonValue] | None = None) -> bytes:
        return dump({**self._line(message), "done": False, **(more or {})}) + b"\n"

    def _line(self, message: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        line: dict[str, JsonValue] = {"model": self.head.model, "created_at": timestamp()}
        return line | _said(message, self.way)


def _said(message: Mapping[str, JsonValue], way: Literal["chat", "generate"]) -> dict[str, JsonValue]:
    """Gives what was said in the form of either endpoint."""
    if way == "chat":
        return {"message": {"role": "assistant", **message}}
    said = dict(message)
    return {"response": said.pop("content", ""), **said}


@dataclass(slots=True)
class WholeOllamaAnswer:
    """Collects an answer, and writes it in one piece.

    Attributes:
        head: What is the same in every answer.
        way: Which endpoint's answer it is.
    """

    head: AnswerHead
    way: Literal["chat", "generate"]
    _segments: Segments = field(init=False)
    _clock: _Clock = field(default_factory=_Clock)

    def __post_init__(self) -> None:
        """Begins without segments."""
        self._segments = _segments(self.head)

    def take(self, delta: Delta) -> None:
        """Takes the next delta in."""
        self._clock.see(delta)
        self._segments.take(delta)

    def body(self, answer: Answer) -> bytes:
        """Gives the answer."""
        self._segments.finish()
        segments = self._segments.all
        message: dict[str, JsonValue] = {"content": _joined(segments, Kind.TEXT, Kind.REFUSAL)}
        thinking = _joined(segments, Kind.REASONING)
        if thinking:
            message["thinking"] = thinking
        calls = [each for each in segments if each.kind is Kind.CALL]
        if calls:
            message["tool_calls"] = [_call_json(each, index) for index, each in enumerate(calls)]
        body: dict[str, JsonValue] = {"model": self.head.model, "created_at": timestamp()}
        body |= _said(message, self.way)
        body |= {"done": True, "done_reason": _reason(answer), **self._clock.metrics(answer)}
        logprobs = _logprobs(answer.extra)
        if logprobs:
            body["logprobs"] = logprobs
        body.update(grounds_json(answer.sources, answer.citations, self.head.trace_id))
        return pydantic_core.to_json(body, inf_nan_mode="null")  # a model may write numbers that no JSON can hold


def _joined(segments: list[Segment], *kinds: Kind) -> str:
    return "".join(each.text for each in segments if each.kind in kinds)
