"""Users, sessions and the audit table in the SQL database. API keys and groups are in `key_store`."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    delete,
    exists,
    insert,
    literal,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from alcove.identity.audit import FIRST_HASH, chain
from alcove.identity.cursors import sequence_of
from alcove.identity.models import (
    AuditEntry,
    AuditEvent,
    KnownSession,
    LastAdmin,
    Session,
    User,
    UserChange,
    email_taken,
)
from alcove.identity.tables import (
    audit_entries,
    before,
    entry_of,
    login_sessions,
    session_of,
    user_of,
    user_values,
    users,
)
from alcove.infra.database import Database
from alcove.kernel.errors import Overloaded
from alcove.kernel.ids import new_id
from alcove.kernel.pages import Page, PageRequest
from alcove.kernel.principal import Role

_APPEND_TRIES = 10


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
        values = user_values(user)
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
                await connection.execute(insert(users).values(user_values(user)))
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
            rows = (await connection.execute(before(select(users), users.c.id, page))).mappings().all()
        found = [user_of(row) for row in rows[: page.limit]]
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
        if change.limits is not None:
            values["limits"] = change.limits.to_json()
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
    return None if row is None else user_of(row)


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
        return None if row is None else KnownSession(session=session_of(row), user=user_of(row))

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
        found = [entry_of(row) for row in rows[: page.limit]]
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
            return [entry_of(row) for row in (await connection.execute(query)).mappings()]
