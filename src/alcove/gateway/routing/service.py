"""Looks after the model groups, for admins. Every change takes effect at once."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import anyio

from alcove.gateway.directory import DeploymentDirectory
from alcove.gateway.models import Deployment
from alcove.gateway.ports import Audit, DeploymentStore, Origin
from alcove.gateway.routing.board import HealthBoard
from alcove.gateway.routing.groups import GroupDirectory, cycle_in
from alcove.gateway.routing.models import (
    DeploymentHealth,
    GroupSource,
    ModelGroup,
    ModelGroupCard,
    ModelGroupCreate,
    ModelGroupPatch,
)
from alcove.gateway.routing.ports import ModelGroupStore
from alcove.kernel.clock import Clock
from alcove.kernel.errors import AlreadyExists, Conflict, FieldError, InvalidRequest, NotFound
from alcove.kernel.ids import new_id
from alcove.kernel.principal import Principal

_NO_REQUEST = Origin()


@dataclass(frozen=True, slots=True)
class RoutingStanding:
    """What routing knows of deployments, for those who look after them.

    Attributes:
        board: How they do.
        groups: The model groups in use.
    """

    board: HealthBoard
    groups: GroupDirectory

    def health(self, deployment: Deployment) -> DeploymentHealth:
        """Gives how a deployment does."""
        return self.board.health(deployment)

    def groups_with(self, name: str) -> Sequence[str]:
        """Gives the ids of the model groups that name a deployment."""
        return [
            each.model
            for each in self.groups.list()
            if any(member.deployment.lower() == name.lower() for member in each.options.members)
        ]


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelGroupService:
    """Looks after the model groups.

    Attributes:
        groups: The groups in use.
        store: Those that admins added.
        directory: The deployments in use.
        deployments: The deployments that admins added, in use or not.
        audit: Remembers who did what.
        clock: The time.
    """

    groups: GroupDirectory
    store: ModelGroupStore
    directory: DeploymentDirectory
    deployments: DeploymentStore
    audit: Audit
    clock: Clock
    _changing: anyio.Lock = field(default_factory=anyio.Lock)

    async def list(self) -> Sequence[ModelGroupCard]:
        """Lists all groups: of the settings, and of admins."""
        return [ModelGroupCard.of(each) for each in [*self.groups.of_settings(), *await self.store.list()]]

    async def create(self, data: ModelGroupCreate, who: Principal, origin: Origin = _NO_REQUEST) -> ModelGroupCard:
        """Adds a group.

        Raises:
            InvalidRequest: When it names a deployment that is not there, or its fallbacks lead back to it.
            AlreadyExists: When its id or an alias is taken.
        """
        now = self.clock.now()
        group = ModelGroup(
            id=new_id(),
            model=data.model,
            options=data.options(),
            is_enabled=data.enabled,
            source=GroupSource.ADMIN,
            created_at=now,
            updated_at=now,
            changed_by=who.user_id,
        )
        async with self._changing:
            await self._check(group)
            await self.store.add(group)
            await self._changed(who, "model_group.create", group.id, origin)
        return ModelGroupCard.of(group)

    async def update(
        self, group_id: str, data: ModelGroupPatch, who: Principal, origin: Origin = _NO_REQUEST
    ) -> ModelGroupCard:
        """Changes a group.

        Raises:
            NotFound: When there is none of that id.
            Conflict: When it is one of the settings.
            InvalidRequest: When it names a deployment that is not there, or its fallbacks lead back to it.
            AlreadyExists: When its new id or an alias is taken.
        """
        async with self._changing:
            old = await self._get(group_id)
            new = replace(
                old,
                model=data.model or old.model,
                options=data.applied_to(old.options),
                is_enabled=old.is_enabled if data.enabled is None else data.enabled,
                updated_at=self.clock.now(),
                changed_by=who.user_id,
            )
            await self._check(new)
            await self.store.update(new)
            await self._changed(who, "model_group.update", group_id, origin)
        return ModelGroupCard.of(new)

    async def delete(self, group_id: str, who: Principal, origin: Origin = _NO_REQUEST) -> None:
        """Deletes a group.

        Raises:
            NotFound: When there is none of that id.
            Conflict: When it is one of the settings.
        """
        async with self._changing:
            await self._get(group_id)
            await self.store.delete(group_id)
            await self._changed(who, "model_group.delete", group_id, origin)

    async def _get(self, group_id: str) -> ModelGroup:
        found = next((each for each in await self.store.list() if each.id == group_id), None)
        if found is not None:
            return found
        if any(each.id == group_id for each in self.groups.of_settings()):
            detail = "This model group is not kept here: change it in the settings."
            raise Conflict(detail)
        raise NotFound

    async def _check(self, group: ModelGroup) -> None:
        """Refuses a group that could not work.

        Raises:
            InvalidRequest: When it names a deployment that is not there, or its fallbacks lead back to it.
            AlreadyExists: When its id or an alias is taken.
        """
        others = [each for each in [*self.groups.of_settings(), *await self.store.list()] if each.id != group.id]
        self._check_names(group, others)
        known = {each.name.lower() for each in [*self.directory.deployments(), *await self.deployments.list()]}
        for index, member in enumerate(group.options.members):
            if member.deployment.lower() not in known:
                message = f"there is no deployment {member.deployment!r}"
                place = f"members.{index}.deployment"
                raise InvalidRequest(f"{place}: {message}", fields=(FieldError(field=place, message=message),))
        cycle = cycle_in([group, *others])
        if cycle:
            message = f"they lead back: {' → '.join(cycle)}"
            raise InvalidRequest(f"fallbacks: {message}", fields=(FieldError(field="fallbacks", message=message),))

    def _check_names(self, group: ModelGroup, others: Sequence[ModelGroup]) -> None:
        taken = {name for each in others for name in each.names}
        seen: set[str] = set()
        for field_name, name in [("model", group.model), *(("aliases", each) for each in group.options.aliases)]:
            if name in taken or name in seen:
                message = f"{name!r} is the id or an alias of a model group already"
                raise AlreadyExists(f"{field_name}: {message}", fields=(FieldError(field=field_name, message=message),))
            if self.directory.is_prefixed(name):
                message = f"{name!r} begins with the name of a deployment; choose another id"
                raise InvalidRequest(
                    f"{field_name}: {message}", fields=(FieldError(field=field_name, message=message),)
                )
            seen.add(name)

    async def _changed(self, who: Principal, action: str, group_id: str, origin: Origin) -> None:
        await self.audit.record(who, action, f"model_group:{group_id}", origin)
        await self.groups.load()
