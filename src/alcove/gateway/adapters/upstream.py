"""Calls to one model server: the key goes in, errors come out as ours with the server's status, `Retry-After` and request id.

The key never leaves in a message: a server that echoes it has it blanked out.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NoReturn

import pydantic_core
from pydantic import SecretStr

from alcove.gateway.ports import Transport, TransportResponse
from alcove.infra.http import (
    AddressNotAllowed,
    ConnectFailed,
    HttpClientError,
    PoolFull,
    PreparedRequest,
    TimedOut,
    Url,
)
from alcove.kernel.chat import JsonValue
from alcove.kernel.errors import (
    ContentRefused,
    ContextOverflow,
    InvalidRequest,
    Overloaded,
    StreamInterrupted,
    UpstreamError,
    UpstreamTimeout,
    UpstreamUnreachable,
)

_OK = 200  # the one status these APIs answer with
_MAX_MESSAGE = 2000
_MAX_RETRY_AFTER_S = 86_400.0
_LOOKS_LIKE_KEY = re.compile(r"\b(sk|pk|gsk|xai)-[\w*.-]{6,}")
_REQUEST_ID_FIELDS = ("x-request-id", "request-id", "x-amzn-requestid", "cf-ray")
_VISIBLE = re.compile(r"[!-~]{1,200}")
_OVERFLOW_CODE = re.compile(r"context.*(length|size|window).*exceed|exceed.*context", re.IGNORECASE)
_OVERFLOW = re.compile(
    r"context (length|window|size|limit)|maximum (model|prompt|sequence|input) length|(prompt|input|request|conversation) "
    r"(is|was) too (long|large)|too many (input |prompt )?tokens|token count.{0,40} exceeds|maximum number of (input )?tokens|"
    r"reduce the length of the|exceeds? the (maximum|model's) .{0,40}(tokens|context)|tokens? .{0,40}exceeds? .{0,40}maximum",
    re.IGNORECASE | re.DOTALL,
)
_REFUSED_CODE = re.compile(
    r"content_?(filter|policy)|responsibleai|moderation|safety|flagged|policy_violation", re.IGNORECASE
)
_REFUSED = re.compile(
    r"content (management |moderation )?(policy|filter)|usage polic|safety (system|filter)|flagged (as|for|by)|"
    r"prohibited content|responsible ai",
    re.IGNORECASE,
)
_ABOUT_THE_REQUEST = frozenset({400, 403, 413, 422})


@dataclass(frozen=True, slots=True)
class UpstreamServer:
    """One model server.

    Attributes:
        name: The deployment's name, for messages.
        base_url: Its address, up to the part that all paths share.
        transport: Sends the requests.
        api_key: Goes into `Authorization`, if there is one.
    """

    name: str
    base_url: Url
    transport: Transport
    api_key: SecretStr | None = None

    def url(self, path: str) -> Url:
        """Gives the address of a path under the base URL."""
        return self.base_url.at(self.base_url.target.rstrip("/") + path)

    def headers(self, *, accept: str) -> dict[str, str]:
        """Gives the header fields of every request."""
        headers = {"accept": accept, "content-type": "application/json", "user-agent": "alcove"}
        if self.api_key is not None:
            headers["authorization"] = f"Bearer {self.api_key.get_secret_value()}"
        return headers

    async def send(self, method: str, url: Url, headers: Mapping[str, str], body: bytes = b"") -> TransportResponse:
        """Sends a request; gives the response if it is a good one. The caller closes it.

        Raises:
            AlcoveError: When there is none, or it is an error.
        """
        try:
            response = await self.transport.request(method, url, headers, body)
        except HttpClientError as error:
            self.fail(error)
        return await self._good(response)

    async def send_prepared(self, request: PreparedRequest, body: bytes, request_id: str = "") -> TransportResponse:
        """Sends a prepared request; as `send`.

        Args:
            request: All but the body.
            body: The body.
            request_id: Id of the request here, for the server's log; empty for none.

        Raises:
            AlcoveError: As `send`.
        """
        more = f"x-request-id: {request_id}\r\n".encode() if request_id else b""
        try:
            response = await self.transport.send(request, body, more)
        except HttpClientError as error:
            self.fail(error)
        return response if response.status == _OK else await self._good(response)

    async def _good(self, response: TransportResponse) -> TransportResponse:
        if response.status == _OK:
            return response
        try:
            detail = await response.read()
        except HttpClientError:
            detail = b""
        finally:
            response.close()
        raise self.refusal(response.status, response.headers, detail)

    async def json(self, method: str, path: str, body: bytes = b"") -> JsonValue:
        """Sends a request; gives the JSON of the response.

        Raises:
            AlcoveError: When there is none.
        """
        response = await self.send(method, self.url(path), self.headers(accept="application/json"), body)
        try:
            data = await response.read()
        except HttpClientError as error:
            self.fail(error)
        finally:
            response.close()
        return self.parsed(data)

    def parsed(self, data: bytes, *, has_begun: bool = False) -> JsonValue:
        """Gives JSON, with invalid UTF-8 replaced.

        Args:
            data: What the server sent.
            has_begun: Whether a part of the answer has been given already.

        Raises:
            UpstreamError: When it is not JSON.
        """
        try:
            return _json(data)
        except ValueError:
            detail = f"The model server of {self.name!r} sent something that is not JSON."
            raise (StreamInterrupted(detail) if has_begun else UpstreamError(detail)) from None

    def fail(self, error: HttpClientError, *, has_begun: bool = False) -> NoReturn:
        """Raises what a failure of the connection means to the caller.

        Args:
            error: The failure.
            has_begun: Whether a part of the answer has been given already.

        Raises:
            AlcoveError: Always.
        """
        where = f"The model server of {self.name!r}"
        if has_begun:
            detail = f"{where} broke off in the middle of its answer: {error}."
            raise StreamInterrupted(detail) from error
        if isinstance(error, AddressNotAllowed):
            raise InvalidRequest(str(error)) from error
        if isinstance(error, ConnectFailed):
            detail = f"{where} cannot be reached: {error}. Check its address and that it is running."
            raise UpstreamUnreachable(detail) from error
        if isinstance(error, PoolFull):
            detail = f"{where} is at its limit of connections; try again shortly."
            raise Overloaded(detail, retry_after_s=1) from error
        if isinstance(error, TimedOut):
            detail = f"{where} did not answer in time: {error}."
            raise UpstreamTimeout(detail) from error
        detail = f"{where} gave no proper answer: {error}."
        raise UpstreamError(detail) from error

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        """Gives an error response as an error of ours: status, message, code, `Retry-After`, request id."""
        where = f"The model server of {self.name!r}"
        if not 400 <= status < 600:  # noqa: PLR2004  the range of errors
            place = headers.get("location", "")
            hint = f" to {self.clean(place)}; set its base URL to the final address" if place else ""
            return UpstreamError(f"{where} answered with status {status}{hint}.", headers=_kept(headers))
        message, code = self.message_of(body)
        if status == 401:  # noqa: PLR2004  not the caller's key was refused, but the deployment's
            message = f"{where} refused the key that is set for it. {message}"
        return _kind_of(status, code, message)(
            message or f"{where} answered with status {status}.",
            status=status,
            retry_after_s=_retry_after_s(headers),
            headers=_kept(headers),
            upstream_code=code,
        )

    def error_event(self, error: JsonValue, *, has_begun: bool) -> UpstreamError:
        """Gives an error that stood in the middle of a stream as an error of ours."""
        message, code = self._message(error)
        given = error.get("code") if isinstance(error, Mapping) else None
        if has_begun:
            return StreamInterrupted(message or None, upstream_code=code)
        status = given if isinstance(given, int) and 400 <= given < 600 else None  # noqa: PLR2004
        return _kind_of(status or 400, code, message)(
            message or f"The model server of {self.name!r} answered with an error.",
            status=status or 502,
            upstream_code=code,
        )

    def message_of(self, body: bytes) -> tuple[str, str | None]:
        """Gives the message and the code in the body of an error response, as far as there are any."""
        try:
            data = _json(body)
        except ValueError:
            return self.clean(body[:200].decode("utf-8", "replace")) if body[:1] not in {b"<", b""} else "", None
        if isinstance(data, Mapping) and "error" in data:
            data = data["error"]
        return self._message(data)

    def _message(self, data: JsonValue) -> tuple[str, str | None]:
        if isinstance(data, str):
            return self.clean(data), None
        if not isinstance(data, Mapping):
            return "", None
        message = next((data[key] for key in ("message", "detail", "error") if isinstance(data.get(key), str)), "")
        code, kind = data.get("code"), data.get("type")
        if not isinstance(code, str) and isinstance(kind, str) and _names_a_refusal(kind):
            code = kind  # a server with numbers for codes may say in the type what it is about
        return self.clean(str(message)), self.clean(code) if isinstance(code, str) and code else None

    def clean(self, text: str) -> str:
        """Gives a server's words without our key, without anything like a key, and not too many of them."""
        if self.api_key is not None and self.api_key.get_secret_value():
            text = text.replace(self.api_key.get_secret_value(), "[redacted]")
        return _LOOKS_LIKE_KEY.sub("[redacted]", text)[:_MAX_MESSAGE]


