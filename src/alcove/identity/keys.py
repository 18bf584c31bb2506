"""API keys: made, listed, revoked, recognised."""

import hmac
from dataclasses import dataclass
from datetime import datetime

from alcove.identity.audit import AuditService
from alcove.identity.cache import CredentialCache
from alcove.identity.credentials import key_digest, key_prefix, new_key
from alcove.identity.models import Action, Actor, ApiKey, IdentitySettings, KnownKey, NewKey
from alcove.identity.ports import KeyStore
from alcove.kernel.clock import Clock
from alcove.kernel.errors import Conflict, FieldError, InvalidRequest, NotFound
from alcove.kernel.ids import is_id, new_id
from alcove.kernel.pages import Page, PageRequest

_NO_DIGEST = "0" * 64


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyService:
    """Makes and checks API keys.

    Attributes:
        store: Keeps the keys.
        audit: The audit table.
        cache: Forgets what it knows when a key is revoked.
        clock: The time.
        peppers: Keys for the digests, newest first; the first makes new digests, all are tried.
        settings: How many keys one may have.
    """

    store: KeyStore
    audit: AuditService
    cache: CredentialCache
    clock: Clock
    peppers: tuple[bytes, ...]
    settings: IdentitySettings

    async def create(self, owner_id: str, name: str, actor: Actor, *, expires_at: datetime | None = None) -> NewKey:
        """Makes a key for a user.

        Raises:
            InvalidRequest: When it would have ended already.
            Conflict: When the user has too many.
        """
        now = self.clock.now()
        if expires_at is not None and expires_at <= now:
            reason = "must be in the future"
            raise InvalidRequest(f"expires_at {reason}.", fields=(FieldError(field="expires_at", message=reason),))
        if await self.store.count_good(owner_id) >= self.settings.max_keys_per_user:
            raise Conflict(f"You have {self.settings.max_keys_per_user} keys; revoke one that is not used any more.")
        prefix, secret = new_key()
        key = ApiKey(
            id=new_id(),
            owner_id=owner_id,
            name=name,
            prefix=prefix,
            digest=key_digest(secret, self.peppers[0]),
            created_at=now,
            expires_at=expires_at,
        )
        await self.store.add(key)
        await self.audit.record(actor, Action.KEY_CREATE, f"key:{key.id}")
        return NewKey(key=key, secret=secret)

    async def page(self, owner_id: str, page: PageRequest) -> Page[ApiKey]:
        """Gives a user's keys, the newest first."""
        return await self.store.page(owner_id, page)

    async def revoke(self, owner_id: str, key_id: str, actor: Actor) -> None:
        """Revokes a user's key; it is dead when this returns. Doing so twice is no error.

        Raises:
            NotFound: When the user has no such key.
        """
        if not is_id(key_id) or not await self.store.revoke(owner_id, key_id, self.clock.now()):
            raise NotFound("There is no such key, or it is not yours.")
        self.cache.forget_all()
        await self.audit.record(actor, Action.KEY_REVOKE, f"key:{key_id}")

    async def by_prefix(self, prefix: str) -> ApiKey:
        """Gives the key with a prefix, whoever owns it; for the operator of the machine.

        Raises:
            NotFound: When there is none.
        """
        known = await self.store.by_prefix(prefix.removeprefix("sk-as-"))
        if known is None:
            raise NotFound(f"There is no key with the prefix {prefix!r}.")
        return known.key

    async def recognise(self, secret: str) -> KnownKey | None:
        """Gives the key and its owner for a secret as sent, good for use or not; None when it is not ours."""
        prefix = key_prefix(secret)
        if prefix is None:
            return None
        known = await self.store.by_prefix(prefix)
        kept = _NO_DIGEST if known is None else known.key.digest
        fits = [hmac.compare_digest(kept, key_digest(secret, pepper)) for pepper in self.peppers]
        return known if any(fits) else None
