"""The floor of our server: uvicorn and a raw ASGI application that answers from memory, without looking at anything."""

import asyncio
import json
import socket
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn

_Message = dict[str, Any]
_EVENTS = 50
_PACED_EVENTS = 20
_FIRST_S = 0.02
_NEXT_S = 0.005


def _event(word: str) -> bytes:
    value = {"id": "chatcmpl-bench", "object": "chat.completion.chunk", "created": 1760000000, "model": "bench", "system_fingerprint": "fp_1",
             "choices": [{"index": 0, "delta": {"content": word}, "logprobs": None, "finish_reason": None}]}  # fmt: skip
    return b"data: " + json.dumps(value, separators=(",", ":")).encode() + b"\n\n"


_WORD = _event("word ")
_DONE = b"data: [DONE]\n\n"
_BURST = _WORD * _EVENTS + _DONE
_UNARY = json.dumps({
    "id": "chatcmpl-bench", "object": "chat.completion", "created": 1760000000, "model": "bench",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "The answer is forty-two."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 10, "completion_tokens": 6, "total_tokens": 16},
}).encode()  # fmt: skip
_JSON = [(b"content-type", b"application/json"), (b"content-length", str(len(_UNARY)).encode())]
_EVENT_STREAM = [(b"content-type", b"text/event-stream")]


async def app(
    scope: dict[str, Any], receive: Callable[[], Awaitable[_Message]], send: Callable[[_Message], Awaitable[None]]
) -> None:
    """Answers a chat completion."""
    assert scope["type"] == "http"
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    if b'"burst"' in body:
        await send({"type": "http.response.start", "status": 200, "headers": _EVENT_STREAM})
        await send({"type": "http.response.body", "body": _BURST})
    elif b'"paced"' in body or b'"idle"' in body:
        await asyncio.sleep(_FIRST_S)
        await send({"type": "http.response.start", "status": 200, "headers": _EVENT_STREAM})
        await send({"type": "http.response.body", "body": _WORD, "more_body": True})
        if b'"idle"' in body:
            await receive()
            return
        for _ in range(_PACED_EVENTS - 1):
            await asyncio.sleep(_NEXT_S)
            await send({"type": "http.response.body", "body": _WORD, "more_body": True})
        await send({"type": "http.response.body", "body": _DONE})
    else:
        await send({"type": "http.response.start", "status": 200, "headers": _JSON})
        await send({"type": "http.response.body", "body": _UNARY})


if __name__ == "__main__":
    config = uvicorn.Config(app, log_level="error", access_log=False, lifespan="off", loop="uvloop", http="httptools")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sys.stdout.write(f"ready {listener.getsockname()[1]}\n")
        sys.stdout.flush()
        uvicorn.Server(config).run(sockets=[listener])
