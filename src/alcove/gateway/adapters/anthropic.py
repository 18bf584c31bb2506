"""Anthropic's Messages API, and servers that speak it: chat, the list of models, the count of tokens."""

from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime
from typing import NoReturn

import anyio
import pydantic_core
from pydantic import BaseModel, ValidationError

from alcove.gateway.adapters.anthropic_request import beta_of, message_body
from alcove.gateway.adapters.anthropic_stream import EventReader, NotAnEvent
from alcove.gateway.adapters.anthropic_thinking import ModelTraits
from alcove.gateway.adapters.profiles import Profile, profile_of
from alcove.gateway.adapters.upstream import UpstreamServer, unix_seconds
from alcove.gateway.models import Deployment, ListedModel
from alcove.gateway.ports import Endpoint, Transport, TransportResponse
from alcove.gateway.sse import EventTooLong, SseParser
from alcove.infra.http import HttpClientError, Url
from alcove.kernel.chat import ChatRequest, Delta, JsonValue
from alcove.kernel.errors import InvalidRequest, StreamInterrupted, UpstreamError
from alcove.kernel.ports import CallContext, EmbeddingContext, Embeddings, ModelInfo

VERSION = "2023-06-01"
_MAX_EVENT_BYTES = 8 * 1024 * 1024
_PAGE, _MAX_PAGES = 1000, 10
_LAST_BYTES_S = 0.05
_SSE = "text/event-stream"
_STATUS = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "conflict_error": 409,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
_OTHER = Profile(provider="anthropic_compatible", label="Server with Anthropic's protocol")
_NOT_COUNTED = frozenset({"max_tokens", "temperature", "top_p", "top_k", "stop_sequences", "metadata", "service_tier"})


@dataclass(frozen=True, slots=True)
class AnthropicServer(UpstreamServer):
    """A server with Anthropic's protocol: the key goes in a field of its own, errors say their kind in `type`."""

    def headers(self, *, accept: str) -> dict[str, str]:
        """Gives the header fields of every request."""
        headers = {
            "accept": accept,
            "content-type": "application/json",
            "user-agent": "alcove",
            "anthropic-version": VERSION,
        }
        if self.api_key is not None:
            headers["x-api-key"] = self.api_key.get_secret_value()
        return headers

    def message_of(self, body: bytes) -> tuple[str, str | None]:
        """Gives the message and the kind of error in the body of an error response, as far as there are any."""
        message, code = UpstreamServer.message_of(self, body)
        if code is None:
            try:
                code = self._kind(self.parsed(body))
            except UpstreamError:
                return message, None
        return message, code

    def error_event(self, error: JsonValue, *, has_begun: bool) -> UpstreamError:
        """Gives an error that stood in the middle of a stream as an error of ours."""
        found = error.get("error") if isinstance(error, Mapping) else None
        message = found.get("message") if isinstance(found, Mapping) else None
        detail = self.clean(message) if isinstance(message, str) and message else None
        kind = self._kind(error)
        if has_begun:
            return StreamInterrupted(detail, upstream_code=kind)
        return UpstreamError(
            detail or f"The model server of {self.name!r} answered with an error.",
            status=_STATUS.get(kind or "", 502),
            upstream_code=kind,
        )

    def _kind(self, body: JsonValue) -> str | None:
        found = body.get("error") if isinstance(body, Mapping) else None
        kind = found.get("type") if isinstance(found, Mapping) else None
        return self.clean(kind) if isinstance(kind, str) and kind else None


@dataclass(slots=True)
class KnownModels:
    """What the server's list said of its models, by their ids."""

    traits: dict[str, ModelTraits] = field(default_factory=dict)

    def of(self, upstream_id: str) -> ModelTraits:
        """Gives what is known of a model."""
        return self.traits.get(upstream_id) or ModelTraits()


