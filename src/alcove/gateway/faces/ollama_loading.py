"""Loading and unloading models of deployments whose servers do that when told: local models, and other machines' Ollama."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from alcove.gateway.faces.token_count import Targets
from alcove.kernel.chat import JsonValue
from alcove.kernel.principal import Principal


@runtime_checkable
class LoadsModels(Protocol):
    """A deployment whose models can be loaded and unloaded."""

    async def load(
        self, upstream_id: str, who: Principal, *, options: Mapping[str, JsonValue], keep_alive: JsonValue
    ) -> None:
        """Loads one of its models; as `ModelLoading.load`, by the model's id there."""
        ...

    async def unload(self, upstream_id: str, who: Principal) -> None:
        """Unloads one of its models, as far as this person may."""
        ...


@dataclass(frozen=True, slots=True)
class DeploymentLoading:
    """Loads the models of deployments. A model group is nobody's in particular, and taken for ready.

    Attributes:
        targets: Says who has a model.
    """

    targets: Targets

    async def load(
        self, model_id: str, who: Principal, *, options: Mapping[str, JsonValue], keep_alive: JsonValue
    ) -> bool:
        """Loads a model, and returns when it can be asked; False for one whose deployment cannot be told to.

        Raises:
            AlcoveError: When it cannot be loaded.
        """
        target = await self.targets.target(model_id)
        if target is None or not isinstance(target.upstream, LoadsModels):
            return False
        await target.upstream.load(target.upstream_id, who, options=options, keep_alive=keep_alive)
        return True

    async def unload(self, model_id: str, who: Principal) -> bool:
        """Unloads a model, as far as this person may; False for one whose deployment cannot be told to.

        Raises:
            AlcoveError: When its server cannot be reached.
        """
        target = await self.targets.target(model_id)
        if target is None or not isinstance(target.upstream, LoadsModels):
            return False
        await target.upstream.unload(target.upstream_id, who)
        return True
