"""Differences between vendors, as data."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from alcove.infra.http import Url
from alcove.kernel.chat import JsonValue
from alcove.kernel.ports import ModelKind


@dataclass(frozen=True, kw_only=True, slots=True)
class Profile:
    """What is particular to a vendor of OpenAI's protocol.

    Attributes:
        provider: OpenTelemetry's `gen_ai.provider.name`, where it has one.
        label: What people read.
        prices: The vendor's id in `genai-prices`; None where calls cost nothing, or where no price is known.
        renamed: Fields of a chat request that have another name there.
    """

    provider: str
    label: str
    prices: str | None = None
    renamed: Mapping[str, str] = field(default_factory=dict)


FAKE = Profile(provider="fake", label="Fake models, for tests and demos")
OLLAMA = Profile(provider="ollama", label="Ollama")
_OTHER = Profile(provider="openai_compatible", label="OpenAI-compatible server")

_BY_HOST = {
    "api.openai.com": Profile(
        provider="openai",
        label="OpenAI",
        prices="openai",
        renamed={"max_tokens": "max_completion_tokens"},  # its newer models refuse the older name
    ),
    "openrouter.ai": Profile(provider="openrouter", label="OpenRouter", prices="openrouter"),
    "api.groq.com": Profile(provider="groq", label="Groq", prices="groq"),
    "api.deepseek.com": Profile(provider="deepseek", label="DeepSeek", prices="deepseek"),
    "api.mistral.ai": Profile(provider="mistral_ai", label="Mistral AI", prices="mistral"),
    "api.x.ai": Profile(provider="x_ai", label="xAI", prices="x-ai"),
    "api.perplexity.ai": Profile(provider="perplexity", label="Perplexity", prices="perplexity"),
    "api.together.xyz": Profile(provider="together", label="Together AI", prices="together"),
    "api.fireworks.ai": Profile(provider="fireworks", label="Fireworks", prices="fireworks"),
    "api.cerebras.ai": Profile(provider="cerebras", label="Cerebras", prices="cerebras"),
    "generativelanguage.googleapis.com": Profile(provider="gcp.gemini", label="Google Gemini", prices="google"),
    "api.cohere.com": Profile(provider="cohere", label="Cohere", prices="cohere"),
    "api.jina.ai": Profile(provider="jina", label="Jina AI"),
    "api.voyageai.com": Profile(provider="voyage", label="Voyage AI"),
    "api.anthropic.com": Profile(provider="anthropic", label="Anthropic", prices="anthropic"),
}

PRICE_LISTS = {profile.provider: profile.prices for profile in _BY_HOST.values() if profile.prices is not None}
"""Provider name to the vendor's id in `genai-prices`."""

_EMBEDDING = re.compile(r"embed|(^|[/:_-])(bge|gte|e5|minilm|jina-clip)([/:_.-]|$)|all-minilm", re.IGNORECASE)
_OTHER_KINDS: tuple[tuple[ModelKind, re.Pattern[str]], ...] = (
    ("rerank", re.compile(r"re-?rank", re.IGNORECASE)),
    ("moderation", re.compile(r"moderation|llama-guard|shieldgemma", re.IGNORECASE)),
    ("transcription", re.compile(r"whisper|transcri|parakeet|canary-\d", re.IGNORECASE)),
    ("speech", re.compile(r"(^|[/_:-])(tts|speech|kokoro|piper|bark|xtts)([/_.:-]|\d|$)", re.IGNORECASE)),
    (
        "image",
        re.compile(r"dall-e|(^|[/_:-])image([/_.:-]|\d|$)|stable-?diffusion|(^|[/_:-])(sdxl|sd3|flux)", re.IGNORECASE),
    ),
)
_UNSERVED = re.compile(r"sora|realtime|(^|[/_:-])(babbage|davinci)-", re.IGNORECASE)


_VENDORS = frozenset(profile.provider for profile in _BY_HOST.values())
_RENAMED = {profile.provider: profile.renamed for profile in _BY_HOST.values() if profile.renamed}


def takes_own_fields(provider: str) -> bool:
    """Tells whether a vendor's servers may be sent options that only Ollama has names for: some refuse what they do not know."""
    return provider not in _VENDORS


def rename(body: dict[str, JsonValue], provider: str) -> None:
    """Gives the fields of a chat request the names that a vendor has for them."""
    for name, there in _RENAMED.get(provider, {}).items():
        if name in body and there not in body:
            body[there] = body.pop(name)


def profile_of(url: Url) -> Profile:
    """Gives the profile of the server at an address."""
    return _BY_HOST.get(url.host, _OTHER)


def kind_of(model_id: str) -> ModelKind | None:
    """Guesses what a model does from its id, since OpenAI's list does not say; None when it is nothing that is served here.

    A guess decides how a model is listed, not what it may be asked: a chat model with an odd name still chats.
    """
    if _EMBEDDING.search(model_id) and "rerank" not in model_id.lower():
        return "embedding"
    if _UNSERVED.search(model_id):
        return None
    return next((kind for kind, pattern in _OTHER_KINDS if pattern.search(model_id)), "chat")
