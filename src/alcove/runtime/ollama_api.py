"""Ollama's management endpoints: `/api/tags`, `/api/ps`, `/api/show`, `/api/pull` and so on.

Bodies are read as JSON whatever their type, as Ollama does. Everybody who is signed in may read; only admins change anything, and only
they cause requests to other machines.
"""

import contextlib
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeVar, cast

import anyio.to_thread
import pydantic
from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from alcove.infra.middleware import client_ip
from alcove.infra.problems import validation_error
from alcove.infra.web import AdminDep, PrincipalDep, RequestIdDep
from alcove.kernel.chat import JsonValue
from alcove.kernel.clock import Clock
from alcove.kernel.errors import InvalidRequest, ModelNotFound
from alcove.kernel.principal import Principal
from alcove.runtime import ollama_wire as wire
from alcove.runtime.catalog.ports import Origin, RemoteOllamas
from alcove.runtime.catalog.progress import Progress
from alcove.runtime.gguf import GgufHeader, read_header
from alcove.runtime.library import Asking, ModelLibrary, Wanted
from alcove.runtime.models import InstalledModel
from alcove.runtime.ndjson import LineResponse
from alcove.runtime.ports import LocalModels, ModelAccess, OpenAccess

B = TypeVar("B", bound=pydantic.BaseModel)

_MAX_DIGITS = 18

router = APIRouter(prefix="/api", tags=["ollama"])


class OllamaError(pydantic.BaseModel):
    """What Ollama answers when something is wrong."""

    error: str


def _errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {status: {"model": OllamaError, "description": "Error"} for status in (400, 401, *statuses)}


def _takes(body: type[pydantic.BaseModel]) -> dict[str, Any]:
    """Gives what OpenAPI says of a body that is read here and not by the framework."""
    schema = body.model_json_schema()
    schema.pop("$defs", None)
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


_LINES: dict[int | str, dict[str, Any]] = {
    200: {"description": "Lines of JSON; one object where `stream` is false", "content": {"application/x-ndjson": {}}}
}


@dataclass(frozen=True, slots=True)
class OllamaFace:
    """What these endpoints need.

    Attributes:
        library: The models on this machine's disk.
        local: Those that are loaded.
        remote: Those of other machines.
        clock: The time.
        access: Who may use which of the models on this machine's disk.
    """

    library: ModelLibrary
    local: LocalModels
    remote: RemoteOllamas
    clock: Clock
    access: ModelAccess = field(default_factory=OpenAccess)


def _face(request: Request) -> OllamaFace:
    return cast("OllamaFace", request.state.ollama_face)


def _origin(request: Request, request_id: RequestIdDep) -> Origin:
    return Origin(ip=client_ip(request.scope), request_id=request_id)


FaceDep = Annotated[OllamaFace, Depends(_face)]


def _asking(who: AdminDep, origin: Annotated[Origin, Depends(_origin)]) -> Asking:
    return Asking(who=who, origin=origin)


AskingDep = Annotated[Asking, Depends(_asking)]


async def read(request: Request, kind: type[B]) -> B:
    """Reads a body.

    Raises:
        InvalidRequest: When there is none, or it is not what it should be.
    """
    body = await request.body()
    if not body.strip():
        detail = "missing request body"
        raise InvalidRequest(detail)
    try:
        return kind.model_validate_json(body)
    except pydantic.ValidationError as error:
        raise validation_error([dict(each) for each in error.errors()]) from None


def _needed(name: str) -> str:
    if not name:
        detail = "model is required"
        raise InvalidRequest(detail)
    return name


async def _lines(progress: AsyncGenerator[Progress, None]) -> AsyncGenerator[Mapping[str, JsonValue], None]:
    async with contextlib.aclosing(progress) as told:
        async for each in told:
            yield each.as_json()


@router.get("/version", responses=_errors())
async def version(_who: PrincipalDep) -> dict[str, str]:
    """Says which version of Ollama's protocol this is."""
    return {"version": wire.OLLAMA_VERSION}


@router.head("/tags", include_in_schema=False)
@router.get("/tags", responses=_errors())
async def tags(who: PrincipalDep, face: FaceDep) -> dict[str, Any]:
    """Lists the models, those of other machines too."""
    models = await face.library.catalog.list()
    local = [wire.tag(each) for each in models if face.access.may_use(who, each.name)]
    return {"models": wire.merged(local, await face.remote.tags(who))}


@router.get("/ps", responses=_errors())
async def processes(who: PrincipalDep, face: FaceDep) -> dict[str, Any]:
    """Lists the models that are loaded, the one that stays longest first."""
    return {"models": await _running(face, who)}


