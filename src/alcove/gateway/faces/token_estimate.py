"""How many tokens a request has, where nobody can count them exactly: an estimate.

Every model cuts text in its own way, and most servers have no way to ask. English text, code and JSON come to about four characters
a token with the tokenizers of today's models; scripts of Asia to about one. What is given is an order of magnitude, good for
choosing what still fits and for reserving a budget; it may be off by a quarter.
"""

import math
from collections.abc import Mapping, Sequence

import pydantic_core

from alcove.kernel.chat import ChatMessage, ChatRequest, ImagePart, JsonValue, TextPart

_CHARACTERS_A_TOKEN = 4
_MESSAGE_TOKENS = 4  # the marks around a message
_IMAGE_TOKENS = 1600  # what Anthropic says its largest image comes to
_BYTES_A_TOKEN_OF_FILES = 64  # a page of PDF: some 100 kB, 1,500 to 3,000 tokens


def estimated_tokens(request: ChatRequest) -> int:
    """Gives about how many tokens the input of a request has: its messages, tools and the form of its answer."""
    total = sum(_message(each) for each in request.messages)
    for key in ("tools", "response_format"):
        value = request.extra.get(key)
        if value is not None:
            total += _text(pydantic_core.to_json(value).decode())
    return max(1, total)


def _message(message: ChatMessage) -> int:
    total = _MESSAGE_TOKENS + _text(message.reasoning or "")
    for part in message.content:
        if isinstance(part, TextPart):
            total += _text(part.text)
        elif isinstance(part, ImagePart):
            total += _IMAGE_TOKENS
        else:
            total += _other(part.data)
    for call in message.tool_calls:
        total += _text(call.name) + _text(call.arguments) + _MESSAGE_TOKENS
    return total


def _other(value: JsonValue) -> int:
    if isinstance(value, str):
        return math.ceil(len(value) / _BYTES_A_TOKEN_OF_FILES) if value.startswith("data:") else _text(value)
    if isinstance(value, Mapping):
        return sum(_other(each) for each in value.values())
    if isinstance(value, Sequence):
        return sum(_other(each) for each in value)
    return 0


def _text(text: str) -> int:
    """Counts letters of scripts that have no spaces as a token each."""
    if text.isascii():
        return math.ceil(len(text) / _CHARACTERS_A_TOKEN)
    wide = sum(letter >= "\u2e80" for letter in text)
    return wide + math.ceil((len(text) - wide) / _CHARACTERS_A_TOKEN)
