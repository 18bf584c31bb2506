"""Local models where they are switched off: they are on the disk, and none is ever loaded."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

import anyio

from alcove.kernel.errors import Unavailable
from alcove.runtime.models import Lease, LeaseRequest, MemoryUse, RunningModel

_LONG_S = 3600.0
_OFF = "Local models are switched off here (`runtime.enabled`); ask a model of another server."


@dataclass(frozen=True, slots=True)
class IdleModels:
    """Implements `ManagedModels` by refusing."""

    def lease(self, request: LeaseRequest) -> AbstractAsyncContextManager[Lease]:  # noqa: ARG002  the port's signature
        """Lends nothing.

        Raises:
            Unavailable: Always.
        """
        raise Unavailable(_OFF)

    def running(self) -> Sequence[RunningModel]:
        """Gives nothing."""
        return ()

    def memory(self) -> MemoryUse:
        """Gives none."""
        return MemoryUse(budget_bytes=0, taken_bytes=0)

    async def watch(self) -> AsyncGenerator[RunningModel, None]:
        """Gives no change, ever."""
        while True:
            await anyio.sleep(_LONG_S)
            for each in self.running():
                yield each

    async def unload(self, model: str) -> None:
        """Does nothing: no model is loaded."""

    async def expire(self, model: str) -> None:
        """Does nothing: no model is loaded."""

    async def pin(self, model: str, *, is_pinned: bool) -> None:  # noqa: ARG002  the port's signature
        """Pins nothing.

        Raises:
            Unavailable: Always.
        """
        raise Unavailable(_OFF)
