"""One authenticator for every credential: whatever header or cookie it came in, it ends here."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import anyio

from alcove.identity.accounts import AccountService
from alcove.identity.audit import AuditService
from alcove.identity.cache import CredentialCache, Known
from alcove.identity.groups import GroupService
from alcove.identity.keys import KeyService
from alcove.identity.limits import is_within
from alcove.identity.models import ApiKey, IdentitySettings, KnownKey, KnownSession, Session
from alcove.identity.ports import KeyStore, SessionStore
from alcove.identity.sessions import SessionService
from alcove.identity.setup import SetupService
from alcove.kernel.clock import Clock
from alcove.kernel.errors import Forbidden, NotAuthenticated
from alcove.kernel.principal import Principal
from alcove.kernel.runner import BackgroundTasks

TOUCH_EVERY = timedelta(minutes=1)
"""How often the last use of a key or session is written, at most."""

_MAX_TOUCHES = 4096


@dataclass(frozen=True, kw_only=True, slots=True)
class Credential:
    """What a request brought to show who is asking.

    Attributes:
        is_key: Whether it is an API key, and not the token of a browser session.
        secret: As sent; nothing has been checked.
    """

    is_key: bool
    secret: str = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Authenticator:
    """Tells who is asking.

    Attributes:
        keys: Recognises API keys.
        key_store: Notes their use.
        sessions: Recognises session tokens.
        session_store: Notes their use.
        cache: What was found a moment ago.
        background: Where uses are noted, off the request's path.
        clock: The time.
        settings: How long sessions last.
        _touched: When the use of a key or session was last noted, by its id.
        _used_at: Uses of keys that are still to be written; one task writes them all.
        _looking: Credentials that are being looked up now.
    """

    keys: KeyService
    key_store: KeyStore
    sessions: SessionService
    session_store: SessionStore
    cache: CredentialCache
    background: BackgroundTasks
    clock: Clock
    settings: IdentitySettings
    _touched: dict[str, datetime] = field(default_factory=dict)
    _used_at: dict[str, datetime] = field(default_factory=dict)
    _looking: dict[str, anyio.Event] = field(default_factory=dict, repr=False)

    async def authenticate(self, credential: Credential, ip: str = "") -> Principal:
        """Gives who a credential stands for, with their rights as of now.

        Args:
            credential: What the request brought.
            ip: Where it came from, after trusted proxies have been seen through; empty if unknown.

        Raises:
            NotAuthenticated: When it is not one of ours, or revoked, expired, idle for too long, or its owner is disabled;
                which of these is not told.
            Forbidden: When it is a key that may not be used from there.
        """
        known = self.cache.get(credential.secret) or await self._find(credential)
        now = self.clock.now()
        found = known.found
        if found.user.is_disabled:
            raise NotAuthenticated
        if isinstance(found, KnownKey):
            if not credential.is_key or not _is_good_key(known, found, now):
                raise NotAuthenticated
            if known.networks and not is_within(ip, known.networks):
                raise Forbidden(f"This API key may not be used from {ip or 'an unknown address'}.")
            self._touch_key(found.key, now)
        else:
            if credential.is_key or not self._is_good_session(found.session, now):
                raise NotAuthenticated
            self._touch_session(found.session, now)
        return known.principal

    def known(self, secret: str | bytes, ip: str) -> Principal | None:
        """Gives who an API key stands for, if that was found out a moment ago; takes microseconds, and never waits.

        None says nothing about the key: ask `authenticate`, which finds out, or says what is wrong.

        Args:
            secret: The key as sent.
            ip: Where the request came from, after trusted proxies have been seen through.
        """
        known = self.cache.get(secret)
        if known is None or not isinstance(known.found, KnownKey):
            return None
        now = self.clock.now()
        if known.found.user.is_disabled or not _is_good_key(known, known.found, now):
            return None
        if known.networks and not is_within(ip, known.networks):
            return None
        self._touch_key(known.found.key, now)
        return known.principal

    async def _find(self, credential: Credential) -> Known:
        """Asks the stores about a credential, and remembers what they say; of a burst of requests one asks.

        Raises:
            NotAuthenticated: When it is not one of ours.
        """
        secret = credential.secret
        others = self._looking.get(secret)
        if others is not None:
            await others.wait()
            known = self.cache.get(secret)
            if known is not None:
                return known
        looking = anyio.Event()
        self._looking.setdefault(secret, looking)
        try:
            generation = self.cache.generation
            found = await self._recognise(credential)
            if found is None:
                raise NotAuthenticated
            known = Known.of(found)
            self.cache.put(secret, known, generation=generation)
            return known
        finally:
            if self._looking.get(secret) is looking:
                del self._looking[secret]
            looking.set()

    async def _recognise(self, credential: Credential) -> KnownKey | KnownSession | None:
        if credential.is_key:
            return await self.keys.recognise(credential.secret)
        return await self.sessions.recognise(credential.secret)

    def _is_good_session(self, session: Session, now: datetime) -> bool:
        last_seen_at = max(session.last_seen_at, self._touched.get(session.id, session.last_seen_at))
        return now < session.expires_at and now < last_seen_at + timedelta(seconds=self.settings.session_idle_s)

    def _touch_key(self, key: ApiKey, now: datetime) -> None:
        if not self._is_due(key.id, key.last_used_at, now):
            return
        is_first = not self._used_at
        self._used_at[key.id] = now
        if is_first:
            self.background.start(self._write_uses, "key_touch")

    async def _write_uses(self) -> None:
        """Writes the uses that came together, and those that came meanwhile."""
        try:
            while self._used_at:
                used_at = dict(self._used_at)
                await self.key_store.touch(used_at)
                for key_id, at in used_at.items():
                    if self._used_at.get(key_id) == at:
                        del self._used_at[key_id]
        finally:
            self._used_at.clear()  # after a failure the next use starts anew

    def _touch_session(self, session: Session, now: datetime) -> None:
        is_new = session.last_seen_at == session.created_at
        if self._is_due(session.id, None if is_new else session.last_seen_at, now):
            self.background.start(lambda: self.session_store.touch(session.id, now), "session_touch")

    def _is_due(self, row_id: str, noted_at: datetime | None, now: datetime) -> bool:
        touched_at = self._touched.get(row_id)
        if touched_at is not None and now - touched_at < TOUCH_EVERY:
            return False
        if noted_at is not None and now - noted_at < TOUCH_EVERY:
            return False
        if len(self._touched) >= _MAX_TOUCHES:
            self._touched.clear()
        self._touched[row_id] = now
        return True


def _is_good_key(known: Known, found: KnownKey, now: datetime) -> bool:
    """Tells whether a key is good: not revoked, not ended, and its group, where it has one, still its owner's."""
    if found.key.revoked_at is not None or (found.key.group_id is not None and found.group is None):
        return False
    return known.ends_at is None or now.timestamp() < known.ends_at


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """The services of this room, as they are handed to the HTTP layer under the name `identity`.

    Attributes:
        accounts: Accounts.
        sessions: Browser sessions.
        keys: API keys.
        groups: Groups.
        setup: The first account.
        audit: The audit table.
        authenticator: Who is asking.
        background: Where audit rows about refusals are written.
        trusted_origins: Origins whose pages may use a session beside our own.
    """

    accounts: AccountService
    sessions: SessionService
    keys: KeyService
    groups: GroupService
    setup: SetupService
    audit: AuditService
    authenticator: Authenticator
    background: BackgroundTasks
    trusted_origins: frozenset[str] = frozenset()
