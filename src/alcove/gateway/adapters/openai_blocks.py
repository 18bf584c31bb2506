"""A stream of OpenAI's chat chunks on its way through: whole events out, their bytes untouched, nothing passed on unchecked.

What comes is cut at the last end of an event. Such a block is *plain* when it can be proved, with a handful of searches in C and one
pass of a JSON parser, to be nothing but lines `data: {…}` of chat chunks: then it goes on as it is. Every other block is read event
by event, by the same code that reads streams for turns, and written anew; so both ways tell a client the same.

The proof. Every event of a plain block begins with `{`, ends with `}`, and lines end nowhere else. The events are then handed to the
parser as lines. Two of them cannot be taken for one value, because `}`, a line end and `{` follow each other in no JSON text; so as
many values as events means one value in each.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Raw, Struct

from alcove.gateway.adapters.openai_stream import ChunkReader, NotAChunk, usage_of
from alcove.gateway.adapters.upstream import UpstreamServer
from alcove.gateway.limits.estimates import characters_of
from alcove.gateway.openai_answer import DONE, event, usage_json
from alcove.gateway.sse import EventTooLong, SseParser
from alcove.kernel.chat import JsonValue, Usage
from alcove.kernel.errors import AlcoveError, StreamInterrupted, UpstreamError

MAX_EVENT_BYTES = 8 * 1024 * 1024
_MAX_TAIL_BYTES = 64 * 1024  # of an event that has not ended; longer ones are for the careful reader
_MAX_HELD_BYTES = 64 * 1024  # of events that say nothing yet

_FIRST = b"data: {"
_LAST = b"}\n\n"
_BETWEEN = b"}\n\ndata: {"
_PREFIX = len(b"data: ")
_BREAKS = (b"\xe2\x80\xa8", b"\xe2\x80\xa9", b"\xc2\x85")  # U+2028, U+2029, U+0085: line ends to some clients

Count = Annotated[int, Meta(ge=0, lt=1 << 53)]


class _InputDetails(Struct, gc=False):
    cached_tokens: Count | None = None


class _OutputDetails(Struct, gc=False):
    reasoning_tokens: Count | None = None


class PlainUsage(Struct, gc=False):
    """Token counts that make sense."""

    prompt_tokens: Count = 0
    completion_tokens: Count = 0
    total_tokens: Count | None = None
    prompt_tokens_details: _InputDetails | None = None
    completion_tokens_details: _OutputDetails | None = None

    def usage(self) -> Usage:
        """Gives them as the kernel has them."""
        cached, reasoning = self.prompt_tokens_details, self.completion_tokens_details
        return Usage(
            input_tokens=self.prompt_tokens,
            output_tokens=self.completion_tokens,
            cached_input_tokens=(cached.cached_tokens or 0) if cached is not None else 0,
            reasoning_tokens=(reasoning.reasoning_tokens or 0) if reasoning is not None else 0,
        )


class PlainText(Struct, gc=False):
    """What an answer, or a piece of one, has of text; fields that are not as they should be count for nothing."""

    content: str | None = None
    reasoning_content: object = None
    reasoning: object = None
    tool_calls: Raw | None = None

    @property
    def characters(self) -> int:
        """How many there are, as `characters_of` has it."""
        found = len(self.content or "")
        reasoning = self.reasoning_content or self.reasoning
        if reasoning is not None and isinstance(reasoning, str):
            found += len(reasoning)
        if self.tool_calls is not None:
            try:
                calls = _calls.decode(self.tool_calls) or ()
            except msgspec.MsgspecError:
                return found + len(self.tool_calls)
            for each in calls:
                function = each.function
                if function is not None:
                    found += len(function.name or "") + len(function.arguments or "")
        return found


class _Function(Struct, gc=False):
    name: str | None = None
    arguments: str | None = None


class _Call(Struct, gc=False):
    function: _Function | None = None


class _Choice(Struct, gc=False):
    index: int = 0
    delta: PlainText | None = None
    finish_reason: str | None = None
    message: Raw | None = None


class _Chunk(Struct, gc=False):
    choices: list[_Choice] | None = None
    usage: PlainUsage | None = None
    error: None = None
    object: Literal["chat.completion.chunk", "chat.completion", "text_completion", ""] | None = None


class _SilentDelta(Struct, gc=False, forbid_unknown_fields=True):
    role: str | None = None
    content: Literal[""] | None = None
    refusal: None = None
    tool_calls: None = None
    reasoning_content: None = None


class _SilentChoice(Struct, gc=False, forbid_unknown_fields=True):
    delta: _SilentDelta
    index: Literal[0] = 0
    finish_reason: None = None
    logprobs: None = None


class _SilentChunk(Struct, gc=False):
    """A chunk that says nothing yet, as most streams begin with."""

    choices: Annotated[list[_SilentChoice], Meta(min_length=1, max_length=1)]
    usage: None = None


_calls = msgspec.json.Decoder(list[_Call] | None)
_silent = msgspec.json.Decoder(_SilentChunk)
_chunks = msgspec.json.Decoder(_Chunk)


def plain_chunks(body: bytes) -> list[_Chunk] | None:
    """Gives the chunks of a block of whole events; None when it is not plain."""
    between = body.count(_BETWEEN)
    if (
        not body.startswith(_FIRST)
        or not body.endswith(_LAST)
        or body.count(b"\n") != 2 * between + 2
        or b"\r" in body
        or not is_plain_text(body)
    ):
        return None
    try:
        chunks = _chunks.decode_lines(body[_PREFIX:].replace(b"\n\ndata: ", b"\n"))
    except (msgspec.MsgspecError, RecursionError):
        return None
    return chunks if len(chunks) == between + 1 else None


def is_plain_text(data: bytes) -> bool:
    """Tells whether bytes are UTF-8 that nobody takes for more lines than it is."""
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return not any(each in data for each in _BREAKS)


def broken(server: UpstreamServer, what: str, *, has_begun: bool) -> UpstreamError:
    """Gives the error of an answer that is none, or that breaks off."""
    detail = f"The model server of {server.name!r} {what}."
    return StreamInterrupted(detail) if has_begun else UpstreamError(detail)


def error_in(chunk: JsonValue) -> JsonValue:
    """Gives the error that stands in place of a chunk, if one does."""
    if not isinstance(chunk, dict):
        return None
    return chunk if chunk.get("object") == "error" else chunk.get("error")


@dataclass(slots=True)
class BlockReader:
    """Takes the bytes of a stream, gives those for the client.

    Attributes:
        server: Where they come from.
        keeps_usage: Whether the client asked for token counts; else the chunk that holds nothing else is taken out.
        reader: What has been learned of the answer.
        usage: Tokens, as far as they are told.
        characters: How many characters of text, reasoning and tool calls have come.
        error: What went wrong, once the bytes before it have been given.
    """

    server: UpstreamServer
    keeps_usage: bool
    reader: ChunkReader = field(default_factory=ChunkReader)
    usage: Usage | None = None
    characters: int = 0
    error: AlcoveError | None = None
    _tail: bytes = b""
    _held: bytes = b""
    _events: SseParser = field(default_factory=lambda: SseParser(MAX_EVENT_BYTES))
    _is_careful: bool = False

    def feed(self, data: bytes) -> bytes:
        """Takes the next bytes; gives what may go on, whole events only."""
        if self._is_careful:
            return self._begun(self._read(data))
        buffer = self._tail + data if self._tail else data
        end = buffer.rfind(b"\n\n") + 2
        if end == len(buffer):
            self._tail = b""
            return self._begun(self._block(buffer))
        if b"\r" in buffer or len(buffer) - max(end, 0) > _MAX_TAIL_BYTES:
            self._is_careful = True
            self._tail = b""
            return self._begun(self._read(buffer))
        if end == 1:
            self._tail = buffer
            return b""
        self._tail = buffer[end:]
        return self._begun(self._block(buffer[:end]))

    def end(self) -> bytes:
        """Takes the end of the stream; gives what may go on still."""
        events: list[bytes] = []
        try:
            events = [*self._events.feed(self._tail), *self._events.end()]
        except EventTooLong:
            self._fail("sent an event without an end")
        self._tail = b""
        return self._begun(self._take(events))

    def _begun(self, data: bytes) -> bytes:
        """Holds events back until one of them says something, so that a failure before that can still be an error status."""
        if self.reader.has_begun or self.reader.is_done:
            if self._held:
                data, self._held = self._held + data, b""
            return data
        if self.error is not None:
            return b""
        self._held += data
        if len(self._held) <= _MAX_HELD_BYTES:
            return b""
        self.reader.has_begun = True
        return self._begun(b"")

    def _block(self, block: bytes) -> bytes:
        is_last = block.endswith(DONE)
        body = block[: -len(DONE)] if is_last else block
        if body:
            chunks = plain_chunks(body)
            if chunks is None:
                return self._read(block)
            if not self.reader.has_begun and not self._look_for_beginning(body, chunks):
                return self._read(block)
            if not self._note(chunks):
                return self._read(block)
            if chunks[-1].usage is not None and not chunks[-1].choices and not self.keeps_usage:
                body = body[: body.rfind(b"\n\ndata: ") + 2] if len(chunks) > 1 else b""
        if not is_last:
            return body
        self.reader.done()
        return body + DONE

    def _note(self, chunks: list[_Chunk]) -> bool:
        """Notes what the chunks say of the answer as a whole; tells whether the block is plain as far as that goes."""
        last = chunks[-1]
        for chunk in chunks:
            choices = chunk.choices
            if chunk.usage is not None:
                self.usage = chunk.usage.usage()
                if not choices and not self.keeps_usage and chunk is not last:
                    return False
            if choices:
                choice = choices[0]
                if choice.index or choice.message is not None:
                    return False
                if choice.finish_reason:
                    self.reader.finish_reason = choice.finish_reason
        for chunk in chunks:  # once the block is known to be plain, as others are counted event by event
            for choice in chunk.choices or ():
                if choice.delta is not None:
                    self.characters += choice.delta.characters
        return True

    def _look_for_beginning(self, body: bytes, chunks: list[_Chunk]) -> bool:
        """Notes whether the answer has begun; tells whether the block is plain as far as was looked."""
        start = _PREFIX
        for chunk in chunks:
            choices = chunk.choices
            delta = choices[0].delta if choices and not choices[0].index else None
            if delta is not None and delta.content:
                self.reader.has_begun = True
                return True
            end = body.index(b"\n\n", start)
            if not self._is_silent(body[start:end]):
                try:
                    self.reader.delta(self.server.parsed(body[start:end]))
                except (NotAChunk, UpstreamError):
                    return False
                if self.reader.has_begun:
                    return True
            start = end + 2 + _PREFIX
        return True

    @staticmethod
    def _is_silent(data: bytes) -> bool:
        try:
            _silent.decode(data)
        except msgspec.MsgspecError:
            return False
        return True

    def _read(self, data: bytes) -> bytes:
        try:
            events = self._events.feed(data)
        except EventTooLong:
            self._fail("sent an event without an end")
            return b""
        return self._take(events)

    def _take(self, events: Iterable[bytes]) -> bytes:
        parts: list[bytes] = []
        for data in events:
            if self.reader.is_done or self.error is not None:
                break
            if data.startswith(b"[DONE]"):
                self.reader.done()
                parts.append(DONE)
                break
            try:
                parts.append(self._event(data))
            except NotAChunk:
                self._fail("sent something that is not a chat answer")
            except AlcoveError as error:
                self.error = error
        return b"".join(parts)

    def _event(self, data: bytes) -> bytes:
        chunk = self.server.parsed(data, has_begun=self.reader.has_begun)
        error = error_in(chunk)
        if error:
            raise self.server.error_event(error, has_begun=self.reader.has_begun)
        delta = self.reader.delta(chunk)
        if delta is not None:
            self.characters += characters_of(delta)
            self.usage = delta.usage or self.usage
        if not isinstance(chunk, dict):
            return b""
        if chunk.get("usage") is not None and not chunk.get("choices") and not self.keeps_usage:
            return b""
        return event(tidied(chunk, "delta"))

    def _fail(self, what: str) -> None:
        self.error = broken(self.server, what, has_begun=self.reader.has_begun)


def tidied(chunk: Mapping[str, JsonValue], name: Literal["delta", "message"]) -> Mapping[str, JsonValue]:
    """Gives a chunk or whole answer with token counts that make sense, and with its text under the right name."""
    tidy = dict(chunk)
    usage = usage_of(chunk.get("usage"))
    if usage is not None and not _makes_sense(chunk["usage"]):
        tidy["usage"] = usage_json(usage)
    elif chunk.get("usage") is not None and usage is None:
        tidy["usage"] = None
    choices = chunk.get("choices")
    other = "message" if name == "delta" else "delta"
    if isinstance(choices, list) and any(isinstance(each, Mapping) and other in each for each in choices):
        tidy["choices"] = [_renamed(each, other, name) for each in choices]
    return tidy


def _renamed(choice: JsonValue, old: str, new: str) -> JsonValue:
    if not isinstance(choice, Mapping) or choice.get(old) is None or choice.get(new) is not None:
        return choice
    return {(new if key == old else key): value for key, value in choice.items() if key != new}


def _makes_sense(usage: JsonValue) -> bool:
    try:
        msgspec.convert(usage, PlainUsage)
    except msgspec.ValidationError:
        return False
    return True
