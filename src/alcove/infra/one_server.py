"""One server at a time on a database that many machines can reach.

A file lock guards the data folder; it says nothing of a database on a server. There, the lock is PostgreSQL's own: an advisory
lock of one session, which ends with the session, however that ends. A pooler that gives each transaction another session (PgBouncer
in transaction mode) cannot carry it; that shows at the first look, and the server stops.
"""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import anyio
import structlog
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from alcove.infra.database import Database
from alcove.kernel.errors import AlcoveError

log = structlog.get_logger(__name__)

_CLASS = (
    0x616C636F  # "alco"; the second half of the key is the schema, so that two schemas of a database are two houses
)
_TRY = text(f"SELECT pg_try_advisory_lock({_CLASS}, hashtext(current_schema()))")
_HELD = text(
    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND pid = pg_backend_pid()"  # noqa: S608  a number of ours
    f" AND classid = {_CLASS}"
)
_HOLDER = text(
    "SELECT coalesce(host(a.client_addr), 'the same machine'), a.backend_start FROM pg_locks l JOIN pg_stat_activity a USING (pid)"  # noqa: S608
    f" WHERE l.locktype = 'advisory' AND l.granted AND l.classid = {_CLASS}"
    " AND l.objid = (hashtext(current_schema())::bigint & 4294967295) AND l.database = a.datid"
)


class DatabaseInUse(AlcoveError):
    """Another server already runs on this database."""

    code = "database_in_use"
    title = "Database in use"


@dataclass(frozen=True, kw_only=True, slots=True)
class LockTimes:
    """How patient the lock is.

    Attributes:
        wait_s: How long a start waits for a server that is just ending.
        pause_s: Between two tries to take it.
        look_s: How often the holder looks whether it still has it.
        answer_s: How long the database may take to say so.
    """

    wait_s: float = 5.0
    pause_s: float = 0.25
    look_s: float = 5.0
    answer_s: float = 10.0


@contextlib.asynccontextmanager
async def one_server(database: Database, times: LockTimes | None = None) -> AsyncIterator[None]:
    """Holds a database on a server for this process; the embedded one is guarded by its folder.

    When the connection that holds it is lost, another one takes it; while the database is away, that is tried again and again.

    Raises:
        DatabaseInUse: When another server holds it, at the start or after the connection was lost.
    """
    if database.is_sqlite:
        yield
        return
    chosen = times or LockTimes()
    stack = contextlib.AsyncExitStack()
    try:
        connection = await _take(database, stack, chosen)
        async with anyio.create_task_group() as group:
            group.start_soon(_keep, database, connection, stack, chosen)
            yield
            group.cancel_scope.cancel()
    finally:
        with anyio.CancelScope(shield=True), anyio.move_on_after(chosen.answer_s):
            await stack.aclose()


async def _take(database: Database, stack: contextlib.AsyncExitStack, times: LockTimes) -> AsyncConnection:
    """Gives a connection that holds the lock; the stack closes it for good, so that it does not go back to the pool with the lock."""
    opened = await database.engine.connect()
    stack.push_async_callback(_drop, opened)
    connection = await opened.execution_options(isolation_level="AUTOCOMMIT")
    with anyio.move_on_after(times.wait_s):
        while not (await connection.execute(_TRY)).scalar_one():  # noqa: ASYNC110  the other end is a server
            await anyio.sleep(times.pause_s)
        return connection
    holder = (await connection.execute(_HOLDER)).first()
    whence = f" (connected from {holder[0]} since {holder[1]:%Y-%m-%d %H:%M} UTC)" if holder else ""
    detail = (
        f"A server{whence} already runs on the database {database.engine.url.render_as_string()!r}. "
        "Stop it first, or name another database with ALCOVE_DATABASE__URL."
    )
    raise DatabaseInUse(detail)


async def _keep(database: Database, held: AsyncConnection, stack: contextlib.AsyncExitStack, times: LockTimes) -> None:
    connection: AsyncConnection | None = held
    while True:
        await anyio.sleep(times.look_s)
        try:
            with anyio.fail_after(times.answer_s):
                if connection is None:
                    connection = await _take(database, stack, times)
                    log.warning("database_lock_taken_again")
                if not (await connection.execute(_HELD)).scalar_one():
                    detail = (
                        "The database does not keep this server's session, so nothing stops a second server on it. "
                        "Connect without a pooler, or with one that pools sessions."
                    )
                    raise DatabaseInUse(detail)
        except (DBAPIError, OSError, TimeoutError) as error:
            log.warning("database_lock_lost", error=type(error).__name__)
            connection = None
            with anyio.CancelScope(shield=True), anyio.move_on_after(times.answer_s):
                await stack.aclose()


async def _drop(connection: AsyncConnection) -> None:
    with contextlib.suppress(DBAPIError, OSError):
        await connection.invalidate()
    with contextlib.suppress(DBAPIError, OSError):
        await connection.close()
