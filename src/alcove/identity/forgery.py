"""Requests that a foreign page makes a browser send, with the browser's own cookie.

Two checks, both needed for a request that changes something with a session: it must come from our own page by what the
browser itself says (`Sec-Fetch-Site`, else `Origin`), and it must carry a token that a foreign page cannot read.
"""

import hmac
from collections.abc import Set as AbstractSet
from urllib.parse import urlsplit

from starlette.types import Scope

from alcove.infra.middleware import header

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
CSRF_HEADER = b"x-csrf-token"

_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


def is_own_page(scope: Scope, trusted_origins: AbstractSet[str]) -> bool | None:
    """Tells whether a request was made by our own page; None when nothing tells, as with a program that is no browser."""
    origin = header(scope, b"origin")
    if origin is not None and origin in trusted_origins:
        return True
    site = header(scope, b"sec-fetch-site")
    if site is not None:
        return site in {"same-origin", "none"}
    if origin is None:
        return None
    return _is_same_host(origin, header(scope, b"host") or "")


def _is_same_host(origin: str, host: str) -> bool:
    """Compares without the scheme, which a proxy that ends TLS may hide from us."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    if parts.scheme not in _DEFAULT_PORTS or not parts.netloc or not host:
        return False
    port = _DEFAULT_PORTS[parts.scheme]
    return parts.netloc.lower().removesuffix(port) == host.lower().removesuffix(port)


def has_token(scope: Scope, expected: str) -> bool:
    """Tells whether a request carries the token of its session."""
    sent = header(scope, CSRF_HEADER)
    return sent is not None and hmac.compare_digest(sent.encode(), expected.encode())
