"""OpenAI's legacy completions request, read: the prompt becomes the one message of a chat."""

from dataclasses import dataclass

from alcove.gateway.fields import (
    Fields,
    collections,
    maybe_count,
    maybe_flag,
    maybe_object,
    model_id,
    one_answer,
    refuse,
    without,
)
from alcove.kernel.chat import ChatMessage, ChatRequest, ChatRole, JsonValue

_READ = (
    "model", "messages", "prompt", "stream", "stream_options", "suffix", "echo", "n", "best_of", "logprobs", "collections",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class CompletionCall:
    """A request with what only concerns the form of its answer.

    Attributes:
        request: What is asked.
        wants_usage: Whether a streamed answer is to end with a chunk of token counts.
    """

    request: ChatRequest
    wants_usage: bool


def completion_call(data: Fields) -> CompletionCall:
    """Reads the body of `POST /v1/completions`.

    Raises:
        InvalidRequest: When it cannot be understood, or asks for what chat models do not do; names the field.
    """
    model = model_id(data)
    if maybe_flag(data, "echo"):
        refuse("echo", "chat models do not repeat their prompt; put it before the answer yourself")
    if data.get("suffix"):
        refuse("suffix", "chat models do not fill in text before a suffix; say in the prompt what is to follow")
    one_answer(data, "n", "best_of")
    is_streaming = maybe_flag(data, "stream") is True
    options = maybe_object(data, "stream_options")
    if options is not None and not is_streaming:
        refuse("stream_options", "is only allowed when `stream` is true")
    wants_usage = options is not None and maybe_flag(options, "include_usage", "stream_options") is True
    extra = without(data, *_READ)
    logprobs = maybe_count(data, "logprobs")
    if logprobs is not None:
        extra |= {"logprobs": True, "top_logprobs": logprobs}
    request = ChatRequest(
        model=model,
        messages=(ChatMessage.of(ChatRole.USER, _prompt(data.get("prompt"))),),
        is_streaming=is_streaming,
        collections=collections(data),
        extra=extra,
    )
    return CompletionCall(request, wants_usage)


def _prompt(value: JsonValue) -> str:
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, list) and value and all(isinstance(each, str) for each in value):
        refuse("prompt", "only one prompt per request is supported here; send a request for each")
    if not isinstance(value, str) or not value:
        refuse(
            "prompt", "must be a text; lists of tokens are not supported, since they mean something else to every model"
        )
    return value
