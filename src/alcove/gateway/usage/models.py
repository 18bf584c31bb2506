"""Types of usage: what is asked for, what is given, and the settings."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from alcove.gateway.calls import CallKind


class UsageSettings(BaseModel):
    """What is kept of every call to a model, and for how long."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    retention_days: Annotated[int, Field(ge=0, le=36_500)] = 90
    """Days after which the row of a single call is deleted; 0 keeps all. 0 to 36,500. A quarter, so that a bill can still be looked into."""

    rollup_days: Annotated[int, Field(ge=0, le=36_500)] = 1095
    """Days after which the sums by hour, and what was spent in ended periods, are deleted; 0 keeps all. 0 to 36,500. Three years of charts."""

    max_journal_mb: Annotated[int, Field(ge=1, le=65_536)] = 64
    """Megabytes of rows that may wait on disk while the database is away; some 200,000 rows. When 80 % of it is full, new calls are refused with 503. 1 to 65,536."""

    is_synced: bool = False
    """Whether a row is forced to the disk before its call is over. It survives a killed process anyway; this adds power cuts, and milliseconds to each call's end."""

    flush_interval_s: Annotated[float, Field(ge=0.01, le=60)] = 0.5
    """Seconds rows are gathered before they go into the database in one transaction. 0.01 to 60."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RowFilter:
    """Which rows are wanted. None is any.

    Attributes:
        owner_id: Whose; None for everyone's, which only admins may ask for.
        key_id: Made with this key.
        group_id: On this group's account.
        model: Which asked for this model.
        deployment: Which this deployment served.
        kind: What for.
        status: Which ended with this status.
        since: Begun at this time or later.
        until: Begun before this time.
    """

    owner_id: str | None
    key_id: str | None = None
    group_id: str | None = None
    model: str | None = None
    deployment: str | None = None
    kind: CallKind | None = None
    status: int | None = None
    since: datetime | None = None
    until: datetime | None = None


class Grouping(StrEnum):
    """What sums are made for."""

    MODEL = "model"
    USER = "user"
    KEY = "key"
    GROUP = "group"
    DEPLOYMENT = "deployment"
    KIND = "kind"
    STATUS = "status"


class Interval(StrEnum):
    """Into what pieces of time sums are divided."""

    HOUR = "hour"
    DAY = "day"
    ALL = "all"


@dataclass(frozen=True, kw_only=True, slots=True)
class SummaryQuery:
    """Which sums are wanted.

    Attributes:
        wanted: Of which calls; times are rounded down to hours.
        by: One for each what; None for all together.
        interval: One for each piece of time.
        limit: How many at most.
    """

    wanted: RowFilter
    by: Grouping | None = None
    interval: Interval = Interval.ALL
    limit: int


@dataclass(frozen=True, kw_only=True, slots=True)
class RowPosition:
    """A place in a list of rows, the newest first: just behind the row of this time and id."""

    at_ms: int
    id: str


class StoredRow(BaseModel):
    """One call to a model."""

    id: str
    at: datetime
    user_id: str
    key_id: str | None
    group_id: str | None
    kind: CallKind
    endpoint: str
    model: str
    deployment: str
    provider: str
    upstream_model: str
    input_tokens: int
    output_tokens: int
    cached_input_tokens: int
    reasoning_tokens: int
    is_estimated: bool
    cost_usd: Annotated[str | None, Field(description="US dollars as decimal text; null when no price is known")]
    latency_ms: float
    first_token_ms: float | None
    status: int
    error_code: str
    cache: str
    is_streaming: bool
    attempts: int
    trace_id: str
    request_id: str


@dataclass(frozen=True, kw_only=True, slots=True)
class SummaryLine:
    """Sums over calls, as a store gives them.

    Attributes:
        start: When the piece of time begins; None where time is not divided.
        name: What they are for; empty where that is all together.
        latency_counts: How many calls took no longer than each of `LATENCY_BOUNDS_MS`, and no less than the one before.
    """

    start: datetime | None
    name: str
    requests: int
    errors: int
    input_tokens: int
    output_tokens: int
    cached_input_tokens: int
    reasoning_tokens: int
    cost_usd: Decimal
    unpriced: int
    cached: int
    latency_ms: float
    first_token_ms: float
    first_token_count: int
    latency_counts: tuple[int, ...]


class UsageSums(BaseModel):
    """Sums over calls."""

    start: Annotated[datetime | None, Field(description="When the hour or day begins; null for the whole time")]
    name: Annotated[str, Field(description="Model, user id, … the sums are for; empty for none, or for all together")]
    requests: int
    errors: Annotated[int, Field(description="Requests with a status of 400 or more, clients that left (499) aside")]
    input_tokens: int
    output_tokens: int
    cached_input_tokens: int
    reasoning_tokens: int
    cost_usd: Annotated[str, Field(description="US dollars as decimal text, of the requests with a known price")]
    unpriced: Annotated[int, Field(description="Requests without a known price; `cost_usd` leaves them out")]
    cached: Annotated[int, Field(description="Requests a cache answered")]
    latency_mean_ms: float | None
    latency_p50_ms: Annotated[float | None, Field(description="Interpolated between a dozen bounds")]
    latency_p95_ms: Annotated[float | None, Field(description="Interpolated between a dozen bounds")]
    first_token_mean_ms: float | None


class UsageSummary(BaseModel):
    """Sums over calls, the oldest first, and over all of them together."""

    items: list[UsageSums]
    is_cut: Annotated[
        bool, Field(description="Whether there were more items than an answer holds; `total` has them all")
    ]
    total: UsageSums


class LiveModel(BaseModel):
    """What a model was asked in the last minute."""

    model: str
    requests: int
    errors: int
    tokens: int
    requests_by_second: Annotated[
        list[int], Field(description="60 numbers, the oldest first; the last is of this second")
    ]


class LiveUsage(BaseModel):
    """What this server process answered in the last minute."""

    at: datetime
    requests: int
    errors: int
    tokens: int
    models: list[LiveModel]
