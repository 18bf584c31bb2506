"""The guardrails that admins added. They belong to the house, not to a person; only admins reach these queries."""

from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import JSON, Boolean, Column, String, Table
from sqlalchemy.engine import RowMapping

from alcove.gateway.guards.models import BlockRule, Guardrail, LimitRule, RedactRule, Rule
from alcove.infra.database import UtcDateTime, metadata
from alcove.infra.named_rows import NamedRows

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


class SqlGuardStore(NamedRows[Guardrail]):
    """Guardrails in the SQL database."""

    table = guardrails

    @staticmethod
    def row_of(record: Guardrail) -> dict[str, Any]:
        """Gives the values of its row."""
        return {
            "id": record.id,
            "name": record.name,
            "rule": record.rule.model_dump(mode="json"),
            "is_enabled": record.is_enabled,
            "is_always_on": record.is_always_on,
            "created_at": record.created_at,
            "updated_at": record.updated_at,
            "changed_by": record.changed_by,
        }

    @staticmethod
    def record_of(row: RowMapping) -> Guardrail:
        """Gives what a row holds."""
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

    @staticmethod
    def taken(record: Guardrail) -> str:
        """Says that its name is taken."""
        return f"There is a guardrail named {record.name!r} already; choose another name."
