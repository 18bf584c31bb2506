"""Every error that a caller can act on.

One base class carries what both wire faces need (`code`, `status`, `title`); one subclass stands for one thing a caller can
do something about. The docstring of a subclass is its default message. Rendering lives in `alcove.infra.problems` alone.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, kw_only=True, slots=True)
class FieldError:
    """One field of a request that could not be accepted, named by its path (`limits.requests_per_minute`)."""

    field: str
    message: str


class AlcoveError(Exception):
    """Something went wrong inside Alcove; the log has the details under the request id."""

    code: ClassVar[str] = "internal_error"
    status: int = 500
    title: ClassVar[str] = "Internal error"
    type: ClassVar[str] = "server_error"  # the `error.type` of OpenAI's error object
    log_level: ClassVar[int] = logging.INFO

    def __init__(
        self,
        detail: str | None = None,
        *,
        retry_after_s: float | None = None,
        fields: tuple[FieldError, ...] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Keep what both renderings need.

        Args:
            detail: What was wrong, with the value (never a secret), and what to do. Default: the class's docstring.
            retry_after_s: Seconds after which trying again makes sense; becomes `Retry-After`.
            fields: The fields at fault, for forms.
            headers: Extra response headers, such as an upstream's request id.
        """
        self.detail = detail or " ".join((type(self).__doc__ or self.title).split())
        self.retry_after_s = retry_after_s
        self.fields = fields
        self.headers = dict(headers or {})
        super().__init__(self.detail)


class InternalError(AlcoveError):
    """Something went wrong inside Alcove; the log has the details under the request id."""

    log_level = logging.ERROR


class InvalidRequest(AlcoveError):
    """The request cannot be understood."""

    code = "invalid_request"
    status = 400
    title = "Invalid request"
    type = "invalid_request_error"


class NotAuthenticated(AlcoveError):
    """Sign in, or send a valid API key as `Authorization: Bearer sk-as-…`."""

    code = "not_authenticated"
    status = 401
    title = "Not signed in"
    type = "authentication_error"


class InvalidCredentials(NotAuthenticated):
    """The e-mail address or the password is wrong."""

    code = "invalid_credentials"
    title = "Wrong e-mail address or password"


class Forbidden(AlcoveError):
    """You may not do this."""

    code = "forbidden"
    status = 403
    title = "Not allowed"
    type = "permission_error"


class ModelNotAllowed(Forbidden):
    """You may not use this model; `GET /v1/models` lists the ones you may."""

    code = "model_not_allowed"
    title = "Model not allowed"


class NotFound(AlcoveError):
    """There is no such thing here, or it is not yours."""

    code = "not_found"
    status = 404
    title = "Not found"
    type = "invalid_request_error"


class ModelNotFound(NotFound):
    """There is no such model; `GET /v1/models` lists the ones there are."""

    code = "model_not_found"
    title = "No such model"


class Conflict(AlcoveError):
    """The thing changed, or is busy; load it again and retry."""

    code = "conflict"
    status = 409
    title = "Conflict"
    type = "invalid_request_error"


class AlreadyExists(Conflict):
    """A thing of that name exists already; choose another name."""

    code = "already_exists"
    title = "Already exists"


class TooLarge(AlcoveError):
    """The request body is larger than this server accepts."""

    code = "too_large"
    status = 413
    title = "Too large"
    type = "invalid_request_error"


class UnsupportedMedia(AlcoveError):
    """This kind of file cannot be read here."""

    code = "unsupported_media"
    status = 415
    title = "Unsupported kind of file"
    type = "invalid_request_error"


class ContentBlocked(AlcoveError):
    """A guardrail does not allow this content; change it and send it again."""

    code = "content_blocked"
    status = 400
    title = "Content not allowed"
    type = "invalid_request_error"


class Unprocessable(AlcoveError):
    """The content cannot be used."""

    code = "unprocessable"
    status = 422
    title = "Cannot be processed"
    type = "invalid_request_error"


class RateLimited(AlcoveError):
    """Too many requests; wait and try again."""

    code = "rate_limited"
    status = 429
    title = "Too many requests"
    type = "rate_limit_error"


class BudgetExceeded(RateLimited):
    """The budget is spent; it begins anew with the next period, or an admin can raise it."""

    code = "budget_exceeded"
    title = "Budget spent"
    type = "insufficient_quota"


class Overloaded(AlcoveError):
    """The server is at its limit; try again shortly."""

    code = "overloaded"
    status = 503
    title = "Overloaded"
    type = "overloaded_error"
    log_level = logging.WARNING


class Unavailable(AlcoveError):
    """A part that is needed for this is not available."""

    code = "unavailable"
    status = 503
    title = "Not available"
    log_level = logging.WARNING


class UpstreamError(AlcoveError):
    """The model server answered with an error; its status, `Retry-After` and request id are kept."""

    code = "upstream_error"
    status = 502
    title = "The model server answered with an error"
    type = "upstream_error"
    log_level = logging.WARNING

    def __init__(
        self,
        detail: str | None = None,
        *,
        status: int = 502,
        retry_after_s: float | None = None,
        headers: Mapping[str, str] | None = None,
        upstream_code: str | None = None,
    ) -> None:
        """Keep the upstream's own status and code.

        Args:
            detail: The upstream's message, or what went wrong with the connection.
            status: HTTP status to answer with: the upstream's own where it sent one.
            retry_after_s: The upstream's `Retry-After`, in seconds.
            headers: Headers to hand on, such as `x-upstream-request-id`.
            upstream_code: The upstream's own error code, if it sent one.
        """
        super().__init__(detail, retry_after_s=retry_after_s, headers=headers)
        self.status = status
        self.upstream_code = upstream_code


class UpstreamUnreachable(UpstreamError):
    """The model server cannot be reached; check its address and that it is running."""

    code = "upstream_unreachable"
    title = "The model server cannot be reached"


class UpstreamTimeout(UpstreamError):
    """The model server did not answer in time."""

    code = "upstream_timeout"
    title = "The model server did not answer in time"

    def __init__(self, detail: str | None = None) -> None:
        """Answer 504 with what was waited for."""
        super().__init__(detail, status=504)


class ContextOverflow(UpstreamError):
    """The conversation is too long for the model; shorten it, or choose a model with a larger context."""

    code = "context_length_exceeded"
    title = "Too long for the model"
    type = "invalid_request_error"
    log_level = logging.INFO


class ContentRefused(UpstreamError):
    """The model server refused the content by its policy; change the request, or choose another model."""

    code = "content_filter"
    title = "Refused by the model server's content policy"
    type = "invalid_request_error"
    log_level = logging.INFO


class StreamInterrupted(UpstreamError):
    """The model server broke the stream off before the answer was complete."""

    code = "stream_interrupted"
    title = "The answer was cut off"


def first_known(failures: BaseExceptionGroup[BaseException], *kinds: type[BaseException]) -> BaseException:
    """Gives the error that a person can act on, out of the groups that task groups wrap it in.

    Args:
        failures: What was raised.
        kinds: Errors to look for beside `AlcoveError`.

    Returns:
        The first such error; the group itself when there is none.
    """
    wanted: tuple[type[BaseException], ...] = (AlcoveError, *kinds)
    known = failures.subgroup(wanted)
    found: BaseException = known if known is not None else failures
    while known is not None and isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found
