"""The model groups that admins added. They belong to the house, not to a person; only admins reach these queries."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import JSON, Boolean, Column, String, Table, delete, insert, select, update
from sqlalchemy.engine import RowMapping
from sqlalchemy.exc import IntegrityError

from alcove.gateway.routing.models import GroupOptions, GroupSource, ModelGroup
from alcove.infra.database import Database, UtcDateTime, metadata
from alcove.kernel.errors import AlreadyExists, NotFound

model_groups = Table(
    "gateway_model_groups",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("model", String(200), nullable=False, unique=True),
    Column("options", JSON, nullable=False),
    Column("is_enabled", Boolean, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("changed_by", String(36), nullable=True),
)


@dataclass(frozen=True, slots=True)
class SqlModelGroupStore:
    """Model groups in the SQL database."""

    database: Database

    async def list(self) -> Sequence[ModelGroup]:
        """Gives all, oldest first."""
        async with self.database.read() as connection:
            rows = await connection.execute(select(model_groups).order_by(model_groups.c.created_at, model_groups.c.id))
            return [_record(row) for row in rows.mappings()]

    async def add(self, group: ModelGroup) -> None:
        """Adds one.

        Raises:
            AlreadyExists: When the model's id is taken.
        """
        try:
            async with self.database.write() as connection:
                await connection.execute(insert(model_groups).values(**_row(group)))
        except IntegrityError as error:
            raise AlreadyExists(_taken(group.model)) from error

    async def update(self, group: ModelGroup) -> None:
        """Replaces one.

        Raises:
            AlreadyExists: When the model's id is taken.
            NotFound: When it is gone.
        """
        statement = update(model_groups).where(model_groups.c.id == group.id).values(**_row(group))
        try:
            async with self.database.write() as connection:
                result = await connection.execute(statement)
        except IntegrityError as error:
            raise AlreadyExists(_taken(group.model)) from error
        if result.rowcount == 0:
            raise NotFound

    async def delete(self, group_id: str) -> bool:
        """Deletes one; False when there was none."""
        async with self.database.write() as connection:
            result = await connection.execute(delete(model_groups).where(model_groups.c.id == group_id))
        return result.rowcount > 0


def _taken(model: str) -> str:
    return f"There is a model group {model!r} already; choose another id."


def _row(group: ModelGroup) -> dict[str, Any]:
    return {
        "id": group.id,
        "model": group.model,
        "options": group.options.model_dump(mode="json", exclude_defaults=True),
        "is_enabled": group.is_enabled,
        "created_at": group.created_at,
        "updated_at": group.updated_at,
        "changed_by": group.changed_by,
    }


def _record(row: RowMapping) -> ModelGroup:
    return ModelGroup(
        id=row["id"],
        model=row["model"],
        options=GroupOptions.model_validate(row["options"]),
        is_enabled=row["is_enabled"],
        source=GroupSource.ADMIN,
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        changed_by=row["changed_by"],
    )
