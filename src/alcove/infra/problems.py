"""The faces of an error on the wire; the only place where errors are rendered.

`/api/*` answers RFC 9457 problem details, the OpenAI-compatible `/v1/*` answers OpenAI's error object, `/v1/messages` that of
Anthropic, and the paths of Ollama's protocol that of Ollama. `/v2/*` answers as OCI registries do.
"""

import math
from collections.abc import Mapping

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from alcove.kernel.errors import (
    AlcoveError,
    FieldError,
    Forbidden,
    InternalError,
    InvalidRequest,
    NotAuthenticated,
    NotFound,
    Overloaded,
    RateLimited,
    TooLarge,
    UpstreamError,
)

log = structlog.get_logger(__name__)

_TYPE_BASE = "https://alcove.invalid/errors/"
_ANTHROPIC_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_SERVER_ERROR = 500
_OLLAMA_PATHS = frozenset(
    f"/api/{name}"
    for name in (
        "generate", "chat", "embed", "embeddings", "tags", "ps", "version", "show", "copy", "delete", "pull", "push", "create",
    )
)  # fmt: skip
_REGISTRY_CODES = {
    401: "UNAUTHORIZED",
    403: "DENIED",
    404: "MANIFEST_UNKNOWN",
    405: "UNSUPPORTED",
    429: "TOOMANYREQUESTS",
}


class ProblemField(BaseModel):
    """One field at fault."""

    field: str
    message: str


class Problem(BaseModel):
    """Problem details as RFC 9457 has them, with Alcove's `code`, `trace_id` and `errors`."""

    model_config = ConfigDict(json_schema_extra={"example": {"code": "not_found", "status": 404, "title": "Not found"}})

    type: str
    title: str
    status: int
    detail: str
    instance: str | None = None
    code: str
    trace_id: str | None = None
    errors: list[ProblemField] | None = None


def problem(error: AlcoveError, *, instance: str | None = None, trace_id: str | None = None) -> Problem:
    """Gives an error as problem details."""
    return Problem(
        type=f"{_TYPE_BASE}{error.code}",
        title=error.title,
        status=error.status,
        detail=error.detail,
        instance=instance,
        code=error.code,
        trace_id=trace_id,
        errors=[ProblemField(field=each.field, message=each.message) for each in error.fields] or None,
    )


def openai_error(error: AlcoveError) -> dict[str, object]:
    """Gives an error as the body OpenAI's clients understand."""
    code = error.upstream_code if isinstance(error, UpstreamError) and error.upstream_code else error.code
    param = error.fields[0].field if error.fields else None
    return {"error": {"message": error.detail, "type": error.type, "param": param, "code": code}}


def anthropic_error(error: AlcoveError, *, request_id: str | None = None) -> dict[str, object]:
    """Gives an error as the body Anthropic's clients understand; what kind it is follows from its status, as it does there."""
    other = "api_error" if error.status >= _SERVER_ERROR else "invalid_request_error"
    kind = "overloaded_error" if isinstance(error, Overloaded) else _ANTHROPIC_TYPES.get(error.status, other)
    return {"type": "error", "error": {"type": kind, "message": error.detail}, "request_id": request_id}


def ollama_error(error: AlcoveError) -> dict[str, str]:
    """Gives an error as the body, or the last line of a stream, that Ollama's clients understand."""
    return {"error": error.detail}


def registry_error(error: AlcoveError) -> dict[str, object]:
    """Gives an error as OCI's distribution specification (1.1) has it."""
    return {"errors": [{"code": _REGISTRY_CODES.get(error.status, "UNKNOWN"), "message": error.detail}]}


def responses_error(error: AlcoveError) -> dict[str, str]:
    """Gives an error as it stands in an object of OpenAI's Responses API."""
    is_limit = error.status == RateLimited.status
    return {"code": "rate_limit_exceeded" if is_limit else "server_error", "message": error.detail}


def error_headers(error: AlcoveError) -> dict[str, str]:
    """Gives the response headers that belong to an error."""
    headers = dict(error.headers)
    if error.retry_after_s is not None:
        headers["retry-after"] = str(max(1, math.ceil(error.retry_after_s)))
    if isinstance(error, NotAuthenticated):
        headers.setdefault("www-authenticate", "Bearer")
    return headers


