"""Chat requests that go to a server of OpenAI's protocol as they are, and its answers, checked on their way."""

import asyncio
import time
from dataclasses import dataclass, field

import msgspec
import pydantic_core
from msgspec import Raw, Struct

from alcove.gateway.adapters.openai_blocks import (
    MAX_EVENT_BYTES,
    BlockReader,
    PlainText,
    PlainUsage,
    broken,
    error_in,
    is_plain_text,
    tidied,
)
from alcove.gateway.adapters.openai_stream import ChunkReader, NotAChunk
from alcove.gateway.adapters.upstream import UpstreamServer
from alcove.gateway.limits.estimates import characters_of, tokens_of
from alcove.gateway.openai_answer import DONE, AnswerHead, ChunkWriter, dump, whole_answer
from alcove.gateway.passed import PassedRequest
from alcove.gateway.ports import TransportResponse
from alcove.gateway.sse import EventTooLong, SseParser
from alcove.infra.http import HttpClientError, PreparedRequest
from alcove.kernel.chat import Answer, Usage
from alcove.kernel.errors import UpstreamError

_SSE = b"text/event-stream"
_LAST_BYTES_S = 0.05
_REFUSED_OPTION = frozenset({400, 422})


@dataclass(slots=True)
class ServerTraits:
    """What was learned about a server while talking to it.

    Attributes:
        takes_stream_options: Whether it accepts `stream_options`.
    """

    takes_stream_options: bool = True


class _Choice(Struct, gc=False):
    message: PlainText
    finish_reason: str
    index: int = 0
    delta: Raw | None = None


class _Whole(Struct, gc=False):
    choices: list[_Choice]
    usage: PlainUsage | None = None
    error: None = None


_whole = msgspec.json.Decoder(_Whole)


@dataclass(frozen=True, slots=True)
class OpenAiPassedChat:
    """A server's chat, for requests that go through as they are.

    Attributes:
        server: The server.
        traits: What is known of the server by now.
        prepared: Its chat requests, all but their bodies.
    """

    server: UpstreamServer
    traits: ServerTraits
    prepared: PreparedRequest = field(repr=False)  # it holds the key

    async def ask(self, request: PassedRequest, model: str) -> "StreamedAnswer | WholeAnswer":
        """Sends a request; gives the answer once its first bytes are there, and are an answer.

        Raises:
            AlcoveError: When there is none, or it is an error.
        """
        response = await self._send(request, model)
        answer: StreamedAnswer | WholeAnswer
        if request.is_streaming and (not response.content_type or response.content_type.startswith(_SSE)):
            answer = StreamedAnswer(response, self.server, BlockReader(self.server, request.wants_usage))
        else:
            answer = WholeAnswer(response, self.server, request)
        try:
            await answer.begin()
        except BaseException:
            answer.close()
            raise
        return answer

    async def _send(self, request: PassedRequest, model: str) -> TransportResponse:
        if not request.is_streaming or request.wants_usage or not self.traits.takes_stream_options:
            return await self.server.send_prepared(
                self.prepared, request.body(model, with_usage=False), request.request_id
            )
        try:
            return await self.server.send_prepared(self.prepared, request.body(model), request.request_id)
        except UpstreamError as error:
            if error.status not in _REFUSED_OPTION or "stream_options" not in error.detail:
                raise
            self.traits.takes_stream_options = False
        return await self.server.send_prepared(self.prepared, request.body(model, with_usage=False), request.request_id)


class StreamedAnswer:
    """An answer that comes as events."""

    __slots__ = ("_blocks", "_first", "_response", "_server", "is_over")

    def __init__(self, response: TransportResponse, server: UpstreamServer, blocks: BlockReader) -> None:
        self._response = response
        self._server = server
        self._blocks = blocks
        self._first = b""
        self.is_over = False

    @property
    def finish_reason(self) -> str | None:
        """Why it ended; None until it has."""
        return self._blocks.reader.finish_reason

    @property
    def usage(self) -> Usage | None:
        """Tokens, as far as the server has told."""
        return self._blocks.usage

    @property
    def output_tokens(self) -> int:
        """About how many tokens have come."""
        return tokens_of(self._blocks.characters)

    async def begin(self) -> None:
        """Waits for the first bytes.

        Raises:
            AlcoveError: When there is no answer.
        """
        self._first = await self.read()

    async def read(self) -> bytes:
        """Gives the next events; empty at the end.

        Raises:
            AlcoveError: When the answer breaks off, or is none.
        """
        if self._first:
            first, self._first = self._first, b""
            return first
        blocks = self._blocks
        while not self.is_over:
            if blocks.error is not None:
                raise blocks.error
            try:
                data = await self._response.read_some()
            except HttpClientError as error:
                if blocks.reader.finish_reason is None:
                    self._server.fail(error, has_begun=blocks.reader.has_begun)
                data = b""
            if data:
                ready = blocks.feed(data)
                self.is_over = blocks.reader.is_done
            else:
                ready = self._end()
            if ready:
                return ready
        if blocks.error is not None:
            raise blocks.error
        return b""

    def _end(self) -> bytes:
        blocks = self._blocks
        ready = blocks.end()
        self.is_over = True
        reader = blocks.reader
        if reader.is_done or blocks.error is not None:
            return ready
        if reader.finish_reason is None:
            blocks.error = broken(self._server, "ended its answer without saying why", has_begun=reader.has_begun)
            self.is_over = False
            return ready
        return ready + DONE

    def close(self) -> None:
        """Closes the connection to the server at once, if there is more to come."""
        self._response.close()

    async def aclose(self) -> None:
        """Reads the end of the body behind `[DONE]`, so that the connection can be used again; then closes."""
        try:
            if self.is_over and not self._response.is_at_end:
                async with asyncio.timeout(_LAST_BYTES_S):
                    while await self._response.read_some():
                        pass
        except (TimeoutError, HttpClientError):
            pass
        finally:
            self._response.close()


