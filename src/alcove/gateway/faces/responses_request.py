"""OpenAI's Responses request, read (reference of the Responses API, as its SDK 3.52 of November 2026 has it).

Nothing is kept between requests: every answer is of `store: false`, and what builds on a stored one is refused. Tools that run at
OpenAI (web search, files, code) are refused too; functions are what every model knows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from alcove.gateway.faces.responses_input import input_messages, maybe_format
from alcove.gateway.fields import (
    MAX_ID,
    Fields,
    a_text,
    an_object,
    collections,
    maybe_count,
    maybe_flag,
    maybe_list,
    maybe_number,
    maybe_object,
    maybe_text,
    model_id,
    one_answer,
    refuse,
    without,
)
from alcove.gateway.native import NATIVE, native_of
from alcove.kernel.chat import ChatMessage, ChatRequest, ChatRole, JsonValue

_NOT_KEPT = {
    "previous_response_id": "answers are not kept here; send the earlier items in `input` again",
    "conversation": "conversations are not kept here; send their items in `input`",
    "prompt": "prompts are not kept here; send `instructions` and `input`",
}
_READ = (
    "model", "messages", "input", "instructions", "stream", "stream_options", "store", "include", "background", "tools", "tool_choice", "text",
    "reasoning", "max_output_tokens", "max_tool_calls", "top_logprobs", "metadata", "truncation", "collections", *_NOT_KEPT,
    "max_tokens", "max_completion_tokens",  # of another API: not to stand beside `max_output_tokens`
)  # fmt: skip
_ECHOED = (
    "instructions", "max_output_tokens", "max_tool_calls", "metadata", "parallel_tool_calls", "prompt_cache_key", "reasoning",
    "safety_identifier", "service_tier", "temperature", "text", "tool_choice", "tools", "top_logprobs", "top_p", "user",
)  # fmt: skip
_DEFAULTS: Mapping[str, JsonValue] = {
    "metadata": {},
    "parallel_tool_calls": True,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
}
_LOGPROBS = "message.output_text.logprobs"


@dataclass(frozen=True, slots=True)
class ResponsesCall:
    """A request with what its answer repeats of it.

    Attributes:
        request: What is asked.
        echo: Fields of the answer that say how it was asked.
    """

    request: ChatRequest
    echo: Mapping[str, JsonValue]


def responses_call(data: Fields) -> ResponsesCall:
    """Reads the body of `POST /v1/responses`.

    Raises:
        InvalidRequest: When it cannot be understood, or needs what is not kept here; names the field.
    """
    for key, message in _NOT_KEPT.items():
        if data.get(key) is not None:
            refuse(key, message)
    if maybe_flag(data, "background"):
        refuse("background", "answers are given while the request waits; leave this out, and stream")
    one_answer(data, "n")
    messages = input_messages(data.get("input"))
    instructions = maybe_text(data, "instructions")
    if instructions:
        messages.insert(0, ChatMessage.of(ChatRole.SYSTEM, instructions))
    request = ChatRequest(
        model=model_id(data),
        messages=tuple(messages),
        is_streaming=maybe_flag(data, "stream") is True,
        collections=collections(data),
        session_id=_session_id(maybe_object(data, "metadata")),
        extra={**without(data, *_READ), **_extra(data), NATIVE: native_of(data)},
    )
    echo = {key: data.get(key) if data.get(key) is not None else _DEFAULTS.get(key) for key in _ECHOED}
    return ResponsesCall(request, echo)


def _extra(data: Fields) -> dict[str, JsonValue]:
    """Gives the fields that chat completions has other words for, in its words."""
    for key in ("temperature", "top_p"):
        maybe_number(data, key)
    maybe_flag(data, "parallel_tool_calls")
    extra = maybe_format(data)
    tools = maybe_list(data, "tools")
    if tools:
        extra["tools"] = [_tool(each, f"tools.{index}") for index, each in enumerate(tools)]
    choice = data.get("tool_choice")
    if choice is not None:
        extra["tool_choice"] = _tool_choice(choice)
    most = maybe_count(data, "max_output_tokens", least=1)
    if most is not None:
        extra["max_tokens"] = most
    effort = maybe_text(maybe_object(data, "reasoning") or {}, "effort", "reasoning")
    if effort is not None:
        extra["reasoning_effort"] = effort
    top = maybe_count(data, "top_logprobs")
    if top is not None or _LOGPROBS in (maybe_list(data, "include") or ()):
        extra["logprobs"] = True
        extra["top_logprobs"] = top or 0
    return extra


def _tool(value: JsonValue, path: str) -> JsonValue:
    tool = an_object(value, path)
    if tool.get("type") != "function":
        refuse(f"{path}.type", "must be 'function'; tools that run at OpenAI are not there for other models")
    a_text(tool, "name", path)
    return {
        "type": "function",
        "function": {key: each for key, each in without(tool, "type").items() if each is not None},
    }


def _tool_choice(choice: JsonValue) -> JsonValue:
    if choice in ("none", "auto", "required"):
        return choice
    if isinstance(choice, Mapping) and choice.get("type") == "function":
        return _function(choice, "tool_choice")
    if isinstance(choice, Mapping) and choice.get("type") == "allowed_tools":
        listed = maybe_list(choice, "tools", "tool_choice") or ()
        allowed: list[JsonValue] = []
        for index, each in enumerate(listed):
            path = f"tool_choice.tools.{index}"
            allowed.append(_function(an_object(each, path), path))
        return {"type": "allowed_tools", "allowed_tools": {"mode": choice.get("mode", "auto"), "tools": allowed}}
    return refuse("tool_choice", "must be none, auto, required, a function or allowed tools")


def _function(data: Fields, path: str) -> dict[str, JsonValue]:
    kind: Literal["function"] = "function"
    return {"type": kind, "function": {"name": a_text(data, "name", path)}}


def _session_id(metadata: Fields | None) -> str | None:
    session_id = metadata.get("session_id") if metadata is not None else None
    return session_id if isinstance(session_id, str) and 0 < len(session_id) <= MAX_ID else None