def is_openai_path(path: str) -> bool:
    """Tells which face a path has."""
    return path == "/v1" or path.startswith("/v1/")


def is_anthropic_path(path: str) -> bool:
    """Tells whether a path is one of Anthropic's Messages API."""
    return path == "/v1/messages" or path.startswith("/v1/messages/")


def is_ollama_path(path: str) -> bool:
    """Tells whether a path is one of Ollama's protocol."""
    return path in _OLLAMA_PATHS or path.startswith("/api/blobs/")


def is_registry_path(path: str) -> bool:
    """Tells whether a path is one of the registry's protocol."""
    return path == "/v2" or path.startswith("/v2/")


def render(error: AlcoveError, path: str, *, request_id: str | None = None) -> Response:
    """Gives the response to an error, in the face of the path."""
    headers = error_headers(error)
    if is_anthropic_path(path):
        if request_id:
            headers["request-id"] = request_id
        body = anthropic_error(error, request_id=request_id)
        return JSONResponse(body, status_code=error.status, headers=headers)
    if is_openai_path(path):
        return JSONResponse(openai_error(error), status_code=error.status, headers=headers)
    if is_ollama_path(path):
        if error.code == "host_not_allowed":  # as Ollama answers one that comes under a name that is not its own
            return Response(status_code=Forbidden.status, headers=headers)
        return JSONResponse(ollama_error(error), status_code=error.status, headers=headers)
    if is_registry_path(path):
        return JSONResponse(registry_error(error), status_code=error.status, headers=headers)
    details = problem(error, instance=path, trace_id=request_id).model_dump(mode="json", exclude_none=True)
    return JSONResponse(details, status_code=error.status, headers=headers, media_type="application/problem+json")


def validation_error(errors: list[Mapping[str, object]]) -> InvalidRequest:
    """Gives pydantic's complaints as one error that names every field."""
    fields = tuple(
        FieldError(
            field=_path(each.get("loc", ())),
            message=str(each.get("msg", "is not valid")).removeprefix("Value error, "),  # pydantic's, before our words
        )
        for each in errors
    )
    detail = "; ".join(f"{each.field}: {each.message}" for each in fields[:5]) or None
    return InvalidRequest(detail, fields=fields)


def from_http_exception(error: HTTPException) -> AlcoveError:
    """Gives the framework's own refusals (no such route, wrong method) as ours."""
    kinds: dict[int, type[AlcoveError]] = {401: NotAuthenticated, 403: Forbidden, 404: NotFound, 413: TooLarge}
    kind = kinds.get(error.status_code, InvalidRequest)
    detail = "There is no such address here." if error.status_code == NotFound.status else str(error.detail)
    made = kind(detail, headers=error.headers)
    made.status = error.status_code
    return made


def install_error_handlers(app: FastAPI) -> None:
    """Makes the application answer every error in the right face."""

    def request_id(request: Request) -> str | None:
        return getattr(request.state, "request_id", None)

    async def on_error(request: Request, error: Exception) -> Response:
        known = error if isinstance(error, AlcoveError) else InternalError()
        if isinstance(known, InternalError):
            log.error("request_failed", path=request.scope["path"], exc_info=error)
        request.state.is_upstream_error = isinstance(known, UpstreamError)  # its status is not a word of ours
        return render(known, request.scope["path"], request_id=request_id(request))

    async def on_validation(request: Request, error: Exception) -> Response:
        errors = error.errors() if isinstance(error, RequestValidationError) else []
        return render(validation_error(list(errors)), request.scope["path"], request_id=request_id(request))

    async def on_http(request: Request, error: Exception) -> Response:
        known = from_http_exception(error) if isinstance(error, HTTPException) else InternalError()
        return render(known, request.scope["path"], request_id=request_id(request))

    app.add_exception_handler(AlcoveError, on_error)
    app.add_exception_handler(RequestValidationError, on_validation)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(Exception, on_error)


def _path(location: object) -> str:
    parts = [str(part) for part in location] if isinstance(location, list | tuple) else [str(location)]
    if parts and parts[0] in {"body", "query", "path", "header"} and len(parts) > 1:
        parts = parts[1:]
    return ".".join(parts)
