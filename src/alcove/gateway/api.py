"""Models and deployments for the page: `/api/v1/models`, `/api/v1/deployments`."""

from typing import Annotated, cast

from fastapi import APIRouter, Depends, Request, status

from alcove.gateway.models import DeploymentCard, DeploymentCreate, DeploymentPatch, DeploymentTest, ModelList
from alcove.gateway.ports import Origin
from alcove.gateway.service import DeploymentService, ModelCatalogue
from alcove.infra.middleware import client_ip
from alcove.infra.web import AdminDep, PrincipalDep, RequestIdDep, problems
from alcove.kernel.pages import Page

router = APIRouter(prefix="/api/v1", tags=["models"])


def _catalogue(request: Request) -> ModelCatalogue:
    return cast("ModelCatalogue", request.state.model_catalogue)


def _deployments(request: Request) -> DeploymentService:
    return cast("DeploymentService", request.state.deployments)


def _origin(request: Request, request_id: RequestIdDep) -> Origin:
    return Origin(ip=client_ip(request.scope), request_id=request_id)


CatalogueDep = Annotated[ModelCatalogue, Depends(_catalogue)]
DeploymentsDep = Annotated[DeploymentService, Depends(_deployments)]
OriginDep = Annotated[Origin, Depends(_origin)]


@router.get("/models", responses=problems())
async def list_models(who: PrincipalDep, catalogue: CatalogueDep) -> ModelList:
    """Lists the models you may use."""
    return await catalogue.cards(who)


@router.get("/deployments", responses=problems(403))
async def list_deployments(who: AdminDep, deployments: DeploymentsDep) -> Page[DeploymentCard]:  # noqa: ARG001  admins only
    """Lists the model servers: those of the settings, those admins added, those discovered."""
    return Page(items=list(await deployments.list()))


@router.post("/deployments", status_code=status.HTTP_201_CREATED, responses=problems(403, 409))
async def create_deployment(
    who: AdminDep, deployments: DeploymentsDep, data: DeploymentCreate, origin: OriginDep
) -> DeploymentCard:
    """Adds a model server. Its key is stored encrypted and never given back."""
    return await deployments.create(data, who, origin)


@router.patch("/deployments/{deployment_id}", responses=problems(403, 404, 409))
async def update_deployment(
    deployment_id: str, who: AdminDep, deployments: DeploymentsDep, data: DeploymentPatch, origin: OriginDep
) -> DeploymentCard:
    """Changes a model server. A new base URL without a new key clears the stored key."""
    return await deployments.update(deployment_id, data, who, origin)


@router.delete(
    "/deployments/{deployment_id}", status_code=status.HTTP_204_NO_CONTENT, responses=problems(403, 404, 409)
)
async def delete_deployment(deployment_id: str, who: AdminDep, deployments: DeploymentsDep, origin: OriginDep) -> None:
    """Deletes a model server."""
    await deployments.delete(deployment_id, who, origin)


@router.post("/deployments/{deployment_id}/test", responses=problems(403, 404))
async def test_deployment(
    deployment_id: str, who: AdminDep, deployments: DeploymentsDep, origin: OriginDep
) -> DeploymentTest:
    """Asks a model server for its models, and says what came of it."""
    return await deployments.test(deployment_id, who, origin)
