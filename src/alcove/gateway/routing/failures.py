"""What a failure says: about the request, about the deployment, and about asking again."""

from alcove.gateway.routing.models import Fallbacks
from alcove.kernel.errors import AlcoveError, ContentRefused, ContextOverflow, Overloaded, UpstreamError

_TOO_MANY = 429
_SERVER_ERROR = 500
_NOT_IMPLEMENTED = 501
_ON_THIS_DEPLOYMENT = frozenset({401, 402, 403, 404})  # its key, its credit, its models: another one may have them
_PASSING = frozenset({408, 409, 425, 429})


def is_limit(error: AlcoveError) -> bool:
    """Tells whether a deployment only wants to be asked later."""
    return isinstance(error, UpstreamError) and error.status == _TOO_MANY


def is_fault(error: AlcoveError) -> bool:
    """Tells whether a failure speaks against the deployment: it is gone, slow, broken, or refuses its key.

    Not one that says it does not do such things at all: it may do others well.
    """
    return (
        isinstance(error, UpstreamError)
        and not isinstance(error, ContextOverflow | ContentRefused)
        and (error.status >= _SERVER_ERROR or error.status in {401, 402, 403, 408})
        and error.status != _NOT_IMPLEMENTED
    )


def may_ask_another(error: AlcoveError) -> bool:
    """Tells whether another deployment may answer where this one failed; not when the request itself is at fault."""
    if isinstance(error, ContextOverflow | ContentRefused):
        return False
    if isinstance(error, UpstreamError):
        return error.status >= _SERVER_ERROR or error.status in _PASSING or error.status in _ON_THIS_DEPLOYMENT
    return isinstance(error, Overloaded)


def may_ask_again(error: AlcoveError) -> bool:
    """Tells whether the same deployment may answer a little later."""
    if not may_ask_another(error) or error.status == _NOT_IMPLEMENTED:
        return False
    return error.status not in _ON_THIS_DEPLOYMENT


def replacements(fallbacks: Fallbacks, error: AlcoveError) -> tuple[str, ...]:
    """Gives the models to ask in place of one that failed so."""
    if isinstance(error, ContextOverflow):
        return fallbacks.on_context_overflow
    if isinstance(error, ContentRefused):
        return fallbacks.on_content_policy
    return fallbacks.on_error if may_ask_another(error) else ()
