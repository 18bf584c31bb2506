"""OpenAI's Responses face: `POST /v1/responses`, on every model, without a memory of its own (`store: false`)."""

from collections.abc import Mapping
from functools import partial

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from alcove.gateway.faces.responses_answer import ResponseWriter, WholeResponse
from alcove.gateway.faces.responses_request import responses_call
from alcove.gateway.faces.route import Asked, FaceRoute, Sent
from alcove.gateway.openai_api import OpenAiError

router = APIRouter(prefix="/v1/responses", tags=["openai"])


def read_responses(sent: Sent) -> Asked:
    """Reads a request for a response.

    Raises:
        InvalidRequest: When it cannot be understood; names the field.
    """
    call = responses_call(sent.data)
    return Asked(
        request=call.request,
        writer=partial(ResponseWriter, echo=call.echo),
        whole=partial(WholeResponse, echo=call.echo),
    )


class ResponsesBody(BaseModel):
    """A request of OpenAI's Responses API; other fields go to the model server unchanged."""

    model_config = ConfigDict(extra="allow")

    model: str
    """Id of a model, as `GET /v1/models` lists them."""
    input: str | list[dict[str, object]]
    """A text, or the items of the conversation, oldest first."""
    instructions: str | None = None
    """Instructions, before everything else."""
    stream: bool = False
    """Whether to answer piece by piece, as server-sent events."""
    max_output_tokens: int | None = None
    """The most tokens the answer may have, reasoning included."""
    tools: list[dict[str, object]] | None = None
    """Functions the model may call."""
    text: dict[str, object] | None = None
    """The form of the answer: `{"format": {"type": "json_schema", …}}`."""
    reasoning: dict[str, object] | None = None
    """`{"effort": "low"}` and the like."""
    collections: list[str] | None = None
    """Alcove's own: names or ids of knowledge collections to answer from. The answer then carries `sources` and `citations`."""


_ERRORS: Mapping[int | str, dict[str, object]] = {
    status: {"model": OpenAiError, "description": "Error"} for status in (400, 401, 403, 404, 413, 429, 502, 503, 504)
}

FaceRoute("/v1/responses", read_responses).add_to(router)


@router.post(
    "",
    responses={
        **_ERRORS,
        200: {
            "description": "The response, or its events",
            "content": {"application/json": {}, "text/event-stream": {}},
        },
    },
)
async def create_response(body: ResponsesBody) -> dict[str, object]:
    """Answers in the form of OpenAI's Responses API. Nothing is stored: send earlier items again. `x-trace-id` names the trace."""
    raise NotImplementedError(body.model)  # the plain ASGI route before this one answers; this one documents it
