"""What a request asks of a local model: how it is loaded and how long it stays, and what llama.cpp's server is sent.

Options may stand in a request under Ollama's names, as plain fields or in `options`, also through `/v1`. llama.cpp would take much more than
is meant for clients (slots, adapters, paths), so only what is named here is sent on; and it takes any number as it comes (a
`repeat_last_n` is a buffer of that length), so each is held to its bounds here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NoReturn

from alcove.gateway.ollama_words import LOAD_OPTIONS
from alcove.gateway.openai_request import chat_body
from alcove.kernel.chat import ChatMessage, ChatRequest, ChatRole, JsonValue
from alcove.kernel.errors import FieldError, InvalidRequest
from alcove.runtime.errors import BadModelFile
from alcove.runtime.keep_alive import keep_alive_s
from alcove.runtime.models import InstalledModel, LeaseRequest, LoadOptions, Purpose

_MOST = (1 << 31) - 1
_MOST_LOOKED_BACK = 1 << 20  # tokens; the engine makes room for as many, whatever the context
_MOST_BIASES = 1024
_MOST_BIAS = 100
_MAX_SHOWN = 60

_INTEGERS: Mapping[str, tuple[int, int]] = {
    "top_k": (-1, _MOST),
    "repeat_last_n": (-1, _MOST_LOOKED_BACK),
    "dry_allowed_length": (0, _MOST_LOOKED_BACK),
    "dry_penalty_last_n": (-1, _MOST_LOOKED_BACK),
    "mirostat": (0, 2),
    "seed": (-(1 << 63), (1 << 63) - 1),
    "max_tokens": (-2, _MOST),
    "max_completion_tokens": (-2, _MOST),
    "n_keep": (-1, _MOST),
    "top_logprobs": (0, 20),
}
"""Whole numbers that are sent, and their bounds."""

_NUMBERS: Mapping[str, tuple[float, float]] = {
    "temperature": (0, 100),
    "top_p": (0, 1),
    "min_p": (0, 1),
    "typical_p": (0, 1),
    "top_n_sigma": (-1, 100),
    "xtc_probability": (0, 1),
    "xtc_threshold": (0, 1),
    "dynatemp_range": (0, 100),
    "dynatemp_exponent": (0, 100),
    "repeat_penalty": (0.01, 100),  # what is likely is divided by it
    "presence_penalty": (-100, 100),
    "frequency_penalty": (-100, 100),
    "dry_multiplier": (0, 100),
    "dry_base": (0, 100),
    "mirostat_tau": (0, 100),
    "mirostat_eta": (0, 100),
}
"""Numbers that are sent, and their bounds."""

_SENT = (
    _INTEGERS.keys()
    | _NUMBERS.keys()
    | {
        "stop", "ignore_eos", "logit_bias", "logprobs", "response_format", "json_schema", "grammar",
        "tools", "tool_choice", "parallel_tool_calls", "chat_template_kwargs", "reasoning_format",
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
            InvalidRequest: When one that decides about loading cannot be understood, or a number is out of its bounds.
        """
        given = extra.get("options")
        every = {**(given if isinstance(given, Mapping) else {}), **{k: v for k, v in extra.items() if k != "options"}}
        fields: dict[str, JsonValue] = {}
        for name, value in every.items():
            there = _RENAMED.get(name, name)
            if there in _SENT and value is not None and (there == name or there not in every):
                fields[there] = _checked(name, there, value)
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
        BadModelFile: When an option of the model's own is out of its bounds.
    """
    body = chat_body(replace(request, messages=_with_own(request.messages, model), extra={}), model=model.name)
    fields = {**_own_fields(model), **ask.fields}
    if "max_completion_tokens" in fields:
        fields["max_tokens"] = fields.pop("max_completion_tokens")
    limit = fields.get("max_tokens")
    if isinstance(limit, int) and limit < 0:
        del fields["max_tokens"]  # Ollama's word for no bound
    return {**fields, **body}


def _own_fields(model: InstalledModel) -> Mapping[str, JsonValue]:
    given = {key: value for key, value in model.parameters.items() if key not in _LOADS and key != "keep_alive"}
    try:
        return LocalAsk.of(given).fields
    except InvalidRequest as error:
        msg = f"An option that {model.name!r} comes with cannot be used: {error.detail} Create the model anew with another value."
        raise BadModelFile(msg) from error


def _checked(name: str, there: str, value: JsonValue) -> JsonValue:
    """Gives a value as it is sent, if it may be.

    Args:
        name: Its name in the request.
        there: Its name at the server.
        value: The value.
    """
    if there in _INTEGERS:
        return _whole(name, value, *_INTEGERS[there])
    if there in _NUMBERS:
        low, high = _NUMBERS[there]
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            _refuse(name, f"must be a number from {low} to {high}, not {_shown(value)}")
    elif there in {"ignore_eos", "parallel_tool_calls"}:
        if not isinstance(value, bool):
            _refuse(name, f"must be true or false, not {_shown(value)}")
    elif there == "logprobs":
        return value if isinstance(value, bool) else _whole(name, value, *_INTEGERS["top_logprobs"])
    elif there == "logit_bias":
        _check_biases(name, value)
    return value


def _whole(name: str, value: JsonValue, low: int, high: int) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        _refuse(name, f"must be a whole number from {low} to {high}, not {_shown(value)}")
    return value


def _check_biases(name: str, value: JsonValue) -> None:
    """Refuses what is neither an object of tokens and numbers nor a list of pairs; false stands for never."""
    pairs: Sequence[JsonValue] | None = None
    if isinstance(value, Mapping):
        pairs = [[token, bias] for token, bias in value.items()]
    elif isinstance(value, list):
        pairs = value
    if pairs is None or len(pairs) > _MOST_BIASES:
        _refuse(name, f"must be an object of at most {_MOST_BIASES} tokens, each with its number")
    for pair in pairs:
        if not isinstance(pair, list) or len(pair) != 2 or not _is_token(pair[0]):  # noqa: PLR2004  a pair
            _refuse(name, f"must have a number for each token, not {_shown(pair)}")
        bias = pair[1]
        is_number = isinstance(bias, int | float) and not isinstance(bias, bool) and -_MOST_BIAS <= bias <= _MOST_BIAS
        if bias is not False and not is_number:
            _refuse(name, f"must have numbers from {-_MOST_BIAS} to {_MOST_BIAS}, not {_shown(bias)}")


def _is_token(value: JsonValue) -> bool:
    return isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST)


def _shown(value: JsonValue) -> str:
    if isinstance(value, int) and abs(value) > 1 << 64:
        return "one of many digits"
    shown = repr(value)
    return shown if len(shown) <= _MAX_SHOWN else f"{shown[:_MAX_SHOWN]}…"


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
