"""Limit stores, and a Valkey server of the tests' own, on a socket in a folder."""

import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from redis.asyncio import Redis

from alcove.gateway.calls import Call, Outcome
from alcove.gateway.limits.memory import MemoryLimitStore
from alcove.gateway.limits.meter import LimitedMeter
from alcove.gateway.limits.ports import CostEstimate, LimitStore
from alcove.gateway.limits.valkey import ValkeyLimitStore
from alcove.gateway.metering import MemoryUsageLog
from alcove.kernel.chat import Usage
from alcove.kernel.clock import FakeClock, SystemClock
from alcove.kernel.principal import Allowance, BudgetPeriod, Principal, Role

START = datetime(2026, 11, 25, 12, tzinfo=UTC)


@dataclass
class Ledger:
    """What was spent before, as a test says; counts how often it is asked."""

    usd: Decimal = Decimal(0)
    tokens: int = 0
    asked: list[tuple[str, datetime]] = field(default_factory=list)
    error: Exception | None = None

    async def spent(self, subject: str, period: BudgetPeriod, period_start: datetime) -> tuple[Decimal, int]:
        self.asked.append((subject, period_start))
        await anyio.lowlevel.checkpoint()
        if self.error is not None:
            raise self.error
        return self.usd, self.tokens


def subject(name: str = "key:1", **limits: Any) -> Allowance:
    return Allowance(subject=name, name="laptop", **limits)


def holder(*allowances: Allowance, **more: Any) -> Principal:
    return Principal(user_id="user-ada", email="ada@example.org", role=Role.USER, allowances=allowances, **more)


def a_call(**more: Any) -> Call:
    return Call(**{"model": "m", "at": START, "began_s": 0.0, **more})


def came_to(tokens: int = 0, usd: str | None = None, **more: Any) -> Outcome:
    usage = Usage(input_tokens=tokens) if tokens else None
    return Outcome(usage=usage, cost_usd=None if usd is None else Decimal(usd), ended_s=1.0, **more)


@dataclass
class Flat:
    """Every call may cost so much."""

    most: int

    def nano_usd(self, call: Call) -> int:
        return self.most


def meter_of(store: LimitStore, estimate: CostEstimate | None = None, usage: Any = None) -> LimitedMeter:
    return LimitedMeter(store=store, usage=usage or MemoryUsageLog(), estimate=estimate or Flat(0))


@pytest.fixture(scope="session")
def valkey_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    program = next((path for path in map(shutil.which, ("valkey-server", "redis-server")) if path), None)
    if program is None:
        pytest.skip("no valkey-server or redis-server; scripts/valkey.py installs one")
    socket = tmp_path_factory.mktemp("valkey") / "s"
    options = ["--port", "0", "--unixsocket", str(socket), "--save", "", "--appendonly", "no"]
    server = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL, cwd=socket.parent)
    for _ in range(500):
        if socket.exists():
            break
        time.sleep(0.01)
    yield socket
    server.terminate()
    server.wait(10)


@pytest.fixture
async def valkey(valkey_server: Path) -> AsyncIterator[Redis]:
    client = Redis(unix_socket_path=str(valkey_server), decode_responses=True, socket_timeout=5)
    await client.flushall()
    yield client
    await client.aclose(close_connection_pool=True)


@dataclass
class Counted:
    """A store with what a test needs to know of it."""

    store: LimitStore
    ledger: Ledger

    async def settled(self) -> None:
        """Waits until what was settled is counted."""
        if isinstance(self.store, ValkeyLimitStore):
            assert await self.store.flush()
            assert self.store.lost_count == 0


@pytest.fixture(params=["memory", "valkey"])
def counted(request: pytest.FixtureRequest) -> Counted:
    ledger = Ledger()
    if request.param == "memory":
        return Counted(MemoryLimitStore(ledger, SystemClock(), window_s=1.5), ledger)
    client = request.getfixturevalue("valkey")
    return Counted(ValkeyLimitStore(client, ledger, SystemClock(), window_s=1.5), ledger)


@pytest.fixture
def fake_clock() -> FakeClock:
    return FakeClock(at=START)
