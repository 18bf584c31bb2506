"""The deployments that admins added. Keys are stored encrypted; this file never sees them in the clear.

A deployment belongs to the house, not to a person, so there is no owner to filter by; only admins reach these queries.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import JSON, Boolean, Column, String, Table, Text, delete, insert, select, update
from sqlalchemy.engine import RowMapping
from sqlalchemy.exc import IntegrityError

from alcove.gateway.models import Deployment, DeploymentSource, Provider
from alcove.gateway.routing.options import DeploymentOptions
from alcove.infra.database import Database, UtcDateTime, metadata
from alcove.kernel.errors import AlreadyExists, NotFound

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


@dataclass(frozen=True, slots=True)
class SqlDeploymentStore:
    """Deployments in the SQL database."""

    database: Database

    async def list(self) -> Sequence[Deployment]:
        """Gives all, oldest first."""
        async with self.database.read() as connection:
            rows = await connection.execute(select(deployments).order_by(deployments.c.created_at, deployments.c.id))
            return [_record(row) for row in rows.mappings()]

    async def add(self, deployment: Deployment) -> None:
        """Adds one.

        Raises:
            AlreadyExists: When the name is taken.
        """
        try:
            async with self.database.write() as connection:
                await connection.execute(insert(deployments).values(**_row(deployment)))
        except IntegrityError as error:
            raise AlreadyExists(_taken(deployment.name)) from error

    async def update(self, deployment: Deployment) -> None:
        """Replaces one.

        Raises:
            AlreadyExists: When the name is taken.
            NotFound: When it is gone.
        """
        statement = update(deployments).where(deployments.c.id == deployment.id).values(**_row(deployment))
        try:
            async with self.database.write() as connection:
                result = await connection.execute(statement)
        except IntegrityError as error:
            raise AlreadyExists(_taken(deployment.name)) from error
        if result.rowcount == 0:
            raise NotFound

    async def delete(self, deployment_id: str) -> bool:
        """Deletes one; False when there was none."""
        async with self.database.write() as connection:
            result = await connection.execute(delete(deployments).where(deployments.c.id == deployment_id))
        return result.rowcount > 0


def _taken(name: str) -> str:
    return f"There is a deployment named {name!r} already; choose another name."


def _row(deployment: Deployment) -> dict[str, Any]:
    return {
        "id": deployment.id,
        "name": deployment.name,
        "name_key": deployment.name.lower(),
        "provider": deployment.provider.value,
        "base_url": deployment.base_url,
        "models": list(deployment.models),
        "is_enabled": deployment.is_enabled,
        "options": deployment.options.model_dump(mode="json", exclude_defaults=True),
        "sealed_key": deployment.sealed_key,
        "key_hint": deployment.key_hint,
        "created_at": deployment.created_at,
        "updated_at": deployment.updated_at,
        "changed_by": deployment.changed_by,
    }


def _record(row: RowMapping) -> Deployment:
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
