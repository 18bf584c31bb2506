"""Anthropic's Messages request, written from the kernel's (reference of the Messages API, version 2023-06-01, seen November 2026).

What chat completions and Messages both have words for is translated. What only chat completions has (`seed`, `logprobs`, penalties) is
left out, as in Anthropic's own layer for OpenAI's clients; every other field goes through as it came.
"""

import re
from collections.abc import Mapping, Sequence

from alcove.gateway.adapters.anthropic_content import AnthropicMessages
from alcove.gateway.adapters.anthropic_thinking import ModelTraits, apply_thinking
from alcove.gateway.native import BETA, NATIVE, completed, native_of
from alcove.gateway.ollama_words import completion_of, without_own_fields
from alcove.kernel.chat import ChatRequest, JsonValue
from alcove.kernel.errors import FieldError, InvalidRequest

DEFAULT_MAX_TOKENS = 8192
_MOST_BY_DEFAULT = 32_768
_TRANSLATED = frozenset(
    {
        "tools", "tool_choice", "parallel_tool_calls", "max_tokens", "max_completion_tokens", "stop", "temperature", "top_p",
        "response_format", "reasoning_effort", "user", "metadata", "service_tier", NATIVE,
    }
)  # fmt: skip
_WITHOUT_COUNTERPART = frozenset(
    {
        "n", "seed", "logprobs", "top_logprobs", "logit_bias", "frequency_penalty", "presence_penalty", "store", "modalities", "audio",
        "prediction", "verbosity", "prompt_cache_key", "prompt_cache_retention", "prompt_cache_options", "safety_identifier",
        "stream_options", "web_search_options", "functions", "function_call", "moderation",
    }
)  # fmt: skip
_DECIDED_HERE = frozenset({"model", "messages", "system", "max_tokens", "stream", "tools", "tool_choice"})
_OF_OLLAMA = frozenset({"top_k"})
_BETA_NAME = re.compile(r"[A-Za-z0-9._-]{1,100}")
_BETA_RULE = "must be a list of names of beta features"
_CHOICES = {"auto": "auto", "required": "any", "none": "none"}
_TIERS = frozenset({"auto", "standard_only"})
_JSON_RULE = "Answer with one JSON object and nothing else."


def message_body(request: ChatRequest, *, model: str, traits: ModelTraits) -> dict[str, JsonValue]:
    """Gives a request as the JSON object of `POST /v1/messages`, without `stream`.

    Args:
        request: What is asked; its sources must be in its messages already.
        model: The model's id at the server.
        traits: What is known of the model.

    Raises:
        InvalidRequest: When it holds something that the protocol has no words for.
    """
    if completion_of(request) is not None:
        detail = "does not support raw mode, a suffix or a template: Anthropic's models take chats only"
        raise _refusal("model", f"{request.model!r} {detail}")
    request = without_own_fields(request, kept=_OF_OLLAMA)
    extra, native = request.extra, native_of(request.extra)
    content = AnthropicMessages()
    for index, message in enumerate(request.messages):
        content.add(message, f"messages.{index}")
    body: dict[str, JsonValue] = {"model": model}
    body["max_tokens"] = _max_tokens(extra, traits)
    rule = _JSON_RULE if _format_of(extra) == "json_object" else None
    system = content.system(rule)
    if system is not None:
        body["system"] = system
    body["messages"] = content.messages()
    _sample(body, extra)
    _tools(body, extra)
    user_id = _user_id(extra)
    if user_id is not None:
        body["metadata"] = {"user_id": user_id}
    own = {key: value for key, value in native.items() if key != BETA}
    rest = {key: value for key, value in extra.items() if key not in _TRANSLATED and key not in _WITHOUT_COUNTERPART}
    _check_undecided(own, f"{NATIVE}.")
    _check_undecided(rest, "")
    body = completed(body, {**rest, **own})
    _output(body, extra)
    apply_thinking(body, extra.get("reasoning_effort"), traits, has_max_tokens=_asked_max(extra) is not None)
    return body


def beta_of(request: ChatRequest) -> str:
    """Gives the value of the header `anthropic-beta`; empty for none.

    Raises:
        InvalidRequest: When it could not be one.
    """
    names = native_of(request.extra).get(BETA)
    if names is None:
        return ""
    if not isinstance(names, list | tuple):
        raise _refusal(f"{NATIVE}.{BETA}", _BETA_RULE)
    found: list[str] = []
    for each in names:
        if not isinstance(each, str) or not _BETA_NAME.fullmatch(each):
            raise _refusal(f"{NATIVE}.{BETA}", _BETA_RULE)
        found.append(each)
    return ",".join(found)


