"""The model groups that admins added. They belong to the house, not to a person; only admins reach these queries."""

from typing import Any

from sqlalchemy import JSON, Boolean, Column, String, Table
from sqlalchemy.engine import RowMapping

from alcove.gateway.routing.models import GroupOptions, GroupSource, ModelGroup
from alcove.infra.database import UtcDateTime, metadata
from alcove.infra.named_rows import NamedRows

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


class SqlModelGroupStore(NamedRows[ModelGroup]):
    """Model groups in the SQL database."""

    table = model_groups

    @staticmethod
    def row_of(record: ModelGroup) -> dict[str, Any]:
        """Gives the values of its row."""
        return {
            "id": record.id,
            "model": record.model,
            "options": record.options.model_dump(mode="json", exclude_defaults=True),
            "is_enabled": record.is_enabled,
            "created_at": record.created_at,
            "updated_at": record.updated_at,
            "changed_by": record.changed_by,
        }

    @staticmethod
    def record_of(row: RowMapping) -> ModelGroup:
        """Gives what a row holds."""
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

    @staticmethod
    def taken(record: ModelGroup) -> str:
        """Says that its name is taken."""
        return f"There is a model group {record.model!r} already; choose another id."
