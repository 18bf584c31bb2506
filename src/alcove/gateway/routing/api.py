"""Model groups for admins: `/api/v1/model-groups`."""

from typing import Annotated, cast

from fastapi import APIRouter, Depends, Request, status

from alcove.gateway.ports import Origin
from alcove.gateway.routing.models import ModelGroupCard, ModelGroupCreate, ModelGroupPatch
from alcove.gateway.routing.service import ModelGroupService
from alcove.infra.middleware import client_ip
from alcove.infra.web import AdminDep, RequestIdDep, problems
from alcove.kernel.pages import Page

router = APIRouter(prefix="/api/v1/model-groups", tags=["models"])


def _groups(request: Request) -> ModelGroupService:
    return cast("ModelGroupService", request.state.model_groups)


def _origin(request: Request, request_id: RequestIdDep) -> Origin:
    return Origin(ip=client_ip(request.scope), request_id=request_id)


GroupsDep = Annotated[ModelGroupService, Depends(_groups)]
OriginDep = Annotated[Origin, Depends(_origin)]


@router.get("", responses=problems(403))
async def list_model_groups(who: AdminDep, groups: GroupsDep) -> Page[ModelGroupCard]:  # noqa: ARG001  admins only
    """Lists the model groups: those of the settings, and those admins added."""
    return Page(items=list(await groups.list()))


@router.post("", status_code=status.HTTP_201_CREATED, responses=problems(403, 409))
async def create_model_group(
    who: AdminDep, groups: GroupsDep, data: ModelGroupCreate, origin: OriginDep
) -> ModelGroupCard:
    """Adds a model group: one model id that several deployments answer for."""
    return await groups.create(data, who, origin)


@router.patch("/{model_group_id}", responses=problems(403, 404, 409))
async def update_model_group(
    model_group_id: str, who: AdminDep, groups: GroupsDep, data: ModelGroupPatch, origin: OriginDep
) -> ModelGroupCard:
    """Changes a model group; what is absent stays."""
    return await groups.update(model_group_id, data, who, origin)


@router.delete("/{model_group_id}", status_code=status.HTTP_204_NO_CONTENT, responses=problems(403, 404, 409))
async def delete_model_group(model_group_id: str, who: AdminDep, groups: GroupsDep, origin: OriginDep) -> None:
    """Deletes a model group."""
    await groups.delete(model_group_id, who, origin)
