"""Accounts: who may live here, and with which rights."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from alcove.identity.audit import AuditService
from alcove.identity.cache import CredentialCache
from alcove.identity.credentials import normal_email
from alcove.identity.limits import Limits
from alcove.identity.models import Action, Actor, Outcome, User, UserChange
from alcove.identity.passwords import check_password
from alcove.identity.ports import Passwords, SessionStore, UserDeleted, UserStore
from alcove.kernel.clock import Clock
from alcove.kernel.errors import FieldError, InvalidRequest, NotFound
from alcove.kernel.ids import is_id, new_id
from alcove.kernel.pages import Page, PageRequest
from alcove.kernel.principal import Role


@dataclass(frozen=True, kw_only=True, slots=True)
class NewUser:
    """An account to be made; the password in clear."""

    email: str
    name: str
    password: str = field(repr=False)
    role: Role = Role.USER


@dataclass(frozen=True, kw_only=True, slots=True)
class UserEdit:
    """What an admin changes of an account; None leaves a field as it is, the password is in clear."""

    name: str | None = None
    role: Role | None = None
    is_disabled: bool | None = None
    password: str | None = field(default=None, repr=False)
    limits: Limits | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class AccountService:
    """Makes, changes and deletes accounts.

    Attributes:
        users: Keeps the users.
        sessions: Keeps their sessions, which end when rights change.
        passwords: Hashes passwords.
        audit: The audit table.
        cache: Forgets what it knows when an account changes.
        clock: The time.
        on_user_deleted: Called one after the other before a user is deleted; the composition root adds to it.
    """

    users: UserStore
    sessions: SessionStore
    passwords: Passwords
    audit: AuditService
    cache: CredentialCache
    clock: Clock
    on_user_deleted: Sequence[UserDeleted] = ()

    async def get(self, user_id: str) -> User:
        """Gives a user.

        Raises:
            NotFound: When there is none.
        """
        user = await self.users.get(user_id) if is_id(user_id) else None
        if user is None:
            raise NotFound("There is no such user.")
        return user

    async def by_email(self, email: str) -> User:
        """Gives the user with an address.

        Raises:
            NotFound: When there is none.
        """
        address = normal_email(email)
        user = None if address is None else await self.users.by_email(address)
        if user is None:
            raise NotFound(f"There is no user with the address {email!r}.")
        return user

    async def page(self, page: PageRequest) -> Page[User]:
        """Gives users, the newest first."""
        return await self.users.page(page)

    async def create(self, new: NewUser, actor: Actor) -> User:
        """Makes an account.

        Raises:
            InvalidRequest: When the address is none or the password is too weak; names the field.
            AlreadyExists: When the address is taken.
        """
        user = await self.draft(new)
        await self.users.add(user)
        await self.audit.record(actor, Action.USER_CREATE, f"user:{user.id}")
        return user

    async def draft(self, new: NewUser) -> User:
        """Gives the account that `create` would keep, with the password hashed, without keeping it.

        Raises:
            InvalidRequest: When the address is none or the password is too weak; names the field.
        """
        email = normal_email(new.email)
        if email is None:
            reason = "is not an e-mail address"
            raise InvalidRequest(f"{new.email!r} {reason}.", fields=(FieldError(field="email", message=reason),))
        check_password(new.password, email=email)
        return User(
            id=new_id(),
            email=email,
            name=new.name,
            role=new.role,
            is_disabled=False,
            password_hash=await self.passwords.hash(new.password),
            created_at=self.clock.now(),
        )

    async def rename(self, user_id: str, name: str) -> User:
        """Changes what a person is called; all that they may change of their own account here.

        Raises:
            NotFound: When there is no such user.
        """
        user = await self.users.change(user_id, UserChange(name=name))
        if user is None:
            raise NotFound("There is no such user.")
        self.cache.forget_all()
        return user

    async def update(self, user_id: str, edit: UserEdit, actor: Actor) -> User:
        """Changes an account. A new role, a new password or disabling ends all of the user's sessions.

        Raises:
            NotFound: When there is no such user.
            InvalidRequest: When the password is too weak.
            LastAdmin: When no active admin would be left.
        """
        before = await self.get(user_id)
        password_hash = None
        if edit.password is not None:
            check_password(edit.password, email=before.email)
            password_hash = await self.passwords.hash(edit.password)
        change = UserChange(
            name=edit.name,
            role=edit.role,
            is_disabled=edit.is_disabled,
            password_hash=password_hash,
            limits=edit.limits,
        )
        user = await self.users.change(user_id, change)
        if user is None:
            raise NotFound("There is no such user.")
        if user.role is not before.role or user.is_disabled or password_hash is not None:
            await self.sessions.delete_of_user(user_id)
        self.cache.forget_all()
        await self.audit.record(actor, Action.USER_UPDATE, f"user:{user_id} {_changed(edit)}".strip())
        return user

    async def delete(self, user_id: str, actor: Actor) -> None:
        """Deletes an account with all that every room keeps of it.

        The account is disabled first: nothing new comes in while the rooms clean up. If a room fails, the account stays,
        disabled, and deleting it again goes on.

        Raises:
            NotFound: When there is no such user.
            LastAdmin: When no active admin would be left.
        """
        await self.get(user_id)
        await self.users.change(user_id, UserChange(is_disabled=True))
        await self.sessions.delete_of_user(user_id)
        self.cache.forget_all()
        try:
            for clean_up in self.on_user_deleted:
                await clean_up(user_id)
        except Exception:  # whatever a room failed at, the audit table tells; then it goes on up
            await self.audit.record(actor, Action.USER_DELETE, f"user:{user_id}", Outcome.FAILED)
            raise
        await self.users.delete(user_id)
        await self.audit.record(actor, Action.USER_DELETE, f"user:{user_id}")


def _changed(edit: UserEdit) -> str:
    """Names what was changed, with values where they are no secrets."""
    parts = []
    if edit.name is not None:
        parts.append("name")
    if edit.role is not None:
        parts.append(f"role={edit.role.value}")
    if edit.is_disabled is not None:
        parts.append(f"disabled={str(edit.is_disabled).lower()}")
    if edit.password is not None:
        parts.append("password")
    if edit.limits is not None:
        parts.append("limits")
    return ",".join(parts)