def _names_a_refusal(code: str) -> bool:
    return bool(_OVERFLOW_CODE.search(code) or _REFUSED_CODE.search(code))


def _kind_of(status: int, code: str | None, message: str) -> type[UpstreamError]:
    """Gives what an error is about, by the vendors' codes, or else by their words: too long, refused, or something else."""
    if status not in _ABOUT_THE_REQUEST and not (code and _names_a_refusal(code)):
        return UpstreamError
    if (code and _OVERFLOW_CODE.search(code)) or (status != 403 and _OVERFLOW.search(message)):  # noqa: PLR2004
        return ContextOverflow
    if (code and _REFUSED_CODE.search(code)) or _REFUSED.search(message):
        return ContentRefused
    return UpstreamError


def _json(data: bytes) -> JsonValue:
    try:
        parsed: JsonValue = pydantic_core.from_json(data)
    except ValueError:
        parsed = pydantic_core.from_json(data.decode("utf-8", "replace"))
    return parsed


def _kept(headers: Mapping[str, str]) -> dict[str, str]:
    for name in _REQUEST_ID_FIELDS:
        value = headers.get(name)
        if value and _VISIBLE.fullmatch(value):
            return {"x-upstream-request-id": value}
    return {}


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    millis = headers.get("retry-after-ms", "")
    if millis.isascii() and millis.isdecimal():
        return min(int(millis[:12]) / 1000, _MAX_RETRY_AFTER_S)
    value = headers.get("retry-after", "")
    if value.isascii() and value.isdecimal():
        return min(float(value[:12]), _MAX_RETRY_AFTER_S)
    try:
        at = parsedate_to_datetime(value)
    except (ValueError, TypeError):
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return min(max((at - datetime.now(UTC)).total_seconds(), 0.0), _MAX_RETRY_AFTER_S)


def unix_seconds(moment: datetime | None) -> int:
    """Gives a time in Unix seconds; 0 for none, and for one that cannot be, such as Go's zero time without a zone."""
    if moment is None:
        return 0
    try:
        return max(0, int((moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()))
    except (ValueError, OverflowError):
        return 0
