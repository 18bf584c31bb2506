"""The OpenAI-compatible face: `/v1/chat/completions`, `/v1/models`, `/v1/embeddings`.

Chat is a plain ASGI route, four times as fast as one of FastAPI's; a second route of the same path, which is never reached,
is there for the OpenAPI document alone. Errors before the first byte have their status and OpenAI's error object; a stream
that fails later ends with an event `data: {"error": {…}}` and without `[DONE]`, which OpenAI's clients raise as an error.
"""

import base64
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal, cast

import pydantic_core
from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field, field_validator
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from alcove.gateway.body import read_body
from alcove.gateway.cache.headers import cache_control
from alcove.gateway.embedding import EmbeddingRequest, EmbeddingService
from alcove.gateway.models import GatewaySettings
from alcove.gateway.openai_answer import AnswerHead, ChunkWriter, whole_answer
from alcove.gateway.openai_request import parse_chat
from alcove.gateway.relay import AnswerRelay, answer_headers
from alcove.gateway.service import ModelCatalogue
from alcove.gateway.slots import AnswerSlots
from alcove.infra.web import PrincipalDep, RequestIdDep, principal
from alcove.kernel.errors import AlcoveError
from alcove.kernel.ports import DEFAULT_MODEL, ModelInfo
from alcove.kernel.runner import TurnRunner
from alcove.kernel.turn import Turn

MAX_INPUTS = 2048
MAX_INPUT_CHARACTERS = 10_000_000

router = APIRouter(prefix="/v1", tags=["openai"])


@dataclass(frozen=True, slots=True)
class ChatFace:
    """What the chat route needs, and whose slots the embeddings route shares; one is kept for the life of the application.

    Attributes:
        runner: Runs turns.
        slots: Bounds how many run at a time.
        settings: The gateway's settings.
    """

    runner: TurnRunner
    slots: AnswerSlots
    settings: GatewaySettings

    @classmethod
    def of(cls, runner: TurnRunner, settings: GatewaySettings) -> "ChatFace":
        """Makes one with free slots."""
        return cls(runner, AnswerSlots(settings.max_streams, settings.max_streams_per_user), settings)


class ChatCompletions:
    """`POST /v1/chat/completions`, as plain ASGI."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers, piece by piece or whole.

        Raises:
            AlcoveError: Before anything has been sent; the application renders it.
        """
        scope["route"] = CHAT_ROUTE  # as FastAPI's own routes do, for logs and metrics
        state = scope.get("state", {})
        who = principal(Request(scope))
        face = cast("ChatFace", state["chat_face"])
        body = await read_body(receive, face.settings.max_body_bytes)
        if body is None:
            return
        call = parse_chat(body)
        if call.request.model == DEFAULT_MODEL:
            chosen = await face.runner.models.chat_model(DEFAULT_MODEL, who)
            call = replace(call, request=replace(call.request, model=chosen.info.id))
        with face.slots.take(who.user_id):
            turn = face.runner.open(
                call.request,
                who,
                request_id=str(state.get("request_id", "")),
                endpoint=CHAT_ROUTE.path,
                cache_control=cache_control(scope["headers"]),
            )
            head = AnswerHead(trace_id=turn.trace_id, model=call.request.model, created=int(time.time()))
            relay = AnswerRelay(
                runner=face.runner,
                turn=turn,
                receive=receive,
                send=send,
                writer=ChunkWriter(head, call.wants_usage) if call.request.is_streaming else None,
                keep_alive_s=face.settings.keep_alive_s,
                slow_client_s=face.settings.slow_client_s,
            )
            try:
                await relay.run()
            except AlcoveError as error:
                error.headers["x-trace-id"] = turn.trace_id
                raise
            if relay.writer is None and not relay.is_gone:
                await _send_whole(turn, head, send)


async def _send_whole(turn: Turn, head: AnswerHead, send: Send) -> None:
    body = whole_answer(head, turn.answer)
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        *answer_headers(turn),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class ChatBody(BaseModel):
    """A chat request as OpenAI has it; other fields go to the model server unchanged."""

    model_config = ConfigDict(extra="allow")

    model: str
    """Id of a model, as `GET /v1/models` lists them."""
    messages: Annotated[list[dict[str, object]], Field(min_length=1)]
    """The conversation, oldest first."""
    stream: bool = False
    """Whether to answer piece by piece, as server-sent events."""
    stream_options: dict[str, object] | None = None
    """`{"include_usage": true}` for a last chunk with token counts."""
    collections: list[str] | None = None
    """Alcove's own: names or ids of knowledge collections to answer from. The answer then carries `sources` and `citations`."""


class OpenAiErrorBody(BaseModel):
    """What went wrong."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class OpenAiError(BaseModel):
    """OpenAI's error object."""

    error: OpenAiErrorBody


