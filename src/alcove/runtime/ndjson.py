"""Answers of one JSON object a line, as Ollama streams them."""

import contextlib
import json
from collections.abc import AsyncGenerator, Mapping

import anyio
import structlog
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from alcove.infra.problems import ollama_error
from alcove.kernel.chat import JsonValue
from alcove.kernel.errors import AlcoveError, InternalError, first_known

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/x-ndjson"
Lines = AsyncGenerator[Mapping[str, JsonValue], None]


class LineResponse(Response):
    """Sends lines as they come, or only the last one.

    An error before the first line is an answer of its own; one after it is the last line. The lines' generator is closed as soon as the
    client leaves, also while nothing is sent.
    """

    def __init__(self, lines: Lines, *, is_streaming: bool = True) -> None:
        """Make an answer of some lines."""
        super().__init__()
        self._lines = lines
        self._is_streaming = is_streaming

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends them.

        Raises:
            AlcoveError: When there is not even a first line; where only the last one is wanted, whenever it comes to an error.
        """
        failures: list[AlcoveError] = []
        async with contextlib.aclosing(self._lines), anyio.create_task_group() as group:

            async def watch() -> None:
                while (await receive())["type"] != "http.disconnect":
                    pass
                group.cancel_scope.cancel()

            group.start_soon(watch)
            try:
                await (self._stream(send) if self._is_streaming else self._whole(scope, receive, send))
            except AlcoveError as error:  # alone, not in a group
                failures.append(error)
            group.cancel_scope.cancel()
        if failures:
            raise failures[0]

    async def _whole(self, scope: Scope, receive: Receive, send: Send) -> None:
        last: Mapping[str, JsonValue] = {}
        async for each in self._lines:
            last = each
        await JSONResponse(dict(last))(scope, receive, send)

    async def _stream(self, send: Send) -> None:
        is_begun = False

        async def line(value: Mapping[str, JsonValue]) -> None:
            nonlocal is_begun
            if not is_begun:
                is_begun = True
                headers = [(b"content-type", MEDIA_TYPE.encode())]
                await send({"type": "http.response.start", "status": 200, "headers": headers})
            data = json.dumps(value, ensure_ascii=False).encode() + b"\n"
            await send({"type": "http.response.body", "body": data, "more_body": True})

        try:
            async for each in self._lines:
                await line(each)
        except AlcoveError as error:
            if not is_begun:
                raise
            await line(ollama_error(error))
        except Exception as error:  # the head is out: a stream ends with an error line, never with silence
            if not is_begun:
                raise
            log.exception("stream_failed")
            await line(ollama_error(_known(error)))
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def _known(error: Exception) -> AlcoveError:
    found = first_known(error) if isinstance(error, BaseExceptionGroup) else error
    return found if isinstance(found, AlcoveError) else InternalError()
