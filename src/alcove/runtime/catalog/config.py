"""The configuration layer of models that are put together here, as Ollama writes it."""

import json
from collections.abc import Sequence

from alcove.kernel.chat import JsonValue
from alcove.runtime.catalog.figures import parameter_size, quantization
from alcove.runtime.gguf import GgufHeader


def config_of(header: GgufHeader, digests: Sequence[str]) -> bytes:
    """Gives the configuration of a model.

    Args:
        header: Of its weights.
        digests: Of its layers.
    """
    parameters = sum(each.items for each in header.tensors)
    made: dict[str, JsonValue] = {
        "model_format": "gguf",
        "model_family": header.architecture,
        "model_families": [header.architecture],
        "model_type": parameter_size(parameters),
        "file_type": quantization(header.metadata.get("general.file_type")),
        "architecture": "amd64",
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": list(digests)},
    }
    return json.dumps(made, separators=(",", ":")).encode()
