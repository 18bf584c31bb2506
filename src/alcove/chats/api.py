"""Routes of the chats, under `/api/v1/chats`."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial
from typing import Annotated, Literal, cast

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from starlette.responses import StreamingResponse

from alcove.chats.events import ChatEvent
from alcove.chats.export import as_json, as_markdown, file_name
from alcove.chats.models import (
    Begun,
    Chat,
    ChatCreate,
    ChatDetail,
    ChatUpdate,
    Exchange,
    Message,
    MessageCreate,
    Regenerate,
    StoredText,
)
from alcove.chats.service import ChatService
from alcove.infra.uploads import UPLOAD_BODY, receive_file
from alcove.infra.web import PageDep, PrincipalDep, RequestIdDep, problems
from alcove.kernel.pages import Page
from alcove.knowledge.models import Document
from alcove.knowledge.service import DocumentService

router = APIRouter(prefix="/api/v1/chats", tags=["chats"])


def _service(request: Request) -> ChatService:
    return cast("ChatService", request.state.chats)


def _documents(request: Request) -> DocumentService:
    return cast("DocumentService", request.state.documents)


ChatsDep = Annotated[ChatService, Depends(_service)]
DocumentsDep = Annotated[DocumentService, Depends(_documents)]


@router.get("", responses=problems())
async def list_chats(
    service: ChatsDep,
    who: PrincipalDep,
    page: PageDep,
    query: Annotated[StoredText, Query(max_length=200, description="Words to find in titles and messages")] = "",
) -> Page[Chat]:
    """Lists your chats, pinned ones first, then the latest."""
    return await service.find(who, query, page)


@router.post("", status_code=201, responses=problems(404))
async def create_chat(service: ChatsDep, who: PrincipalDep, wanted: ChatCreate) -> Chat:
    """Begins a chat."""
    return await service.create(who, wanted)


@router.get("/{chat_id}", responses=problems(404))
async def get_chat(service: ChatsDep, who: PrincipalDep, chat_id: str) -> ChatDetail:
    """Gives a chat with the whole tree of its messages."""
    chat, messages = await service.get(who, chat_id)
    return ChatDetail(chat=chat, messages=[Message.of(each) for each in messages])


@router.patch("/{chat_id}", responses=problems(404))
async def update_chat(service: ChatsDep, who: PrincipalDep, chat_id: str, wanted: ChatUpdate) -> Chat:
    """Changes a chat's title, model, collections, branch on display, or pin."""
    return await service.update(who, chat_id, wanted)


@router.delete("/{chat_id}", status_code=204, responses=problems(404))
async def delete_chat(service: ChatsDep, who: PrincipalDep, chat_id: str) -> None:
    """Deletes a chat with its messages, its own documents and its traces."""
    await service.delete(who, chat_id)


@router.post("/{chat_id}/messages", status_code=201, responses=problems(404, 409, 429, 503))
async def ask(
    service: ChatsDep, who: PrincipalDep, request_id: RequestIdDep, chat_id: str, wanted: MessageCreate
) -> Exchange:
    """Adds a question and starts its answer, which runs on whether or not anybody watches."""
    question, answer = await service.ask(who, chat_id, wanted, request_id=request_id)
    return Exchange(user_message=Message.of(question), assistant_message=Message.of(answer))


@router.post("/{chat_id}/messages/{message_id}/regenerate", status_code=201, responses=problems(404, 409, 429, 503))
async def regenerate(
    service: ChatsDep, who: PrincipalDep, request_id: RequestIdDep, chat_id: str, message_id: str, wanted: Regenerate
) -> Begun:
    """Starts another answer: beside an answer, or below a question."""
    answer = await service.regenerate(who, chat_id, message_id, wanted.model, request_id=request_id)
    return Begun(assistant_message=Message.of(answer))


@router.post("/{chat_id}/messages/{message_id}/stop", responses=problems(404))
async def stop(service: ChatsDep, who: PrincipalDep, chat_id: str, message_id: str) -> Message:
    """Stops an answer; what it has so far is kept."""
    return Message.of(await service.stop(who, chat_id, message_id))


@router.get(
    "/{chat_id}/messages/{message_id}/events",
    response_class=StreamingResponse,
    responses={**problems(404), 200: {"content": {"text/event-stream": {}}, "description": "Events of the answer"}},
)
async def events(
    service: ChatsDep,
    who: PrincipalDep,
    chat_id: str,
    message_id: str,
    after: Annotated[int | None, Query(ge=0, description="Number of the last event you have")] = None,
    last_event_id: Annotated[int | None, Header(ge=0)] = None,
) -> StreamingResponse:
    """Streams an answer's events (`status`, `sources`, `delta`, `citations`, then `done` or `error`), from any point."""
    stream = await service.events(who, chat_id, message_id, after if after is not None else last_event_id or 0)
    return StreamingResponse(
        _encoded(stream),
        media_type="text/event-stream",
        headers={"cache-control": "no-store", "x-accel-buffering": "no"},
    )


async def _encoded(stream: AsyncGenerator[ChatEvent | None, None]) -> AsyncGenerator[bytes, None]:
    async with aclosing(stream) as found:
        async for event in found:
            yield event.encode() if event is not None else b": keep-alive\n\n"


@router.post(
    "/{chat_id}/documents",
    status_code=202,
    openapi_extra=UPLOAD_BODY,
    responses={**problems(404, 409, 413, 415), 200: {"model": Document, "description": "The chat has it already"}},
)
async def upload_document(
    service: ChatsDep, documents: DocumentsDep, who: PrincipalDep, chat_id: str, request: Request, response: Response
) -> Document:
    """Takes a document into the chat's own collection; later questions in this chat are answered from it."""
    collection = await service.own_collection(who, chat_id)
    document, is_new = await documents.receive(who, collection.id, partial(receive_file, request))
    if not is_new:
        response.status_code = 200
    return Document.of(document)


@router.get("/{chat_id}/export", response_class=Response, responses=problems(404))
async def export(
    service: ChatsDep,
    who: PrincipalDep,
    chat_id: str,
    file_format: Annotated[Literal["json", "markdown"], Query(alias="format")] = "json",
) -> Response:
    """Gives a chat as a file: JSON with every branch, or Markdown of the branch on display."""
    chat, messages = await service.get(who, chat_id)
    is_json = file_format == "json"
    text = as_json(chat, messages) if is_json else as_markdown(chat, messages)
    name = file_name(chat.title, "json" if is_json else "md")
    return Response(
        text,
        media_type="application/json" if is_json else "text/markdown; charset=utf-8",
        headers={
            "content-disposition": f'attachment; filename="{name}"',
            "content-security-policy": "sandbox; default-src 'none'",
        },
    )
