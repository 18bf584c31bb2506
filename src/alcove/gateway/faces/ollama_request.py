"""Ollama's requests for answers, read (`api/types.go` and `server/routes.go` of Ollama, seen in August 2026).

What chat completions has a name for gets that name, so that every model understands it; the other options keep theirs, in the
request's `extra`, for servers that know them (`gateway/ollama_words.py`).
"""

from dataclasses import dataclass, field, replace
from typing import Literal

import pydantic_core

from alcove.gateway.faces.ollama_fields import (
    a_flag,
    a_list,
    a_text,
    an_object,
    body_of,
    format_of,
    image_urls,
    is_streaming,
    logprobs_of,
    options_of,
    refuse,
    think_of,
)
from alcove.gateway.fields import MAX_ID, MAX_ITEMS, Fields, collections
from alcove.gateway.ollama_words import GENERATE, LOAD_OPTIONS, OLLAMA, SUFFIX, TEMPLATE, ollama_of
from alcove.kernel.chat import ChatMessage, ChatRequest, ChatRole, ContentPart, ImagePart, JsonValue, TextPart, ToolCall
from alcove.kernel.errors import InvalidRequest
from alcove.kernel.ports import ModelInfo
from alcove.runtime.keep_alive import keep_alive_s

Way = Literal["chat", "generate"]

_ROLES = {role.value: role for role in (ChatRole.SYSTEM, ChatRole.USER, ChatRole.ASSISTANT, ChatRole.TOOL)}
_EFFORTS = {"low": "low", "medium": "medium", "high": "high", "max": "xhigh"}


@dataclass(frozen=True, kw_only=True, slots=True)
class OllamaCall:
    """A request for an answer.

    Attributes:
        name: The model's name, as sent.
        way: By which endpoint.
        request: What is asked; without messages when the model is only to be loaded or unloaded.
        think: Whether the model is to think, or how much; None for its own choice.
        has_images: Whether there are images in it.
        keep_alive_s: Seconds the model is to stay; None where the client does not say.
    """

    name: str
    way: Way
    request: ChatRequest
    think: bool | str | None = None
    has_images: bool = False
    keep_alive_s: float | None = None

    @property
    def is_load(self) -> bool:
        """Whether there is nothing to answer: the model is to be loaded, or unloaded."""
        return not self.request.messages

    @property
    def is_unload(self) -> bool:
        """Whether it is to be unloaded."""
        return self.is_load and self.keep_alive_s == 0


def chat_call(body: bytes) -> OllamaCall:
    """Reads the body of `POST /api/chat`.

    Raises:
        InvalidRequest: When it cannot be understood.
    """
    struct = "ChatRequest"
    data = body_of(body, struct)
    extra = _extra(data, struct)
    given = a_list(data, "messages", struct, "api.Message")
    if len(given) > MAX_ITEMS:
        refuse(f"messages must not be more than {MAX_ITEMS:,}", "messages")
    tools = a_list(data, "tools", struct, "api.Tool")
    if tools:
        extra["tools"] = [_tool(each) for each in tools]
    name = a_text(data, "model", struct)
    if not name:
        refuse("model is required", "model")
    reading = _Conversation()
    messages = tuple(reading.message(each) for each in given)
    return _call(data, struct, "chat", name, messages, extra, has_images=reading.has_images)


def generate_call(body: bytes) -> OllamaCall:
    """Reads the body of `POST /api/generate`.

    Raises:
        InvalidRequest: When it cannot be understood, or contradicts itself.
    """
    struct = "GenerateRequest"
    data = body_of(body, struct)
    extra = _extra(data, struct)
    name, prompt, suffix = (a_text(data, key, struct) for key in ("model", "prompt", "suffix"))
    system, template = (a_text(data, key, struct) for key in ("system", "template"))
    is_raw = a_flag(data, "raw", struct) is True
    if is_raw and (template or system or a_list(data, "context", struct, "int")):
        refuse("raw mode does not support template, system, or context", "raw")
    if a_flag(data, "_debug_render_only", struct):
        refuse("_debug_render_only is not supported here: prompts are written by the servers of the models")
    images = image_urls(data, struct)
    messages: list[ChatMessage] = []
    if prompt:
        if system:
            messages.append(ChatMessage.of(ChatRole.SYSTEM, system))
        parts: list[ContentPart] = [TextPart(text=prompt)]
        for mark, text in ((SUFFIX, suffix), (TEMPLATE, template)):
            if text:  # as parts of the message, so that what guards texts sees them
                parts.append(TextPart(text=text, extra={OLLAMA: mark}))
        parts += [ImagePart(url=url) for url in images]
        messages.append(ChatMessage(role=ChatRole.USER, content=tuple(parts)))
        if is_raw or suffix or template:
            extra[OLLAMA] = {GENERATE: {"raw": is_raw}}
    return _call(data, struct, "generate", name, tuple(messages), extra, has_images=bool(images))


def _extra(data: Fields, struct: str) -> dict[str, JsonValue]:
    """Gives what requests of both kinds have in common: options, the form of the answer, how long the model stays."""
    extra: dict[str, JsonValue] = {OLLAMA: {}}
    extra |= options_of(data, struct)
    extra |= format_of(data)
    extra |= logprobs_of(data, struct)
    for key in ("truncate", "shift"):
        flag = a_flag(data, key, struct)
        if flag is not None:
            extra[key] = flag
    if data.get("keep_alive") is not None:
        keep_alive_s(data["keep_alive"])
        extra["keep_alive"] = data["keep_alive"]
    return extra


