"""Local models where they are switched off: they are on the disk, and none is ever loaded."""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass

import anyio

from alcove.kernel.errors import Unavailable
from alcove.runtime.models import Lease, LeaseRequest, MemoryUse, RunningModel

_OFF = "Local models are switched off here (`runtime.enabled`); ask a model of another server."


@dataclass(frozen=True, slots=True)
class IdleModels:
    """Implements `ManagedModels` by refusing."""

    @contextlib.asynccontextmanager
    async def lease(self, request: LeaseRequest) -> AsyncIterator[Lease]:  # noqa: ARG002  the port's signature
        """Lends nothing.

        Raises:
            Unavailable: Always.
        """
        raise Unavailable(_OFF)
        yield  # what makes it a generator

    def running(self) -> Sequence[RunningModel]:
        """Gives nothing."""
        return ()

    def memory(self) -> MemoryUse:
        """Gives none."""
        return MemoryUse(budget_bytes=0, taken_bytes=0)

    async def watch(self) -> AsyncGenerator[RunningModel, None]:
        """Gives no change, ever."""
        await anyio.sleep_forever()
        yield  # type: ignore[unreachable]  # what makes it a generator

    async def unload(self, model: str) -> None:
        """Does nothing: no model is loaded."""

    async def pin(self, model: str, *, is_pinned: bool) -> None:  # noqa: ARG002  the port's signature
        """Pins nothing.

        Raises:
            Unavailable: Always.
        """
        raise Unavailable(_OFF)
