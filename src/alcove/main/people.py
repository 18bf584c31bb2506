"""Builds the identity room; for the server, and for the command line on the data folder."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from alcove.identity.accounts import AccountService, NewUser, UserEdit
from alcove.identity.adapters.token_file import FileSetupTokens
from alcove.identity.audit import AuditService
from alcove.identity.cache import CredentialCache
from alcove.identity.groups import GroupService
from alcove.identity.key_store import SqlGroupStore, SqlKeyStore
from alcove.identity.keys import KeyService
from alcove.identity.models import Actor, ApiKey, Group, User
from alcove.identity.passwords import Argon2Passwords
from alcove.identity.service import Authenticator, Identity
from alcove.identity.sessions import SessionService
from alcove.identity.setup import SetupService
from alcove.identity.store import SqlAuditStore, SqlSessionStore, SqlUserStore
from alcove.infra.background import background_tasks
from alcove.infra.database import Database, migrate, open_database
from alcove.infra.datadir import prepare_data_dir
from alcove.infra.ratelimit import AttemptGuard, memory_window
from alcove.infra.secrets import MasterKey, load_master_key
from alcove.kernel.clock import Clock, SystemClock
from alcove.kernel.errors import NotFound
from alcove.kernel.ids import is_id
from alcove.kernel.pages import MAX_LIMIT, Page, PageRequest
from alcove.kernel.principal import Role
from alcove.kernel.runner import BackgroundTasks
from alcove.settings import DATABASE_FILE, Settings

T = TypeVar("T")

_REFUSALS_PER_MINUTE = 60
UserDeleted = Callable[[str], Awaitable[None]]


def master_key(settings: Settings) -> MasterKey:
    """Gives the master key; makes it at first start.

    Raises:
        UnsafeSecret: When it is a placeholder, weak or malformed.
    """
    given = settings.security.master_key
    return load_master_key(
        settings.data_dir,
        given=given.get_secret_value() if given else None,
        given_file=settings.security.master_key_file,
    )


def build_audit(database: Database, clock: Clock) -> AuditService:
    """Gives what remembers who did what."""
    refusals = memory_window("refusals", amount=_REFUSALS_PER_MINUTE, window_s=60)
    return AuditService(store=SqlAuditStore(database), clock=clock, refusals=refusals)


def build_identity(
    settings: Settings,
    database: Database,
    key: MasterKey,
    background: BackgroundTasks,
    audit: AuditService,
    on_user_deleted: Sequence[UserDeleted] = (),
) -> Identity:
    """Gives the services of the identity room."""
    clock = audit.clock
    options = settings.identity
    users, sessions, keys = SqlUserStore(database), SqlSessionStore(database), SqlKeyStore(database)
    cache = CredentialCache(clock, options.cache_s)
    passwords = Argon2Passwords()
    attempts = AttemptGuard(memory_window("login", amount=options.login_attempts, window_s=options.login_window_s))
    accounts = AccountService(
        users=users,
        sessions=sessions,
        passwords=passwords,
        audit=audit,
        cache=cache,
        clock=clock,
        on_user_deleted=on_user_deleted,
    )
    groups = SqlGroupStore(database)
    key_service = KeyService(
        store=keys,
        users=users,
        groups=groups,
        audit=audit,
        cache=cache,
        clock=clock,
        peppers=key.derive_all("pepper"),
        settings=options,
    )
    session_service = SessionService(
        store=sessions,
        users=users,
        passwords=passwords,
        attempts=attempts,
        audit=audit,
        cache=cache,
        clock=clock,
        csrf_key=key.derive("csrf"),
        settings=options,
    )
    setup = SetupService(
        users=users,
        accounts=accounts,
        sessions=session_service,
        tokens=FileSetupTokens(settings.data_dir),
        attempts=attempts,
        audit=audit,
        clock=clock,
        settings=options,
        first=settings.setup,
    )
    authenticator = Authenticator(
        keys=key_service,
        sessions=session_service,
        key_store=keys,
        session_store=sessions,
        cache=cache,
        clock=clock,
        background=background,
        settings=options,
    )
    return Identity(
        accounts=accounts,
        sessions=session_service,
        keys=key_service,
        groups=GroupService(store=groups, audit=audit, cache=cache, clock=clock),
        setup=setup,
        audit=audit,
        authenticator=authenticator,
        background=background,
        trusted_origins=frozenset(settings.edge.trusted_origins),
    )


@dataclass(frozen=True, slots=True)
class AccountDesk:
    """People and keys, as the command line looks after them."""

    identity: Identity

    @property
    def actor(self) -> Actor:
        """On whose behalf the command line acts, for the audit table."""
        return Actor(name="cli")

    async def create_user(self, email: str, name: str, password: str, role: Role) -> str:
        """Makes an account; gives its address.

        Raises:
            AlreadyExists: When the address is taken.
            InvalidRequest: When the address or the password cannot be used.
        """
        new = NewUser(email=email, name=name, password=password, role=role)
        return (await self.identity.accounts.create(new, self.actor)).email

    async def disable_user(self, email: str) -> None:
        """Disables an account.

        Raises:
            NotFound: When there is none.
            LastAdmin: When it is the last active admin.
        """
        user = await self.identity.accounts.by_email(email)
        await self.identity.accounts.update(user.id, UserEdit(is_disabled=True), self.actor)

    async def find_key(self, id_or_prefix: str) -> ApiKey:
        """Gives a key by its id or its prefix.

        Raises:
            NotFound: When there is none.
        """
        if not is_id(id_or_prefix):
            return await self.identity.keys.by_prefix(id_or_prefix)
        async for user in self.users():
            async for key in self.keys_of(user.id):
                if key.id == id_or_prefix:
                    return key
        detail = f"There is no key {id_or_prefix!r}; `alcove keys list` shows them."
        raise NotFound(detail)

    async def users(self) -> AsyncIterator[User]:
        """Gives all accounts, the newest first."""
        async for user in _all(self.identity.accounts.page):
            yield user

    async def groups(self) -> AsyncIterator[Group]:
        """Gives all groups, the newest first."""
        async for group in _all(self.identity.groups.page):
            yield group

    async def keys_of(self, user_id: str) -> AsyncIterator[ApiKey]:
        """Gives all keys of a person, the newest first, revoked ones too."""
        async for key in _all(partial(self.identity.keys.page, user_id)):
            yield key


async def _all(read: Callable[[PageRequest], Awaitable[Page[T]]]) -> AsyncIterator[T]:
    """Gives the items of all pages."""
    cursor: str | None = None
    while True:
        page = await read(PageRequest(cursor=cursor, limit=MAX_LIMIT))
        for item in page.items:
            yield item
        cursor = page.next_cursor
        if cursor is None:
            return


@contextlib.asynccontextmanager
async def open_desk(settings: Settings) -> AsyncIterator[AccountDesk]:
    """Gives people and keys of a data folder, whether or not a server runs on it.

    Raises:
        NotFound: When there is nothing in the folder: most likely another one is meant, and a new one would mislead.
    """
    if settings.database.url is None and not (settings.data_dir / DATABASE_FILE).exists():
        detail = (
            f"There is no Alcove in {str(settings.data_dir)!r}. Name its folder with --data-dir (or ALCOVE_DATA_DIR), "
            "or start it there once with `alcove up`."
        )
        raise NotFound(detail)
    prepare_data_dir(settings.data_dir)
    key = master_key(settings)
    database = open_database(settings.database_url)
    try:
        await migrate(database)
        async with background_tasks(drain_s=1) as background:
            yield AccountDesk(build_identity(settings, database, key, background, build_audit(database, SystemClock())))
    finally:
        await database.close()
