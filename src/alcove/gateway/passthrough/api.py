"""`/v1/images/*`, `/v1/audio/*`, `/v1/moderations`: passed through to deployments that have them. `/v1/rerank`: also by embedding."""

import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar, cast

import anyio
import structlog
from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.datastructures import UploadFile
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from alcove.gateway.openai_answer import event
from alcove.gateway.openai_api import ERRORS, ChatFace
from alcove.gateway.passthrough import models
from alcove.gateway.passthrough.forms import FormBody, Part, json_body
from alcove.gateway.passthrough.models import FORM_INPUT_TOKENS, MULTIPART, Passage, PassedAnswer, PassedRequest
from alcove.gateway.passthrough.rerank import EmbeddingReranker
from alcove.gateway.passthrough.service import PassThroughService
from alcove.gateway.service import ModelCatalogue
from alcove.infra.problems import openai_error
from alcove.infra.web import PrincipalDep, RequestIdDep
from alcove.kernel.errors import AlcoveError, FieldError, InvalidRequest, UnsupportedMedia

T = TypeVar("T")

log = structlog.get_logger(__name__)

_CLIENT_LEFT = 499
_MAX_FIELDS = 100
_MAX_FILES = 20
_MAX_DOCUMENTS = 1000

router = APIRouter(prefix="/v1", tags=["openai"])

_FORM_ERRORS = {**ERRORS, 415: ERRORS[400]}


def _service(request: Request) -> PassThroughService:
    return cast("PassThroughService", request.state.pass_through)


def _face(request: Request) -> ChatFace:
    return cast("ChatFace", request.state.chat_face)


def _reranker(request: Request) -> EmbeddingReranker:
    return cast("EmbeddingReranker", request.state.reranker)


def _catalogue(request: Request) -> ModelCatalogue:
    return cast("ModelCatalogue", request.state.model_catalogue)


ServiceDep = Annotated[PassThroughService, Depends(_service)]
FaceDep = Annotated[ChatFace, Depends(_face)]
RerankerDep = Annotated[EmbeddingReranker, Depends(_reranker)]
CatalogueDep = Annotated[ModelCatalogue, Depends(_catalogue)]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for something that is passed through, with who answers it."""

    request: Request
    who: PrincipalDep
    service: ServiceDep
    face: FaceDep
    request_id: RequestIdDep

    async def pass_on(self, passage: Passage) -> Response:
        """Sends it to the deployment that has its model, and gives that one's answer."""
        passed = await _passed_request(passage, self.request, self.request_id)
        with contextlib.ExitStack() as stack:
            stack.enter_context(self.face.slots.take(self.who.user_id))
            answer = await _while_here(self.request.receive, lambda: self.service.answer(passed, self.who))
            if answer is None:
                return Response(status_code=_CLIENT_LEFT)
            return _PassedResponse(answer, stack.pop_all())


AskedDep = Annotated[Asked, Depends()]


def _documented(passage: Passage, required: list[str], answer: str) -> dict[str, Any]:
    """Gives what OpenAPI says of a route whose bodies nothing here looks at."""
    properties: dict[str, Any] = {name: {} for name in required} | {"model": {"type": "string"}}
    schema = {"type": "object", "required": ["model", *required], "properties": properties}
    refusals = _FORM_ERRORS if passage.takes == MULTIPART else ERRORS
    return {
        "responses": {**refusals, 200: {"description": "What the model server answers", "content": {answer: {}}}},
        "openapi_extra": {"requestBody": {"required": True, "content": {passage.takes: {"schema": schema}}}},
        "response_class": Response,
    }


@router.post("/moderations", **_documented(models.MODERATIONS, ["input"], "application/json"))
async def moderate(asked: AskedDep) -> Response:
    """Classifies texts by a moderation model."""
    return await asked.pass_on(models.MODERATIONS)


@router.post("/images/generations", **_documented(models.IMAGE_GENERATIONS, ["prompt"], "application/json"))
async def generate_images(asked: AskedDep) -> Response:
    """Makes images from a description."""
    return await asked.pass_on(models.IMAGE_GENERATIONS)


@router.post("/images/edits", **_documented(models.IMAGE_EDITS, ["image", "prompt"], "application/json"))
async def edit_images(asked: AskedDep) -> Response:
    """Changes images as described."""
    return await asked.pass_on(models.IMAGE_EDITS)


@router.post("/images/variations", **_documented(models.IMAGE_VARIATIONS, ["image"], "application/json"))
async def vary_images(asked: AskedDep) -> Response:
    """Makes variations of an image."""
    return await asked.pass_on(models.IMAGE_VARIATIONS)


@router.post("/audio/transcriptions", **_documented(models.TRANSCRIPTIONS, ["file"], "application/json"))
async def transcribe(asked: AskedDep) -> Response:
    """Writes down what is said in a recording."""
    return await asked.pass_on(models.TRANSCRIPTIONS)


@router.post("/audio/translations", **_documented(models.TRANSLATIONS, ["file"], "application/json"))
async def translate(asked: AskedDep) -> Response:
    """Writes down in English what is said in a recording."""
    return await asked.pass_on(models.TRANSLATIONS)


@router.post("/audio/speech", **_documented(models.SPEECH, ["input", "voice"], "audio/mpeg"))
async def speak(asked: AskedDep) -> Response:
    """Speaks a text."""
    return await asked.pass_on(models.SPEECH)


class RerankText(BaseModel):
    """A document as an object."""

    model_config = ConfigDict(extra="ignore")

    text: str


