"""The tables of the identity room, and how their rows are read."""

from typing import Any

from sqlalchemy import JSON, Boolean, Column, ForeignKey, Index, Integer, Select, String, Table
from sqlalchemy.engine import RowMapping

from alcove.identity.cursors import id_of
from alcove.identity.limits import Limits
from alcove.identity.models import (
    Action,
    Actor,
    ApiKey,
    AuditEntry,
    AuditEvent,
    Group,
    KeyTerms,
    Outcome,
    Session,
    User,
)
from alcove.infra.database import UtcDateTime, metadata
from alcove.kernel.pages import PageRequest
from alcove.kernel.principal import Role

users = Table(
    "users",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("email", String(254), nullable=False, unique=True),
    Column("name", String(200), nullable=False),
    Column("role", String(16), nullable=False),
    Column("is_disabled", Boolean, nullable=False),
    Column("password_hash", String(300), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("last_seen_at", UtcDateTime),
    Column("limits", JSON(none_as_null=True)),
)
"""People with an account."""

login_sessions = Table(
    "login_sessions",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("user_id", String(36), ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("token_hash", String(64), nullable=False, unique=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("last_seen_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False, index=True),
)
"""Browser sessions."""

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("owner_id", String(36), ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("name", String(200), nullable=False),
    Column("prefix", String(16), nullable=False, unique=True),
    Column("digest", String(64), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime),
    Column("last_used_at", UtcDateTime),
    Column("revoked_at", UtcDateTime),
    Column("limits", JSON(none_as_null=True)),
    Column("scopes", JSON(none_as_null=True)),
    Column("allowed_ips", JSON(none_as_null=True)),
    Column("group_id", String(36), index=True),
    Column("rotated_at", UtcDateTime),
    Column("old_digest", String(64)),
    Column("old_until", UtcDateTime),
    Index(None, "owner_id", "id"),
)
"""API keys, without their secrets. A key whose group is gone, or left by its owner, is good for nothing (`SqlKeyStore.by_prefix`)."""

groups = Table(
    "user_groups",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("folded_name", String(200), nullable=False, unique=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("limits", JSON(none_as_null=True)),
)
"""People who share an account."""

group_members = Table(
    "group_members",
    metadata,
    Column("group_id", String(36), ForeignKey("user_groups.id", ondelete="CASCADE"), primary_key=True),
    Column("user_id", String(36), ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, index=True),
)
"""Who is in which group."""

audit_entries = Table(
    "audit_entries",
    metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=False),
    Column("id", String(36), nullable=False, unique=True),
    Column("at", UtcDateTime, nullable=False),
    Column("actor", String(254), nullable=False),
    Column("ip", String(64), nullable=False),
    Column("action", String(64), nullable=False),
    Column("object", String(400), nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("request_id", String(128), nullable=False),
    Column("previous_hash", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
)
"""What was done, in a chain of hashes; rows are only ever added."""


def user_of(row: RowMapping) -> User:
    """Gives the user of a row."""
    return User(
        id=row[users.c.id],
        email=row[users.c.email],
        name=row[users.c.name],
        role=Role(row[users.c.role]),
        is_disabled=row[users.c.is_disabled],
        password_hash=row[users.c.password_hash],
        created_at=row[users.c.created_at],
        last_seen_at=row[users.c.last_seen_at],
        limits=Limits.of_json(row[users.c.limits]),
    )


def user_values(user: User) -> dict[str, object]:
    """Gives a user as a row."""
    return {
        "id": user.id,
        "email": user.email,
        "name": user.name,
        "role": user.role.value,
        "is_disabled": user.is_disabled,
        "password_hash": user.password_hash,
        "created_at": user.created_at,
        "last_seen_at": user.last_seen_at,
        "limits": user.limits.to_json(),
    }


def session_of(row: RowMapping) -> Session:
    """Gives the session of a row."""
    return Session(**{column.name: row[column] for column in login_sessions.c})


def key_of(row: RowMapping) -> ApiKey:
    """Gives the key of a row."""
    cells = {column.name: row[column] for column in api_keys.c}
    cells["limits"] = Limits.of_json(cells["limits"])
    cells["scopes"] = None if cells["scopes"] is None else tuple(cells["scopes"])
    cells["allowed_ips"] = tuple(cells["allowed_ips"] or ())
    return ApiKey(**cells)


def key_values(key: ApiKey) -> dict[str, object]:
    """Gives a key as a row."""
    values = {column.name: getattr(key, column.name) for column in api_keys.c}
    return values | terms_values(key)


def terms_values(terms: ApiKey | KeyTerms) -> dict[str, object]:
    """Gives what a key may be used for as part of its row."""
    return {
        "expires_at": terms.expires_at,
        "limits": terms.limits.to_json(),
        "scopes": None if terms.scopes is None else list(terms.scopes),
        "allowed_ips": list(terms.allowed_ips) or None,
        "group_id": terms.group_id,
    }


def group_of(row: RowMapping) -> Group:
    """Gives the group of a row."""
    return Group(
        id=row[groups.c.id],
        name=row[groups.c.name],
        created_at=row[groups.c.created_at],
        limits=Limits.of_json(row[groups.c.limits]),
        member_count=row.get("member_count", 0),
    )


def entry_of(row: RowMapping) -> AuditEntry:
    """Gives the audit entry of a row."""
    cell = audit_entries.c
    return AuditEntry(
        id=row[cell.id],
        sequence=row[cell.sequence],
        event=AuditEvent(
            at=row[cell.at],
            actor=Actor(name=row[cell.actor], ip=row[cell.ip], request_id=row[cell.request_id]),
            action=Action(row[cell.action]),
            object=row[cell.object],
            outcome=Outcome(row[cell.outcome]),
        ),
        previous_hash=row[cell.previous_hash],
        hash=row[cell.hash],
    )


def before(query: Select[Any], column: Column[str], page: PageRequest) -> Select[Any]:
    """Narrows a listing by id to a page, with one row more to see whether another page follows."""
    if page.cursor is not None:
        query = query.where(column < id_of(page.cursor))
    return query.order_by(column.desc()).limit(page.limit + 1)
