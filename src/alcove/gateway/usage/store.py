"""Usage in the SQL database: the rows, what was spent by period, sums by hour, and how far each journal has been moved.

Times are whole milliseconds, hours and days since 1970, and money is whole picodollars: integers compare, add and divide
exactly and alike on SQLite and PostgreSQL. Batches go in by the driver's own `executemany`, without SQLAlchemy's work per
row. Sums are added in the database (`ON CONFLICT DO UPDATE`), so that several processes can add to the same ones.
"""

import contextlib
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    String,
    Table,
    delete,
    insert,
    literal,
    select,
    tuple_,
    update,
)
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection

from alcove.gateway.usage.models import RowFilter, RowPosition, StoredRow, SummaryLine, SummaryQuery
from alcove.gateway.usage.reading import rows_statement, stored_row, summary_line, summary_statement
from alcove.gateway.usage.sums import DELETED, LATENCY_BOUNDS_MS, MAX_PICO, PICO, Batch, first_day, milliseconds
from alcove.infra.database import Database, metadata
from alcove.kernel.clock import Clock
from alcove.kernel.errors import Conflict, Unavailable
from alcove.kernel.principal import BudgetPeriod

_ERASED_KEPT = timedelta(days=30)
_DAY_MS, _HOUR_MS = 86_400_000, 3_600_000

