"""Stand-ins of what guardrails need of others."""

from dataclasses import dataclass, field


@dataclass
class KnownNames:
    """Knows the names that it was told."""

    names: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def of(self, model_id: str) -> tuple[str, ...]:
        return self.names.get(model_id, ())
