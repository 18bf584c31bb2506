"""A cache in memory, and a real Valkey (or Redis) server on a socket of its own."""

import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from alcove.gateway.cache.adapters.memory import MemoryCache
from alcove.gateway.cache.adapters.valkey import ValkeyCache
from alcove.gateway.cache.ports import ResponseCache
from alcove.kernel.clock import FakeClock


@pytest.fixture(scope="session")
def valkey_socket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    program = shutil.which("valkey-server") or shutil.which("redis-server")
    if program is None:
        pytest.skip("no valkey-server or redis-server here (Debian: apt-get install redis-server)")
    path = tmp_path_factory.mktemp("valkey") / "s"
    options = ["--port", "0", "--unixsocket", str(path), "--save", "", "--appendonly", "no", "--dir", str(path.parent)]
    process = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 20
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    yield path
    process.terminate()
    process.wait(10)


@pytest.fixture
async def valkey(valkey_socket: Path) -> AsyncIterator[Redis]:
    server = Redis(unix_socket_path=str(valkey_socket))
    await server.flushall()
    yield server
    await server.aclose()


@pytest.fixture
async def valkey_text(valkey: Redis, valkey_socket: Path) -> AsyncIterator[Redis]:
    """The same server by a client that reads all answers as text, as the house's does."""
    server = Redis(unix_socket_path=str(valkey_socket), decode_responses=True)
    yield server
    await server.aclose()


@pytest.fixture(params=["memory", "valkey", "valkey_text"])
def cache(request: pytest.FixtureRequest, clock: FakeClock) -> ResponseCache:
    if request.param == "memory":
        return MemoryCache(clock, max_entries=20, max_neighbours=3)
    server = request.getfixturevalue(request.param)
    return ValkeyCache(server, clock, max_entries=20, max_neighbours=3, timeout_s=5)
