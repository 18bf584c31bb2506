"""Guardrails, for admins: `/api/v1/guardrails`."""

from typing import Annotated, cast

from fastapi import APIRouter, Depends, Request, status

from alcove.gateway.guards.models import GuardrailCard, GuardrailCreate, GuardrailPatch, GuardTry, GuardVerdict, RuleTry
from alcove.gateway.guards.service import GuardService
from alcove.gateway.ports import Origin
from alcove.infra.middleware import client_ip
from alcove.infra.web import AdminDep, RequestIdDep, problems
from alcove.kernel.pages import Page

router = APIRouter(prefix="/api/v1", tags=["guardrails"])


def _guards(request: Request) -> GuardService:
    return cast("GuardService", request.state.guardrails)


def _origin(request: Request, request_id: RequestIdDep) -> Origin:
    return Origin(ip=client_ip(request.scope), request_id=request_id)


GuardsDep = Annotated[GuardService, Depends(_guards)]
OriginDep = Annotated[Origin, Depends(_origin)]


@router.get("/guardrails", responses=problems(403))
async def list_guardrails(who: AdminDep, guards: GuardsDep) -> Page[GuardrailCard]:  # noqa: ARG001  admins only
    """Lists the guardrails: those of the settings and those admins added."""
    return Page(items=list(await guards.list()))


@router.post("/guardrails", status_code=status.HTTP_201_CREATED, responses=problems(403, 409))
async def create_guardrail(who: AdminDep, guards: GuardsDep, data: GuardrailCreate, origin: OriginDep) -> GuardrailCard:
    """Adds a guardrail. It is on where keys, people, groups or models name it, or everywhere with `always_on`."""
    return await guards.create(data, who, origin)


@router.patch("/guardrails/{guardrail_id}", responses=problems(403, 404, 409))
async def update_guardrail(
    guardrail_id: str, who: AdminDep, guards: GuardsDep, data: GuardrailPatch, origin: OriginDep
) -> GuardrailCard:
    """Changes a guardrail."""
    return await guards.update(guardrail_id, data, who, origin)


@router.delete("/guardrails/{guardrail_id}", status_code=status.HTTP_204_NO_CONTENT, responses=problems(403, 404, 409))
async def delete_guardrail(guardrail_id: str, who: AdminDep, guards: GuardsDep, origin: OriginDep) -> None:
    """Deletes a guardrail. Requests for which it is still named are refused until it is named no more."""
    await guards.delete(guardrail_id, who, origin)


@router.post("/guardrails/test", responses=problems(403))
async def test_rule(who: AdminDep, guards: GuardsDep, data: RuleTry) -> GuardVerdict:  # noqa: ARG001
    """Tells what a rule would do with a text, before a guardrail has it. Nothing is kept of either."""
    return guards.test_rule(data)


@router.post("/guardrails/{guardrail_id}/test", responses=problems(403, 404))
async def test_guardrail(guardrail_id: str, who: AdminDep, guards: GuardsDep, data: GuardTry) -> GuardVerdict:  # noqa: ARG001
    """Tells what a guardrail would do with a text. Nothing is kept of it."""
    return await guards.test(guardrail_id, data)
