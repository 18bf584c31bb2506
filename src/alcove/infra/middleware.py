"""The HTTP edge: what every request passes before a room sees it, and every answer on its way out.

Each layer is plain ASGI and does one thing; none holds a body back, so streams flow through as they come. `edge` puts them
in order around the whole application, outside the framework's own error handling, so that even its last-resort answer
carries the security headers and the request id.
"""

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated

import structlog
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from alcove.infra.addresses import parse_ip
from alcove.infra.problems import render
from alcove.kernel.errors import AlcoveError, InternalError, InvalidRequest, TooLarge
from alcove.kernel.ids import new_id

log = structlog.get_logger(__name__)

MIB = 1024 * 1024

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
"""What the page may load: only from here. No remote images: an address in an answer could carry data away."""

DEFAULT_UPLOAD_PATHS = (
    r"/api/v1/knowledge/collections/[^/]+/documents",
    r"/api/v1/chats/[^/]+/documents",
    r"/v1/audio/(transcriptions|translations)",
    r"/v1/images/(edits|variations)",
)
"""Paths, as regular expressions matched in full, that take files."""

DEFAULT_FREE_PATHS = (r"/api/blobs/[^/]+",)
"""Paths, likewise, whose routes hold bodies to a limit of their own: weights of models are larger than anything else."""

_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,128}")

IpNetwork = IPv4Network | IPv6Network


