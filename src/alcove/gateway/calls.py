"""One call to a model, as everything around it sees it: what is wanted, who served it, what came of it.

A *call* is a request for one model: a chat answer, embeddings, an image. It is admitted before it is sent (`Meter.admit`) and
settled once, when it is over (`Admission.settle`), whatever became of it. What settles it writes one usage row.
"""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from alcove.kernel.chat import Usage
from alcove.kernel.ports import CacheKind, Served


class CallKind(StrEnum):
    """What a call is for; also the names of the scopes a key can be limited to."""

    CHAT = "chat"
    EMBEDDING = "embedding"
    RERANK = "rerank"
    MODERATION = "moderation"
    IMAGE = "image"
    TRANSCRIPTION = "transcription"
    SPEECH = "speech"


@dataclass(kw_only=True, slots=True)  # not frozen: that would cost three times as much, and each call makes one
class Call:
    """What is wanted.

    Attributes:
        kind: What for.
        model: The model's id, as the client sent it.
        endpoint: The path that was asked, such as `/v1/chat/completions`; empty for a chat of the page.
        is_streaming: Whether the answer is wanted piece by piece.
        input_tokens: Tokens of the input, estimated before the call.
        output_tokens: The most tokens the answer may have, estimated; what is reserved.
        request_id: Id of the HTTP request; empty outside of one.
        trace_id: Trace of the answer; empty where none is kept.
        at: When it began, UTC.
        began_s: The same by the monotonic clock.
    """

    kind: CallKind = CallKind.CHAT
    model: str
    endpoint: str = ""
    is_streaming: bool = False
    input_tokens: int = 0
    output_tokens: int = 0
    request_id: str = ""
    trace_id: str = ""
    at: datetime
    began_s: float


@dataclass(kw_only=True, slots=True)  # not frozen: that would cost three times as much, and each call makes one
class Outcome:
    """What came of a call.

    Attributes:
        served: Who served it.
        status: HTTP status of the answer: 200, or that of the error; 499 when the client left before its end.
        error_code: `code` of the error; empty for none.
        usage: Tokens; None when nothing was produced.
        is_estimated: Whether the tokens were counted here, because the server did not say.
        cost_usd: What it cost; None when no price is known.
        ended_s: When it was over, by the monotonic clock.
        first_s: When the first piece of the answer was there; None when none came.
    """

    served: Served = field(default_factory=Served)
    status: int = 200
    error_code: str = ""
    usage: Usage | None = None
    is_estimated: bool = False
    cost_usd: Decimal | None = None
    ended_s: float
    first_s: float | None = None


CLIENT_LEFT = 499
"""Status of a call whose client left before its end (nginx's number for it)."""


@dataclass(kw_only=True, slots=True)  # not frozen: that would cost three times as much, and each call makes one
class UsageRow:
    """What is kept of a call.

    Attributes:
        id: UUIDv7.
        at: When it began, UTC.
        user_id: Who asked.
        key_id: With which key; None for the page.
        group_id: On which group's account; None for the person's own.
        kind: What for.
        endpoint: The path that was asked.
        model: The model's id, as asked for.
        deployment: Who served it.
        provider: OpenTelemetry's `gen_ai.provider.name`.
        upstream_model: The model's id there.
        input_tokens: All input, cached included.
        output_tokens: All output, reasoning included.
        cached_input_tokens: The part of the input that came from the server's cache.
        reasoning_tokens: The part of the output that was reasoning.
        is_estimated: Whether the tokens were counted here.
        cost_usd: What it cost; None when no price is known.
        latency_ms: From its beginning to its end.
        first_token_ms: From its beginning to the first piece; None when none came.
        status: As `Outcome.status`.
        error_code: As `Outcome.error_code`.
        cache: Which cache answered.
        is_streaming: Whether it was streamed.
        attempts: How many times a deployment was asked.
        trace_id: Its trace; empty for none.
        request_id: Its HTTP request.
    """

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
    cost_usd: Decimal | None
    latency_ms: float
    first_token_ms: float | None
    status: int
    error_code: str
    cache: CacheKind
    is_streaming: bool
    attempts: int
    trace_id: str
    request_id: str


class CachePolicy(BaseModel):
    """Whether and how the answers of a model are cached."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    mode: Literal["exact", "semantic"] = "exact"
    """`exact` answers the very same request again; `semantic` also one that means the same."""

    ttl_s: Annotated[int, Field(ge=1, le=30 * 86_400)] = 3600
    """Seconds for which an answer is kept. Up to 30 days."""

    threshold: Annotated[float, Field(ge=0.5, le=1)] = 0.95
    """For `semantic`: how alike two questions must be, as cosine of their embeddings. 0.5 to 1."""

    is_shared: bool = False
    """Whether people get answers that were given to others. Default: no."""


class ModelPrices(BaseModel):
    """Prices of a deployment's models, in US dollars per million tokens, in place of the vendor's list."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    input_usd: Annotated[Decimal, Field(ge=0, le=1_000_000)]
    """For a million input tokens."""

    output_usd: Annotated[Decimal, Field(ge=0, le=1_000_000)] = Decimal(0)
    """For a million output tokens."""

    cached_input_usd: Annotated[Decimal | None, Field(ge=0, le=1_000_000)] = None
    """For a million input tokens that came from the server's cache. Default: as other input."""
