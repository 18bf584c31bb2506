"""A short list of models worth knowing, with what they take: a file of this package, so that it needs no network.

Sizes are those of Ollama's registry, rounded memory those of a context of 4,096 tokens on processors.
"""

import json
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter

_FILE = Path(__file__).with_name("known_models.json")


class KnownModel(BaseModel):
    """A model worth knowing."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str
    """What to pull."""
    group: Literal["ultra-fast", "general", "code", "embedding"]
    purpose: Literal["chat", "embedding"]
    about: str
    """What it is good for."""
    parameters: str
    quantization: str
    size_bytes: int
    """What is fetched and kept on disk."""
    memory_bytes: int
    """What it takes when it is loaded, about."""


@cache
def known_models() -> tuple[KnownModel, ...]:
    """Gives the list."""
    return TypeAdapter(tuple[KnownModel, ...]).validate_python(json.loads(_FILE.read_text()))
