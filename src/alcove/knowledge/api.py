"""Routes of collections and documents, under `/api/v1/knowledge`."""

from functools import partial
from pathlib import Path
from typing import Annotated, cast
from urllib.parse import quote

from fastapi import APIRouter, Depends, Query, Request, Response
from starlette.responses import FileResponse

from alcove.infra.uploads import UPLOAD_BODY, receive_file
from alcove.infra.web import PageDep, PrincipalDep, problems
from alcove.kernel.pages import Page
from alcove.knowledge.models import (
    Collection,
    CollectionCreate,
    CollectionKind,
    CollectionUpdate,
    Document,
    DocumentText,
    SearchRequest,
    SearchResult,
)
from alcove.knowledge.service import CollectionService, DocumentService

router = APIRouter(prefix="/api/v1/knowledge", tags=["knowledge"])


def _collections(request: Request) -> CollectionService:
    return cast("CollectionService", request.state.collections)


def _documents(request: Request) -> DocumentService:
    return cast("DocumentService", request.state.documents)


CollectionsDep = Annotated[CollectionService, Depends(_collections)]
DocumentsDep = Annotated[DocumentService, Depends(_documents)]


@router.get("/collections", responses=problems())
async def list_collections(
    service: CollectionsDep,
    who: PrincipalDep,
    page: PageDep,
    name: Annotated[str | None, Query(max_length=100, description="Only the collection of this name")] = None,
    kind: CollectionKind = CollectionKind.COLLECTION,
) -> Page[Collection]:
    """Lists your collections by name."""
    found = await service.page(who, kind, page, name)
    return Page(items=[Collection.of(each) for each in found.items], next_cursor=found.next_cursor)


@router.post("/collections", status_code=201, responses=problems(409))
async def create_collection(service: CollectionsDep, who: PrincipalDep, wanted: CollectionCreate) -> Collection:
    """Makes a collection."""
    return Collection.of(await service.create(who, wanted))


@router.get("/collections/{collection_id}", responses=problems(404))
async def get_collection(service: CollectionsDep, who: PrincipalDep, collection_id: str) -> Collection:
    """Gives a collection."""
    return Collection.of(await service.get(who, collection_id))


@router.patch("/collections/{collection_id}", responses=problems(404, 409))
async def update_collection(
    service: CollectionsDep, who: PrincipalDep, collection_id: str, wanted: CollectionUpdate
) -> Collection:
    """Changes a collection's name or description."""
    return Collection.of(await service.update(who, collection_id, wanted))


@router.delete("/collections/{collection_id}", status_code=204, responses=problems(404))
async def delete_collection(service: CollectionsDep, who: PrincipalDep, collection_id: str) -> None:
    """Deletes a collection with all its documents."""
    await service.delete(who, collection_id)


@router.get("/collections/{collection_id}/documents", responses=problems(404))
async def list_documents(service: DocumentsDep, who: PrincipalDep, page: PageDep, collection_id: str) -> Page[Document]:
    """Lists a collection's documents, the latest first."""
    found = await service.page(who, collection_id, page)
    return Page(items=[Document.of(each) for each in found.items], next_cursor=found.next_cursor)


@router.post(
    "/collections/{collection_id}/documents",
    status_code=202,
    openapi_extra=UPLOAD_BODY,
    responses={
        **problems(404, 409, 413, 415),
        200: {"model": Document, "description": "The collection holds it already"},
    },
)
async def upload_document(
    service: DocumentsDep, who: PrincipalDep, collection_id: str, request: Request, response: Response
) -> Document:
    """Takes a document in; it is read in the background. The 202 is given once the file and its job are safe on disk."""
    document, is_new = await service.receive(who, collection_id, partial(receive_file, request))
    if not is_new:
        response.status_code = 200
    return Document.of(document)


@router.post("/collections/{collection_id}/search", responses=problems(404, 429))
async def search(service: CollectionsDep, who: PrincipalDep, collection_id: str, wanted: SearchRequest) -> SearchResult:
    """Finds the passages of a collection that fit a question best."""
    found = await service.search(who, collection_id, wanted)
    return SearchResult(sources=list(found.sources), latency_ms=found.latency_ms)


@router.get("/documents/{document_id}", responses=problems(404))
async def get_document(service: DocumentsDep, who: PrincipalDep, document_id: str) -> Document:
    """Gives a document; ask again to see how far its reading is."""
    return Document.of(await service.get(who, document_id))


@router.delete("/documents/{document_id}", status_code=204, responses=problems(404))
async def delete_document(service: DocumentsDep, who: PrincipalDep, document_id: str) -> None:
    """Deletes a document with its text and vectors."""
    await service.delete(who, document_id)


@router.post("/documents/{document_id}/retry", status_code=202, responses=problems(404, 409))
async def retry_document(service: DocumentsDep, who: PrincipalDep, document_id: str) -> Document:
    """Has a document that failed read again."""
    return Document.of(await service.retry(who, document_id))


@router.get("/documents/{document_id}/text", responses=problems(404, 409))
async def get_text(service: DocumentsDep, who: PrincipalDep, document_id: str) -> DocumentText:
    """Gives what was read from a document, and where its pages stand in it."""
    document, content = await service.text(who, document_id)
    return DocumentText(name=document.name, text=content.text, pages=list(content.pages))


@router.get(
    "/documents/{document_id}/file",
    response_class=FileResponse,
    responses={**problems(404, 503), 200: {"content": {"application/octet-stream": {}}, "description": "The file"}},
)
async def get_file(service: DocumentsDep, who: PrincipalDep, document_id: str) -> FileResponse:
    """Gives a document's file, as it was uploaded; always as a download, never shown by the browser."""
    document, path = await service.file(who, document_id)
    return _download(path, document.name)


def _download(path: Path, name: str) -> FileResponse:
    return FileResponse(
        path,
        media_type="application/octet-stream",
        headers={
            "content-disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
            "content-security-policy": "sandbox; default-src 'none'",
            "x-content-type-options": "nosniff",
        },
    )