def _call(
    data: Fields,
    struct: str,
    way: Way,
    name: str,
    messages: tuple[ChatMessage, ...],
    extra: dict[str, JsonValue],
    *,
    has_images: bool,
) -> OllamaCall:
    if len(name) > MAX_ID:
        refuse(f"model: must not be longer than {MAX_ID} characters", "model")
    request = ChatRequest(
        model=name,
        messages=messages,
        is_streaming=is_streaming(data, struct),
        collections=collections(data),
        extra=extra,
    )
    return OllamaCall(
        name=name,
        way=way,
        request=request,
        think=think_of(data),
        has_images=has_images,
        keep_alive_s=keep_alive_s(data.get("keep_alive")),
    )


def load_options(call: OllamaCall) -> dict[str, JsonValue]:
    """Gives the options that a model is loaded with."""
    return {key: value for key, value in call.request.extra.items() if key in LOAD_OPTIONS}


def fitted(call: OllamaCall, info: ModelInfo) -> ChatRequest:
    """Gives the request as it goes to a model.

    What a model can do is not known of all of them: none that is not known to be unable is refused here.

    Raises:
        InvalidRequest: When the model cannot do what is asked.
    """
    request, name = replace(call.request, model=info.id), call.name
    extra = dict(request.extra)
    if "tools" in extra and _lacks(info, "tools"):
        raise InvalidRequest(f"{name} does not support tools")
    if call.has_images and _lacks(info, "vision"):
        raise InvalidRequest(f"{name} does not support images; choose a model with vision")
    if GENERATE in ollama_of(extra):
        _check_completion(call, info)
    if call.think is not None:
        extra |= _thinking(call.think, name, info)
    return replace(request, extra=extra)


def _check_completion(call: OllamaCall, info: ModelInfo) -> None:
    marks = {part.extra.get(OLLAMA) for part in call.request.messages[-1].content if isinstance(part, TextPart)}
    if SUFFIX in marks and (info.is_composite or not info.is_generative or _lacks(info, "insert")):
        raise InvalidRequest(f"{call.name} does not support insert")
    if info.is_composite or not info.is_generative:
        raise InvalidRequest(
            f'"{call.name}" does not support raw mode or a template: it answers from other models or documents'
        )


def _lacks(info: ModelInfo, capability: str) -> bool:
    """Tells whether a model is known not to have a capability: a server that tells of `completion` tells of all."""
    return "completion" in info.capabilities and capability not in info.capabilities


def _thinking(think: bool | str, name: str, info: ModelInfo) -> dict[str, JsonValue]:  # noqa: FBT001  Ollama's own type
    if _lacks(info, "reasoning"):
        if think:
            raise InvalidRequest(f'"{name}" does not support thinking')
        return {}
    if isinstance(think, str):
        return {"think": think, "reasoning_effort": _EFFORTS[think]}
    if "reasoning" not in info.capabilities:  # not known to think: such a model may refuse to be told how much to
        return {"think": think}
    return {"think": think, "reasoning_effort": "medium" if think else "none"}


def _tool(value: JsonValue) -> JsonValue:
    tool = an_object(value, "ChatRequest.tools", "api.Tool")
    function = an_object(tool.get("function"), "ChatRequest.tools.function", "api.ToolFunction")
    if not a_text(function, "name", "ChatRequest.tools.function"):
        refuse("tools: a function needs a name", "tools")
    return {**tool, "type": tool.get("type") or "function", "function": function}


@dataclass(slots=True)
class _Conversation:
    """Reads messages one after the other: answers of tools find the call they belong to, which Ollama's clients need not name."""

    has_images: bool = False
    _waiting: list[tuple[str, str]] = field(default_factory=list)
    _calls: int = 0

    def message(self, value: JsonValue) -> ChatMessage:
        where = "ChatRequest.messages"
        data = an_object(value, where, "api.Message")
        role = _ROLES.get(a_text(data, "role", where).lower())
        if role is None:
            refuse(f"invalid role: must be one of {', '.join(_ROLES)}", "messages.role")
        text = a_text(data, "content", where)
        urls = image_urls(data, where)
        self.has_images = self.has_images or bool(urls)
        parts: tuple[ContentPart, ...] = (TextPart(text=text),) if text else ()
        parts += tuple(ImagePart(url=url) for url in urls)
        calls = tuple(self._call(each) for each in a_list(data, "tool_calls", where, "api.ToolCall"))
        if calls:
            self._waiting = [(each.id, each.name) for each in calls]
        call_id, name = None, None
        if role is ChatRole.TOOL:
            name = a_text(data, "tool_name", where) or None
            call_id = self._answered(a_text(data, "tool_call_id", where), name)
        return ChatMessage(
            role=role,
            content=parts,
            tool_calls=calls,
            tool_call_id=call_id,
            name=name,
            reasoning=a_text(data, "thinking", where) or None,
        )

    def _call(self, value: JsonValue) -> ToolCall:
        where = "ChatRequest.messages.tool_calls"
        data = an_object(value, where, "api.ToolCall")
        function = an_object(data.get("function"), f"{where}.function", "api.ToolCallFunction")
        arguments = an_object(
            function.get("arguments") or {}, f"{where}.function.arguments", "api.ToolCallFunctionArguments"
        )
        self._calls += 1
        return ToolCall(
            id=a_text(data, "id", where) or f"call_{self._calls:08d}",
            name=a_text(function, "name", f"{where}.function"),
            arguments=pydantic_core.to_json(arguments).decode(),
        )

    def _answered(self, call_id: str, name: str | None) -> str:
        """Gives the id of the call that a tool answers: the one it names, else the first open one of its name, else the first."""
        found = next((each for each in self._waiting if each[0] == call_id), None)
        if found is None and not call_id:
            of_name = next((each for each in self._waiting if each[1] == name), None)
            found = of_name or next(iter(self._waiting), None)
        if found is not None:
            self._waiting.remove(found)
            return found[0]
        return call_id or f"call_{self._calls:08d}"
