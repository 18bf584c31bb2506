"""A whole house in this process: every room, real stores on a folder, no socket."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from fastapi import FastAPI
from starlette.types import ASGIApp

from alcove.identity.accounts import NewUser
from alcove.identity.models import Actor, User
from alcove.infra.metrics import Metrics
from alcove.kernel.principal import Role
from alcove.main.app import create_app, with_state
from alcove.main.house import House, open_house
from alcove.settings import Settings, load_settings

PASSWORD = "correct horse battery staple"
ACTOR = Actor(name="test")


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class Place:
    """An open house with its application."""

    house: House
    app: FastAPI
    asgi: ASGIApp
    settings: Settings
    _clients: list[httpx2.AsyncClient] = field(default_factory=list)

    def client(self, ip: str = "127.0.0.1", **headers: str) -> httpx2.AsyncClient:
        transport = httpx2.ASGITransport(app=self.asgi, client=(ip, 50_000), raise_app_exceptions=False)
        client = httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers=headers, timeout=60)
        self._clients.append(client)
        return client

    def keyed(self, secret: str) -> httpx2.AsyncClient:
        return self.client(authorization=f"Bearer {secret}")

    async def user(self, name: str, role: Role = Role.USER) -> User:
        new = NewUser(email=f"{name}@example.org", name=name.title(), password=PASSWORD, role=role)
        return await self.house.identity.accounts.create(new, ACTOR)

    async def key(self, user: User, name: str = "test") -> tuple[str, str]:
        """Gives the id and the secret of a new key."""
        made = await self.house.identity.keys.create(user.id, name, ACTOR)
        return made.key.id, made.secret

    async def page(self, user: User) -> httpx2.AsyncClient:
        """Gives a signed-in browser that sends no token against forgery by itself."""
        client = self.client()
        signed_in = await client.post("/api/v1/auth/login", json={"email": user.email, "password": PASSWORD})
        assert signed_in.status_code == 200, signed_in.text
        return client

    async def close(self) -> None:
        for client in self._clients:
            await client.aclose()


@asynccontextmanager
async def open_place(folder: Path, **overrides: Any) -> AsyncIterator[Place]:
    """Opens a house on a folder."""
    settings = load_settings(**{"data_dir": folder, "gateway": {"ollama_discovery": False}, **overrides})
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    metrics = Metrics()
    async with open_house(settings, metrics) as house:
        app = create_app(settings, metrics)
        place = Place(house, app, with_state(app, house.state()), settings)
        try:
            yield place
        finally:
            await place.close()


@pytest.fixture(scope="module")
async def place(anyio_backend: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    async with open_place(tmp_path_factory.mktemp("house")) as opened:
        yield opened


async def wait_for(client: httpx2.AsyncClient, url: str, *status: str) -> dict[str, Any]:
    """Gives a document once its status is one of these."""
    with anyio.fail_after(60):
        while True:
            found = (await client.get(url)).json()
            if found["status"] in status:
                return dict(found)
            await anyio.sleep(0.1)
