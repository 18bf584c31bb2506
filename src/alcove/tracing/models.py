"""Traces and observations as they are stored, as they go over the wire, and the room's settings."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Annotated

import pydantic
from pydantic import BaseModel, ConfigDict, Field

from alcove.kernel.chat import JsonValue
from alcove.kernel.trace import Level, ObservationKind


class TracingSettings(BaseModel):
    """Traces: how long they are kept and what taking them in may cost."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    retention_days: Annotated[int, Field(ge=0, le=36_500)] = 365
    """Days after which a trace is deleted for good; 0 keeps all. 0 to 36,500. A year, so that every answer of the recent past can be explained."""

    max_text_chars: Annotated[int, Field(ge=200, le=1_000_000)] = 65_536
    """Characters of text kept of one input, output or metadata; of more, the longest texts are cut and marked. 200 to 1,000,000."""

    is_synced: bool = False
    """Whether a trace is forced to the disk before it counts as taken. It survives a killed process anyway; this adds power cuts, and a few milliseconds to each answer's end."""

    max_journal_mb: Annotated[int, Field(ge=16, le=65_536)] = 256
    """Megabytes of traces that may wait to be stored, on disk. When 80 % of it is full, new turns are refused with 503. 16 to 65,536."""

    flush_interval_s: Annotated[float, Field(ge=0.01, le=0.9)] = 0.2
    """Seconds traces are gathered before they are stored in one go. 0.01 to 0.9, so that a trace can be read within a second."""

    memory_mb: Annotated[int, Field(ge=64, le=65_536)] = 256
    """Megabytes of memory the embedded trace store (DuckDB) may use for its work; only used while traces are written or read. 64 to 65,536."""

    threads: Annotated[int, Field(ge=1, le=64)] = 2
    """Threads the embedded trace store may use for one query. 1 to 64."""

    query_timeout_s: Annotated[float, Field(ge=0.1, le=600)] = 10.0
    """Seconds after which a query on traces is given up. 0.1 to 600."""

    idle_close_s: Annotated[float, Field(ge=1, le=86_400)] = 300.0
    """Seconds without use after which the embedded trace store is closed, to give its memory back. 1 to 86,400."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TraceHead:
    """What a list shows of a trace.

    Attributes:
        id: W3C trace id; unique for its owner.
        owner_id: Whose turn it was.
        name: What kind of turn.
        session_id: The chat, where there is one.
        model: The model that was asked for.
        level: How it went.
        status_message: What went wrong.
        started_at: When the request came in.
        latency_ms: From there to the end of the answer; None while unknown.
        time_to_first_token_ms: From there to the first piece of the answer.
        input_tokens: Of all calls together.
        output_tokens: Of all calls together.
        cost_usd: Of all calls whose price is known; None when none is.
        unpriced_count: Calls that used tokens and have no known price.
        input_preview: The beginning of the question.
        output_preview: The beginning of the answer.
        observation_count: How many observations there are.
    """

    id: str
    owner_id: str
    name: str
    session_id: str | None
    model: str | None
    level: Level
    status_message: str | None
    started_at: datetime
    latency_ms: float | None
    time_to_first_token_ms: float | None
    input_tokens: int
    output_tokens: int
    cost_usd: Decimal | None
    unpriced_count: int
    input_preview: str
    output_preview: str
    observation_count: int


@dataclass(frozen=True, kw_only=True, slots=True)
class TraceRecord:
    """A whole trace, without its observations.

    Attributes:
        head: What a list shows of it.
        input: What went in.
        output: What came out.
        metadata: Request id, API key id, and the like.
        tags: Words to find it by.
    """

    head: TraceHead
    input: JsonValue
    output: JsonValue
    metadata: dict[str, JsonValue] = field(default_factory=dict)
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class ObservationRecord:
    """One thing that happened in a turn. The fields are those of `alcove.kernel.trace.Observation`.

    Attributes:
        position: Its place among the trace's observations, from 0: those that started at the same instant keep their order.
        latency_ms: From start to end; None when it never ended.
        time_to_first_token_ms: From its own start to the first piece of the answer.
        usage: Tokens by kind (`input_tokens`, `output_tokens`, …); empty where there were none.
    """

    id: str
    trace_id: str
    owner_id: str
    parent_id: str | None
    kind: ObservationKind
    name: str
    position: int
    started_at: datetime
    ended_at: datetime | None
    latency_ms: float | None
    time_to_first_token_ms: float | None
    model: str | None
    input: JsonValue
    output: JsonValue
    usage: dict[str, int]
    cost_usd: Decimal | None
    level: Level
    status_message: str | None
    metadata: dict[str, JsonValue]


@dataclass(frozen=True, kw_only=True, slots=True)
class TraceWrite:
    """Keep this trace and these observations, in place of earlier ones of the same ids."""

    trace: TraceRecord
    observations: tuple[ObservationRecord, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Erasure:
    """Delete all traces of a session, or of an owner; ones that come late are not kept either.

    Attributes:
        owner_id: Whose.
        session_id: Of which chat; None for all this owner has.
    """

    owner_id: str
    session_id: str | None


Change = TraceWrite | Erasure
"""What the journal holds and a store is told, in the order in which it happened."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TraceQuery:
    """Which traces are wanted, newest first.

    Attributes:
        owner_id: Whose; None for everyone's, which only admins may ask for.
        session_id: Only those of this chat.
        model: Only those that asked for this model.
        level: Only those that went so.
        text: Only those whose name, input or output contain it, in upper or lower case.
        before: Only those older than this pair of start and id.
        limit: How many at most.
    """

    owner_id: str | None
    session_id: str | None = None
    model: str | None = None
    level: Level | None = None
    text: str | None = None
    before: tuple[datetime, str] | None = None
    limit: int = 50


class TraceSummary(BaseModel):
    """A trace in a list."""

    id: str
    name: str
    user_id: str
    session_id: str | None
    model: str | None
    level: Level
    started_at: datetime
    latency_ms: float | None
    time_to_first_token_ms: float | None
    input_tokens: int
    output_tokens: int
    cost_usd: Annotated[str | None, Field(description="US dollars as decimal text; null when no price is known")]
    input_preview: str
    output_preview: str
    observation_count: int


class Trace(TraceSummary):
    """A whole trace."""

    status_message: str | None
    unpriced_count: Annotated[
        int, Field(description="Calls with tokens but no known price; `cost_usd` leaves them out")
    ]
    input: pydantic.JsonValue
    output: pydantic.JsonValue
    metadata: dict[str, pydantic.JsonValue]
    tags: list[str]


class Observation(BaseModel):
    """One thing that happened in a turn."""

    id: str
    parent_id: str | None
    kind: ObservationKind
    name: str
    started_at: datetime
    ended_at: datetime | None
    latency_ms: float | None
    time_to_first_token_ms: float | None
    model: str | None
    input: pydantic.JsonValue
    output: pydantic.JsonValue
    usage: dict[str, int]
    cost_usd: Annotated[str | None, Field(description="US dollars as decimal text; null when no price is known")]
    level: Level
    status_message: str | None
    metadata: dict[str, pydantic.JsonValue]


class TraceDetail(BaseModel):
    """A trace with all that happened in it, in order of start."""

    trace: Trace
    observations: list[Observation]
