"""OpenAI's legacy face: `POST /v1/completions`, on every chat model."""

from collections.abc import Mapping
from functools import partial

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from alcove.gateway.faces.completions_answer import CompletionWriter, WholeCompletion
from alcove.gateway.faces.completions_request import completion_call
from alcove.gateway.faces.route import Asked, FaceRoute, Sent
from alcove.gateway.openai_api import OpenAiError

router = APIRouter(prefix="/v1/completions", tags=["openai"])


def read_completions(sent: Sent) -> Asked:
    """Reads a request for a completion.

    Raises:
        InvalidRequest: When it cannot be understood; names the field.
    """
    call = completion_call(sent.data)
    writer = partial(CompletionWriter, wants_usage=call.wants_usage)
    return Asked(request=call.request, writer=writer, whole=WholeCompletion)


class CompletionsBody(BaseModel):
    """A legacy completion request of OpenAI's; other fields go to the model server unchanged."""

    model_config = ConfigDict(extra="allow")

    model: str
    """Id of a model, as `GET /v1/models` lists them."""
    prompt: str | list[str]
    """A text, or a list of one."""
    stream: bool = False
    """Whether to answer piece by piece, as server-sent events."""
    stream_options: dict[str, object] | None = None
    """`{"include_usage": true}` for a last chunk with token counts."""
    collections: list[str] | None = None
    """Alcove's own: names or ids of knowledge collections to answer from. The answer then carries `sources` and `citations`."""


_ERRORS: Mapping[int | str, dict[str, object]] = {
    status: {"model": OpenAiError, "description": "Error"} for status in (400, 401, 403, 404, 413, 429, 502, 503, 504)
}

FaceRoute("/v1/completions", read_completions).add_to(router)


@router.post(
    "",
    responses={
        **_ERRORS,
        200: {
            "description": "The completion, or its chunks",
            "content": {"application/json": {}, "text/event-stream": {}},
        },
    },
)
async def create_completion(body: CompletionsBody) -> dict[str, object]:
    """Answers a prompt, which is put to the model as the one message of a chat. `x-trace-id` names the answer's trace."""
    raise NotImplementedError(body.model)  # the plain ASGI route before this one answers; this one documents it