usage_rows = Table(
    "usage_rows",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("user_id", String(36), nullable=False),
    Column("key_id", String(36), nullable=True),
    Column("group_id", String(36), nullable=True),
    Column("kind", String(20), nullable=False),
    Column("endpoint", String(200), nullable=False),
    Column("model", String(300), nullable=False),
    Column("deployment", String(200), nullable=False),
    Column("provider", String(200), nullable=False),
    Column("upstream_model", String(300), nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("cached_input_tokens", BigInteger, nullable=False),
    Column("reasoning_tokens", BigInteger, nullable=False),
    Column("is_estimated", Boolean, nullable=False),
    Column("usd_pico", BigInteger, nullable=True),
    Column("latency_ms", Float, nullable=False),
    Column("first_token_ms", Float, nullable=True),
    Column("status", Integer, nullable=False),
    Column("error_code", String(200), nullable=False),
    Column("cache", String(20), nullable=False),
    Column("is_streaming", Boolean, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("trace_id", String(64), nullable=False),
    Column("request_id", String(200), nullable=False),
    Index(None, "at_ms"),
    Index(None, "user_id", "at_ms"),
    Index(None, "key_id", "at_ms"),
    Index(None, "model", "at_ms"),
)

usage_spend = Table(
    "usage_spend",
    metadata,
    Column("subject", String(80), primary_key=True),
    Column("period", String(8), primary_key=True),
    Column("first_day", Integer, primary_key=True),  # since 1970; 0 for the total
    Column("usd_pico", BigInteger, nullable=False),
    Column("tokens", BigInteger, nullable=False),
    Column("requests", BigInteger, nullable=False),
)

BUCKETS = tuple(f"took_{bound}" for bound in (*LATENCY_BOUNDS_MS, "more"))
SUMS = (
    "requests", "input_tokens", "output_tokens", "cached_input_tokens", "reasoning_tokens", "usd_pico", "unpriced", "cached",
    "latency_ms", "first_token_ms", "first_token_count", *BUCKETS,
)  # fmt: skip

usage_hours = Table(
    "usage_hours",
    metadata,
    Column("hour", Integer, primary_key=True, autoincrement=False),  # since 1970
    Column("user_id", String(36), primary_key=True),
    Column("key_id", String(36), primary_key=True),  # here and below, empty for none
    Column("group_id", String(36), primary_key=True),
    Column("kind", String(20), primary_key=True),
    Column("model", String(300), primary_key=True),
    Column("deployment", String(200), primary_key=True),
    Column("status", Integer, primary_key=True, autoincrement=False),
    *(Column(name, Float if name in {"latency_ms", "first_token_ms"} else BigInteger, nullable=False) for name in SUMS),
    Index(None, "user_id", "hour"),
)

usage_positions = Table(
    "usage_positions",
    metadata,
    Column("journal", String(36), primary_key=True),
    Column("position", BigInteger, nullable=False),
)

usage_erasures = Table(
    "usage_erasures",
    metadata,
    Column("user_id", String(36), primary_key=True),
    Column("at_ms", BigInteger, nullable=False),
)

_HOUR_KEY = tuple(column.name for column in usage_hours.primary_key)
_SPEND_KEY = tuple(column.name for column in usage_spend.primary_key)


@dataclass(frozen=True, slots=True)
class SqlUsageStore:
    """Usage in the SQL database.

    Attributes:
        database: Where it is kept.
        clock: The time.
    """

    database: Database
    clock: Clock

    async def position(self, journal: str) -> int:
        """Gives how far a journal has been moved; 0 for one that is not known."""
        statement = select(usage_positions.c.position).where(usage_positions.c.journal == journal)
        async with self._reading() as connection:
            return int((await connection.execute(statement)).scalar_one_or_none() or 0)

    async def erased(self) -> frozenset[str]:
        """Gives the ids of people who have been deleted lately."""
        async with self._reading() as connection:
            return frozenset((await connection.execute(select(usage_erasures.c.user_id))).scalars())

    async def move(self, batch: Batch, *, journal: str, begin: int, end: int) -> None:
        """Stores a batch and, in the same transaction, that the journal has been moved from `begin` to `end`.

        Raises:
            Conflict: When the journal has not been moved to `begin`; nothing is stored.
        """
        async with self._writing() as connection:
            await self._note_position(connection, journal, begin, end)
            if batch.rows:
                await self._add(connection, usage_rows, batch.rows)
            if batch.hours:
                hours = sorted((*key, *sums) for key, sums in batch.hours.items())
                await self._add(connection, usage_hours, hours, key=_HOUR_KEY)
            if batch.spend:
                spend = sorted((*key, *sums) for key, sums in batch.spend.items())
                await self._add(connection, usage_spend, spend, key=_SPEND_KEY)
            for user_id in batch.erased:
                await _erase(connection, user_id, milliseconds(self.clock.now()))

    async def spent(self, subject: str, period: BudgetPeriod, period_start: datetime) -> tuple[Decimal, int]:
        """Gives the US dollars and tokens a subject has used in a period."""
        statement = select(usage_spend.c.usd_pico, usage_spend.c.tokens).where(
            usage_spend.c.subject == subject,
            usage_spend.c.period == period.value,
            usage_spend.c.first_day == first_day(period, period_start),
        )
        async with self._reading() as connection:
            found = (await connection.execute(statement)).one_or_none()
        return (Decimal(0), 0) if found is None else (Decimal(found.usd_pico) / PICO, int(found.tokens))

    async def rows(self, wanted: RowFilter, before: RowPosition | None, limit: int) -> Sequence[StoredRow]:
        """Gives rows, the newest first."""
        async with self._reading() as connection:
            found = await connection.execute(rows_statement(usage_rows, wanted, before, limit))
            return [stored_row(row) for row in found.mappings()]

    async def summary(self, wanted: SummaryQuery) -> Sequence[SummaryLine]:
        """Gives sums, the oldest first."""
        async with self._reading() as connection:
            found = await connection.execute(summary_statement(usage_hours, wanted, BUCKETS))
            return [summary_line(row, BUCKETS) for row in found.mappings()]

    async def prune(self, *, rows_before: datetime | None, hours_before: datetime | None, limit: int) -> int:
        """Deletes what is older, at most `limit` of each; gives how much that was."""
        count = 0
        if rows_before is not None:
            is_old = usage_rows.c.at_ms < milliseconds(rows_before)
            old = select(usage_rows.c.id).where(is_old).order_by(usage_rows.c.at_ms).limit(limit)
            async with self._writing() as connection:
                count += (await connection.execute(delete(usage_rows).where(usage_rows.c.id.in_(old)))).rowcount
        if hours_before is not None:
            before_ms = milliseconds(hours_before)
            is_past = (usage_spend.c.period != BudgetPeriod.TOTAL.value) & (
                usage_spend.c.first_day < before_ms // _DAY_MS - 31  # whatever the period, it has ended
            )
            for table, is_old in (
                (usage_hours, usage_hours.c.hour < before_ms // _HOUR_MS),
                (usage_spend, is_past),
            ):
                key = tuple_(*table.primary_key)
                some = select(*table.primary_key).where(is_old).limit(limit)
                async with self._writing() as connection:
                    count += (await connection.execute(delete(table).where(key.in_(some)))).rowcount
        before_ms = milliseconds(self.clock.now() - _ERASED_KEPT)
        async with self._writing() as connection:
            await connection.execute(delete(usage_erasures).where(usage_erasures.c.at_ms < before_ms))
        return count

    async def _add(
        self, connection: AsyncConnection, table: Table, values: Sequence[tuple[Any, ...]], key: Sequence[str] = ()
    ) -> None:
        """Inserts rows; where there are ones of the same key, adds to their sums."""
        mark = "?" if self.database.is_sqlite else "%s"
        names = [column.name for column in table.columns]
        statement = f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({', '.join([mark] * len(names))})"  # noqa: S608  names of ours
        if key:
            added = ", ".join(_added(table.name, name) for name in names if name not in key)
            statement += f" ON CONFLICT ({', '.join(key)}) DO UPDATE SET {added}"
        await connection.exec_driver_sql(statement, list(values))

    @staticmethod
    async def _note_position(connection: AsyncConnection, journal: str, begin: int, end: int) -> None:
        at = usage_positions.c
        is_ours = (at.journal == journal) & (at.position == begin)
        moved = await connection.execute(update(usage_positions).where(is_ours).values(position=end))
        if moved.rowcount:
            return
        known = (await connection.execute(select(at.position).where(at.journal == journal))).scalar_one_or_none()
        if known is not None:
            detail = f"The usage journal has been moved to {known}, not to {begin}: another process moves it too."
            raise Conflict(detail)
        await connection.execute(insert(usage_positions).values(journal=journal, position=end))

    @contextlib.asynccontextmanager
    async def _reading(self) -> AsyncIterator[AsyncConnection]:
        with _told_apart():
            async with self.database.read() as connection:
                yield connection

    @contextlib.asynccontextmanager
    async def _writing(self) -> AsyncIterator[AsyncConnection]:
        with _told_apart():
            async with self.database.write() as connection:
                yield connection


@contextlib.contextmanager
def _told_apart() -> Iterator[None]:
    """Turns the failures of a database that cannot be used now, which pass, into `Unavailable`; others are faults."""
    try:
        yield
    except (OperationalError, InterfaceError, PoolTimeout, OSError) as error:
        detail = "The database does not take or give usage now."
        raise Unavailable(detail) from error


def _added(table: str, name: str) -> str:
    ours, new = f"{table}.{name}", f"excluded.{name}"
    if name == "usd_pico":  # stays at its bound instead of running over it
        return f"{name} = CASE WHEN {ours} > {MAX_PICO} - {new} THEN {MAX_PICO} ELSE {ours} + {new} END"
    return f"{name} = {ours} + {new}"


async def _erase(connection: AsyncConnection, user_id: str, at_ms: int) -> None:
    """Deletes a person's rows and what they spent; their hours stay in the sums of the house, as nobody's."""
    if (await connection.execute(select(usage_erasures).where(usage_erasures.c.user_id == user_id))).first() is None:
        await connection.execute(insert(usage_erasures).values(user_id=user_id, at_ms=at_ms))
    hours = usage_hours
    is_theirs = hours.c.user_id == user_id
    keys = select(literal("key:") + hours.c.key_id).where(is_theirs, hours.c.key_id != "").distinct()
    subjects = [f"user:{user_id}", *(await connection.execute(keys)).scalars()]
    await connection.execute(delete(usage_spend).where(usage_spend.c.subject.in_(subjects)))
    await connection.execute(delete(usage_rows).where(usage_rows.c.user_id == user_id))
    kept = ["hour", "group_id", "kind", "model", "deployment", "status"]
    names = [column.name for column in hours.columns]
    chosen = ", ".join(
        name if name in kept else f"'{DELETED}'" if name == "user_id" else "''" if name == "key_id" else f"SUM({name})"
        for name in names
    )
    mark = "?" if connection.dialect.name == "sqlite" else "%s"
    added = ", ".join(_added(hours.name, name) for name in SUMS)
    statement = (
        f"INSERT INTO {hours.name} ({', '.join(names)}) SELECT {chosen} FROM {hours.name} WHERE user_id = {mark} "  # noqa: S608  names of ours
        f"GROUP BY {', '.join(kept)} ON CONFLICT ({', '.join(_HOUR_KEY)}) DO UPDATE SET {added}"
    )
    await connection.exec_driver_sql(statement, (user_id,))
    await connection.execute(delete(hours).where(is_theirs))
