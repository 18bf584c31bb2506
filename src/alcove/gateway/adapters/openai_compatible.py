"""Model servers that speak OpenAI's protocol: chat, embeddings, the list of models."""

import math
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import anyio
import pydantic_core
from pydantic import BaseModel, ValidationError

from alcove.gateway.adapters.openai_bytes import OpenAiPassedChat, ServerTraits
from alcove.gateway.adapters.openai_completions import NOT_THERE, PATH, as_chat_chunk, completion_body, unsupported
from alcove.gateway.adapters.openai_stream import ChunkReader, NotAChunk, usage_of
from alcove.gateway.adapters.profiles import Profile, kind_of, profile_of, rename, takes_own_fields
from alcove.gateway.adapters.upstream import UpstreamServer
from alcove.gateway.models import Deployment, ListedModel
from alcove.gateway.ollama_words import completion_of, without_own_fields
from alcove.gateway.openai_request import chat_body
from alcove.gateway.ports import Endpoint, Transport, TransportResponse
from alcove.gateway.sse import EventTooLong, SseParser
from alcove.infra.http import HttpClientError, Url, prepare
from alcove.kernel.chat import ChatRequest, Delta, JsonValue, Usage
from alcove.kernel.errors import StreamInterrupted, UpstreamError
from alcove.kernel.ports import CallContext, EmbeddingContext, Embeddings, ModelInfo

_MAX_EVENT_BYTES = 8 * 1024 * 1024
_MAX_MODELS = 5000
_LAST_BYTES_S = 0.05
_SSE = "text/event-stream"
_UNIT_TOLERANCE = 1e-3
_REFUSED_OPTION = frozenset({400, 422})


@dataclass(frozen=True, slots=True)
class OpenAiChatModel:
    """A chat model on a server with OpenAI's protocol. The server is always asked to stream.

    Attributes:
        info: How it is known here.
        upstream_id: Its id there.
        server: The server.
        traits: What is known of the server by now.
        url: Where chat requests go.
        headers: What goes with each.
    """

    info: ModelInfo
    upstream_id: str
    server: UpstreamServer
    traits: ServerTraits
    url: Url
    headers: Mapping[str, str] = field(repr=False)  # they hold the key

    async def stream(self, request: ChatRequest, context: CallContext) -> AsyncGenerator[Delta, None]:
        """Answers piece by piece; closing it closes the connection to the server at once.

        Raises:
            AlcoveError: When the server cannot be reached, refuses, or breaks off.
        """
        response = await self._ask(request, context)
        reader = ChunkReader(is_completion=completion_of(request) is not None)
        try:
            if not response.headers.get("content-type", _SSE).startswith(_SSE):
                for delta in self._deltas(reader, [await response.read()]):
                    yield delta
            else:
                events = SseParser(_MAX_EVENT_BYTES)
                while not reader.is_done:
                    data = await response.read_some()
                    for delta in self._deltas(reader, events.feed(data) if data else events.end()):
                        yield delta
                    if not data:
                        break
                await read_off(response)
        except HttpClientError as error:
            if reader.finish_reason is None:
                self.server.fail(error, has_begun=reader.has_begun)
        except EventTooLong:
            raise self._broken(reader, "sent an event without an end") from None
        finally:
            response.close()
        if reader.finish_reason is None:
            raise self._broken(reader, "ended its answer without saying why")

    async def _ask(self, request: ChatRequest, context: CallContext) -> TransportResponse:
        completion = completion_of(request)
        request = request if takes_own_fields(self.info.provider) else without_own_fields(request)
        if completion is None:
            body, url = chat_body(request, model=self.upstream_id), self.url
        else:
            body, url = completion_body(request, completion, model=self.upstream_id), self.server.url(PATH)
        rename(body, self.info.provider)
        body["stream"] = True
        try:
            return await self._sent(url, body, context)
        except UpstreamError as error:
            if completion is None or error.status not in NOT_THERE:
                raise
            raise unsupported(request, completion) from error

    async def _sent(self, url: Url, body: Mapping[str, JsonValue], context: CallContext) -> TransportResponse:
        headers = {**self.headers, "x-request-id": context.request_id} if context.request_id else self.headers
        if self.traits.takes_stream_options:
            asked = {**body, "stream_options": {"include_usage": True}}
            try:
                return await self.server.send("POST", url, headers, pydantic_core.to_json(asked))
            except UpstreamError as error:
                if error.status not in _REFUSED_OPTION or "stream_options" not in error.detail:
                    raise
                self.traits.takes_stream_options = False
        return await self.server.send("POST", url, headers, pydantic_core.to_json(body))

    def _deltas(self, reader: ChunkReader, events: Iterable[bytes]) -> Iterator[Delta]:
        for event in events:
            if event.startswith(b"[DONE]"):
                reader.done()
                return
            chunk = self.server.parsed(event, has_begun=reader.has_begun)
            error = self._error_in(chunk)
            if error:
                raise self.server.error_event(error, has_begun=reader.has_begun)
            try:
                delta = reader.delta(as_chat_chunk(chunk) if reader.is_completion else chunk)
            except NotAChunk:
                raise self._broken(reader, "sent something that is not a chat answer") from None
            if delta is not None:
                yield delta

    @staticmethod
    def _error_in(chunk: JsonValue) -> JsonValue:
        if not isinstance(chunk, dict):
            return None
        return chunk if chunk.get("object") == "error" else chunk.get("error")

    def _broken(self, reader: ChunkReader, what: str) -> UpstreamError:
        detail = f"The model server of {self.server.name!r} {what}."
        return StreamInterrupted(detail) if reader.has_begun else UpstreamError(detail)


