"""The questions the database is asked about usage. Whose rows are wanted stands in each one's WHERE."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Column, ColumnElement, Select, Table, and_, case, func, literal, or_, select
from sqlalchemy.engine import RowMapping

from alcove.gateway.calls import CLIENT_LEFT
from alcove.gateway.usage.models import (
    Grouping,
    Interval,
    RowFilter,
    RowPosition,
    StoredRow,
    SummaryLine,
    SummaryQuery,
)
from alcove.gateway.usage.sums import PICO, milliseconds

_HOUR_MS = 3_600_000
_MICRO = 10**6
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_COLUMNS = {
    Grouping.MODEL: "model",
    Grouping.USER: "user_id",
    Grouping.KEY: "key_id",
    Grouping.GROUP: "group_id",
    Grouping.DEPLOYMENT: "deployment",
    Grouping.KIND: "kind",
    Grouping.STATUS: "status",
}


def rows_statement(table: Table, wanted: RowFilter, before: RowPosition | None, limit: int) -> Select[Any]:
    """Gives the question for rows, the newest first."""
    conditions = _conditions(table, wanted)
    if wanted.since is not None:
        conditions.append(table.c.at_ms >= milliseconds(wanted.since))
    if wanted.until is not None:
        conditions.append(table.c.at_ms < milliseconds(wanted.until))
    if before is not None:
        is_same = and_(table.c.at_ms == before.at_ms, table.c.id < before.id)
        conditions.append(table.c.at_ms <= before.at_ms)  # what the index goes by
        conditions.append(or_(table.c.at_ms < before.at_ms, is_same))
    return select(table).where(*conditions).order_by(table.c.at_ms.desc(), table.c.id.desc()).limit(limit)


def summary_statement(table: Table, wanted: SummaryQuery, buckets: tuple[str, ...]) -> Select[Any]:
    """Gives the question for sums, the oldest first."""
    conditions = _conditions(table, wanted.wanted)
    if wanted.wanted.since is not None:
        conditions.append(table.c.hour >= milliseconds(wanted.wanted.since) // _HOUR_MS)
    if wanted.wanted.until is not None:
        conditions.append(table.c.hour < -(-milliseconds(wanted.wanted.until) // _HOUR_MS))
    groups: list[ColumnElement[Any]] = []
    start: ColumnElement[Any] = literal(-1)
    if wanted.interval is not Interval.ALL:
        start = table.c.hour if wanted.interval is Interval.HOUR else table.c.hour - table.c.hour % 24
        groups.append(start)
    name: ColumnElement[Any] = literal("")
    if wanted.by is not None:
        name = table.c[_COLUMNS[wanted.by]]
        groups.append(name)
    is_error = and_(table.c.status >= 400, table.c.status != CLIENT_LEFT)  # noqa: PLR2004  HTTP's own
    plain = (
        "requests",
        "input_tokens",
        "output_tokens",
        "cached_input_tokens",
        "reasoning_tokens",
        "unpriced",
        "cached",
    )
    summed = (*plain, "latency_ms", "first_token_ms", "first_token_count", *buckets)
    return (
        select(
            start.label("start"),
            name.label("name"),
            *(func.coalesce(func.sum(table.c[each]), 0).label(each) for each in summed),
            func.coalesce(func.sum(case((is_error, table.c.requests), else_=0)), 0).label("errors"),
            # in two parts, so that no sum runs over 64 bits
            func.coalesce(func.sum(table.c.usd_pico // _MICRO), 0).label("usd_micro"),
            func.coalesce(func.sum(table.c.usd_pico % _MICRO), 0).label("usd_rest"),
        )
        .where(*conditions)
        .group_by(*groups)
        .order_by(*(each for each in groups))
        .limit(wanted.limit)
    )


def stored_row(row: RowMapping) -> StoredRow:
    """Gives a row as it is shown."""
    pico = row["usd_pico"]
    values = {name: value for name, value in row.items() if name not in {"at_ms", "usd_pico"}}
    at = _EPOCH + timedelta(milliseconds=row["at_ms"])
    return StoredRow(**values, at=at, cost_usd=None if pico is None else usd_text(Decimal(pico) / PICO))


def summary_line(row: RowMapping, buckets: tuple[str, ...]) -> SummaryLine:
    """Gives sums as a store gives them."""
    return SummaryLine(
        start=None if row["start"] < 0 else _EPOCH + timedelta(hours=row["start"]),
        name=str(row["name"]),
        requests=int(row["requests"]),
        errors=int(row["errors"]),
        input_tokens=int(row["input_tokens"]),
        output_tokens=int(row["output_tokens"]),
        cached_input_tokens=int(row["cached_input_tokens"]),
        reasoning_tokens=int(row["reasoning_tokens"]),
        cost_usd=Decimal(int(row["usd_micro"])) / _MICRO + Decimal(int(row["usd_rest"])) / PICO,
        unpriced=int(row["unpriced"]),
        cached=int(row["cached"]),
        latency_ms=float(row["latency_ms"]),
        first_token_ms=float(row["first_token_ms"]),
        first_token_count=int(row["first_token_count"]),
        latency_counts=tuple(int(row[name]) for name in buckets),
    )


def usd_text(amount: Decimal) -> str:
    """Gives an amount as plain decimal text, without zeros at its end."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _conditions(table: Table, wanted: RowFilter) -> list[ColumnElement[bool]]:
    exact = {
        "user_id": wanted.owner_id,
        "key_id": wanted.key_id,
        "group_id": wanted.group_id,
        "model": wanted.model,
        "deployment": wanted.deployment,
        "kind": None if wanted.kind is None else wanted.kind.value,
        "status": wanted.status,
    }
    columns: dict[str, Column[Any]] = {name: table.c[name] for name in exact}
    return [columns[name] == value for name, value in exact.items() if value is not None]
