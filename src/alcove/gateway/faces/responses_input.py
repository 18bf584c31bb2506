"""The input of OpenAI's Responses API, read: items, that a conversation is a flat list of, into messages.

What one turn of the model came to (reasoning, text, calls) is several items there and one message here.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pydantic_core

from alcove.gateway.fields import MAX_ITEMS, Fields, a_text, an_object, maybe_object, maybe_text, refuse, without
from alcove.gateway.native import THINKING_BLOCKS
from alcove.kernel.chat import ChatMessage, ChatRole, ContentPart, ImagePart, JsonValue, OtherPart, TextPart, ToolCall

_ROLES = {"user": ChatRole.USER, "system": ChatRole.SYSTEM, "developer": ChatRole.DEVELOPER}
_SEALED = "alcove:"
_TEXTS = frozenset({"input_text", "output_text", "text"})


def sealed(block: Mapping[str, JsonValue]) -> str:
    """Gives signed thinking as the `encrypted_content` that clients hand back unread."""
    return _SEALED + base64.b64encode(pydantic_core.to_json(block)).decode()


def _unsealed(text: str) -> JsonValue:
    """Gives signed thinking back; None for what another server has encrypted."""
    if not text.startswith(_SEALED):
        return None
    try:
        block = pydantic_core.from_json(base64.b64decode(text.removeprefix(_SEALED), validate=True))
    except ValueError:
        return None
    return block if isinstance(block, dict) and isinstance(block.get("type"), str) else None


def input_messages(value: JsonValue) -> list[ChatMessage]:
    """Gives the messages of an input: a text of the user's, or a list of items."""
    if isinstance(value, str):
        return [ChatMessage.of(ChatRole.USER, value)]
    if not isinstance(value, list) or not value:
        refuse("input", "must be a text or a list of at least one item")
    if len(value) > MAX_ITEMS:
        refuse("input", f"must not be more than {MAX_ITEMS:,} items")
    conversation = _Conversation()
    for index, each in enumerate(value):
        conversation.add(an_object(each, f"input.{index}"), f"input.{index}")
    return conversation.messages()


@dataclass(slots=True)
class _Conversation:
    """Takes items, gives messages."""

    _messages: list[ChatMessage] = field(default_factory=list)
    _reasoning: list[str] = field(default_factory=list)
    _signed: list[JsonValue] = field(default_factory=list)
    _parts: list[ContentPart] = field(default_factory=list)
    _calls: list[ToolCall] = field(default_factory=list)

    def add(self, item: Fields, path: str) -> None:
        """Takes the next item in."""
        match item.get("type", "message"):
            case "message":
                self._add_message(item, path)
            case "reasoning":
                self._add_reasoning(item, path)
            case "function_call":
                call = ToolCall(
                    id=a_text(item, "call_id", path),
                    name=a_text(item, "name", path),
                    arguments=a_text(item, "arguments", path),
                )
                self._calls.append(call)
            case "function_call_output":
                self._end_turn()
                parts = _parts(item.get("output"), f"{path}.output")
                call_id = a_text(item, "call_id", path)
                self._messages.append(ChatMessage(role=ChatRole.TOOL, content=parts, tool_call_id=call_id))
            case "item_reference":
                refuse(path, "answers are not kept here; send the item itself again")
            case kind:
                refuse(f"{path}.type", f"items of type {str(kind)[:100]!r} are not supported here")

    def messages(self) -> list[ChatMessage]:
        """Gives the messages."""
        self._end_turn()
        return self._messages

    def _add_message(self, item: Fields, path: str) -> None:
        parts = _parts(item.get("content"), f"{path}.content")
        role = item.get("role")
        if role == "assistant":
            if self._calls or self._parts:
                self._end_turn()
            self._parts.extend(parts)
        elif isinstance(role, str) and role in _ROLES:
            self._end_turn()
            self._messages.append(ChatMessage(role=_ROLES[role], content=parts))
        else:
            refuse(f"{path}.role", f"must be one of {', '.join(_ROLES)}, assistant")

    def _add_reasoning(self, item: Fields, path: str) -> None:
        if self._parts or self._calls:
            self._end_turn()
        for key in ("content", "summary"):
            found = _texts(item.get(key), f"{path}.{key}")
            if found:
                self._reasoning += found
                break
        block = _unsealed(maybe_text(item, "encrypted_content", path) or "")
        if block is not None:
            self._signed.append(block)

    def _end_turn(self) -> None:
        if self._reasoning or self._signed or self._parts or self._calls:
            self._messages.append(
                ChatMessage(
                    role=ChatRole.ASSISTANT,
                    content=tuple(self._parts),
                    tool_calls=tuple(self._calls),
                    reasoning="".join(self._reasoning) or None,
                    extra={THINKING_BLOCKS: self._signed} if self._signed else {},
                )
            )
            self._reasoning, self._signed, self._parts, self._calls = [], [], [], []


