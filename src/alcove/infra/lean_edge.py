"""The edge of a hot route: what `alcove.infra.middleware` checks and adds, in one pass and with bytes made once.

It judges nothing it does not know: a request that is in any way unusual is not taken, and goes through the layers as all others.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import structlog
from starlette.types import Receive, Scope, Send

from alcove.infra.known_heads import KnownHeads
from alcove.infra.middleware import (
    SECURE_ONLY,
    EdgeSettings,
    HostCheck,
    ProxyHeaders,
    client_ip,
    incoming_id,
    security_headers,
)
from alcove.kernel.ids import new_id

log = structlog.get_logger(__name__)

_MAX_HOSTS = 256
_BEARER = b"bearer "
_FORWARDED = (b"x-forwarded-for", b"x-forwarded-proto", b"forwarded")
_REASONS = {200: b"OK", 400: b"Bad Request", 401: b"Unauthorized", 403: b"Forbidden", 404: b"Not Found", 413: b"Content Too Large",
            429: b"Too Many Requests", 500: b"Internal Server Error", 502: b"Bad Gateway", 503: b"Service Unavailable", 504: b"Gateway Timeout"}  # fmt: skip


class Asker(NamedTuple):
    """What a request says of who is asking.

    Attributes:
        secret: The key, as sent; nothing has been checked.
        ip: Where it came from, after trusted proxies have been seen through; empty if unknown.
        request_id: The id of the request.
        is_secure: Whether it came over https.
        began_s: When, by the monotonic clock.
    """

    secret: str
    ip: str
    request_id: str
    is_secure: bool
    began_s: float


async def _nobody(scope: Scope, receive: Receive, send: Send) -> None:
    """Stands where a layer expects an application, for layers that are only asked."""


@dataclass(slots=True)
class LeanEdge:
    """Reads requests and begins answers.

    Attributes:
        settings: The edge's settings.
        bind_host: The address the server listens on.
        max_body_bytes: Largest body of this route.
    """

    settings: EdgeSettings
    bind_host: str
    max_body_bytes: int
    _hosts: HostCheck
    _proxies: ProxyHeaders
    _has_proxies: bool
    _good_hosts: set[bytes]
    _plain: bytes
    _secure: bytes
    _heads: KnownHeads

    @classmethod
    def of(cls, settings: EdgeSettings, bind_host: str, max_body_bytes: int, path: str) -> "LeanEdge":
        """Makes one from the settings the layers are made from, for a path that is posted to."""
        plain = [*security_headers(), (b"cache-control", b"no-store")]
        return cls(
            settings,
            bind_host,
            min(max_body_bytes, settings.max_body_bytes),
            HostCheck(_nobody, allowed=settings.allowed_hosts, bind_host=bind_host),
            ProxyHeaders(_nobody, trusted=settings.trusted_proxies),
            bool(settings.trusted_proxies),
            set(),
            _lines(plain),
            _lines([*plain, SECURE_ONLY]),
            KnownHeads(b"POST %b HTTP/1.1\r\n" % path.encode(), min(max_body_bytes, settings.max_body_bytes)),
        )

    def read(self, scope: Scope) -> Asker | None:
        """Gives who is asking; None when the request is for the layers: no key, another host, too large, anything odd."""
        headers = scope["headers"]
        fields = dict(headers)
        if len(fields) != len(headers) or scope["http_version"] != "1.1":
            return None
        host = fields.get(b"host")
        if host not in self._good_hosts and not self._is_good(host, scope):
            return None
        authorization = fields.get(b"authorization", b"")
        if authorization[: len(_BEARER)].lower() == _BEARER:
            secret = authorization[len(_BEARER) :]
        else:
            secret = fields.get(b"x-api-key") or fields.get(b"api-key") or b""
        length = fields.get(b"content-length")
        if not secret or (length is not None and not (length.isdigit() and int(length[:20]) <= self.max_body_bytes)):
            return None
        if self._has_proxies and any(name in fields for name in _FORWARDED):
            self._proxies.apply(scope)
        given = incoming_id(scope) if b"x-request-id" in fields else None
        key, ip = secret.decode("latin-1").strip(), client_ip(scope)
        return Asker(key, ip, given or new_id(), scope["scheme"] == "https", time.monotonic())

    def recall(self, data: bytes, ip: str, *, is_secure: bool) -> tuple[Asker, bytes] | None:
        """Gives who is asking, and the body; None when `data` is not one whole request whose head is known.

        Args:
            data: What the client sent.
            ip: The address it came from.
            is_secure: Whether it came over https.
        """
        found = self._heads.recall(data)
        return None if found is None else (Asker(found[0], ip, new_id(), is_secure, time.monotonic()), found[1])

    def learn(self, data: bytes, scope: Scope, asker: Asker) -> None:
        """Takes in the head of a request that `read` has taken, so that `recall` knows it."""
        self._heads.learn(data, scope["headers"], asker.secret)

    def head(self, asker: Asker, status: int = 200) -> bytes:
        """Gives the beginning of an answer's head: status line, security headers, request id."""
        reason = _REASONS.get(status, b"")
        always = self._secure if asker.is_secure else self._plain
        return b"HTTP/1.1 %d %b\r\n%bx-request-id: %b\r\n" % (status, reason, always, asker.request_id.encode())

    def _is_good(self, host: bytes | None, scope: Scope) -> bool:
        if host is None or not self._hosts.is_allowed(scope):
            return False
        if len(self._good_hosts) >= _MAX_HOSTS:
            self._good_hosts.clear()
        self._good_hosts.add(host)
        return True


def _lines(fields: Iterable[tuple[bytes, bytes]]) -> bytes:
    return b"".join(b"%b: %b\r\n" % field for field in fields)


def header_fields(lines: bytes) -> list[tuple[bytes, bytes]]:
    """Gives the fields of lines made here, each ended by CR LF, as pairs of name and value."""
    return [(name, value) for name, _, value in (line.partition(b": ") for line in lines.splitlines())]


def header_lines(fields: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Gives header fields as they stand in a head.

    Raises:
        ValueError: When one holds a line break.
    """
    lines = _lines(fields)
    if lines.count(b"\n") != len(fields) or lines.count(b"\r") != len(fields) or b"\0" in lines:
        msg = "a header field must not hold a line break"
        raise ValueError(msg)
    return lines
