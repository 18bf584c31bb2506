"""Traces in one DuckDB file: wide rows, written in batches, read by columns.

DuckDB costs 34 MB as soon as it is imported and 20 MB more when a file is open, so both wait for the first trace; an open
file that nobody uses is closed again. One process owns the file. A write is one transaction: rows of the same owner and id
are deleted and inserted anew, which is cheaper here than a primary key. Parameters are lists, one per column (39 µs a row;
`executemany` takes 1.2 ms).
"""

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import anyio
import anyio.to_thread
import structlog

from alcove.kernel.errors import Unavailable
from alcove.tracing.adapters.duckdb_rows import (
    HEAD,
    OBSERVATIONS,
    TABLES,
    TRACES,
    json_text,
    naive,
    observation_row,
    to_head,
    to_observation,
    to_trace,
    trace_row,
)
from alcove.tracing.models import Change, Erasure, ObservationRecord, TraceHead, TraceQuery, TraceRecord, TraceWrite

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

log = structlog.get_logger(__name__)

_T = TypeVar("_T")

SCHEMA_VERSION = 1


class DuckDbTraceStore:
    """Keeps traces in a DuckDB file. Calls run in worker threads: one writer, two readers."""

    def __init__(self, path: Path, *, memory_mb: int, threads: int, query_timeout_s: float) -> None:
        """Names the file; it is made at the first write.

        Args:
            path: The file. Its folder is made if need be.
            memory_mb: Memory DuckDB may use, in megabytes.
            threads: Threads for one query.
            query_timeout_s: Seconds after which a query is given up.
        """
        self._path = path
        self._memory_mb = memory_mb
        self._threads = threads
        self._query_timeout_s = query_timeout_s
        self._connection: DuckDBPyConnection | None = None
        self._opening = threading.Lock()
        self._writer = anyio.CapacityLimiter(1)
        self._readers = anyio.CapacityLimiter(2)

    @property
    def is_open(self) -> bool:
        """Whether the file is open now."""
        return self._connection is not None

    async def write(self, changes: Sequence[Change]) -> None:
        """Makes all changes in the order given, or none of them."""
        await self._run_write(lambda connection: _write(connection, changes))
        if any(isinstance(each, Erasure) for each in changes):
            await self._run_write(_checkpoint)

    async def find(self, query: TraceQuery) -> Sequence[TraceHead]:
        """Lists traces, newest first."""
        return await self._run_read(lambda connection: _find(connection, query), [])

    async def get(self, owner_id: str | None, trace_id: str) -> tuple[TraceRecord, Sequence[ObservationRecord]] | None:
        """Gives a trace with its observations in order of start."""
        return await self._run_read(lambda connection: _get(connection, owner_id, trace_id), None)

    async def prune(self, before: datetime) -> int:
        """Deletes the traces that started before a time; gives their number."""
        if not self._path.exists():
            return 0
        count = await self._run_write(lambda connection: _prune(connection, before))
        if count:
            await self._run_write(_checkpoint)
        return count

    async def check(self) -> None:
        """Tells whether it could be written to, without opening the file."""

        def touch() -> None:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self._path.exists():
                with self._path.open("r+b"):
                    pass
                return
            probe = self._path.with_suffix(".probe")
            probe.touch(mode=0o600)
            probe.unlink(missing_ok=True)

        try:
            await anyio.to_thread.run_sync(touch)
        except OSError as error:
            detail = f"The folder of traces cannot be written: {error.strerror}"
            raise Unavailable(detail) from error

    async def release(self) -> None:
        """Closes the file; the next call opens it again."""
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(self._close, limiter=self._writer)

    def _close(self) -> None:
        with self._opening:
            connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _open(self) -> "DuckDBPyConnection":
        import duckdb  # noqa: PLC0415  34 MB and 0.4 s, which an idle house need not spend

        with self._opening:
            if self._connection is None:
                self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                config: dict[str, str | bool | int | float | list[str]] = {
                    "memory_limit": f"{self._memory_mb}MB",
                    "threads": self._threads,
                    "temp_directory": str(self._path.with_suffix(".tmp")),
                    "autoinstall_known_extensions": False,
                    "autoload_known_extensions": False,
                }
                connection = duckdb.connect(str(self._path), config=config)
                try:
                    _prepare(connection)
                except BaseException:
                    connection.close()
                    raise
                self._path.chmod(0o600)
                self._connection = connection
            return self._connection

    async def _run_write(self, work: Callable[["DuckDBPyConnection"], _T]) -> _T:
        def run() -> _T:
            with self._known_errors():
                return work(self._open())

        return await anyio.to_thread.run_sync(run, limiter=self._writer)  # goes on to its end even when cancelled

    async def _run_read(self, work: Callable[["DuckDBPyConnection"], _T], nothing: _T) -> _T:
        running: list[DuckDBPyConnection] = []

        def run() -> _T:
            if self._connection is None and not self._path.exists():
                return nothing
            with self._known_errors(), contextlib.closing(self._open().cursor()) as cursor:
                running.append(cursor)
                result = work(cursor)
                running.clear()
                return result

        try:
            with anyio.fail_after(self._query_timeout_s):
                return await anyio.to_thread.run_sync(run, limiter=self._readers, abandon_on_cancel=True)
        except TimeoutError as error:
            detail = f"The query on traces took longer than {self._query_timeout_s:g} s; ask for fewer traces."
            raise Unavailable(detail) from error
        finally:
            for cursor in running:
                cursor.interrupt()

    @contextlib.contextmanager
    def _known_errors(self) -> Iterator[None]:
        """Turns what may pass (a locked file, a full disk, an interrupt) into Unavailable; the rest is raised as it is."""
        import duckdb  # noqa: PLC0415  as above

        try:
            yield
        except (duckdb.OperationalError, duckdb.InterruptException, duckdb.InternalError, OSError) as error:
            if isinstance(error, duckdb.InternalError | duckdb.FatalException):
                self._close()  # DuckDB wants the file to be opened anew
            log.warning("trace_store_failed", error=type(error).__name__)
            detail = f"The trace store cannot do this now ({type(error).__name__})."
            raise Unavailable(detail) from error


