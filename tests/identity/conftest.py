from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send
from tests.edge import edge

from alcove.identity import api
from alcove.identity.accounts import AccountService, NewUser
from alcove.identity.audit import AuditService
from alcove.identity.cache import CredentialCache
from alcove.identity.groups import GroupService
from alcove.identity.keys import KeyService
from alcove.identity.middleware import Authentication
from alcove.identity.models import Actor, AuditEntry, IdentitySettings, NewKey, SetupSettings, User
from alcove.identity.ports import Passwords, UserDeleted
from alcove.identity.service import Authenticator, Identity
from alcove.identity.sessions import SessionService
from alcove.identity.setup import SetupService
from alcove.identity.testing import (
    FakePasswords,
    MemoryAuditStore,
    MemoryGroupStore,
    MemoryKeyStore,
    MemorySessionStore,
    MemorySetupTokens,
    MemoryTables,
    MemoryUserStore,
)
from alcove.infra.background import TaskGroupBackground, background_tasks
from alcove.infra.middleware import EdgeSettings
from alcove.infra.problems import install_error_handlers
from alcove.infra.ratelimit import AttemptGuard, memory_window
from alcove.infra.web import AdminDep, PrincipalDep
from alcove.kernel.clock import FakeClock
from alcove.kernel.errors import UpstreamError
from alcove.kernel.principal import Role

PASSWORD = "correct horse battery"
ACTOR = Actor(name="test", ip="192.0.2.7", request_id="r-1")


@dataclass
class House:
    """The identity room with everything around it in reach of a test."""

    identity: Identity
    tables: MemoryTables
    passwords: Any
    tokens: MemorySetupTokens
    clock: FakeClock
    app: ASGIApp
    deleted: list[UserDeleted] = field(default_factory=list)

    async def add_user(self, email: str, *, role: Role = Role.USER, password: str = PASSWORD) -> User:
        new = NewUser(email=email, name=email.partition("@")[0], password=password, role=role)
        return await self.identity.accounts.create(new, ACTOR)

    async def add_admin(self, email: str = "ada@example.org") -> User:
        return await self.add_user(email, role=Role.ADMIN)

    async def add_key(self, user: User, name: str = "laptop") -> NewKey:
        return await self.identity.keys.create(user.id, name, ACTOR)

    def audit(self) -> list[AuditEntry]:
        return self.tables.entries

    def client(self, ip: str = "127.0.0.1", base_url: str = "http://localhost") -> httpx2.AsyncClient:
        transport = httpx2.ASGITransport(app=self.app, client=(ip, 50_000))
        return httpx2.AsyncClient(transport=transport, base_url=base_url)

    async def browser(self, email: str, *, password: str = PASSWORD, base_url: str = "http://localhost") -> "Browser":
        browser = Browser(self.client(base_url=base_url))
        answer = await browser.log_in(email, password)
        assert answer.status_code == 200, answer.text
        return browser


class Browser:
    """A page in a browser: sends cookies, its origin and the token against forgery."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self.client = client
        self.client.headers["origin"] = str(client.base_url).rstrip("/")

    async def log_in(self, email: str, password: str = PASSWORD) -> httpx2.Response:
        answer = await self.client.post("/api/v1/auth/login", json={"email": email, "password": password})
        if answer.is_success:
            self.client.headers["x-csrf-token"] = answer.json()["csrf_token"]
        return answer

    @property
    def token(self) -> str:
        cookies = self.client.cookies
        return cookies.get("as_session") or cookies.get("__Host-as_session") or ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.client, name)


def build_house(
    background: TaskGroupBackground,
    *,
    passwords: Passwords | None = None,
    settings: IdentitySettings | None = None,
    first: SetupSettings | None = None,
    edge_settings: EdgeSettings | None = None,
) -> House:
    tables, clock, tokens = MemoryTables(), FakeClock(), MemorySetupTokens()
    settings = settings or IdentitySettings()
    passwords = passwords or FakePasswords()
    edge_settings = edge_settings or EdgeSettings()
    deleted: list[UserDeleted] = []
    users, sessions, keys = MemoryUserStore(tables), MemorySessionStore(tables), MemoryKeyStore(tables)
    cache = CredentialCache(clock, settings.cache_s)
    audit = AuditService(
        store=MemoryAuditStore(tables), clock=clock, refusals=memory_window("refusals", amount=30, window_s=60)
    )
    attempts = AttemptGuard(memory_window("login", amount=settings.login_attempts, window_s=settings.login_window_s))
    accounts = AccountService(
        users=users, sessions=sessions, passwords=passwords, audit=audit, cache=cache, clock=clock,
        on_user_deleted=deleted,
    )  # fmt: skip
    session_service = SessionService(
        store=sessions, users=users, passwords=passwords, attempts=attempts, audit=audit, cache=cache, clock=clock,
        csrf_key=b"c" * 32, settings=settings,
    )  # fmt: skip
    key_service = KeyService(
        store=keys, users=users, groups=MemoryGroupStore(tables), audit=audit, cache=cache, clock=clock,
        peppers=(b"p" * 32, b"old" * 10), settings=settings,
    )  # fmt: skip
    identity = Identity(
        accounts=accounts,
        sessions=session_service,
        keys=key_service,
        groups=GroupService(store=MemoryGroupStore(tables), audit=audit, cache=cache, clock=clock),
        setup=SetupService(
            users=users, accounts=accounts, sessions=session_service, tokens=tokens, attempts=attempts, audit=audit,
            clock=clock, settings=settings, first=first or SetupSettings(),
        ),
        audit=audit,
        authenticator=Authenticator(
            keys=key_service, key_store=keys, sessions=session_service, session_store=sessions, cache=cache,
            background=background, clock=clock, settings=settings,
        ),
        background=background,
        trusted_origins=frozenset(edge_settings.trusted_origins),
    )  # fmt: skip
    app = FastAPI()
    app.include_router(api.router)
    install_error_handlers(app)

    @app.get("/v1/models")
    async def models(who: PrincipalDep) -> dict[str, str]:
        return {"who": who.email}

    @app.get("/api/v1/admin-only/{thing}")
    async def admin_only(thing: str, who: AdminDep) -> dict[str, str]:
        return {"who": who.email}

    @app.get("/assets/whoami")
    async def whoami(who: PrincipalDep) -> dict[str, str]:
        return {"who": who.email}

    @app.post("/v1/chat/completions")
    async def asked_a_server_that_refuses_us(who: PrincipalDep) -> None:
        raise UpstreamError(f"the model server refused the key it was sent for {who.email}", status=403)

    @app.get("/open")
    async def open_to_all() -> dict[str, str]:
        return {}

    inner = edge(Authentication(app), edge_settings, bind_host="127.0.0.1")

    async def with_state(scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"] = {"identity": identity}
        await inner(scope, receive, send)

    return House(
        identity=identity,
        tables=tables,
        passwords=passwords,
        tokens=tokens,
        clock=clock,
        app=with_state,
        deleted=deleted,
    )


@pytest.fixture
async def background() -> AsyncIterator[TaskGroupBackground]:
    async with background_tasks(drain_s=1) as background:
        yield background


@pytest.fixture
def build(background: TaskGroupBackground) -> Callable[..., House]:
    def built(**options: Any) -> House:
        return build_house(background, **options)

    return built


@pytest.fixture
async def house(build: Callable[..., House]) -> House:
    return build()
