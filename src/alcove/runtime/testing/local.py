"""Loaded models that are not: they say they are loaded, and run nothing."""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import anyio

from alcove.kernel.errors import AlcoveError
from alcove.runtime.models import Lease, LeaseRequest, MemoryUse, RunningModel
from alcove.runtime.ports import Catalog

_KEEP_ALIVE_S = 300.0


@dataclass(slots=True)
class FakeLocalModels:
    """Implements the port `ManagedModels` without an engine.

    Attributes:
        catalog: Where models are looked up.
        states: What each model is doing, by its name; tests may set it.
        budget_bytes: What they may take together.
        failure: What loading a model comes to, in place of a lease.
    """

    catalog: Catalog
    states: dict[str, RunningModel] = field(default_factory=dict)
    budget_bytes: int = 1 << 30
    failure: AlcoveError | None = None
    _changed: anyio.Event = field(default_factory=anyio.Event)

    @contextlib.asynccontextmanager
    async def lease(self, request: LeaseRequest) -> AsyncIterator[Lease]:
        """Loads a model at once, as far as anybody can tell.

        Raises:
            ModelNotFound: When there is no such model.
            AlcoveError: When it was told to.
        """
        model = await self.catalog.get(request.model)
        if self.failure is not None:
            raise self.failure
        before = self.states.get(model.name)
        num_ctx = request.options.num_ctx or min(4096, model.shape.context_length)
        kept_s = _KEEP_ALIVE_S if request.keep_alive_s is None else request.keep_alive_s
        state = RunningModel(
            model=model.name,
            digest=model.digest,
            state="loaded",
            size_bytes=model.size_bytes,
            num_ctx=num_ctx,
            active=1,
            keep_alive_s=kept_s,
            is_pinned=before is not None and before.is_pinned,
        )
        self.set(state)
        try:
            yield Lease(model=model, socket=Path("/nowhere.sock"), num_ctx=num_ctx)
        finally:
            self.set(replace(state, active=0))
            if not kept_s:
                await self.unload(model.name)

    def running(self) -> Sequence[RunningModel]:
        """Gives what was loaded."""
        return tuple(self.states.values())

    async def unload(self, model: str) -> None:
        """Forgets a model."""
        found = self.states.pop(model, None)
        if found is not None:
            self._wake()

    async def expire(self, model: str) -> None:
        """Forgets a model that nobody uses and that is not pinned."""
        found = self.states.get(model)
        if found is not None and not found.active and not found.is_pinned:
            await self.unload(model)

    async def pin(self, model: str, *, is_pinned: bool) -> None:
        """Pins a model, or lets it go.

        Raises:
            ModelNotFound: When there is no such model.
        """
        found = await self.catalog.get(model)
        unloaded = RunningModel(model=found.name, digest=found.digest, state="unloaded")
        self.set(replace(self.states.get(found.name, unloaded), is_pinned=is_pinned))

    def memory(self) -> MemoryUse:
        """Gives what was said of the loaded ones."""
        return MemoryUse(
            budget_bytes=self.budget_bytes, taken_bytes=sum(each.size_bytes for each in self.states.values())
        )

    def set(self, state: RunningModel) -> None:
        """Sets what a model is doing."""
        self.states[state.model] = state
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

    async def watch(self) -> AsyncGenerator[RunningModel, None]:
        """Gives every change."""
        told: dict[str, RunningModel] = {}
        while True:
            changed = self._changed
            for name, state in list(self.states.items()):
                if told.get(name) != state:
                    told[name] = state
                    yield state
            for name in [name for name in told if name not in self.states]:
                yield replace(told.pop(name), state="unloaded", active=0)
            await changed.wait()
