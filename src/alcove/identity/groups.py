"""Groups: people who share an account. Admins make them, say who is in them, and what they may use of models."""

from dataclasses import dataclass

from alcove.identity.audit import AuditService
from alcove.identity.cache import CredentialCache
from alcove.identity.limits import NO_LIMITS, Limits
from alcove.identity.models import Action, Actor, Group, GroupChange, User
from alcove.identity.ports import GroupStore
from alcove.kernel.clock import Clock
from alcove.kernel.errors import NotFound
from alcove.kernel.ids import is_id, new_id
from alcove.kernel.pages import Page, PageRequest


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupService:
    """Looks after groups. Every change counts at once for the keys that are charged to them.

    Attributes:
        store: Keeps them.
        audit: The audit table.
        cache: Forgets what it knows of their keys.
        clock: The time.
    """

    store: GroupStore
    audit: AuditService
    cache: CredentialCache
    clock: Clock

    async def get(self, group_id: str) -> Group:
        """Gives a group.

        Raises:
            NotFound: When there is none.
        """
        group = await self.store.get(group_id) if is_id(group_id) else None
        if group is None:
            raise NotFound("There is no such group.")
        return group

    async def by_name(self, name: str) -> Group:
        """Gives the group of a name.

        Raises:
            NotFound: When there is none.
        """
        group = await self.store.by_name(name)
        if group is None:
            raise NotFound(f"There is no group named {name!r}.")
        return group

    async def page(self, page: PageRequest) -> Page[Group]:
        """Gives groups, the newest first."""
        return await self.store.page(page)

    async def of_user(self, user_id: str) -> list[Group]:
        """Gives the groups a person is in, by name."""
        return await self.store.of_user(user_id)

    async def create(self, name: str, actor: Actor, *, limits: Limits = NO_LIMITS) -> Group:
        """Makes a group with nobody in it.

        Raises:
            AlreadyExists: When the name is taken.
        """
        group = Group(id=new_id(), name=name, created_at=self.clock.now(), limits=limits)
        await self.store.add(group)
        await self.audit.record(actor, Action.GROUP_CREATE, f"group:{group.id}")
        return group

    async def update(self, group_id: str, change: GroupChange, actor: Actor) -> Group:
        """Changes a group.

        Raises:
            NotFound: When there is none.
            AlreadyExists: When the name is taken.
        """
        group = await self.store.change(group_id, change) if is_id(group_id) else None
        if group is None:
            raise NotFound("There is no such group.")
        await self._changed(actor, Action.GROUP_UPDATE, f"group:{group_id} {_changed(change)}".strip())
        return group

    async def delete(self, group_id: str, actor: Actor) -> None:
        """Deletes a group; the keys that are charged to it are revoked, so that nobody else pays for them.

        Raises:
            NotFound: When there is none.
        """
        if not is_id(group_id) or not await self.store.delete(group_id, self.clock.now()):
            raise NotFound("There is no such group.")
        await self._changed(actor, Action.GROUP_DELETE, f"group:{group_id}")

    async def members(self, group_id: str, page: PageRequest) -> Page[User]:
        """Gives who is in a group.

        Raises:
            NotFound: When there is no such group.
        """
        await self.get(group_id)
        return await self.store.members(group_id, page)

    async def join(self, group_id: str, user_id: str, actor: Actor) -> None:
        """Puts a person into a group. Doing so twice is no error.

        Raises:
            NotFound: When there is no such group or person.
        """
        if not (is_id(group_id) and is_id(user_id)) or not await self.store.join(group_id, user_id):
            raise NotFound("There is no such group, or no such person.")
        await self._changed(actor, Action.GROUP_JOIN, f"group:{group_id} user:{user_id}")

    async def leave(self, group_id: str, user_id: str, actor: Actor) -> None:
        """Takes a person out of a group; their keys that are charged to it are good for nothing from then on.

        Raises:
            NotFound: When they are not in it.
        """
        if not (is_id(group_id) and is_id(user_id)) or not await self.store.leave(group_id, user_id):
            raise NotFound("There is no such group, or this person is not in it.")
        await self._changed(actor, Action.GROUP_LEAVE, f"group:{group_id} user:{user_id}")

    async def _changed(self, actor: Actor, action: Action, object_: str) -> None:
        self.cache.forget_all()
        await self.audit.record(actor, action, object_)


def _changed(change: GroupChange) -> str:
    parts = {"name": change.name, "limits": change.limits}
    return ",".join(name for name, value in parts.items() if value is not None)