def _prepare(connection: "DuckDBPyConnection") -> None:
    for table, columns in TABLES.items():
        body = ", ".join(f'"{name}" {kind}' for name, kind in columns.items())
        connection.execute(f"CREATE TABLE IF NOT EXISTS {table} ({body})")
    connection.execute("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER)")
    found = connection.execute("SELECT version FROM schema_version").fetchone()
    if found is None:
        connection.execute("INSERT INTO schema_version VALUES (?)", [SCHEMA_VERSION])
    elif found[0] != SCHEMA_VERSION:
        detail = f"The trace store has schema {found[0]}, this version of Alcove knows {SCHEMA_VERSION}."
        raise Unavailable(detail)
    connection.execute("SET enable_external_access = false")  # no SQL of ours reads other files
    connection.execute("SET lock_configuration = true")


def _write(connection: "DuckDBPyConnection", changes: Sequence[Change]) -> None:
    with _transaction(connection):
        batch: list[TraceWrite] = []
        for change in changes:
            if isinstance(change, TraceWrite):
                batch.append(change)
                continue
            _keep(connection, batch)
            batch.clear()
            _erase(connection, change)
        _keep(connection, batch)


@contextlib.contextmanager
def _transaction(connection: "DuckDBPyConnection") -> Iterator[None]:
    connection.execute("BEGIN TRANSACTION")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(Exception):  # it may have rolled back by itself
            connection.execute("ROLLBACK")
        raise


def _keep(connection: "DuckDBPyConnection", batch: Sequence[TraceWrite]) -> None:
    if not batch:
        return
    owners = sorted({each.trace.head.owner_id for each in batch})
    erased = set(
        connection.execute(
            "SELECT owner_id, session_id FROM erased WHERE list_contains(?::VARCHAR[], owner_id)", [owners]
        ).fetchall()
    )
    traces: dict[tuple[str, str], TraceRecord] = {}
    observations: dict[tuple[str, str, str], ObservationRecord] = {}
    for change in batch:
        head = change.trace.head
        if (head.owner_id, "") in erased or (head.owner_id, head.session_id) in erased:
            continue
        traces[head.owner_id, head.id] = change.trace
        observations.update({(each.owner_id, each.trace_id, each.id): each for each in change.observations})
    _replace(connection, "traces", ("owner_id", "id"), [trace_row(each) for each in traces.values()])
    _replace(
        connection,
        "observations",
        ("owner_id", "trace_id", "id"),
        [observation_row(each) for each in observations.values()],
    )