def _texts(value: JsonValue, path: str) -> list[str]:
    if value is None:
        return []
    if not isinstance(value, list):
        refuse(path, "must be a list")
    return [a_text(an_object(each, f"{path}.{index}"), "text", f"{path}.{index}") for index, each in enumerate(value)]


def _parts(content: JsonValue, path: str) -> tuple[ContentPart, ...]:
    if isinstance(content, str):
        return (TextPart(text=content),) if content else ()
    if not isinstance(content, Sequence):
        refuse(path, "must be a text or a list of parts")
    return tuple(_part(an_object(each, f"{path}.{index}"), f"{path}.{index}") for index, each in enumerate(content))


def _part(part: Fields, path: str) -> ContentPart:
    kind = a_text(part, "type", path)
    if kind in _TEXTS:
        rest = without(part, "type", "text", "annotations", "logprobs")
        return TextPart(text=a_text(part, "text", path), extra=rest)
    if kind == "input_image":
        return _image(part, path)
    if kind == "input_file":
        return _file(part, path)
    if kind in {"refusal", "input_audio"}:
        return OtherPart(data=part)
    return refuse(f"{path}.type", f"parts of type {kind[:100]!r} are not supported here")


def _image(part: Fields, path: str) -> ImagePart:
    url = maybe_text(part, "image_url", path)
    if url is None:
        refuse(f"{path}.image_url", "must be an https: or data: URL; files are not kept here")
    if not url.startswith(("data:", "https://", "http://")):
        refuse(f"{path}.image_url", "must be an https: or data: URL")
    return ImagePart(url=url, detail=maybe_text(part, "detail", path))


def _file(part: Fields, path: str) -> OtherPart:
    if maybe_text(part, "file_data", path) is None and maybe_text(part, "file_id", path) is None:
        refuse(f"{path}.file_data", "must be a data: URL; files are not fetched here")
    file = {key: value for key in ("filename", "file_data", "file_id") if (value := part.get(key)) is not None}
    return OtherPart(data={"type": "file", "file": file})


def maybe_format(data: Fields) -> dict[str, JsonValue]:
    """Gives the form of the answer (`text`), in the words of chat completions."""
    text = maybe_object(data, "text") or {}
    made: dict[str, JsonValue] = {}
    verbosity = maybe_text(text, "verbosity", "text")
    if verbosity is not None:
        made["verbosity"] = verbosity
    form = maybe_object(text, "format", "text")
    if form is None:
        return made
    match form.get("type"):
        case "text":
            pass
        case "json_object":
            made["response_format"] = {"type": "json_object"}
        case "json_schema":
            an_object(form.get("schema"), "text.format.schema")
            a_text(form, "name", "text.format")
            made["response_format"] = {"type": "json_schema", "json_schema": without(form, "type")}
        case _:
            refuse("text.format.type", "must be one of text, json_object, json_schema")
    return made
