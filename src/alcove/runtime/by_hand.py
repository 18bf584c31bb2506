"""What admins do with loaded models by hand, each with who did it in the audit trail."""

from dataclasses import dataclass

from alcove.runtime.catalog.ports import Audit
from alcove.runtime.library import Asking
from alcove.runtime.models import RunningModel
from alcove.runtime.service import RuntimeService


@dataclass(frozen=True, slots=True)
class ModelsByHand:
    """Loads, unloads and pins models for admins.

    Attributes:
        service: Does it.
        audit: Who did what.
    """

    service: RuntimeService
    audit: Audit

    async def load(self, model: str, asking: Asking) -> RunningModel:
        """Loads a model, waits until it can be asked, and gives how it runs.

        Raises:
            AlcoveError: When it cannot be loaded.
        """
        await self.audit.record(asking.who, "local_model.load", model, asking.origin)
        await self.service.load(model, user_id=asking.who.user_id)
        unloaded = RunningModel(model=model, digest="", state="unloaded")  # by somebody else, in this moment
        return next((each for each in self.service.running() if each.model == model), unloaded)

    async def unload(self, model: str, asking: Asking) -> None:
        """Unloads a model: at once when it is idle, else after its requests.

        Raises:
            AlcoveError: When there is no such model.
        """
        await self.service.unload(model)
        await self.audit.record(asking.who, "local_model.unload", model, asking.origin)

    async def pin(self, model: str, asking: Asking) -> None:
        """Makes a model stay once it is loaded.

        Raises:
            AlcoveError: When there is no such model.
        """
        await self.service.pin(model)
        await self.audit.record(asking.who, "local_model.pin", model, asking.origin)

    async def unpin(self, model: str, asking: Asking) -> None:
        """Lets a model be unloaded again.

        Raises:
            AlcoveError: When there is no such model.
        """
        await self.service.unpin(model)
        await self.audit.record(asking.who, "local_model.unpin", model, asking.origin)
