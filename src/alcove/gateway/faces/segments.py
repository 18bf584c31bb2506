"""An answer as a row of segments: reasoning, text, tool calls, each with a beginning and an end.

Deltas have no such bounds; the protocols with typed events do. `Segments` finds them, once for all: a segment ends when another
begins. Of tool calls several may be open at a time, since a server may send their pieces by turns; one whose arguments are whole
JSON ends like any other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import pydantic_core

from alcove.gateway.native import NATIVE, THINKING_BLOCKS
from alcove.kernel.chat import Delta, JsonValue, ToolCallDelta


class Kind(StrEnum):
    """What a segment is."""

    REASONING = "reasoning"
    TEXT = "text"
    REFUSAL = "refusal"
    CALL = "call"
    BLOCK = "block"


@dataclass(slots=True)
class Segment:
    """A stretch of an answer.

    Attributes:
        kind: What it is.
        place: Which of the answer's segments, from 0.
        id: For a tool call: its id.
        name: For a tool call: the tool's name.
        block: For reasoning: its signed form, where the server gave one. For a block of Anthropic's own: the block.
        logprobs: For text: the log probabilities that came with it, as chat completions has them.
        citations: For text: what Anthropic says it rests on.
        is_open: Whether more may come.
        comes_by_turns: Whether something else came while it was not whole; it then ends with the answer.
    """

    kind: Kind
    place: int
    id: str = ""
    name: str = ""
    block: Mapping[str, JsonValue] = field(default_factory=dict)
    logprobs: list[JsonValue] = field(default_factory=list)
    citations: list[JsonValue] = field(default_factory=list)
    is_open: bool = True
    comes_by_turns: bool = False
    _pieces: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The text, or the arguments as JSON."""
        if len(self._pieces) > 1:
            self._pieces[:] = ["".join(self._pieces)]
        return self._pieces[0] if self._pieces else ""

    def add(self, piece: str) -> None:
        """Takes more of the text in."""
        self._pieces.append(piece)

    @property
    def is_whole(self) -> bool:
        """Whether nothing can be missing from it."""
        if self.kind is not Kind.CALL:
            return True
        try:
            pydantic_core.from_json(self.text)
        except ValueError:
            return False
        return True


def arguments_of(text: str) -> Mapping[str, JsonValue]:
    """Gives a tool call's arguments as the object that some protocols want; what is none is put into one."""
    try:
        parsed: JsonValue = pydantic_core.from_json(text or "{}")
    except ValueError:
        parsed = text
    return parsed if isinstance(parsed, dict) else {"arguments": parsed}


