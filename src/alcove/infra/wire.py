"""The way past ASGI's messages, for routes that are asked thousands of times a second.

`HttpProtocol` is uvicorn's own HTTP protocol, which puts a `Wire` beside each request, as the ASGI extension `alcove.wire`. An
application that finds one may answer over it: with bytes made once, and without a task that listens for the client leaving.
One that does not look for it is served as by uvicorn. On another server there is no such extension.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

import structlog
from starlette.types import Scope
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from alcove.infra.watch import Watch

log = structlog.get_logger(__name__)

EXTENSION = "alcove.wire"

_TICK_OF_S = 4.0  # connections that rest are looked at each half second
_CLOSE = b"connection: close\r\n\r\n"
_END = b"\r\n"
_LAST_CHUNK = b"0\r\n\r\n"
_START_BYTES = 4096
_MAX_HELD_BYTES = 64 * 1024  # of requests sent before the one under way is answered


class Visit(Protocol):
    """A request that a door has recognised."""

    async def answer(self, wire: "Wire") -> bool:
        """Answers it; tells whether it did. If not, it is read as any other."""
        ...


class Door(Protocol):
    """Recognises requests by their bytes, before they are read."""

    def recognise(self, data: bytes, ip: str, *, is_secure: bool) -> Visit | None:
        """Gives the request that `data` is, the whole of it and nothing else; None when it has to be read.

        Args:
            data: What the client sent.
            ip: The address it came from.
            is_secure: Whether it came over https.
        """
        ...


class _Round:
    """What uvicorn, and a wire, want to know of a request and its answer, where nobody reads the request as ASGI's messages."""

    __slots__ = ("disconnected", "keep_alive", "message_event", "on_response", "response_complete", "response_started")

    def __init__(self, on_response: Callable[[], None]) -> None:
        self.on_response = on_response
        self.message_event = _NOBODY_WAITS
        self.keep_alive = True
        self.disconnected = self.response_started = self.response_complete = False


class _Unheard:
    """An event nobody waits for."""

    def set(self) -> None:
        """Does nothing."""


_NOBODY_WAITS = _Unheard()