ERRORS: dict[int | str, dict[str, object]] = {
    status: {"model": OpenAiError, "description": "Error"} for status in (400, 401, 403, 404, 413, 429, 502, 503, 504)
}

CHAT_ROUTE = Route("/v1/chat/completions", ChatCompletions(), methods=["POST"])
router.routes.append(CHAT_ROUTE)


@router.post(
    "/chat/completions",
    responses={
        **ERRORS,
        200: {
            "description": "The answer, or its chunks as server-sent events",
            "content": {"application/json": {}, "text/event-stream": {}},
        },
    },
)
async def chat_completions(body: ChatBody) -> dict[str, object]:
    """Answers a conversation. `x-trace-id` names the answer's trace."""
    raise NotImplementedError(body.model)  # the plain ASGI route before this one answers; this one documents it


class OpenAiModel(BaseModel):
    """A model, as OpenAI lists it."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str

    @classmethod
    def of(cls, info: ModelInfo) -> "OpenAiModel":
        """Gives a model's entry."""
        return cls(id=info.id, created=info.created, owned_by=info.owned_by)


class OpenAiModels(BaseModel):
    """OpenAI's list of models."""

    object: Literal["list"] = "list"
    data: list[OpenAiModel]


def _catalogue(request: Request) -> ModelCatalogue:
    return cast("ModelCatalogue", request.state.model_catalogue)


def _embedding(request: Request) -> EmbeddingService:
    return cast("EmbeddingService", request.state.embedding_service)


def _slots(request: Request) -> AnswerSlots:
    return cast("ChatFace", request.state.chat_face).slots


CatalogueDep = Annotated[ModelCatalogue, Depends(_catalogue)]
EmbeddingDep = Annotated[EmbeddingService, Depends(_embedding)]
SlotsDep = Annotated[AnswerSlots, Depends(_slots)]


@router.get("/models", responses=ERRORS)
async def list_models(who: PrincipalDep, catalogue: CatalogueDep) -> OpenAiModels:
    """Lists the models you may use."""
    return OpenAiModels(data=[OpenAiModel.of(info) for info in await catalogue.list_models(who)])


@router.get("/models/{model_id:path}", responses=ERRORS)
async def get_model(model_id: str, who: PrincipalDep, catalogue: CatalogueDep) -> OpenAiModel:
    """Gives one model."""
    return OpenAiModel.of(await catalogue.model_info(model_id, who))


class EmbeddingsBody(BaseModel):
    """An embeddings request as OpenAI has it."""

    model: Annotated[str, Field(min_length=1, max_length=200)]
    input: list[str]
    """A text, or a list of up to 2,048 texts."""
    encoding_format: Literal["float", "base64"] = "float"
    """`base64` gives little-endian 32-bit floats."""
    dimensions: Annotated[int | None, Field(ge=1)] = None
    """Length of the vectors; where given, it must be the model's own."""
    user: str | None = None

    @field_validator("input", mode="before")
    @classmethod
    def _texts(cls, value: object) -> object:
        texts = [value] if isinstance(value, str) else value
        if not isinstance(texts, list) or not texts:
            msg = "must be a text or a list of at least one text"
            raise ValueError(msg)
        if len(texts) > MAX_INPUTS:
            msg = f"must not be more than {MAX_INPUTS} texts"
            raise ValueError(msg)
        if not all(isinstance(each, str) for each in texts):
            msg = "must be texts; lists of tokens are not supported, since they mean something else to every model"
            raise ValueError(msg)
        if not all(texts):
            msg = "must not hold an empty text"
            raise ValueError(msg)
        if sum(map(len, texts)) > MAX_INPUT_CHARACTERS:
            msg = f"must not be longer than {MAX_INPUT_CHARACTERS:,} characters together"
            raise ValueError(msg)
        return texts


@router.post(
    "/embeddings",
    response_class=Response,
    responses={**ERRORS, 200: {"description": "The vectors", "content": {"application/json": {}}}},
)
async def create_embeddings(
    body: EmbeddingsBody, who: PrincipalDep, service: EmbeddingDep, slots: SlotsDep, request_id: RequestIdDep
) -> Response:
    """Turns texts into vectors of unit length."""
    wanted = EmbeddingRequest(model=body.model, texts=body.input, dimensions=body.dimensions, request_id=request_id)
    with slots.take(who.user_id):
        vectors, trace_id = await service.embed(wanted, who)
    is_base64 = body.encoding_format == "base64"
    answer = {
        "object": "list",
        "data": [
            {"object": "embedding", "index": index, "embedding": _base64(vector) if is_base64 else vector}
            for index, vector in enumerate(vectors.vectors)
        ],
        "model": body.model,
        "usage": {"prompt_tokens": vectors.usage.input_tokens, "total_tokens": vectors.usage.input_tokens},
    }
    return Response(pydantic_core.to_json(answer), media_type="application/json", headers={"x-trace-id": trace_id})


def _base64(vector: Sequence[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
