import sqlite3
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import anyio
import pytest
from sqlalchemy import Column, Integer, MetaData, Table, insert, select, text
from sqlalchemy.exc import StatementError

from alcove.infra.database import Database, UtcDateTime, open_database

# A metadata of its own: the shared one is the schema of the house.
tables = MetaData()
numbers = Table("test_numbers", tables, Column("n", Integer, primary_key=True), Column("at", UtcDateTime))


async def prepare(database: Database) -> None:
    async with database.write() as connection:
        await connection.run_sync(tables.drop_all)
        await connection.run_sync(tables.create_all)


async def all_numbers(database: Database) -> list[int]:
    async with database.read() as connection:
        return list(await connection.scalars(select(numbers.c.n).order_by(numbers.c.n)))


async def test_what_was_written_is_read(database: Database) -> None:
    await prepare(database)
    async with database.write() as connection:
        await connection.execute(insert(numbers).values(n=1))
    assert await all_numbers(database) == [1]


async def test_a_failed_block_leaves_nothing(database: Database) -> None:
    await prepare(database)

    async def half() -> None:
        async with database.write() as connection:
            await connection.execute(insert(numbers).values(n=1))
            raise ValueError("half way")

    with pytest.raises(ValueError, match="half way"):
        await half()
    assert await all_numbers(database) == []


async def test_a_cancelled_block_leaves_nothing_and_lets_the_next_writer_in(database: Database) -> None:
    await prepare(database)
    with anyio.move_on_after(0.05):
        async with database.write() as connection:
            await connection.execute(insert(numbers).values(n=1))
            await anyio.sleep_forever()
    with anyio.fail_after(5):
        async with database.write() as connection:
            await connection.execute(insert(numbers).values(n=2))
    assert await all_numbers(database) == [2]


async def test_many_writers_at_once_all_get_their_turn(database: Database) -> None:
    await prepare(database)

    async def write(number: int) -> None:
        async with database.write() as connection:
            await connection.execute(insert(numbers).values(n=number))

    async with anyio.create_task_group() as group:
        for number in range(30):
            group.start_soon(write, number)
    assert await all_numbers(database) == list(range(30))


async def test_readers_are_not_held_up_by_a_writer(database: Database) -> None:
    await prepare(database)
    async with database.write() as connection:
        await connection.execute(insert(numbers).values(n=1))
        with anyio.fail_after(5):
            assert await all_numbers(database) == []


async def test_times_keep_their_moment_and_come_back_in_utc(database: Database) -> None:
    await prepare(database)
    at = datetime(2026, 5, 1, 14, 0, 0, 123456, tzinfo=timezone(timedelta(hours=2)))
    async with database.write() as connection:
        await connection.execute(insert(numbers).values(n=1, at=at))
        await connection.execute(insert(numbers).values(n=2))
    async with database.read() as connection:
        found = list(await connection.scalars(select(numbers.c.at).order_by(numbers.c.n)))
    assert found == [at, None]
    assert found[0].tzinfo is UTC
    with pytest.raises(StatementError, match="without a zone"):
        async with database.write() as connection:
            await connection.execute(insert(numbers).values(n=3, at=at.replace(tzinfo=None)))


async def test_sqlite_is_set_up_to_survive_and_to_keep_references(tmp_path: Path) -> None:
    database = open_database(f"sqlite+aiosqlite:///{tmp_path / 'a.db'}")
    async with database.read() as connection:
        assert await connection.scalar(text("PRAGMA journal_mode")) == "wal"
        assert await connection.scalar(text("PRAGMA foreign_keys")) == 1
        assert await connection.scalar(text("PRAGMA busy_timeout")) == 10_000
    await database.close()


async def test_another_process_can_write_in_between(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    database = open_database(f"sqlite+aiosqlite:///{path}")
    await prepare(database)

    def other() -> None:
        plain = sqlite3.connect(path, timeout=10)
        with plain:
            plain.execute("INSERT INTO test_numbers (n) VALUES (7)")
        plain.close()

    async with anyio.create_task_group() as group:
        group.start_soon(anyio.to_thread.run_sync, other)
        async with database.write() as connection:
            await connection.execute(insert(numbers).values(n=1))
            await anyio.sleep(0.05)
    assert await all_numbers(database) == [1, 7]
    await database.close()


async def test_a_database_in_memory_is_one_for_all_connections() -> None:
    database = open_database("sqlite+aiosqlite:///:memory:")
    await prepare(database)
    async with database.write() as connection:
        await connection.execute(insert(numbers).values(n=1))
    assert await all_numbers(database) == [1]
    await database.close()
