"""Stand-ins for everything this room needs from outside: in memory, quick, and held to the same contract as the real ones."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from alcove.identity.audit import FIRST_HASH, chain
from alcove.identity.cursors import id_of, sequence_of
from alcove.identity.models import (
    ApiKey,
    AuditEntry,
    AuditEvent,
    Group,
    GroupChange,
    KeySecret,
    KeyTerms,
    KnownKey,
    KnownSession,
    LastAdmin,
    Session,
    User,
    UserChange,
    email_taken,
    group_taken,
)
from alcove.kernel.ids import new_id
from alcove.kernel.pages import Page, PageRequest


@dataclass(slots=True)
class MemoryTables:
    """What the in-memory stores share, as tables do."""

    users: dict[str, User] = field(default_factory=dict)
    sessions: dict[str, Session] = field(default_factory=dict)
    keys: dict[str, ApiKey] = field(default_factory=dict)
    entries: list[AuditEntry] = field(default_factory=list)
    groups: dict[str, Group] = field(default_factory=dict)
    members: set[tuple[str, str]] = field(default_factory=set)

    def see(self, user_id: str, at: datetime) -> None:
        """Notes that a user was seen."""
        self.users[user_id] = replace(self.users[user_id], last_seen_at=at)


@dataclass(frozen=True, slots=True)
class MemoryUserStore:
    """Users in memory."""

    tables: MemoryTables

    async def has_any(self) -> bool:
        """Tells whether there is any user."""
        return bool(self.tables.users)

    async def add_first(self, user: User) -> bool:
        """Keeps a user if there is none yet; tells whether it did."""
        if self.tables.users:
            return False
        self.tables.users[user.id] = user
        return True

    async def add(self, user: User) -> None:
        """Keeps a new user; raises AlreadyExists when the address is taken."""
        if await self.by_email(user.email) is not None:
            raise email_taken(user.email)
        self.tables.users[user.id] = user

    async def get(self, user_id: str) -> User | None:
        """Gives a user."""
        return self.tables.users.get(user_id)

    async def by_email(self, email: str) -> User | None:
        """Gives the user with an address."""
        return next((user for user in self.tables.users.values() if user.email == email), None)

    async def page(self, page: PageRequest) -> Page[User]:
        """Gives users, the newest first."""
        before = None if page.cursor is None else id_of(page.cursor)
        found = sorted(self.tables.users.values(), key=lambda user: user.id, reverse=True)
        found = [user for user in found if before is None or user.id < before]
        more = len(found) > page.limit
        found = found[: page.limit]
        return Page(items=found, next_cursor=found[-1].id if more else None)

    async def change(self, user_id: str, change: UserChange) -> User | None:
        """Changes a user; raises LastAdmin when no active admin would be left."""
        user = self.tables.users.get(user_id)
        if user is None:
            return None
        changed = replace(
            user,
            name=user.name if change.name is None else change.name,
            role=user.role if change.role is None else change.role,
            is_disabled=user.is_disabled if change.is_disabled is None else change.is_disabled,
            password_hash=user.password_hash if change.password_hash is None else change.password_hash,
            limits=user.limits if change.limits is None else change.limits,
        )
        if not changed.is_active_admin:
            self._keep_an_admin(user)
        self.tables.users[user_id] = changed
        return changed

    async def delete(self, user_id: str) -> bool:
        """Deletes a user with their sessions and keys; raises LastAdmin when no active admin would be left."""
        user = self.tables.users.get(user_id)
        if user is None:
            return False
        self._keep_an_admin(user)
        del self.tables.users[user_id]
        self.tables.sessions = {k: v for k, v in self.tables.sessions.items() if v.user_id != user_id}
        self.tables.keys = {k: v for k, v in self.tables.keys.items() if v.owner_id != user_id}
        self.tables.members = {each for each in self.tables.members if each[1] != user_id}
        return True

    def _keep_an_admin(self, leaving: User) -> None:
        others = (user for user in self.tables.users.values() if user.id != leaving.id)
        if leaving.is_active_admin and not any(user.is_active_admin for user in others):
            raise LastAdmin


@dataclass(frozen=True, slots=True)
class MemorySessionStore:
    """Browser sessions in memory."""

    tables: MemoryTables

    async def add(self, session: Session) -> None:
        """Keeps a new session."""
        self.tables.sessions[session.id] = session

    async def by_token_hash(self, token_hash: str) -> KnownSession | None:
        """Gives a session with its user."""
        for session in self.tables.sessions.values():
            if session.token_hash == token_hash:
                return KnownSession(session=session, user=self.tables.users[session.user_id])
        return None

    async def delete(self, session_id: str) -> None:
        """Deletes a session, if there is one."""
        self.tables.sessions.pop(session_id, None)

    async def delete_of_user(self, user_id: str, *, except_id: str | None = None) -> None:
        """Deletes all sessions of a user, or all but one."""
        self.tables.sessions = {
            k: v for k, v in self.tables.sessions.items() if v.user_id != user_id or v.id == except_id
        }

    async def delete_expired(self, now: datetime) -> None:
        """Deletes all sessions whose `expires_at` has passed."""
        self.tables.sessions = {k: v for k, v in self.tables.sessions.items() if v.expires_at > now}

    async def touch(self, session_id: str, at: datetime) -> None:
        """Notes that a session and its user were seen."""
        session = self.tables.sessions.get(session_id)
        if session is not None:
            self.tables.sessions[session_id] = replace(session, last_seen_at=at)
            self.tables.see(session.user_id, at)


@dataclass(frozen=True, slots=True)
class MemoryKeyStore:
    """API keys in memory."""

    tables: MemoryTables

    async def add(self, key: ApiKey) -> None:
        """Keeps a new key."""
        self.tables.keys[key.id] = key

    async def by_prefix(self, prefix: str) -> KnownKey | None:
        """Gives a key with its owner."""
        for key in self.tables.keys.values():
            if key.prefix == prefix:
                is_member = (key.group_id, key.owner_id) in self.tables.members
                group = self.tables.groups.get(key.group_id or "") if is_member else None
                return KnownKey(key=key, user=self.tables.users[key.owner_id], group=group)
        return None

    async def get(self, key_id: str) -> ApiKey | None:
        """Gives a key, whoever owns it."""
        return self.tables.keys.get(key_id)

    async def change_terms(self, owner_id: str, key_id: str, name: str, terms: KeyTerms) -> ApiKey | None:
        """Changes a key's name and terms and nothing else; gives it, or None when its owner has none of that id that is not revoked."""
        before = self._good(owner_id, key_id)
        if before is None:
            return None
        self.tables.keys[key_id] = changed = replace(
            before,
            name=name,
            expires_at=terms.expires_at,
            limits=terms.limits,
            scopes=terms.scopes,
            allowed_ips=terms.allowed_ips,
            group_id=terms.group_id,
        )
        return changed

    async def change_secret(self, key: ApiKey, secret: KeySecret) -> bool:
        """Gives a key another secret; tells whether it was done.

        It is not when the key is revoked or gone, or when its secret is not the one that it had when `key` was read.
        """
        before = self._good(key.owner_id, key.id)
        if before is None or before.digest != key.digest:
            return False
        self.tables.keys[key.id] = replace(
            before,
            digest=secret.digest,
            rotated_at=secret.rotated_at,
            old_digest=secret.old_digest,
            old_until=secret.old_until,
        )
        return True

    def _good(self, owner_id: str, key_id: str) -> ApiKey | None:
        key = self.tables.keys.get(key_id)
        return None if key is None or key.owner_id != owner_id or key.revoked_at is not None else key

    async def page(self, owner_id: str, page: PageRequest) -> Page[ApiKey]:
        """Gives a user's keys, the newest first."""
        before = None if page.cursor is None else id_of(page.cursor)
        found = sorted(self.tables.keys.values(), key=lambda key: key.id, reverse=True)
        found = [key for key in found if key.owner_id == owner_id and (before is None or key.id < before)]
        more = len(found) > page.limit
        found = found[: page.limit]
        return Page(items=found, next_cursor=found[-1].id if more else None)

    async def count_good(self, owner_id: str) -> int:
        """Gives how many of a user's keys are not revoked."""
        return sum(key.owner_id == owner_id and key.revoked_at is None for key in self.tables.keys.values())

    async def revoke(self, owner_id: str, key_id: str, at: datetime) -> bool:
        """Revokes a user's key; tells whether the user has one of that id."""
        key = self.tables.keys.get(key_id)
        if key is None or key.owner_id != owner_id:
            return False
        self.tables.keys[key_id] = replace(key, revoked_at=key.revoked_at or at)
        return True

    async def touch(self, used_at: Mapping[str, datetime]) -> None:
        """Notes when keys were used, by id, and their owners seen."""
        for key_id, at in used_at.items():
            key = self.tables.keys.get(key_id)
            if key is not None:
                self.tables.keys[key_id] = replace(key, last_used_at=at)
                self.tables.see(key.owner_id, at)


