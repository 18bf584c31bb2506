"""What a request asks of a local model: how it is loaded and how long it stays, and what llama.cpp's server is sent.

Options may stand in a request under Ollama's names, as plain fields or in `options`, also through `/v1`. llama.cpp would take much more than
is meant for clients (slots, adapters, paths), so only what is named here is sent on.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NoReturn

from alcove.gateway.ollama_words import LOAD_OPTIONS
from alcove.gateway.openai_request import chat_body
from alcove.kernel.chat import ChatMessage, ChatRequest, ChatRole, JsonValue
from alcove.kernel.errors import FieldError, InvalidRequest
from alcove.runtime.keep_alive import keep_alive_s
from alcove.runtime.models import InstalledModel, LeaseRequest, LoadOptions, Purpose

_SENT = frozenset(
    {
        "temperature", "top_p", "top_k", "min_p", "typical_p", "top_n_sigma", "xtc_probability", "xtc_threshold",
        "dynatemp_range", "dynatemp_exponent", "repeat_penalty", "repeat_last_n", "presence_penalty", "frequency_penalty",
        "dry_multiplier", "dry_base", "dry_allowed_length", "dry_penalty_last_n", "mirostat", "mirostat_tau", "mirostat_eta",
        "seed", "stop", "max_tokens", "max_completion_tokens", "ignore_eos", "n_keep", "logit_bias", "logprobs", "top_logprobs",
        "response_format", "json_schema", "grammar", "tools", "tool_choice", "parallel_tool_calls",
        "chat_template_kwargs", "reasoning_format",
    }
)  # fmt: skip
_RENAMED = {"num_predict": "max_tokens", "num_keep": "n_keep"}
_FLAGS = frozenset({"use_mmap"})
_LOADS = frozenset(LoadOptions.__dataclass_fields__) & LOAD_OPTIONS
_NO_EFFORT = frozenset({"none", "minimal"})


@dataclass(frozen=True, kw_only=True, slots=True)
class LocalAsk:
    """A request's fields, sorted.

    Attributes:
        options: How the model is to be loaded.
        keep_alive_s: How long it stays; None where the request does not say.
        fields: What the server is sent beside the messages.
    """

    options: LoadOptions
    keep_alive_s: float | None
    fields: Mapping[str, JsonValue]

    @classmethod
    def of(cls, extra: Mapping[str, JsonValue]) -> "LocalAsk":
        """Sorts the fields of a request.

        Raises:
            InvalidRequest: When one that decides about loading cannot be understood.
        """
        given = extra.get("options")
        every = {**(given if isinstance(given, Mapping) else {}), **{k: v for k, v in extra.items() if k != "options"}}
        fields: dict[str, JsonValue] = {}
        for name, value in every.items():
            there = _RENAMED.get(name, name)
            if there in _SENT and value is not None and (there == name or there not in every):
                fields[there] = value
        return cls(
            options=load_options(every),
            keep_alive_s=keep_alive_s(every.get("keep_alive")),
            fields=fields | _thinking(every),
        )

    def lease(self, model: str, user_id: str, purpose: Purpose | None = None) -> LeaseRequest:
        """Gives what is asked of the scheduler."""
        return LeaseRequest(
            model=model, user_id=user_id, options=self.options, keep_alive_s=self.keep_alive_s, purpose=purpose
        )


def load_options(fields: Mapping[str, JsonValue]) -> LoadOptions:
    """Gives how a model is to be loaded.

    Raises:
        InvalidRequest: When a value is of the wrong kind.
    """
    found: dict[str, int | bool] = {}
    for name in _LOADS:
        value = fields.get(name)
        if value is None:
            continue
        if name in _FLAGS:
            if not isinstance(value, bool):
                _refuse(name, "must be true or false")
            found[name] = value
        else:
            if isinstance(value, float) and value.is_integer():
                value = int(value)
            if isinstance(value, bool) or not isinstance(value, int) or not -1 <= value < 1 << 31:
                _refuse(name, "must be a whole number")
            if value > 0 or name in {"main_gpu", "num_gpu"}:
                found[name] = value
            elif name == "num_ctx":
                _refuse(name, "must be 1 or more")
    gpu = found.get("num_gpu")
    if gpu is not None and gpu < 0:
        del found["num_gpu"]
    return LoadOptions(**found)  # type: ignore[arg-type]  # the kinds were checked by name


def local_body(request: ChatRequest, ask: LocalAsk, model: InstalledModel) -> dict[str, JsonValue]:
    """Gives the body for llama.cpp's server: with the model's own prompt, messages and options where the request has none.

    Raises:
        InvalidRequest: When the request holds what only another protocol has words for.
    """
    body = chat_body(replace(request, messages=_with_own(request.messages, model), extra={}), model=model.name)
    own = LocalAsk.of(
        {key: value for key, value in model.parameters.items() if key not in _LOADS and key != "keep_alive"}
    )
    fields = {**own.fields, **ask.fields}
    if "max_completion_tokens" in fields:
        fields["max_tokens"] = fields.pop("max_completion_tokens")
    limit = fields.get("max_tokens")
    if isinstance(limit, int) and limit < 0:
        del fields["max_tokens"]  # Ollama's word for no bound
    return {**fields, **body}


def _with_own(messages: tuple[ChatMessage, ...], model: InstalledModel) -> tuple[ChatMessage, ...]:
    own = tuple(
        ChatMessage.of(ChatRole(str(each["role"])), str(each["content"]))
        for each in model.messages
        if each.get("role") in set(ChatRole) and isinstance(each.get("content"), str)
    )
    is_instructed = any(each.role in {ChatRole.SYSTEM, ChatRole.DEVELOPER} for each in (*own, *messages))
    if model.system and not is_instructed:
        return (ChatMessage.of(ChatRole.SYSTEM, model.system), *own, *messages)
    if own and messages and messages[0].role is ChatRole.SYSTEM:
        return (messages[0], *(each for each in own if each.role is not ChatRole.SYSTEM), *messages[1:])
    return (*own, *messages)


def _thinking(fields: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Gives whether the model is to think, in the words of the templates of those that can choose."""
    think, effort = fields.get("think"), fields.get("reasoning_effort")
    given = fields.get("chat_template_kwargs")
    words: dict[str, JsonValue] = {}
    if isinstance(effort, str):
        words["reasoning_effort"] = effort
        words["enable_thinking"] = effort not in _NO_EFFORT
    if isinstance(think, bool):
        words["enable_thinking"] = think
    elif isinstance(think, str):
        words |= {"reasoning_effort": think, "enable_thinking": True}
    if not words:
        return {}
    return {"chat_template_kwargs": {**words, **(given if isinstance(given, Mapping) else {})}}


def _refuse(name: str, rule: str) -> NoReturn:
    raise InvalidRequest(f"{name}: {rule}.", fields=(FieldError(field=name, message=rule),))
