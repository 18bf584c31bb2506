"""From a finished turn to an entry in the journal, and from there to the rows of a store.

Encoding happens at the end of every answer, so it does little: it cuts what is too long and writes JSON. Sums, durations
and previews are made when the entry is read, where nobody waits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from decimal import Decimal
from typing import TypeVar

import pydantic
from pydantic import BaseModel
from pydantic_core import PydanticSerializationError, to_json

from alcove.kernel.chat import JsonValue
from alcove.kernel.trace import Level, Observation, ObservationKind, Trace
from alcove.tracing.fitting import cut_json, cut_text, plain
from alcove.tracing.models import Change, Erasure, ObservationRecord, TraceHead, TraceRecord, TraceWrite

_MAX_NAME = 200
_MAX_MESSAGE = 2_000
_MIN_TEXT = 200
_MAX_OBSERVATIONS = 2_000
_PREVIEW = 200
_MILLISECOND_DIGITS = 3

_T = TypeVar("_T", Trace, Observation)


def encoded(trace: Trace, *, max_text_chars: int, max_bytes: int) -> bytes:
    """Gives a trace as a journal entry.

    Args:
        trace: The trace; it is not changed.
        max_text_chars: Characters kept of each input, output and metadata.
        max_bytes: Size of the whole entry; to keep it, more is cut from every text.
    """
    entry = _json(trace, max_text_chars)
    while len(entry) > max_bytes and max_text_chars > _MIN_TEXT:
        max_text_chars = max(_MIN_TEXT, max_text_chars // 4)
        entry = _json(trace, max_text_chars)
    kept = min(len(trace.observations), _MAX_OBSERVATIONS)
    while len(entry) > max_bytes and kept:
        metadata = {**trace.metadata, "observations_left_out": len(trace.observations) - kept}
        entry = _json(replace(trace, observations=trace.observations[:kept], metadata=metadata), _MIN_TEXT)
        kept //= 2
    return entry


def encoded_erasure(erasure: Erasure) -> bytes:
    """Gives an erasure as a journal entry."""
    return to_json({"erasure": {"owner_id": erasure.owner_id, "session_id": erasure.session_id}})


def decoded(entry: bytes) -> Change:
    """Gives the change a journal entry stands for.

    Raises:
        ValueError: When it stands for none.
    """
    line = _Entry.model_validate_json(entry)
    if line.trace is not None:
        return _write(line.trace)
    if line.erasure is not None:
        return Erasure(owner_id=line.erasure.owner_id, session_id=line.erasure.session_id)
    msg = "a journal entry holds neither a trace nor an erasure"
    raise ValueError(msg)


def _json(trace: Trace, limit: int) -> bytes:
    fitting = _fitting_trace(trace, limit)
    try:
        return to_json({"trace": fitting})
    except PydanticSerializationError:  # half a surrogate pair, as some models stream them, or an object of Python
        return to_json({"trace": plain(asdict(fitting))})


def _fitting_trace(trace: Trace, limit: int) -> Trace:
    observations = [_fitting(each, limit) for each in trace.observations]
    return replace(_fitting(trace, limit), observations=observations)


def _fitting(thing: _T, limit: int) -> _T:
    """Gives a trace or observation whose texts are not too long; usually the very same."""
    texts = {"input": thing.input, "output": thing.output, "metadata": thing.metadata}
    fitting = {name: cut_json(value, limit) for name, value in texts.items()}
    cut = sorted(name for name, value in texts.items() if fitting[name] is not value)
    status = thing.status_message
    if not cut and len(thing.name) <= _MAX_NAME and (status is None or len(status) <= _MAX_MESSAGE):
        return thing
    kept = fitting["metadata"]
    metadata: dict[str, JsonValue] = dict(kept) if isinstance(kept, Mapping) else {"text": kept}
    return replace(
        thing,
        name=cut_text(thing.name, _MAX_NAME),
        status_message=None if status is None else cut_text(status, _MAX_MESSAGE),
        input=fitting["input"],
        output=fitting["output"],
        metadata={**metadata, "cut": cut} if cut else metadata,
    )


class _Usage(BaseModel):
    input_tokens: int = 0
    output_tokens: int = 0
    cached_input_tokens: int = 0
    reasoning_tokens: int = 0


class _Observation(BaseModel):
    id: str
    parent_id: str | None = None
    kind: ObservationKind
    name: str
    started_at: datetime
    ended_at: datetime | None = None
    first_token_at: datetime | None = None
    model: str | None = None
    input: pydantic.JsonValue = None
    output: pydantic.JsonValue = None
    usage: _Usage | None = None
    cost_usd: Decimal | None = None
    level: Level = Level.DEFAULT
    status_message: str | None = None
    metadata: dict[str, pydantic.JsonValue] = {}

    @property
    def is_unpriced(self) -> bool:
        return (
            self.cost_usd is None and self.usage is not None and self.usage.input_tokens + self.usage.output_tokens > 0
        )


class _Trace(BaseModel):
    id: str
    owner_id: str
    name: str
    started_at: datetime
    ended_at: datetime | None = None
    session_id: str | None = None
    model: str | None = None
    input: pydantic.JsonValue = None
    output: pydantic.JsonValue = None
    level: Level = Level.DEFAULT
    status_message: str | None = None
    metadata: dict[str, pydantic.JsonValue] = {}
    tags: list[str] = []
    observations: list[_Observation] = []


class _Erasure(BaseModel):
    owner_id: str
    session_id: str | None = None


class _Entry(BaseModel):
    trace: _Trace | None = None
    erasure: _Erasure | None = None


def _write(trace: _Trace) -> TraceWrite:
    usages = [each.usage for each in trace.observations if each.usage is not None]
    costs = [each.cost_usd for each in trace.observations if each.cost_usd is not None]
    first_tokens = [each.first_token_at for each in trace.observations if each.first_token_at is not None]
    head = TraceHead(
        id=trace.id,
        owner_id=trace.owner_id,
        name=trace.name,
        session_id=trace.session_id,
        model=trace.model,
        level=trace.level,
        status_message=trace.status_message,
        started_at=trace.started_at,
        latency_ms=_between_ms(trace.started_at, trace.ended_at),
        time_to_first_token_ms=_between_ms(trace.started_at, min(first_tokens, default=None)),
        input_tokens=sum(each.input_tokens for each in usages),
        output_tokens=sum(each.output_tokens for each in usages),
        cost_usd=sum(costs, Decimal()) if costs else None,
        unpriced_count=sum(each.is_unpriced for each in trace.observations),
        input_preview=_preview(trace.input),
        output_preview=_preview(trace.output),
        observation_count=len(trace.observations),
    )
    record = TraceRecord(
        head=head, input=trace.input, output=trace.output, metadata=dict(trace.metadata), tags=tuple(trace.tags)
    )
    return TraceWrite(trace=record, observations=_records(trace))


def _records(trace: _Trace) -> tuple[ObservationRecord, ...]:
    return tuple(
        ObservationRecord(
            id=each.id,
            trace_id=trace.id,
            owner_id=trace.owner_id,
            parent_id=each.parent_id,
            kind=each.kind,
            name=each.name,
            position=position,
            started_at=each.started_at,
            ended_at=each.ended_at,
            latency_ms=_between_ms(each.started_at, each.ended_at),
            time_to_first_token_ms=_between_ms(each.started_at, each.first_token_at),
            model=each.model,
            input=each.input,
            output=each.output,
            usage={} if each.usage is None else each.usage.model_dump(),
            cost_usd=each.cost_usd,
            level=each.level,
            status_message=each.status_message,
            metadata=dict(each.metadata),
        )
        for position, each in enumerate(trace.observations)
    )


def _between_ms(start: datetime, end: datetime | None) -> float | None:
    return None if end is None else round((end - start).total_seconds() * 1000, _MILLISECOND_DIGITS)


def _preview(value: JsonValue) -> str:
    """Gives the beginning of what a person would call the text: of a conversation, its last question."""
    if value is None:
        return ""
    if isinstance(value, list):
        value = _question(value) or value
    text = value if isinstance(value, str) else to_json(value).decode()
    return cut_text(" ".join(text[: 4 * _PREVIEW].split()), _PREVIEW, mark="…")


def _question(messages: Sequence[JsonValue]) -> str | None:
    for message in reversed(messages):
        if isinstance(message, dict) and message.get("role") == "user" and isinstance(message.get("content"), str):
            return str(message["content"])
    return None
