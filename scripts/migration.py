"""Writes the next migration from the difference between the migrated schema and the tables of this version.

Usage: python scripts/migration.py "Add a column for something"
"""

import asyncio
import sys
import tempfile
from pathlib import Path

from alembic import command
from sqlalchemy import Connection

import alcove.main  # noqa: F401  every room's tables
from alcove.infra.database import migrate, open_database
from alcove.infra.schema import migration_config


async def write(message: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        database = open_database(f"sqlite+aiosqlite:///{Path(folder) / 'schema.db'}")
        await migrate(database)

        def compare(connection: Connection) -> None:
            config = migration_config(connection)
            versions = Path(str(config.get_main_option("script_location"))) / "versions"
            number = len(list(versions.glob("[0-9]*.py"))) + 1
            command.revision(config, message=message, autogenerate=True, rev_id=f"{number:04d}")

        async with database.write() as connection:
            await connection.run_sync(compare)
        await database.close()


if __name__ == "__main__":
    asyncio.run(write(sys.argv[1]))
