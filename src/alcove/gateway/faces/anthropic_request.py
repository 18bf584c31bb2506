"""Anthropic's Messages request, read (reference of the Messages API, version 2023-06-01, as its SDK 2.14 of November 2026 has it).

What chat completions has a name for gets that name, so that every model understands it; what only Anthropic knows is kept under
`NATIVE` for its own servers; fields that neither knows go to whichever server answers.
"""

from collections.abc import Mapping, Sequence

from alcove.gateway.faces.anthropic_blocks import assistant_message, system_message, user_messages
from alcove.gateway.fields import (
    MAX_ITEMS,
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
from alcove.gateway.native import BETA, NATIVE
from alcove.kernel.chat import ChatMessage, ChatRequest, JsonValue

_KNOWN = (
    "model", "messages", "system", "stream", "max_tokens", "stop_sequences", "temperature", "top_p", "tools", "tool_choice",
    "output_config", "collections",
)  # fmt: skip
_NATIVE = frozenset(
    {
        "thinking", "metadata", "service_tier", "container", "context_management", "mcp_servers", "cache_control", "diagnostics",
        "inference_geo", "speed", "user_profile_id", "betas", NATIVE,
    }
)  # fmt: skip
_CHOICES = {"auto": "auto", "any": "required", "none": "none"}
_EFFORTS = {"low": "low", "medium": "medium", "high": "high", "xhigh": "xhigh", "max": "xhigh"}
_MEDIUM_BUDGET, _HIGH_BUDGET = 4096, 16_384


def messages_request(data: Fields, *, beta: Sequence[str] = (), is_counted_only: bool = False) -> ChatRequest:
    """Reads the body of `POST /v1/messages`.

    Args:
        data: The JSON object.
        beta: Names of beta features, from the header `anthropic-beta`.
        is_counted_only: Whether it is to be counted, not answered; then it need not say how long an answer may be.

    Raises:
        InvalidRequest: When it cannot be understood; names the field.
    """
    model = model_id(data)
    one_answer(data, "n")
    max_tokens = maybe_count(data, "max_tokens")
    if max_tokens is None and not is_counted_only:
        refuse("max_tokens", "must be the most tokens the answer may have")
    rest = without(data, *_KNOWN)
    extra = {key: value for key, value in rest.items() if key not in _NATIVE}
    if max_tokens is not None:
        extra["max_tokens"] = max_tokens
    for key in ("temperature", "top_p"):
        number = maybe_number(data, key)
        if number is not None:
            extra[key] = number
    stops = maybe_list(data, "stop_sequences")
    if stops:
        if not all(isinstance(each, str) for each in stops):
            refuse("stop_sequences", "must be a list of texts")
        extra["stop"] = stops
    tools = maybe_list(data, "tools")
    if tools:
        extra["tools"] = [_tool(each, f"tools.{index}") for index, each in enumerate(tools)]
    extra.update(_tool_choice(maybe_object(data, "tool_choice")))
    native = {key: value for key, value in rest.items() if key in _NATIVE}
    output = maybe_object(data, "output_config") or {}
    extra.update(_output(output, maybe_object(data, "thinking")))
    if left := without(output, "format"):
        native["output_config"] = left
    if beta:
        native[BETA] = list(beta)
    extra[NATIVE] = native
    return ChatRequest(
        model=model,
        messages=_messages(data),
        is_streaming=maybe_flag(data, "stream") is True,
        collections=collections(data),
        extra=extra,
    )


def _messages(data: Fields) -> tuple[ChatMessage, ...]:
    given = data.get("messages")
    if not isinstance(given, list) or not given:
        refuse("messages", "must be a list of at least one message")
    if len(given) > MAX_ITEMS:
        refuse("messages", f"must not be more than {MAX_ITEMS:,}")
    found: list[ChatMessage] = []
    if data.get("system") is not None:
        system = system_message(data["system"], "system", is_inside=False)
        found += [system] if system is not None else []
    for index, each in enumerate(given):
        path = f"messages.{index}"
        message = an_object(each, path)
        match message.get("role"):
            case "user":
                found += user_messages(message, path)
            case "assistant":
                found.append(assistant_message(message, path))
            case "system":
                inside = system_message(message.get("content"), f"{path}.content", is_inside=True)
                found += [inside] if inside is not None else []
            case _:
                refuse(f"{path}.role", "must be one of user, assistant, system")
    if not found:
        refuse("messages", "must hold some content")
    return tuple(found)


def _tool(value: JsonValue, path: str) -> JsonValue:
    tool = an_object(value, path)
    kind = maybe_text(tool, "type", path)
    if kind not in {None, "custom"}:
        return tool  # one that Anthropic defines, and mostly runs itself
    function: dict[str, JsonValue] = {"name": a_text(tool, "name", path)}
    description = maybe_text(tool, "description", path)
    if description is not None:
        function["description"] = description
    function["parameters"] = an_object(tool.get("input_schema"), f"{path}.input_schema")
    strict = maybe_flag(tool, "strict", path)
    if strict is not None:
        function["strict"] = strict
    rest = without(tool, "type", "name", "description", "input_schema", "strict")
    made: dict[str, JsonValue] = {"type": "function", "function": function}
    return {**made, NATIVE: rest} if rest else made


def _tool_choice(choice: Fields | None) -> dict[str, JsonValue]:
    if choice is None:
        return {}
    kind = a_text(choice, "type", "tool_choice")
    made: dict[str, JsonValue] = {}
    if kind == "tool":
        made["tool_choice"] = {"type": "function", "function": {"name": a_text(choice, "name", "tool_choice")}}
    elif kind in _CHOICES:
        made["tool_choice"] = _CHOICES[kind]
    else:
        refuse("tool_choice.type", f"must be one of {', '.join(_CHOICES)}, tool")
    alone = maybe_flag(choice, "disable_parallel_tool_use", "tool_choice")
    if alone is not None:
        made["parallel_tool_calls"] = not alone
    return made


def _output(output: Fields, thinking: Fields | None) -> dict[str, JsonValue]:
    """Gives the form of the answer and how much to think about it, in the words of chat completions."""
    made: dict[str, JsonValue] = {}
    form = maybe_object(output, "format", "output_config")
    if form is not None:
        if form.get("type") != "json_schema":
            refuse("output_config.format.type", "must be 'json_schema'")
        schema = an_object(form.get("schema"), "output_config.format.schema")
        made["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": schema, "strict": True},
        }
    effort = maybe_text(output, "effort", "output_config")
    if effort is not None and effort not in _EFFORTS:
        refuse("output_config.effort", f"must be one of {', '.join(_EFFORTS)}")
    chosen = _EFFORTS[effort] if effort is not None else _effort(thinking)
    if chosen is not None:
        made["reasoning_effort"] = chosen
    return made


def _effort(thinking: Mapping[str, JsonValue] | None) -> str | None:
    """Gives the effort that a budget for thinking stands for; None when the model is to decide."""
    if thinking is None or a_text(thinking, "type", "thinking") != "enabled":
        return None
    budget = maybe_count(thinking, "budget_tokens", path="thinking") or 0
    if budget < _MEDIUM_BUDGET:
        return "low"
    return "medium" if budget < _HIGH_BUDGET else "high"
