"""A second server on one database stops, and the first one keeps it, also when its connection is cut."""

from collections.abc import AsyncIterator

import anyio
import pytest
from sqlalchemy import text

from alcove.infra.database import Database, open_database
from alcove.infra.one_server import DatabaseInUse, LockTimes, one_server
from alcove.kernel.errors import first_known

FAST = LockTimes(wait_s=0.3, pause_s=0.05, look_s=0.05, answer_s=5.0)
CUT = text("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND pid <> pg_backend_pid()")
FOREIGN = text("SELECT pg_advisory_lock(1634493295, hashtext(current_schema()))")


@pytest.fixture
async def server(postgres_url: str) -> AsyncIterator[Database]:
    opened = open_database(postgres_url)
    yield opened
    await opened.close()


@pytest.fixture
async def other(postgres_url: str) -> AsyncIterator[Database]:
    """The same database, from another process."""
    opened = open_database(postgres_url)
    yield opened
    await opened.close()


async def holders(database: Database) -> int:
    async with database.read() as connection:
        return int(
            (await connection.execute(text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"))).scalar_one()
        )


async def test_second_server_stops_with_what_to_do(server: Database, other: Database):
    async with one_server(server, FAST):
        with pytest.raises(DatabaseInUse, match=r"already runs on the database .*ALCOVE_DATABASE__URL"):
            async with one_server(other, FAST):
                pytest.fail("two servers at once")


async def test_next_server_starts_when_the_first_has_ended(server: Database, other: Database):
    async with one_server(server, FAST):
        pass
    assert await holders(other) == 0
    async with one_server(other, FAST):
        assert await holders(server) == 1


async def test_start_waits_for_a_server_that_is_ending(server: Database, other: Database):
    async def end_soon(*, task_status: anyio.abc.TaskStatus[None]) -> None:
        async with one_server(server, FAST):
            task_status.started()
            await anyio.sleep(0.2)

    async with anyio.create_task_group() as group:
        await group.start(end_soon)
        async with one_server(other, LockTimes(wait_s=5.0, pause_s=0.05)):
            pass


async def test_lock_is_taken_again_when_its_connection_was_cut(server: Database, other: Database):
    async with one_server(server, FAST):
        async with other.write() as connection:
            await connection.execute(CUT)
        with anyio.fail_after(5):
            while await holders(other) == 0:
                await anyio.sleep(0.02)
        with pytest.raises(DatabaseInUse):
            async with one_server(other, FAST):
                pytest.fail("two servers at once")


async def test_server_ends_when_another_took_the_database_over(server: Database, other: Database):
    with pytest.raises(BaseExceptionGroup) as failures:
        async with one_server(server, FAST), other.read() as connection:
            await connection.execute(CUT)
            await connection.execute(FOREIGN)
            with anyio.fail_after(10):
                await anyio.sleep_forever()
    assert isinstance(first_known(failures.value), DatabaseInUse)


async def test_embedded_database_is_left_to_the_lock_of_its_folder(tmp_path):
    database = open_database(f"sqlite+aiosqlite:///{tmp_path / 'alcove.db'}")
    async with one_server(database), one_server(database):
        pass
    await database.close()
