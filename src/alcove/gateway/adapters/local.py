"""Local models: lent by the scheduler for a request, asked at llama.cpp's server over a unix socket of their own.

So they are routed, limited, guarded, traced and billed like those of any deployment. The server is always asked to stream, and to tell of its
progress through a prompt: it looks for clients that have left when it has something to send, and else only once a second, and not
even then while a neighbour streams (measured). Closing the stream closes the socket.
"""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import pydantic_core

from alcove.gateway.adapters.local_request import LocalAsk, load_options, local_body
from alcove.gateway.adapters.openai_compatible import OpenAiEmbeddingModel
from alcove.gateway.adapters.openai_stream import ChunkReader, NotAChunk
from alcove.gateway.adapters.text_tool_calls import WrittenCall, WrittenCalls
from alcove.gateway.adapters.tool_schema import ToolOrAnswer, ToolSchema, functions_of
from alcove.gateway.adapters.upstream import UpstreamServer
from alcove.gateway.models import Deployment, ListedModel
from alcove.gateway.ollama_words import OLLAMA, Completion, came_in_ollamas_words, completion_of
from alcove.gateway.ports import Endpoint, TransportResponse
from alcove.gateway.sse import EventTooLong, SseParser
from alcove.infra.http import HttpClientError, HttpLimits, TimedOut, UnixClient, Url
from alcove.kernel.chat import ChatRequest, Delta, JsonValue, ToolCallDelta
from alcove.kernel.errors import (
    ContextOverflow,
    InvalidRequest,
    StreamInterrupted,
    UpstreamError,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from alcove.kernel.ids import new_id
from alcove.kernel.ports import CallContext, EmbeddingContext, Embeddings, ModelInfo, ModelKind
from alcove.kernel.principal import Principal
from alcove.runtime.errors import RunnerStopped
from alcove.runtime.models import Capability, InstalledModel, Lease, LeaseRequest, Purpose
from alcove.runtime.ports import Catalog, LocalModels

PROVIDER = "llama.cpp"

_ROOT = Url.parse("http://localhost")
_BASE = _ROOT.at("/v1")  # of a unix socket: the host is of no matter
_CHAT, _COMPLETIONS = "/chat/completions", "/completions"
_TOKENIZE, _DETOKENIZE = "/tokenize", "/detokenize"
_TOO_LONG = "too large to process"  # llama.cpp's words for a text over the batch, with status 500
_SPECIAL_TOKENS = 8  # what cutting and joining may add
_MAX_EVENT_BYTES = 8 * 1024 * 1024
_NS_OF_MS = 1e6
_CAPABILITIES = {
    Capability.TOOLS: "tools",
    Capability.VISION: "vision",
    Capability.AUDIO: "audio",
    Capability.THINKING: "reasoning",
    Capability.INSERT: "insert",
    Capability.COMPLETION: "completion",
}
_FORWARDED: Mapping[str, Purpose] = {"/rerank": "rerank"}
_STOPPED = (
    "Its model's process has stopped unexpectedly, perhaps for want of memory; the next request starts a new one."
)


def _server(lease: Lease, limits: HttpLimits) -> UpstreamServer:
    """Gives the server of a lease; a silence of it is a prompt that takes long, which the deadline bounds."""
    bounds = replace(limits, read_s=lease.deadline_s, total_s=lease.deadline_s)
    return UpstreamServer(lease.model.name, _BASE, UnixClient(lease.socket, bounds))


@contextlib.asynccontextmanager
async def _asked(
    models: LocalModels, request: LeaseRequest, limits: HttpLimits
) -> AsyncIterator[tuple[Lease, UpstreamServer]]:
    """Lends a model, and makes of a process that is gone an error that says so."""
    async with models.lease(request) as lease:
        try:
            yield lease, _server(lease, limits)
        except (UpstreamTimeout, RunnerStopped):
            raise
        except ContextOverflow as error:
            trained = lease.model.shape.context_length
            more = f"; num_ctx can be up to {trained}" if trained > lease.num_ctx else ""
            msg = f"{error.detail} {lease.model.name!r} has a context of {lease.num_ctx} tokens here{more}."
            raise ContextOverflow(msg, status=400) from error  # without llama.cpp's own code: clients know OpenAI's
        except (HttpClientError, UpstreamUnreachable) as error:
            if isinstance(error, TimedOut):
                msg = f"{lease.model.name!r} did not answer within {lease.deadline_s:g} s."
                raise UpstreamTimeout(msg) from error
            raise RunnerStopped(f"{lease.model.name!r} broke off. {_STOPPED}") from error
        except UpstreamError as error:
            if isinstance(error.__cause__, TimedOut):
                msg = f"{lease.model.name!r} did not answer within {lease.deadline_s:g} s."
                raise UpstreamTimeout(msg) from error
            if isinstance(error.__cause__, HttpClientError):
                raise RunnerStopped(f"{lease.model.name!r} broke off. {_STOPPED}") from error
            raise


@dataclass(frozen=True, slots=True)
class LocalChatModel:
    """A local model that chats.

    Attributes:
        info: How it is known here.
        upstream_id: Its name on disk.
        models: Lends it.
        limits: Bounds of exchanges.
    """

    info: ModelInfo
    upstream_id: str
    models: LocalModels
    limits: HttpLimits

    async def stream(self, request: ChatRequest, context: CallContext) -> AsyncGenerator[Delta, None]:
        """Answers piece by piece; closing it closes the connection at once, and ends the turn.

        Raises:
            AlcoveError: When the model cannot be lent, refuses, or breaks off.
        """
        ask = LocalAsk.of(request.extra)
        async with _asked(self.models, ask.lease(self.upstream_id, context.principal.user_id), self.limits) as (
            lease,
            server,
        ):
            text = completion_of(request)
            answer = _Answer(server, lease, tells_times=came_in_ollamas_words(request), is_text=text is not None)
            path = _CHAT if text is None else _COMPLETIONS
            body, reading = (
                _prepared(request, ask, lease.model) if text is None else (_as_written(text, ask), _Reading())
            )
            body |= {"stream": True, "stream_options": {"include_usage": True}, "return_progress": True}
            response = await server.send(
                "POST",
                server.url(path),
                server.headers(accept="text/event-stream"),
                pydantic_core.to_json(body),
            )
            try:
                async with contextlib.aclosing(answer.deltas(response, reading)) as deltas:
                    async for delta in deltas:
                        yield delta
            finally:
                response.close()


@dataclass(slots=True)
class _Reading:
    """How what the model writes is read: as text, as text that may hold calls, or as JSON that is one or the other."""

    calls: WrittenCalls | ToolOrAnswer | None = None
    has_calls: bool = False

    def delta(self, delta: Delta) -> Delta:
        """Gives a delta as it goes on: without text that is held back."""
        self.has_calls = self.has_calls or bool(delta.tool_calls)
        if self.calls is None or not delta.content:
            return delta
        return replace(delta, content=self.calls.feed(delta.content))

    def end(self) -> Delta | None:
        """Gives what was held back."""
        if self.calls is None:
            return None
        text, calls = self.calls.end()
        if self.has_calls:
            calls = []
        self.has_calls = self.has_calls or bool(calls)
        return Delta(content=text, tool_calls=_calls(calls)) if text or calls else None


def _calls(calls: Sequence[WrittenCall]) -> tuple[ToolCallDelta, ...]:
    return tuple(
        ToolCallDelta(index=place, id=f"call_{new_id()[-12:]}", name=each.name, arguments=each.arguments)
        for place, each in enumerate(calls)
    )


def _prepared(request: ChatRequest, ask: LocalAsk, model: InstalledModel) -> tuple[dict[str, JsonValue], _Reading]:
    """Gives the body to send, and how the answer is to be read."""
    schema = ToolSchema.of(ask.fields)
    reading = _Reading()
    if schema is None:
        fields = {key: value for key, value in ask.fields.items() if key not in {"tools", "tool_choice"}}
        ask = replace(ask, fields=fields)
    elif "tools" in model.chat_template and not schema.is_required:
        reading.calls = WrittenCalls({str(each["name"]) for each in functions_of(ask.fields)})
    else:
        dropped = {"tools", "tool_choice", "parallel_tool_calls", "response_format", "json_schema", "grammar"}
        fields = {key: value for key, value in ask.fields.items() if key not in dropped}
        ask = replace(ask, fields={**fields, "response_format": schema.response_format()})
        request = replace(request, messages=schema.messages(request.messages))
        reading.calls = ToolOrAnswer()
    return local_body(request, ask, model), reading


def _as_written(text: Completion, ask: LocalAsk) -> dict[str, JsonValue]:
    """Gives the body for a text that is gone on with as it stands.

    Raises:
        InvalidRequest: When a part of it has no place there.
    """
    if text.suffix is not None or text.template:
        what = "a suffix" if text.suffix is not None else "a template of the request's own"
        msg = f"Local models do not take {what}; write the prompt as the model wants it, and send it with `raw`."
        raise InvalidRequest(msg)
    if text.images:
        msg = "Images cannot be sent with `raw`; send them in a chat."
        raise InvalidRequest(msg)
    dropped = {"tools", "tool_choice", "parallel_tool_calls", "chat_template_kwargs", "reasoning_format"}
    return {**{key: value for key, value in ask.fields.items() if key not in dropped}, "prompt": text.prompt}


def _as_chat(chunk: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Gives a chunk of a completion as one of a chat."""
    choices = chunk.get("choices")
    if not isinstance(choices, list):
        return chunk
    turned: list[JsonValue] = [
        {**{k: v for k, v in each.items() if k != "text"}, "delta": {"content": each["text"]}}
        if isinstance(each, dict) and "text" in each
        else each
        for each in choices
    ]
    return {**chunk, "choices": turned}


@dataclass(slots=True)
class _Answer:
    """One answer on its way."""

    server: UpstreamServer
    lease: Lease
    tells_times: bool
    is_text: bool = False
    reader: ChunkReader = field(default_factory=ChunkReader)
    timings: Mapping[str, JsonValue] = field(default_factory=dict)

    async def deltas(self, response: TransportResponse, reading: _Reading) -> AsyncGenerator[Delta, None]:
        """Gives the answer; its end comes last, after what was held back."""
        last: Delta | None = None
        events = SseParser(_MAX_EVENT_BYTES)
        while not self.reader.is_done:
            pieces, is_end = await self._next(response, events)
            for piece in pieces:
                delta = reading.delta(piece)
                if delta.finish_reason or delta.usage:
                    last = delta if last is None else replace(last, usage=delta.usage or last.usage)
                elif delta.content or delta.reasoning or delta.tool_calls or delta.extra:
                    yield delta
            if is_end:
                break
        if last is None or self.reader.finish_reason is None:
            raise RunnerStopped(f"{self.lease.model.name!r} broke off. {_STOPPED}")
        rest = reading.end()
        if rest is not None:
            yield rest
        self._report()
        is_call = reading.has_calls and self.reader.finish_reason == "stop"
        reason = "tool_calls" if is_call else self.reader.finish_reason
        yield replace(last, finish_reason=reason, extra={**last.extra, **self._times()})

    async def _next(self, response: TransportResponse, events: SseParser) -> tuple[list[Delta], bool]:
        """Gives what comes next, and whether it is the last."""
        try:
            data = await response.read_some()
            return list(self._read(events.feed(data) if data else events.end())), not data
        except HttpClientError as error:
            self.server.fail(error, has_begun=self.reader.has_begun)
        except EventTooLong:
            raise self._broken("sent an event without an end") from None

    def _read(self, events: Iterable[bytes]) -> Iterator[Delta]:
        for event in events:
            if event.startswith(b"[DONE]"):
                self.reader.done()
                return
            chunk = self.server.parsed(event, has_begun=self.reader.has_begun)
            if isinstance(chunk, dict):
                if chunk.get("error"):
                    raise self.server.error_event(chunk["error"], has_begun=self.reader.has_begun)
                timings = chunk.get("timings")
                if isinstance(timings, Mapping):
                    self.timings = timings
                chunk = _as_chat(chunk) if self.is_text else chunk
            try:
                delta = self.reader.delta(chunk)
            except NotAChunk:
                raise self._broken("sent something that is not a chat answer") from None
            if delta is not None:
                yield delta

    def _report(self) -> None:
        speed = self.timings.get("predicted_per_second")
        if isinstance(speed, int | float) and speed > 0:
            self.lease.report_speed(float(speed))

    def _times(self) -> dict[str, JsonValue]:
        """Gives the times in Ollama's words, for clients that came with those."""
        if not self.tells_times:
            return {}
        times: dict[str, JsonValue] = {"load_duration": round(self.lease.load_s * 1e9)}
        for name, theirs in (("prompt_eval_duration", "prompt_ms"), ("eval_duration", "predicted_ms")):
            value = self.timings.get(theirs)
            if isinstance(value, int | float) and value >= 0:
                times[name] = round(value * _NS_OF_MS)
        return {OLLAMA: times}

    def _broken(self, what: str) -> UpstreamError:
        detail = f"The model server of {self.server.name!r} {what}."
        return StreamInterrupted(detail) if self.reader.has_begun else UpstreamError(detail)


@dataclass(frozen=True, slots=True)
class LocalEmbeddingModel:
    """A local model that embeds. One made for chats is loaded anew for it."""

    info: ModelInfo
    upstream_id: str
    models: LocalModels
    limits: HttpLimits
    dimensions: int = 0

    async def embed(self, texts: Sequence[str], *, context: EmbeddingContext | None = None) -> Embeddings:
        """Gives a vector for each text, of unit length. Texts that are too long are cut, unless `truncate` is false.

        Raises:
            AlcoveError: When the model cannot be lent, or a text is longer than it can take and must not be cut.
        """
        if not texts:
            return Embeddings(vectors=[])
        extra, user_id = ({}, "") if context is None else (context.extra, context.user_id)
        wanted = LocalAsk.of(extra).lease(self.upstream_id, user_id, "embedding")
        async with _asked(self.models, wanted, self.limits) as (lease, server):
            model = OpenAiEmbeddingModel(self.info, lease.model.name, server)
            try:
                return await model.embed(texts, context=context)
            except UpstreamError as error:
                if not isinstance(error, ContextOverflow) and _TOO_LONG not in error.detail:
                    raise
                if extra.get("truncate") is False:
                    raise ContextOverflow(error.detail, status=400) from error
            return await model.embed([await _cut(server, each, lease.num_ctx) for each in texts], context=context)


async def _cut(server: UpstreamServer, text: str, tokens: int) -> str:
    """Gives the beginning of a text that a model can take whole, as its own tokens count; a shorter text stays as it is."""
    server = replace(server, base_url=_ROOT)
    body = pydantic_core.to_json({"content": text, "add_special": True})
    answer = await server.json("POST", _TOKENIZE, body)
    found = answer.get("tokens") if isinstance(answer, Mapping) else None
    if not isinstance(found, list) or len(found) <= tokens:
        return text
    kept = [each for each in found[: max(1, tokens - _SPECIAL_TOKENS)] if isinstance(each, int)]
    answer = await server.json("POST", _DETOKENIZE, pydantic_core.to_json({"tokens": kept}))
    content = answer.get("content") if isinstance(answer, Mapping) else None
    return content if isinstance(content, str) else text


@dataclass(slots=True)
class _Whole:
    """A response that has been read."""

    status: int
    content_type: bytes
    headers: Mapping[str, str]
    _data: bytes

    @property
    def is_at_end(self) -> bool:
        """Whether all of it has been given."""
        return not self._data

    async def read_some(self) -> bytes:
        """Gives it."""
        data, self._data = self._data, b""
        return data

    async def read(self) -> bytes:
        """Gives it."""
        return await self.read_some()

    def close(self) -> None:
        """Has nothing to close."""


@dataclass(frozen=True, slots=True)
class LocalUpstream:
    """The models on this machine's disk, as a deployment.

    Attributes:
        models: Lends them.
        catalog: Knows them.
        limits: Bounds of exchanges.
    """

    models: LocalModels
    catalog: Catalog
    limits: HttpLimits

    @property
    def provider_name(self) -> str:
        """Gives who serves its models."""
        return PROVIDER

    @property
    def endpoint(self) -> Endpoint | None:
        """Gives no address: a model has to be lent first."""
        return None

    def chat_model(self, info: ModelInfo, upstream_id: str) -> LocalChatModel:
        """Gives one of its chat models."""
        return LocalChatModel(info, upstream_id, self.models, self.limits)

    def embedding_model(self, info: ModelInfo, upstream_id: str) -> LocalEmbeddingModel:
        """Gives one of its embedding models."""
        return LocalEmbeddingModel(info, upstream_id, self.models, self.limits)

    async def forward(
        self, path: str, body: bytes, *, content_type: str, accept: str, user_id: str = ""
    ) -> TransportResponse:
        """Sends a request for relevance as it is; the answer is short, so it is read within the turn.

        Raises:
            AlcoveError: When there is none, or local models do not do what is asked.
        """
        purpose = _FORWARDED.get(path)
        if purpose is None:
            msg = f"Local models do not do {path!r}; they chat, embed and rerank."
            raise UpstreamError(msg, status=501)
        try:
            asked = pydantic_core.from_json(body)
        except ValueError:
            asked = None
        if not isinstance(asked, dict) or not isinstance(asked.get("model"), str):
            msg = "The request has to be a JSON object that names a model."
            raise InvalidRequest(msg)
        model = await self.catalog.get(asked["model"])
        if Capability.RERANK not in model.capabilities:
            msg = (
                f"{model.name!r} was not made to rank documents; choose a reranking model."  # it would make numbers up
            )
            raise UpstreamError(msg, status=501)
        ask = LocalAsk.of(asked)
        async with _asked(self.models, ask.lease(asked["model"], user_id, purpose), self.limits) as (_, server):
            headers = {**server.headers(accept=accept), "content-type": content_type}
            response = await server.send("POST", server.url(path), headers, body)
            try:
                data = await response.read()
            finally:
                response.close()
            return _Whole(response.status, response.content_type, response.headers, data)

    async def list_models(self) -> Sequence[ListedModel]:
        """Lists the models on disk."""
        return [_listed(each) for each in await self.catalog.list()]

    async def load(
        self, upstream_id: str, who: Principal, *, options: Mapping[str, JsonValue], keep_alive: JsonValue
    ) -> None:
        """Loads a model, and returns when it can be asked.

        Raises:
            AlcoveError: When it cannot be loaded.
        """
        ask = LocalAsk.of({"keep_alive": keep_alive})
        wanted = replace(ask, options=load_options(options)).lease(upstream_id, who.user_id)
        async with self.models.lease(wanted):
            pass

    async def unload(self, upstream_id: str, who: Principal) -> None:
        """Unloads a model: for admins once its requests have ended, for others once nobody uses it, and never a pinned one."""
        if who.is_admin:
            await self.models.unload(upstream_id)
        else:
            await self.models.expire(upstream_id)


def _listed(model: InstalledModel) -> ListedModel:
    facts = [each for each in (model.parameter_size, model.quantization) if each]
    return ListedModel(
        id=model.name,
        kind=_kind(model),
        created=max(0, int(model.modified_at.timestamp())),
        description=f"On this machine: {', '.join(facts)}" if facts else "On this machine",
        capabilities=tuple(word for key, word in _CAPABILITIES.items() if key in model.capabilities),
    )


def _kind(model: InstalledModel) -> ModelKind:
    if Capability.RERANK in model.capabilities:
        return "rerank"
    if Capability.EMBEDDING in model.capabilities and Capability.COMPLETION not in model.capabilities:
        return "embedding"
    return "chat"


@dataclass(frozen=True, slots=True)
class LocalUpstreamFactory:
    """Opens the one deployment of local models."""

    models: LocalModels
    catalog: Catalog
    limits: HttpLimits

    def open(self, deployment: Deployment) -> LocalUpstream:  # noqa: ARG002  there is one
        """Gives it."""
        return LocalUpstream(self.models, self.catalog, self.limits)
