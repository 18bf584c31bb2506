"""The outbound HTTP/1.1 client: the one way from here to another server.

Lean on purpose. A gateway's speed is decided by its upstream client (docs/benchmarks.md), so this is asyncio's protocol API
and `httptools`, nothing between. It follows no redirects, keeps no cookies, undoes no compression and reads no proxy settings.
"""

from alcove.infra.http.addresses import AddressGuard
from alcove.infra.http.client import HttpClient, PreparedRequest, Response, prepare
from alcove.infra.http.errors import (
    AddressNotAllowed,
    ConnectFailed,
    ConnectionLost,
    HttpClientError,
    PoolFull,
    ProtocolViolation,
    ResponseTooLarge,
    TimedOut,
)
from alcove.infra.http.limits import HttpLimits
from alcove.infra.http.unix import UnixClient
from alcove.infra.http.urls import InvalidUrl, Url

__all__ = [
    "AddressGuard",
    "AddressNotAllowed",
    "ConnectFailed",
    "ConnectionLost",
    "HttpClient",
    "HttpClientError",
    "HttpLimits",
    "InvalidUrl",
    "PoolFull",
    "PreparedRequest",
    "ProtocolViolation",
    "Response",
    "ResponseTooLarge",
    "TimedOut",
    "UnixClient",
    "Url",
    "prepare",
]
