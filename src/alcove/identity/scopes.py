"""What a key may be used for: a scope for each kind of call, and `api` for everything else.

One function decides, by the path that was routed, whatever header the key came in. A path nobody thought of needs `api`, so a key
that is limited to chats does not open a route that is added later.
"""

from collections.abc import Iterable

from alcove.kernel.errors import FieldError, Forbidden, InvalidRequest
from alcove.kernel.principal import Principal

API = "api"
"""Everything that is no call to a model: people, keys, chats, documents, traces."""

CALL_SCOPES = ("chat", "embedding", "rerank", "moderation", "image", "transcription", "speech")
"""The kinds of calls, by the names the gateway has for them (`CallKind`)."""

SCOPES = frozenset({*CALL_SCOPES, API})

_BY_PATH = {
    "/v1/chat/completions": "chat",
    "/v1/completions": "chat",
    "/v1/responses": "chat",
    "/v1/messages": "chat",
    "/v1/messages/count_tokens": "chat",
    "/v1/embeddings": "embedding",
    "/v1/rerank": "rerank",
    "/v1/moderations": "moderation",
    "/v1/audio/transcriptions": "transcription",
    "/v1/audio/translations": "transcription",
    "/v1/audio/speech": "speech",
    "/v1/models": None,
    "/api/v1/limits/me": None,
    # Ollama's protocol
    "/api/chat": "chat",
    "/api/generate": "chat",
    "/api/embed": "embedding",
    "/api/embeddings": "embedding",
    "/api/tags": None,
    "/api/show": None,
    "/api/version": None,
    "/api/ps": None,
}
_BY_BEGINNING = (("/v1/images/", "image"), ("/v1/models/", None), ("/v1/responses/", "chat"))
_GUARDED = ("/api", "/v1", "/v2", "/metrics")


def needed_scope(path: str) -> str | None:
    """Gives the scope that a path needs; None for what every key may do (list models, see its limits, load the page)."""
    if path in _BY_PATH:
        return _BY_PATH[path]
    for beginning, scope in _BY_BEGINNING:
        if path.startswith(beginning):
            return scope
    return API if path.startswith(_GUARDED) else None


def check_scope(who: Principal, path: str) -> None:
    """Refuses a path that the principal's key was not made for.

    Raises:
        Forbidden: Then.
    """
    if who.scopes is None:
        return
    needed = needed_scope(path)
    if needed is not None and needed not in who.scopes:
        made_for = ", ".join(who.scopes) or "nothing"
        detail = f"This API key is limited to {made_for}; this address needs the scope {needed!r}. Use another key."
        raise Forbidden(detail)


def check_scopes(scopes: Iterable[str] | None, *, maker: Principal | None) -> None:
    """Refuses scopes that do not exist, or that are more than the key has that asks for them.

    Raises:
        InvalidRequest: When there is no such scope.
        Forbidden: When the maker's own key has less.
    """
    wanted = None if scopes is None else set(scopes)
    unknown = sorted((wanted or set()) - SCOPES)
    if unknown:
        reason = f"{unknown[0]!r} is no scope; there are {', '.join(sorted(SCOPES))}"
        raise InvalidRequest(f"scopes: {reason}.", fields=(FieldError(field="scopes", message=reason),))
    if maker is None or maker.scopes is None:
        return
    if wanted is None or not wanted <= set(maker.scopes):
        detail = f"The key you use is limited to {', '.join(maker.scopes)}; it cannot make one that may do more."
        raise Forbidden(detail)
