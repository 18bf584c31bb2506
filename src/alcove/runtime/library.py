"""The changes to the models of this machine, each with who made it in the audit trail.

What is asked for is recorded before it is done: a line of something that then fails does no harm, a change without one does.
"""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass
from functools import partial

from alcove.kernel.principal import Principal
from alcove.runtime.catalog.catalog import DiskCatalog
from alcove.runtime.catalog.creating import Creator, Recipe
from alcove.runtime.catalog.ports import Audit, Origin
from alcove.runtime.catalog.progress import Progress
from alcove.runtime.catalog.receiving import Receiver
from alcove.runtime.registry.origins import Origins
from alcove.runtime.registry.plain import shown
from alcove.runtime.registry.pulling import Puller
from alcove.runtime.registry.pushing import Pusher
from alcove.runtime.transfers import Transfer, Transfers


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """A model to be pulled or pushed.

    Attributes:
        reference: Its name, or where it is.
        is_insecure: Whether http will do.
        name: What it is to be called here; empty for its own name.
    """

    reference: str
    is_insecure: bool = False
    name: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Asking:
    """Who changes something, and from where."""

    who: Principal
    origin: Origin


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelLibrary:
    """Changes the models of this machine.

    Attributes:
        catalog: The models.
        origins: Where models come from.
        puller: Pulls them.
        pusher: Pushes them.
        creator: Makes new ones.
        receiver: Takes in files for these.
        transfers: The pulls under way.
        audit: Who did what.
    """

    catalog: DiskCatalog
    origins: Origins
    puller: Puller
    pusher: Pusher
    creator: Creator
    receiver: Receiver
    transfers: Transfers
    audit: Audit

    async def start_pull(self, wanted: Wanted, asking: Asking, *, is_kept: bool) -> Transfer:
        """Begins a pull, or gives the one of the same model under the same name that is under way.

        Args:
            wanted: What is to be pulled.
            asking: Who asks.
            is_kept: Whether it goes on when nobody watches.

        Raises:
            AlcoveError: When it may not be pulled from there, or cannot be begun.
        """
        self.origins.of(
            wanted.reference, is_insecure=wanted.is_insecure
        )  # refused at once, and not in a pull that is only watched
        await self.audit.record(asking.who, "local_model.pull", shown(wanted.reference), asking.origin)
        lines = partial(self.puller.pull, wanted.reference, is_insecure=wanted.is_insecure, name=wanted.name)
        return await self.transfers.start(
            shown(wanted.reference), lines, key=wanted, by=asking.who.user_id, is_kept=is_kept
        )

    async def pull(self, wanted: Wanted, asking: Asking) -> AsyncGenerator[Progress, None]:
        """Pulls a model for somebody who waits for it; ends when they leave.

        Raises:
            AlcoveError: When it cannot be pulled.
        """
        transfer = await self.start_pull(wanted, asking, is_kept=False)
        async with contextlib.aclosing(transfer.follow()) as lines:
            async for line in lines:
                yield line

    async def push(self, wanted: Wanted, asking: Asking) -> AsyncGenerator[Progress, None]:
        """Pushes a model to the registry that its name says.

        Raises:
            AlcoveError: When it cannot be pushed.
        """
        await self.audit.record(asking.who, "local_model.push", shown(wanted.reference), asking.origin)
        async with contextlib.aclosing(self.pusher.push(wanted.reference, is_insecure=wanted.is_insecure)) as lines:
            async for line in lines:
                yield line

    async def create(self, recipe: Recipe, asking: Asking) -> AsyncGenerator[Progress, None]:
        """Makes a model.

        Raises:
            AlcoveError: When it cannot be made.
        """
        await self.audit.record(asking.who, "local_model.create", recipe.name, asking.origin)
        async with contextlib.aclosing(self.creator.create(recipe)) as lines:
            async for line in lines:
                yield line

    async def copy(self, source: str, destination: str, asking: Asking) -> None:
        """Gives a model a second name.

        Raises:
            AlcoveError: When that cannot be done.
        """
        await self.audit.record(asking.who, "local_model.copy", f"{source} {destination}", asking.origin)
        await self.catalog.copy(source, destination)

    async def delete(self, name: str, asking: Asking) -> None:
        """Deletes a model.

        Raises:
            AlcoveError: When that cannot be done.
        """
        await self.audit.record(asking.who, "local_model.delete", name, asking.origin)
        await self.catalog.delete(name)

    async def receive(self, digest: str, pieces: AsyncIterator[bytes], length: int | None) -> bool:
        """Takes a file in for a model that is to be made of it; gives whether it is new.

        Raises:
            AlcoveError: When it is not what its digest says, or too large.
        """
        return await self.receiver.receive(digest, pieces, length)

    def pulls(self) -> Sequence[Transfer]:
        """Gives the pulls under way and those that ended lately, the latest first."""
        return self.transfers.list()
