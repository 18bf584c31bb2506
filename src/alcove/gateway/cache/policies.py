"""Which models' answers are kept."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from alcove.gateway.cache.models import CacheRule
from alcove.gateway.cache.ports import CachePolicies
from alcove.gateway.calls import CachePolicy

_REMEMBERED = 4_096


@dataclass(frozen=True, slots=True)
class ConfiguredPolicies:
    """The policies of the settings; the first rule that fits counts."""

    rules: Sequence[CacheRule]
    _known: dict[str, CachePolicy | None] = field(default_factory=dict)

    def of(self, model_id: str) -> CachePolicy | None:
        """Gives a model's policy."""
        if not self.rules:
            return None
        if model_id not in self._known:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[model_id] = next((each for each in self.rules if _fits(each.models, model_id)), None)
        return self._known[model_id]


@dataclass(frozen=True, slots=True)
class FirstPolicies:
    """Asks several in turn: the first that has a policy counts."""

    parts: Sequence[CachePolicies]

    def of(self, model_id: str) -> CachePolicy | None:
        """Gives a model's policy."""
        for part in self.parts:
            policy = part.of(model_id)
            if policy is not None:
                return policy
        return None


def _fits(pattern: str, model_id: str) -> bool:
    return model_id.startswith(pattern[:-1]) if pattern.endswith("*") else model_id == pattern
