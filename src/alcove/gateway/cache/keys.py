"""What makes two requests the same: a hash over everything that can change the answer, and over whose it is.

What is named here decides who gets whose answer, so everything counts unless it is known not to matter: fields that this
version has no name for are part of the hash, as is the end user that a client names (`user`).
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

import pydantic_core

from alcove.gateway.cache.models import SHARED
from alcove.gateway.calls import CachePolicy
from alcove.kernel.chat import ChatMessage, ChatRequest, ChatRole, ImagePart, JsonValue, OtherPart, TextPart
from alcove.kernel.principal import Principal

_VERSION = "1"  # of the hash and of what is kept; a new one forgets everything
_NO_MATTER = frozenset({"metadata", "prompt_cache_key"})  # of the request's fields: neither reaches the model's input
_MOVING = frozenset({"web_search_options", "background", "previous_response_id", "conversation", "store"})
_MAX_QUESTION = 600  # characters the packaged embedding surely reads whole (256 tokens)
_EXACT_WORDS = re.compile(
    r"[^\W\d_]*\d[\w.,:/-]*|\b(?:not|no|never|without|\w+n't|nicht|kein\w*|ohne|nie|pas|sans|non|sin)\b", re.IGNORECASE
)


@dataclass(frozen=True, kw_only=True, slots=True)
class ChatKey:
    """Under what an answer is kept.

    Attributes:
        exact: Hash over everything.
        neighbourhood: Hash over everything but the wording of the last question; empty where wording counts.
        question: The last question.
    """

    exact: str
    neighbourhood: str
    question: str


def scope_of(policy: CachePolicy, who: Principal) -> str:
    """Gives whose answers somebody may get: their own, unless the policy says that all are shared."""
    return SHARED if policy.is_shared else f"user:{who.user_id}"


def chat_key(request: ChatRequest, model_id: str, policy: CachePolicy, who: Principal) -> ChatKey:
    """Gives the key of a chat request."""
    request = replace(request, model=model_id)
    scope = scope_of(policy, who)
    question, rest = _split(request) if policy.mode == "semantic" else ("", None)
    neighbourhood = ""
    if rest is not None:
        # Questions that differ in a number or in a negation are different, however alike their embeddings are.
        exact_words = [word.lower() for word in _EXACT_WORDS.findall(question)]
        neighbourhood = _hash("near", scope, {**_fields(rest), "exact_words": exact_words})
    return ChatKey(exact=_hash("chat", scope, _fields(request)), neighbourhood=neighbourhood, question=question)


def text_key(text: str, model_id: str, policy: CachePolicy, who: Principal) -> str:
    """Gives the key of a text's embedding."""
    return _hash("embedding", scope_of(policy, who), {"model": model_id, "text": text})


def is_cacheable(request: ChatRequest, *, max_temperature: float) -> bool:
    """Tells whether the same request may be given the same answer.

    Not those that want chance (a high temperature), nor those whose answer depends on what is elsewhere at the moment: images
    behind an address, files, tools that the server runs, searches, conversations kept at the server.
    """
    extra = request.extra
    if not _MOVING.isdisjoint(key for key, value in extra.items() if value not in (None, False)):
        return False
    temperature = extra.get("temperature")
    if isinstance(temperature, int | float) and temperature > max_temperature:
        return False
    tools = extra.get("tools")
    if isinstance(tools, list) and any(
        not isinstance(each, Mapping) or each.get("type") not in {"function", "custom"} for each in tools
    ):
        return False
    return not any(
        isinstance(part, OtherPart) or (isinstance(part, ImagePart) and not part.url.startswith("data:"))
        for message in request.messages
        for part in message.content
    )


def _split(request: ChatRequest) -> tuple[str, ChatRequest | None]:
    """Gives the last question, and the request without it; None where the question's wording must be the same."""
    last = request.messages[-1]
    is_plain = last.role is ChatRole.USER and all(isinstance(part, TextPart) for part in last.content)
    question = last.text.strip()
    if not is_plain or not 0 < len(question) <= _MAX_QUESTION or request.extra.get("tools"):
        return "", None
    empty = replace(last, content=())
    return question, replace(request, messages=(*request.messages[:-1], empty))


def _fields(request: ChatRequest) -> dict[str, JsonValue]:
    return {
        "model": request.model,
        "messages": [_message(each) for each in request.messages],
        "sources": [[each.number, each.text, each.document_id] for each in request.sources],
        "collections": list(request.collections),
        "extra": {key: value for key, value in request.extra.items() if key not in _NO_MATTER},
    }


def _message(message: ChatMessage) -> JsonValue:
    return {
        "role": message.role.value,
        "content": [_part(part) for part in message.content],
        "tool_calls": [[each.id, each.name, each.arguments, each.extra] for each in message.tool_calls],
        "tool_call_id": message.tool_call_id,
        "name": message.name,
        "reasoning": message.reasoning,
        "extra": message.extra,
    }


def _part(part: TextPart | ImagePart | OtherPart) -> JsonValue:
    match part:
        case TextPart():
            return ["text", part.text, part.extra]
        case ImagePart():
            return ["image", part.url, part.detail, part.extra]
        case OtherPart():
            return ["other", part.data]


def _hash(kind: str, scope: str, fields: Mapping[str, JsonValue]) -> str:
    data = pydantic_core.to_json([_VERSION, kind, scope, _sorted(fields)], inf_nan_mode="constants")
    return hashlib.sha256(data).hexdigest()


def _sorted(value: JsonValue) -> JsonValue:
    """Gives JSON with the keys of objects in order, so that their order makes no difference."""
    if isinstance(value, Mapping):
        return {key: _sorted(value[key]) for key in sorted(value)}
    if isinstance(value, list | tuple):
        return [_sorted(each) for each in value]
    return value
