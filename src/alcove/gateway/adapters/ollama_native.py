"""Ollama's own protocol, spoken to its servers: `/api/chat`, `/api/generate` and `/api/embed` (seen in August 2026).

Its OpenAI-compatible `/v1` drops what that protocol has no name for, without a word: `num_ctx`, `keep_alive`, `top_k`, … A request that
holds any of it goes this way instead; so do those of Ollama's clients.
"""

import secrets
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pydantic_core
from pydantic import BaseModel, ValidationError

from alcove.gateway.adapters.ollama_request import chat_json, completion_json, embed_json
from alcove.gateway.adapters.openai_compatible import OpenAiChatModel, OpenAiEmbeddingModel, read_off
from alcove.gateway.adapters.upstream import UpstreamServer
from alcove.gateway.ollama_words import OLLAMA, OWN_FIELDS, TIMES, came_in_ollamas_words, completion_of
from alcove.gateway.ports import TransportResponse
from alcove.infra.http import HttpClientError
from alcove.kernel.chat import ChatRequest, Delta, JsonValue, ToolCallDelta, Usage
from alcove.kernel.errors import StreamInterrupted, UpstreamError
from alcove.kernel.ports import CallContext, EmbeddingContext, Embeddings, ModelInfo

_NDJSON = "application/x-ndjson"
_MAX_LINE_BYTES = 8 * 1024 * 1024
_MAX_TOOL_CALLS = 128


class LineTooLong(Exception):
    """A line does not end."""


class Lines:
    """Takes bytes, gives the lines that are whole; empty ones are dropped."""

    def __init__(self, max_bytes: int = _MAX_LINE_BYTES) -> None:
        self._max = max_bytes
        self._pieces: list[bytes] = []
        self._bytes = 0

    def feed(self, data: bytes) -> list[bytes]:
        """Takes the next bytes.

        Raises:
            LineTooLong: When a line does not end.
        """
        *whole, rest = data.split(b"\n")
        if whole:
            whole[0] = b"".join([*self._pieces, whole[0]])
            self._pieces, self._bytes = [], 0
        if rest:
            self._pieces.append(rest)
            self._bytes += len(rest)
        if self._bytes > self._max:
            raise LineTooLong
        return [line for each in whole if (line := each.strip())]

    def end(self) -> list[bytes]:
        """Gives the last line, if the body ended without an end of it."""
        line = b"".join(self._pieces).strip()
        self._pieces, self._bytes = [], 0
        return [line] if line else []


class NotALine(ValueError):
    """The JSON is no line of an answer."""


@dataclass(slots=True)
class LineReader:
    """Reads the lines of one answer.

    Attributes:
        has_begun: Whether there was anything in it.
        is_done: Whether the line that says so has come.
    """

    has_begun: bool = False
    is_done: bool = False
    _calls: int = 0

    def delta(self, line: JsonValue) -> Delta:
        """Gives what a line adds.

        Raises:
            NotALine: When it is something else.
        """
        if not isinstance(line, Mapping):
            raise NotALine
        message = line.get("message", line)
        if not isinstance(message, Mapping) or not isinstance(line.get("done", False), bool):
            raise NotALine
        content = message.get("content") if message is not line else line.get("response")
        thinking = message.get("thinking")
        calls = message.get("tool_calls")
        if any(each is not None and not isinstance(each, str) for each in (content, thinking)):
            raise NotALine
        extra: dict[str, JsonValue] = {}
        logprobs = line.get("logprobs")
        if isinstance(logprobs, list) and logprobs:
            extra["logprobs"] = {"content": logprobs}
        made = tuple(map(self._call, calls)) if isinstance(calls, list) else ()
        self.has_begun = True
        reason, usage = None, None
        if line.get("done") is True:
            self.is_done = True
            reason, usage = self._reason(line.get("done_reason")), _usage(line)
            times = {key: line[key] for key in TIMES if isinstance(line.get(key), int)}
            if times:
                extra[OLLAMA] = times
        return Delta(
            content=str(content or ""),
            reasoning=str(thinking or ""),
            tool_calls=made,
            finish_reason=reason,
            usage=usage,
            extra=extra,
        )

    def _reason(self, given: JsonValue) -> str:
        if given == "length":
            return "length"
        return "tool_calls" if self._calls else "stop"

    def _call(self, data: JsonValue) -> ToolCallDelta:
        function = data.get("function") if isinstance(data, Mapping) else None
        if not isinstance(data, Mapping) or not isinstance(function, Mapping) or self._calls >= _MAX_TOOL_CALLS:
            raise NotALine
        name, call_id = function.get("name"), data.get("id")
        if not isinstance(name, str) or not name:
            raise NotALine
        index, self._calls = self._calls, self._calls + 1
        return ToolCallDelta(
            index=index,
            id=call_id if isinstance(call_id, str) and call_id else f"call_{secrets.token_hex(4)}",
            name=name,
            arguments=pydantic_core.to_json(function.get("arguments") or {}).decode(),
        )


def _usage(line: Mapping[str, JsonValue]) -> Usage:
    return Usage(input_tokens=_count(line.get("prompt_eval_count")), output_tokens=_count(line.get("eval_count")))


def _count(value: JsonValue) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 53 else 0


