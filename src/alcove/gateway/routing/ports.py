"""What routing needs of others."""

from collections.abc import Sequence
from typing import Protocol

from alcove.gateway.routing.models import ModelGroup


class ModelGroupStore(Protocol):
    """Keeps the model groups that admins added."""

    async def list(self) -> Sequence[ModelGroup]:
        """Gives all, oldest first."""
        ...

    async def add(self, group: ModelGroup) -> None:
        """Adds one.

        Raises:
            AlreadyExists: When the model's id is taken.
        """
        ...

    async def update(self, group: ModelGroup) -> None:
        """Replaces one.

        Raises:
            AlreadyExists: When the model's id is taken.
            NotFound: When it is gone.
        """
        ...

    async def delete(self, group_id: str) -> bool:
        """Deletes one; False when there was none."""
        ...