def _replace(
    connection: "DuckDBPyConnection", table: str, key: tuple[str, ...], rows: Sequence[Mapping[str, object]]
) -> None:
    if not rows:
        return
    columns = TABLES[table]
    lists = {name: [row[name] for row in rows] for name in columns}
    keys = ", ".join(f"unnest(?::VARCHAR[]) AS {name}" for name in key)
    same = " AND ".join(f"{table}.{name} = batch.{name}" for name in key)
    connection.execute(
        f"DELETE FROM {table} USING (SELECT {keys}) AS batch WHERE {same}",  # noqa: S608  names from this file
        [lists[name] for name in key],
    )
    values = ", ".join(
        f"unnest(?::VARCHAR[])::{kind}" if kind.startswith("DECIMAL") else f"unnest(?::{kind}[])"
        for kind in columns.values()
    )
    connection.execute(f"INSERT INTO {table} SELECT {values}", list(lists.values()))


def _erase(connection: "DuckDBPyConnection", erasure: Erasure) -> None:
    connection.execute("INSERT INTO erased VALUES (?, ?)", [erasure.owner_id, erasure.session_id or ""])
    condition = "owner_id = ?"
    parameters: list[object] = [erasure.owner_id]
    if erasure.session_id is not None:
        condition += " AND session_id = ?"
        parameters.append(erasure.session_id)
    _delete(connection, condition, parameters)


def _prune(connection: "DuckDBPyConnection", before: datetime) -> int:
    with _transaction(connection):
        return _delete(connection, "started_at < ?", [naive(before)])


def _delete(connection: "DuckDBPyConnection", condition: str, parameters: Sequence[object]) -> int:
    connection.execute(
        "DELETE FROM observations USING (SELECT owner_id, id FROM traces WHERE "  # noqa: S608  conditions from this file
        f"{condition}) AS gone WHERE observations.owner_id = gone.owner_id AND observations.trace_id = gone.id",
        parameters,
    )
    row = connection.execute(f"DELETE FROM traces WHERE {condition}", parameters).fetchone()  # noqa: S608  as above
    return 0 if row is None else int(row[0])


def _checkpoint(connection: "DuckDBPyConnection") -> None:
    """Moves all into the main file, so that deleted text is no longer in the write-ahead log."""
    connection.execute("CHECKPOINT")


def _find(connection: "DuckDBPyConnection", query: TraceQuery) -> list[TraceHead]:
    conditions: list[str] = []
    parameters: list[object] = []
    for name in ("owner_id", "session_id", "model", "level"):
        value = getattr(query, name)
        if value is not None:
            conditions.append(f"{name} = ?")
            parameters.append(str(value))
    if query.text is not None:
        conditions.append(
            "(contains(lower(name), lower(?)) OR contains(lower(input), lower(?)) OR contains(lower(output), lower(?)))"
        )
        parameters.extend([json_text(query.text)[1:-1]] * 3)
    if query.before is not None:
        conditions.append("(started_at, id) < (?, ?)")
        parameters.extend([naive(query.before[0]), query.before[1]])
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    rows = connection.execute(
        f"SELECT {', '.join(HEAD)} FROM traces {where} ORDER BY started_at DESC, id DESC LIMIT ?",  # noqa: S608  as above
        [*parameters, query.limit],
    ).fetchall()
    return [to_head(dict(zip(HEAD, row, strict=True))) for row in rows]


def _get(
    connection: "DuckDBPyConnection", owner_id: str | None, trace_id: str
) -> tuple[TraceRecord, Sequence[ObservationRecord]] | None:
    row = connection.execute(
        f"SELECT {', '.join(TRACES)} FROM traces WHERE id = ? AND (?::VARCHAR IS NULL OR owner_id = ?) LIMIT 1",  # noqa: S608
        [trace_id, owner_id, owner_id],
    ).fetchone()
    if row is None:
        return None
    trace = to_trace(dict(zip(TRACES, row, strict=True)))
    names = ", ".join(f'"{name}"' for name in OBSERVATIONS)
    rows = connection.execute(
        f"SELECT {names} FROM observations WHERE trace_id = ? AND owner_id = ? ORDER BY started_at, position",  # noqa: S608
        [trace_id, trace.head.owner_id],
    ).fetchall()
    return trace, [to_observation(dict(zip(OBSERVATIONS, each, strict=True))) for each in rows]
