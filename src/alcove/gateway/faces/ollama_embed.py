"""Ollama's embeddings: `POST /api/embed`, and the older `POST /api/embeddings`, on every embedding model of the house.

The newer gives vectors of unit length, cut to `dimensions` and made of unit length again where a client wants fewer. The older gives
the one vector as the model does, where its server tells; most servers, and so their models here, know vectors of unit length only.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import pydantic_core
from fastapi import APIRouter
from pydantic import BaseModel
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from alcove.gateway.embedding import EmbeddingRequest, EmbeddingService
from alcove.gateway.faces.ollama_api import ERRORS, OllamaBody
from alcove.gateway.faces.ollama_fields import a_count, a_flag, a_text, body_of, options_of, refuse
from alcove.gateway.faces.ollama_names import OllamaNames
from alcove.gateway.faces.route import received, send_json
from alcove.gateway.fields import MAX_ID, Fields
from alcove.gateway.ollama_words import LOAD_OPTIONS
from alcove.gateway.openai_api import MAX_INPUT_CHARACTERS, MAX_INPUTS
from alcove.gateway.ports import ModelLoading
from alcove.gateway.service import ModelCatalogue
from alcove.kernel.chat import JsonValue
from alcove.kernel.errors import ContextOverflow, InvalidRequest, ModelNotFound, UpstreamError
from alcove.kernel.ports import Embeddings
from alcove.kernel.principal import Principal
from alcove.runtime.keep_alive import keep_alive_s

router = APIRouter(prefix="/api", tags=["ollama"])


@dataclass(frozen=True, kw_only=True, slots=True)
class EmbedCall:
    """A request for vectors.

    Attributes:
        name: The model's name, as sent.
        texts: The texts; none to load the model.
        dimensions: How many numbers of each vector are wanted; 0 for all.
        extra: Options, for models that know them.
        keep_alive_s: Seconds the model is to stay; None where the client does not say.
        is_old: Whether the older endpoint was asked.
    """

    name: str
    texts: Sequence[str]
    dimensions: int = 0
    extra: Mapping[str, JsonValue]
    keep_alive_s: float | None
    is_old: bool = False


def embed_call(body: bytes) -> EmbedCall:
    """Reads the body of `POST /api/embed`.

    Raises:
        InvalidRequest: When it cannot be understood.
    """
    struct = "EmbedRequest"
    data = body_of(body, struct)
    dimensions = a_count(data, "dimensions", struct) or 0
    if dimensions < 0:
        refuse("dimensions must not be negative", "dimensions")
    extra = _extra(data, struct)
    truncate = a_flag(data, "truncate", struct)
    if truncate is not None:
        extra["truncate"] = truncate
    return EmbedCall(
        name=_name(data, struct),
        texts=_texts(data.get("input")),
        dimensions=dimensions,
        extra=extra,
        keep_alive_s=keep_alive_s(data.get("keep_alive")),
    )


def embeddings_call(body: bytes) -> EmbedCall:
    """Reads the body of `POST /api/embeddings`.

    Raises:
        InvalidRequest: When it cannot be understood.
    """
    struct = "EmbeddingRequest"
    data = body_of(body, struct)
    prompt = a_text(data, "prompt", struct)
    return EmbedCall(
        name=_name(data, struct),
        texts=_texts(prompt),
        extra={**_extra(data, struct), "normalize": False},
        keep_alive_s=keep_alive_s(data.get("keep_alive")),
        is_old=True,
    )


def _name(data: Fields, struct: str) -> str:
    name = a_text(data, "model", struct)
    if len(name) > MAX_ID:
        refuse(f"model: must not be longer than {MAX_ID} characters", "model")
    return name


def _extra(data: Fields, struct: str) -> dict[str, JsonValue]:
    extra = {key: value for key, value in options_of(data, struct).items() if key in LOAD_OPTIONS}
    if data.get("keep_alive") is not None:
        extra["keep_alive"] = data["keep_alive"]
    return extra


def _texts(value: JsonValue) -> list[str]:
    if value is None or value == "":
        return []
    given = [value] if isinstance(value, str) else value
    if not isinstance(given, list):
        refuse("invalid input type", "input")
    texts = [each for each in given if isinstance(each, str)]
    if len(texts) != len(given):
        refuse("invalid input type", "input")
    if len(texts) > MAX_INPUTS:
        refuse(f"input must not be more than {MAX_INPUTS:,} texts", "input")
    if sum(map(len, texts)) > MAX_INPUT_CHARACTERS:
        refuse(f"input must not be longer than {MAX_INPUT_CHARACTERS:,} characters together", "input")
    return texts


def shortened(vector: Sequence[float], dimensions: int) -> list[float]:
    """Gives the beginning of a vector, of unit length; all of it for 0 dimensions, or as many as it has."""
    if not 0 < dimensions < len(vector):
        return list(vector)
    head = vector[:dimensions]
    length = math.sqrt(sum(value * value for value in head))
    return [value / length for value in head] if length else list(head)


class EmbedRoute:
    """`POST` on one path, as plain ASGI."""

    def __init__(self, path: str, read: Callable[[bytes], EmbedCall]) -> None:
        """Make a route.

        Args:
            path: Where it answers.
            read: Reads the bodies of its requests.
        """
        self._read = read
        self.route = Route(path, self, methods=["POST"])
        router.routes.append(self.route)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers with vectors.

        Raises:
            AlcoveError: The application renders it.
        """
        came = await received(self.route, scope, receive)
        if came is None:
            return
        state, who, face, body = came
        begun_ns = time.monotonic_ns()
        call = self._read(body)
        model_id = await _model_id(cast("ModelCatalogue", state["model_catalogue"]), call.name, who)
        with face.slots.take(who.user_id):
            if not call.texts:
                await _load(call, model_id, who, cast("ModelLoading", state["model_loading"]))
                await send_json(send, _body(call, Embeddings(vectors=[]), begun_ns), [])
                return
            service = cast("EmbeddingService", state["embedding_service"])
            request = EmbeddingRequest(
                model=model_id,
                texts=call.texts,
                request_id=str(state.get("request_id", "")),
                endpoint=self.route.path,
                extra=call.extra,
            )
            vectors, trace_id = await _embedded(service, request, who)
        await send_json(send, _body(call, vectors, begun_ns), [(b"x-trace-id", trace_id.encode())])


