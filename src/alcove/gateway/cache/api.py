"""The cache, for admins: `/api/v1/cache`."""

from typing import Annotated, cast

from fastapi import APIRouter, Depends, Query, Request

from alcove.gateway.cache.models import CacheState, Cleared
from alcove.gateway.cache.service import CacheService
from alcove.gateway.ports import Origin
from alcove.infra.middleware import client_ip
from alcove.infra.web import AdminDep, RequestIdDep, problems

router = APIRouter(prefix="/api/v1", tags=["cache"])


def _cache(request: Request) -> CacheService:
    return cast("CacheService", request.state.response_cache)


CacheDep = Annotated[CacheService, Depends(_cache)]
ModelQuery = Annotated[str | None, Query(min_length=1, max_length=200)]
OwnerQuery = Annotated[str | None, Query(min_length=1, max_length=64)]


@router.get("/cache", responses=problems(403))
async def cache_state(who: AdminDep, cache: CacheDep) -> CacheState:  # noqa: ARG001  admins only
    """Tells how the cache is doing."""
    return await cache.state()


@router.delete("/cache", responses=problems(403, 503))
async def clear_cache(
    request: Request,
    who: AdminDep,
    cache: CacheDep,
    request_id: RequestIdDep,
    model: ModelQuery = None,
    owner_id: OwnerQuery = None,
) -> Cleared:
    """Drops cached answers: all, or those of a model, of a person, of both."""
    origin = Origin(ip=client_ip(request.scope), request_id=request_id)
    return Cleared(entries=await cache.clear(who, model=model, owner_id=owner_id, origin=origin))