async def read_off(response: TransportResponse) -> None:
    """Reads the end of the body behind `[DONE]`, so that the connection can be used again."""
    if response.is_at_end:
        return
    with anyio.move_on_after(_LAST_BYTES_S):
        while await response.read_some():
            pass


class _Vector(BaseModel):
    index: int = 0
    embedding: list[float]


class _Vectors(BaseModel):
    data: list[_Vector]
    usage: dict[str, object] | None = None


@dataclass(frozen=True, slots=True)
class OpenAiEmbeddingModel:
    """An embedding model on a server with OpenAI's protocol."""

    info: ModelInfo
    upstream_id: str
    server: UpstreamServer
    dimensions: int = 0

    async def embed(self, texts: Sequence[str], *, context: EmbeddingContext | None = None) -> Embeddings:
        """Gives a vector for each text, of unit length unless the client wants them as the server gives them.

        Raises:
            AlcoveError: When the server cannot be reached, refuses, or does not answer with as many vectors of one length.
        """
        if not texts:
            return Embeddings(vectors=[])
        body = pydantic_core.to_json({"model": self.upstream_id, "input": list(texts), "encoding_format": "float"})
        answer = await self.server.json("POST", "/embeddings", body)
        try:
            parsed = _Vectors.model_validate(answer)
        except ValidationError:
            parsed = _Vectors(data=[])
        vectors = [each.embedding for each in sorted(parsed.data, key=lambda each: each.index)]
        if len(vectors) != len(texts) or not vectors[0] or len({len(each) for each in vectors}) != 1:
            detail = f"The model server of {self.server.name!r} did not answer with one vector for each text."
            raise UpstreamError(detail, status=501)  # it does not embed with this model, however often it is asked
        usage = usage_of(answer.get("usage")) if isinstance(answer, dict) else None
        if context is None or context.extra.get("normalize") is not False:
            vectors = [_unit(each) for each in vectors]
        return Embeddings(vectors=vectors, usage=usage or Usage())


def _unit(vector: list[float]) -> list[float]:
    length = math.sqrt(sum(value * value for value in vector))
    if not math.isfinite(length) or length == 0 or abs(length - 1) < _UNIT_TOLERANCE:
        return vector
    return [value / length for value in vector]


@dataclass(frozen=True, slots=True)
class OpenAiUpstream:
    """A deployment of OpenAI's protocol, opened."""

    server: UpstreamServer
    profile: Profile
    traits: ServerTraits = field(default_factory=ServerTraits)
    has_wire: bool = True  # the built-in fake server has no address that bytes could be sent to
    endpoint: Endpoint | None = field(init=False, repr=False, default=None)

    def __post_init__(self) -> None:
        """Writes what is the same in every request once."""
        if not self.has_wire:
            return
        url = self.server.url("/chat/completions")
        prepared = prepare("POST", url, self.server.headers(accept="application/json, text/event-stream"))
        endpoint = Endpoint(
            base=self.server.base_url,
            headers=self.server.headers(accept="*/*"),
            chat=OpenAiPassedChat(self.server, self.traits, prepared),
        )
        object.__setattr__(self, "endpoint", endpoint)

    @property
    def provider_name(self) -> str:
        """Gives who serves its models."""
        return self.profile.provider

    def chat_model(self, info: ModelInfo, upstream_id: str) -> OpenAiChatModel:
        """Gives one of its chat models."""
        return OpenAiChatModel(
            info,
            upstream_id,
            self.server,
            self.traits,
            self.server.url("/chat/completions"),
            self.server.headers(accept=_SSE),
        )

    def embedding_model(self, info: ModelInfo, upstream_id: str) -> OpenAiEmbeddingModel:
        """Gives one of its embedding models."""
        return OpenAiEmbeddingModel(info, upstream_id, self.server)

    async def forward(
        self,
        path: str,
        body: bytes,
        *,
        content_type: str,
        accept: str,
        user_id: str = "",  # noqa: ARG002  the port's signature
    ) -> TransportResponse:
        """Sends a request as it is; gives the response if it is a good one.

        Raises:
            AlcoveError: When there is none, or it is an error.
        """
        headers = {**self.server.headers(accept=accept), "content-type": content_type}
        return await self.server.send("POST", self.server.url(path), headers, body)

    async def list_models(self) -> Sequence[ListedModel]:
        """Asks the server which models it has; those that nothing here serves are left out.

        Raises:
            AlcoveError: When it does not answer, or not with a list of models.
        """
        answer = await self.server.json("GET", "/models")
        listed = answer.get("data") if isinstance(answer, dict) else answer
        if not isinstance(listed, list):
            detail = f"The model server of {self.server.name!r} did not answer with a list of models. Does its address end in /v1?"
            raise UpstreamError(detail)
        found: list[ListedModel] = []
        for each in listed[:_MAX_MODELS]:
            model_id = each.get("id") if isinstance(each, dict) else None
            if not isinstance(each, dict) or not isinstance(model_id, str) or not model_id:
                continue
            kind = kind_of(model_id)
            created = each.get("created")
            if kind is not None:
                found.append(ListedModel(id=model_id, kind=kind, created=created if isinstance(created, int) else 0))
        return found


@dataclass(frozen=True, slots=True)
class OpenAiUpstreamFactory:
    """Opens deployments of OpenAI's protocol."""

    transport: Transport

    def open(self, deployment: Deployment) -> OpenAiUpstream:
        """Gives the deployment, ready for use."""
        url = Url.parse(deployment.base_url)
        server = UpstreamServer(deployment.name, url, self.transport, deployment.api_key)
        return OpenAiUpstream(server, profile_of(url))
