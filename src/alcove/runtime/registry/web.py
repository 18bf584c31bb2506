"""Requests to registries: only to hosts that may be asked, credentials only to the host they are for, redirects by hand."""

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode, urljoin

import anyio

from alcove.infra.http import AddressNotAllowed, HttpClient, HttpClientError, InvalidUrl, Response, Url
from alcove.runtime.registry.errors import (
    HostNotAsked,
    InsecureProtocol,
    RegistryError,
    RegistryRefused,
    RegistryUnreachable,
)
from alcove.runtime.registry.settings import RegistryLogin, RegistrySettings

HUB = "huggingface.co"
HUB_NAMES = frozenset({HUB, "hf.co"})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAX_REDIRECTS = 5
_MAX_URL = 8192  # signed addresses of content networks are long
_MAX_TEXT_BYTES = 4 << 20
_UNAUTHORIZED, _FORBIDDEN, _TOO_MANY, _SERVER_ERROR = 401, 403, 429, 500
_PARAMETER = re.compile(r'([A-Za-z_]+)\s*=\s*(?:"([^"]*)"|([^\s,"]+))')


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """A request to a registry.

    Attributes:
        method: Its method.
        url: Where to.
        headers: Header fields, without credentials.
        body: Its body.
    """

    method: str
    url: Url
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(slots=True)
class Registry:
    """One host, for the length of one pull or push: what it wants to know of us is found out once.

    Attributes:
        http: The house's client.
        settings: Whom to ask, and as whom.
        host: The host, as the model's name has it.
        base: Its address, or that of its mirror.
        is_insecure: Whether http will do.
    """

    http: HttpClient
    settings: RegistrySettings
    host: str
    base: Url
    is_insecure: bool = False
    _authorization: str = ""
    _signing_in: anyio.Lock = field(default_factory=anyio.Lock)

    async def send(self, asked: Asked) -> Response:
        """Sends a request, signed in where that is wanted. Redirects are given back.

        Raises:
            RegistryUnreachable: When there is no answer.
            RegistryRefused: When our credentials will not do.
        """
        is_ours = asked.url.origin == self.base.origin
        if not is_ours:
            return await self._send(asked, "")
        used = self._authorization or self._token()
        response = await self._send(asked, used)
        if response.status != _UNAUTHORIZED:
            return response
        with response:
            challenge = response.headers.get("www-authenticate", "")
        async with self._signing_in:  # parts of one file find out at the same time
            if self._authorization in {"", used}:
                self._authorization = await self._sign_in(challenge, asked.url)
        response = await self._send(asked, self._authorization)
        if response.status == _UNAUTHORIZED:
            response.close()
            raise RegistryRefused(self._refusal("does not accept our credentials"), status=_UNAUTHORIZED)
        return response

    async def follow(self, asked: Asked) -> Response:
        """Sends a request, and follows where it is redirected; credentials do not go there.

        Raises:
            RegistryError: When there is no proper answer.
        """
        for _ in range(_MAX_REDIRECTS):
            response = await self.send(asked)
            if response.status not in _REDIRECTS:
                return response
            with response:
                asked = Asked(
                    method=asked.method,
                    url=self.target(asked.url, response.headers.get("location", "")),
                    headers=asked.headers,
                )
        detail = f"{self.host} redirects again and again"
        raise RegistryError(detail)

    def target(self, url: Url, location: str) -> Url:
        """Gives where a `Location` leads.

        Raises:
            RegistryError: When it is none, or leads from https to http.
        """
        try:
            found = Url.parse(urljoin(str(url), location).partition("#")[0], max_length=_MAX_URL)
        except (InvalidUrl, ValueError) as error:
            detail = f"{self.host} redirects to something that is no address"
            raise RegistryError(detail) from error
        if url.scheme == "https" and found.scheme == "http" and not self.is_insecure:
            detail = f"{self.host} redirects to an address without TLS; that is not followed"
            raise RegistryError(detail)
        return found

    async def text(self, asked: Asked) -> tuple[Response, bytes]:
        """Sends a request and gives the answer with its (small) body.

        Raises:
            RegistryError: When there is no proper answer.
        """
        with await self.follow(asked) as response:
            return response, await self.read(response)

    async def read(self, response: Response, most: int = _MAX_TEXT_BYTES) -> bytes:
        """Reads a small body.

        Raises:
            RegistryError: When it breaks off, or is not small.
        """
        found = bytearray()
        try:
            while piece := await response.read_some():
                found += piece
                if len(found) > most:
                    detail = f"{self.host} answers with more than {most} bytes where few are expected"
                    raise RegistryError(detail)
        except HttpClientError as error:
            raise RegistryUnreachable(f"{self.host}: {error}") from error
        return bytes(found)

    async def complain(self, response: Response, doing: str) -> RegistryError:
        """Gives the error for an answer that is none of those that were hoped for."""
        with response:
            said = _reason(await self.read(response))
        status = response.status
        kind = RegistryRefused if status in {_UNAUTHORIZED, _FORBIDDEN} else RegistryError
        shown = status if status in {_UNAUTHORIZED, _FORBIDDEN, _TOO_MANY} else 502
        after = response.headers.get("retry-after", "")
        return kind(
            f"{doing}: {self.host} answered {status}{f': {said}' if said else ''}",
            status=shown,
            retry_after_s=float(after) if after.isdecimal() and len(after) < 6 else None,  # noqa: PLR2004  below a day or so
        )

    async def _send(self, asked: Asked, authorization: str) -> Response:
        headers = dict(asked.headers)
        if authorization:
            headers["authorization"] = authorization
        try:
            return await self.http.request(asked.method, asked.url, headers, asked.body)
        except AddressNotAllowed as error:
            detail = (
                f"{asked.url.authority} is a private or reserved address; an operator can allow it by adding "
                f"'{asked.url.host}:{asked.url.port}' to the setting runtime.registry.hosts"
            )
            raise HostNotAsked(detail) from error
        except HttpClientError as error:
            raise RegistryUnreachable(f"{self.host} cannot be reached: {error}") from error

    # Signing in

    def _login(self) -> RegistryLogin | None:
        """Gives how to sign in where the requests go: a mirror is not told what is for the host it stands in for."""
        names = {_with_port(self.base)}
        if self.base.scheme == "https":  # without TLS, an operator has to have meant this very port
            names |= {self.base.authority}
            names |= HUB_NAMES if self.base.authority == HUB else set()
        return next((each for each in self.settings.logins if each.host.lower() in names), None)

    def _token(self) -> str:
        login = self._login()
        token = login.token.get_secret_value() if login is not None else ""
        return f"Bearer {token}" if token else ""

    async def _sign_in(self, challenge: str, url: Url) -> str:
        """Gives what to send as `Authorization` (RFC 7617, and Docker's token specification)."""
        scheme, _, rest = challenge.partition(" ")
        login = self._login()
        if login is not None and login.token.get_secret_value():
            raise RegistryRefused(self._refusal("does not accept our token"), status=_UNAUTHORIZED)
        if scheme.lower() == "basic":
            if login is None or not login.username:
                raise RegistryRefused(self._refusal("wants a user name and a password"), status=_UNAUTHORIZED)
            return _basic(login)
        if scheme.lower() != "bearer":
            raise RegistryRefused(self._refusal("does not let us in"), status=_UNAUTHORIZED)
        found = {name.lower(): quoted or bare for name, quoted, bare in _PARAMETER.findall(rest)}
        realm = self._realm(found.get("realm", ""), url, login)
        query = {name: found[name] for name in ("service", "scope") if found.get(name)}
        if login is not None and login.username:
            query["account"] = login.username
        mark = "&" if "?" in realm.target else "?"
        headers = {"accept": "application/json"}
        with await self._send(
            Asked(method="GET", url=realm.at(f"{realm.target}{mark}{urlencode(query)}"), headers=headers),
            _basic(login) if login is not None and login.username else "",
        ) as response:
            if response.status != 200:  # noqa: PLR2004
                raise RegistryRefused(self._refusal(f"gives no token ({response.status})"), status=_UNAUTHORIZED)
            body = await self.read(response)
        token = _token_in(body)
        if not token:
            raise RegistryRefused(self._refusal("gives no token"), status=_UNAUTHORIZED)
        return f"Bearer {token}"

    def _realm(self, realm: str, url: Url, login: RegistryLogin | None) -> Url:
        """Gives the token server, if it is the registry itself or one that an operator has named."""
        try:
            found = Url.parse(urljoin(str(url), realm), max_length=_MAX_URL)
        except (InvalidUrl, ValueError) as error:
            raise RegistryRefused(self._refusal("names no token server"), status=_UNAUTHORIZED) from error
        named = login.realm.lower() if login is not None else ""
        names = {_with_port(found)} if found.scheme == "http" else {_with_port(found), found.authority}
        is_pinned = found.authority == url.authority or named in names
        is_safe = found.scheme == "https" or url.scheme == "http"
        if not is_pinned or not is_safe:
            detail = (
                f"{self.host} sends us to the token server {found.authority}, which is not the registry itself; "
                "if that is right, name it as `realm` of the registry's entry in the setting runtime.registry.logins"
            )
            raise RegistryRefused(detail, status=_UNAUTHORIZED)
        return found

    def _refusal(self, what: str) -> str:
        return f"{self.host} {what}; an operator can set its user name and password, or its token, with the setting runtime.registry.logins"


