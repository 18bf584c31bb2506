"""URLs, read in one strict way, so that no two parsers can disagree about where a request goes."""

import ipaddress
import re
from dataclasses import dataclass
from typing import Literal

_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?(?P<target>[/?][!-~]*)?",
    re.IGNORECASE,
)
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMERIC = re.compile(r"(0x[0-9a-f]*|[0-9]+)")
_MAX_LENGTH = 2048
_MAX_HOST = 253
_MAX_PORT = 65535


class InvalidUrl(ValueError):
    """Not an `http://` or `https://` address of the plain form `https://host:port/path`."""


@dataclass(frozen=True, slots=True)
class Url:
    """Where a request goes.

    Attributes:
        scheme: `http` or `https`.
        host: Name or IP address in its canonical form, lower case, without brackets.
        port: Always set.
        target: Path and query, as they go into the request line.
    """

    scheme: Literal["http", "https"]
    host: str
    port: int
    target: str

    @classmethod
    def parse(cls, text: str, *, max_length: int = _MAX_LENGTH) -> "Url":
        """Reads a URL.

        Refused are user names and passwords, backslashes, blanks, control and non-ASCII characters, fragments, and IP
        addresses in unusual spellings (`2130706433`, `0x7f.1`, `127.1`, `010.0.0.1`), because clients read those differently.

        Args:
            text: The URL.
            max_length: Characters at most; signed addresses of content networks need more than others.

        Raises:
            InvalidUrl: When it is not of the plain form.
        """
        match = _URL.fullmatch(text) if len(text) <= max_length else None
        if match is None or "\\" in text or "#" in text:
            raise InvalidUrl(InvalidUrl.__doc__)
        scheme: Literal["http", "https"] = "https" if match["scheme"].lower() == "https" else "http"
        port = int(match["port"]) if match["port"] else (443 if scheme == "https" else 80)
        if not 0 < port <= _MAX_PORT:
            msg = f"{port} is not a port"
            raise InvalidUrl(msg)
        target = match["target"] or "/"
        return cls(scheme, _host(match["host"].lower()), port, target if target.startswith("/") else f"/{target}")

    @property
    def origin(self) -> tuple[str, str, int]:
        """Gives what connections are shared by."""
        return (self.scheme, self.host, self.port)

    @property
    def authority(self) -> str:
        """Gives host and port, as they go into the `Host` field."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.scheme == "https" else 80) else f"{host}:{self.port}"

    def at(self, target: str) -> "Url":
        """Gives the URL of another path on the same server."""
        return Url(self.scheme, self.host, self.port, target)

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target}"


def _host(host: str) -> str:
    if host.startswith("["):
        try:
            return ipaddress.IPv6Address(host[1:-1]).compressed
        except ValueError as error:
            msg = f"{host!r} is not an IPv6 address"
            raise InvalidUrl(msg) from error
    host = host.removesuffix(".")
    labels = host.split(".")
    if _NUMERIC.fullmatch(labels[-1]):
        try:
            return str(ipaddress.IPv4Address(host))
        except ValueError as error:
            msg = f"{host!r} is not an IPv4 address in its usual form"
            raise InvalidUrl(msg) from error
    if len(host) > _MAX_HOST or not all(_LABEL.fullmatch(label) for label in labels):
        msg = f"{host!r} is not a host name"
        raise InvalidUrl(msg)
    return host