def _networks(values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        ip_network(value, strict=False)
    return values


class EdgeSettings(BaseModel):
    """Who may reach the server, by what name, and with how much."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    allowed_hosts: tuple[str, ...] = ()
    """Host names under which browsers and clients reach this server, beside loopback names and the address it is bound to;
    `*.example.org` stands for every name below one, `*` for any. Names not listed are refused, because a hostile page can
    make its own name point here (DNS rebinding). Default: none, since a laptop needs none."""

    trusted_proxies: Annotated[tuple[str, ...], AfterValidator(_networks)] = ()
    """Addresses or networks (`10.0.0.0/8`) of reverse proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed.
    Default: none, so that nobody can pretend to be somebody else."""

    trusted_origins: tuple[str, ...] = ()
    """Origins (`https://chat.example.org`) whose pages may use a browser session beside the server's own. Default: none."""

    max_body_bytes: int = Field(default=20 * MIB, ge=1024, le=1024 * MIB)
    """Largest request body, in bytes, on all paths that take no files. Default 20 MiB: a long chat with a few images."""

    max_upload_bytes: int = Field(default=51 * MIB, ge=1024, le=100 * 1024 * MIB)
    """Largest request body, in bytes, on paths that take files. Default 51 MiB: a file of 50 MiB with its envelope."""


class HostNotAllowed(InvalidRequest):
    """This server does not answer to that host name; an admin can add it to the allowed hosts in the settings."""

    code = "host_not_allowed"
    title = "Host name not allowed"


def header(scope: Scope, name: bytes) -> str | None:
    """Gives the first header of a name (lower case), or None."""
    for key, value in scope["headers"]:
        if key == name:
            return str(value.decode("latin-1"))
    return None


def client_ip(scope: Scope) -> str:
    """Gives the address a request came from, after trusted proxies have been seen through; empty if unknown."""
    client = scope.get("client")
    return str(client[0]) if client else ""


def is_local(scope: Scope) -> bool:
    """Tells whether a request comes from this machine itself, and not through a proxy that runs on it."""
    address = parse_ip(client_ip(scope))
    return address is not None and address.is_loopback and not scope.get("state", {}).get("is_forwarded", False)


def route_template(scope: Scope) -> str:
    """Gives the pattern of the route that answered, such as `/api/v1/keys/{key_id}`; never what a caller wrote."""
    return str(getattr(scope.get("route"), "path", None) or "unmatched")


async def _refuse(error: AlcoveError, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": error.code})
        return
    await render(error, scope["path"], request_id=scope.get("state", {}).get("request_id"))(scope, receive, send)


class ProxyHeaders:
    """Sees through reverse proxies that are trusted; takes no notice of what anyone else claims."""

    def __init__(self, app: ASGIApp, *, trusted: Sequence[str] = ()) -> None:
        self._app = app
        self._trusted: tuple[IpNetwork, ...] = tuple(ip_network(each, strict=False) for each in trusted)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sets `client` and `scheme` where a trusted proxy says so, and notes whether anything was forwarded."""
        if scope["type"] in {"http", "websocket"}:
            self.apply(scope)
        await self._app(scope, receive, send)

    def apply(self, scope: Scope) -> None:
        """Does so to the scope of one request."""
        forwarded = [value.decode("latin-1") for key, value in scope["headers"] if key == b"x-forwarded-for"]
        if forwarded or header(scope, b"forwarded") is not None:
            scope.setdefault("state", {})["is_forwarded"] = True
        if self._is_trusted(client_ip(scope)):
            self._see_through(scope, forwarded)

    def _is_trusted(self, address: str) -> bool:
        parsed = parse_ip(address)
        return parsed is not None and any(parsed in network for network in self._trusted)

    def _see_through(self, scope: Scope, forwarded: list[str]) -> None:
        hops = [hop.strip() for line in forwarded for hop in line.split(",")]
        for hop in reversed(hops):
            address = parse_ip(hop)
            if address is None:
                break  # what stands left of nonsense cannot be believed either
            scope["client"] = (str(address), 0)
            if not self._is_trusted(hop):
                break
        proto = header(scope, b"x-forwarded-proto")
        if proto in {"http", "https"}:
            scope["scheme"] = {"http": "ws", "https": "wss"}[proto] if scope["type"] == "websocket" else proto


class RequestContext:
    """Gives every request an id, one line in the log, and an answer even when the rest falls over."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Binds the id to the log, sends it back as `x-request-id`, and logs method, route, status and time."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        request_id = incoming_id(scope) or new_id()
        scope.setdefault("state", {})["request_id"] = request_id
        tokens = structlog.contextvars.bind_contextvars(request_id=request_id)
        try:
            await self._answer(scope, receive, send, request_id)
        finally:
            structlog.contextvars.reset_contextvars(**tokens)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        started_at = time.perf_counter()
        status = 0
        is_complete = False

        async def answering(message: Message) -> None:
            nonlocal status, is_complete
            if message["type"] == "http.response.start":
                status = message["status"]
                others = [each for each in message.get("headers", ()) if each[0] != b"x-request-id"]
                message["headers"] = [*others, (b"x-request-id", request_id.encode())]
            elif message["type"] == "http.response.body":
                is_complete = not message.get("more_body", False)
            await send(message)

        try:
            await self._app(scope, receive, answering)
        except AlcoveError as error:
            if status:
                raise
            await _refuse(error, scope, receive, answering)
        except Exception:  # the edge: nothing above could answer any more
            if is_complete:
                return  # the framework's own error answer went out; it logged the reason and raises it once more
            log.exception("request_failed", route=route_template(scope))
            if status:
                raise  # the server must cut the connection, or a half answer would look whole
            await _refuse(InternalError(), scope, receive, answering)
        finally:
            log.info(
                "request_answered",
                method=scope.get("method", scope["type"]),
                route=route_template(scope),
                status=status,
                ms=round((time.perf_counter() - started_at) * 1000, 1),
            )


def incoming_id(scope: Scope) -> str | None:
    """Gives the id that a request brought, if it may be used as one."""
    given = header(scope, b"x-request-id")
    return given if given is not None and _REQUEST_ID.fullmatch(given) else None


def security_headers(policy: str = CONTENT_SECURITY_POLICY) -> tuple[tuple[bytes, bytes], ...]:
    """Gives what every answer tells browsers."""
    return (
        (b"content-security-policy", policy.encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"same-origin"),
        (b"cross-origin-opener-policy", b"same-origin"),
        (b"cross-origin-resource-policy", b"same-origin"),
        (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    )


SECURE_ONLY = (b"strict-transport-security", b"max-age=31536000")
"""What is told on top of that over https."""


class SecurityHeaders:
    """Tells browsers what they must not do with what they get from here; an answer may set stricter ones itself."""

    def __init__(self, app: ASGIApp, *, policy: str = CONTENT_SECURITY_POLICY) -> None:
        self._app = app
        self._always = security_headers(policy)
        self._private = (*self._always, (b"cache-control", b"no-store"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Adds the headers that the answer does not set itself."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        wanted = self._private if scope["path"].startswith(("/api/", "/v1/")) else self._always
        if scope.get("scheme") == "https":
            wanted = (*wanted, SECURE_ONLY)

        async def hardened(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", ()))
                present = {name.lower() for name, _ in headers}
                headers.extend(each for each in wanted if each[0] not in present)
                message["headers"] = headers
            await send(message)

        await self._app(scope, receive, hardened)


class HostCheck:
    """Answers only to the names this server is meant to have, against DNS rebinding.

    An address in place of a name cannot be rebound, so any is good where the server listens on all of them.
    """

    def __init__(self, app: ASGIApp, *, allowed: Sequence[str] = (), bind_host: str = "127.0.0.1") -> None:
        names = {name.lower().strip("[]") for name in allowed}
        self._app = app
        self._allows_all = "*" in names
        self._allows_addresses = bind_host in {"0.0.0.0", "::", ""}  # noqa: S104  compared with, not bound to
        self._names = frozenset({*_LOOPBACK_NAMES, bind_host.lower(), *names})
        self._suffixes = tuple(name[1:] for name in names if name.startswith("*."))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuses a request that names another host, or none, or two."""
        if scope["type"] in {"http", "websocket"} and not self.is_allowed(scope):
            await _refuse(HostNotAllowed(), scope, receive, send)
            return
        await self._app(scope, receive, send)

    def is_allowed(self, scope: Scope) -> bool:
        """Tells whether a request names a host that this server answers to."""
        if self._allows_all:
            return True
        hosts = [value for key, value in scope["headers"] if key == b"host"]
        if len(hosts) != 1:
            return False
        name = host_name(hosts[0].decode("latin-1"))
        if name is None:
            return False
        return (
            name in self._names
            or (bool(self._suffixes) and name.endswith(self._suffixes))
            or (self._allows_addresses and parse_ip(name) is not None)
        )


_HOST = re.compile(r"(?:\[(?P<v6>[0-9a-fA-F:.]+)\]|(?P<name>[A-Za-z0-9._-]+))(?::[0-9]{0,5})?")


def host_name(value: str) -> str | None:
    """Gives the name in a `Host` header without its port, in lower case; None when it is malformed."""
    match = _HOST.fullmatch(value)
    return (match["v6"] or match["name"]).lower().rstrip(".") if match else None


class BodyLimit:
    """Refuses bodies that are too large: at once when they say so, else at the byte that is one too many."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        max_bytes: int,
        max_upload_bytes: int,
        upload_paths: Sequence[str] = DEFAULT_UPLOAD_PATHS,
        free_paths: Sequence[str] = DEFAULT_FREE_PATHS,
    ) -> None:
        self._app = app
        self._free = re.compile("|".join(f"(?:{each})" for each in free_paths) or r"(?!)")
        self._max_bytes = max_bytes
        self._max_upload_bytes = max_upload_bytes
        self._uploads = re.compile("|".join(f"(?:{each})" for each in upload_paths) or r"(?!)")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Counts what is read; answers 413 in place of the application if nothing was answered yet."""
        if scope["type"] != "http" or self._free.fullmatch(scope["path"]):
            await self._app(scope, receive, send)
            return
        most = self._max_upload_bytes if self._uploads.fullmatch(scope["path"]) else self._max_bytes
        # The rest of the body is not read: the connection cannot be used again.
        refusal = TooLarge(f"The request body is larger than {most:,} bytes.", headers={"connection": "close"})
        length = header(scope, b"content-length")
        if length is not None and length.isdecimal() and int(length[:20]) > most:
            await _refuse(refusal, scope, receive, send)
            return
        body = _CountedBody(receive, send, refusal, most)
        try:
            await self._app(scope, body.receive, body.send)
        except Exception:  # any error may come of a body cut short; the refusal says more than it
            if not body.is_to_be_refused:
                raise
        if body.is_to_be_refused:
            await _refuse(refusal, scope, receive, send)


@dataclass(slots=True)
class _CountedBody:
    """Counts a body as it is read, and holds back what the application says about one that is too large."""

    _receive: Receive
    _send: Send
    _refusal: TooLarge
    _most: int
    _read: int = 0
    _is_started: bool = False

    @property
    def is_to_be_refused(self) -> bool:
        return self._read > self._most and not self._is_started

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._read += len(message.get("body", b""))
            if self._read > self._most:
                raise self._refusal
        return message

    async def send(self, message: Message) -> None:
        if not self.is_to_be_refused:
            self._is_started = True
            await self._send(message)
