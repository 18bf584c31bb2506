"""What keeping usage costs: microseconds a row, on the path of a call and off it."""

import tempfile
import time
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import anyio

from alcove.gateway.adapters.prices import PackagedPrices
from alcove.gateway.calls import CallKind, UsageRow
from alcove.gateway.usage.encoding import encoded
from alcove.gateway.usage.journal import UsageJournal
from alcove.gateway.usage.live import LiveCounts
from alcove.gateway.usage.models import UsageSettings
from alcove.gateway.usage.mover import UsageMover
from alcove.gateway.usage.store import SqlUsageStore
from alcove.infra.database import migrate, open_database
from alcove.kernel.chat import Usage
from alcove.kernel.clock import SystemClock
from alcove.kernel.ids import new_id
from alcove.kernel.ports import ModelInfo
from report import show

ROWS = 40_000


def rows() -> list[UsageRow]:
    """Makes rows as a busy hour leaves them: 50 people, 5 models."""
    at = SystemClock().now()
    return [
        UsageRow(
            id=new_id(),
            at=at + timedelta(milliseconds=number),
            user_id=f"user-{number % 50}",
            key_id=f"key-{number % 70}",
            group_id=f"group-{number % 5}",
            kind=CallKind.CHAT,
            endpoint="/v1/chat/completions",
            model=f"model-{number % 5}",
            deployment="far",
            provider="openai",
            upstream_model=f"model-{number % 5}",
            input_tokens=number % 3000,
            output_tokens=number % 500,
            cached_input_tokens=0,
            reasoning_tokens=0,
            is_estimated=False,
            cost_usd=Decimal(number % 3000) / 1_000_000,
            latency_ms=812.5,
            first_token_ms=120.25,
            status=200,
            error_code="",
            cache="",
            is_streaming=True,
            attempts=1,
            trace_id="a" * 32,
            request_id=new_id(),
        )
        for number in range(ROWS)
    ]


async def measure(folder: Path) -> list[dict[str, str | float]]:
    """Gives the figures."""
    clock = SystemClock()
    database = open_database(f"sqlite+aiosqlite:///{folder / 'alcove.db'}")
    await migrate(database)
    journal = UsageJournal(folder / "usage", max_bytes=1 << 30, is_synced=False, live=LiveCounts(clock))
    store = SqlUsageStore(database, clock)
    mover = UsageMover(journal=journal, store=store, clock=clock, settings=UsageSettings())
    await mover.open()
    made = rows()
    found: list[dict[str, str | float]] = []

    def note(name: str, wall_s: float, cpu_s: float, count: int) -> None:
        found.append(
            {
                "what": name,
                "µs": round(wall_s / count * 1e6, 2),
                "µs of CPU": round(cpu_s / count * 1e6, 2),
            }
        )

    wall_s, cpu_s = time.perf_counter(), time.process_time()
    for row in made:
        encoded(row)
    note("encoding a row", time.perf_counter() - wall_s, time.process_time() - cpu_s, ROWS)
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    for row in made:
        journal.append(row)
    note(
        "appending a row (encoding, journal, live counts)",
        time.perf_counter() - wall_s,
        time.process_time() - cpu_s,
        ROWS,
    )
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    await mover.move()
    note("moving a row into SQLite with all sums", time.perf_counter() - wall_s, time.process_time() - cpu_s, ROWS)
    await mover.close()
    await database.close()
    prices, model = PackagedPrices(), ModelInfo(id="gpt-4o", provider="openai")
    usage = Usage(input_tokens=1234, output_tokens=321, cached_input_tokens=1000)
    prices.cost_usd(model, usage)
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    for _ in range(ROWS):
        prices.cost_usd(model, usage)
    note("pricing a call", time.perf_counter() - wall_s, time.process_time() - cpu_s, ROWS)
    return found


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        show("usage", anyio.run(measure, Path(name)))
