"""What the identity room needs from outside."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol

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
    Session,
    User,
    UserChange,
)
from alcove.kernel.pages import Page, PageRequest

UserDeleted = Callable[[str], Awaitable[None]]
"""Called with the id of a user who is about to be deleted, so that another room can delete what it keeps of theirs."""


class UserStore(Protocol):
    """Keeps users. Addresses come in lower case."""

    async def has_any(self) -> bool:
        """Tells whether there is any user."""
        ...

    async def add_first(self, user: User) -> bool:
        """Keeps a user if there is none yet; tells whether it did. Of several callers at once, one does."""
        ...

    async def add(self, user: User) -> None:
        """Keeps a new user.

        Raises:
            AlreadyExists: When the address is taken.
        """
        ...

    async def get(self, user_id: str) -> User | None:
        """Gives a user."""
        ...

    async def by_email(self, email: str) -> User | None:
        """Gives the user with an address."""
        ...

    async def page(self, page: PageRequest) -> Page[User]:
        """Gives users, the newest first."""
        ...

    async def change(self, user_id: str, change: UserChange) -> User | None:
        """Changes a user; gives them as they are then, or None if there is none.

        Raises:
            LastAdmin: When no active admin would be left; nothing is changed. Holds for callers at once, too.
        """
        ...

    async def delete(self, user_id: str) -> bool:
        """Deletes a user with their sessions and keys; tells whether there was one.

        Raises:
            LastAdmin: When no active admin would be left; nothing is deleted.
        """
        ...


class SessionStore(Protocol):
    """Keeps browser sessions."""

    async def add(self, session: Session) -> None:
        """Keeps a new session."""
        ...

    async def by_token_hash(self, token_hash: str) -> KnownSession | None:
        """Gives a session with its user, ended ones too as long as they are kept."""
        ...

    async def delete(self, session_id: str) -> None:
        """Deletes a session, if there is one."""
        ...

    async def delete_of_user(self, user_id: str, *, except_id: str | None = None) -> None:
        """Deletes all sessions of a user, or all but one."""
        ...

    async def delete_expired(self, now: datetime) -> None:
        """Deletes all sessions whose `expires_at` has passed."""
        ...

    async def touch(self, session_id: str, at: datetime) -> None:
        """Notes that a session and its user were seen."""
        ...


class KeyStore(Protocol):
    """Keeps API keys. All but finding by prefix takes the owner."""

    async def add(self, key: ApiKey) -> None:
        """Keeps a new key."""
        ...

    async def by_prefix(self, prefix: str) -> KnownKey | None:
        """Gives a key with its owner, and with its group as long as the owner is in it; revoked and expired ones too."""
        ...

    async def get(self, key_id: str) -> ApiKey | None:
        """Gives a key, whoever owns it."""
        ...

    async def change_terms(self, owner_id: str, key_id: str, name: str, terms: KeyTerms) -> ApiKey | None:
        """Changes a key's name and terms and nothing else; gives it, or None when its owner has none of that id that is not revoked."""
        ...

    async def change_secret(self, key: ApiKey, secret: KeySecret) -> bool:
        """Gives a key another secret; tells whether it was done.

        It is not when the key is revoked or gone, or when its secret is not the one that it had when `key` was read.
        """
        ...

    async def page(self, owner_id: str, page: PageRequest) -> Page[ApiKey]:
        """Gives a user's keys, the newest first, revoked ones too."""
        ...

    async def count_good(self, owner_id: str) -> int:
        """Gives how many of a user's keys are not revoked."""
        ...

    async def revoke(self, owner_id: str, key_id: str, at: datetime) -> bool:
        """Revokes a user's key; tells whether the user has one of that id. A revoked key keeps its first time."""
        ...

    async def touch(self, used_at: Mapping[str, datetime]) -> None:
        """Notes when keys were used, by id, and their owners seen; in one transaction."""
        ...


class GroupStore(Protocol):
    """Keeps groups and who is in them."""

    async def add(self, group: Group) -> None:
        """Keeps a new group.

        Raises:
            AlreadyExists: When the name is taken, whatever its case.
        """
        ...

    async def get(self, group_id: str) -> Group | None:
        """Gives a group."""
        ...

    async def by_name(self, name: str) -> Group | None:
        """Gives the group of a name, whatever its case."""
        ...

    async def page(self, page: PageRequest) -> Page[Group]:
        """Gives groups, the newest first."""
        ...

    async def of_user(self, user_id: str) -> list[Group]:
        """Gives the groups a person is in, by name."""
        ...

    async def change(self, group_id: str, change: GroupChange) -> Group | None:
        """Changes a group; gives it as it is then, or None if there is none.

        Raises:
            AlreadyExists: When the name is taken.
        """
        ...

    async def delete(self, group_id: str, at: datetime) -> bool:
        """Deletes a group and revokes the keys that are charged to it; tells whether there was one."""
        ...

    async def members(self, group_id: str, page: PageRequest) -> Page[User]:
        """Gives who is in a group, the newest account first."""
        ...

    async def join(self, group_id: str, user_id: str) -> bool:
        """Puts a person into a group; tells whether both are there. Doing so twice is no error."""
        ...

    async def leave(self, group_id: str, user_id: str) -> bool:
        """Takes a person out of a group; tells whether they were in it."""
        ...


class AuditStore(Protocol):
    """Keeps the audit table; there is no way to change or delete a row."""

    async def append(self, event: AuditEvent) -> AuditEntry:
        """Adds a row to the end of the chain."""
        ...

    async def page(self, page: PageRequest) -> Page[AuditEntry]:
        """Gives rows, the newest first."""
        ...

    async def after(self, sequence: int, limit: int) -> list[AuditEntry]:
        """Gives up to `limit` rows that follow a sequence number, the oldest first."""
        ...


class Passwords(Protocol):
    """Hashes and checks passwords, slowly by design."""

    async def hash(self, password: str) -> str:
        """Gives the hash to keep.

        Raises:
            Overloaded: When too many passwords wait to be hashed.
        """
        ...

    async def verify(self, password: str, kept: str | None) -> bool:
        """Tells whether a password fits; takes as long when there is no hash to compare with.

        Raises:
            Overloaded: When too many passwords wait to be checked.
        """
        ...

    def needs_rehash(self, kept: str) -> bool:
        """Tells whether a hash was made with weaker parameters than today's."""
        ...


class SetupTokens(Protocol):
    """Keeps the one-time token of the first start where only the operator of the machine can read it."""

    async def save(self, token: str, expires_at: datetime) -> None:
        """Keeps a token in place of the one before."""
        ...

    async def load(self) -> tuple[str, datetime] | None:
        """Gives the token and when it ends, or None."""
        ...

    async def clear(self) -> None:
        """Forgets the token."""
        ...


class FailedAttempt(Protocol):
    """An attempt under way."""

    def fail(self) -> None:
        """Counts this attempt against the limit."""
        ...


class Attempts(Protocol):
    """Lets attempts to sign in through until too many failed."""

    def attempt(self, *subjects: str) -> AbstractAsyncContextManager[FailedAttempt]:
        """Guards one attempt on behalf of every subject; entering raises RateLimited when one has failed too often."""
        ...

    async def forgive(self, subject: str) -> None:
        """Forgets the failures of a subject."""
        ...


class Quota(Protocol):
    """Says when something has happened too often."""

    async def hit(self, subject: str) -> float | None:
        """Counts one event; None when it is within the limit, else seconds to wait."""
        ...
