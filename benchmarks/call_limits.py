"""What a call's checks cost: who a key stands for, admit and settle, without limits and with three of them; CPU time of this process.

Usage rows go nowhere here, but they are made, as for every call; the last line is that part alone.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal

from alcove.gateway.calls import Call, Outcome, UsageRow
from alcove.gateway.limits.ledger import MemoryLedger
from alcove.gateway.limits.memory import MemoryLimitStore
from alcove.gateway.limits.meter import LimitedMeter
from alcove.gateway.metering import usage_row
from alcove.kernel.chat import Usage
from alcove.kernel.clock import SystemClock
from alcove.kernel.principal import Allowance, Principal, Role
from report import show

ROUNDS, CALLS = 5, 20_000

FREE = Principal(user_id="u", email="ada@example.org", role=Role.USER)
BOUND = Principal(
    user_id="u",
    email="ada@example.org",
    role=Role.USER,
    allowances=(
        Allowance(
            subject="key:1",
            name="laptop",
            requests_per_minute=10**9,
            tokens_per_minute=10**12,
            budget_usd=Decimal(10**6),
        ),
    ),
)
CALL = Call(model="m", at=datetime.now(UTC), began_s=1.0, input_tokens=100, output_tokens=500)
OUTCOME = Outcome(ended_s=2.0, usage=Usage(input_tokens=100, output_tokens=20), cost_usd=Decimal("0.001"))


class Nowhere:
    """A usage log that keeps nothing."""

    def append(self, row: UsageRow) -> None:
        """Lets go of a row."""


class Flat:
    """Knows one price."""

    def nano_usd(self, call: Call) -> int:
        """Gives what a call may cost."""
        return 150 * (call.input_tokens + call.output_tokens)


async def best_us(once: Callable[[], Awaitable[None]]) -> float:
    """Gives the microseconds of the best round."""
    found = []
    for _ in range(ROUNDS):
        started_s = time.process_time()
        for _ in range(CALLS):
            await once()
        found.append((time.process_time() - started_s) / CALLS * 1e6)
    return min(found)


async def measure() -> None:
    clock = SystemClock()
    meter = LimitedMeter(
        store=MemoryLimitStore(MemoryLedger(), clock),
        usage=Nowhere(),
        estimate=Flat(),
    )

    def call_of(who: Principal) -> Callable[[], Awaitable[None]]:
        async def once() -> None:
            (await meter.admit(who, CALL)).settle(OUTCOME)

        return once

    async def row() -> None:
        usage_row(FREE, CALL, OUTCOME)

    async def loop() -> None:
        pass

    parts: tuple[tuple[str, Callable[[], Awaitable[None]]], ...] = (
        ("an empty call, for comparison", loop),
        ("admit and settle, no limits", call_of(FREE)),
        ("admit and settle, requests + tokens + budget", call_of(BOUND)),
        ("of each: making the usage row", row),
    )
    show("Checks of a call", [{"what": name, "CPU µs": await best_us(once)} for name, once in parts])


def main() -> None:
    asyncio.run(measure())


if __name__ == "__main__":
    main()