class WholeAnswer:
    """An answer in one piece; also for a client that asked for a stream, from a server that does not."""

    __slots__ = ("_data", "_request", "_response", "_server", "finish_reason", "is_over", "output_tokens", "usage")

    def __init__(self, response: TransportResponse, server: UpstreamServer, request: PassedRequest) -> None:
        self._response = response
        self._server = server
        self._request = request
        self._data = b""
        self.is_over = False
        self.finish_reason: str | None = None
        self.usage: Usage | None = None
        self.output_tokens = 0

    async def begin(self) -> None:
        """Reads it.

        Raises:
            AlcoveError: When there is no answer.
        """
        if self._response.content_type.startswith(_SSE):
            self._data = await self._gathered()
            return
        try:
            data = await self._response.read()
        except HttpClientError as error:
            self._server.fail(error)
        finally:
            self._response.close()
        if self._request.is_streaming:
            self._data = self._careful(data)
            return
        try:
            whole = _whole.decode(data) if is_plain_text(data) else None
        except (msgspec.MsgspecError, RecursionError):
            whole = None
        choice = whole.choices[0] if whole is not None and whole.choices else None
        if whole is None or choice is None or choice.index or choice.delta is not None or not choice.finish_reason:
            self._data = self._careful(data)
            return
        self.finish_reason = choice.finish_reason
        self.usage = None if whole.usage is None else whole.usage.usage()
        self.output_tokens = tokens_of(choice.message.characters)
        self._data = data

    async def _gathered(self) -> bytes:
        """Gives the answer of a server that streams though nobody asked it to."""
        events = StreamedAnswer(self._response, self._server, BlockReader(self._server, keeps_usage=True))
        parts: list[bytes] = []
        try:
            while data := await events.read():
                parts.append(data)
        finally:
            await events.aclose()
        answer = sum_up(b"".join(parts), True)  # noqa: FBT003
        self.finish_reason, self.usage, self.output_tokens = events.finish_reason, events.usage, events.output_tokens
        head = AnswerHead(trace_id=self._request.request_id, model=self._request.model, created=int(time.time()))
        return whole_answer(head, answer)

    def _careful(self, data: bytes) -> bytes:
        chunk = self._server.parsed(data)
        error = error_in(chunk)
        if error:
            raise self._server.error_event(error, has_begun=False)
        reader = ChunkReader()
        try:
            delta = reader.delta(chunk)
        except NotAChunk:
            raise broken(self._server, "sent something that is not a chat answer", has_begun=False) from None
        if reader.finish_reason is None or delta is None or not isinstance(chunk, dict):
            raise broken(self._server, "ended its answer without saying why", has_begun=reader.has_begun)
        self.finish_reason, self.usage = reader.finish_reason, delta.usage
        self.output_tokens = tokens_of(characters_of(delta))
        if not self._request.is_streaming:
            return dump(tidied(chunk, "message"))
        answer = Answer()
        answer.add(delta)
        created = chunk.get("created")
        head = AnswerHead(
            trace_id=self._request.request_id,
            model=self._request.model,
            created=created if isinstance(created, int) else 0,
        )
        writer = ChunkWriter(head, self._request.wants_usage)
        return writer.events(delta) + writer.end(answer)

    async def read(self) -> bytes:
        """Gives it; empty the second time."""
        self.is_over = True
        data, self._data = self._data, b""
        return data

    def close(self) -> None:
        """Closes the connection to the server, if there is more to come."""
        self._response.close()

    async def aclose(self) -> None:
        """As `close`."""
        self._response.close()


def sum_up(sent: bytes, is_streaming: bool) -> Answer:  # noqa: FBT001  given as a function
    """Reads what was sent to a client back into an answer, as far as it goes.

    Args:
        sent: The bytes.
        is_streaming: Whether they are events.
    """
    reader, answer = ChunkReader(), Answer()
    if is_streaming:
        events = SseParser(MAX_EVENT_BYTES)
        try:
            found = [*events.feed(sent), *events.end()]
        except EventTooLong:
            found = []
    else:
        found = [sent]
    for each in found:
        if each.startswith(b"[DONE]"):
            break
        try:
            delta = reader.delta(pydantic_core.from_json(each))
        except ValueError:
            continue
        if delta is not None:
            answer.add(delta)
    return answer
