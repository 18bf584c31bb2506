"""Requests to servers on this machine's unix sockets, each over a connection of its own.

A server of llama.cpp announces that it keeps connections open and closes them after a stream: of pooled requests one in seventy
found its connection gone. So nothing is kept, and nothing is lost: such a connection costs some tens of microseconds.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from alcove.infra.http.client import PreparedRequest, Response, prepare
from alcove.infra.http.connection import Connection
from alcove.infra.http.errors import ConnectFailed
from alcove.infra.http.limits import HttpLimits
from alcove.infra.http.pool import Origin
from alcove.infra.http.urls import Url
from alcove.infra.watch import Watch


class _NoPool:
    """Takes connections back and closes them."""

    @staticmethod
    def give_back(origin: Origin, connection: Connection) -> None:  # noqa: ARG004  the pool's signature
        """Closes a connection."""
        connection.abort()


_NO_POOL = _NoPool()
_NO_ORIGIN = Origin(0)


@dataclass(frozen=True, slots=True)
class UnixClient:
    """Asks the server at one unix socket; the host of a URL is of no matter.

    Attributes:
        socket: The socket.
        limits: Bounds of every exchange.
        watch: Looks after the waits of all such clients.
    """

    socket: Path
    limits: HttpLimits
    watch: Watch = field(default_factory=lambda: Watch(1.0), repr=False)

    async def request(self, method: str, url: Url, headers: Mapping[str, str], body: bytes = b"") -> Response:
        """Sends a request; returns when the response's head is here. The caller closes the response.

        Raises:
            HttpClientError: When there is no proper response.
        """
        return await self.send(prepare(method, url, headers), body)

    async def send(self, request: PreparedRequest, body: bytes = b"", more: bytes = b"") -> Response:
        """Sends a prepared request, with more header fields of its own; as `request`.

        Raises:
            HttpClientError: When there is no proper response.
        """
        head = b"%b%bconnection: close\r\ncontent-length: %d\r\n\r\n" % (request.head, more, len(body))
        connection = await self._connect()
        try:
            await connection.send(head, body)
        except BaseException:
            connection.abort()
            raise
        return Response(_NO_POOL, _NO_ORIGIN, connection)

    async def _connect(self) -> Connection:
        try:
            async with asyncio.timeout(self.limits.connect_s):
                _, connection = await asyncio.get_running_loop().create_unix_connection(
                    lambda: Connection(self.limits, self.watch), str(self.socket)
                )
        except TimeoutError:
            msg = f"the socket did not accept a connection within {self.limits.connect_s:g} s"
            raise ConnectFailed(msg) from None
        except OSError as error:
            msg = f"the socket cannot be reached: {error.strerror or error}"
            raise ConnectFailed(msg) from error
        return connection
