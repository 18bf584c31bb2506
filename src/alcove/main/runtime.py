"""Builds the runtime: the models on this machine's disk, and what runs them."""

from dataclasses import dataclass

from alcove.gateway.adapters.local import LocalUpstreamFactory
from alcove.main.ground import Ground
from alcove.main.runtime_catalog import open_catalog, runtime_state
from alcove.runtime.adapters.nvml import open_gpus
from alcove.runtime.catalog.ports import Audit, RemoteOllamas
from alcove.runtime.engine.process import ProcessEngine
from alcove.runtime.gpu import GpuBudget
from alcove.runtime.idle import IdleModels
from alcove.runtime.library import ModelLibrary
from alcove.runtime.machine import budget_bytes, processors
from alcove.runtime.models import InstalledModel, LoadOptions
from alcove.runtime.ports import Catalog, ManagedModels, ModelAccess
from alcove.runtime.scheduler.planning import Planner, purpose_of
from alcove.runtime.scheduler.service import ModelScheduler


@dataclass(frozen=True, slots=True)
class PlannedMemory:
    """The catalogue's port `MemoryForecast` on what the scheduler would do."""

    planner: Planner

    def need_bytes(self, model: InstalledModel) -> int:
        """Predicts the memory a model takes with the context and the slots it would be given here."""
        return self.planner.need_bytes(model, LoadOptions(), purpose_of(model))

    def budget_bytes(self) -> int:
        """Gives the memory that local models may take together."""
        return self.planner.budget_bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class RuntimeParts:
    """The local models.

    Attributes:
        models: Lends them.
        library: Keeps them.
        memory: Says what they take.
        upstreams: Opens them as the deployment `local`; None where they are switched off.
    """

    models: ManagedModels
    library: ModelLibrary
    memory: PlannedMemory
    upstreams: LocalUpstreamFactory | None

    def state(self, ground: Ground, remote: RemoteOllamas, access: ModelAccess) -> dict[str, object]:
        """Gives what the runtime's routes find in the state of each request, by name."""
        serve, clock = ground.settings.runtime.catalog.serve, ground.clock
        return runtime_state(self.library, self.models, self.memory, remote, access, serve=serve, clock=clock)


async def open_local_models(ground: Ground, audit: Audit) -> RuntimeParts:
    """Opens the models on this machine's disk, and starts what runs them and what pulls them.

    Their workers are cancelled with the others when the house closes, after running answers had their time; that ends every process.
    """
    settings, clock = ground.settings, ground.clock
    kept = await open_catalog(settings.data_dir, settings.runtime.catalog, settings.runtime.registry, clock=clock)
    ground.stack.callback(kept.close)
    ground.workers.start(kept.tasks.run, "model pulls")
    options = settings.runtime
    planner = Planner(settings=options, budget_bytes=budget_bytes(options), processors=processors())
    scheduler = _scheduler(ground, kept.catalog, planner) if options.enabled else None
    return RuntimeParts(
        models=scheduler or IdleModels(),
        library=kept.library(audit),
        memory=PlannedMemory(planner),
        upstreams=None
        if scheduler is None
        else LocalUpstreamFactory(scheduler, kept.catalog, settings.gateway.http_limits()),
    )


def _scheduler(ground: Ground, catalog: Catalog, planner: Planner) -> ModelScheduler:
    settings, clock = ground.settings.runtime, ground.clock
    engine = ProcessEngine.open(settings)
    ground.stack.callback(engine.close)
    scheduler = ModelScheduler(
        settings=settings,
        catalog=catalog,
        engine=engine,
        planner=planner,
        gpus=GpuBudget(probe=open_gpus(), settings=settings, clock=clock, can_offload=engine.can_offload),
        clock=clock,
    )
    ground.workers.start(scheduler.run, "local models")
    ground.metrics.watch(
        "alcove_runtime_memory_bytes", "Memory that loaded local models take", lambda: scheduler.memory().taken_bytes
    )
    ground.metrics.watch(
        "alcove_runtime_queued",
        "Requests that wait for a local model",
        lambda: sum(each.queued for each in scheduler.running()),
    )
    return scheduler
