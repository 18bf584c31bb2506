"""Ollama's face: `POST /api/generate` and `POST /api/chat`, on every chat model of the house.

Bodies are read as JSON whatever their content type says, answers stream unless the client says no, one JSON object a line. Errors
before the first byte are `{"error": "text"}` with their status; a stream that fails later ends with such a line, and none that is done.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import cast

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from alcove.gateway.cache.headers import cache_control
from alcove.gateway.faces.ollama_answer import NDJSON, LineWriter, WholeOllamaAnswer, load_body
from alcove.gateway.faces.ollama_names import OllamaNames
from alcove.gateway.faces.ollama_request import OllamaCall, chat_call, fitted, generate_call, load_options
from alcove.gateway.faces.route import Asked, answer, received, send_json
from alcove.gateway.ports import ModelLoading
from alcove.gateway.service import ModelCatalogue
from alcove.kernel.errors import ModelNotFound
from alcove.kernel.ports import ModelInfo
from alcove.kernel.principal import Principal

router = APIRouter(prefix="/api", tags=["ollama"])


class OllamaRoute:
    """`POST` on one path, as plain ASGI."""

    def __init__(self, path: str, read: Callable[[bytes], OllamaCall]) -> None:
        """Make a route.

        Args:
            path: Where it answers.
            read: Reads the bodies of its requests.
        """
        self._read = read
        self.route = Route(path, self, methods=["POST"])
        router.routes.append(self.route)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers, line by line or whole.

        Raises:
            AlcoveError: Before anything has been sent; the application renders it.
        """
        came = await received(self.route, scope, receive)
        if came is None:
            return
        state, who, face, body = came
        call = self._read(body)
        info = await _info(cast("ModelCatalogue", state["model_catalogue"]), call, who)
        with face.slots.take(who.user_id):
            if call.is_load:
                await _load(call, info, who, cast("ModelLoading", state["model_loading"]), send)
                return
            turn = face.runner.open(
                fitted(call, info),
                who,
                request_id=str(state.get("request_id", "")),
                endpoint=self.route.path,
                cache_control=cache_control(scope["headers"]),
            )
            asked = Asked(
                request=turn.request,
                writer=partial(LineWriter, way=call.way),
                whole=partial(WholeOllamaAnswer, way=call.way),
                content_type=NDJSON,
                name=call.name,
            )
            await answer(face, turn, asked, receive, send, [])


async def _info(catalogue: ModelCatalogue, call: OllamaCall, who: Principal) -> ModelInfo:
    try:
        return await OllamaNames(catalogue).chat_model(call.name, who, way=call.way)
    except ModelNotFound as error:
        detail = f"model '{call.name}' not found"
        raise ModelNotFound(detail, fields=error.fields) from None


async def _load(call: OllamaCall, info: ModelInfo, who: Principal, loading: ModelLoading, send: Send) -> None:
    """Loads or unloads a model; those that are not loaded by anyone here are always ready."""
    if call.is_unload:
        await loading.unload(info.id, who)
    else:
        await loading.load(info.id, who, options=load_options(call), keep_alive=call.request.extra.get("keep_alive"))
    await send_json(send, load_body(call.name, call.way, "unload" if call.is_unload else "load"), [])


class OllamaError(BaseModel):
    """Ollama's error object."""

    error: str


class OllamaBody(BaseModel):
    """What requests of Ollama's protocol have in common."""

    model_config = ConfigDict(extra="ignore")

    model: str
    """Name of a model, as `GET /v1/models` lists them; `:latest` may be left out."""
    options: dict[str, object] | None = None
    """Ollama's options: `temperature`, `num_ctx`, `num_predict`, …"""
    keep_alive: str | float | None = None
    """How long the model stays loaded: seconds, or a duration such as `5m`; negative for ever, 0 not at all."""


class _AnswerBody(OllamaBody):
    """What requests for answers have in common."""

    stream: bool = True
    """Whether to answer piece by piece, as lines of JSON."""
    format: str | dict[str, object] | None = None
    """`json`, or a JSON schema."""
    think: bool | str | None = None
    """Whether the model is to think, or how much: `low`, `medium`, `high`, `max`."""
    logprobs: bool | None = None
    """Whether to give log probabilities."""
    top_logprobs: int | None = None
    """Of how many other tokens, up to 20."""
    collections: list[str] | None = None
    """Alcove's own: names or ids of knowledge collections to answer from. The last line then carries `sources` and `citations`."""


class OllamaChatBody(_AnswerBody):
    """A chat request of Ollama's."""

    messages: list[dict[str, object]] | None = None
    """The conversation, oldest first; none loads the model, or unloads it with `keep_alive` 0."""
    tools: list[dict[str, object]] | None = None
    """Tools the model may call."""


class OllamaGenerateBody(_AnswerBody):
    """A request of Ollama's to go on with a text."""

    prompt: str | None = None
    """The text; none loads the model, or unloads it with `keep_alive` 0."""
    suffix: str | None = None
    """What is to follow."""
    system: str | None = None
    """The system prompt."""
    template: str | None = None
    """A prompt template in place of the model's own, for servers that take one."""
    raw: bool = False
    """Whether the prompt goes to the model as it is."""
    images: list[str] | None = None
    """Images, base64."""


ERRORS: Mapping[int | str, dict[str, object]] = {
    status: {"model": OllamaError, "description": "Error"} for status in (400, 401, 403, 404, 413, 429, 502, 503, 504)
}
_ANSWERS: Mapping[int | str, dict[str, object]] = {
    **ERRORS,
    200: {
        "description": "The answer, or its lines",
        "content": {"application/json": {}, "application/x-ndjson": {}},
    },
}

OllamaRoute("/api/chat", chat_call)
OllamaRoute("/api/generate", generate_call)


@router.post("/chat", responses=dict(_ANSWERS))
async def ollama_chat(body: OllamaChatBody) -> dict[str, object]:
    """Answers a conversation in the form of Ollama's API. `x-trace-id` names the answer's trace."""
    raise NotImplementedError(body.model)  # the plain ASGI route before this one answers; this one documents it


@router.post("/generate", responses=dict(_ANSWERS))
async def ollama_generate(body: OllamaGenerateBody) -> dict[str, object]:
    """Goes on with a text in the form of Ollama's API. `x-trace-id` names the answer's trace."""
    raise NotImplementedError(body.model)  # as above
