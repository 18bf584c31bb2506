"""The way past ASGI's messages, for routes that are asked thousands of times a second.

`HttpProtocol` is uvicorn's own HTTP protocol, which puts a `Wire` beside each request, as the ASGI extension `alcove.wire`. An
application that finds one may answer over it: with bytes made once, and without a task that listens for the client leaving.
One that does not look for it is served as by uvicorn. On another server there is no such extension.
"""

import asyncio
from collections.abc import Callable

from starlette.types import Scope
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from alcove.infra.watch import Watch

EXTENSION = "alcove.wire"

_TICK_OF_S = 4.0  # connections that rest are looked at each half second
_CLOSE = b"connection: close\r\n\r\n"
_END = b"\r\n"
_LAST_CHUNK = b"0\r\n\r\n"


class Wire:
    """Where one answer is written. Heads are status line and fields, each ended by CR LF, without the empty line.

    Attributes:
        is_gone: Whether the client has left.
        has_begun: Whether the head is out.
        is_complete: Whether the whole answer is.
    """

    __slots__ = ("_cycle", "_flow", "_on_gone", "_transport", "has_begun", "is_complete", "is_gone")

    def __init__(self, transport: asyncio.Transport, flow: FlowControl, cycle: RequestResponseCycle) -> None:
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
    """uvicorn's HTTP protocol, with a wire beside each request."""

    _wire: Wire | None = None
    _resting: Watch | None = None
    _rests_since_s = 0.0

    @classmethod
    def of_one_server(cls) -> type["HttpProtocol"]:
        """Gives the protocol for one server: its connections between requests are watched together, without a timer each."""
        return type(cls.__name__, (cls,), {"_resting": Watch(_TICK_OF_S)})

    def look(self, now_s: float) -> None:
        """Closes the connection if it has been without a request for too long."""
        if now_s - self._rests_since_s >= self.timeout_keep_alive:
            self.timeout_keep_alive_handler()

    def on_response_complete(self) -> None:
        """Ends a request: the next one begins, or the connection rests."""
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
        self._wire = Wire(self.transport, self.flow, cycle)
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
