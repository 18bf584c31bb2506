"""Requests to other servers."""

import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol

from alcove.infra.http.addresses import AddressGuard
from alcove.infra.http.connection import Connection, joined
from alcove.infra.http.errors import ConnectionLost
from alcove.infra.http.limits import HttpLimits
from alcove.infra.http.pool import ConnectionPool, Origin
from alcove.infra.http.urls import Url

_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})


@dataclass(slots=True)
class PreparedRequest:
    """A request, all but its body.

    Attributes:
        url: Where to.
        head: Request line and header fields, each ended by CR LF.
        has_length: Whether the length of the body is told even when it is empty.
        origin: What the pool it was sent from last knows of its server.
    """

    url: Url
    head: bytes = field(repr=False)  # it holds the key
    has_length: bool = True
    origin: tuple[ConnectionPool, Origin] | None = field(default=None, repr=False)


class Taker(Protocol):
    """Takes connections back."""

    def give_back(self, origin: Origin, connection: Connection) -> None:
        """Takes a connection back, its exchange complete or not."""
        ...


class Response:
    """A response whose head is here; the body comes as it is read.

    Close it in every case (`with response:`): that gives the connection back, or closes the socket at once when the body has
    not been read to its end, which is how an upstream learns that nobody waits any more.
    """

    __slots__ = ("_connection", "_fields", "_headers", "_is_closed", "_origin", "_pool", "content_type", "status")

    def __init__(self, pool: Taker, origin: Origin, connection: Connection) -> None:
        self._pool = pool
        self._origin = origin
        self._connection = connection
        self._is_closed = False
        self.status = connection.status
        self.content_type = connection.content_type
        self._fields = connection.fields
        self._headers: Mapping[str, str] | None = None

    @property
    def headers(self) -> Mapping[str, str]:
        """Gives the header fields, names in lower case; repeated ones joined by commas."""
        if self._headers is None:
            self._headers = joined(self._fields)
        return self._headers

    @property
    def is_at_end(self) -> bool:
        """Whether nothing more will come that has not come already."""
        return self._is_closed or self._connection.is_complete

    async def read_some(self) -> bytes:
        """Gives the next bytes of the body as soon as there are some; empty at its end.

        Raises:
            HttpClientError: When the response breaks off, stalls, or breaks a bound.
        """
        if self._is_closed:
            return b""
        data = await self._connection.read_some()
        if not data:
            self.close()
        return data

    async def read(self) -> bytes:
        """Gives the whole body.

        Raises:
            HttpClientError: As `read_some`.
        """
        if self._connection.is_complete and not self._is_closed:
            data = self._connection.held()
            self.close()
            return data
        pieces: list[bytes] = []
        while data := await self.read_some():
            pieces.append(data)
        return b"".join(pieces)

    def close(self) -> None:
        """Gives the connection back, or closes it if there is more to come. A second call does nothing."""
        if not self._is_closed:
            self._is_closed = True
            self._pool.give_back(self._origin, self._connection)

    def __enter__(self) -> "Response":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class HttpClient:
    """Asks other servers."""

    def __init__(self, limits: HttpLimits, guard: AddressGuard, tls: ssl.SSLContext | None = None) -> None:
        """Make a client.

        Args:
            limits: Bounds of every exchange.
            guard: Where connections may go.
            tls: Whom to trust; None for the authorities the system trusts.
        """
        self._pool = ConnectionPool(limits, guard, tls)

    async def request(self, method: str, url: Url, headers: Mapping[str, str], body: bytes = b"") -> Response:
        """Sends a request; returns when the response's head is here. Redirects are given back, not followed.

        A connection from the pool may have been closed by its server at this very moment. If so, and if not one byte of a
        response has come, the request is sent once more over a new connection.

        Raises:
            HttpClientError: When there is no proper response.
        """
        return await self.send(prepare(method, url, headers), body)

    async def send(self, request: PreparedRequest, body: bytes = b"", more: bytes = b"") -> Response:
        """Sends a prepared request; as `request`.

        Args:
            request: All but the body and its length.
            body: The body.
            more: Header fields of this request alone, each ended by CR LF.

        Raises:
            HttpClientError: When there is no proper response.
        """
        url = request.url
        if body or request.has_length:
            head = b"%b%bcontent-length: %d\r\n\r\n" % (request.head, more, len(body))
        else:
            head = b"%b%b\r\n" % (request.head, more)
        if request.origin is None or request.origin[0] is not self._pool:
            request.origin = (self._pool, self._pool.origin(url))
        origin = request.origin[1]
        connection = self._pool.take_idle(origin)
        was_used = True
        if connection is None:
            connection, was_used = await self._pool.take(url)
        try:
            await connection.send(head, body)
        except ConnectionLost:
            self._pool.give_back(origin, connection)
            if not was_used or not connection.is_untouched:
                raise
        except BaseException:
            connection.abort()
            self._pool.give_back(origin, connection)
            raise
        else:
            return Response(self._pool, origin, connection)
        connection, _ = await self._pool.take(url, is_fresh=True)
        try:
            await connection.send(head, body)
        except BaseException:
            connection.abort()
            self._pool.give_back(origin, connection)
            raise
        return Response(self._pool, origin, connection)

    def close(self) -> None:
        """Closes the connections that are not in use."""
        self._pool.close()


def prepare(method: str, url: Url, headers: Mapping[str, str]) -> PreparedRequest:
    """Gives a request, all but its body, written once for any number of times it is sent.

    Raises:
        ValueError: When a header field holds a line break.
    """
    return PreparedRequest(url, request_head(method, url, headers.items()), has_length=method in _WITH_BODY)


def request_head(method: str, url: Url, headers: Iterable[tuple[str, str]]) -> bytes:
    """Gives the request line and header fields, without the length of the body and the end of the head.

    Raises:
        ValueError: When a header field holds a line break.
    """
    lines = [f"{method} {url.target} HTTP/1.1", f"host: {url.authority}", "accept-encoding: identity"]
    lines += [f"{name}: {value}" for name, value in headers]
    text = "\r\n".join(lines)
    if text.count("\n") != len(lines) - 1 or text.count("\r") != len(lines) - 1 or "\0" in text:
        msg = "a header field must not hold a line break"
        raise ValueError(msg)
    return f"{text}\r\n".encode("latin-1", errors="strict")
