"""Anthropic's face: `POST /v1/messages` and `POST /v1/messages/count_tokens`, on every model.

`anthropic-version` is accepted and not looked at: there is one version of the wire format. `anthropic-beta` goes to Anthropic's own
servers. Errors are Anthropic's error object; a stream that breaks off ends with an event `error`, without `message_stop`.
"""

import re
from collections.abc import Mapping
from functools import partial
from typing import Annotated, Literal, cast

import pydantic_core
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from alcove.gateway.body import json_object
from alcove.gateway.faces.anthropic_answer import MessageWriter, WholeMessage
from alcove.gateway.faces.anthropic_request import messages_request
from alcove.gateway.faces.route import Asked, FaceRoute, Sent, received, send_json
from alcove.gateway.faces.token_count import TokenCount
from alcove.gateway.fields import refuse
from alcove.infra.middleware import header

router = APIRouter(prefix="/v1/messages", tags=["anthropic"])

_BETA = re.compile(r"[A-Za-z0-9._-]{1,100}")
_MAX_BETAS = 50


def _beta(value: str | None) -> list[str]:
    names = [each.strip() for each in (value or "").split(",")]
    names = [each for each in names if each]
    if len(names) > _MAX_BETAS or not all(_BETA.fullmatch(each) for each in names):
        refuse("anthropic-beta", "must be names of beta features with commas between them")
    return names


def read_messages(sent: Sent) -> Asked:
    """Reads a request for a message.

    Raises:
        InvalidRequest: When it cannot be understood; names the field.
    """
    return Asked(
        request=messages_request(sent.data, beta=_beta(sent.headers.get("anthropic-beta"))),
        writer=partial(MessageWriter, request_id=sent.request_id),
        whole=WholeMessage,
    )


class CountTokens:
    """`POST /v1/messages/count_tokens`, as plain ASGI."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers with the number of tokens.

        Raises:
            AlcoveError: The application renders it.
        """
        came = await received(COUNT_ROUTE, scope, receive)
        if came is None:
            return
        state, who, face, body = came
        counting = cast("TokenCount", state["token_count"])
        request_id = str(state.get("request_id", ""))
        beta = _beta(header(scope, b"anthropic-beta"))
        request = messages_request(json_object(body), beta=beta, is_counted_only=True)
        with face.slots.take(who.user_id):
            tokens = await counting.count(request, who, request_id=request_id)
        answer = pydantic_core.to_json({"input_tokens": tokens})
        await send_json(send, answer, [(b"request-id", request_id.encode())] if request_id else [])


class TokensBody(BaseModel):
    """What Anthropic's Messages API counts; other fields go to Anthropic's servers unchanged."""

    model_config = ConfigDict(extra="allow")

    model: str
    """Id of a model, as `GET /v1/models` lists them."""
    messages: Annotated[list[dict[str, object]], Field(min_length=1)]
    """The conversation, oldest first."""
    system: str | list[dict[str, object]] | None = None
    """Instructions."""
    tools: list[dict[str, object]] | None = None
    """Tools the model may call."""


class MessagesBody(TokensBody):
    """A request of Anthropic's Messages API; other fields go to Anthropic's servers unchanged."""

    max_tokens: int
    """The most tokens the answer may have."""
    stream: bool = False
    """Whether to answer piece by piece, as server-sent events."""
    collections: list[str] | None = None
    """Alcove's own: names or ids of knowledge collections to answer from. The answer then carries `sources` and `citations`."""


class TokenCountBody(BaseModel):
    """A number of tokens."""

    input_tokens: int


class AnthropicErrorBody(BaseModel):
    """What went wrong."""

    type: str
    message: str


class AnthropicError(BaseModel):
    """Anthropic's error object."""

    type: Literal["error"] = "error"
    error: AnthropicErrorBody
    request_id: str | None = None


_ERRORS: Mapping[int | str, dict[str, object]] = {
    status: {"model": AnthropicError, "description": "Error"}
    for status in (400, 401, 403, 404, 413, 429, 502, 503, 504)
}

FaceRoute("/v1/messages", read_messages, names_request=True).add_to(router)
COUNT_ROUTE = Route("/v1/messages/count_tokens", CountTokens(), methods=["POST"])
router.routes.append(COUNT_ROUTE)


@router.post(
    "",
    responses={
        **_ERRORS,
        200: {
            "description": "The message, or its events",
            "content": {"application/json": {}, "text/event-stream": {}},
        },
    },
)
async def create_message(body: MessagesBody) -> dict[str, object]:
    """Answers a conversation in the form of Anthropic's Messages API. `x-trace-id` names the answer's trace."""
    raise NotImplementedError(body.model)  # the plain ASGI route before this one answers; this one documents it


@router.post("/count_tokens", responses={**_ERRORS})
async def count_tokens(body: TokensBody) -> TokenCountBody:
    """Counts the tokens of a request without answering it.

    Anthropic's servers are asked for their own count; for all other models it is an estimate of about four characters a token.
    """
    raise NotImplementedError(body.model)  # as above
