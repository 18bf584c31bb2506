"""Anthropic's content blocks, written from the kernel's messages."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import pydantic_core

from alcove.gateway.native import DOCUMENT, NATIVE, THINKING_BLOCKS, completed, native_of
from alcove.kernel.chat import (
    ChatMessage,
    ChatRole,
    ContentPart,
    ImagePart,
    JsonValue,
    OtherPart,
    TextPart,
    ToolCall,
)
from alcove.kernel.errors import FieldError, InvalidRequest

_DATA_URL = re.compile(
    r"data:(?P<type>[\w.+-]+/[\w.+-]+)(?:;[\w.+-]+=[\w.+-]+)*;base64,(?P<data>[A-Za-z0-9+/=_-]*)", re.ASCII
)
_NOT_IN_ID = re.compile(r"[^A-Za-z0-9_-]")

Block = dict[str, JsonValue]


@dataclass(slots=True)
class AnthropicMessages:
    """Takes messages, gives Anthropic's: instructions apart, answers of tools in the user's turn, no turn without content."""

    _system: list[Block] = field(default_factory=list)
    _turns: list[tuple[str, list[Block]]] = field(default_factory=list)

    def add(self, message: ChatMessage, path: str) -> None:
        """Takes the next message in.

        Raises:
            InvalidRequest: When it holds something that Anthropic's models do not take.
        """
        blocks = [
            block
            for index, each in enumerate(message.content)
            if (block := _block(each, f"{path}.content.{index}")) is not None
        ]
        mark = message.extra.get("cache_control")  # on a message, as some clients of OpenAI's protocol have it
        if mark is not None and blocks:
            blocks[-1].setdefault("cache_control", mark)
        match message.role:
            case ChatRole.SYSTEM | ChatRole.DEVELOPER:
                if native_of(message.extra).get("is_inside"):
                    self._turn("system", blocks)
                else:
                    self._system += blocks
            case ChatRole.USER:
                self._turn("user", blocks)
            case ChatRole.TOOL:
                self._turn("user", [_tool_result(message, blocks)])
            case ChatRole.ASSISTANT:
                calls = [_tool_use(each, f"{path}.tool_calls.{index}") for index, each in enumerate(message.tool_calls)]
                self._turn("assistant", [*_signed(message.extra), *blocks, *calls])

    def system(self, rule: str | None) -> JsonValue:
        """Gives the instructions; None for none.

        Args:
            rule: One more, at the end.
        """
        blocks: list[Block] = [*self._system]
        if rule is not None:
            blocks.append({"type": "text", "text": rule})
        return _short(blocks) if blocks else None

    def messages(self) -> list[JsonValue]:
        """Gives the conversation."""
        return [{"role": role, "content": _short(blocks)} for role, blocks in self._turns]

    def _turn(self, role: str, blocks: list[Block]) -> None:
        if not blocks:
            return
        if self._turns and self._turns[-1][0] == role:
            self._turns[-1][1].extend(blocks)
        else:
            self._turns.append((role, blocks))


def _short(blocks: list[Block]) -> JsonValue:
    """Gives one plain block of text as the text itself."""
    if len(blocks) == 1 and blocks[0].keys() == {"type", "text"}:
        return blocks[0]["text"]
    return blocks


def _block(part: ContentPart, path: str) -> Block | None:
    match part:
        case TextPart():
            return _text(part) if part.text else None
        case ImagePart():
            return completed({"type": "image", "source": _image_source(part.url, path)}, _rest(part.extra))
        case OtherPart():
            return _other(part.data, path)


def _text(part: TextPart) -> Block:
    document = native_of(part.extra).get(DOCUMENT)
    source = document.get("source") if isinstance(document, Mapping) else None
    if isinstance(document, Mapping) and isinstance(source, Mapping):
        return {**document, "type": "document", "source": {**source, "type": "text", "data": part.text}}
    return completed({"type": "text", "text": part.text}, _rest(part.extra))


def _rest(extra: Mapping[str, JsonValue]) -> Block:
    return {**{key: value for key, value in extra.items() if key != NATIVE}, **native_of(extra)}


def _image_source(url: str, path: str) -> JsonValue:
    if not url.startswith("data:"):
        return {"type": "url", "url": url}
    found = _DATA_URL.fullmatch(url)
    if found is None:
        raise _refusal(path, "an image must be an https: URL, or a data: URL in base64")
    return {"type": "base64", "media_type": found["type"], "data": found["data"]}


def _other(data: Mapping[str, JsonValue], path: str) -> Block:
    kind = data.get("type")
    if kind == "refusal":
        return {"type": "text", "text": data.get("refusal")}
    if kind == "file":
        return _document(data, path)
    if kind == "input_audio":
        raise _refusal(path, "Anthropic's models take no audio")
    return dict(data)


def _document(data: Mapping[str, JsonValue], path: str) -> Block:
    file = data.get("file")
    file = file if isinstance(file, Mapping) else {}
    content, file_id = file.get("file_data"), file.get("file_id")
    native = native_of(data)
    if isinstance(content, str):
        found = _DATA_URL.fullmatch(content)
        if found is None:
            raise _refusal(f"{path}.file.file_data", "must be a data: URL in base64")
        source: JsonValue = {"type": "base64", "media_type": found["type"], "data": found["data"]}
    elif isinstance(file_id, str):
        source = {"type": "file", "file_id": file_id}
    else:
        raise _refusal(f"{path}.file", "must have `file_data` or `file_id`")
    block: Block = {"type": "document", "source": source}
    if NATIVE not in data and isinstance(file.get("filename"), str):
        block["title"] = file["filename"]
    return completed(block, native)


def _signed(extra: Mapping[str, JsonValue]) -> list[Block]:
    """Gives the thinking that Anthropic signed; other thinking is not taken back there."""
    blocks = extra.get(THINKING_BLOCKS)
    if not isinstance(blocks, list | tuple):
        return []
    return [
        dict(each)
        for each in blocks
        if isinstance(each, Mapping) and (each.get("signature") or each.get("type") == "redacted_thinking")
    ]


def _tool_use(call: ToolCall, path: str) -> Block:
    if not call.name:
        raise _refusal(path, "Anthropic's models only know calls of functions")
    try:
        arguments: JsonValue = pydantic_core.from_json(call.arguments or "{}")
    except ValueError:
        arguments = call.arguments
    if not isinstance(arguments, dict):
        arguments = {"arguments": arguments}  # what a model wrote that is no object, kept readable
    made: Block = {"type": "tool_use", "id": _id(call.id), "name": call.name, "input": arguments}
    return completed(made, native_of(call.extra))


def _tool_result(message: ChatMessage, blocks: list[Block]) -> Block:
    result: Block = {"type": "tool_result", "tool_use_id": _id(message.tool_call_id or "")}
    if blocks:
        result["content"] = _short(blocks)
    return completed(result, {key: value for key, value in native_of(message.extra).items() if key != "content"})


def _id(call_id: str) -> str:
    """Gives a call's id in the letters that Anthropic allows; others' ids have dots and colons too."""
    return _NOT_IN_ID.sub("_", call_id) or "call"


def _refusal(field: str, message: str) -> InvalidRequest:
    return InvalidRequest(f"{field}: {message}", fields=(FieldError(field=field, message=message),))