@dataclass(frozen=True, slots=True)
class AnthropicChatModel:
    """A chat model on a server with Anthropic's protocol. The server is always asked to stream.

    Attributes:
        info: How it is known here.
        upstream_id: Its id there.
        server: The server.
        known: What is known of its models by now.
        url: Where messages are asked for.
        headers: What goes with each request.
    """

    info: ModelInfo
    upstream_id: str
    server: AnthropicServer
    known: KnownModels
    url: Url
    headers: Mapping[str, str] = field(repr=False)  # they hold the key

    async def stream(self, request: ChatRequest, context: CallContext) -> AsyncGenerator[Delta, None]:
        """Answers piece by piece; closing it closes the connection to the server at once.

        Raises:
            AlcoveError: When the server cannot be reached, refuses, or breaks off.
        """
        body = message_body(request, model=self.upstream_id, traits=self.known.of(self.upstream_id))
        body["stream"] = True
        headers = with_context(self.headers, request, context.request_id)
        response = await self.server.send("POST", self.url, headers, written(body))
        reader = EventReader()
        try:
            async with aclosing(_batches(response)) as batches:
                async for batch in batches:
                    for delta in self._deltas(reader, batch):
                        yield delta
                    if reader.is_done:
                        break
            await _read_off(response)
        except HttpClientError as error:
            if reader.finish_reason is None:
                self.server.fail(error, has_begun=reader.has_begun)
        except EventTooLong:
            self._break(reader, "sent an event without an end")
        finally:
            response.close()
        if reader.finish_reason is None:
            self._break(reader, "ended its answer without saying why")

    def _deltas(self, reader: EventReader, events: Iterable[bytes]) -> Iterator[Delta]:
        for data in events:
            try:
                event = self.server.parsed(data)
            except UpstreamError:
                self._break(reader, "sent something that is not JSON")
            if isinstance(event, Mapping) and event.get("type") == "error":
                raise self.server.error_event(event, has_begun=reader.has_begun)
            try:
                yield from reader.deltas(event)
            except NotAnEvent:
                self._break(reader, "sent something that is not a message")

    def _break(self, reader: EventReader, what: str) -> NoReturn:
        detail = f"The model server of {self.server.name!r} {what}."
        raise (StreamInterrupted(detail) if reader.has_begun else UpstreamError(detail)) from None


async def _batches(response: TransportResponse) -> AsyncGenerator[Sequence[bytes], None]:
    """Gives the data of events as they come; of an answer that is no stream, all of it as one."""
    if not response.headers.get("content-type", _SSE).startswith(_SSE):
        yield [await response.read()]
        return
    events = SseParser(_MAX_EVENT_BYTES)
    while data := await response.read_some():
        yield events.feed(data)
    yield events.end()


async def _read_off(response: TransportResponse) -> None:
    """Reads the end of the body behind the last event, so that the connection can be used again."""
    with anyio.move_on_after(_LAST_BYTES_S):
        while not response.is_at_end and await response.read_some():
            pass


def written(body: Mapping[str, JsonValue]) -> bytes:
    """Gives a request's JSON; numbers too large for JSON, which a model may have written as arguments of a tool, are null."""
    return pydantic_core.to_json(body, inf_nan_mode="null")


def with_context(headers: Mapping[str, str], request: ChatRequest, request_id: str) -> Mapping[str, str]:
    """Gives the header fields for one request: with the features it wants, and its id."""
    more: dict[str, str] = {}
    if beta := beta_of(request):
        more["anthropic-beta"] = beta
    if request_id:
        more["x-request-id"] = request_id
    return {**headers, **more} if more else headers


@dataclass(frozen=True, slots=True)
class NoEmbedding:
    """Stands where a server's embedding model would; Anthropic has none."""

    info: ModelInfo
    dimensions: int = 0

    async def embed(self, texts: Sequence[str], *, context: EmbeddingContext | None = None) -> Embeddings:  # noqa: ARG002  the port's signature
        """Refuses.

        Raises:
            InvalidRequest: Always.
        """
        detail = f"model: {self.info.id!r} does not embed; Anthropic has no embedding models"
        raise InvalidRequest(detail)


class _Supported(BaseModel):
    supported: bool = False


class _Types(BaseModel):
    adaptive: _Supported = _Supported()
    enabled: _Supported = _Supported()


class _Thinking(_Supported):
    types: _Types = _Types()


class _Capabilities(BaseModel):
    image_input: _Supported = _Supported()
    thinking: _Thinking = _Thinking()
    effort: dict[str, object] | None = None


class _Listed(BaseModel):
    id: str
    display_name: str = ""
    created_at: datetime | None = None
    max_tokens: int | None = None
    capabilities: _Capabilities | None = None


class _Page(BaseModel):
    data: list[_Listed]
    has_more: bool = False
    last_id: str | None = None


