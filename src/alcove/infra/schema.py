"""Runs Alembic over a connection of ours; loaded only when the schema is not current."""

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from alcove.infra.database import MIGRATIONS, metadata


def migration_config(connection: Connection | None = None) -> Config:
    """Gives Alembic's configuration, bound to a connection where one is given."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    config.attributes["target_metadata"] = metadata
    return config


def upgrade(connection: Connection) -> None:
    """Brings the schema behind a connection to this version."""
    command.upgrade(migration_config(connection), "head")
