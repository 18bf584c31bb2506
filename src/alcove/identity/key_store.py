"""API keys and groups in the SQL database."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, delete, exists, func, insert, literal, select, update
from sqlalchemy.exc import IntegrityError

from alcove.identity.models import ApiKey, Group, GroupChange, KeySecret, KeyTerms, KnownKey, User, group_taken
from alcove.identity.tables import (
    api_keys,
    before,
    group_members,
    group_of,
    groups,
    key_of,
    key_values,
    terms_values,
    user_of,
    users,
)
from alcove.infra.database import Database, UtcDateTime
from alcove.kernel.pages import Page, PageRequest


@dataclass(frozen=True, slots=True)
class SqlKeyStore:
    """API keys in the SQL database."""

    _database: Database

    async def add(self, key: ApiKey) -> None:
        """Keeps a new key."""
        async with self._database.write() as connection:
            await connection.execute(insert(api_keys).values(key_values(key)))

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
        return KnownKey(key=key_of(row), user=user_of(row), group=None if row[groups.c.id] is None else group_of(row))

    async def get(self, key_id: str) -> ApiKey | None:
        """Gives a key, whoever owns it."""
        async with self._database.read() as connection:
            row = (await connection.execute(select(api_keys).where(api_keys.c.id == key_id))).mappings().one_or_none()
        return None if row is None else key_of(row)

    async def change_terms(self, owner_id: str, key_id: str, name: str, terms: KeyTerms) -> ApiKey | None:
        """Changes a key's name and terms and nothing else; gives it, or None when its owner has none of that id that is not revoked."""
        changed = (
            update(api_keys)
            .where(api_keys.c.id == key_id, api_keys.c.owner_id == owner_id, api_keys.c.revoked_at.is_(None))
            .values(name=name, **terms_values(terms))
        )
        async with self._database.write() as connection:
            if (await connection.execute(changed)).rowcount != 1:
                return None
            row = (await connection.execute(select(api_keys).where(api_keys.c.id == key_id))).mappings().one()
        return key_of(row)

    async def change_secret(self, key: ApiKey, secret: KeySecret) -> bool:
        """Gives a key another secret; tells whether it was done.

        It is not when the key is revoked or gone, or when its secret is not the one that it had when `key` was read.
        """
        unchanged = (api_keys.c.id == key.id, api_keys.c.owner_id == key.owner_id, api_keys.c.digest == key.digest)
        changed = (
            update(api_keys)
            .where(*unchanged, api_keys.c.revoked_at.is_(None))
            .values(
                digest=secret.digest,
                rotated_at=secret.rotated_at,
                old_digest=secret.old_digest,
                old_until=secret.old_until,
            )
        )
        async with self._database.write() as connection:
            return (await connection.execute(changed)).rowcount == 1

    async def page(self, owner_id: str, page: PageRequest) -> Page[ApiKey]:
        """Gives a user's keys, the newest first, revoked ones too."""
        query = before(select(api_keys).where(api_keys.c.owner_id == owner_id), api_keys.c.id, page)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).mappings().all()
        found = [key_of(row) for row in rows[: page.limit]]
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
            rows = (await connection.execute(before(_GROUPS, groups.c.id, page))).mappings().all()
        found = [group_of(row) for row in rows[: page.limit]]
        return Page(items=found, next_cursor=found[-1].id if len(rows) > page.limit else None)

    async def of_user(self, user_id: str) -> list[Group]:
        """Gives the groups a person is in, by name."""
        query = (
            _GROUPS.join(group_members, group_members.c.group_id == groups.c.id)
            .where(group_members.c.user_id == user_id)
            .order_by(groups.c.folded_name)
        )
        async with self._database.read() as connection:
            return [group_of(row) for row in (await connection.execute(query)).mappings()]

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
        query = before(of_group.where(group_members.c.group_id == group_id), users.c.id, page)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).mappings().all()
        found = [user_of(row) for row in rows[: page.limit]]
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
        return None if row is None else group_of(row)
