"""What the runtime's parts need of each other, and what the gateway needs of them."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

from alcove.kernel.principal import Principal
from alcove.runtime.models import InstalledModel, Lease, LeaseRequest, MemoryUse, RunnerPlan, RunningModel


class Catalog(Protocol):
    """The models on this machine's disk."""

    async def list(self) -> Sequence[InstalledModel]:
        """Lists them, the one changed last first. One that cannot be read is left out, and logged once."""
        ...

    async def get(self, name: str) -> InstalledModel:
        """Gives the model of that name, in any spelling.

        Raises:
            ModelNotFound: When there is none.
            BadModelFile: When its file is not what it should be.
        """
        ...

    async def verify(self, model: InstalledModel) -> None:
        """Checks the digest of a model's files; a file that was checked and has not changed since is not read again.

        Raises:
            BadModelFile: When a file is not the one its manifest names.
        """
        ...


class LocalModels(Protocol):
    """Loaded models, lent for one request at a time."""

    def lease(self, request: LeaseRequest) -> AbstractAsyncContextManager[Lease]:
        """Waits for a turn and for the model to be loaded; the turn ends with the block.

        Raises:
            ModelNotFound: When there is no such model.
            Overloaded: When too many wait already (503, with `Retry-After` and the place in the queue).
            NotEnoughMemory: When it can never fit.
            ModelFailed: When its process did not start; with the last lines of its stderr.
        """
        ...

    def running(self) -> Sequence[RunningModel]:
        """Gives every model that is loaded, loading or failed, and what it is doing."""
        ...

    async def unload(self, model: str) -> None:
        """Unloads a model once its requests have ended, also a pinned one; nothing happens to one that is not loaded."""
        ...

    async def expire(self, model: str) -> None:
        """Unloads a model once nobody uses it or waits for it; nothing happens to one that is pinned or not loaded."""
        ...

    def watch(self) -> AsyncGenerator[RunningModel, None]:
        """Gives every change of a model's state as it happens; for pages."""
        ...


class ManagedModels(LocalModels, Protocol):
    """Loaded models, and what people do with them by hand."""

    async def pin(self, model: str, *, is_pinned: bool) -> None:
        """Pins a model, loaded or not, or lets it go.

        Raises:
            ModelNotFound: When there is no such model.
        """
        ...

    def memory(self) -> MemoryUse:
        """Gives what models take of what they may take together."""
        ...


class Runner(Protocol):
    """A model that runs, in a process of its own."""

    @property
    def socket(self) -> Path:
        """The unix socket of its server."""
        ...

    @property
    def pid(self) -> int:
        """Its process."""
        ...

    @property
    def stderr(self) -> Sequence[str]:
        """The last lines it wrote."""
        ...

    def memory_bytes(self) -> int:
        """Gives the memory it takes; 0 where that cannot be told."""
        ...

    def cpu_s(self) -> float:
        """Gives the processor's seconds it has used; 0 where that cannot be told."""
        ...

    async def wait(self) -> str:
        """Waits for its end; gives how it came, in words."""
        ...

    async def stop(self) -> None:
        """Ends it: asks, and after a while kills it. Returns when it is gone."""
        ...


class Engine(Protocol):
    """Runs models."""

    async def start(self, plan: RunnerPlan) -> Runner:
        """Starts a model; returns when it can be asked. Being cancelled ends it.

        Raises:
            BadModelFile: When its file would not do.
            ModelFailed: When it did not start; with its last lines.
        """
        ...


class ModelAccess(Protocol):
    """Knows who may use which model; the room above does."""

    def may_use(self, who: Principal, model: str) -> bool:
        """Tells whether somebody may use the model of that name on this machine's disk."""
        ...


class OpenAccess:
    """Lets everybody use every model; for tests and demonstrations."""

    def may_use(self, who: Principal, model: str) -> bool:  # noqa: ARG002  the port's signature
        """Tells that they may."""
        return True
