"""Users, sessions, API keys and the audit table in the SQL database."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    Select,
    String,
    Table,
    delete,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.engine import RowMapping
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from alcove.identity.audit import FIRST_HASH, chain
from alcove.identity.cursors import id_of, sequence_of
from alcove.identity.models import (
    Action,
    Actor,
    ApiKey,
    AuditEntry,
    AuditEvent,
    KnownKey,
    KnownSession,
    LastAdmin,
    Outcome,
    Session,
    User,
    UserChange,
    email_taken,
)
from alcove.infra.database import Database, UtcDateTime, metadata
from alcove.kernel.errors import Overloaded
from alcove.kernel.ids import new_id
from alcove.kernel.pages import Page, PageRequest
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
    Index(None, "owner_id", "id"),
)
"""API keys, without their secrets."""

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

_APPEND_TRIES = 10


def _user(row: RowMapping) -> User:
    return User(
        id=row[users.c.id],
        email=row[users.c.email],
        name=row[users.c.name],
        role=Role(row[users.c.role]),
        is_disabled=row[users.c.is_disabled],
        password_hash=row[users.c.password_hash],
        created_at=row[users.c.created_at],
        last_seen_at=row[users.c.last_seen_at],
    )


def _user_values(user: User) -> dict[str, object]:
    return {
        "id": user.id,
        "email": user.email,
        "name": user.name,
        "role": user.role.value,
        "is_disabled": user.is_disabled,
        "password_hash": user.password_hash,
        "created_at": user.created_at,
        "last_seen_at": user.last_seen_at,
    }


def _session(row: RowMapping) -> Session:
    return Session(**{column.name: row[column] for column in login_sessions.c})


def _key(row: RowMapping) -> ApiKey:
    return ApiKey(**{column.name: row[column] for column in api_keys.c})


def _entry(row: RowMapping) -> AuditEntry:
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


def _before(query: Select[Any], column: Column[str], page: PageRequest) -> Select[Any]:
    """Narrows a listing by id to a page, with one row more to see whether another page follows."""
    if page.cursor is not None:
        query = query.where(column < id_of(page.cursor))
    return query.order_by(column.desc()).limit(page.limit + 1)


@dataclass(frozen=True, slots=True)
class SqlUserStore:
    """Users in the SQL database."""

    _database: Database

    async def has_any(self) -> bool:
        """Tells whether there is any user."""
        async with self._database.read() as connection:
            return bool(await connection.scalar(select(exists(select(users.c.id)))))

    async def add_first(self, user: User) -> bool:
        """Keeps a user if there is none yet; tells whether it did. Of several callers at once, one does."""
        values = _user_values(user)
        row = select(*(literal(value, users.c[name].type) for name, value in values.items())).where(
            ~exists(select(users.c.id))
        )
        async with self._database.write() as connection:
            await self._alone(connection)
            statement = insert(users).from_select(list(values), row).returning(users.c.id)
            return (await connection.execute(statement)).first() is not None

    async def add(self, user: User) -> None:
        """Keeps a new user.

        Raises:
            AlreadyExists: When the address is taken.
        """
        try:
            async with self._database.write() as connection:
                await connection.execute(insert(users).values(_user_values(user)))
        except IntegrityError as error:
            raise email_taken(user.email) from error

    async def get(self, user_id: str) -> User | None:
        """Gives a user."""
        async with self._database.read() as connection:
            return await _one_user(connection, users.c.id == user_id)

    async def by_email(self, email: str) -> User | None:
        """Gives the user with an address."""
        async with self._database.read() as connection:
            return await _one_user(connection, users.c.email == email)

    async def page(self, page: PageRequest) -> Page[User]:
        """Gives users, the newest first."""
        async with self._database.read() as connection:
            rows = (await connection.execute(_before(select(users), users.c.id, page))).mappings().all()
        found = [_user(row) for row in rows[: page.limit]]
        return Page(items=found, next_cursor=found[-1].id if len(rows) > page.limit else None)

    async def change(self, user_id: str, change: UserChange) -> User | None:
        """Changes a user; gives them as they are then, or None if there is none.

        Raises:
            LastAdmin: When no active admin would be left; nothing is changed.
        """
        values: dict[str, object] = {
            name: value
            for name, value in {
                "name": change.name,
                "role": change.role.value if change.role is not None else None,
                "is_disabled": change.is_disabled,
                "password_hash": change.password_hash,
            }.items()
            if value is not None
        }
        where = [users.c.id == user_id]
        if change.role is Role.USER or change.is_disabled:
            where.append(_not_last_admin(user_id))
        async with self._database.write() as connection:
            await self._alone(connection)
            if values:
                done = await connection.execute(update(users).where(*where).values(values))
                if done.rowcount == 0 and await _one_user(connection, users.c.id == user_id) is not None:
                    raise LastAdmin
            return await _one_user(connection, users.c.id == user_id)

    async def delete(self, user_id: str) -> bool:
        """Deletes a user with their sessions and keys; tells whether there was one.

        Raises:
            LastAdmin: When no active admin would be left; nothing is deleted.
        """
        async with self._database.write() as connection:
            await self._alone(connection)
            done = await connection.execute(delete(users).where(users.c.id == user_id, _not_last_admin(user_id)))
            if done.rowcount == 0 and await _one_user(connection, users.c.id == user_id) is not None:
                raise LastAdmin
            return done.rowcount == 1

    async def _alone(self, connection: AsyncConnection) -> None:
        """Keeps other writers of users away until the end of the transaction, where the server would let them in.

        SQLite needs no such thing: there, each decision above is one statement, and statements that write are alone.
        """
        if not self._database.is_sqlite:
            await connection.execute(text("LOCK TABLE users IN SHARE ROW EXCLUSIVE MODE"))


def _not_last_admin(user_id: str) -> Any:  # noqa: ANN401  a condition of SQLAlchemy
    other = users.alias("other")
    another_admin = exists(
        select(other.c.id).where(
            other.c.id != user_id, other.c.role == Role.ADMIN.value, other.c.is_disabled.is_(False)
        )
    )
    return or_(users.c.role != Role.ADMIN.value, users.c.is_disabled.is_(True), another_admin)


async def _one_user(connection: AsyncConnection, where: Any) -> User | None:  # noqa: ANN401  a condition of SQLAlchemy
    row = (await connection.execute(select(users).where(where))).mappings().one_or_none()
    return None if row is None else _user(row)


@dataclass(frozen=True, slots=True)
class SqlSessionStore:
    """Browser sessions in the SQL database."""

    _database: Database

    async def add(self, session: Session) -> None:
        """Keeps a new session."""
        values = {column.name: getattr(session, column.name) for column in login_sessions.c}
        async with self._database.write() as connection:
            await connection.execute(insert(login_sessions).values(values))

    async def by_token_hash(self, token_hash: str) -> KnownSession | None:
        """Gives a session with its user, ended ones too as long as they are kept."""
        query = (
            select(login_sessions, users)
            .join(users, users.c.id == login_sessions.c.user_id)
            .where(login_sessions.c.token_hash == token_hash)
        )
        async with self._database.read() as connection:
            row = (await connection.execute(query)).mappings().one_or_none()
        return None if row is None else KnownSession(session=_session(row), user=_user(row))

    async def delete(self, session_id: str) -> None:
        """Deletes a session, if there is one."""
        async with self._database.write() as connection:
            await connection.execute(delete(login_sessions).where(login_sessions.c.id == session_id))

    async def delete_of_user(self, user_id: str, *, except_id: str | None = None) -> None:
        """Deletes all sessions of a user, or all but one."""
        statement = delete(login_sessions).where(login_sessions.c.user_id == user_id)
        if except_id is not None:
            statement = statement.where(login_sessions.c.id != except_id)
        async with self._database.write() as connection:
            await connection.execute(statement)

    async def delete_expired(self, now: datetime) -> None:
        """Deletes all sessions whose `expires_at` has passed."""
        async with self._database.write() as connection:
            await connection.execute(delete(login_sessions).where(login_sessions.c.expires_at <= now))

    async def touch(self, session_id: str, at: datetime) -> None:
        """Notes that a session and its user were seen."""
        whose = select(login_sessions.c.user_id).where(login_sessions.c.id == session_id).scalar_subquery()
        async with self._database.write() as connection:
            await connection.execute(
                update(login_sessions).where(login_sessions.c.id == session_id).values(last_seen_at=at)
            )
            await connection.execute(update(users).where(users.c.id == whose).values(last_seen_at=at))


@dataclass(frozen=True, slots=True)
class SqlKeyStore:
    """API keys in the SQL database."""

    _database: Database

    async def add(self, key: ApiKey) -> None:
        """Keeps a new key."""
        values = {column.name: getattr(key, column.name) for column in api_keys.c}
        async with self._database.write() as connection:
            await connection.execute(insert(api_keys).values(values))

    async def by_prefix(self, prefix: str) -> KnownKey | None:
        """Gives a key with its owner, revoked and expired ones too."""
        query = (
            select(api_keys, users).join(users, users.c.id == api_keys.c.owner_id).where(api_keys.c.prefix == prefix)
        )
        async with self._database.read() as connection:
            row = (await connection.execute(query)).mappings().one_or_none()
        return None if row is None else KnownKey(key=_key(row), user=_user(row))

    async def page(self, owner_id: str, page: PageRequest) -> Page[ApiKey]:
        """Gives a user's keys, the newest first, revoked ones too."""
        query = _before(select(api_keys).where(api_keys.c.owner_id == owner_id), api_keys.c.id, page)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).mappings().all()
        found = [_key(row) for row in rows[: page.limit]]
        return Page(items=found, next_cursor=found[-1].id if len(rows) > page.limit else None)

    async def count_good(self, owner_id: str) -> int:
        """Gives how many of a user's keys are not revoked."""
        query = select(func.count()).where(api_keys.c.owner_id == owner_id, api_keys.c.revoked_at.is_(None))
        async with self._database.read() as connection:
            return await connection.scalar(query) or 0

    async def revoke(self, owner_id: str, key_id: str, at: datetime) -> bool:
        """Revokes a user's key; tells whether the user has one of that id. A revoked key keeps its first time."""
        first = func.coalesce(api_keys.c.revoked_at, literal(at, UtcDateTime))
        async with self._database.write() as connection:
            done = await connection.execute(
                update(api_keys)
                .where(api_keys.c.owner_id == owner_id, api_keys.c.id == key_id)
                .values(revoked_at=first)
            )
        return done.rowcount == 1

    async def touch(self, key_id: str, at: datetime) -> None:
        """Notes that a key was used and its owner seen."""
        whose = select(api_keys.c.owner_id).where(api_keys.c.id == key_id).scalar_subquery()
        async with self._database.write() as connection:
            await connection.execute(update(api_keys).where(api_keys.c.id == key_id).values(last_used_at=at))
            await connection.execute(update(users).where(users.c.id == whose).values(last_seen_at=at))