async def _model_id(catalogue: ModelCatalogue, name: str, who: Principal) -> str:
    try:
        return (await OllamaNames(catalogue).embedding_model(name, who)).info.id
    except ModelNotFound as error:
        detail = f'model "{name}" not found, try pulling it first'
        raise ModelNotFound(detail, fields=error.fields) from None


async def _load(call: EmbedCall, model_id: str, who: Principal, loading: ModelLoading) -> None:
    if call.keep_alive_s == 0:
        await loading.unload(model_id, who)
        return
    options = {key: value for key, value in call.extra.items() if key in LOAD_OPTIONS}
    await loading.load(model_id, who, options=options, keep_alive=call.extra.get("keep_alive"))


async def _embedded(service: EmbeddingService, request: EmbeddingRequest, who: Principal) -> tuple[Embeddings, str]:
    try:
        vectors, trace_id = await service.embed(request, who)
    except ContextOverflow as error:
        if request.extra.get("truncate") is not False:
            raise
        detail = "the input length exceeds the context length"
        raise InvalidRequest(detail, headers=error.headers) from error
    if not all(map(math.isfinite, (value for vector in vectors.vectors for value in vector))):
        detail = "failed to encode embedding: the model gave something that is no number (NaN or infinity)"
        raise UpstreamError(detail, status=500, headers={"x-trace-id": trace_id})
    return vectors, trace_id


def _body(call: EmbedCall, vectors: Embeddings, begun_ns: int) -> bytes:
    if call.is_old:
        first = vectors.vectors[0] if len(vectors.vectors) else []
        return pydantic_core.to_json({"embedding": list(first)})
    body: dict[str, object] = {
        "model": call.name,
        "embeddings": [shortened(each, call.dimensions) for each in vectors.vectors],
    }
    if call.texts:
        body["total_duration"] = max(1, time.monotonic_ns() - begun_ns)
        if vectors.usage.input_tokens:
            body["prompt_eval_count"] = vectors.usage.input_tokens
    return pydantic_core.to_json(body)


class OllamaEmbedBody(OllamaBody):
    """A request of Ollama's for vectors."""

    input: str | list[str] | None = None
    """A text or a list of texts; none loads the model, or unloads it with `keep_alive` 0."""
    truncate: bool = True
    """Whether a text that is too long is cut; else it is refused."""
    dimensions: int | None = None
    """How many numbers of each vector are wanted; fewer than the model's are its first, made of unit length again."""


class OllamaVectors(BaseModel):
    """Vectors of unit length, in the order of the texts."""

    model: str
    embeddings: list[list[float]]
    total_duration: int | None = None
    """Nanoseconds."""
    prompt_eval_count: int | None = None
    """Tokens of all texts together."""


class OllamaEmbeddingsBody(OllamaBody):
    """A request of Ollama's for one vector."""

    prompt: str | None = None
    """The text; none loads the model."""


class OllamaVector(BaseModel):
    """One vector."""

    embedding: list[float]


EmbedRoute("/api/embed", embed_call)
EmbedRoute("/api/embeddings", embeddings_call)


@router.post("/embed", responses=dict(ERRORS))
async def ollama_embed(body: OllamaEmbedBody) -> OllamaVectors:
    """Turns texts into vectors of unit length, in the form of Ollama's API."""
    raise NotImplementedError(body.model)  # the plain ASGI route before this one answers; this one documents it


@router.post("/embeddings", responses=dict(ERRORS))
async def ollama_embeddings(body: OllamaEmbeddingsBody) -> OllamaVector:
    """Turns a text into a vector, in the form of Ollama's older API."""
    raise NotImplementedError(body.model)  # as above
