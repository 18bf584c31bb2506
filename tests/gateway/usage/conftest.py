"""Usage on a real journal and a real database."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from alcove.gateway.calls import CallKind, UsageRow
from alcove.gateway.usage.journal import UsageJournal
from alcove.gateway.usage.live import LiveCounts
from alcove.gateway.usage.models import UsageSettings
from alcove.gateway.usage.mover import UsageMover
from alcove.gateway.usage.ports import UsageStore
from alcove.gateway.usage.service import UsageService
from alcove.gateway.usage.store import SqlUsageStore
from alcove.infra.database import Database
from alcove.kernel.clock import FakeClock
from alcove.kernel.ids import new_id

START = FakeClock().at


def row(number: int = 0, **changes: Any) -> UsageRow:
    """Gives the row of a call."""
    values: dict[str, Any] = {
        "id": new_id(), "at": START + timedelta(seconds=number), "user_id": "user-ada", "key_id": "key-1", "group_id": None,
        "kind": CallKind.CHAT, "endpoint": "/v1/chat/completions", "model": "small", "deployment": "up", "provider": "openai",
        "upstream_model": "small", "input_tokens": 100, "output_tokens": 10, "cached_input_tokens": 40, "reasoning_tokens": 3,
        "is_estimated": False, "cost_usd": Decimal("0.0012345678"), "latency_ms": 120.5, "first_token_ms": 20.25, "status": 200,
        "error_code": "", "cache": "", "is_streaming": True, "attempts": 1, "trace_id": "a" * 32, "request_id": "r",
    }  # fmt: skip
    return UsageRow(**{**values, **changes})


@dataclass
class Usage:
    """The parts of usage under test."""

    journal: UsageJournal
    mover: UsageMover
    store: UsageStore
    service: UsageService
    clock: FakeClock


@asynccontextmanager
async def open_usage(
    folder: Path, store: UsageStore, *, max_bytes: int = 16 << 20, clock: FakeClock | None = None, **settings: Any
) -> AsyncIterator[Usage]:
    """Opens usage as a process does; afterwards the journal is let go of, as when a process is killed: nothing is moved."""
    clock = clock or FakeClock()
    live = LiveCounts(clock)
    journal = UsageJournal(folder, max_bytes=max_bytes, is_synced=False, live=live)
    mover = UsageMover(journal=journal, store=store, clock=clock, settings=UsageSettings(**settings))
    await mover.open()
    try:
        yield Usage(journal, mover, store, UsageService(store=store, mover=mover, live=live), clock)
    finally:
        journal._journal.close()


def sql(database: Database) -> SqlUsageStore:
    return SqlUsageStore(database, FakeClock())
