"""What only Anthropic's protocol has words for, on its way through a house that speaks OpenAI's.

A request that came in Anthropic's words is carried in the kernel's, like any other, so that every model can answer it. What has
no place there (`cache_control`, signatures, `top_k`, beta features) travels in the `extra` of the request, of a message, a part or
a tool under the one key `NATIVE`. The adapter for Anthropic's servers puts it back; towards all others `plain` takes it out.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from alcove.kernel.chat import (
    ChatMessage,
    ChatRequest,
    ChatRole,
    ContentPart,
    ImagePart,
    JsonValue,
    OtherPart,
    TextPart,
    ToolCall,
)
from alcove.kernel.errors import FieldError, InvalidRequest

NATIVE = "anthropic"
"""The key in `extra`."""

BETA = "anthropic_beta"
"""The key below it, in a request's, for the beta features the client asked for: a list of names."""

DOCUMENT = "document"
"""The key below it, in a text part's, for the document whose text the part is: its block, without that text."""

THINKING_BLOCKS = "thinking_blocks"
"""The key in a message's `extra` for thinking with its signature, which Anthropic wants back: a list of its blocks."""

_THINKING = frozenset({"thinking", "redacted_thinking"})
_BLOCKS_WITH_TEXT = frozenset({"document", "search_result"})
_OPENAI_PARTS = frozenset({"file", "input_audio", "refusal", "video_url"})


def native_of(extra: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
    """Gives what is under the key; nothing where there is none."""
    found = extra.get(NATIVE)
    return found if isinstance(found, Mapping) else {}


def completed(made: Mapping[str, JsonValue], more: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Gives what was made, with what else came along; nothing of what was made is replaced, since that is what was checked."""
    return {**made, **{key: value for key, value in more.items() if key not in made}}


def plain(request: ChatRequest) -> ChatRequest:
    """Gives a request without anything that only Anthropic's protocol has words for, as other servers may see it.

    Signed thinking and cache marks are left out, the text of documents stays, images that a tool returned follow in a message of
    the user's, since OpenAI's protocol has only text in answers of tools.

    Raises:
        InvalidRequest: When leaving something out would change what is asked, such as a tool that runs at Anthropic.
    """
    extra = {key: value for key, value in request.extra.items() if key != NATIVE}
    tools = extra.get("tools")
    if isinstance(tools, Sequence) and not isinstance(tools, str):
        extra["tools"] = [_tool(each, index) for index, each in enumerate(tools)]
    return replace(request, messages=tuple(_messages(request.messages)), extra=extra)


def _tool(tool: JsonValue, index: int) -> JsonValue:
    if not isinstance(tool, Mapping):
        return tool
    if tool.get("type") != "function":
        raise _refusal(
            f"tools.{index}", f"a tool of type {tool.get('type')!r} runs at Anthropic; this model's server has none"
        )
    return {key: value for key, value in tool.items() if key != NATIVE}


def _messages(messages: Sequence[ChatMessage]) -> Iterator[ChatMessage]:
    shown: list[ContentPart] = []
    for message in messages:
        parts = tuple(part for each in message.content if (part := _part(each)) is not None)
        extra = {key: value for key, value in message.extra.items() if key not in {NATIVE, THINKING_BLOCKS}}
        if message.role is ChatRole.TOOL:
            shown += [each for each in parts if not isinstance(each, TextPart)]
            parts = tuple(each for each in parts if isinstance(each, TextPart))
        elif shown:
            yield ChatMessage(role=ChatRole.USER, content=tuple(shown))
            shown = []
        yield replace(message, content=parts, extra=extra, tool_calls=tuple(map(_call, message.tool_calls)))
    if shown:
        yield ChatMessage(role=ChatRole.USER, content=tuple(shown))


def _call(call: ToolCall) -> ToolCall:
    if NATIVE not in call.extra:
        return call
    return replace(call, extra={key: value for key, value in call.extra.items() if key != NATIVE})


def _part(part: ContentPart) -> ContentPart | None:
    if isinstance(part, TextPart | ImagePart):
        if NATIVE not in part.extra:
            return part
        return replace(part, extra={key: value for key, value in part.extra.items() if key != NATIVE})
    kind = part.data.get("type")
    if kind in _THINKING:
        return None
    if kind in _BLOCKS_WITH_TEXT:
        text = "\n".join(_texts(part.data))
        if text:
            return TextPart(text=text)
    if kind in _OPENAI_PARTS:
        return OtherPart(data={key: value for key, value in part.data.items() if key != NATIVE})
    raise _refusal("messages", f"a block of type {kind!r} is understood by Anthropic's models only")


def _texts(block: Mapping[str, JsonValue]) -> Iterator[str]:
    """Gives the title and the text of a document or search result that brings its text along."""
    title = block.get("title")
    if isinstance(title, str) and title:
        yield title
    source, content = block.get("source"), block.get("content")
    if isinstance(source, Mapping):
        data = source.get("data")
        if source.get("type") == "text" and isinstance(data, str):
            yield data
        content = source.get("content")
    if isinstance(content, str):
        yield content
    elif isinstance(content, Sequence):
        for each in content:
            if isinstance(each, Mapping) and isinstance(text := each.get("text"), str):
                yield text


def _refusal(field: str, message: str) -> InvalidRequest:
    return InvalidRequest(f"{field}: {message}", fields=(FieldError(field=field, message=message),))
