"""Gives models out by the registry's protocol, so that an Ollama, or another Alcove, can pull from here.

Blobs carry `Location`, without which an Ollama does not take them (its issues 6308 and 7244). Nothing can be pushed here this way.
"""

from dataclasses import dataclass
from typing import Annotated, Any, cast

from fastapi import APIRouter, Depends, Request
from starlette.responses import FileResponse, Response

from alcove.infra.web import principal
from alcove.kernel.errors import Forbidden, ModelNotFound, NotFound
from alcove.runtime.catalog.catalog import DiskCatalog
from alcove.runtime.catalog.manifest import MANIFEST_TYPE
from alcove.runtime.catalog.reading import Source
from alcove.runtime.catalog.settings import Serve
from alcove.runtime.names import DEFAULT_HOST, InvalidModelName, ModelName

router = APIRouter(prefix="/v2", tags=["registry"])

_BLOB = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class ServedModels:
    """What is given out.

    Attributes:
        catalog: The models.
        to: Who gets them.
    """

    catalog: DiskCatalog
    to: Serve


def _served(request: Request) -> ServedModels:
    """Gives what is given out to whoever asks.

    Raises:
        NotFound: When nothing is.
        NotAuthenticated: When it is given to those with a key only.
    """
    served = cast("ServedModels", request.state.served_models)
    if served.to == "nobody":
        detail = "Models are not given out here."
        raise NotFound(detail)
    if served.to == "keys" and any(each.models is not None for each in principal(request).allowances):
        detail = "This key or account is limited to some models, so none are given out to it; use one that is not."
        raise Forbidden(detail)
    return served


ServedDep = Annotated[ServedModels, Depends(_served)]
_ERRORS: dict[int | str, dict[str, Any]] = {
    400: {"description": "No name or digest"},
    401: {"description": "No key"},
    403: {"description": "Not for this key"},
    404: {"description": "Not here"},
}


@router.get("/", responses=_ERRORS, response_class=Response)
async def root(_served: ServedDep) -> Response:
    """Says that the registry's protocol is spoken here."""
    return Response("{}", media_type="application/json", headers={"docker-distribution-api-version": "registry/2.0"})


@router.head("/{repository:path}/manifests/{tag}", include_in_schema=False)
@router.get("/{repository:path}/manifests/{tag}", responses=_ERRORS, response_class=Response)
async def manifest(repository: str, tag: str, served: ServedDep) -> Response:
    """Gives the manifest of a model, exactly as it is kept."""
    source = await _source(served, repository, tag)
    found, _ = await served.catalog.manifest(source)
    headers = {"docker-content-digest": found.digest, "etag": f'"{found.digest}"'}
    return Response(found.data, media_type=MANIFEST_TYPE, headers=headers)


@router.head("/{repository:path}/blobs/{digest}", include_in_schema=False)
@router.get("/{repository:path}/blobs/{digest}", responses=_ERRORS, response_class=Response)
async def blob(repository: str, digest: str, served: ServedDep, request: Request) -> Response:
    """Gives a layer of a model, or parts of it."""
    del repository  # a blob is the same whoever has it
    path = await served.catalog.blob(digest)
    return FileResponse(
        path,
        media_type=_BLOB,
        headers={
            "docker-content-digest": digest,
            "etag": f'"{digest}"',
            "accept-ranges": "bytes",
            "location": str(request.url),
        },
    )


async def _source(served: ServedModels, repository: str, tag: str) -> Source:
    """Finds a model; of those that came from another registry too, as `/v2/<host>/<namespace>/<model>`."""
    shown = f"{repository}:{tag}"
    parts = repository.split("/")
    host = DEFAULT_HOST if len(parts) < 3 else "/".join(parts[:-2])  # noqa: PLR2004  namespace and model
    try:
        name = ModelName.parse(f"{host}/{'/'.join(parts[-2:]) if len(parts) > 1 else f'library/{repository}'}:{tag}")
    except InvalidModelName as error:
        raise ModelNotFound(f"model '{shown[:200]}' not found") from error
    found = await served.catalog.find(name)
    if found is None:
        raise ModelNotFound(f"model '{name.short}' not found")
    return found
