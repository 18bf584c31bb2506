"""What goes into a model and what comes out, free of any vendor's wire format.

A model turns a `ChatRequest` into a stream of `Delta`s; `Answer` is the sum of the deltas. Text, images, tool calls and
reasoning are first-class; whatever else a client sends (`response_format`, `logprobs`, `seed`, a vendor's own field) travels
in `extra` and reaches the upstream unchanged.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

JsonValue = None | bool | int | float | str | Sequence["JsonValue"] | Mapping[str, "JsonValue"]
"""Any JSON value. A plain union, not pydantic's type, so that it can be used in dataclasses too."""


class ChatRole(StrEnum):
    """Who speaks in a message."""

    SYSTEM = "system"
    DEVELOPER = "developer"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


@dataclass(frozen=True, kw_only=True, slots=True)
class TextPart:
    """A piece of text.

    Attributes:
        text: The text.
        extra: Fields of the client's part that have no name here (`cache_control`).
    """

    text: str
    extra: Mapping[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class ImagePart:
    """An image, by `https:` or `data:` URL. Alcove itself never fetches it; the model server may.

    Attributes:
        url: The address or the data itself.
        detail: The resolution hint of OpenAI's `image_url.detail`.
        extra: Fields of the client's part that have no name here.
    """

    url: str
    detail: str | None = None
    extra: Mapping[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class OtherPart:
    """A part this version has no name for (audio, file); handed on as it came."""

    data: Mapping[str, JsonValue]


ContentPart = TextPart | ImagePart | OtherPart


@dataclass(frozen=True, kw_only=True, slots=True)
class ToolCall:
    """A model's wish to have a tool called.

    Attributes:
        id: The call's id; the tool's answer names it.
        name: The tool's name.
        arguments: JSON text, as the model wrote it.
        extra: Fields of the call that have no name here (a vendor's thought signature, which it wants back).
    """

    id: str
    name: str
    arguments: str
    extra: Mapping[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class ChatMessage:
    """One message of a conversation.

    Attributes:
        role: Who speaks.
        content: The parts; empty for an assistant message that only calls tools.
        tool_calls: Calls an assistant message makes.
        tool_call_id: For a tool's message: the call it answers.
        name: Name of the speaker or tool, where the client sent one.
        reasoning: The model's reasoning, where it is known.
        extra: Fields of the client's message that have no name here.
    """

    role: ChatRole
    content: tuple[ContentPart, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    name: str | None = None
    reasoning: str | None = None
    extra: Mapping[str, JsonValue] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The text parts, joined by line breaks."""
        return "\n".join(part.text for part in self.content if isinstance(part, TextPart))

    @classmethod
    def of(cls, role: ChatRole, text: str) -> "ChatMessage":
        """Gives a message of one text part (of none, where the text is empty)."""
        return cls(role=role, content=(TextPart(text=text),) if text else ())


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """A numbered passage put before a model, and shown to the reader of its answer.

    Attributes:
        number: What `[n]` in the answer refers to; counts from 1 within the answer.
        text: The passage.
        document_id: The document it is from.
        document: The document's name.
        collection_id: The collection it is in.
        collection: The collection's name.
        chunk_index: Which chunk of the document, from 0.
        score: How well it fits the question, 0 to 1, higher is better.
        page: Page in the document, from 1, where it has pages.
        start: Offset of the passage in the document's stored text, in characters.
        end: Offset just past its end.
    """

    number: int
    text: str
    document_id: str
    document: str
    collection_id: str
    collection: str
    chunk_index: int
    score: float
    page: int | None = None
    start: int | None = None
    end: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Citation:
    """What exactly an answer rests on.

    Attributes:
        number: `Source.number`.
        quote: The words of the source that carry the statement.
        start: Their offset in the document's stored text, where known.
        end: Offset just past their end.
    """

    number: int
    quote: str
    start: int | None = None
    end: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """Tokens of one call, in the model's own tokens.

    Attributes:
        input_tokens: All input, cached included.
        output_tokens: All output, reasoning included.
        cached_input_tokens: The part of the input that came from a cache.
        reasoning_tokens: The part of the output that was reasoning.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cached_input_tokens: int = 0
    reasoning_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        """Input and output together."""
        return self.input_tokens + self.output_tokens


@dataclass(frozen=True, kw_only=True, slots=True)
class ToolCallDelta:
    """A piece of a tool call; pieces with the same `index` make one call.

    Attributes:
        index: Which call of this answer.
        id: The call's id, on its first piece.
        name: The tool's name, on its first piece.
        arguments: The next piece of the JSON text.
        extra: Fields of the call that have no name here.
    """

    index: int
    id: str | None = None
    name: str | None = None
    arguments: str = ""
    extra: Mapping[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Delta:
    """The next piece of an answer. Any field may be empty; a stream's last delta carries `finish_reason`.

    Attributes:
        content: More text.
        reasoning: More reasoning.
        tool_calls: More of the tool calls.
        sources: Passages found for this answer, numbered; all of them at once, the last such delta counts.
        citations: Citations that are now certain.
        status: What is being done now, for people who wait ("Searching 3 documents"); no part of the answer.
        finish_reason: `stop`, `length`, `tool_calls` or `content_filter`, as in OpenAI's API.
        usage: Tokens of the whole call, once known.
        extra: The upstream's fields for this choice that have no name here (`logprobs`).
    """

    content: str = ""
    reasoning: str = ""
    tool_calls: tuple[ToolCallDelta, ...] = ()
    sources: tuple[Source, ...] = ()
    citations: tuple[Citation, ...] = ()
    status: str = ""
    finish_reason: str | None = None
    usage: Usage | None = None
    extra: Mapping[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class ChatRequest:
    """What a model is asked.

    Attributes:
        model: Id of the model that is to answer.
        messages: The conversation, oldest first.
        is_streaming: Whether the client wants the answer piece by piece.
        collections: Names or ids of knowledge collections to answer from.
        sources: Passages found for this request, numbered from 1.
        session_id: The chat this belongs to, for traces.
        extra: Every other field of the client's request, for the upstream (`temperature`, `tools`, `stop`, …).
    """

    model: str
    messages: tuple[ChatMessage, ...]
    is_streaming: bool = False
    collections: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()
    session_id: str | None = None
    extra: Mapping[str, JsonValue] = field(default_factory=dict)

    @property
    def question(self) -> str:
        """The text of the last message a user wrote; empty if there is none."""
        for message in reversed(self.messages):
            if message.role is ChatRole.USER:
                return message.text
        return ""


@dataclass(slots=True)
class _OpenCall:
    """A tool call of which more may come."""

    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list)
    extra: dict[str, JsonValue] = field(default_factory=dict)


@dataclass(slots=True)
class Answer:
    """The sum of an answer's deltas so far.

    Texts are kept in pieces and joined when asked for: adding to one long text copies all of it each time, which for a
    model server that never stops is the square of what it sent.
    """

    sources: tuple[Source, ...] = ()
    citations: list[Citation] = field(default_factory=list)
    finish_reason: str | None = None
    usage: Usage | None = None
    extra: dict[str, JsonValue] = field(default_factory=dict)
    _content: list[str] = field(default_factory=list)
    _reasoning: list[str] = field(default_factory=list)
    _calls: list[_OpenCall] = field(default_factory=list)

    @property
    def content(self) -> str:
        """The text so far."""
        return _joined(self._content)

    @property
    def reasoning(self) -> str:
        """The reasoning so far."""
        return _joined(self._reasoning)

    @property
    def tool_calls(self) -> list[ToolCall]:
        """The tool calls so far."""
        return [
            ToolCall(id=call.id, name=call.name, arguments=_joined(call.arguments), extra=call.extra)
            for call in self._calls
        ]

    def add(self, delta: Delta) -> None:
        """Takes the next delta in."""
        if delta.content:
            self._content.append(delta.content)
        if delta.reasoning:
            self._reasoning.append(delta.reasoning)
        if delta.tool_calls:
            for piece in delta.tool_calls:
                self._add_tool_call(piece)
        self.sources = delta.sources or self.sources
        if delta.citations:
            self.citations.extend(delta.citations)
        self.finish_reason = delta.finish_reason or self.finish_reason
        self.usage = delta.usage or self.usage
        if delta.extra:
            for key, value in delta.extra.items():
                self.extra[key] = _merged(self.extra.get(key), value)

    def _add_tool_call(self, piece: ToolCallDelta) -> None:
        while len(self._calls) <= piece.index:
            self._calls.append(_OpenCall())
        call = self._calls[piece.index]
        call.id = piece.id or call.id
        call.name = piece.name or call.name
        if piece.arguments:
            call.arguments.append(piece.arguments)
        call.extra.update(piece.extra)


def _joined(pieces: list[str]) -> str:
    if len(pieces) > 1:
        pieces[:] = ["".join(pieces)]
    return pieces[0] if pieces else ""


def _merged(old: JsonValue, new: JsonValue) -> JsonValue:
    """Adds up a choice's extra field over a stream: lists grow (`logprobs.content`), objects merge, the rest is replaced."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return {**old, **{key: _merged(old.get(key), value) for key, value in new.items()}}
    if isinstance(old, list) and isinstance(new, list):
        return [*old, *new]
    return new if new is not None else old
