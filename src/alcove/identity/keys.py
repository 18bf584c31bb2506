"""API keys: made, changed, rotated, listed, revoked, recognised."""

import hmac
from dataclasses import dataclass, replace
from datetime import timedelta

from alcove.identity.audit import AuditService
from alcove.identity.cache import CredentialCache
from alcove.identity.credentials import key_digest, key_prefix, new_key, new_secret
from alcove.identity.limits import check_within, networks_of
from alcove.identity.models import Action, Actor, ApiKey, IdentitySettings, KeySecret, KeyTerms, KnownKey, NewKey
from alcove.identity.ports import GroupStore, KeyStore, UserStore
from alcove.identity.scopes import check_scopes
from alcove.kernel.clock import Clock
from alcove.kernel.errors import Conflict, FieldError, InvalidRequest, NotFound
from alcove.kernel.ids import is_id, new_id
from alcove.kernel.pages import Page, PageRequest
from alcove.kernel.principal import Principal

_NO_DIGEST = "0" * 64
_NOT_GOOD = "There is no such key, or it is revoked."
_NO_TERMS = KeyTerms()


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyService:
    """Makes and checks API keys.

    Attributes:
        store: Keeps the keys.
        users: Knows their owners, and what these may use.
        groups: Knows the groups they can be charged to.
        audit: The audit table.
        cache: Forgets what it knows when a key is revoked or changed.
        clock: The time.
        peppers: Keys for the digests, newest first; the first makes new digests, all are tried.
        settings: How many keys one may have.
    """

    store: KeyStore
    users: UserStore
    groups: GroupStore
    audit: AuditService
    cache: CredentialCache
    clock: Clock
    peppers: tuple[bytes, ...]
    settings: IdentitySettings

    async def create(
        self, owner_id: str, name: str, actor: Actor, *, terms: KeyTerms = _NO_TERMS, maker: Principal | None = None
    ) -> NewKey:
        """Makes a key for a user.

        Args:
            owner_id: Whose it is.
            name: What they call it.
            actor: Who makes it, for the audit table.
            terms: What it may be used for.
            maker: Who makes it, where that is a person or key of the house: no more can be given than they have.

        Raises:
            InvalidRequest: When it would have ended already, or promises more than the account it is charged to has.
            Forbidden: When the maker's own key may do less.
            Conflict: When the user has too many.
        """
        await self._check(owner_id, terms, maker)
        if await self.store.count_good(owner_id) >= self.settings.max_keys_per_user:
            raise Conflict(f"You have {self.settings.max_keys_per_user} keys; revoke one that is not used any more.")
        prefix, secret = new_key()
        key = ApiKey(
            id=new_id(),
            owner_id=owner_id,
            name=name,
            prefix=prefix,
            digest=key_digest(secret, self.peppers[0]),
            created_at=self.clock.now(),
            expires_at=terms.expires_at,
            limits=terms.limits,
            scopes=terms.scopes,
            allowed_ips=terms.allowed_ips,
            group_id=terms.group_id,
        )
        await self.store.add(key)
        await self.audit.record(actor, Action.KEY_CREATE, f"key:{key.id}")
        return NewKey(key=key, secret=secret)

    async def update(
        self, key: ApiKey, actor: Actor, *, name: str, terms: KeyTerms, maker: Principal | None = None
    ) -> ApiKey:
        """Changes what a key is called and may be used for; counts at once.

        Raises:
            InvalidRequest: As for `create`.
            NotFound: When it is revoked or gone.
        """
        await self._check(key.owner_id, terms, maker, before=key)
        changed = await self.store.change_terms(key.owner_id, key.id, name, terms)
        if changed is None:
            raise NotFound(_NOT_GOOD)
        self.cache.forget_all()
        await self.audit.record(actor, Action.KEY_UPDATE, f"key:{key.id}")
        return changed

    async def rotate(self, owner_id: str, key_id: str, actor: Actor, *, grace_s: int = 0) -> NewKey:
        """Gives a key a new secret, shown this once; all else stays, its id and what it has used too.

        Args:
            owner_id: Whose it is.
            key_id: The key.
            actor: Who does it, for the audit table.
            grace_s: Seconds for which the secret before still counts; of earlier ones none does.

        Raises:
            InvalidRequest: When the secret before would count for too long.
            NotFound: When the user has no such key, or it is revoked.
            Conflict: When somebody else rotated it at the same moment.
        """
        most_s = self.settings.max_rotation_grace_s
        if not 0 <= grace_s <= most_s:
            reason = f"must be from 0 to {most_s} seconds"
            raise InvalidRequest(f"grace_s {reason}.", fields=(FieldError(field="grace_s", message=reason),))
        key = await self.mine(owner_id, key_id)
        now = self.clock.now()
        secret = new_secret(key.prefix)
        change = KeySecret(
            digest=key_digest(secret, self.peppers[0]),
            rotated_at=now,
            old_digest=key.digest if grace_s else None,
            old_until=now + timedelta(seconds=grace_s) if grace_s else None,
        )
        if not await self.store.change_secret(key, change):
            if (await self.mine(owner_id, key_id)).revoked_at is not None:
                raise NotFound(_NOT_GOOD)
            raise Conflict(
                "This key was given another secret at the same moment; rotate it again if you did not get that one."
            )
        self.cache.forget_all()
        await self.audit.record(actor, Action.KEY_ROTATE, f"key:{key.id} grace_s={grace_s}")
        return NewKey(key=await self.mine(owner_id, key_id), secret=secret)

    async def page(self, owner_id: str, page: PageRequest) -> Page[ApiKey]:
        """Gives a user's keys, the newest first."""
        return await self.store.page(owner_id, page)

    async def get(self, key_id: str) -> ApiKey:
        """Gives a key, whoever owns it; for admins.

        Raises:
            NotFound: When there is none.
        """
        key = await self.store.get(key_id) if is_id(key_id) else None
        if key is None:
            raise NotFound("There is no such key.")
        return key

    async def mine(self, owner_id: str, key_id: str) -> ApiKey:
        """Gives a user's key.

        Raises:
            NotFound: When the user has no such key.
        """
        key = await self.store.get(key_id) if is_id(key_id) else None
        if key is None or key.owner_id != owner_id:
            raise NotFound("There is no such key, or it is not yours.")
        return key

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
        """Gives the key, its owner and its group for a secret as sent, good for use or not; None when it is not ours."""
        prefix = key_prefix(secret)
        if prefix is None:
            return None
        known = await self.store.by_prefix(prefix)
        kept = _NO_DIGEST if known is None else known.key.digest
        old = _NO_DIGEST if known is None else known.key.old_digest or _NO_DIGEST
        sent = [key_digest(secret, pepper) for pepper in self.peppers]
        fits = [hmac.compare_digest(kept, each) for each in sent]
        fits_old = [hmac.compare_digest(old, each) for each in sent]
        if known is None or not (any(fits) or any(fits_old)):
            return None
        return known if any(fits) else replace(known, is_old=True)

    async def _check(
        self, owner_id: str, terms: KeyTerms, maker: Principal | None, *, before: ApiKey | None = None
    ) -> None:
        is_new_end = before is None or terms.expires_at != before.expires_at
        if is_new_end and terms.expires_at is not None and terms.expires_at <= self.clock.now():
            reason = "must be in the future"
            raise InvalidRequest(f"expires_at {reason}.", fields=(FieldError(field="expires_at", message=reason),))
        check_scopes(terms.scopes, maker=maker)
        networks_of(terms.allowed_ips)
        if before is not None and (before.limits, before.group_id) == (terms.limits, terms.group_id):
            return  # its account may have less by now, which holds in any case
        if terms.group_id is None:
            owner = await self.users.get(owner_id)
            if owner is not None:
                check_within(terms.limits, owner.limits, whose="what the account may use")
            return
        for group in await self.groups.of_user(owner_id):
            if group.id == terms.group_id:
                check_within(terms.limits, group.limits, whose=f"what the group {group.name!r} may use")
                return
        reason = "is no group that the owner of the key is in"
        raise InvalidRequest(f"group_id {reason}.", fields=(FieldError(field="group_id", message=reason),))
