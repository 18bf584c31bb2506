"""The model groups in use: those of the settings, and those admins added."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from alcove.gateway.models import GatewaySettings
from alcove.gateway.routing.models import GroupSource, ModelGroup
from alcove.gateway.routing.ports import ModelGroupStore
from alcove.kernel.clock import Clock

log = structlog.get_logger(__name__)


@dataclass(slots=True, kw_only=True)
class GroupDirectory:
    """Knows the model groups.

    Attributes:
        settings: The gateway's settings.
        store: The groups admins added.
        clock: The time.
        version: Grows with every change.
    """

    settings: GatewaySettings
    store: ModelGroupStore
    clock: Clock
    version: int = 0
    _groups: tuple[ModelGroup, ...] = ()
    _by_name: Mapping[str, ModelGroup] = field(default_factory=dict)
    _started_at: datetime = field(init=False)

    def __post_init__(self) -> None:
        """Notes the time, as that from which the groups of the settings are there."""
        self._started_at = self.clock.now()

    async def load(self) -> None:
        """Reads the groups anew. Takes effect at once; of two with the same name, the first has it."""
        groups = [*self.of_settings(), *await self.store.list()]
        by_name: dict[str, ModelGroup] = {}
        for each in groups:
            for name in each.names if each.is_enabled else ():
                by_name.setdefault(name, each)
        self._groups = tuple(each for each in groups if by_name.get(each.model) is each)
        self._by_name = by_name
        self.version += 1
        for name in cycle_in(self._groups):
            log.warning("fallbacks_lead_back", model=name)  # each model is asked once all the same

    def list(self) -> Sequence[ModelGroup]:
        """Gives the groups in use."""
        return self._groups

    def find(self, model_id: str) -> ModelGroup | None:
        """Gives the group with this id or alias."""
        return self._by_name.get(model_id)

    def of_settings(self) -> Sequence[ModelGroup]:
        """Gives the groups of the settings."""
        return [
            ModelGroup(
                id=f"settings:{each.id}",
                model=each.id,
                options=each.options(),
                source=GroupSource.SETTINGS,
                created_at=self._started_at,
                updated_at=self._started_at,
            )
            for each in self.settings.model_groups
        ]


def cycle_in(groups: Iterable[ModelGroup]) -> tuple[str, ...]:
    """Gives the models whose fallbacks lead back to them, in order; empty when there are none."""
    groups = tuple(groups)
    by_name = {name: each.model for each in groups for name in each.names}
    edges = {each.model: [by_name[name] for name in each.options.fallbacks.all() if name in by_name] for each in groups}
    done: set[str] = set()
    path: list[str] = []

    def walk(model: str) -> tuple[str, ...]:
        if model in path:
            return (*path[path.index(model) :], model)
        if model in done:
            return ()
        path.append(model)
        for each in edges[model]:
            found = walk(each)
            if found:
                return found
        path.pop()
        done.add(model)
        return ()

    for model in edges:
        found = walk(model)
        if found:
            return found
    return ()