class RerankBody(BaseModel):
    """A request to rank documents, as Cohere and Jina have it; other fields go to the model server unchanged."""

    model_config = ConfigDict(extra="allow")

    model: Annotated[str, Field(min_length=1, max_length=300)]
    """A reranker of a deployment, or any embedding model (`alcove/minilm`), which then ranks by cosine."""
    query: Annotated[str, Field(min_length=1, max_length=100_000)]
    documents: Annotated[list[str | RerankText], Field(min_length=1, max_length=_MAX_DOCUMENTS)]
    top_n: Annotated[int | None, Field(ge=1)] = None
    """How many to give; absent for all."""
    return_documents: bool = False
    """Whether to give the documents' texts again."""


class RankedDocument(BaseModel):
    """A document with its relevance."""

    index: int
    relevance_score: float
    document: RerankText | None = None


class RerankUsage(BaseModel):
    """What it took."""

    total_tokens: int
    prompt_tokens: int


class Reranked(BaseModel):
    """Documents, the most relevant first."""

    id: str
    model: str
    results: list[RankedDocument]
    usage: RerankUsage | None = None


@router.post(
    "/rerank",
    response_class=Response,
    responses={**ERRORS, 200: {"description": "The ranking", "content": {"application/json": {}}}},
)
async def rerank(body: RerankBody, asked: AskedDep, reranker: RerankerDep, catalogue: CatalogueDep) -> Response:
    """Ranks documents by how well they answer a question."""
    who, receive = asked.who, asked.request.receive
    if (await catalogue.model_info(body.model, who)).kind != "embedding":
        return await asked.pass_on(models.RERANK)
    texts = [each if isinstance(each, str) else each.text for each in body.documents]
    empty = next((index for index, text in enumerate(texts) if not text.strip()), None)
    if empty is not None:
        reason = "must not be empty"
        raise InvalidRequest(
            f"documents.{empty}: {reason}.", fields=(FieldError(field=f"documents.{empty}", message=reason),)
        )
    with asked.face.slots.take(who.user_id):
        ranked = await _while_here(receive, lambda: reranker.rank(body.model, body.query, texts, who, asked.request_id))
    if ranked is None:
        return Response(status_code=_CLIENT_LEFT)
    results = [
        RankedDocument(
            index=index,
            relevance_score=round(score, 6),
            document=RerankText(text=texts[index]) if body.return_documents else None,
        )
        for index, score in ranked.scores[: body.top_n]
    ]
    tokens = ranked.usage.input_tokens
    answer = Reranked(
        id=f"rerank-{ranked.trace_id}",
        model=body.model,
        results=results,
        usage=RerankUsage(total_tokens=tokens, prompt_tokens=tokens),
    )
    data = answer.model_dump_json(exclude_none=True)
    return Response(data, media_type="application/json", headers={"x-trace-id": ranked.trace_id})


class _PassedResponse(Response):
    """An answer on its way through; whatever becomes of it, its slot is given back and its call counted."""

    def __init__(self, answer: PassedAnswer, held: contextlib.ExitStack) -> None:
        super().__init__()
        self._answer = answer
        self._held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  as ASGI has it
        """Sends the bytes as they come; an answer that breaks off is cut, for half of it must not look whole."""
        with self._held:
            try:
                await _while_here(receive, lambda: self._relay(send))
            finally:
                with anyio.CancelScope(shield=True):
                    await self._answer.close()

    async def _relay(self, send: Send) -> None:
        answer = self._answer
        headers = [
            (b"content-type", answer.content_type.encode("latin-1", "replace")),
            (b"x-trace-id", answer.trace_id.encode()),
            *answer.headers,
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        last = b""
        try:
            async for piece in answer.pieces:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        except AlcoveError as error:
            log.warning("answer_cut", trace_id=answer.trace_id, reason=error.detail)
            if not answer.content_type.startswith("text/event-stream"):
                return  # without an end: the server closes the connection
            last = event(openai_error(error))
        await send({"type": "http.response.body", "body": last, "more_body": False})


async def _passed_request(passage: Passage, request: Request, request_id: str) -> PassedRequest:
    sent = request.headers.get("content-type", "")
    accept = request.headers.get("accept", "*/*")
    if passage.takes == MULTIPART:
        if not sent.lower().startswith(MULTIPART):
            detail = f"{passage.endpoint} takes a form (multipart/form-data) with the file in it, not {sent[:100]!r}."
            raise UnsupportedMedia(detail)
        form = FormBody.of(await _parts(request))
        return PassedRequest(
            passage=passage,
            model=form.model,
            body=form,
            content_type=form.content_type,
            accept=accept,
            input_tokens=FORM_INPUT_TOKENS,
            request_id=request_id,
        )
    body = json_body(await request.body())
    return PassedRequest(
        passage=passage,
        model=body.model,
        body=body,
        content_type=models.JSON,
        accept=accept,
        input_tokens=body.tokens_of(passage.text_field),
        request_id=request_id,
    )


async def _parts(request: Request) -> list[Part]:
    parts: list[Part] = []
    async with request.form(max_files=_MAX_FILES, max_fields=_MAX_FIELDS) as form:
        for name, value in form.multi_items():
            if isinstance(value, UploadFile):
                data = await value.read()
                parts.append(
                    Part(name=name, data=data, filename=value.filename or "file", content_type=value.content_type)
                )
            else:
                parts.append(Part(name=name, data=value.encode()))
    return parts


async def _while_here(receive: Receive, work: Callable[[], Awaitable[T]]) -> T | None:
    """Does some work, and stops it when the client leaves; gives None then."""
    found: list[T] = []
    failures: list[AlcoveError] = []
    async with anyio.create_task_group() as group:

        async def watch() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            group.cancel_scope.cancel()

        group.start_soon(watch)
        try:
            found.append(await work())
        except AlcoveError as error:  # alone, not in a group
            failures.append(error)
        group.cancel_scope.cancel()
    if failures:
        raise failures[0]
    return found[0] if found else None
