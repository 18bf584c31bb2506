"""The guardrails that admins added. They belong to the house, not to a person; only admins reach these queries."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import JSON, Boolean, Column, String, Table, delete, insert, select, update
from sqlalchemy.engine import RowMapping
from sqlalchemy.exc import IntegrityError

from alcove.gateway.guards.models import BlockRule, Guardrail, LimitRule, RedactRule, Rule
from alcove.infra.database import Database, UtcDateTime, metadata
from alcove.kernel.errors import AlreadyExists, NotFound

guardrails = Table(
    "gateway_guardrails",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("name", String(63), nullable=False, unique=True),
    Column("rule", JSON, nullable=False),
    Column("is_enabled", Boolean, nullable=False),
    Column("is_always_on", Boolean, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("changed_by", String(36), nullable=True),
)
_RULE: TypeAdapter[RedactRule | BlockRule | LimitRule] = TypeAdapter(Rule)


@dataclass(frozen=True, slots=True)
class SqlGuardStore:
    """Guardrails in the SQL database."""

    database: Database

    async def list(self) -> Sequence[Guardrail]:
        """Gives all, oldest first."""
        async with self.database.read() as connection:
            rows = await connection.execute(select(guardrails).order_by(guardrails.c.created_at, guardrails.c.id))
            return [_record(row) for row in rows.mappings()]

    async def add(self, guard: Guardrail) -> None:
        """Adds one.

        Raises:
            AlreadyExists: When the name is taken.
        """
        try:
            async with self.database.write() as connection:
                await connection.execute(insert(guardrails).values(**_row(guard)))
        except IntegrityError as error:
            raise AlreadyExists(_taken(guard.name)) from error

    async def update(self, guard: Guardrail) -> None:
        """Replaces one.

        Raises:
            AlreadyExists: When the name is taken.
            NotFound: When it is gone.
        """
        statement = update(guardrails).where(guardrails.c.id == guard.id).values(**_row(guard))
        try:
            async with self.database.write() as connection:
                result = await connection.execute(statement)
        except IntegrityError as error:
            raise AlreadyExists(_taken(guard.name)) from error
        if result.rowcount == 0:
            raise NotFound

    async def delete(self, guard_id: str) -> bool:
        """Deletes one; False when there was none."""
        async with self.database.write() as connection:
            result = await connection.execute(delete(guardrails).where(guardrails.c.id == guard_id))
        return result.rowcount > 0


def _taken(name: str) -> str:
    return f"There is a guardrail named {name!r} already; choose another name."


def _row(guard: Guardrail) -> dict[str, Any]:
    return {
        "id": guard.id,
        "name": guard.name,
        "rule": guard.rule.model_dump(mode="json"),
        "is_enabled": guard.is_enabled,
        "is_always_on": guard.is_always_on,
        "created_at": guard.created_at,
        "updated_at": guard.updated_at,
        "changed_by": guard.changed_by,
    }


def _record(row: RowMapping) -> Guardrail:
    return Guardrail(
        id=row["id"],
        name=row["name"],
        rule=_RULE.validate_python(row["rule"]),
        is_enabled=row["is_enabled"],
        is_always_on=row["is_always_on"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        changed_by=row["changed_by"],
    )
