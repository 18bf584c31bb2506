"""The deployments that admins added. Keys are stored encrypted; this file never sees them in the clear.

A deployment belongs to the house, not to a person, so there is no owner to filter by; only admins reach these queries.
"""

from typing import Any

from sqlalchemy import JSON, Boolean, Column, String, Table, Text
from sqlalchemy.engine import RowMapping

from alcove.gateway.models import Deployment, DeploymentSource, Provider
from alcove.gateway.routing.options import DeploymentOptions
from alcove.infra.database import UtcDateTime, metadata
from alcove.infra.named_rows import NamedRows

deployments = Table(
    "gateway_deployments",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("name", String(63), nullable=False),
    Column("name_key", String(63), nullable=False, unique=True),  # the name in lower case
    Column("provider", String(20), nullable=False),
    Column("base_url", Text, nullable=False),
    Column("models", JSON, nullable=False),
    Column("is_enabled", Boolean, nullable=False),
    Column("options", JSON, nullable=True),  # null in rows older than the column
    Column("sealed_key", Text, nullable=True),
    Column("key_hint", String(4), nullable=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("changed_by", String(36), nullable=True),
)


class SqlDeploymentStore(NamedRows[Deployment]):
    """Deployments in the SQL database."""

    table = deployments

    @staticmethod
    def row_of(record: Deployment) -> dict[str, Any]:
        """Gives the values of its row."""
        return {
            "id": record.id,
            "name": record.name,
            "name_key": record.name.lower(),
            "provider": record.provider.value,
            "base_url": record.base_url,
            "models": list(record.models),
            "is_enabled": record.is_enabled,
            "options": record.options.model_dump(mode="json", exclude_defaults=True),
            "sealed_key": record.sealed_key,
            "key_hint": record.key_hint,
            "created_at": record.created_at,
            "updated_at": record.updated_at,
            "changed_by": record.changed_by,
        }

    @staticmethod
    def record_of(row: RowMapping) -> Deployment:
        """Gives what a row holds."""
        return Deployment(
            id=row["id"],
            name=row["name"],
            provider=Provider(row["provider"]),
            base_url=row["base_url"],
            models=tuple(row["models"]),
            is_enabled=row["is_enabled"],
            source=DeploymentSource.ADMIN,
            created_at=row["created_at"],
            updated_at=row["updated_at"],
            changed_by=row["changed_by"],
            options=DeploymentOptions.model_validate(row["options"] or {}),
            sealed_key=row["sealed_key"],
            key_hint=row["key_hint"],
        )

    @staticmethod
    def taken(record: Deployment) -> str:
        """Says that its name is taken."""
        return f"There is a deployment named {record.name!r} already; choose another name."
