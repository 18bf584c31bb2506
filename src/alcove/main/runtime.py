"""Builds what runs local models."""

from dataclasses import dataclass

from alcove.gateway.adapters.local import LocalUpstreamFactory
from alcove.main.ground import Ground
from alcove.runtime.adapters.nvml import open_gpus
from alcove.runtime.engine.process import ProcessEngine
from alcove.runtime.gpu import GpuBudget
from alcove.runtime.machine import budget_bytes, processors
from alcove.runtime.ports import Catalog
from alcove.runtime.scheduler.planning import Planner
from alcove.runtime.scheduler.service import ModelScheduler
from alcove.runtime.service import RuntimeService


@dataclass(frozen=True, kw_only=True, slots=True)
class RuntimeParts:
    """What runs local models.

    Attributes:
        scheduler: Lends them.
        service: What people do with them by hand.
        upstreams: Opens them as the deployment `local`.
    """

    scheduler: ModelScheduler
    service: RuntimeService
    upstreams: LocalUpstreamFactory


def open_runtime(ground: Ground, catalog: Catalog) -> RuntimeParts | None:
    """Starts the scheduler over the models of a catalogue; None where local models are switched off.

    Its worker is cancelled with the others when the house closes, after running answers had their time; it ends every process.
    """
    settings, clock = ground.settings.runtime, ground.clock
    if not settings.enabled:
        return None
    engine = ProcessEngine.open(settings)
    ground.stack.callback(engine.close)
    scheduler = ModelScheduler(
        settings=settings,
        catalog=catalog,
        engine=engine,
        planner=Planner(settings=settings, budget_bytes=budget_bytes(settings), processors=processors()),
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
    return RuntimeParts(
        scheduler=scheduler,
        service=RuntimeService(scheduler),
        upstreams=LocalUpstreamFactory(scheduler, catalog, ground.settings.gateway.http_limits()),
    )
