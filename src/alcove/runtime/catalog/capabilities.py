"""What a model can do, told from the header of its weights and its prompt template."""

import re
from collections.abc import Mapping, Sequence

from alcove.kernel.chat import JsonValue
from alcove.runtime.models import Capability

_RANKS = 4  # LLAMA_POOLING_TYPE_RANK
_TOOLS = re.compile(r"\.Tools\b|\btools\b")
_SUFFIX = re.compile(r"\.Suffix\b|\bsuffix\b")
_THINKING = re.compile(r"\.Thinking\b|\.Think\b|\bthinking\b|\benable_thinking\b|\breasoning_content\b|<think>")
_FILL_TOKENS = ("tokenizer.ggml.fim_pre_token_id", "tokenizer.ggml.prefix_token_id")


def capabilities_of(
    metadata: Mapping[str, JsonValue], *, templates: Sequence[str] = (), has_projector: bool = False
) -> frozenset[Capability]:
    """Gives what a model can do.

    A model with a pooling embeds texts, or ranks them; every other one completes. Tools, thinking and insertion are told by the
    variables of its templates: those of Ollama (`.Tools`) and those of Jinja (`tools`).

    Args:
        metadata: Of its GGUF file.
        templates: Its prompt templates; empty ones count for nothing.
        has_projector: Whether it has a file that turns images into embeddings.
    """
    architecture = metadata.get("general.architecture")
    pooling = metadata.get(f"{architecture}.pooling_type")
    if isinstance(pooling, int) and pooling > 0:
        return frozenset({Capability.RERANK if pooling == _RANKS else Capability.EMBEDDING})
    found = {Capability.COMPLETION}
    if any(_TOOLS.search(each) for each in templates):
        found.add(Capability.TOOLS)
    if any(_THINKING.search(each) for each in templates):
        found.add(Capability.THINKING)
    has_fill = any(isinstance(metadata.get(key), int) for key in _FILL_TOKENS)
    if has_fill or any(_SUFFIX.search(each) for each in templates):
        found.add(Capability.INSERT)
    if has_projector or f"{architecture}.vision.block_count" in metadata:
        found.add(Capability.VISION)
    return frozenset(found)