@dataclass(frozen=True, slots=True)
class SqlAuditStore:
    """The audit table in the SQL database."""

    _database: Database

    async def append(self, event: AuditEvent) -> AuditEntry:
        """Adds a row to the end of the chain.

        The sequence number is the primary key, so of two processes that add at once, one is refused and looks again.
        """
        for _ in range(_APPEND_TRIES):
            try:
                async with self._database.write() as connection:
                    return await self._append(connection, event)
            except IntegrityError:
                continue
        raise Overloaded("The audit table is too busy; try again.", retry_after_s=1)

    async def _append(self, connection: AsyncConnection, event: AuditEvent) -> AuditEntry:
        last = (
            await connection.execute(
                select(audit_entries.c.sequence, audit_entries.c.hash)
                .order_by(audit_entries.c.sequence.desc())
                .limit(1)
            )
        ).one_or_none()
        sequence, previous_hash = (1, FIRST_HASH) if last is None else (last.sequence + 1, last.hash)
        entry = chain(event, entry_id=new_id(), sequence=sequence, previous_hash=previous_hash)
        await connection.execute(
            insert(audit_entries).values(
                sequence=entry.sequence,
                id=entry.id,
                at=event.at,
                actor=event.actor.name,
                ip=event.actor.ip,
                action=event.action.value,
                object=event.object,
                outcome=event.outcome.value,
                request_id=event.actor.request_id,
                previous_hash=entry.previous_hash,
                hash=entry.hash,
            )
        )
        return entry

    async def page(self, page: PageRequest) -> Page[AuditEntry]:
        """Gives rows, the newest first."""
        query = select(audit_entries)
        if page.cursor is not None:
            query = query.where(audit_entries.c.sequence < sequence_of(page.cursor))
        query = query.order_by(audit_entries.c.sequence.desc()).limit(page.limit + 1)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).mappings().all()
        found = [_entry(row) for row in rows[: page.limit]]
        return Page(items=found, next_cursor=str(found[-1].sequence) if len(rows) > page.limit else None)

    async def after(self, sequence: int, limit: int) -> list[AuditEntry]:
        """Gives up to `limit` rows that follow a sequence number, the oldest first."""
        query = (
            select(audit_entries)
            .where(audit_entries.c.sequence > sequence)
            .order_by(audit_entries.c.sequence)
            .limit(limit)
        )
        async with self._database.read() as connection:
            return [_entry(row) for row in (await connection.execute(query)).mappings()]
