"""Who is asking, for every request, before a route sees it.

The layer refuses nothing itself: it leaves the principal, or the reason why there is none, in the request's state, and each
route asks for what it needs through `alcove.infra.web`. A route that forgets to ask is caught by the test of all routes.
Keys are never read from the query string: it ends up in logs and histories.
"""

from collections.abc import Sequence
from typing import cast

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from alcove.identity.cookies import session_token
from alcove.identity.forgery import SAFE_METHODS, has_token, is_own_page
from alcove.identity.models import Action, Actor, ForgedRequest
from alcove.identity.scopes import check_scope
from alcove.identity.service import Credential, Identity
from alcove.infra.middleware import client_ip, header, route_template
from alcove.kernel.errors import AlcoveError, Forbidden, NotAuthenticated
from alcove.kernel.principal import Principal

_KEY_HEADERS = (b"x-api-key", b"api-key")
_SCHEME = "bearer "
_SUBPROTOCOL = (
    "openai-insecure-api-key."  # how OpenAI's clients in a browser, which can set no header, send a key by websocket
)
_UNAUTHORIZED = 401
_FORBIDDEN = 403

DEFAULT_OPEN_PATHS = ("/assets/", "/health/")
"""Beginnings of paths where nobody asks who is asking; a route below one would find no principal."""


class Authentication:
    """Finds the principal; writes refusals into the audit table."""

    def __init__(self, app: ASGIApp, *, open_paths: Sequence[str] = DEFAULT_OPEN_PATHS) -> None:
        self._app = app
        self._open_paths = tuple(open_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sets `principal` or `refusal` in the request's state; the services come from the lifespan's state."""
        if scope["type"] not in {"http", "websocket"} or scope["path"].startswith(self._open_paths):
            await self._app(scope, receive, send)
            return
        credential = credential_of(scope)
        if credential is None:
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        identity = cast("Identity", state["identity"])
        principal: Principal | None = None
        refusal: AlcoveError | None = None
        try:
            principal = await identity.authenticator.authenticate(credential, client_ip(scope))
            if credential.is_key:
                check_scope(principal, scope["path"])
            else:
                _refuse_forgery(scope, identity, principal)
            state["principal"] = principal
        except (NotAuthenticated, Forbidden) as error:
            refusal = error
            state["refusal"] = refusal

        # A missing right or a key that is not good may be an attack; a session that has ended is none.
        telling = (_UNAUTHORIZED, _FORBIDDEN) if credential.is_key else (_FORBIDDEN,)

        async def watching(message: Message) -> None:
            is_ours = not state.get("is_upstream_error", False)  # a model server's own refusal is none of this house
            if message["type"] == "http.response.start" and message["status"] in telling and is_ours:
                _record(scope, identity, principal)
            await send(message)

        await self._app(scope, receive, watching)


def credential_of(scope: Scope) -> Credential | None:
    """Gives what a request brought: a key from any of its headers, else the session cookie."""
    authorization = header(scope, b"authorization")
    if authorization is not None and authorization[: len(_SCHEME)].lower() == _SCHEME:
        return Credential(is_key=True, secret=authorization[len(_SCHEME) :].strip())
    for name in _KEY_HEADERS:
        value = header(scope, name)
        if value is not None:
            return Credential(is_key=True, secret=value.strip())
    if scope["type"] == "websocket":
        for each in scope.get("subprotocols", ()):
            if each.startswith(_SUBPROTOCOL):
                return Credential(is_key=True, secret=each[len(_SUBPROTOCOL) :])
    token = session_token(scope)
    return None if token is None else Credential(is_key=False, secret=token)


def _refuse_forgery(scope: Scope, identity: Identity, principal: Principal) -> None:
    is_socket = scope["type"] == "websocket"
    if not is_socket and scope["method"] in SAFE_METHODS:
        return
    if not is_own_page(scope, identity.trusted_origins):
        raise ForgedRequest
    expected = identity.sessions.csrf_token(principal.session_id or "")
    if not is_socket and not has_token(scope, expected):
        raise ForgedRequest


def _record(scope: Scope, identity: Identity, principal: Principal | None) -> None:
    actor = Actor(
        name=principal.email if principal is not None else "anonymous",
        ip=client_ip(scope),
        request_id=str(scope["state"].get("request_id", "")),
    )
    object_ = f"{scope['method']} {route_template(scope)}"
    identity.background.start(lambda: identity.audit.record_refusal(actor, Action.REQUEST, object_), "audit_refusal")
