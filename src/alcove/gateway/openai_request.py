"""OpenAI's chat request, read and written (reference of the chat completions API, seen November 2026).

What has a name in the kernel is checked and translated; every other field, of the request, of a message, of a content part
and of a tool call, is kept as it came and goes to the model server unchanged. Written by hand, not with pydantic: this is
the hot route, and the messages can name the field at fault in the client's own terms.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from alcove.gateway.body import json_object
from alcove.gateway.fields import MAX_ID, collections, model_id, refuse
from alcove.gateway.native import NATIVE, plain
from alcove.gateway.ollama_words import OLLAMA, completion_of
from alcove.kernel.chat import (
    ChatMessage,
    ChatRequest,
    ChatRole,
    ContentPart,
    ImagePart,
    JsonValue,
    OtherPart,
    TextPart,
    ToolCall,
)

_ROLES = {role.value: role for role in ChatRole}
_MAX_MESSAGES = 10_000
_MESSAGE_FIELDS = frozenset({"role", "content", "tool_calls", "tool_call_id", "name", "reasoning_content"})
_REQUEST_FIELDS = frozenset({"model", "messages", "stream", "stream_options", "collections"})


@dataclass(frozen=True, slots=True)
class ChatCall:
    """A chat request with what only concerns the form of its answer.

    Attributes:
        request: What is asked.
        wants_usage: Whether a streamed answer is to end with a chunk of token counts (`stream_options.include_usage`).
    """

    request: ChatRequest
    wants_usage: bool


def parse_chat(body: bytes) -> ChatCall:
    """Reads the body of `POST /v1/chat/completions`.

    Raises:
        InvalidRequest: When it cannot be understood; names the field.
    """
    return chat_call(json_object(body))


def chat_call(data: Mapping[str, JsonValue]) -> ChatCall:
    """Reads a chat request from its JSON object.

    Raises:
        InvalidRequest: When it cannot be understood; names the field.
    """
    model = model_id(data)
    messages = data.get("messages")
    if not isinstance(messages, list) or not messages:
        refuse("messages", "must be a list of at least one message")
    if len(messages) > _MAX_MESSAGES:
        refuse("messages", f"must not be more than {_MAX_MESSAGES:,}")
    stream = data.get("stream")
    if stream is not None and not isinstance(stream, bool):
        refuse("stream", "must be true or false")
    choices = data.get("n")
    if choices is not None and (choices != 1 or isinstance(choices, bool)):
        refuse("n", "only one answer per request is supported here; send the request as often as you want answers")
    extra = {key: value for key, value in data.items() if key not in _REQUEST_FIELDS}
    return ChatCall(
        ChatRequest(
            model=model,
            messages=tuple(_message(each, f"messages.{index}") for index, each in enumerate(messages)),
            is_streaming=stream is True,
            collections=collections(data),
            session_id=_session_id(data.get("metadata")),
            extra=extra,
        ),
        _wants_usage(data.get("stream_options"), is_streaming=stream is True),
    )


def chat_body(request: ChatRequest, *, model: str) -> dict[str, JsonValue]:
    """Gives a request as OpenAI's JSON object, without the fields of streaming and without Alcove's own.

    Args:
        request: What is asked; its sources must be in its messages already.
        model: The model's id at the server.

    Raises:
        InvalidRequest: When it holds something that only another protocol has words for.
    """
    if NATIVE in request.extra:
        request = plain(request)
    completion = completion_of(request)
    if completion is not None:
        what = "raw mode" if completion.is_raw else "a suffix" if completion.suffix else "a template"
        refuse("model", f"{request.model!r} does not support {what}: it is asked by way of chats only")
    if OLLAMA in request.extra:
        request = replace(request, extra={key: value for key, value in request.extra.items() if key != OLLAMA})
    return {**request.extra, "model": model, "messages": [_message_json(each) for each in request.messages]}


def _wants_usage(options: JsonValue, *, is_streaming: bool) -> bool:
    if options is None:
        return False
    if not isinstance(options, dict):
        refuse("stream_options", "must be an object")
    if not is_streaming:
        refuse("stream_options", "is only allowed when `stream` is true")
    wants = options.get("include_usage")
    if wants is not None and not isinstance(wants, bool):
        refuse("stream_options.include_usage", "must be true or false")
    return wants is True


def _session_id(metadata: JsonValue) -> str | None:
    if isinstance(metadata, dict):
        session_id = metadata.get("session_id")
        if isinstance(session_id, str) and 0 < len(session_id) <= MAX_ID:
            return session_id
    return None


def _message(data: JsonValue, path: str) -> ChatMessage:
    if not isinstance(data, dict):
        refuse(path, "must be an object")
    role = data.get("role")
    known = _ROLES.get(role) if isinstance(role, str) else None
    if known is None:
        refuse(f"{path}.role", f"must be one of {', '.join(_ROLES)}")
    content = data.get("content")
    if isinstance(content, str):
        parts: tuple[ContentPart, ...] = (TextPart(text=content),) if content else ()
    elif content is None:
        parts = ()
    elif isinstance(content, list):
        parts = tuple(_part(each, f"{path}.content.{index}") for index, each in enumerate(content))
    else:
        refuse(f"{path}.content", "must be a text or a list of parts")
    if len(data) == 2 and "content" in data:  # noqa: PLR2004  role and content, as nearly always
        return ChatMessage(role=known, content=parts)
    extra = {key: value for key, value in data.items() if key not in _MESSAGE_FIELDS}
    calls: tuple[ToolCall, ...] = ()
    raw_calls = data.get("tool_calls")
    if raw_calls is not None:
        if not isinstance(raw_calls, list):
            refuse(f"{path}.tool_calls", "must be a list")
        calls = tuple(_tool_call(each, f"{path}.tool_calls.{index}") for index, each in enumerate(raw_calls))
    return ChatMessage(
        role=known,
        content=parts,
        tool_calls=calls,
        tool_call_id=_text(data, "tool_call_id", path),
        name=_text(data, "name", path),
        reasoning=_text(data, "reasoning_content", path),
        extra=extra,
    )


def _part(data: JsonValue, path: str) -> ContentPart:
    if not isinstance(data, dict):
        refuse(path, "must be an object")
    kind = data.get("type")
    if not isinstance(kind, str):
        refuse(f"{path}.type", "must be a text such as 'text' or 'image_url'")
    if kind == "text":
        text = data.get("text")
        if not isinstance(text, str):
            refuse(f"{path}.text", "must be a text")
        return TextPart(text=text, extra={key: value for key, value in data.items() if key not in {"type", "text"}})
    if kind == "image_url":
        return _image(data, path)
    return OtherPart(data=data)


def _image(data: Mapping[str, JsonValue], path: str) -> ContentPart:
    image = data.get("image_url")
    if not isinstance(image, dict) or not isinstance(url := image.get("url"), str):
        refuse(f"{path}.image_url.url", "must be an https: or data: URL")
    detail = image.get("detail")
    if detail is not None and not isinstance(detail, str):
        refuse(f"{path}.image_url.detail", "must be a text")
    if not url.startswith(("data:", "https://", "http://")):
        refuse(f"{path}.image_url.url", "must be an https: or data: URL")
    if any(key not in {"url", "detail"} for key in image):
        return OtherPart(data=data)
    return ImagePart(
        url=url, detail=detail, extra={key: value for key, value in data.items() if key not in {"type", "image_url"}}
    )


def _tool_call(data: JsonValue, path: str) -> ToolCall:
    if not isinstance(data, dict):
        refuse(path, "must be an object")
    call_id = data.get("id")
    if not isinstance(call_id, str):
        refuse(f"{path}.id", "must be a text")
    function = data.get("function")
    if function is None and data.get("type") not in {None, "function"}:  # a kind of call that has no name here
        return ToolCall(
            id=call_id, name="", arguments="", extra={key: value for key, value in data.items() if key != "id"}
        )
    if not isinstance(function, dict) or not isinstance(name := function.get("name"), str):
        refuse(f"{path}.function.name", "must be a text")
    arguments = function.get("arguments", "")
    if not isinstance(arguments, str):
        refuse(f"{path}.function.arguments", "must be JSON as a text")
    extra = {key: value for key, value in data.items() if key not in {"id", "type", "function"}}
    return ToolCall(id=call_id, name=name, arguments=arguments, extra=extra)


def _text(data: Mapping[str, JsonValue], key: str, path: str) -> str | None:
    value = data.get(key)
    if value is not None and not isinstance(value, str):
        refuse(f"{path}.{key}", "must be a text")
    return value


def _message_json(message: ChatMessage) -> dict[str, JsonValue]:
    data: dict[str, JsonValue] = {"role": message.role.value, "content": _content_json(message)}
    if message.tool_calls:
        data["tool_calls"] = [tool_call_json(each) for each in message.tool_calls]
    if message.tool_call_id is not None:
        data["tool_call_id"] = message.tool_call_id
    if message.name is not None:
        data["name"] = message.name
    if message.reasoning is not None:
        data["reasoning_content"] = message.reasoning
    if message.extra:
        data.update(message.extra)
    return data


def _content_json(message: ChatMessage) -> JsonValue:
    parts = message.content
    if not parts:
        return None if message.tool_calls else ""
    first = parts[0]
    if len(parts) == 1 and isinstance(first, TextPart) and not first.extra:
        return first.text
    return [_part_json(each) for each in parts]


def _part_json(part: ContentPart) -> JsonValue:
    match part:
        case TextPart():
            if isinstance(part.extra.get(OLLAMA), str):  # of a completion, which this is not the way to
                refuse("messages", f"a {part.extra[OLLAMA]} is no part of a chat")
            return {"type": "text", "text": part.text, **part.extra}
        case ImagePart():
            image = {"url": part.url} if part.detail is None else {"url": part.url, "detail": part.detail}
            return {"type": "image_url", "image_url": image, **part.extra}
        case OtherPart():
            return dict(part.data)


def tool_call_json(call: ToolCall) -> dict[str, JsonValue]:
    """Gives a whole tool call as OpenAI's JSON object."""
    if call.extra.get("type") not in {None, "function"}:
        return {"id": call.id, **call.extra}
    return {
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments},
        **call.extra,
    }
