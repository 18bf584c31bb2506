"""Anthropic's content blocks, read into the parts, calls and reasoning of the kernel's messages.

Blocks that have no counterpart stay as they came, as `OtherPart`s, in their place.
"""

from collections.abc import Iterator, Sequence

import pydantic_core

from alcove.gateway.fields import Fields, a_text, an_object, maybe_text, refuse, without
from alcove.gateway.native import DOCUMENT, NATIVE, THINKING_BLOCKS
from alcove.kernel.chat import ChatMessage, ChatRole, ContentPart, ImagePart, JsonValue, OtherPart, TextPart, ToolCall

_THINKING = frozenset({"thinking", "redacted_thinking"})


def user_messages(data: Fields, path: str) -> Iterator[ChatMessage]:
    """Gives a message of the user's: first the answers of tools that it holds, each as a message, then the rest of it."""
    rest: list[ContentPart] = []
    for block, place in _blocks(data.get("content"), f"{path}.content"):
        if block.get("type") == "tool_result":
            yield _tool_result(block, place)
        else:
            rest.append(part(block, place))
    if rest:
        yield ChatMessage(role=ChatRole.USER, content=tuple(rest))


def assistant_message(data: Fields, path: str) -> ChatMessage:
    """Gives a message of the model's. Thinking at its beginning becomes reasoning, with the signed blocks beside it."""
    parts: list[ContentPart] = []
    calls: list[ToolCall] = []
    reasoning: list[str] = []
    signed: list[JsonValue] = []
    for block, place in _blocks(data.get("content"), f"{path}.content"):
        kind = block.get("type")
        if kind == "tool_use":
            calls.append(_tool_use(block, place))
        elif kind in _THINKING and not parts and not calls:
            if kind == "thinking":
                reasoning.append(a_text(block, "thinking", place))
            if block.get("signature") or kind == "redacted_thinking":
                signed.append(block)
        else:
            parts.append(part(block, place))
    return ChatMessage(
        role=ChatRole.ASSISTANT,
        content=tuple(parts),
        tool_calls=tuple(calls),
        reasoning="".join(reasoning) or None,
        extra={THINKING_BLOCKS: signed} if signed else {},
    )


def system_message(content: JsonValue, path: str, *, is_inside: bool) -> ChatMessage | None:
    """Gives instructions as a message; None for empty ones.

    Args:
        content: A text, or blocks of text.
        path: Name of the field.
        is_inside: Whether they stand between other messages, and are to stay there.
    """
    parts = tuple(part(block, place) for block, place in _blocks(content, path))
    if not all(isinstance(each, TextPart) for each in parts):
        refuse(path, "must be a text or a list of text blocks")
    extra: dict[str, JsonValue] = {NATIVE: {"is_inside": True}} if is_inside else {}
    return ChatMessage(role=ChatRole.SYSTEM, content=parts, extra=extra) if parts else None


def part(block: Fields, path: str) -> ContentPart:
    """Gives a block as a part."""
    kind = block.get("type")
    if kind == "text":
        return TextPart(text=a_text(block, "text", path), extra=_native(without(block, "type", "text")))
    if kind == "image":
        return _image(block, path)
    if kind == "document":
        return _document(block, path)
    return OtherPart(data=block)


def _blocks(content: JsonValue, path: str) -> Sequence[tuple[Fields, str]]:
    if isinstance(content, str):
        return [({"type": "text", "text": content}, path)] if content else []
    if not isinstance(content, list):
        refuse(path, "must be a text or a list of content blocks")
    found: list[tuple[Fields, str]] = []
    for index, each in enumerate(content):
        block = an_object(each, f"{path}.{index}")
        a_text(block, "type", f"{path}.{index}")
        found.append((block, f"{path}.{index}"))
    return found


def _native(rest: Fields) -> dict[str, JsonValue]:
    return {NATIVE: rest} if rest else {}


def _image(block: Fields, path: str) -> ContentPart:
    source = an_object(block.get("source"), f"{path}.source")
    rest = without(block, "type", "source")
    if source.get("type") == "base64":
        media_type = a_text(source, "media_type", f"{path}.source")
        data = a_text(source, "data", f"{path}.source")
        return ImagePart(url=f"data:{media_type};base64,{data}", extra=_native(rest))
    if source.get("type") == "url":
        url = a_text(source, "url", f"{path}.source")
        if not url.startswith(("https://", "http://")):
            refuse(f"{path}.source.url", "must be an https: URL")
        return ImagePart(url=url, extra=_native(rest))
    return OtherPart(data=block)


def _document(block: Fields, path: str) -> ContentPart:
    source = an_object(block.get("source"), f"{path}.source")
    if source.get("type") == "text":  # as text, so that filters see it
        rest = {**block, "source": without(source, "data")}
        return TextPart(text=a_text(source, "data", f"{path}.source"), extra={NATIVE: {DOCUMENT: rest}})
    if source.get("type") != "base64":
        return OtherPart(data=block)
    media_type = a_text(source, "media_type", f"{path}.source")
    data = a_text(source, "data", f"{path}.source")
    name = maybe_text(block, "title", path) or "document.pdf"
    file: JsonValue = {"filename": name, "file_data": f"data:{media_type};base64,{data}"}
    return OtherPart(data={"type": "file", "file": file, NATIVE: without(block, "type", "source")})


def _tool_use(block: Fields, path: str) -> ToolCall:
    arguments = an_object(block.get("input"), f"{path}.input")
    return ToolCall(
        id=a_text(block, "id", path),
        name=a_text(block, "name", path),
        arguments=pydantic_core.to_json(arguments).decode(),
        extra=_native(without(block, "type", "id", "name", "input")),
    )


def _tool_result(block: Fields, path: str) -> ChatMessage:
    content = block.get("content")
    parts = () if content is None else tuple(part(each, at) for each, at in _blocks(content, f"{path}.content"))
    return ChatMessage(
        role=ChatRole.TOOL,
        content=parts,
        tool_call_id=a_text(block, "tool_use_id", path),
        extra=_native(without(block, "type", "tool_use_id", "content")),
    )
