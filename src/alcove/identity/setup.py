"""The first start: there is no default account, so the operator of the machine makes the first one.

Either with a one-time link, written to the console and to a file only they can read, or by two settings for unattended
installation. Once there is a user, this door does not exist any more.
"""

import hmac
from dataclasses import dataclass
from datetime import timedelta

from alcove.identity.accounts import AccountService, NewUser
from alcove.identity.audit import AuditService
from alcove.identity.credentials import new_token
from alcove.identity.models import (
    Action,
    Actor,
    IdentitySettings,
    Outcome,
    SetupRefused,
    SetupSettings,
    SignedIn,
    User,
)
from alcove.identity.ports import Attempts, SetupTokens, UserStore
from alcove.identity.sessions import SessionService
from alcove.infra.addresses import client_network
from alcove.infra.secrets import UnsafeSecret, refuse_placeholder
from alcove.kernel.clock import Clock
from alcove.kernel.errors import InvalidRequest, NotFound
from alcove.kernel.principal import Role

_SYSTEM = Actor(name="system")


@dataclass(frozen=True, kw_only=True, slots=True)
class SetupService:
    """Makes the first account.

    Attributes:
        users: Keeps the users.
        accounts: Drafts the account.
        sessions: Signs the new admin in.
        tokens: Keeps the one-time token.
        attempts: Counts wrong tokens.
        audit: The audit table.
        clock: The time.
        settings: How long a token lives.
        first: The first account, if the settings give one.
    """

    users: UserStore
    accounts: AccountService
    sessions: SessionService
    tokens: SetupTokens
    attempts: Attempts
    audit: AuditService
    clock: Clock
    settings: IdentitySettings
    first: SetupSettings

    async def is_open(self) -> bool:
        """Tells whether the first account is still to be made."""
        return not await self.users.has_any()

    async def start(self, base_url: str) -> str | None:
        """Does what each start of the server needs: the first account from the settings, or else a link to make it.

        Args:
            base_url: Address of the server, such as `http://127.0.0.1:3000`.

        Returns:
            The link to show to the operator, or None when there is a user.

        Raises:
            UnsafeSecret: When the settings give an account with a placeholder or weak password; do not start.
        """
        await self.make_first()
        if await self.is_open():
            return await self.make_link(base_url)
        await self.tokens.clear()
        return None

    async def make_link(self, base_url: str) -> str:
        """Makes a new one-time link in place of the one before; also used while the server runs.

        Raises:
            NotFound: When there is a user already.
        """
        if not await self.is_open():
            raise NotFound("Setup is done: there is an account already. Make others with `alcove users create`.")
        token = new_token()
        await self.tokens.save(token, self.clock.now() + timedelta(seconds=self.settings.setup_token_lifetime_s))
        return f"{base_url.rstrip('/')}/setup#token={token}"

    async def make_first(self) -> User | None:
        """Makes the account that the settings give, if there is no user; gives it if it was made.

        Raises:
            UnsafeSecret: When its password is a placeholder or too weak, or only one of the two settings is given.
        """
        email, password = self.first.admin_email, self.first.admin_password
        if email is None and password is None:
            return None
        if email is None or password is None:
            msg = "setup.admin_email and setup.admin_password belong together; give both or neither"
            raise UnsafeSecret(msg)
        refuse_placeholder(password.get_secret_value(), name="setup.admin_password")
        if not await self.is_open():
            return None
        new = NewUser(email=email, name=self.first.admin_name, password=password.get_secret_value(), role=Role.ADMIN)
        try:
            user = await self.accounts.draft(new)
        except InvalidRequest as error:
            msg = f"the first account of the settings (setup.admin_…) cannot be made: {error.detail}"
            raise UnsafeSecret(msg) from error
        if not await self.users.add_first(user):
            return None
        await self.audit.record(_SYSTEM, Action.SETUP, f"user:{user.id}")
        return user

    async def complete(self, token: str, new: NewUser, actor: Actor, *, is_local: bool) -> SignedIn:
        """Makes the first account and signs it in; the token is dead afterwards.

        Args:
            token: From the link.
            new: The account; becomes an admin whatever it says.
            actor: Where the request comes from.
            is_local: Whether the request comes from this machine itself.

        Raises:
            NotFound: When there is a user already.
            SetupRefused: When the token is wrong, used or expired, or the request comes from another machine.
            RateLimited: When too many wrong tokens came from this address.
            InvalidRequest: When the address or the password cannot be used; the token stays good.
        """
        if not await self.is_open():
            raise NotFound("Setup is done.")
        if not (is_local or self.first.allow_remote):
            await self.audit.record_refusal(actor, Action.SETUP, "remote")
            raise SetupRefused("The setup link only works on the machine that Alcove runs on.")
        async with self.attempts.attempt(f"setup:{client_network(actor.ip)}") as attempt:
            kept = await self.tokens.load()
            fits = hmac.compare_digest((kept[0] if kept else "").encode(), token.encode())
            if kept is None or not fits or kept[1] <= self.clock.now():
                attempt.fail()
                await self.audit.record_refusal(actor, Action.SETUP, "token", Outcome.FAILED)
                raise SetupRefused
        user = await self.accounts.draft(
            NewUser(email=new.email, name=new.name, password=new.password, role=Role.ADMIN)
        )
        if not await self.users.add_first(user):
            raise NotFound("Setup is done.")
        await self.tokens.clear()
        by = Actor(name=user.email, ip=actor.ip, request_id=actor.request_id)
        await self.audit.record(by, Action.SETUP, f"user:{user.id}")
        return await self.sessions.open(user)