def open_registry(
    http: HttpClient, settings: RegistrySettings, host: str, *, scheme: str, is_insecure: bool
) -> Registry:
    """Gives a host that may be asked.

    Args:
        http: The house's client.
        settings: Who may be asked.
        host: The host, with its port if it has one.
        scheme: `http` or `https` where the name says so; else empty.
        is_insecure: Whether http will do.

    Raises:
        HostNotAsked: When it may not be asked.
        InsecureProtocol: When it is to be asked by http, and nobody said that this will do.
    """
    check_host(settings, host)
    mirror = settings.mirrors.get(host.lower()) or (settings.mirrors.get(HUB) if host.lower() in HUB_NAMES else None)
    if mirror is not None:  # named by an operator, with its scheme
        base = Url.parse(mirror)
        return Registry(http, settings, host, base, is_insecure or base.scheme == "http")
    if scheme == "http" and not is_insecure:
        raise InsecureProtocol
    wanted = scheme or ("http" if is_insecure else "https")
    name = HUB if host.lower() in HUB_NAMES else host
    try:
        base = Url.parse(f"{wanted}://{name}/")
    except InvalidUrl as error:
        detail = f"{host!r} is no host"
        raise HostNotAsked(detail) from error
    return Registry(http, settings, host, base, is_insecure)


def check_host(settings: RegistrySettings, host: str) -> None:
    """Refuses a host that may not be asked.

    Raises:
        HostNotAsked: Then.
    """
    allowed = {each.lower() for each in settings.hosts}
    if host.lower() not in allowed and "*" not in allowed:
        detail = f"models may not be pulled from {host!r}; an operator can add it to the setting runtime.registry.hosts"
        raise HostNotAsked(detail)


def _with_port(url: Url) -> str:
    host = f"[{url.host}]" if ":" in url.host else url.host
    return f"{host}:{url.port}"


def _basic(login: RegistryLogin) -> str:
    pair = f"{login.username}:{login.password.get_secret_value()}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


def _token_in(body: bytes) -> str:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    token = (found.get("token") or found.get("access_token")) if isinstance(found, dict) else ""
    return token if isinstance(token, str) and token.isprintable() and " " not in token else ""


def _reason(body: bytes) -> str:
    """Gives what an error answer says, in OCI's form, the hub's, or none."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(found, dict):
        return ""
    errors = found.get("errors")
    if isinstance(errors, list) and errors and isinstance(errors[0], dict):
        found = errors[0]
    said = found.get("message") or found.get("error") or found.get("code")
    return said[:300] if isinstance(said, str) else ""
