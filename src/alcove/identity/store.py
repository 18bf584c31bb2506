"""Users, sessions, API keys and the audit table in the SQL database. Groups are in `group_store`."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    Select,
    String,
    Table,
    and_,
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
from alcove.identity.limits import Limits
from alcove.identity.models import (
    Action,
    Actor,
    ApiKey,
    AuditEntry,
    AuditEvent,
    Group,
    GroupChange,
    KnownKey,
    KnownSession,
    LastAdmin,
    Outcome,
    Session,
    User,
    UserChange,
    email_taken,
    group_taken,
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
        limits=Limits.of_json(row[users.c.limits]),
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
        "limits": user.limits.to_json(),
    }


def _session(row: RowMapping) -> Session:
    return Session(**{column.name: row[column] for column in login_sessions.c})


def _key(row: RowMapping) -> ApiKey:
    cells = {column.name: row[column] for column in api_keys.c}
    cells["limits"] = Limits.of_json(cells["limits"])
    cells["scopes"] = None if cells["scopes"] is None else tuple(cells["scopes"])
    cells["allowed_ips"] = tuple(cells["allowed_ips"] or ())
    return ApiKey(**cells)


def _key_values(key: ApiKey) -> dict[str, object]:
    values = {column.name: getattr(key, column.name) for column in api_keys.c}
    values["limits"] = key.limits.to_json()
    values["scopes"] = None if key.scopes is None else list(key.scopes)
    values["allowed_ips"] = list(key.allowed_ips) or None
    return values


def _group(row: RowMapping) -> Group:
    return Group(
        id=row[groups.c.id],
        name=row[groups.c.name],
        created_at=row[groups.c.created_at],
        limits=Limits.of_json(row[groups.c.limits]),
        member_count=row.get("member_count", 0),
    )


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
        async with self._database.write() as connection:
            await connection.execute(insert(api_keys).values(_key_values(key)))

    async def by_prefix(self, prefix: str) -> KnownKey | None:
        """Gives a key with its owner, and with its group as long as the owner is in it; revoked and expired ones too."""
        is_member = and_(
            group_members.c.group_id == api_keys.c.group_id, group_members.c.user_id == api_keys.c.owner_id
        )
        query = (
            select(api_keys, users, groups)
            .join(users, users.c.id == api_keys.c.owner_id)
            .outerjoin(group_members, is_member)
            .outerjoin(groups, groups.c.id == group_members.c.group_id)
            .where(api_keys.c.prefix == prefix)
        )
        async with self._database.read() as connection:
            row = (await connection.execute(query)).mappings().one_or_none()
        if row is None:
            return None
        return KnownKey(key=_key(row), user=_user(row), group=None if row[groups.c.id] is None else _group(row))

    async def get(self, key_id: str) -> ApiKey | None:
        """Gives a key, whoever owns it."""
        async with self._database.read() as connection:
            row = (await connection.execute(select(api_keys).where(api_keys.c.id == key_id))).mappings().one_or_none()
        return None if row is None else _key(row)

    async def replace(self, key: ApiKey) -> bool:
        """Keeps a key anew, all but its use and its revocation; tells whether its owner has one of that id that is not revoked."""
        values = _key_values(key)
        for name in ("id", "owner_id", "prefix", "created_at", "last_used_at", "revoked_at"):
            del values[name]
        mine = (api_keys.c.id == key.id, api_keys.c.owner_id == key.owner_id, api_keys.c.revoked_at.is_(None))
        async with self._database.write() as connection:
            done = await connection.execute(update(api_keys).where(*mine).values(values))
        return done.rowcount == 1

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

    async def touch(self, used_at: Mapping[str, datetime]) -> None:
        """Notes when keys were used, by id, and their owners seen; in one transaction."""
        async with self._database.write() as connection:
            for key_id, at in used_at.items():
                whose = select(api_keys.c.owner_id).where(api_keys.c.id == key_id).scalar_subquery()
                await connection.execute(update(api_keys).where(api_keys.c.id == key_id).values(last_used_at=at))
                await connection.execute(update(users).where(users.c.id == whose).values(last_seen_at=at))


_counted = group_members.alias("counted")
_MEMBER_COUNT = (
    select(func.count())
    .select_from(_counted)
    .where(_counted.c.group_id == groups.c.id)
    .correlate(groups)
    .scalar_subquery()
    .label("member_count")
)
_GROUPS = select(groups, _MEMBER_COUNT)


@dataclass(frozen=True, slots=True)
class SqlGroupStore:
    """Groups in the SQL database."""

    _database: Database

    async def add(self, group: Group) -> None:
        """Keeps a new group.

        Raises:
            AlreadyExists: When the name is taken, whatever its case.
        """
        values = {
            "id": group.id,
            "name": group.name,
            "folded_name": group.name.casefold(),
            "created_at": group.created_at,
            "limits": group.limits.to_json(),
        }
        try:
            async with self._database.write() as connection:
                await connection.execute(insert(groups).values(values))
        except IntegrityError as error:
            raise group_taken(group.name) from error

    async def get(self, group_id: str) -> Group | None:
        """Gives a group."""
        return await self._one(groups.c.id == group_id)

    async def by_name(self, name: str) -> Group | None:
        """Gives the group of a name, whatever its case."""
        return await self._one(groups.c.folded_name == name.casefold())

    async def page(self, page: PageRequest) -> Page[Group]:
        """Gives groups, the newest first."""
        async with self._database.read() as connection:
            rows = (await connection.execute(_before(_GROUPS, groups.c.id, page))).mappings().all()
        found = [_group(row) for row in rows[: page.limit]]
        return Page(items=found, next_cursor=found[-1].id if len(rows) > page.limit else None)

    async def of_user(self, user_id: str) -> list[Group]:
        """Gives the groups a person is in, by name."""
        query = (
            _GROUPS.join(group_members, group_members.c.group_id == groups.c.id)
            .where(group_members.c.user_id == user_id)
            .order_by(groups.c.folded_name)
        )
        async with self._database.read() as connection:
            return [_group(row) for row in (await connection.execute(query)).mappings()]

    async def change(self, group_id: str, change: GroupChange) -> Group | None:
        """Changes a group; gives it as it is then, or None if there is none.

        Raises:
            AlreadyExists: When the name is taken.
        """
        values: dict[str, object] = {}
        if change.name is not None:
            values |= {"name": change.name, "folded_name": change.name.casefold()}
        if change.limits is not None:
            values["limits"] = change.limits.to_json()
        if values:
            try:
                async with self._database.write() as connection:
                    await connection.execute(update(groups).where(groups.c.id == group_id).values(values))
            except IntegrityError as error:
                raise group_taken(change.name or "") from error
        return await self.get(group_id)

    async def delete(self, group_id: str, at: datetime) -> bool:
        """Deletes a group and revokes the keys that are charged to it; tells whether there was one."""
        good = (api_keys.c.group_id == group_id, api_keys.c.revoked_at.is_(None))
        async with self._database.write() as connection:
            await connection.execute(update(api_keys).where(*good).values(revoked_at=at))
            done = await connection.execute(delete(groups).where(groups.c.id == group_id))
        return done.rowcount == 1

    async def members(self, group_id: str, page: PageRequest) -> Page[User]:
        """Gives who is in a group, the newest account first."""
        of_group = select(users).join(group_members, group_members.c.user_id == users.c.id)
        query = _before(of_group.where(group_members.c.group_id == group_id), users.c.id, page)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).mappings().all()
        found = [_user(row) for row in rows[: page.limit]]
        return Page(items=found, next_cursor=found[-1].id if len(rows) > page.limit else None)

    async def join(self, group_id: str, user_id: str) -> bool:
        """Puts a person into a group; tells whether both are there. Doing so twice is no error."""
        row = {"group_id": group_id, "user_id": user_id}
        is_in = (group_members.c.group_id == group_id, group_members.c.user_id == user_id)
        try:
            async with self._database.write() as connection:
                if not await connection.scalar(select(exists(select(group_members.c.user_id).where(*is_in)))):
                    await connection.execute(insert(group_members).values(row))
        except IntegrityError:  # one of them is gone; or another process was quicker
            async with self._database.read() as connection:
                return bool(await connection.scalar(select(exists(select(group_members.c.user_id).where(*is_in)))))
        return True

    async def leave(self, group_id: str, user_id: str) -> bool:
        """Takes a person out of a group; tells whether they were in it."""
        is_in = (group_members.c.group_id == group_id, group_members.c.user_id == user_id)
        async with self._database.write() as connection:
            return (await connection.execute(delete(group_members).where(*is_in))).rowcount == 1

    async def _one(self, where: Any) -> Group | None:  # noqa: ANN401  a condition of SQLAlchemy
        async with self._database.read() as connection:
            row = (await connection.execute(_GROUPS.where(where))).mappings().one_or_none()
        return None if row is None else _group(row)


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