@dataclass(frozen=True, slots=True)
class OllamaChatModel:
    """A chat model on an Ollama server, asked in whichever of its protocols says all that a request says.

    Attributes:
        info: How it is known here.
        upstream_id: Its id there.
        server: The server; its address ends before `/api` and `/v1`.
        openai: The same model through `/v1`.
    """

    info: ModelInfo
    upstream_id: str
    server: UpstreamServer
    openai: OpenAiChatModel = field(repr=False)

    async def stream(self, request: ChatRequest, context: CallContext) -> AsyncGenerator[Delta, None]:
        """Answers piece by piece; closing it closes the connection to the server at once.

        Raises:
            AlcoveError: When the server cannot be reached, refuses, or breaks off.
        """
        is_native = came_in_ollamas_words(request) or not OWN_FIELDS.isdisjoint(request.extra)
        deltas = self._native(request, context) if is_native else self.openai.stream(request, context)
        try:
            async for delta in deltas:
                yield delta
        finally:
            await deltas.aclose()

    async def _native(self, request: ChatRequest, context: CallContext) -> AsyncGenerator[Delta, None]:
        response = await self._ask(request, context)
        reader, lines = LineReader(), Lines()
        try:
            while not reader.is_done:
                data = await response.read_some()
                for delta in self._deltas(reader, lines.feed(data) if data else lines.end()):
                    yield delta
                if not data:
                    break
            await read_off(response)
        except HttpClientError as error:
            if not reader.is_done:
                self.server.fail(error, has_begun=reader.has_begun)
        except LineTooLong:
            raise self._broken(reader, "sent a line without an end") from None
        finally:
            response.close()
        if not reader.is_done:
            raise self._broken(reader, "ended its answer without saying that it was done")

    async def _ask(self, request: ChatRequest, context: CallContext) -> TransportResponse:
        completion = completion_of(request)
        if completion is None:
            path, body = "/api/chat", chat_json(request, model=self.upstream_id)
        else:
            path, body = "/api/generate", completion_json(request, completion, model=self.upstream_id)
        headers = self.server.headers(accept=_NDJSON)
        if context.request_id:
            headers["x-request-id"] = context.request_id
        return await self.server.send("POST", self.server.url(path), headers, pydantic_core.to_json(body))

    def _deltas(self, reader: LineReader, lines: Sequence[bytes]) -> Iterator[Delta]:
        """Gives what lines add, up to the one that says that it was the last."""
        for line in lines:
            if reader.is_done:
                return
            yield self._delta(reader, line)

    def _delta(self, reader: LineReader, line: bytes) -> Delta:
        parsed = self.server.parsed(line, has_begun=reader.has_begun)
        if isinstance(parsed, Mapping) and parsed.get("error"):
            raise self.server.error_event(parsed["error"], has_begun=reader.has_begun)
        try:
            return reader.delta(parsed)
        except NotALine:
            raise self._broken(reader, "sent something that is not a line of an answer") from None

    def _broken(self, reader: LineReader, what: str) -> UpstreamError:
        detail = f"The model server of {self.server.name!r} {what}."
        return StreamInterrupted(detail) if reader.has_begun else UpstreamError(detail)


class _Embedded(BaseModel):
    embeddings: list[list[float]]
    prompt_eval_count: int = 0


class _EmbeddedOne(BaseModel):
    embedding: list[float]


@dataclass(frozen=True, slots=True)
class OllamaEmbeddingModel:
    """An embedding model on an Ollama server; as `OllamaChatModel`."""

    info: ModelInfo
    upstream_id: str
    server: UpstreamServer
    openai: OpenAiEmbeddingModel = field(repr=False)
    dimensions: int = 0

    async def embed(self, texts: Sequence[str], *, context: EmbeddingContext | None = None) -> Embeddings:
        """Gives a vector for each text, of unit length unless the client wants them as the model gives them.

        Raises:
            AlcoveError: When the server cannot be reached, refuses, or does not answer with as many vectors.
        """
        if not texts or context is None or not context.extra:
            return await self.openai.embed(texts, context=context)
        if context.extra.get("normalize") is False:
            return Embeddings(vectors=[await self._one(text, context.extra) for text in texts])
        body = {**embed_json(context.extra, model=self.upstream_id), "input": list(texts)}
        answer = await self.server.json("POST", "/api/embed", pydantic_core.to_json(body))
        try:
            found = _Embedded.model_validate(answer)
        except ValidationError:
            found = _Embedded(embeddings=[])
        if len(found.embeddings) != len(texts):
            raise self._not_embedded()
        return Embeddings(vectors=found.embeddings, usage=Usage(input_tokens=max(0, found.prompt_eval_count)))

    async def _one(self, text: str, extra: Mapping[str, JsonValue]) -> list[float]:
        body = {**embed_json(extra, model=self.upstream_id), "prompt": text}
        answer = await self.server.json("POST", "/api/embeddings", pydantic_core.to_json(body))
        try:
            return _EmbeddedOne.model_validate(answer).embedding
        except ValidationError:
            raise self._not_embedded() from None

    def _not_embedded(self) -> UpstreamError:
        detail = f"The model server of {self.server.name!r} did not answer with one vector for each text."
        return UpstreamError(detail, status=501)
