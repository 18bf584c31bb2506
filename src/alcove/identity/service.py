"""One authenticator for every credential: whatever header or cookie it came in, it ends here."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from alcove.identity.accounts import AccountService
from alcove.identity.audit import AuditService
from alcove.identity.cache import CredentialCache
from alcove.identity.keys import KeyService
from alcove.identity.models import ApiKey, IdentitySettings, KnownKey, KnownSession, Session, principal_of
from alcove.identity.ports import KeyStore, SessionStore
from alcove.identity.sessions import SessionService
from alcove.identity.setup import SetupService
from alcove.kernel.clock import Clock
from alcove.kernel.errors import NotAuthenticated
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
        _told: Whose a key was, by its id.
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
    _told: dict[str, tuple[KnownKey, Principal]] = field(default_factory=dict)

    async def authenticate(self, credential: Credential) -> Principal:
        """Gives who a credential stands for, with their rights as of now.

        Raises:
            NotAuthenticated: When it is not one of ours, or revoked, expired, idle for too long, or its owner is disabled;
                which of these is not told.
        """
        known = self.cache.get(credential.secret)
        if known is None:
            generation = self.cache.generation
            known = await self._recognise(credential)
            if known is None:
                raise NotAuthenticated
            self.cache.put(credential.secret, known, generation=generation)
        now = self.clock.now()
        if known.user.is_disabled:
            raise NotAuthenticated
        if isinstance(known, KnownKey):
            if not credential.is_key or not _is_good_key(known.key, now):
                raise NotAuthenticated
            self._touch_key(known.key, now)
            return principal_of(known.user, key_id=known.key.id)
        if credential.is_key or not self._is_good_session(known.session, now):
            raise NotAuthenticated
        self._touch_session(known.session, now)
        return principal_of(known.user, session_id=known.session.id)

    def known_key(self, secret: str) -> Principal | None:
        """Gives whose key this is without waiting, if it was recognised a moment ago and may still be used."""
        known = self.cache.get(secret)
        if not isinstance(known, KnownKey) or known.user.is_disabled:
            return None
        now = self.clock.now()
        if not _is_good_key(known.key, now):
            return None
        self._touch_key(known.key, now)
        told = self._told.get(known.key.id)
        if told is None or told[0] is not known:
            if len(self._told) >= _MAX_TOUCHES:
                self._told.clear()
            told = self._told[known.key.id] = (known, principal_of(known.user, key_id=known.key.id))
        return told[1]

    async def _recognise(self, credential: Credential) -> KnownKey | KnownSession | None:
        if credential.is_key:
            return await self.keys.recognise(credential.secret)
        return await self.sessions.recognise(credential.secret)

    def _is_good_session(self, session: Session, now: datetime) -> bool:
        last_seen_at = max(session.last_seen_at, self._touched.get(session.id, session.last_seen_at))
        return now < session.expires_at and now < last_seen_at + timedelta(seconds=self.settings.session_idle_s)

    def _touch_key(self, key: ApiKey, now: datetime) -> None:
        if self._is_due(key.id, key.last_used_at, now):
            self.background.start(lambda: self.key_store.touch(key.id, now), "key_touch")

    def _touch_session(self, session: Session, now: datetime) -> None:
        is_new = session.last_seen_at == session.created_at
        if self._is_due(session.id, None if is_new else session.last_seen_at, now):
            self.background.start(lambda: self.session_store.touch(session.id, now), "session_touch")

    def _is_due(self, row_id: str, noted_at: datetime | None, now: datetime) -> bool:
        last = max(filter(None, (noted_at, self._touched.get(row_id))), default=None)
        if last is not None and now - last < TOUCH_EVERY:
            return False
        if len(self._touched) >= _MAX_TOUCHES:
            self._touched.clear()
        self._touched[row_id] = now
        return True


def _is_good_key(key: ApiKey, now: datetime) -> bool:
    return key.revoked_at is None and (key.expires_at is None or now < key.expires_at)


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """The services of this room, as they are handed to the HTTP layer under the name `identity`.

    Attributes:
        accounts: Accounts.
        sessions: Browser sessions.
        keys: API keys.
        setup: The first account.
        audit: The audit table.
        authenticator: Who is asking.
        background: Where audit rows about refusals are written.
        trusted_origins: Origins whose pages may use a session beside our own.
    """

    accounts: AccountService
    sessions: SessionService
    keys: KeyService
    setup: SetupService
    audit: AuditService
    authenticator: Authenticator
    background: BackgroundTasks
    trusted_origins: frozenset[str] = frozenset()
