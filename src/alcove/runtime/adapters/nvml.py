"""NVIDIA's cards, by NVML (the extra `gpu`). What cannot be asked is not there."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from alcove.runtime.gpu import Gpu, GpuProbe, NoGpus

log = structlog.get_logger(__name__)


class Memory(Protocol):
    """What NVML says of a card's memory, in bytes."""

    total: int
    free: int


class Nvml(Protocol):
    """The part of `pynvml` that is used."""

    def nvmlInit(self) -> None:  # noqa: N802  the library's names
        """Begins."""
        ...

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        """Gives how many cards there are."""
        ...

    def nvmlDeviceGetHandleByIndex(self, index: int) -> object:  # noqa: N802
        """Gives a card."""
        ...

    def nvmlDeviceGetName(self, handle: object) -> str | bytes:  # noqa: N802
        """Gives a card's name."""
        ...

    def nvmlDeviceGetMemoryInfo(self, handle: object) -> Memory:  # noqa: N802
        """Gives a card's memory."""
        ...


@dataclass(frozen=True, slots=True)
class NvmlGpus:
    """Asks NVML, each time anew.

    Attributes:
        nvml: The library.
    """

    nvml: Nvml

    def gpus(self) -> Sequence[Gpu]:
        """Gives the cards as they are now; none when they cannot be asked."""
        try:
            return [self._gpu(index) for index in range(self.nvml.nvmlDeviceGetCount())]
        except Exception as error:  # noqa: BLE001  the library's errors have no common base but this
            log.warning("gpus_not_asked", reason=f"{type(error).__name__}: {error}")
            return ()

    def _gpu(self, index: int) -> Gpu:
        handle = self.nvml.nvmlDeviceGetHandleByIndex(index)
        name = self.nvml.nvmlDeviceGetName(handle)
        memory = self.nvml.nvmlDeviceGetMemoryInfo(handle)
        return Gpu(
            index=index,
            name=name.decode("utf-8", "replace") if isinstance(name, bytes) else name,
            total_bytes=int(memory.total),
            free_bytes=int(memory.free),
        )


def open_gpus() -> GpuProbe:
    """Gives what knows this machine's cards; nothing where the extra is not installed or there is no driver."""
    try:
        import pynvml  # noqa: PLC0415  an optional dependency
    except ImportError:
        return NoGpus()
    return opened(pynvml)


def opened(nvml: Nvml) -> GpuProbe:
    """Gives what asks a library, once that has begun; nothing where it cannot."""
    try:
        nvml.nvmlInit()
    except Exception as error:  # noqa: BLE001  as above: no driver, no card, no permission
        log.info("no_gpu", reason=f"{type(error).__name__}: {error}")
        return NoGpus()
    return NvmlGpus(nvml)
