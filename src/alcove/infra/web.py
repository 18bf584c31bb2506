"""What the routes of every room share: who is asking, and pages."""

from typing import Annotated

from fastapi import Depends, Query, Request
from starlette.datastructures import State

from alcove.infra.problems import Problem
from alcove.kernel.errors import Forbidden, NotAuthenticated
from alcove.kernel.pages import DEFAULT_LIMIT, MAX_LIMIT, PageRequest
from alcove.kernel.principal import Principal


def principal(request: Request) -> Principal:
    """Gives who is asking.

    Raises:
        NotAuthenticated: When nobody has signed in; or the credentials were refused, with the reason.
    """
    found = getattr(request.state, "principal", None)
    if isinstance(found, Principal):
        return found
    refusal = getattr(request.state, "refusal", None)
    raise refusal if isinstance(refusal, Exception) else NotAuthenticated


def admin(who: Annotated[Principal, Depends(principal)]) -> Principal:
    """Gives who is asking, if that is an admin.

    Raises:
        Forbidden: When it is not.
    """
    if not who.is_admin:
        detail = "Only an admin may do this."
        raise Forbidden(detail)
    return who


def page_request(
    cursor: Annotated[str | None, Query(max_length=500, description="`next_cursor` of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="How many items at most")] = DEFAULT_LIMIT,
) -> PageRequest:
    """Gives the page asked for."""
    return PageRequest(cursor=cursor, limit=limit)


def request_id(request: Request) -> str:
    """Gives the id of this request, as in `x-request-id`."""
    state: State = request.state
    return str(getattr(state, "request_id", ""))


PrincipalDep = Annotated[Principal, Depends(principal)]
AdminDep = Annotated[Principal, Depends(admin)]
PageDep = Annotated[PageRequest, Depends(page_request)]
RequestIdDep = Annotated[str, Depends(request_id)]


def problems(*statuses: int) -> dict[int | str, dict[str, object]]:
    """Gives the `responses=` of a route: the errors it can answer with, for OpenAPI."""
    return {
        status: {"model": Problem, "content": {"application/problem+json": {}}, "description": "Problem"}
        for status in (400, 401, *statuses)
    }
