"""How traces and observations lie in DuckDB: the columns, and the way there and back.

Inputs and outputs are JSON text, so that any shape fits; times are UTC without a zone, because DuckDB's Python client needs
one more package to read zones.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from pydantic_core import from_json, to_json

from alcove.kernel.trace import Level, ObservationKind
from alcove.tracing.models import ObservationRecord, TraceHead, TraceRecord

HEAD = {
    "id": "VARCHAR",
    "owner_id": "VARCHAR",
    "name": "VARCHAR",
    "session_id": "VARCHAR",
    "model": "VARCHAR",
    "level": "VARCHAR",
    "status_message": "VARCHAR",
    "started_at": "TIMESTAMP",
    "latency_ms": "DOUBLE",
    "time_to_first_token_ms": "DOUBLE",
    "input_tokens": "BIGINT",
    "output_tokens": "BIGINT",
    "cost_usd": "DECIMAL(24, 12)",
    "unpriced_count": "INTEGER",
    "input_preview": "VARCHAR",
    "output_preview": "VARCHAR",
    "observation_count": "INTEGER",
}
_BODY = {"input": "VARCHAR", "output": "VARCHAR", "metadata": "VARCHAR", "tags": "VARCHAR"}
TRACES = {**HEAD, **_BODY}
OBSERVATIONS = {
    "id": "VARCHAR",
    "trace_id": "VARCHAR",
    "owner_id": "VARCHAR",
    "parent_id": "VARCHAR",
    "kind": "VARCHAR",
    "name": "VARCHAR",
    "position": "INTEGER",
    "started_at": "TIMESTAMP",
    "ended_at": "TIMESTAMP",
    "latency_ms": "DOUBLE",
    "time_to_first_token_ms": "DOUBLE",
    "model": "VARCHAR",
    "input": "VARCHAR",
    "output": "VARCHAR",
    "usage": "VARCHAR",
    "input_tokens": "BIGINT",
    "output_tokens": "BIGINT",
    "cost_usd": "DECIMAL(24, 12)",
    "level": "VARCHAR",
    "status_message": "VARCHAR",
    "metadata": "VARCHAR",
}
_ERASED = {"owner_id": "VARCHAR", "session_id": "VARCHAR"}  # an empty session_id stands for all of the owner's
TABLES = {"traces": TRACES, "observations": OBSERVATIONS, "erased": _ERASED}


def trace_row(trace: TraceRecord) -> dict[str, object]:
    """Gives the columns of a trace."""
    head = trace.head
    row: dict[str, object] = {name: getattr(head, name) for name in HEAD}
    return row | {
        "level": head.level.value,
        "started_at": naive(head.started_at),
        "cost_usd": _decimal_text(head.cost_usd),
        "input": json_text(trace.input),
        "output": json_text(trace.output),
        "metadata": json_text(trace.metadata),
        "tags": json_text(trace.tags),
    }


def observation_row(observation: ObservationRecord) -> dict[str, object]:
    """Gives the columns of an observation."""
    row: dict[str, object] = {name: getattr(observation, name, None) for name in OBSERVATIONS}
    return row | {
        "kind": observation.kind.value,
        "level": observation.level.value,
        "started_at": naive(observation.started_at),
        "ended_at": None if observation.ended_at is None else naive(observation.ended_at),
        "input": json_text(observation.input),
        "output": json_text(observation.output),
        "usage": json_text(observation.usage),
        "input_tokens": observation.usage.get("input_tokens"),
        "output_tokens": observation.usage.get("output_tokens"),
        "cost_usd": _decimal_text(observation.cost_usd),
        "metadata": json_text(observation.metadata),
    }


def to_head(values: Mapping[str, Any]) -> TraceHead:
    """Gives the head of a trace from its columns."""
    row = {name: values[name] for name in HEAD}
    row |= {"level": Level(row["level"]), "started_at": row["started_at"].replace(tzinfo=UTC)}
    return TraceHead(**row)


def to_trace(values: Mapping[str, Any]) -> TraceRecord:
    """Gives a trace from its columns."""
    return TraceRecord(
        head=to_head(values),
        input=from_json(values["input"]),
        output=from_json(values["output"]),
        metadata=from_json(values["metadata"]),
        tags=tuple(from_json(values["tags"])),
    )


def to_observation(values: Mapping[str, Any]) -> ObservationRecord:
    """Gives an observation from its columns."""
    row = {name: value for name, value in values.items() if name not in {"input_tokens", "output_tokens"}}
    ended_at = row["ended_at"]
    row |= {
        "kind": ObservationKind(row["kind"]),
        "level": Level(row["level"]),
        "started_at": row["started_at"].replace(tzinfo=UTC),
        "ended_at": None if ended_at is None else ended_at.replace(tzinfo=UTC),
    }
    row |= {name: from_json(row[name]) for name in ("input", "output", "usage", "metadata")}
    return ObservationRecord(**row)


def json_text(value: object) -> str:
    """Gives JSON text."""
    return to_json(value).decode()


def naive(at: datetime) -> datetime:
    """Gives a time as the columns hold it."""
    return at.astimezone(UTC).replace(tzinfo=None)


def _decimal_text(value: Decimal | None) -> str | None:
    return None if value is None else format(value, "f")