@dataclass(frozen=True, slots=True)
class MemoryGroupStore:
    """Groups in memory."""

    tables: MemoryTables

    async def add(self, group: Group) -> None:
        """Keeps a new group; raises AlreadyExists when the name is taken."""
        if await self.by_name(group.name) is not None:
            raise group_taken(group.name)
        self.tables.groups[group.id] = group

    async def get(self, group_id: str) -> Group | None:
        """Gives a group."""
        found = self.tables.groups.get(group_id)
        return None if found is None else self._counted(found)

    async def by_name(self, name: str) -> Group | None:
        """Gives the group of a name, whatever its case."""
        found = (each for each in self.tables.groups.values() if each.name.casefold() == name.casefold())
        return next(map(self._counted, found), None)

    async def page(self, page: PageRequest) -> Page[Group]:
        """Gives groups, the newest first."""
        before = None if page.cursor is None else id_of(page.cursor)
        found = sorted(self.tables.groups.values(), key=lambda group: group.id, reverse=True)
        found = [self._counted(each) for each in found if before is None or each.id < before]
        more = len(found) > page.limit
        found = found[: page.limit]
        return Page(items=found, next_cursor=found[-1].id if more else None)

    async def of_user(self, user_id: str) -> list[Group]:
        """Gives the groups a person is in, by name."""
        found = [group for group in self.tables.groups.values() if (group.id, user_id) in self.tables.members]
        return sorted(map(self._counted, found), key=lambda group: group.name.casefold())

    async def change(self, group_id: str, change: GroupChange) -> Group | None:
        """Changes a group; raises AlreadyExists when the name is taken."""
        group = self.tables.groups.get(group_id)
        if group is None:
            return None
        if change.name is not None:
            other = await self.by_name(change.name)
            if other is not None and other.id != group_id:
                raise group_taken(change.name)
        self.tables.groups[group_id] = replace(
            group,
            name=group.name if change.name is None else change.name,
            limits=group.limits if change.limits is None else change.limits,
        )
        return await self.get(group_id)

    async def delete(self, group_id: str, at: datetime) -> bool:
        """Deletes a group and revokes the keys that are charged to it."""
        if self.tables.groups.pop(group_id, None) is None:
            return False
        self.tables.members = {each for each in self.tables.members if each[0] != group_id}
        for key in list(self.tables.keys.values()):
            if key.group_id == group_id and key.revoked_at is None:
                self.tables.keys[key.id] = replace(key, revoked_at=at)
        return True

    async def members(self, group_id: str, page: PageRequest) -> Page[User]:
        """Gives who is in a group, the newest account first."""
        before = None if page.cursor is None else id_of(page.cursor)
        found = sorted((user for group, user in self.tables.members if group == group_id), reverse=True)
        found = [each for each in found if before is None or each < before]
        people = [self.tables.users[each] for each in found[: page.limit]]
        return Page(items=people, next_cursor=people[-1].id if len(found) > page.limit else None)

    async def join(self, group_id: str, user_id: str) -> bool:
        """Puts a person into a group; tells whether both are there."""
        if group_id not in self.tables.groups or user_id not in self.tables.users:
            return False
        self.tables.members.add((group_id, user_id))
        return True

    async def leave(self, group_id: str, user_id: str) -> bool:
        """Takes a person out of a group; tells whether they were in it."""
        if (group_id, user_id) not in self.tables.members:
            return False
        self.tables.members.discard((group_id, user_id))
        return True

    def _counted(self, group: Group) -> Group:
        return replace(group, member_count=sum(each[0] == group.id for each in self.tables.members))


