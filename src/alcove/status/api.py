"""Health, metrics and status over HTTP."""

from typing import Annotated, cast

from fastapi import APIRouter, Depends, Request, Response

from alcove.infra.metrics import CONTENT_TYPE, Metrics
from alcove.infra.middleware import is_local
from alcove.infra.web import AdminDep, problems
from alcove.kernel.errors import Forbidden
from alcove.kernel.principal import Principal
from alcove.status.models import Health, Status
from alcove.status.service import StatusService

router = APIRouter(tags=["status"])


def _service(request: Request) -> StatusService:
    return cast("StatusService", request.state.status)


def _metrics(request: Request) -> Metrics:
    return cast("Metrics", request.state.metrics)


StatusServiceDep = Annotated[StatusService, Depends(_service)]


@router.get("/health/live")
async def live() -> Health:
    """Says that the process runs."""
    return Health(status="ok")


@router.get("/health/ready", responses={503: {"model": Health, "description": "Not ready"}})
async def ready(status: StatusServiceDep, response: Response) -> Health:
    """Says whether requests can be answered."""
    if await status.is_ready():
        return Health(status="ready")
    response.status_code = 503
    response.headers["retry-after"] = "1"
    return Health(status="not_ready")


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}, "description": "Metrics in Prometheus's text format"}, 403: {}},
)
async def metrics(request: Request, metrics: Annotated[Metrics, Depends(_metrics)]) -> Response:
    """Gives metrics to callers on this machine, and to admins."""
    who = getattr(request.state, "principal", None)
    is_admin = isinstance(who, Principal) and who.is_admin
    if not is_admin and not is_local(request.scope):
        detail = "Metrics are for callers on the server itself, and for admins."
        raise Forbidden(detail)
    return Response(metrics.render(), media_type=CONTENT_TYPE)


@router.get("/api/v1/status", responses=problems(403))
async def report(status: StatusServiceDep, who: AdminDep) -> Status:  # noqa: ARG001  the check is the point
    """Tells how every part of the house is."""
    return await status.report()