class Change(StrEnum):
    """What happened to a segment."""

    BEGUN = "begun"
    GROWN = "grown"
    SIGNED = "signed"
    CITED = "cited"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened to one segment.

    Attributes:
        change: What happened.
        segment: To which.
        piece: The text that came, when it has grown.
        more: What else came: log probabilities with text, or citations.
    """

    change: Change
    segment: Segment
    piece: str = ""
    more: Sequence[JsonValue] = ()


@dataclass(slots=True)
class Segments:
    """Takes deltas, gives what they do to the segments of the answer.

    Attributes:
        call_prefix: What the ids of tool calls begin with that came without one.
        all: The segments so far, in the order in which they began.
    """

    call_prefix: str
    all: list[Segment] = field(default_factory=list)
    _steps: list[Step] = field(default_factory=list)
    _open: list[Segment] = field(default_factory=list)
    _calls: dict[int, Segment] = field(default_factory=dict)
    _waiting: dict[int, Segment] = field(default_factory=dict)

    def more_text(self, delta: Delta) -> Segment | None:
        """Takes a delta in that only makes the open text longer, as nearly all do; gives that text, or None for any other delta."""
        if not delta.content or delta.reasoning or delta.tool_calls or delta.extra or len(self._open) != 1:
            return None
        segment = self._open[0]
        if segment.kind is not Kind.TEXT:
            return None
        segment.add(delta.content)
        return segment

    def take(self, delta: Delta) -> list[Step]:
        """Takes the next delta in."""
        more = delta.extra.get("delta") if delta.extra else None
        signed = _objects(more.get(THINKING_BLOCKS)) if isinstance(more, Mapping) else []
        is_at_once = bool(delta.reasoning) and "".join(map(_thought, signed)) == delta.reasoning  # as from a cache
        if delta.reasoning and not is_at_once:
            self._grow(Kind.REASONING, delta.reasoning)
        for block in signed:
            if is_at_once and _thought(block):
                self._grow(Kind.REASONING, _thought(block))
            self._sign(block)
        if delta.content:
            self._grow(Kind.TEXT, delta.content, _logprobs(delta.extra))
        if isinstance(more, Mapping) and isinstance(refusal := more.get("refusal"), str) and refusal:
            self._grow(Kind.REFUSAL, refusal)
        for piece in delta.tool_calls:
            self._grow_call(piece)
        if delta.extra:
            self._take_native(delta.extra.get(NATIVE))
        return self._given()

    def finish(self) -> list[Step]:
        """Ends every segment that is open still."""
        for index in list(self._waiting):
            self._begin_call(index)
        for segment in self._open:
            self._end(segment)
        self._open = []
        return self._given()

    def _given(self) -> list[Step]:
        steps, self._steps = self._steps, []
        return steps

    def _begin(self, segment: Segment) -> None:
        segment.place = len(self.all)
        self._leave(segment)
        self.all.append(segment)
        self._open.append(segment)
        self._steps.append(Step(Change.BEGUN, segment))

    def _leave(self, coming: Segment) -> None:
        """Ends what is open and whole, now that another segment gets more."""
        if self._open and (len(self._open) > 1 or self._open[0] is not coming):
            for each in self._open:
                if each is coming or each.comes_by_turns:
                    continue
                if each.is_whole:
                    self._end(each)
                else:
                    each.comes_by_turns = True  # looked at once only: its text may be long, and the turns many
            self._open = [each for each in self._open if each.is_open]

    def _end(self, segment: Segment) -> None:
        segment.is_open = False
        self._steps.append(Step(Change.ENDED, segment))

    def _current(self, kind: Kind) -> Segment:
        found = next((each for each in self._open if each.kind is kind), None)
        if found is None:
            found = Segment(kind, 0)
            self._begin(found)
        else:
            self._leave(found)
        return found

    def _grow(self, kind: Kind, piece: str, more: Sequence[JsonValue] = ()) -> None:
        segment = self._current(kind)
        segment.logprobs.extend(more)
        if piece:
            segment.add(piece)
            self._steps.append(Step(Change.GROWN, segment, piece, more))

    def _sign(self, block: Mapping[str, JsonValue]) -> None:
        """Puts the signature to the reasoning it belongs to; one that belongs to none is a segment of its own."""
        if block.get("type") != "thinking":
            self._add_block(block)
            return
        segment = self._current(Kind.REASONING)
        if segment.text == _thought(block):
            segment.block = block
            self._steps.append(Step(Change.SIGNED, segment))
        self._open.remove(segment)
        self._end(segment)

    def _add_block(self, block: Mapping[str, JsonValue]) -> None:
        segment = Segment(Kind.BLOCK, 0, block=block)
        self._begin(segment)
        self._open.remove(segment)
        self._end(segment)

    def _take_native(self, native: JsonValue) -> None:
        if not isinstance(native, Mapping):
            return
        for block in _objects(native.get("blocks")):
            self._add_block(block)
        citations = _objects(native.get("citations"))
        if citations:
            segment = self._current(Kind.TEXT)
            segment.citations.extend(citations)
            self._steps.append(Step(Change.CITED, segment, more=citations))
            self._open.remove(segment)  # what follows rests on something else
            self._end(segment)

    def _grow_call(self, piece: ToolCallDelta) -> None:
        segment = self._calls.get(piece.index)
        if segment is None:
            segment = self._waiting.setdefault(piece.index, Segment(Kind.CALL, 0))
            segment.id = piece.id or segment.id
            segment.name = piece.name or segment.name
            if piece.arguments:
                segment.add(piece.arguments)
            if segment.name:
                self._begin_call(piece.index)
            return
        if piece.arguments and segment.is_open:
            self._leave(segment)
            segment.add(piece.arguments)
            self._steps.append(Step(Change.GROWN, segment, piece.arguments))

    def _begin_call(self, index: int) -> None:
        segment = self._calls[index] = self._waiting.pop(index)
        segment.id = segment.id or f"{self.call_prefix}{index}"
        self._begin(segment)
        if segment.text:
            self._steps.append(Step(Change.GROWN, segment, segment.text))


def _thought(block: Mapping[str, JsonValue]) -> str:
    text = block.get("thinking")
    return text if isinstance(text, str) else ""


def _objects(value: JsonValue) -> list[Mapping[str, JsonValue]]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list | tuple) else []


def _logprobs(extra: Mapping[str, JsonValue]) -> Sequence[JsonValue]:
    found = extra.get("logprobs") if extra else None
    content = found.get("content") if isinstance(found, Mapping) else None
    return content if isinstance(content, list) else ()