@dataclass(frozen=True, slots=True)
class MemoryAuditStore:
    """The audit table in memory."""

    tables: MemoryTables

    async def append(self, event: AuditEvent) -> AuditEntry:
        """Adds a row to the end of the chain."""
        entries = self.tables.entries
        previous_hash = entries[-1].hash if entries else FIRST_HASH
        entry = chain(event, entry_id=new_id(), sequence=len(entries) + 1, previous_hash=previous_hash)
        entries.append(entry)
        return entry

    async def page(self, page: PageRequest) -> Page[AuditEntry]:
        """Gives rows, the newest first."""
        before = None if page.cursor is None else sequence_of(page.cursor)
        found = [each for each in reversed(self.tables.entries) if before is None or each.sequence < before]
        more = len(found) > page.limit
        found = found[: page.limit]
        return Page(items=found, next_cursor=str(found[-1].sequence) if more else None)

    async def after(self, sequence: int, limit: int) -> list[AuditEntry]:
        """Gives up to `limit` rows that follow a sequence number, the oldest first."""
        return self.tables.entries[sequence : sequence + limit]


@dataclass(slots=True)
class FakePasswords:
    """Passwords without the cost; counts how often each thing was done.

    Attributes:
        calls: Numbers of `hash`, `verify` and `verify_nobody`.
        old_hashes: Hashes that `needs_rehash` shall say yes to.
    """

    calls: Counter[str] = field(default_factory=Counter)
    old_hashes: set[str] = field(default_factory=set)

    async def hash(self, password: str) -> str:
        """Gives the password turned around."""
        self.calls["hash"] += 1
        return f"fake${self.calls['hash']}${password[::-1]}"

    async def verify(self, password: str, kept: str | None) -> bool:
        """Tells whether a password fits."""
        self.calls["verify" if kept is not None else "verify_nobody"] += 1
        return kept is not None and kept.split("$", 2)[2] == password[::-1]

    def needs_rehash(self, kept: str) -> bool:
        """Tells whether a hash was named as old."""
        return kept in self.old_hashes


@dataclass(slots=True)
class MemorySetupTokens:
    """The setup token in memory."""

    kept: tuple[str, datetime] | None = None

    async def save(self, token: str, expires_at: datetime) -> None:
        """Keeps a token in place of the one before."""
        self.kept = (token, expires_at)

    async def load(self) -> tuple[str, datetime] | None:
        """Gives the token and when it ends, or None."""
        return self.kept

    async def clear(self) -> None:
        """Forgets the token."""
        self.kept = None
