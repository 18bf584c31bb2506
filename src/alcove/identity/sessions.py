"""Browser sessions: signing in and out, changing one's password.

The cookie holds an opaque random token; what it means is looked up for each request, so an ended session is dead at once.
"""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import timedelta

from alcove.identity.audit import AuditService
from alcove.identity.cache import CredentialCache
from alcove.identity.credentials import is_token, new_token, normal_email, token_hash
from alcove.identity.models import (
    Action,
    Actor,
    IdentitySettings,
    KnownSession,
    Outcome,
    Session,
    SignedIn,
    User,
    UserChange,
)
from alcove.identity.passwords import check_password
from alcove.identity.ports import Attempts, Passwords, SessionStore, UserStore
from alcove.infra.addresses import client_network
from alcove.kernel.clock import Clock
from alcove.kernel.errors import FieldError, InvalidCredentials, InvalidRequest, NotAuthenticated, RateLimited
from alcove.kernel.ids import new_id
from alcove.kernel.principal import Principal


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionService:
    """Signs people in and out.

    Attributes:
        store: Keeps the sessions.
        users: Keeps the users.
        passwords: Checks passwords.
        attempts: Counts wrong passwords.
        audit: The audit table.
        cache: Forgets what it knows when a session ends.
        clock: The time.
        csrf_key: Makes tokens against request forgery out of session ids.
        settings: How long sessions last.
    """

    store: SessionStore
    users: UserStore
    passwords: Passwords
    attempts: Attempts
    audit: AuditService
    cache: CredentialCache
    clock: Clock
    csrf_key: bytes
    settings: IdentitySettings

    async def log_in(self, email: str, password: str, actor: Actor, *, old_token: str | None = None) -> SignedIn:
        """Signs a person in, always with a new token; a session the browser had before ends.

        Args:
            email: As typed.
            password: As typed.
            actor: Where the request comes from.
            old_token: The session cookie that came with the request.

        Raises:
            InvalidCredentials: When they do not fit or the account is disabled; which of these is not told.
            RateLimited: When this account or this address has failed too often.
            Overloaded: When too many passwords wait to be checked.
        """
        address = normal_email(email)
        account = f"account:{address or ''}"
        try:
            async with self.attempts.attempt(account, f"ip:{client_network(actor.ip)}") as attempt:
                user = None if address is None else await self.users.by_email(address)
                fits = await self.passwords.verify(password, None if user is None else user.password_hash)
                if user is None or not fits or user.is_disabled:
                    attempt.fail()
                    object_ = "user:unknown" if user is None else f"user:{user.id}"
                    await self.audit.record(actor, Action.LOGIN, object_, Outcome.FAILED)
                    raise InvalidCredentials
        except RateLimited:
            await self.audit.record_refusal(actor, Action.LOGIN, "user:unknown", Outcome.LIMITED)
            raise
        await self.attempts.forgive(account)
        await self._end(old_token)
        signed_in = await self._open_checked(user)
        if self.passwords.needs_rehash(user.password_hash):
            await self.users.change(user.id, UserChange(password_hash=await self.passwords.hash(password)))
        await self.audit.record(_as(user, actor), Action.LOGIN, f"user:{user.id}")
        return signed_in

    async def open(self, user: User) -> SignedIn:
        """Opens a session for a user whose identity is proved."""
        now = self.clock.now()
        await self.store.delete_expired(now)
        token = new_token()
        session = Session(
            id=new_id(),
            user_id=user.id,
            token_hash=token_hash(token),
            created_at=now,
            last_seen_at=now,
            expires_at=now + timedelta(seconds=self.settings.session_absolute_s),
        )
        await self.store.add(session)
        return SignedIn(user=user, token=token, csrf_token=self.csrf_token(session.id))

    async def log_out(self, session_id: str, actor: Actor) -> None:
        """Ends a session."""
        await self.store.delete(session_id)
        self.cache.forget_all()
        await self.audit.record(actor, Action.LOGOUT, "session")

    async def change_password(self, who: Principal, current: str, new: str, actor: Actor) -> None:
        """Changes a person's own password and ends their other sessions.

        Raises:
            InvalidRequest: When the current password is wrong or the new one too weak; names the field.
            RateLimited: When the current password was wrong too often.
        """
        user = await self.users.get(who.user_id)
        if user is None:
            raise NotAuthenticated
        object_ = f"user:{user.id}"
        async with self.attempts.attempt(f"account:{user.email}") as attempt:
            if not await self.passwords.verify(current, user.password_hash):
                attempt.fail()
                await self.audit.record(actor, Action.PASSWORD_CHANGE, object_, Outcome.FAILED)
                reason = "is wrong"
                raise InvalidRequest(
                    f"The current password {reason}.",
                    fields=(FieldError(field="current_password", message=reason),),
                )
        check_password(new, email=user.email, field_name="new_password")
        await self.users.change(user.id, UserChange(password_hash=await self.passwords.hash(new)))
        await self.store.delete_of_user(user.id, except_id=who.session_id)
        self.cache.forget_all()
        await self.audit.record(actor, Action.PASSWORD_CHANGE, object_)

    async def recognise(self, token: str) -> KnownSession | None:
        """Gives the session and its user for a token as sent, ended or not; None when it is not ours."""
        return await self.store.by_token_hash(token_hash(token)) if is_token(token) else None

    def csrf_token(self, session_id: str) -> str:
        """Gives what the page must send in `x-csrf-token`: bound to the session, of no use with another."""
        return hmac.new(self.csrf_key, session_id.encode(), hashlib.sha256).hexdigest()

    async def _end(self, token: str | None) -> None:
        known = await self.recognise(token) if token else None
        if known is not None:
            await self.store.delete(known.session.id)
            self.cache.forget_all()

    async def _open_checked(self, user: User) -> SignedIn:
        """Opens a session, unless the account was changed while its password was being checked."""
        signed_in = await self.open(user)
        now = await self.users.get(user.id)
        if now is None or now.is_disabled or (now.password_hash, now.role) != (user.password_hash, user.role):
            await self._end(signed_in.token)
            raise InvalidCredentials
        return signed_in


def _as(user: User, actor: Actor) -> Actor:
    return Actor(name=user.email, ip=actor.ip, request_id=actor.request_id)
