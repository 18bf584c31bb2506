"""Connections that wait to be used again, bounded per server."""

import asyncio
import contextlib
import ssl
from collections import deque
from dataclasses import dataclass, field

from alcove.infra.http.addresses import AddressGuard
from alcove.infra.http.connection import Connection
from alcove.infra.http.errors import ConnectFailed, PoolFull
from alcove.infra.http.limits import HttpLimits
from alcove.infra.http.urls import Url
from alcove.infra.watch import Watch


@dataclass(slots=True)
class Origin:
    """One server: how many connections may still be taken, those that wait to be used, and who waits for one."""

    free: int
    idle: list[Connection] = field(default_factory=list)
    waiting: deque[asyncio.Future[None]] = field(default_factory=deque)

    def release(self) -> None:
        """Lets the next one take a connection."""
        while self.waiting:
            waiter = self.waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
        self.free += 1


class ConnectionPool:
    """Gives connections, the one used last first.

    At most `connections_per_origin` are in use at a time; who comes later waits, for a bounded time. An idle connection is
    dropped when its server closes it, or after `idle_s`.
    """

    def __init__(self, limits: HttpLimits, guard: AddressGuard, tls: ssl.SSLContext | None = None) -> None:
        self._limits = limits
        self._guard = guard
        self._tls = tls
        self._watch = Watch(min(limits.read_s, limits.write_s, limits.total_s))
        self._origins: dict[tuple[str, str, int], Origin] = {}

    async def take(self, url: Url, *, is_fresh: bool = False) -> tuple[Connection, bool]:
        """Gives a connection to the server of `url`, and whether it has been used before.

        Every connection taken must be given back.

        Args:
            url: Where to.
            is_fresh: Whether it must be a new one.

        Raises:
            PoolFull: When none came free in time.
            ConnectFailed: When the server cannot be reached.
            AddressNotAllowed: When it may not be.
        """
        origin = self.origin(url)
        if origin.free > 0:
            origin.free -= 1
        else:
            await self._wait(origin, url)
        try:
            if not is_fresh:
                connection = self._idle(origin)
                if connection is not None:
                    return connection, True
            return await self._connect(url), False
        except BaseException:
            origin.release()
            raise

    def take_idle(self, origin: Origin) -> Connection | None:
        """Gives a connection that has been used before, if one is there and nobody waits; without waiting."""
        if not origin.idle or origin.free <= 0:
            return None
        connection = self._idle(origin)
        if connection is not None:
            origin.free -= 1
        return connection

    def origin(self, url: Url) -> Origin:
        """Gives what is known of the server of `url`."""
        origin = self._origins.get(url.origin)
        if origin is None:
            origin = self._origins[url.origin] = Origin(self._limits.connections_per_origin)
        return origin

    def _idle(self, origin: Origin) -> Connection | None:
        oldest = asyncio.get_running_loop().time() - self._limits.idle_s
        while origin.idle:
            connection = origin.idle.pop()
            if not connection.is_closed and connection.idle_since >= oldest:
                return connection
            connection.abort()
        return None

    async def _wait(self, origin: Origin, url: Url) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        origin.waiting.append(waiter)
        try:
            async with asyncio.timeout(self._limits.pool_s):
                await waiter
        except BaseException as error:
            if waiter.done() and not waiter.cancelled():  # it was our turn, at the very moment we gave up
                origin.release()
            with contextlib.suppress(ValueError):
                origin.waiting.remove(waiter)
            if isinstance(error, TimeoutError):
                msg = f"all {self._limits.connections_per_origin} connections to {url.authority} are in use"
                raise PoolFull(msg) from None
            raise

    def give_back(self, origin: Origin, connection: Connection) -> None:
        """Takes a connection back: keeps it if its exchange is complete, else closes it at once."""
        if connection.is_reusable:
            connection.rest()
            origin.idle.append(connection)
            self._drop_old(origin)
        else:
            connection.abort()
        origin.release()

    def close(self) -> None:
        """Closes every idle connection."""
        for origin in self._origins.values():
            for connection in origin.idle:
                connection.abort()
            origin.idle.clear()

    def _drop_old(self, origin: Origin) -> None:
        oldest = origin.idle[-1].idle_since - self._limits.idle_s
        while origin.idle[0].is_closed or origin.idle[0].idle_since < oldest:
            origin.idle.pop(0).abort()

    async def _connect(self, url: Url) -> Connection:
        loop = asyncio.get_running_loop()
        tls = self._context() if url.scheme == "https" else None
        failure: OSError | None = None
        try:
            async with asyncio.timeout(self._limits.connect_s):
                for address in await self._guard.addresses(url):
                    try:
                        _, connection = await loop.create_connection(
                            lambda: Connection(self._limits, self._watch),
                            address,
                            url.port,
                            ssl=tls,
                            server_hostname=url.host if tls is not None else None,
                        )
                    except ssl.SSLError as error:
                        msg = f"no trusted TLS connection to {url.authority}: {error.reason or error}"
                        raise ConnectFailed(msg) from error
                    except OSError as error:
                        failure = error
                    else:
                        return connection
        except TimeoutError:
            msg = f"{url.authority} did not accept a connection within {self._limits.connect_s:g} s"
            raise ConnectFailed(msg) from None
        reason = (failure.strerror if failure is not None else None) or "connection refused"
        msg = f"{url.authority} cannot be reached: {reason}"
        raise ConnectFailed(msg) from failure

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
        return self._tls
