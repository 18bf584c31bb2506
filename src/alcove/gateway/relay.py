"""One answer on its way to an HTTP client: written as it comes, ended when the client is gone.

This is the hot route, so it is plain ASGI. Beside the answer one small task listens for the client leaving, keeps silent
streams alive with comments, and gives up on clients that take nothing. It lives in asyncio's own task group: anyio's costs
100 µs a request, this one 16.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import structlog
from starlette.types import Receive, Send

from alcove.gateway.cache.headers import cache_headers
from alcove.kernel.chat import Answer, Delta
from alcove.kernel.errors import AlcoveError, InternalError
from alcove.kernel.runner import TurnRunner
from alcove.kernel.turn import Turn

log = structlog.get_logger(__name__)


class AnswerWriter(Protocol):
    """Writes the events of a stream, in the form of one protocol."""

    @property
    def keep_alive(self) -> bytes:
        """Gives what is sent when there has been nothing to send for a while."""
        ...

    def events(self, delta: Delta) -> bytes:
        """Gives the events for a delta, none when it holds nothing for the client yet."""
        ...

    def end(self, answer: Answer) -> bytes:
        """Gives the last events of an answer that is whole."""
        ...

    def failed(self, error: AlcoveError) -> bytes:
        """Gives the last events of an answer that broke off."""
        ...


class _ClientGone(Exception):
    """Nobody waits for the answer any more."""


SSE = b"text/event-stream; charset=utf-8"
"""What a stream of server-sent events is."""
_STREAM_HEADERS = [
    (b"cache-control", b"no-cache, no-store"),
    (b"x-accel-buffering", b"no"),
]


def answer_headers(turn: Turn) -> list[tuple[bytes, bytes]]:
    """Gives the header fields of an answer that has begun: its trace, how much is left to the client, which cache answered."""
    return [(b"x-trace-id", turn.trace_id.encode()), *turn.context.headers, *cache_headers(turn.served)]


@dataclass(slots=True)
class AnswerRelay:
    """Runs a turn for one HTTP client.

    Attributes:
        runner: Runs the turn.
        turn: The turn.
        receive: The client's messages; its request has been read.
        send: What goes to the client.
        writer: Writes the events of a stream; None for an answer in one piece.
        keep_alive_s: Silence after which a sign of life is sent.
        slow_client_s: How long the client may take nothing.
        headers: Further header fields of a stream.
        collect: Is shown each delta of an answer in one piece, where `turn.answer` does not say enough.
        content_type: What a stream is.
    """

    runner: TurnRunner
    turn: Turn
    receive: Receive
    send: Send
    writer: AnswerWriter | None
    keep_alive_s: float
    slow_client_s: float
    headers: Sequence[tuple[bytes, bytes]] = ()
    collect: Callable[[Delta], object] | None = None
    content_type: bytes = SSE
    is_gone: bool = False
    _has_begun: bool = False
    _is_sending: bool = False
    _sent_at_s: float = field(default_factory=time.monotonic)

    async def run(self) -> None:
        """Runs the turn to its end, or until the client is gone. A stream is sent; a whole answer is left in `turn.answer`.

        Raises:
            AlcoveError: When there is no answer, and nothing has been sent yet.
        """
        error: AlcoveError | None = None
        try:
            async with asyncio.TaskGroup() as group:
                watch = group.create_task(self._watch())
                error = await self._answer()
                watch.cancel()
        except* _ClientGone:
            self.is_gone = True
        if error is None or self.is_gone:
            return
        if isinstance(error, InternalError):
            log.error("answer_failed", trace_id=self.turn.trace_id, exc_info=error)
        if not self._has_begun or self.writer is None:
            raise error
        await self._write(self.writer.failed(error), is_last=True)

    async def _answer(self) -> AlcoveError | None:
        deltas = self.runner.stream(self.turn)
        try:
            if self.writer is None:
                async for delta in deltas:
                    if self.collect is not None:
                        self.collect(delta)
                return None
            async for delta in deltas:
                data = self.writer.events(delta)
                if data:
                    await self._write(data)
            await self._write(self.writer.end(self.turn.answer), is_last=True)
        except AlcoveError as error:
            return error
        except OSError:  # what some servers' `send` raises once the client has left
            self.is_gone = True
        finally:
            await deltas.aclose()
        return None

    async def _write(self, data: bytes, *, is_last: bool = False) -> None:
        self._is_sending = True
        self._sent_at_s = time.monotonic()
        if not self._has_begun:
            self._has_begun = True
            kind = (b"content-type", self.content_type)
            headers = [kind, *_STREAM_HEADERS, *answer_headers(self.turn), *self.headers]
            await self.send({"type": "http.response.start", "status": 200, "headers": headers})
        await self.send({"type": "http.response.body", "body": data, "more_body": not is_last})
        self._is_sending = False

    async def _watch(self) -> None:
        """Ends the task group, and with it the answer, when the client is gone.

        Raises:
            _ClientGone: Then.
        """
        while True:
            try:
                async with asyncio.timeout(self._next_look_s()):
                    message = await self.receive()
            except TimeoutError:
                await self._look()
                continue
            if message["type"] == "http.disconnect":
                raise _ClientGone

    def _next_look_s(self) -> float:
        tick_s = min(self.keep_alive_s, self.slow_client_s)
        return tick_s - (time.monotonic() - self._sent_at_s) % tick_s + 0.001

    async def _look(self) -> None:
        silent_s = time.monotonic() - self._sent_at_s
        if self._is_sending:
            if silent_s >= self.slow_client_s:
                raise _ClientGone
        elif self.writer is not None and silent_s >= self.keep_alive_s:
            try:
                async with asyncio.timeout(self.slow_client_s):
                    await self._write(self.writer.keep_alive)
            except TimeoutError:
                raise _ClientGone from None
