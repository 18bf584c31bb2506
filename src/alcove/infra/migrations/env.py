"""Runs migrations on the connection that `alcove.infra.database` hands over; there is no `alembic.ini`."""

from typing import Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext

config = context.config


def render_item(kind: str, item: object, _context: AutogenContext) -> str | Literal[False]:
    """Writes our type for times as the plain one it is in the database: migrations must not depend on today's code."""
    return "sa.DateTime(timezone=True)" if kind == "type" and type(item).__name__ == "UtcDateTime" else False


context.configure(
    connection=config.attributes["connection"],
    target_metadata=config.attributes["target_metadata"],
    render_as_batch=True,
    render_item=render_item,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
