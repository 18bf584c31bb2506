"""Where the texts of a request are: the one place that knows, for all that look at them, count them or change them.

Texts are messages, parts of every kind, tool calls and their results, reasoning, tools with the names of what they take, and every
other field. What no model reads as text is left out: bytes of files, images and sounds, and the words of the protocol itself.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import re2

from alcove.kernel.chat import ChatMessage, ChatRequest, ContentPart, JsonValue, OtherPart, TextPart, ToolCall
from alcove.kernel.errors import FieldError, InvalidRequest

Change = Callable[[str], str]

_SCHEMA_WORDS = frozenset(
    {"description", "function", "items", "json_schema", "name", "parameters", "properties", "required", "schema", "strict", "type"}
)  # fmt: skip
_BASE64 = re2.compile(r"[A-Za-z0-9+/=_-]*")
_DATA_URL = re2.compile(r"data:[^,\s]*;base64,[A-Za-z0-9+/=_-]*")
_URLS = frozenset({"file_data", "file_url", "image_url", "url", "video_url"})
_BINARY_TYPES = (None, "base64", "redacted_thinking")  # of what has bytes under `data`; a sound has no type


def rewritten(request: ChatRequest, change: Change, arguments: Change) -> ChatRequest:
    """Gives a request with each of its texts changed.

    Args:
        request: The request.
        change: Gives the new text.
        arguments: Likewise for the arguments of tool calls, which are JSON text.
    """
    return replace(
        request,
        messages=tuple(_message(each, change, arguments) for each in request.messages),
        extra=_fields(request.extra, change),
    )


def texts_of(request: ChatRequest) -> list[str]:
    """Gives every text of a request that a client wrote, each once, arguments of tool calls as they stand."""
    return _collected(request, lambda text: [text])


def readings_of(request: ChatRequest) -> list[str]:
    """Gives the same texts, and those within arguments that are written with escapes also as they read."""
    return _collected(request, lambda text: [text, *(_within(text) if "\\" in text else ())])


def within_arguments(text: str, change: Change) -> str:
    """Gives arguments of a tool call with each text in them changed.

    Raises:
        InvalidRequest: When they are nested too deep to be looked at.
    """
    has_doubles = False

    def one_of_each(pairs: list[tuple[str, JsonValue]]) -> JsonValue:
        nonlocal has_doubles
        found = dict(pairs)
        has_doubles = has_doubles or len(found) < len(pairs)
        return found

    try:
        value = json.loads(text, object_pairs_hook=one_of_each)
        changed = _json(value, change)
        is_same = changed == value and not has_doubles  # of two fields of one name only the last was looked at
        return text if is_same else json.dumps(changed, ensure_ascii=False)
    except RecursionError:
        raise _too_deep() from None
    except ValueError:
        return change(text)


def _collected(request: ChatRequest, readings: Callable[[str], list[str]]) -> list[str]:
    found: list[str] = []

    def keep(text: str) -> str:
        found.append(text)
        return text

    def keep_arguments(text: str) -> str:
        found.extend(readings(text))
        return text

    rewritten(request, keep, keep_arguments)
    return [each for each in found if each]


def _within(arguments: str) -> list[str]:
    found: list[str] = []

    def keep(text: str) -> str:
        found.append(text)
        return text

    try:
        _json(json.loads(arguments, object_pairs_hook=list), keep)  # pairs, so that all fields of one name are there
    except RecursionError:
        raise _too_deep() from None
    except ValueError:
        return []
    return found


def _too_deep() -> InvalidRequest:
    message = "the arguments of a tool call are nested too deep; make them flatter"
    return InvalidRequest(f"messages: {message}", fields=(FieldError(field="messages", message=message),))


def _message(message: ChatMessage, change: Change, arguments: Change) -> ChatMessage:
    return replace(
        message,
        content=tuple(_part(each, change) for each in message.content),
        tool_calls=tuple(_call(each, change, arguments) for each in message.tool_calls),
        name=None if message.name is None else change(message.name),
        reasoning=None if message.reasoning is None else change(message.reasoning),
        extra=_fields(message.extra, change),
    )


def _call(call: ToolCall, change: Change, arguments: Change) -> ToolCall:
    return replace(call, name=change(call.name), arguments=arguments(call.arguments), extra=_fields(call.extra, change))


def _part(part: ContentPart, change: Change) -> ContentPart:
    if isinstance(part, OtherPart):
        return replace(part, data=_block(part.data, change))
    extra = _block(part.extra, change) if part.extra else part.extra
    return (
        replace(part, text=change(part.text), extra=extra) if isinstance(part, TextPart) else replace(part, extra=extra)
    )


def _block(block: Mapping[str, JsonValue], change: Change) -> dict[str, JsonValue]:
    """Changes the texts of a content block; its keys are the protocol's, but for those of what a tool is given."""
    return {key: each if _is_opaque(block, key, each) else _in_block(key, each, change) for key, each in block.items()}


def _in_block(key: str, value: JsonValue, change: Change) -> JsonValue:
    if isinstance(value, str):
        return change(value)
    if key == "input":
        return _json(value, change)
    if isinstance(value, Mapping):
        return _block(value, change)
    if isinstance(value, Sequence):
        return [_in_block(key, each, change) for each in value]
    return value


def _is_opaque(block: Mapping[str, JsonValue], key: str, value: JsonValue) -> bool:
    """Tells whether a field of a block is no text: the block's type, or bytes that look like it, too."""
    if not isinstance(value, str):
        return False
    if key in _URLS and _DATA_URL.fullmatch(value):
        return True
    is_bytes = key == "file_data" or (key == "data" and block.get("type") in _BINARY_TYPES)
    return key == "type" or (is_bytes and _BASE64.fullmatch(value) is not None)


def _fields(fields: Mapping[str, JsonValue], change: Change) -> Mapping[str, JsonValue]:
    """Changes the texts below fields of the protocol, whose own names stay."""
    return {key: _json(each, change) for key, each in fields.items()} if fields else fields


def _json(value: JsonValue, change: Change) -> JsonValue:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {key if key in _SCHEMA_WORDS else change(key): _json(each, change) for key, each in value.items()}
    if isinstance(value, Sequence):
        return [_json(each, change) for each in value]
    return value
