"""The items of an answer of OpenAI's Responses API, and the events that tell of them.

Reasoning is an item with a summary, text an item of parts, each call an item. The last item of text stays open for another part
until something else begins.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from alcove.gateway.faces.responses_input import sealed
from alcove.gateway.faces.segments import Change, Kind, Segment, Segments, Step
from alcove.kernel.chat import Delta, JsonValue

ItemEvent = tuple[str, dict[str, JsonValue]]
"""The type of an event, and its fields."""

_PREFIXES = {Kind.REASONING: "rs", Kind.TEXT: "msg", Kind.REFUSAL: "msg", Kind.CALL: "fc", Kind.BLOCK: "rs"}
_PARTS = frozenset({Kind.TEXT, Kind.REFUSAL})


@dataclass(slots=True)
class Item:
    """An item of the output.

    Attributes:
        id: Its id.
        place: Its index in the output.
        segments: What it is made of: parts of text, or one segment of another kind.
        status: How it stands.
    """

    id: str
    place: int
    segments: list[Segment]
    status: str = "in_progress"

    @property
    def kind(self) -> Kind:
        """What it is."""
        return self.segments[0].kind

    def fields(self, index: int | None = None) -> dict[str, JsonValue]:
        """Gives what tells an event's item, and the part of it where one is meant."""
        at: dict[str, JsonValue] = {"item_id": self.id, "output_index": self.place}
        if index is not None:
            at["summary_index" if self.kind is Kind.REASONING else "content_index"] = index
        return at

    def json(self, *, is_begun: bool = False) -> dict[str, JsonValue]:
        """Gives the item; while it is begun, without what it will hold."""
        segment = self.segments[0]
        match self.kind:
            case Kind.TEXT | Kind.REFUSAL:
                parts: list[JsonValue] = [] if is_begun else [part_json(each, each.text) for each in self.segments]
                return {
                    "id": self.id, "type": "message", "status": self.status, "role": "assistant", "content": parts,
                }  # fmt: skip
            case Kind.CALL:
                return {
                    "id": self.id, "type": "function_call", "status": self.status, "call_id": segment.id, "name": segment.name,
                    "arguments": "" if is_begun else segment.text,
                }  # fmt: skip
            case Kind.REASONING | Kind.BLOCK:
                summary: list[JsonValue] = [] if is_begun or not segment.text else [_summary(segment.text)]
                item: dict[str, JsonValue] = {"id": self.id, "type": "reasoning", "summary": summary}
                return {**item, "encrypted_content": sealed(segment.block)} if segment.block and not is_begun else item


def part_json(segment: Segment, text: str) -> dict[str, JsonValue]:
    """Gives a part of a message."""
    if segment.kind is Kind.REFUSAL:
        return {"type": "refusal", "refusal": text}
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": list(segment.logprobs) if text else []}


def _summary(text: str) -> dict[str, JsonValue]:
    return {"type": "summary_text", "text": text}


