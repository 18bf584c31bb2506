"""Ollama's requests, written from the kernel's (seen in August 2026).

What Ollama has no word for (`tool_choice`, `logit_bias`, `user`, …) is left out, as its own layer for OpenAI's clients does.
"""

from collections.abc import Mapping

import pydantic_core

from alcove.gateway.native import NATIVE, plain
from alcove.gateway.ollama_words import LOAD_OPTIONS, SAMPLING_OPTIONS, Completion
from alcove.kernel.chat import ChatMessage, ChatRequest, ChatRole, ImagePart, JsonValue, OtherPart, ToolCall
from alcove.kernel.errors import FieldError, InvalidRequest

_SAME_OPTIONS = frozenset({"temperature", "top_p", "seed", "presence_penalty", "frequency_penalty"})
_OPTIONS = LOAD_OPTIONS | SAMPLING_OPTIONS | _SAME_OPTIONS
_FIELDS = ("keep_alive", "truncate", "shift", "logprobs", "top_logprobs")
_EFFORTS: Mapping[str, bool | str] = {
    "none": False, "minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "max", "max": "max",
}  # fmt: skip


def chat_json(request: ChatRequest, *, model: str) -> dict[str, JsonValue]:
    """Gives a request as the JSON object of `POST /api/chat`.

    Args:
        request: What is asked; its sources must be in its messages already.
        model: The model's id at the server.

    Raises:
        InvalidRequest: When it holds something that the protocol has no words for.
    """
    if NATIVE in request.extra:
        request = plain(request)
    names: dict[str, str] = {}
    body: dict[str, JsonValue] = {"model": model, "stream": True}
    body["messages"] = [_message(each, f"messages.{index}", names) for index, each in enumerate(request.messages)]
    tools = request.extra.get("tools")
    if tools:
        body["tools"] = tools
    return body | _common(request.extra)


def completion_json(request: ChatRequest, completion: Completion, *, model: str) -> dict[str, JsonValue]:
    """Gives a request as the JSON object of `POST /api/generate`."""
    body: dict[str, JsonValue] = {"model": model, "stream": True, "prompt": completion.prompt}
    texts = {"suffix": completion.suffix, "system": completion.system, "template": completion.template}
    body |= {key: text for key, text in texts.items() if text}
    if completion.is_raw:
        body["raw"] = True
    if completion.images:
        body["images"] = [_base64(url, "images") for url in completion.images]
    return body | _common(request.extra)


def embed_json(extra: Mapping[str, JsonValue], *, model: str) -> dict[str, JsonValue]:
    """Gives what requests for vectors have in common."""
    body: dict[str, JsonValue] = {"model": model}
    body |= {key: extra[key] for key in ("keep_alive", "truncate") if extra.get(key) is not None}
    options = {key: value for key, value in extra.items() if key in _OPTIONS}
    return {**body, "options": options} if options else body


def _common(extra: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    body: dict[str, JsonValue] = {key: extra[key] for key in _FIELDS if extra.get(key) is not None}
    options: dict[str, JsonValue] = {
        key: value for key, value in extra.items() if key in _OPTIONS and value is not None
    }
    most = extra.get("max_completion_tokens")
    most = extra.get("max_tokens") if most is None else most
    if most is not None:
        options["num_predict"] = most
    stop = extra.get("stop")
    if stop is not None:
        options["stop"] = [stop] if isinstance(stop, str) else stop
    if options:
        body["options"] = options
    think = extra.get("think")
    if think is None:
        think = _EFFORTS.get(str(extra.get("reasoning_effort")))
    if think is not None:
        body["think"] = think
    form = _format(extra.get("response_format"))
    if form is not None:
        body["format"] = form
    return body


def _format(form: JsonValue) -> JsonValue:
    if not isinstance(form, Mapping):
        return None
    if form.get("type") == "json_object":
        return "json"
    schema = form.get("json_schema")
    return schema.get("schema") if isinstance(schema, Mapping) else None


def _message(message: ChatMessage, path: str, names: dict[str, str]) -> dict[str, JsonValue]:
    role = ChatRole.SYSTEM if message.role is ChatRole.DEVELOPER else message.role
    other = next((part.data.get("type") for part in message.content if isinstance(part, OtherPart)), None)
    if other is not None:
        raise _refusal(path, f"Ollama has no words for a part of type {other!r}")
    images: list[JsonValue] = [_base64(part.url, path) for part in message.content if isinstance(part, ImagePart)]
    data: dict[str, JsonValue] = {"role": role.value, "content": message.text}
    if images:
        data["images"] = images
    if message.reasoning:
        data["thinking"] = message.reasoning
    if message.tool_calls:
        names |= {call.id: call.name for call in message.tool_calls}
        data["tool_calls"] = [_call(call, index) for index, call in enumerate(message.tool_calls)]
    if role is ChatRole.TOOL and message.tool_call_id:
        data["tool_call_id"] = message.tool_call_id
        name = message.name or names.get(message.tool_call_id)
        if name:
            data["tool_name"] = name
    return data


def _call(call: ToolCall, index: int) -> JsonValue:
    function: JsonValue = {"index": index, "name": call.name, "arguments": _arguments(call.arguments)}
    return {"id": call.id, "function": function}


def _arguments(text: str) -> JsonValue:
    try:
        parsed: JsonValue = pydantic_core.from_json(text or "{}")
    except ValueError:
        parsed = text
    return parsed if isinstance(parsed, dict) else {"arguments": parsed}


def _base64(url: str, path: str) -> str:
    head, comma, data = url.partition(",")
    if not comma or not head.startswith("data:") or not head.endswith(";base64"):
        raise _refusal(path, "Ollama takes images as data: URLs in base64 only; send the image itself")
    return data


def _refusal(field: str, message: str) -> InvalidRequest:
    return InvalidRequest(f"{field}: {message}", fields=(FieldError(field=field, message=message),))
