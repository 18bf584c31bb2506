"""OpenAI's legacy completions, asked of servers that have them: for prompts that go to a model as they are, and for filling in."""

from collections.abc import Mapping

from alcove.gateway.ollama_words import OLLAMA, Completion
from alcove.kernel.chat import ChatRequest, JsonValue
from alcove.kernel.errors import InvalidRequest

PATH = "/completions"
NOT_THERE = frozenset({404, 405, 501})
"""Statuses by which a server says that it has no such thing."""

_CHAT_ONLY = frozenset({"tools", "response_format", "reasoning_effort", "think", "logprobs", "top_logprobs", OLLAMA})


def completion_body(request: ChatRequest, completion: Completion, *, model: str) -> dict[str, JsonValue]:
    """Gives a request as the JSON object of `POST /v1/completions`.

    Raises:
        InvalidRequest: When it holds something that the protocol has no words for.
    """
    if completion.template:
        raise InvalidRequest(f'"{request.model}" does not support a template: its server uses the model\'s own')
    if completion.images:
        raise InvalidRequest(f'"{request.model}" does not support images in raw mode or with a suffix')
    if completion.system:
        raise InvalidRequest(
            f'"{request.model}" does not support system together with a suffix; put it into the prompt'
        )
    extra = {key: value for key, value in request.extra.items() if key not in _CHAT_ONLY}
    body: dict[str, JsonValue] = {**extra, "model": model, "prompt": completion.prompt}
    if completion.suffix is not None:
        body["suffix"] = completion.suffix
    return body


def unsupported(request: ChatRequest, completion: Completion) -> InvalidRequest:
    """Gives the refusal for a model whose server has no completions, in the words of Ollama."""
    if completion.suffix is not None:
        return InvalidRequest(f"{request.model} does not support insert")
    return InvalidRequest(f'"{request.model}" does not support raw mode: its server takes chats only')


def as_chat_chunk(chunk: JsonValue) -> JsonValue:
    """Gives a chunk of a completion in the form of a chat's."""
    if not isinstance(chunk, Mapping) or not isinstance(choices := chunk.get("choices"), list):
        return chunk
    return {**chunk, "choices": [_choice(each) for each in choices]}


def _choice(choice: JsonValue) -> JsonValue:
    if not isinstance(choice, Mapping):
        return choice
    rest = {key: value for key, value in choice.items() if key not in {"text", "logprobs"}}
    return {**rest, "delta": {"content": choice.get("text")}}