@dataclass(slots=True)
class Items:
    """Takes deltas, gives what happens to the items of the answer.

    Attributes:
        answer_id: What the ids of items are made of.
        all: The items so far.
    """

    answer_id: str
    all: list[Item] = field(default_factory=list)
    _segments: Segments = field(init=False)
    _by_place: dict[int, Item] = field(default_factory=dict)
    _last_status: str = "completed"

    def __post_init__(self) -> None:
        """Begins without segments."""
        self._segments = Segments(call_prefix=f"call_{self.answer_id}_")

    def more_text(self, delta: Delta) -> Item | None:
        """Takes a delta in that only makes the open text longer; gives its item, or None for any other delta."""
        segment = self._segments.more_text(delta)
        return None if segment is None else self._by_place[segment.place]

    def take(self, delta: Delta) -> Iterator[ItemEvent]:
        """Takes the next delta in."""
        for step in self._segments.take(delta):
            yield from self._events(step)

    def finish(self, status: str) -> Iterator[ItemEvent]:
        """Ends every item that is open still.

        Args:
            status: How the last one stands: `completed`, or `incomplete` when it was cut short.
        """
        self._last_status = status
        for step in self._segments.finish():
            yield from self._events(step)
        if self.all and self.all[-1].status == "in_progress":
            yield self._done(self.all[-1])

    def _events(self, step: Step) -> Iterator[ItemEvent]:
        segment = step.segment
        if segment.kind is Kind.BLOCK and segment.block.get("type") != "redacted_thinking":
            return  # tools that ran at Anthropic have no counterpart
        if step.change is Change.BEGUN:
            yield from self._begun(segment)
        elif step.change is Change.GROWN:
            yield self._grown(step, self._by_place[segment.place])
        elif step.change is Change.ENDED:
            yield from self._ended(segment, self._by_place[segment.place])

    def _begun(self, segment: Segment) -> Iterator[ItemEvent]:
        last = self.all[-1] if self.all else None
        is_open_text = last is not None and last.kind in _PARTS and last.status == "in_progress"
        if last is not None and is_open_text and segment.kind in _PARTS:
            item = last
            item.segments.append(segment)
        else:
            if last is not None and is_open_text:
                yield self._done(last)
            place = len(self.all)
            item = Item(f"{_PREFIXES[segment.kind]}_{self.answer_id}_{place}", place, [segment])
            self.all.append(item)
            yield "response.output_item.added", {"output_index": place, "item": item.json(is_begun=True)}
        self._by_place[segment.place] = item
        index = len(item.segments) - 1
        if segment.kind in _PARTS:
            yield "response.content_part.added", {**item.fields(index), "part": part_json(segment, "")}
        elif segment.kind is Kind.REASONING:
            yield "response.reasoning_summary_part.added", {**item.fields(0), "part": _summary("")}

    def _grown(self, step: Step, item: Item) -> ItemEvent:
        index = len(item.segments) - 1
        match step.segment.kind:
            case Kind.TEXT:
                return "response.output_text.delta", {
                    **item.fields(index), "delta": step.piece, "logprobs": list(step.more),
                }  # fmt: skip
            case Kind.REFUSAL:
                return "response.refusal.delta", {**item.fields(index), "delta": step.piece}
            case Kind.CALL:
                return "response.function_call_arguments.delta", {**item.fields(), "delta": step.piece}
            case Kind.REASONING | Kind.BLOCK:
                return "response.reasoning_summary_text.delta", {**item.fields(0), "delta": step.piece}

    def _ended(self, segment: Segment, item: Item) -> Iterator[ItemEvent]:
        index, text = len(item.segments) - 1, segment.text
        match segment.kind:
            case Kind.TEXT:
                said: Mapping[str, JsonValue] = {"text": text, "logprobs": list(segment.logprobs)}
                yield "response.output_text.done", {**item.fields(index), **said}
                yield "response.content_part.done", {**item.fields(index), "part": part_json(segment, text)}
                return
            case Kind.REFUSAL:
                yield "response.refusal.done", {**item.fields(index), "refusal": text}
                yield "response.content_part.done", {**item.fields(index), "part": part_json(segment, text)}
                return
            case Kind.CALL:
                called: Mapping[str, JsonValue] = {"name": segment.name, "arguments": text}
                yield "response.function_call_arguments.done", {**item.fields(), **called}
            case Kind.REASONING:
                yield "response.reasoning_summary_text.done", {**item.fields(0), "text": text}
                yield "response.reasoning_summary_part.done", {**item.fields(0), "part": _summary(text)}
            case Kind.BLOCK:
                pass
        yield self._done(item)

    def _done(self, item: Item) -> ItemEvent:
        item.status = self._last_status if item is self.all[-1] else "completed"
        return "response.output_item.done", {"output_index": item.place, "item": item.json()}
