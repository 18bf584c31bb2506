"""What a call may come to, before it is made."""

from collections.abc import Iterable, Sequence

from alcove.kernel.chat import ChatRequest, Delta, ImagePart, TextPart

CHARACTERS_PER_TOKEN = 4
DEFAULT_OUTPUT_TOKENS = 4096
"""Held for an answer whose request sets no `max_tokens`."""

OUTPUT_BOUNDS = ("max_completion_tokens", "max_tokens")
"""Fields of a request that bound its answer."""

_IMAGE_TOKENS = 1_000
_MESSAGE_TOKENS = 4  # what a message costs beside its text
_MAX_OUTPUT_TOKENS = 10_000_000


def tokens_of(characters: int) -> int:
    """Gives the tokens that a text of so many characters has, about."""
    return -(-characters // CHARACTERS_PER_TOKEN)


def input_tokens_of(request: ChatRequest) -> int:
    """Gives the tokens of a request's messages and tools, about."""
    characters = tokens = 0
    for message in request.messages:
        tokens += _MESSAGE_TOKENS
        for part in message.content:
            if isinstance(part, TextPart):
                characters += len(part.text)
            elif isinstance(part, ImagePart):
                tokens += _IMAGE_TOKENS
            else:
                characters += len(str(part.data))
        for call in message.tool_calls:
            characters += len(call.name) + len(call.arguments)
    tools = request.extra.get("tools")
    if tools is not None:
        characters += len(str(tools))
    return tokens + tokens_of(characters)


def output_tokens_of(request: ChatRequest) -> int:
    """Gives the most tokens the answer may have: what the request says, for each of its choices, or a default."""
    extra = request.extra
    choices = extra.get("n", 1)
    if not isinstance(choices, int) or isinstance(choices, bool) or choices <= 0:
        choices = 1
    most = most_output_tokens([extra[name] for name in OUTPUT_BOUNDS if extra.get(name) is not None])
    return min(most * choices, _MAX_OUTPUT_TOKENS)


def most_output_tokens(bounds: Iterable[object]) -> int:
    """Gives the tokens to hold for an answer whose request bounds it like this.

    Servers differ in which field they heed, and in what they make of one that is no positive number. So the largest counts, and what
    bounds nothing counts as the default.

    Args:
        bounds: The values of those of `OUTPUT_BOUNDS` that the request has.
    """
    held = [
        each if isinstance(each, int) and not isinstance(each, bool) and each > 0 else DEFAULT_OUTPUT_TOKENS
        for each in bounds
    ]
    return min(max(held, default=DEFAULT_OUTPUT_TOKENS), _MAX_OUTPUT_TOKENS)


def text_tokens_of(texts: Sequence[str]) -> int:
    """Gives the tokens of texts, about."""
    return tokens_of(sum(map(len, texts)))


def characters_of(delta: Delta) -> int:
    """Gives how many characters of the answer are in a delta."""
    found = len(delta.content) + len(delta.reasoning)
    for call in delta.tool_calls:
        found += len(call.name or "") + len(call.arguments)
    return found
