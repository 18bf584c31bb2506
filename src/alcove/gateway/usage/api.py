"""Usage over HTTP: `/api/v1/usage/…`."""

from datetime import datetime
from typing import Annotated, cast

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import StreamingResponse

from alcove.gateway.calls import CallKind
from alcove.gateway.usage.export import Format
from alcove.gateway.usage.models import Grouping, Interval, LiveUsage, RowFilter, StoredRow, UsageSummary
from alcove.gateway.usage.service import UsageService
from alcove.infra.web import AdminDep, PageDep, PrincipalDep, problems
from alcove.kernel.pages import Page

router = APIRouter(prefix="/api/v1/usage", tags=["usage"])

_TYPES = {Format.CSV: "text/csv; charset=utf-8", Format.JSON: "application/json"}
_Id = Annotated[str | None, Query(max_length=64, pattern=r"^[A-Za-z0-9-]+$")]
_Text = Annotated[str | None, Query(max_length=300, pattern=r"^[^\x00]+$")]
_Time = Annotated[datetime | None, Query(description="With its zone, such as 2026-05-01T00:00:00Z")]


def _service(request: Request) -> UsageService:
    return cast("UsageService", request.state.usage)


def _filter(  # noqa: PLR0917  each is a query parameter
    user_id: _Id = None,
    key_id: _Id = None,
    group_id: _Id = None,
    model: _Text = None,
    deployment: _Text = None,
    kind: CallKind | None = None,
    status: Annotated[int | None, Query(ge=100, le=599, description="HTTP status the call ended with")] = None,
    since: _Time = None,
    until: _Time = None,
) -> RowFilter:
    return RowFilter(
        owner_id=user_id,
        key_id=key_id,
        group_id=group_id,
        model=model,
        deployment=deployment,
        kind=kind,
        status=status,
        since=since,
        until=until,
    )


UsageDep = Annotated[UsageService, Depends(_service)]
FilterDep = Annotated[RowFilter, Depends(_filter)]
EveryonesDep = Annotated[bool, Query(alias="all", description="Everyone's usage; for admins")]


@router.get("/rows", responses=problems(403, 503))
async def list_usage(
    usage: UsageDep, who: PrincipalDep, wanted: FilterDep, page: PageDep, *, is_everyones: EveryonesDep = False
) -> Page[StoredRow]:
    """Lists your calls to models, the newest first."""
    return await usage.rows(who, wanted, page, is_everyones=is_everyones)


@router.get("/summary", responses=problems(403, 503))
async def summarize_usage(
    usage: UsageDep,
    who: PrincipalDep,
    wanted: FilterDep,
    *,
    by: Annotated[Grouping | None, Query(description="One sum for each what; all together by default")] = None,
    interval: Annotated[Interval, Query(description="One sum for each piece of time, in UTC")] = Interval.ALL,
    is_everyones: EveryonesDep = False,
) -> UsageSummary:
    """Sums your calls up. Times are rounded to whole hours."""
    return await usage.summary(who, wanted, by, interval, is_everyones=is_everyones)


@router.get(
    "/export",
    response_class=StreamingResponse,
    responses={
        **problems(403, 503),
        200: {"description": "A file of calls", "content": {"text/csv": {}, "application/json": {}}},
    },
)
async def export_usage(
    usage: UsageDep,
    who: PrincipalDep,
    wanted: FilterDep,
    *,
    form: Annotated[Format, Query(alias="format")] = Format.CSV,
    is_everyones: EveryonesDep = False,
) -> StreamingResponse:
    """Gives your calls as a file, the newest first."""
    pieces = await usage.export(who, wanted, form, is_everyones=is_everyones)
    headers = {"content-disposition": f'attachment; filename="usage.{form.value}"', "cache-control": "no-store"}
    return StreamingResponse(pieces, media_type=_TYPES[form], headers=headers)


@router.get("/live", responses=problems(403))
async def live_usage(usage: UsageDep, who: AdminDep) -> LiveUsage:  # noqa: ARG001  admins only
    """Gives what this server process answered in the last minute, by model. For admins."""
    return usage.last_minute()
