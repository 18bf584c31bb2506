"""One HTTP/1.1 connection: writes a request, parses the response, holds the reader back when nobody takes the bytes.

A connection carries one exchange at a time. What the parser finds is put into plain attributes; one future wakes the task
that waits for more. There is no task of its own, so nothing has to be cancelled: `abort` closes the socket at once. This is
every request's path, so what is not needed is not made: header fields become texts when somebody reads them.
"""

import asyncio
from typing import cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from alcove.infra.http.errors import (
    ConnectionLost,
    HttpClientError,
    ProtocolViolation,
    ResponseTooLarge,
    TimedOut,
)
from alcove.infra.http.limits import HttpLimits
from alcove.infra.watch import Watch

_HIGH_WATER = 256 * 1024  # bytes held before the server is made to wait
_INFORMATIONAL = range(100, 200)
_BODYLESS = frozenset({204, 304})
_FRAMING = frozenset({b"content-length", b"transfer-encoding"})
_SMALL = 64 * 1024  # up to here one copy is cheaper than two pieces


class Connection(asyncio.Protocol):
    """One connection to one server.

    Attributes:
        status: Status of the response.
        content_type: Its `Content-Type`, as it came; empty for none.
        fields: Its header fields, as they came.
        has_head: Whether status and headers are here.
        is_complete: Whether the whole response is here.
        is_untouched: Whether not a byte of the response has come.
        is_closed: Whether the socket is gone.
        idle_since: Loop time at which it became idle.
    """

    def __init__(self, limits: HttpLimits, watch: Watch) -> None:
        self._limits = limits
        self._watch = watch
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._parser: HttpResponseParser | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._is_writing_paused = False
        self._is_reading_paused = False
        self._error: HttpClientError | None = None
        self._is_asked = False
        self._due_s = 0.0
        self._complaint = ""
        self.is_closed = False
        self.idle_since = 0.0
        self._reset()

    def _reset(self) -> None:
        self.status = 0
        self.content_type = b""
        self.fields: list[tuple[bytes, bytes]] = []
        self.has_head = False
        self.is_complete = False
        self.is_untouched = True
        self._may_keep = False
        self._ends_with_connection = False
        self._head_bytes = 0
        self._head_fields = 0
        self._body: list[bytes] = []
        self._held_bytes = 0
        self._body_bytes = 0
        self._deadline = 0.0

    # What the task that asks calls

    @property
    def is_reusable(self) -> bool:
        """Whether another request can go over this connection."""
        return self.is_complete and self._may_keep and not self.is_closed and self._error is None

    async def send(self, head: bytes, body: bytes) -> None:
        """Sends a request, and returns when the response's head is here.

        Raises:
            HttpClientError: When there is no proper response.
        """
        self._reset()
        self._deadline = self._loop.time() + self._limits.total_s
        if self.is_closed or self._transport is None:
            raise ConnectionLost(_LOST)
        if self._parser is None:
            self._parser = HttpResponseParser(self)
        self._is_asked = True
        if len(body) <= _SMALL:
            self._transport.write(head + body)
        else:
            self._transport.writelines((head, body))
        while self._is_writing_paused and not self.has_head:
            await self._wait(self._limits.write_s, "the server did not take the request in time")
        while not self.has_head:
            await self._wait(self._limits.read_s, "the server did not begin its response in time")

    async def read_some(self) -> bytes:
        """Gives the bytes of the body that are here, waiting for some; empty at its end.

        Raises:
            HttpClientError: When the response breaks off or breaks a bound.
        """
        while not self._body:
            if self.is_complete:
                return b""
            await self._wait(self._limits.read_s, "the server fell silent in the middle of its response")
        return self.held()

    def held(self) -> bytes:
        """Gives the bytes of the body that are here, without waiting."""
        pieces = self._body
        self._body = []
        self._held_bytes = 0
        if self._is_reading_paused and self._transport is not None:
            self._is_reading_paused = False
            self._transport.resume_reading()
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def rest(self) -> None:
        """Marks the exchange as over; from here until the next request every byte that comes is an offence."""
        self._is_asked = False
        self.idle_since = self._loop.time()

    def abort(self) -> None:
        """Closes the socket at once, whatever is under way."""
        self.is_closed = True
        if self._transport is not None:
            self._transport.abort()

    async def _wait(self, timeout_s: float, complaint: str) -> None:
        if self._error is not None:
            raise self._error
        if self.is_closed:
            raise ConnectionLost(_LOST)
        waiter: asyncio.Future[None] = self._loop.create_future()
        self._due_s = min(self._loop.time() + timeout_s, self._deadline)
        self._complaint = complaint
        self._waiter = waiter
        self._watch.add(self)
        try:
            await waiter
        finally:
            self._waiter = None
            self._watch.discard(self)
        if self._error is not None:
            raise self._error

    def look(self, now_s: float) -> None:
        """Ends the wait under way if its time has come."""
        if now_s >= self._due_s and self._waiter is not None and not self._waiter.done():
            self._error = TimedOut(self._complaint)
            self._waiter.set_result(None)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, error: HttpClientError) -> None:
        self._error = self._error or error
        self.abort()
        self._wake()

    # What the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends a body that ends with the connection, or fails the exchange that was under way."""
        self.is_closed = True
        if self._is_asked and not self.is_complete:
            if self._ends_with_connection and exc is None:
                self.is_complete = True
            elif self._error is None:
                self._error = ConnectionLost(_LOST)
        self._parser = None
        self._wake()

    def pause_writing(self) -> None:
        """Notes that the server takes the request slowly."""
        self._is_writing_paused = True

    def resume_writing(self) -> None:
        """Notes that the request has gone out."""
        self._is_writing_paused = False
        self._wake()

    def data_received(self, data: bytes) -> None:
        """Parses what came."""
        if not self._is_asked or self._parser is None or self._error is not None:
            self.abort()
            return
        self.is_untouched = False
        if not self.has_head:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade:
            self._fail(ProtocolViolation("the server switched protocols without being asked"))
            return
        except HttpParserError as error:
            if not self.is_complete:
                self._fail(ProtocolViolation(f"the response is not proper HTTP/1.1: {error}"))
                return
            self._may_keep = False  # rubbish behind a complete response
        if not self.has_head and self._head_bytes > self._limits.header_bytes:
            self._fail(ResponseTooLarge("the response's head is too large"))
            return
        if self._held_bytes > _HIGH_WATER and not self._is_reading_paused and self._transport is not None:
            self._is_reading_paused = True
            self._transport.pause_reading()
        if self._body or self.has_head:
            self._wake()

    # What the parser calls

    def on_message_begin(self) -> None:
        """Notes a second response that nobody asked for."""
        if self.is_complete:
            self._may_keep = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Takes a header field (or a trailer, which is counted and dropped)."""
        if self.is_complete:
            return
        self._head_fields += 1
        if self._head_fields > self._limits.header_count:
            self._error = ResponseTooLarge("the response has too many header fields")
            raise self._error
        if self.has_head:
            return
        self.fields.append((name, value))

    def on_headers_complete(self) -> None:
        """Takes the end of the head; an informational one (`100 Continue`) is forgotten."""
        if self.is_complete or self._parser is None:
            return
        self.status = self._parser.get_status_code()
        if self.status in _INFORMATIONAL:
            self.fields.clear()
            return
        has_end = self.status in _BODYLESS
        for name, value in self.fields:
            lower = name.lower()
            if lower in _FRAMING:
                has_end = True
            elif lower == b"content-type":
                self.content_type = value
            elif lower == b"content-encoding" and value.strip() != b"identity":
                self._error = ProtocolViolation("the response is compressed, which was not asked for")
                raise self._error
        self._ends_with_connection = not has_end
        self.has_head = True

    def on_body(self, data: bytes) -> None:
        """Takes a piece of the body."""
        if self.is_complete:
            return
        self._body_bytes += len(data)
        if self._body_bytes > self._limits.body_bytes:
            self._error = ResponseTooLarge(f"the response is larger than {self._limits.body_bytes} bytes")
            raise self._error
        self._body.append(data)
        self._held_bytes += len(data)

    def on_message_complete(self) -> None:
        """Takes the end of the response."""
        if self.has_head and not self.is_complete and self._parser is not None:
            self.is_complete = True
            self._may_keep = self._parser.should_keep_alive()


def joined(fields: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """Gives header fields as texts, names in lower case; repeated ones joined by commas."""
    headers: dict[str, str] = {}
    for name, value in fields:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1").strip()
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return headers


_LOST = "the connection was closed before the response was complete"
