"""The two cookies: the session, which no script can read, and the token against forgery, which the page must read.

Over https the session cookie has the `__Host-` prefix, so no other host and no plain page can set it; browsers refuse that
prefix on plain http, where another name is used.
"""

from http.cookies import CookieError
from typing import Literal

from starlette.requests import cookie_parser
from starlette.responses import Response
from starlette.types import Scope

from alcove.identity.models import SignedIn

CSRF_COOKIE = "alcove_csrf"

_SECURE_NAME = "__Host-as_session"
_PLAIN_NAME = "as_session"
_SAME_SITE: Literal["lax"] = "lax"


def session_token(scope: Scope) -> str | None:
    """Gives the session token that came with a request, unchecked."""
    name = _session_name(scope)
    for key, value in scope["headers"]:
        if key == b"cookie" and name.encode() in value:
            try:
                token = cookie_parser(value.decode("latin-1")).get(name)
            except CookieError:
                continue
            if token:
                return token
    return None


def set_session(response: Response, scope: Scope, signed_in: SignedIn, *, lifetime_s: int) -> None:
    """Sets both cookies for a new session."""
    is_secure = _is_secure(scope)
    response.set_cookie(
        _session_name(scope),
        signed_in.token,
        max_age=lifetime_s,
        secure=is_secure,
        httponly=True,
        samesite=_SAME_SITE,
    )
    response.set_cookie(CSRF_COOKIE, signed_in.csrf_token, max_age=lifetime_s, secure=is_secure, samesite=_SAME_SITE)


def clear_session(response: Response, scope: Scope) -> None:
    """Deletes both cookies."""
    is_secure = _is_secure(scope)
    response.delete_cookie(_session_name(scope), secure=is_secure, httponly=True, samesite=_SAME_SITE)
    response.delete_cookie(CSRF_COOKIE, secure=is_secure, samesite=_SAME_SITE)


def _session_name(scope: Scope) -> str:
    return _SECURE_NAME if _is_secure(scope) else _PLAIN_NAME


def _is_secure(scope: Scope) -> bool:
    return scope.get("scheme") in {"https", "wss"}
