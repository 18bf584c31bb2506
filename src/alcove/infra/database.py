"""The SQL database: SQLite (WAL) on one machine, PostgreSQL by one setting.

Every room declares its tables on `metadata` in its own `store.py`. SQLite takes one writer at a time, so writers wait for
each other here, in the process, instead of failing with "database is locked".
"""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
from sqlalchemy import DateTime, Dialect, MetaData, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError, ProgrammingError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import StaticPool
from sqlalchemy.types import TypeDecorator

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)
"""All tables of the house; the migrations are compared against it."""

MIGRATIONS = Path(__file__).parent / "migrations"
"""Alembic's folder; each version's file begins with its number, which is its revision."""


class UtcDateTime(TypeDecorator[datetime]):
    """A time with its zone, always UTC; SQLite would drop the zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Refuses a time without a zone, and stores UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            msg = f"a time without a zone cannot be stored: {value!r}"
            raise ValueError(msg)
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Gives the time back with its zone."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Database:
    """Connections to the database.

    Attributes:
        engine: SQLAlchemy's engine.
        _writer: Held while writing to SQLite; None where the server itself takes many writers.
    """

    engine: AsyncEngine
    _writer: anyio.Lock | None

    @property
    def is_sqlite(self) -> bool:
        """Whether this is the embedded database."""
        return self.engine.dialect.name == "sqlite"

    @contextlib.asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """Gives a connection for reading."""
        async with self.engine.connect() as connection:
            yield connection

    @contextlib.asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """Gives a connection in one transaction: committed at the end, rolled back on an error.

        When the block has been left without an error, what was written survives `kill -9`.
        """
        async with contextlib.AsyncExitStack() as stack:
            if self._writer is not None:
                await stack.enter_async_context(self._writer)
            yield await stack.enter_async_context(self.engine.begin())

    async def close(self) -> None:
        """Closes every connection."""
        await self.engine.dispose()


def open_database(url: str) -> Database:
    """Opens the database at an SQLAlchemy URL, such as `sqlite+aiosqlite:///…/alcove.db` or `postgresql+psycopg://…`."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return Database(create_async_engine(parsed, pool_pre_ping=True, pool_size=10, max_overflow=10), None)
    in_memory = parsed.database in {None, "", ":memory:"}
    options: dict[str, Any] = {"poolclass": StaticPool} if in_memory else {"pool_size": 8, "max_overflow": 8}
    engine = create_async_engine(parsed, **options)
    event.listen(engine.sync_engine, "connect", _configure_sqlite)
    return Database(engine, anyio.Lock())


def _configure_sqlite(connection: Any, _record: Any) -> None:  # noqa: ANN401  the driver's own connection
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=NORMAL",
        "foreign_keys=ON",
        "busy_timeout=10000",
        "temp_store=MEMORY",
        "cache_size=-8000",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


async def migrate(database: Database) -> None:
    """Brings the schema to this version. Safe to call at every start; one that finds it current costs a query."""
    if await is_current(database):
        return
    from alcove.infra.schema import upgrade  # noqa: PLC0415  Alembic takes a tenth of the start, and most starts need none of it

    async with database.write() as connection:
        await connection.run_sync(upgrade)


async def is_current(database: Database) -> bool:
    """Tells whether the schema is of this version."""
    newest = max(path.stem.split("_", 1)[0] for path in MIGRATIONS.glob("versions/[0-9]*.py"))
    try:
        async with database.read() as connection:
            found = (await connection.execute(text("SELECT version_num FROM alembic_version"))).scalar_one_or_none()
    except (OperationalError, ProgrammingError):  # no such table: a new database
        return False
    return bool(found == newest)