@dataclass(frozen=True, slots=True)
class AnthropicUpstream:
    """A deployment of Anthropic's protocol, opened."""

    server: AnthropicServer
    profile: Profile
    known: KnownModels = field(default_factory=KnownModels)

    @property
    def provider_name(self) -> str:
        """Gives who serves its models."""
        return self.profile.provider

    @property
    def endpoint(self) -> Endpoint | None:
        """Gives nothing: it takes no requests of OpenAI's protocol."""
        return None

    def chat_model(self, info: ModelInfo, upstream_id: str) -> AnthropicChatModel:
        """Gives one of its chat models."""
        url, headers = self.server.url("/v1/messages"), self.server.headers(accept=_SSE)
        return AnthropicChatModel(info, upstream_id, self.server, self.known, url, headers)

    def embedding_model(self, info: ModelInfo, upstream_id: str) -> NoEmbedding:  # noqa: ARG002  the port's signature
        """Gives what refuses to embed."""
        return NoEmbedding(info)

    async def forward(
        self,
        path: str,
        body: bytes,  # noqa: ARG002  the port's signature
        *,
        content_type: str,  # noqa: ARG002  the port's signature
        accept: str,  # noqa: ARG002  the port's signature
        user_id: str = "",  # noqa: ARG002  the port's signature
    ) -> TransportResponse:
        """Refuses: what is sent as it is is of OpenAI's protocol.

        Raises:
            InvalidRequest: Always.
        """
        detail = f"{self.server.name!r} speaks Anthropic's protocol, which has nothing like {path}."
        raise InvalidRequest(detail)

    async def list_models(self) -> Sequence[ListedModel]:
        """Asks the server which models it has, page by page.

        Raises:
            AlcoveError: When it does not answer, or not with a list of models.
        """
        found: dict[str, _Listed] = {}
        after = ""
        for _ in range(_MAX_PAGES):
            answer = await self.server.json("GET", f"/v1/models?limit={_PAGE}{after}")
            try:
                page = _Page.model_validate(answer)
            except ValidationError:
                detail = f"The server of {self.server.name!r} did not answer with a list of models, as Anthropic's do."
                raise UpstreamError(detail) from None
            found.update({each.id: each for each in page.data if each.id})
            if not page.has_more or not page.last_id or not page.last_id.isascii() or not page.last_id.isprintable():
                break
            after = f"&after_id={_quoted(page.last_id)}"
        self.known.traits = {each.id: _traits(each) for each in found.values()}
        return [_listed(each) for each in found.values()]

    async def count_tokens(self, request: ChatRequest, upstream_id: str, *, request_id: str) -> int:
        """Asks the server how many tokens the input of a request has.

        Raises:
            AlcoveError: When it does not answer, or refuses.
        """
        body = message_body(request, model=upstream_id, traits=self.known.of(upstream_id))
        asked = written({key: value for key, value in body.items() if key not in _NOT_COUNTED})
        headers = with_context(self.server.headers(accept="application/json"), request, request_id)
        response = await self.server.send("POST", self.server.url("/v1/messages/count_tokens"), headers, asked)
        try:
            answer = self.server.parsed(await response.read())
        except HttpClientError as error:
            self.server.fail(error)
        finally:
            response.close()
        tokens = answer.get("input_tokens") if isinstance(answer, Mapping) else None
        if not isinstance(tokens, int) or tokens < 0:
            detail = f"The model server of {self.server.name!r} did not answer with a number of tokens."
            raise UpstreamError(detail)
        return tokens


def _quoted(model_id: str) -> str:
    return "".join(each if each.isalnum() or each in "-._~" else f"%{ord(each):02X}" for each in model_id)


def _traits(model: _Listed) -> ModelTraits:
    can = model.capabilities
    efforts = None
    if can is not None and can.effort is not None:
        efforts = frozenset(
            level for level, each in can.effort.items() if isinstance(each, dict) and each.get("supported") is True
        )
    return ModelTraits(
        max_tokens=model.max_tokens if model.max_tokens is not None and model.max_tokens > 0 else None,
        thinks_adaptively=can is not None and can.thinking.types.adaptive.supported,
        efforts=efforts,
    )


def _listed(model: _Listed) -> ListedModel:
    can = model.capabilities
    words = ["tools"]
    if can is not None and can.image_input.supported:
        words.append("vision")
    if can is not None and can.thinking.supported:
        words.append("reasoning")
    return ListedModel(
        id=model.id, created=unix_seconds(model.created_at), description=model.display_name, capabilities=tuple(words)
    )


@dataclass(frozen=True, slots=True)
class AnthropicUpstreamFactory:
    """Opens deployments of Anthropic's protocol."""

    transport: Transport

    def open(self, deployment: Deployment) -> AnthropicUpstream:
        """Gives the deployment, ready for use."""
        url = Url.parse(deployment.base_url.removesuffix("/v1"))
        server = AnthropicServer(deployment.name, url, self.transport, deployment.api_key)
        known = profile_of(url)
        return AnthropicUpstream(server, known if known.provider == "anthropic" else _OTHER)
