"""The migrations lead to the schema that the rooms declare, on every database; and a house opens on what they made."""

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, inspect, text

import alcove.main.house  # noqa: F401  declares the tables of every room
from alcove.infra.database import Database, is_current, metadata, migrate, open_database


@pytest.fixture(params=["sqlite", "postgresql"])
async def empty(request: pytest.FixtureRequest, tmp_path: Path):
    """A database with nothing in it."""
    if request.param == "sqlite":
        database = open_database(f"sqlite+aiosqlite:///{tmp_path / 'alcove.db'}")
    else:
        database = open_database(request.getfixturevalue("postgres_url"))
        async with database.write() as connection:
            await connection.execute(text("DROP SCHEMA public CASCADE"))
            await connection.execute(text("CREATE SCHEMA public"))
    yield database
    if request.param == "postgresql":  # other tests of this session expect no more than their tables
        async with database.write() as connection:
            await connection.execute(text("DROP SCHEMA public CASCADE"))
            await connection.execute(text("CREATE SCHEMA public"))
    await database.close()


def difference(connection: Connection) -> list[object]:
    context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
    return list(compare_metadata(context, metadata))


def shape(connection: Connection) -> dict[str, object]:
    """Gives tables, columns, indexes and keys as the database tells of them."""
    inspector = inspect(connection)
    found: dict[str, object] = {}
    for table in sorted(set(inspector.get_table_names()) - {"alembic_version"}):
        found[table] = {
            "columns": sorted(
                (each["name"], str(each["type"]), each["nullable"]) for each in inspector.get_columns(table)
            ),
            "primary": inspector.get_pk_constraint(table),
            "foreign": sorted(map(str, inspector.get_foreign_keys(table))),
            "indexes": sorted(map(str, inspector.get_indexes(table))),
            "unique": sorted(map(str, inspector.get_unique_constraints(table))),
            "checks": sorted(map(str, inspector.get_check_constraints(table))),
        }
    return found


async def test_migrated_schema_equals_fresh_schema(empty: Database):
    assert not await is_current(empty)
    await migrate(empty)
    assert await is_current(empty)
    async with empty.read() as connection:
        assert await connection.run_sync(difference) == []
        migrated = await connection.run_sync(shape)
    async with empty.write() as connection:
        await connection.run_sync(metadata.drop_all)
        await connection.run_sync(metadata.create_all)
    async with empty.read() as connection:
        fresh = await connection.run_sync(shape)
    assert set(migrated) == set(metadata.tables)
    assert migrated == fresh


async def test_migrating_again_changes_nothing(empty: Database):
    await migrate(empty)
    async with empty.read() as connection:
        before = await connection.run_sync(shape)
    await migrate(empty)
    async with empty.read() as connection:
        assert await connection.run_sync(shape) == before
