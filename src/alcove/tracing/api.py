"""Traces over HTTP."""

from typing import Annotated, cast

from fastapi import APIRouter, Depends, Path, Query, Request

from alcove.infra.web import PageDep, PrincipalDep, problems
from alcove.kernel.pages import Page
from alcove.kernel.trace import Level
from alcove.tracing.models import TraceDetail, TraceSummary
from alcove.tracing.service import TraceFilter, TraceService

router = APIRouter(prefix="/api/v1/traces", tags=["traces"])


def _service(request: Request) -> TraceService:
    return cast("TraceService", request.state.traces)


def _filter(
    *,
    session_id: Annotated[str | None, Query(max_length=200, description="Only traces of this chat")] = None,
    model: Annotated[str | None, Query(max_length=500, description="Only traces that asked for this model")] = None,
    level: Annotated[Level | None, Query(description="Only traces that went so")] = None,
    query: Annotated[str | None, Query(max_length=500, description="Words in the name, input or output")] = None,
    is_everyones: Annotated[bool, Query(alias="all", description="Everyone's traces; for admins")] = False,
) -> TraceFilter:
    return TraceFilter(session_id=session_id, model=model, level=level, text=query, is_everyones=is_everyones)


TraceServiceDep = Annotated[TraceService, Depends(_service)]


@router.get("", responses=problems(403, 503))
async def list_traces(
    traces: TraceServiceDep, who: PrincipalDep, page: PageDep, wanted: Annotated[TraceFilter, Depends(_filter)]
) -> Page[TraceSummary]:
    """Lists your traces, newest first."""
    return await traces.find(who, wanted, page)


@router.get("/{trace_id}", responses=problems(403, 404, 503))
async def get_trace(
    *,
    traces: TraceServiceDep,
    who: PrincipalDep,
    trace_id: Annotated[str, Path(max_length=64)],
    is_everyones: Annotated[bool, Query(alias="all", description="Look at everyone's traces; for admins")] = False,
) -> TraceDetail:
    """Gives a trace with all that happened in it."""
    return await traces.get(who, trace_id, is_everyones=is_everyones)
