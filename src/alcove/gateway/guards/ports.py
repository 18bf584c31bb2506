"""What guardrails need of others."""

from collections.abc import Sequence
from typing import Protocol

from alcove.gateway.guards.models import Guardrail


class GuardStore(Protocol):
    """Keeps the guardrails that admins added."""

    async def list(self) -> Sequence[Guardrail]:
        """Gives all, oldest first."""
        ...

    async def add(self, guard: Guardrail) -> None:
        """Adds one.

        Raises:
            AlreadyExists: When the name is taken.
        """
        ...

    async def update(self, guard: Guardrail) -> None:
        """Replaces one.

        Raises:
            AlreadyExists: When the name is taken.
            NotFound: When it is gone.
        """
        ...

    async def delete(self, guard_id: str) -> bool:
        """Deletes one; False when there was none."""
        ...


class GuardPolicies(Protocol):
    """Knows which guardrails models have."""

    def of(self, model_id: str) -> tuple[str, ...]:
        """Gives the names of a model's guardrails. Quick: it is asked for every request."""
        ...


class ModelNames(Protocol):
    """Knows the names of models."""

    def of(self, model_id: str) -> tuple[str, ...]:
        """Gives every name of a model and of those that may answer for it; none where it is not known. Quick, likewise."""
        ...