async def _running(face: OllamaFace, who: Principal) -> Sequence[Mapping[str, JsonValue]]:
    now = face.clock.now()
    running = [
        each
        for each in face.local.running()
        if each.state in {"loaded", "sleeping"} and face.access.may_use(who, each.model)
    ]
    running.sort(key=lambda each: wire.expires_at(each, now), reverse=True)
    known = {each.name: each for each in await face.library.catalog.list()}
    local = [wire.process(each, known.get(each.model), now) for each in running]
    return wire.merged(local, await face.remote.running(who))


@router.post("/show", responses=_errors(404), openapi_extra=_takes(wire.ShowBody))
async def show(request: Request, who: PrincipalDep, face: FaceDep) -> dict[str, Any]:
    """Tells all about a model."""
    body = await read(request, wire.ShowBody)
    model = await face.library.catalog.get(_needed(body.wanted))
    if not face.access.may_use(who, model.name):
        detail = f"model '{body.wanted[:200]}' not found"
        raise ModelNotFound(detail)
    header, projector = await anyio.to_thread.run_sync(_headers, model, body.verbose)
    return wire.shown(model, header, projector, body, with_paths=who.is_admin)


def _headers(model: InstalledModel, with_arrays: bool) -> tuple[GgufHeader, GgufHeader | None]:  # noqa: FBT001  called in a thread
    header = read_header(model.files.weights, with_arrays=with_arrays)
    return header, None if model.files.projector is None else read_header(model.files.projector)


@router.post("/copy", responses=_errors(403, 404), openapi_extra=_takes(wire.CopyBody))
async def copy(request: Request, asking: AskingDep, face: FaceDep) -> Response:
    """Gives a model a second name."""
    body = await read(request, wire.CopyBody)
    try:
        await face.library.copy(_needed(body.source), _needed(body.destination), asking)
    except ModelNotFound as error:
        detail = f'model "{body.source}" not found'
        raise ModelNotFound(detail) from error
    return Response()


@router.delete("/delete", responses=_errors(403, 404), openapi_extra=_takes(wire.DeleteBody))
async def delete(request: Request, asking: AskingDep, face: FaceDep) -> Response:
    """Deletes a model. One that is loaded keeps answering until it is unloaded."""
    body = await read(request, wire.DeleteBody)
    await face.library.delete(_needed(body.wanted), asking)
    return Response()


@router.post(
    "/pull", responses={**_LINES, **_errors(403)}, response_class=Response, openapi_extra=_takes(wire.PullBody)
)
async def pull(request: Request, asking: AskingDep, face: FaceDep) -> Response:
    """Pulls a model from a registry, the hub, or the address of a GGUF file."""
    body = await read(request, wire.PullBody)
    wanted = Wanted(reference=_needed(body.wanted), is_insecure=body.insecure)
    return LineResponse(_lines(face.library.pull(wanted, asking)), is_streaming=body.stream is not False)


@router.post(
    "/push", responses={**_LINES, **_errors(403, 404)}, response_class=Response, openapi_extra=_takes(wire.PushBody)
)
async def push(request: Request, asking: AskingDep, face: FaceDep) -> Response:
    """Pushes a model to the registry that its name says."""
    body = await read(request, wire.PushBody)
    wanted = Wanted(reference=_needed(body.wanted), is_insecure=body.insecure)
    return LineResponse(_lines(face.library.push(wanted, asking)), is_streaming=body.stream is not False)


@router.post(
    "/create", responses={**_LINES, **_errors(403, 404)}, response_class=Response, openapi_extra=_takes(wire.CreateBody)
)
async def create(request: Request, asking: AskingDep, face: FaceDep) -> Response:
    """Makes a model of another one, or of files that were sent here."""
    body = await read(request, wire.CreateBody)
    _needed(body.wanted)
    return LineResponse(_lines(face.library.create(body.recipe(), asking)), is_streaming=body.stream is not False)


@router.head("/blobs/{digest}", responses=_errors(403, 404), response_class=Response)
async def has_blob(digest: str, _who: AdminDep, face: FaceDep) -> Response:
    """Tells whether a file is here already."""
    return Response(status_code=200 if await face.library.receiver.has(digest) else 404)


@router.post(
    "/blobs/{digest}", responses={201: {"description": "Taken in"}, **_errors(403, 413)}, response_class=Response
)
async def put_blob(digest: str, request: Request, _who: AdminDep, face: FaceDep) -> Response:
    """Takes a file in, for a model that is to be made of it."""
    length = request.headers.get("content-length", "")
    known = int(length) if length.isdecimal() and len(length) <= _MAX_DIGITS else None
    is_new = await face.library.receive(digest, request.stream(), known)
    return Response(status_code=201 if is_new else 200)