class Wire:
    """Where one answer is written. Heads are status line and fields, each ended by CR LF, without the empty line.

    Attributes:
        is_gone: Whether the client has left.
        has_begun: Whether the head is out.
        is_complete: Whether the whole answer is.
        start: What the client sent of the request at once, up to a few KiB; empty where that did not begin with it.
    """

    __slots__ = ("_cycle", "_flow", "_on_gone", "_transport", "has_begun", "is_complete", "is_gone", "start")

    def __init__(
        self, transport: asyncio.Transport, flow: FlowControl, cycle: RequestResponseCycle | _Round, start: bytes = b""
    ) -> None:
        self.start = start
        self._transport = transport
        self._flow = flow
        self._cycle = cycle
        self._on_gone: Callable[[], object] | None = None
        self.is_gone = False
        self.has_begun = False
        self.is_complete = False

    @classmethod
    def of(cls, scope: Scope) -> "Wire | None":
        """Gives the wire of a request; None where its server has none."""
        extensions = scope.get("extensions")
        found = extensions.get(EXTENSION) if extensions else None
        return found if isinstance(found, Wire) else None

    @property
    def is_full(self) -> bool:
        """Whether the client is behind; then wait (`drain`) before writing more."""
        return self._flow.write_paused

    def on_gone(self, call: Callable[[], object] | None) -> None:
        """Sets what is called once when the client leaves before the end of the answer."""
        self._on_gone = call
        if self.is_gone and call is not None:
            call()

    def whole(self, head: bytes, body: bytes) -> None:
        """Sends an answer in one piece."""
        self.has_begun = self._cycle.response_started = True
        if not self.is_gone:
            self._transport.write(b"%bcontent-length: %d\r\n%b%b" % (head, len(body), self._tail(), body))
        self._done()

    def begin(self, head: bytes, data: bytes) -> None:
        """Sends the head of an answer of unknown length, and its first bytes."""
        self.has_begun = self._cycle.response_started = True
        if not self.is_gone:
            start = b"%btransfer-encoding: chunked\r\n%b" % (head, self._tail())
            self._transport.write(b"%b%x\r\n%b\r\n" % (start, len(data), data) if data else start)

    def write(self, data: bytes) -> None:
        """Sends more of it; not nothing."""
        if not self.is_gone:
            self._transport.write(b"%x\r\n%b\r\n" % (len(data), data))

    def end(self, data: bytes = b"") -> None:
        """Sends the rest of it."""
        if not self.is_gone:
            self._transport.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(data), data) if data else _LAST_CHUNK)
        self._done()

    async def drain(self) -> None:
        """Waits until the client has taken most of what was sent, or has left."""
        await self._flow.drain()

    def cut(self) -> None:
        """Breaks the connection off; what was not sent is lost."""
        self._cycle.disconnected = True
        self._transport.abort()

    def lost(self) -> None:
        """Notes that the client has left."""
        if not self.is_gone and not self.is_complete:
            self.is_gone = True
            if self._on_gone is not None:
                self._on_gone()

    def _tail(self) -> bytes:
        return _END if self._cycle.keep_alive else _CLOSE

    def _done(self) -> None:
        self.is_complete = self._cycle.response_complete = True
        self._on_gone = None
        if not self._cycle.keep_alive:
            self._transport.close()
        self._cycle.on_response()


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol, with a wire beside each request, and a door for requests that need not be read."""

    _wire: Wire | None = None
    _door: Door | None = None
    _resting: Watch | None = None
    _rests_since_s = 0.0
    _is_reading = False  # whether the parser is in the middle of a request
    _is_visited = False  # whether a request is under way that came through the door
    _start = b""
    _held: tuple[bytes, ...] = ()

    @classmethod
    def of_one_server(cls, door: Door | None = None) -> type["HttpProtocol"]:
        """Gives the protocol for one server: its connections between requests are watched together, without a timer each."""
        return type(cls.__name__, (cls,), {"_resting": Watch(_TICK_OF_S), "_door": door})

    def data_received(self, data: bytes) -> None:
        """Lets a request through the door, or has it read."""
        if self._is_visited or self._held:
            self._hold(data)
            return
        if self._door is not None and not self._is_reading and (self.cycle is None or self.cycle.response_complete):  # type: ignore[redundant-expr]  # uvicorn begins with None
            ip = self.client[0] if self.client else ""
            visit = self._door.recognise(data, ip, is_secure=self.scheme == "https")
            if visit is not None:
                self._let_in(visit, data)
                return
            self._start = data[:_START_BYTES]
        super().data_received(data)
        self._start = b""

    def _let_in(self, visit: Visit, data: bytes) -> None:
        self._unset_keepalive_if_required()
        if self._resting is not None:
            self._resting.discard(self)
        self._is_visited = True
        self.cycle = cycle = _Round(self.on_response_complete)  # type: ignore[assignment]  # all of it that is used
        self._wire = wire = Wire(self.transport, self.flow, cycle)
        task = self.loop.create_task(self._receive(visit, wire, data))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _receive(self, visit: Visit, wire: Wire, data: bytes) -> None:
        try:
            is_answered = await visit.answer(wire)
        except Exception:  # a task root: nobody else could end it
            log.exception("request_failed")
            self.transport.abort()
            return
        if not is_answered and not wire.is_gone and not self.transport.is_closing():
            self._is_visited = False
            self.cycle.response_complete = True  # or the next request would wait for it
            super().data_received(data)
            self._release()

    def _hold(self, data: bytes) -> None:
        """Keeps what comes before the request under way is answered."""
        self._held = (*self._held, data)
        if sum(map(len, self._held)) > _MAX_HELD_BYTES:
            self.flow.pause_reading()

    def _release(self) -> None:
        """Takes up what came meanwhile."""
        held, self._held = b"".join(self._held), ()
        if held and not self.transport.is_closing():
            self.data_received(held)

    def on_message_begin(self) -> None:
        """Notes that a request is being read."""
        self._is_reading = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Closes the door for good where another protocol is wanted: what follows is read by the parser alone."""
        if self.parser.should_upgrade():
            self._door = None
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Notes that a request has been read."""
        self._is_reading = False
        super().on_message_complete()

    def look(self, now_s: float) -> None:
        """Closes the connection if it has been without a request for too long."""
        if now_s - self._rests_since_s >= self.timeout_keep_alive:
            self.timeout_keep_alive_handler()

    def on_response_complete(self) -> None:
        """Ends a request: the next one begins, or the connection rests."""
        self._is_visited = False
        if self._held:
            self.loop.call_soon(self._release)
        if self._resting is None or self.pipeline or self.transport.is_closing():
            super().on_response_complete()
            return
        self.server_state.total_requests += 1
        self.flow.resume_reading()
        self._rests_since_s = self.loop.time()
        self._resting.add(self)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: object) -> None:
        if self._resting is not None:
            self._resting.discard(self)
        self._wire = Wire(self.transport, self.flow, cycle, self._start)
        cycle.scope["extensions"] = {EXTENSION: self._wire}  # type: ignore[dict-item]  # uvicorn's type is narrower than ASGI's
        super()._start_asgi_task(cycle, app)  # type: ignore[arg-type]  # uvicorn's own type of an application

    def connection_lost(self, exc: Exception | None) -> None:
        """Tells whoever answers that the client has left."""
        super().connection_lost(exc)
        if self._resting is not None:
            self._resting.discard(self)
        if self._wire is not None:
            self._wire.lost()
            self._wire = None
