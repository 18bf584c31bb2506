"""What people and pages do with local models by hand: see what runs, load, unload, pin."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

from alcove.runtime.models import LeaseRequest, LoadOptions, MemoryUse, RunningModel
from alcove.runtime.ports import ManagedModels


@dataclass(frozen=True, slots=True)
class RuntimeService:
    """Loads and unloads local models for people.

    Attributes:
        models: The loaded models.
    """

    models: ManagedModels

    def running(self) -> Sequence[RunningModel]:
        """Gives every model that is loaded, loading, waited for, or failed."""
        return self.models.running()

    def memory(self) -> MemoryUse:
        """Gives what models take of what they may take together."""
        return self.models.memory()

    def watch(self) -> AsyncGenerator[RunningModel, None]:
        """Gives every model's state now, and then every change."""
        return self.models.watch()

    async def load(
        self,
        model: str,
        *,
        user_id: str = "",
        options: LoadOptions = LoadOptions(),  # noqa: B008  frozen
        keep_alive_s: float | None = None,
    ) -> None:
        """Loads a model, and returns when it can be asked.

        Raises:
            ModelNotFound: When there is no such model.
            Overloaded: When too many wait for it.
            NotEnoughMemory: When it does not fit.
            ModelFailed: When its process did not start.
        """
        wanted = LeaseRequest(model=model, user_id=user_id, options=options, keep_alive_s=keep_alive_s)
        async with self.models.lease(wanted):
            pass

    async def unload(self, model: str) -> None:
        """Unloads a model: at once when it is idle, else after its requests.

        Raises:
            ModelNotFound: When there is no such model.
        """
        await self.models.unload(model)

    async def pin(self, model: str) -> None:
        """Makes a model stay once it is loaded, until it is unloaded or unpinned by hand; until the server ends.

        Raises:
            ModelNotFound: When there is no such model.
        """
        await self.models.pin(model, is_pinned=True)

    async def unpin(self, model: str) -> None:
        """Lets a model be unloaded again.

        Raises:
            ModelNotFound: When there is no such model.
        """
        await self.models.pin(model, is_pinned=False)
