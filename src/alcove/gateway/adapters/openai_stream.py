"""OpenAI's chat chunks, read: from JSON objects to deltas, with the quirks of those who speak the protocol nearly right."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from alcove.kernel.chat import Delta, JsonValue, ToolCallDelta, Usage

_MAX_TOOL_CALLS = 128
_CHOICE_FIELDS = frozenset({"index", "delta", "message", "finish_reason"})
_PLAIN_FIELDS = frozenset({"index", "delta", "finish_reason", "logprobs"})
_DELTA_FIELDS = frozenset({"role", "content", "reasoning_content", "reasoning", "tool_calls"})
_CALL_FIELDS = frozenset({"index", "id", "type", "function"})


class NotAChunk(ValueError):
    """The JSON is not a chat chunk."""


@dataclass(slots=True)
class ChunkReader:
    """Reads the chunks of one answer.

    Attributes:
        finish_reason: Why it ended, once it has.
        has_begun: Whether there was anything in it.
        is_done: Whether the mark of the end has come.
        is_completion: Whether the chunks are those of a legacy completion.
    """

    finish_reason: str | None = None
    has_begun: bool = False
    is_done: bool = False
    is_completion: bool = False
    _call_ids: list[str | None] = field(default_factory=list)
    _call_places: dict[int, int] = field(default_factory=dict)

    def done(self) -> None:
        """Takes the mark of the end (`[DONE]`)."""
        self.is_done = True
        self.finish_reason = self.finish_reason or "stop"

    def delta(self, chunk: JsonValue) -> Delta | None:
        """Gives what a chunk adds; None when it adds nothing. A whole answer (`message` in place of `delta`) counts as one chunk.

        Raises:
            NotAChunk: When it is something else.
        """
        if not isinstance(chunk, dict):
            raise NotAChunk
        plain = _plain_text(chunk)
        if plain is not None:
            self.has_begun = True
            return Delta(content=plain)
        usage = usage_of(chunk["usage"]) if chunk.get("usage") is not None else None
        choice = _first_choice(chunk.get("choices"))
        if choice is None:
            return None if usage is None else Delta(usage=usage)
        finish_reason = choice.get("finish_reason")
        if not isinstance(finish_reason, str) or not finish_reason:
            finish_reason = None
        self.finish_reason = finish_reason or self.finish_reason
        data = choice.get("delta")
        if data is None:
            data = choice.get("message") or {}
        if not isinstance(data, dict):
            raise NotAChunk
        content = data.get("content")
        if content is not None and not isinstance(content, str):
            content = _text_of(content)
        reasoning = data.get("reasoning_content") or data.get("reasoning")
        calls = data.get("tool_calls")
        extra: dict[str, JsonValue] = {
            key: value for key, value in choice.items() if key not in _CHOICE_FIELDS and value is not None
        }
        more = {key: value for key, value in data.items() if key not in _DELTA_FIELDS and value is not None}
        if more:
            extra["delta"] = more
        if not (content or reasoning or calls or finish_reason or usage or extra):
            return None
        self.has_begun = True
        return Delta(
            content=content or "",
            reasoning=reasoning if isinstance(reasoning, str) else "",
            tool_calls=self._tool_calls(calls) if isinstance(calls, list) else (),
            finish_reason=finish_reason,
            usage=usage,
            extra=extra,
        )

    def _tool_calls(self, calls: list[JsonValue]) -> tuple[ToolCallDelta, ...]:
        return tuple(self._tool_call(each, place) for place, each in enumerate(calls) if isinstance(each, dict))

    def _tool_call(self, data: Mapping[str, JsonValue], place: int) -> ToolCallDelta:
        index = data.get("index")
        index = index if isinstance(index, int) and index >= 0 else place
        call_id = data.get("id")
        call_id = call_id if isinstance(call_id, str) and call_id else None
        place = self._place(index, call_id)
        function = data.get("function")
        function = function if isinstance(function, dict) else {}
        name, arguments = function.get("name"), function.get("arguments")
        return ToolCallDelta(
            index=place,
            id=call_id,
            name=name if isinstance(name, str) and name else None,
            arguments=arguments if isinstance(arguments, str) else "",
            extra={key: value for key, value in data.items() if key not in _CALL_FIELDS},
        )

    def _place(self, index: int, call_id: str | None) -> int:
        """Gives which call a piece belongs to; some servers number every call 0, but their ids differ."""
        place = self._call_places.get(index)
        if place is None or (call_id is not None and self._call_ids[place] not in {None, call_id}):
            place = len(self._call_ids)
            if place >= _MAX_TOOL_CALLS:
                raise NotAChunk
            self._call_ids.append(call_id)
            self._call_places[index] = place
        elif call_id is not None:
            self._call_ids[place] = call_id
        return place


def _plain_text(chunk: Mapping[str, JsonValue]) -> str | None:
    """Gives the text of a chunk that holds nothing else, as nearly all do; None for any other."""
    choices = chunk.get("choices")
    if type(choices) is not list or len(choices) != 1 or chunk.get("usage") is not None:
        return None
    choice = choices[0]
    if type(choice) is not dict or not _PLAIN_FIELDS.issuperset(choice) or choice.get("index", 0) != 0:
        return None
    data = choice.get("delta")
    if type(data) is not dict or len(data) != 1 or choice.get("finish_reason") or choice.get("logprobs") is not None:
        return None
    content = data.get("content")
    return content if type(content) is str and content else None


def _first_choice(choices: JsonValue) -> Mapping[str, JsonValue] | None:
    if not isinstance(choices, list | None):
        raise NotAChunk
    return next((each for each in choices or () if isinstance(each, dict) and each.get("index", 0) == 0), None)


def usage_of(data: JsonValue) -> Usage | None:
    """Gives the token counts of an answer; what is missing, negative or no number counts as 0."""
    if not isinstance(data, Mapping):
        return None
    prompt = data.get("prompt_tokens_details")
    completion = data.get("completion_tokens_details")
    return Usage(
        input_tokens=_count(data.get("prompt_tokens")),
        output_tokens=_count(data.get("completion_tokens")),
        cached_input_tokens=_count(prompt.get("cached_tokens")) if isinstance(prompt, Mapping) else 0,
        reasoning_tokens=_count(completion.get("reasoning_tokens")) if isinstance(completion, Mapping) else 0,
    )


def _count(value: JsonValue) -> int:
    is_count = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 53
    return int(value) if is_count and isinstance(value, int) else 0


def _text_of(parts: JsonValue) -> str:
    """Gives the text of content that came as a list of parts."""
    if not isinstance(parts, list):
        raise NotAChunk
    texts = [part.get("text") for part in parts if isinstance(part, dict) and part.get("type") == "text"]
    return "".join(text for text in texts if isinstance(text, str))
