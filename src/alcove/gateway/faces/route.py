"""A route that answers: plain ASGI, the same for every face.

It reads the body, opens a turn, holds a slot, and lets `AnswerRelay` run it. What is particular to a protocol is in the `Reader`
that it is given. As with chat completions, a second route of the same path, which is never reached, documents it.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol, cast

from fastapi import APIRouter, Request
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from alcove.gateway.body import json_object, read_body
from alcove.gateway.cache.headers import cache_control
from alcove.gateway.openai_answer import AnswerHead
from alcove.gateway.openai_api import ChatFace
from alcove.gateway.relay import SSE, AnswerRelay, AnswerWriter, answer_headers
from alcove.infra.web import principal
from alcove.kernel.chat import Answer, ChatRequest, Delta, JsonValue
from alcove.kernel.errors import AlcoveError
from alcove.kernel.ports import DEFAULT_MODEL
from alcove.kernel.principal import Principal
from alcove.kernel.turn import Turn


class WholeAnswer(Protocol):
    """Collects an answer, and writes it in one piece."""

    def take(self, delta: Delta) -> None:
        """Takes the next delta in."""
        ...

    def body(self, answer: Answer) -> bytes:
        """Gives the JSON of the whole answer."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """A request, read, with the form its answer is to have.

    Attributes:
        request: What is asked.
        writer: Makes the writer of a stream.
        whole: Makes the writer of an answer in one piece.
        content_type: What a stream is.
        name: The model's name as the answer is to say it; empty for that of the request.
    """

    request: ChatRequest
    writer: Callable[[AnswerHead], AnswerWriter]
    whole: Callable[[AnswerHead], WholeAnswer]
    content_type: bytes = SSE
    name: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sent:
    """A request as it came.

    Attributes:
        data: Its JSON object.
        headers: Its header fields, names in lower case; the last of those of one name.
        request_id: Its id.
    """

    data: Mapping[str, JsonValue]
    headers: Mapping[str, str]
    request_id: str


Reader = Callable[[Sent], Asked]
"""Reads a request of one protocol.

Raises:
    InvalidRequest: When it cannot be understood; names the field.
"""


class Came(NamedTuple):
    """A request that has come whole.

    Attributes:
        state: What the house put beside it.
        who: Who asks.
        face: Bounds and runs answers.
        body: Its body.
    """

    state: Mapping[str, object]
    who: Principal
    face: ChatFace
    body: bytes


async def received(route: Route, scope: Scope, receive: Receive) -> Came | None:
    """Takes a request in; None when its client has left before the end of it.

    Raises:
        AlcoveError: When nobody is asking, or the body is too large; the application renders it.
    """
    scope["route"] = route  # as FastAPI's own routes do, for logs and metrics
    state: Mapping[str, object] = scope.get("state", {})
    who = principal(Request(scope))
    face = cast("ChatFace", state["chat_face"])
    body = await read_body(receive, face.settings.max_body_bytes)
    return None if body is None else Came(state, who, face, body)


class FaceRoute:
    """`POST` on one path."""

    def __init__(self, path: str, read: Reader, *, names_request: bool = False) -> None:
        """Make a route.

        Args:
            path: Where it answers.
            read: Reads its requests.
            names_request: Whether answers carry `request-id`, as Anthropic's do.
        """
        self._read = read
        self._names_request = names_request
        self.route = Route(path, self, methods=["POST"])

    def add_to(self, router: APIRouter) -> None:
        """Adds the route; before its documented twin, so that it is the one reached."""
        router.routes.append(self.route)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers, piece by piece or whole.

        Raises:
            AlcoveError: Before anything has been sent; the application renders it.
        """
        came = await received(self.route, scope, receive)
        if came is None:
            return
        state, who, face, body = came
        request_id = str(state.get("request_id", ""))
        asked = self._read(Sent(data=json_object(body), headers=_headers(scope), request_id=request_id))
        if asked.request.model == DEFAULT_MODEL:
            chosen = await face.runner.models.chat_model(DEFAULT_MODEL, who)
            asked = replace(asked, request=replace(asked.request, model=chosen.info.id))
        named = [(b"request-id", request_id.encode())] if self._names_request and request_id else []
        with face.slots.take(who.user_id):
            turn = face.runner.open(
                asked.request,
                who,
                request_id=request_id,
                endpoint=self.route.path,
                cache_control=cache_control(scope["headers"]),
            )
            await answer(face, turn, asked, receive, send, named)


async def answer(
    face: ChatFace,
    turn: Turn,
    asked: Asked,
    receive: Receive,
    send: Send,
    headers: list[tuple[bytes, bytes]],
) -> None:
    """Runs a turn and sends its answer, piece by piece or whole.

    Raises:
        AlcoveError: Before anything has been sent; the application renders it.
    """
    head = AnswerHead(trace_id=turn.trace_id, model=asked.name or asked.request.model, created=int(time.time()))
    is_streaming = asked.request.is_streaming
    whole = asked.whole(head)
    relay = AnswerRelay(
        runner=face.runner,
        turn=turn,
        receive=receive,
        send=send,
        writer=asked.writer(head) if is_streaming else None,
        keep_alive_s=face.settings.keep_alive_s,
        slow_client_s=face.settings.slow_client_s,
        headers=headers,
        collect=None if is_streaming else whole.take,
        content_type=asked.content_type,
    )
    try:
        await relay.run()
    except AlcoveError as error:
        error.headers["x-trace-id"] = turn.trace_id
        raise
    if not is_streaming and not relay.is_gone:
        await send_json(send, whole.body(turn.answer), [*answer_headers(turn), *headers])


async def send_json(send: Send, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    """Sends an answer in one piece."""
    always = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": [*always, *headers]})
    await send({"type": "http.response.body", "body": body})


def _headers(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
