"""How much of a model goes to a GPU that others use too.

Other servers on the same card (an Ollama, a vLLM) take and give back memory when they like; a load that counts on memory they hold fails, or
makes them fail. So before each load the card is asked what is free *now*: a model that does not fit waits a while for others to
give memory back, and then goes there with fewer layers. Loads happen one at a time, so two of ours never count the same memory.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import anyio
import structlog

from alcove.kernel.clock import Clock
from alcove.runtime.models import RunnerPlan, RuntimeSettings

log = structlog.get_logger(__name__)

_LOOK_EVERY_S = 0.5
_RESERVE_BYTES = 256 << 20  # what a context takes on a card before it holds anything


@dataclass(frozen=True, kw_only=True, slots=True)
class Gpu:
    """A graphics card.

    Attributes:
        index: Its number.
        name: What it is called.
        total_bytes: Its memory.
        free_bytes: What nobody holds of it now.
    """

    index: int
    name: str
    total_bytes: int
    free_bytes: int


class GpuProbe(Protocol):
    """Knows the graphics cards of this machine."""

    def gpus(self) -> Sequence[Gpu]:
        """Gives them, as they are now; none where there are none or they cannot be asked."""
        ...


class NoGpus:
    """A machine without graphics cards, or an engine that cannot use them."""

    def gpus(self) -> Sequence[Gpu]:
        """Gives none."""
        return ()


async def _can() -> bool:
    return True


@dataclass(kw_only=True, slots=True)
class GpuBudget:
    """Fits models to what is free on a card.

    Attributes:
        probe: Knows the cards.
        settings: The room's settings.
        clock: The time.
        can_offload: Tells whether the engine can use a card at all; asked once, and only where there is one.
    """

    probe: GpuProbe
    settings: RuntimeSettings
    clock: Clock
    can_offload: Callable[[], Awaitable[bool]] = _can
    _is_usable: bool | None = None

    async def fitted(self, plan: RunnerPlan) -> RunnerPlan:
        """Gives the plan with as many layers on the card as fit, after waiting a while for all that are wanted.

        With the output's matrix, a model has one layer more than it has blocks.
        """
        most = plan.model.shape.layers + 1
        wanted = most if plan.gpu_wanted < 0 else min(plan.gpu_wanted, most)
        if wanted <= 0 or self._free_bytes(plan.main_gpu) is None or not await self._can_offload():
            return replace(plan, gpu_layers=0, vram_bytes=0)
        until_s = self.clock.monotonic_s() + self.settings.gpu_wait_s
        while True:
            layers = self._layers(plan, wanted)
            if layers >= wanted or self.clock.monotonic_s() >= until_s:
                break
            await anyio.sleep(_LOOK_EVERY_S)
        note = plan.note
        if layers < wanted:
            note = f"{layers} of {wanted} layers are on the GPU; others use its memory"
            log.info("gpu_shared", model=plan.model.name, layers=layers, wanted=wanted)
        return replace(plan, gpu_layers=layers, vram_bytes=layers * layer_bytes(plan), note=note)

    async def _can_offload(self) -> bool:
        if self._is_usable is None:
            self._is_usable = await self.can_offload()
            if not self._is_usable:
                log.warning("gpu_unused", reason="this build of the engine runs on processors only")
        return self._is_usable

    def _layers(self, plan: RunnerPlan, wanted: int) -> int:
        free = (self._free_bytes(plan.main_gpu) or 0) * self.settings.gpu_share - _RESERVE_BYTES
        return max(0, min(wanted, int(free // max(layer_bytes(plan), 1))))

    def _free_bytes(self, index: int) -> int | None:
        return next((each.free_bytes for each in self.probe.gpus() if each.index == index), None)


def layer_bytes(plan: RunnerPlan) -> int:
    """Gives about what one layer takes: its share of the weights, keys and values."""
    shape = plan.model.shape
    layers = max(shape.layers + 1, 1)
    return (shape.weights_bytes + shape.kv_bytes_per_token * plan.num_ctx * plan.slots) // layers