def _check_undecided(fields: Mapping[str, JsonValue], beginning: str) -> None:
    """Refuses fields under another name for what was checked: which model answers, to what, at what length, with which tools."""
    for key in fields:
        if key in _DECIDED_HERE:
            raise _refusal(
                f"{beginning}{key}", "cannot be set in this place; use the field that chat completions has for it"
            )


def _asked_max(extra: Mapping[str, JsonValue]) -> JsonValue:
    found = extra.get("max_completion_tokens")
    return extra.get("max_tokens") if found is None else found


def _max_tokens(extra: Mapping[str, JsonValue], traits: ModelTraits) -> JsonValue:
    asked = _asked_max(extra)
    if asked is not None:
        return asked
    return min(traits.max_tokens, _MOST_BY_DEFAULT) if traits.max_tokens else DEFAULT_MAX_TOKENS


def _sample(body: dict[str, JsonValue], extra: Mapping[str, JsonValue]) -> None:
    temperature = extra.get("temperature")
    if temperature is not None:
        is_hot = isinstance(temperature, int | float) and temperature > 1
        body["temperature"] = 1 if is_hot else temperature  # OpenAI's goes to 2
    if extra.get("top_p") is not None:
        body["top_p"] = extra["top_p"]
    stop = extra.get("stop")
    if stop:
        body["stop_sequences"] = [stop] if isinstance(stop, str) else stop
    tier = extra.get("service_tier")
    if tier in _TIERS:
        body["service_tier"] = tier


def _tools(body: dict[str, JsonValue], extra: Mapping[str, JsonValue]) -> None:
    tools = extra.get("tools")
    if isinstance(tools, Sequence) and not isinstance(tools, str) and tools:
        body["tools"] = [_tool(each, f"tools.{index}") for index, each in enumerate(tools)]
    choice = _tool_choice(extra.get("tool_choice"))
    parallel = extra.get("parallel_tool_calls")
    if isinstance(parallel, bool) and "tools" in body and (choice is None or choice["type"] != "none"):
        choice = {**(choice or {"type": "auto"}), "disable_parallel_tool_use": not parallel}
    if choice is not None:
        body["tool_choice"] = choice


def _tool(tool: JsonValue, path: str) -> JsonValue:
    if not isinstance(tool, Mapping):
        raise _refusal(path, "must be an object")
    function = tool.get("function")
    if tool.get("type") == "function" and isinstance(function, Mapping):
        made: dict[str, JsonValue] = {"name": function.get("name")}
        if function.get("description") is not None:
            made["description"] = function["description"]
        parameters = function.get("parameters")
        made["input_schema"] = parameters if parameters is not None else {"type": "object", "properties": {}}
        if isinstance(function.get("strict"), bool):
            made["strict"] = function["strict"]
        rest = {key: value for key, value in tool.items() if key not in {"type", "function", NATIVE}}
        return completed(made, {**rest, **native_of(tool)})
    if isinstance(tool.get("custom"), Mapping):
        raise _refusal(path, "Anthropic's models have no tools of free text; use a tool of type 'function'")
    return tool


def _tool_choice(choice: JsonValue) -> dict[str, JsonValue] | None:
    if choice is None:
        return None
    if isinstance(choice, str) and choice in _CHOICES:
        return {"type": _CHOICES[choice]}
    function = choice.get("function") if isinstance(choice, Mapping) else None
    if isinstance(function, Mapping) and isinstance(function.get("name"), str):
        return {"type": "tool", "name": function["name"]}
    raise _refusal("tool_choice", "must be 'auto', 'required', 'none' or the name of a function")


def _user_id(extra: Mapping[str, JsonValue]) -> str | None:
    metadata = extra.get("metadata")
    named = metadata.get("user_id") if isinstance(metadata, Mapping) else None
    for value in (named, extra.get("user")):
        if isinstance(value, str) and value:
            return value
    return None


def _format_of(extra: Mapping[str, JsonValue]) -> JsonValue:
    form = extra.get("response_format")
    return form.get("type") if isinstance(form, Mapping) else None


def _output(body: dict[str, JsonValue], extra: Mapping[str, JsonValue]) -> None:
    form = extra.get("response_format")
    if not isinstance(form, Mapping) or form.get("type") != "json_schema":
        return
    described = form.get("json_schema")
    schema = described.get("schema") if isinstance(described, Mapping) else None
    if not isinstance(schema, Mapping):
        raise _refusal("response_format.json_schema.schema", "must be an object")
    chosen = body.get("output_config")
    chosen = chosen if isinstance(chosen, Mapping) else {}
    body["output_config"] = {**chosen, "format": {"type": "json_schema", "schema": schema}}


def _refusal(field: str, message: str) -> InvalidRequest:
    return InvalidRequest(f"{field}: {message}", fields=(FieldError(field=field, message=message),))
