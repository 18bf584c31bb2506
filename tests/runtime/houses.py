"""A scheduler over stand-ins, for tests."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import anyio
import anyio.lowlevel

from alcove.kernel.clock import FakeClock
from alcove.runtime.gpu import GpuBudget, NoGpus
from alcove.runtime.models import RuntimeSettings
from alcove.runtime.ports import Catalog, Engine
from alcove.runtime.scheduler.planning import Planner
from alcove.runtime.scheduler.service import ModelScheduler
from alcove.runtime.testing.catalog import FakeCatalog
from alcove.runtime.testing.engine import FakeEngine

MB = 1 << 20


@dataclass
class House:
    """A scheduler that runs, and what it stands on."""

    settings: RuntimeSettings = field(default_factory=RuntimeSettings)
    catalog: FakeCatalog = field(default_factory=FakeCatalog)
    engine: FakeEngine = field(default_factory=FakeEngine)
    clock: FakeClock = field(default_factory=FakeClock)
    budget_mb: int = 1000

    def __post_init__(self) -> None:
        self.scheduler = scheduler_of(self.settings, self.catalog, self.engine, self.clock, self.budget_mb)

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator["House"]:
        async with anyio.create_task_group() as group:
            group.start_soon(self.scheduler.run)
            await settled()
            yield self
            group.cancel_scope.cancel()

    def pass_s(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.scheduler.tick()


def scheduler_of(
    settings: RuntimeSettings, catalog: Catalog, engine: Engine, clock: FakeClock, budget_mb: int
) -> ModelScheduler:
    return ModelScheduler(
        settings=settings,
        catalog=catalog,
        engine=engine,
        planner=Planner(settings=settings, budget_bytes=budget_mb * MB, processors=2),
        gpus=GpuBudget(probe=NoGpus(), settings=settings, clock=clock),
        clock=clock,
    )


async def settled(turns: int = 20) -> None:
    """Lets everything go on that can."""
    for _ in range(turns):
        await anyio.lowlevel.checkpoint()
