"""Which guardrails there are, and which are on for a request: kept in memory, so that asking costs next to nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import anyio

from alcove.gateway.guards.checks import Guard
from alcove.gateway.guards.models import Guardrail, GuardSettings, GuardSource
from alcove.gateway.guards.ports import GuardPolicies, GuardStore, ModelNames
from alcove.kernel.clock import Clock
from alcove.kernel.errors import Unavailable
from alcove.kernel.principal import Principal


class GuardMissing(Unavailable):
    """A guardrail that must be on here is not there; tell an admin."""

    code = "guardrail_missing"
    title = "Guardrail not there"


@dataclass(frozen=True, slots=True)
class ConfiguredGuards:
    """The guardrails that the settings give to models.

    Attributes:
        models: Names of guardrails by the pattern of the models that they are for.
        names: Knows under which other names a model goes.
    """

    models: dict[str, tuple[str, ...]]
    names: ModelNames

    def of(self, model_id: str) -> tuple[str, ...]:
        """Gives the names of a model's guardrails: those of any of its names."""
        if not self.models:
            return ()
        ids = (model_id, *self.names.of(model_id))
        return tuple(
            name
            for pattern, guards in self.models.items()
            if any(_fits(pattern, each) for each in ids)
            for name in guards
        )


@dataclass(slots=True)
class GuardDirectory:
    """The guardrails in use.

    Attributes:
        settings: Those of the settings.
        store: Those that admins added.
        policies: Which are on for models, each asked.
        clock: The time.
    """

    settings: GuardSettings
    store: GuardStore
    policies: Sequence[GuardPolicies]
    clock: Clock
    _guards: dict[str, Guardrail] = field(default_factory=dict)
    _ready: dict[str, Guard] = field(default_factory=dict)
    _always: tuple[str, ...] = ()

    async def load(self) -> None:
        """Reads them anew; takes effect at once."""
        found = [*self.of_settings(), *await self.store.list()]
        guards: dict[str, Guardrail] = {}
        for each in found:
            guards.setdefault(each.name, each)
        self._ready = {name: Guard.of(each) for name, each in guards.items() if each.is_enabled}
        self._always = tuple(name for name, each in guards.items() if each.is_enabled and each.is_always_on)
        self._guards = guards

    async def run(self) -> None:
        """Sees what other processes change, for as long as the house is open."""
        while True:
            await anyio.sleep(self.settings.reload_s)
            await self.load()

    def of_settings(self) -> Sequence[Guardrail]:
        """Gives those of the settings."""
        now = self.clock.now()
        return [
            Guardrail(
                id=f"settings-{each.name}",
                name=each.name,
                rule=each.rule,
                is_always_on=each.is_always_on,
                source=GuardSource.SETTINGS,
                created_at=now,
                updated_at=now,
            )
            for each in self.settings.guardrails
        ]

    def is_any_on(self, who: Principal, *model_ids: str) -> bool:
        """Tells whether any guardrail is on; also where one is named that is not there."""
        if self._always:
            return True
        return any(self._is_on(name) for name in self._named(who, model_ids))

    def on(self, who: Principal, *model_ids: str) -> Sequence[Guard]:
        """Gives the guardrails that are on for somebody who asks a model, by any of its ids, each once.

        Raises:
            GuardMissing: When one is named that is not there: what it was to keep back must not go on.
        """
        names = dict.fromkeys((*self._always, *self._named(who, model_ids)))
        missing = [name for name in names if name not in self._guards]
        if missing:
            detail = f"The guardrail {missing[0]!r} must be on here, but is not there; tell an admin."
            raise GuardMissing(detail)
        return [self._ready[name] for name in names if name in self._ready]

    def _is_on(self, name: str) -> bool:
        return name in self._ready or name not in self._guards

    def _named(self, who: Principal, model_ids: Sequence[str]) -> list[str]:
        names = [name for allowance in who.allowances for name in allowance.guards]
        for policy in self.policies:
            for model_id in model_ids:
                names += policy.of(model_id)
        return names


def _fits(pattern: str, model_id: str) -> bool:
    return model_id.startswith(pattern[:-1]) if pattern.endswith("*") else model_id == pattern
