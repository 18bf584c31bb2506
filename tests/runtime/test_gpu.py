"""What goes to a GPU that others use too, with an NVML that is none."""

from dataclasses import dataclass, replace

import anyio

from alcove.kernel.clock import FakeClock
from alcove.runtime.adapters.nvml import NvmlGpus, opened
from alcove.runtime.gpu import GpuBudget, NoGpus
from alcove.runtime.models import ModelShape, RunnerPlan, RuntimeSettings
from alcove.runtime.testing.catalog import fake_model
from tests.runtime.houses import settled

GB = 1 << 30


@dataclass
class FakeMemory:
    total: int
    free: int


class FakeNvml:
    """One card, whose memory others take and give back."""

    def __init__(self, free_gb: float, *, is_broken: bool = False) -> None:
        self.free_gb, self.is_broken = free_gb, is_broken

    def nvmlInit(self) -> None:  # noqa: N802  the library's name
        if self.is_broken:
            raise OSError("no driver")

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802  the library's name
        if self.free_gb < 0:
            raise OSError("card fell off the bus")
        return 1

    def nvmlDeviceGetHandleByIndex(self, index: int) -> object:  # noqa: N802  the library's name
        return index

    def nvmlDeviceGetName(self, handle: object) -> bytes:  # noqa: N802  the library's name
        return b"Fake card"

    def nvmlDeviceGetMemoryInfo(self, handle: object) -> FakeMemory:  # noqa: N802  the library's name
        return FakeMemory(total=24 * GB, free=int(self.free_gb * GB))


def plan(layers: int = 9, gigabytes: int = 10, wanted: int = -1) -> RunnerPlan:
    """A model whose layers, the output's among them, take a gigabyte each."""
    shape = ModelShape(architecture="llama", layers=layers, weights_bytes=gigabytes * GB)
    return RunnerPlan(model=replace(fake_model("a"), shape=shape), gpu_wanted=wanted)


def budget(nvml: FakeNvml, clock: FakeClock, wait_s: float = 30) -> GpuBudget:
    return GpuBudget(probe=NvmlGpus(nvml), settings=RuntimeSettings(gpu_share=1, gpu_wait_s=wait_s), clock=clock)


async def test_model_goes_to_the_card_whole_where_it_fits() -> None:
    fitted = await budget(FakeNvml(12), FakeClock()).fitted(plan())
    assert (fitted.gpu_layers, fitted.vram_bytes, fitted.note) == (10, 10 * GB, "")


async def test_load_waits_for_others_to_give_memory_back() -> None:
    nvml, clock = FakeNvml(3), FakeClock()
    found: list[RunnerPlan] = []

    async def fit() -> None:
        found.append(await budget(nvml, clock).fitted(plan()))

    async with anyio.create_task_group() as group:
        group.start_soon(fit)
        await settled()
        assert not found
        nvml.free_gb = 11
    assert found[0].gpu_layers == 10


async def test_fewer_layers_go_there_when_others_keep_it() -> None:
    fitted = await budget(FakeNvml(4.5), FakeClock(), wait_s=0).fitted(plan())
    assert fitted.gpu_layers == 4
    assert fitted.vram_bytes == 4 * GB
    assert "4 of 10 layers" in fitted.note


async def test_layers_asked_for_are_not_exceeded() -> None:
    for wanted, there in ((0, 0), (3, 3), (99, 10)):
        assert (await budget(FakeNvml(20), FakeClock()).fitted(plan(wanted=wanted))).gpu_layers == there


async def test_share_is_left_to_others() -> None:
    settings = RuntimeSettings(gpu_share=0.5, gpu_wait_s=0)
    fitted = await GpuBudget(probe=NvmlGpus(FakeNvml(12)), settings=settings, clock=FakeClock()).fitted(plan())
    assert fitted.gpu_layers == 5


async def test_engine_without_gpu_is_asked_once_and_stays_on_processors() -> None:
    asked = 0

    async def cannot() -> bool:
        nonlocal asked
        asked += 1
        return False

    gpus = GpuBudget(probe=NvmlGpus(FakeNvml(20)), settings=RuntimeSettings(), clock=FakeClock(), can_offload=cannot)
    assert [(await gpus.fitted(plan())).gpu_layers for _ in range(2)] == [0, 0]
    assert asked == 1


async def test_card_that_cannot_be_asked_is_not_there() -> None:
    assert (await budget(FakeNvml(-1), FakeClock()).fitted(plan())).gpu_layers == 0
    assert isinstance(opened(FakeNvml(1, is_broken=True)), NoGpus)
    (card,) = opened(FakeNvml(1)).gpus()
    assert (card.name, card.free_bytes, card.total_bytes) == ("Fake card", GB, 24 * GB)
    assert (
        await GpuBudget(probe=NoGpus(), settings=RuntimeSettings(), clock=FakeClock()).fitted(plan())
    ).gpu_layers == 0
