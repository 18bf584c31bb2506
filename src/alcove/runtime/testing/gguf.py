"""Makes tiny GGUF models: random weights, a byte-level vocabulary, written in well under a second.

They load, stream, embed and follow schemas like any model; what they say has no sense. Real words at this size come from
stories260K, whose checkpoint `from_llama2c` turns into GGUF (format of the checkpoint: llama2.c's `run.c`, legacy version 0).
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

CHATML: Final = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""The chat template of the tiny models: ChatML, which has no form for tools."""

_ALIGNMENT = 32
_NORMAL, _UNKNOWN, _CONTROL, _BYTE = 1, 2, 3, 6  # llama.cpp's token types
_BLOCK, _Q8_0, _Q8_0_FILE = 32, 8, 7  # GGML's numbers of the tensor's type, and of the file's
_Q8_0_BLOCK = np.dtype([("step", "<f2"), ("numbers", "i1", (_BLOCK,))])
_LLAMA2C_HEADER = struct.Struct("<7i")
_LLAMA2C_BYTES_FROM = 3  # tokens 3 to 258 are the bytes

Array = npt.NDArray[Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class TinyShape:
    """How large a model is.

    Attributes:
        width: Numbers for each token.
        layers: Blocks.
        heads: Heads of attention.
        kv_heads: Of keys and values.
        hidden: Width inside a block's second half.
        context: Tokens of context.
        words: Of its vocabulary; 0 for those that are needed.
    """

    width: int = 64
    layers: int = 2
    heads: int = 4
    kv_heads: int = 2
    hidden: int = 128
    context: int = 4096
    words: int = 0


TINY: Final = TinyShape()
"""Some 100,000 weights."""

SLOW: Final = TinyShape(width=512, layers=8, heads=8, kv_heads=8, hidden=1408, context=8192)
"""Some 26 million: slow enough to be caught at work."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Blocks:
    """A quantised tensor, as its blocks.

    Attributes:
        type_number: GGML's number of its type.
        shape: Its lengths, the outermost first.
        data: The blocks.
    """

    type_number: int
    shape: tuple[int, ...]
    data: bytes


def gguf_bytes(metadata: Mapping[str, object], tensors: Mapping[str, Array | Blocks], *, version: int = 3) -> bytes:
    """Gives a GGUF file.

    Args:
        metadata: Values: texts, truth values, whole numbers (as unsigned 32 bits), other numbers (32 bits), lists of one of these
            (whole numbers as signed 32 bits).
        tensors: Arrays of 16 or 32 bit floats, or blocks, by name; the outermost dimension first as numpy has it.
        version: Of the format.
    """
    head = [b"GGUF", struct.pack("<IQQ", version, len(tensors), len(metadata))]
    for key, value in metadata.items():
        head += [_text(key), _value(value)]
    bodies: list[bytes] = []
    offset = 0
    for name, array in tensors.items():
        shape = array.shape[::-1]
        head.append(_text(name) + struct.pack(f"<I{len(shape)}Q", len(shape), *shape))
        data = array.data if isinstance(array, Blocks) else array.tobytes()
        head.append(struct.pack("<IQ", _type_number(array), offset))
        bodies.append(_padded(data))
        offset += len(bodies[-1])
    return b"".join([_padded(b"".join(head)), *bodies])


def q8_0(array: Array) -> Blocks:
    """Gives an array as GGML's Q8_0: blocks of 32 numbers as bytes, and of each the size of a step as a 16 bit float.

    Raises:
        ValueError: When its rows cannot be parted into blocks.
    """
    if array.shape[-1] % _BLOCK:
        msg = f"rows of {array.shape[-1]} numbers cannot be parted into blocks of {_BLOCK}"
        raise ValueError(msg)
    numbers = array.astype(np.float32).reshape(-1, _BLOCK)
    steps = np.abs(numbers).max(axis=1, keepdims=True) / 127
    blocks = np.empty(len(numbers), _Q8_0_BLOCK)
    blocks["step"] = steps[:, 0]
    blocks["numbers"] = np.rint(np.divide(numbers, steps, out=np.zeros_like(numbers), where=steps > 0))
    return Blocks(type_number=_Q8_0, shape=array.shape, data=blocks.tobytes())


def tiny_metadata(shape: TinyShape = TINY, *, is_embedder: bool = False, template: str = CHATML) -> dict[str, object]:
    """Gives the keys and values of a tiny model with a byte-level vocabulary."""
    tokens, merges = _byte_vocabulary()
    controls = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    tokens += [f"\u0120w{number}" for number in range(shape.words - len(tokens) - len(controls))]  # spoken, never read
    metadata: dict[str, object] = {
        **_llama_metadata(shape, "tiny embedder" if is_embedder else "tiny"),
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "gpt-2",
        "tokenizer.ggml.tokens": [*tokens, *controls],
        "tokenizer.ggml.token_type": [_NORMAL] * len(tokens) + [_CONTROL] * len(controls),
        "tokenizer.ggml.merges": merges,
        "tokenizer.ggml.bos_token_id": len(tokens),
        "tokenizer.ggml.eos_token_id": len(tokens) + 2,
        "tokenizer.ggml.add_bos_token": False,
    }
    if is_embedder:
        metadata["llama.pooling_type"] = 1  # the mean of all tokens
    elif template:
        metadata["tokenizer.chat_template"] = template
    return metadata


def tiny_tensors(shape: TinyShape = TINY, *, words: int, seed: int = 1) -> dict[str, Array]:
    """Gives random weights for a vocabulary of so many words."""
    random = np.random.default_rng(seed)

    def weights(*lengths: int) -> Array:
        return (random.standard_normal(lengths, dtype=np.float32) * 0.3).astype(np.float16)

    head = shape.width // shape.heads
    tensors: dict[str, Array] = {"token_embd.weight": weights(words, shape.width)}
    for layer in range(shape.layers):
        tensors |= {
            f"blk.{layer}.attn_norm.weight": np.ones(shape.width, np.float32),
            f"blk.{layer}.attn_q.weight": weights(shape.width, shape.width),
            f"blk.{layer}.attn_k.weight": weights(shape.kv_heads * head, shape.width),
            f"blk.{layer}.attn_v.weight": weights(shape.kv_heads * head, shape.width),
            f"blk.{layer}.attn_output.weight": weights(shape.width, shape.width),
            f"blk.{layer}.ffn_norm.weight": np.ones(shape.width, np.float32),
            f"blk.{layer}.ffn_gate.weight": weights(shape.hidden, shape.width),
            f"blk.{layer}.ffn_up.weight": weights(shape.hidden, shape.width),
            f"blk.{layer}.ffn_down.weight": weights(shape.width, shape.hidden),
        }
    return tensors | {
        "output_norm.weight": np.ones(shape.width, np.float32),
        "output.weight": weights(words, shape.width),
    }


def tiny_model(
    shape: TinyShape = TINY,
    *,
    is_embedder: bool = False,
    seed: int = 1,
    metadata: Mapping[str, object] | None = None,
    is_quantised: bool = False,
) -> bytes:
    """Gives a tiny model that chats, or one that embeds.

    Args:
        shape: How large it is.
        is_embedder: Whether it embeds rather than chats.
        seed: Of its random weights: another seed is another model.
        metadata: Values to put in place of its own; None takes one out.
        is_quantised: Whether its matrices are Q8_0 rather than F16.
    """
    values = tiny_metadata(shape, is_embedder=is_embedder)
    words = values["tokenizer.ggml.tokens"]
    made = tiny_tensors(shape, words=len(words) if isinstance(words, list) else 0, seed=seed)
    tensors: dict[str, Array | Blocks] = dict(made)
    if is_quantised:
        tensors |= {name: q8_0(array) for name, array in made.items() if array.ndim > 1}
        values["general.file_type"] = _Q8_0_FILE
    changed = {key: value for key, value in (values | dict(metadata or {})).items() if value is not None}
    return gguf_bytes(changed, tensors)


def tiny_adapter(shape: TinyShape = TINY, *, rank: int = 4, seed: int = 2) -> bytes:
    """Gives a LoRA adapter for a tiny model, strong enough to change what it says."""
    random = np.random.default_rng(seed)
    tensors: dict[str, Array | Blocks] = {}
    for layer in range(shape.layers):
        name = f"blk.{layer}.attn_q.weight"
        tensors[f"{name}.lora_a"] = random.standard_normal((rank, shape.width), dtype=np.float32)
        tensors[f"{name}.lora_b"] = random.standard_normal((shape.width, rank), dtype=np.float32)
    metadata: dict[str, object] = {
        "general.type": "adapter",
        "general.architecture": "llama",
        "adapter.type": "lora",
        "adapter.lora.alpha": 16.0,
    }
    return gguf_bytes(metadata, tensors)


def from_llama2c(checkpoint: Path, vocabulary: Path) -> bytes:
    """Gives a checkpoint of llama2.c (legacy format) with its vocabulary as a GGUF model.

    Raises:
        ValueError: When the files do not fit together.
    """
    raw = checkpoint.read_bytes()
    width, hidden, layers, heads, kv_heads, words, context = _LLAMA2C_HEADER.unpack_from(raw)
    is_shared, words = words > 0, abs(words)
    numbers = np.frombuffer(raw, np.float32, offset=_LLAMA2C_HEADER.size)
    place = 0

    def take(*lengths: int) -> Array:
        nonlocal place
        count = int(np.prod(lengths))
        if place + count > len(numbers):
            msg = "the checkpoint is cut"
            raise ValueError(msg)
        found = numbers[place : place + count].reshape(lengths)
        place += count
        return found

    head = width // heads
    parts = {
        "token_embd": take(words, width),
        "attn_norm": take(layers, width),
        "attn_q": take(layers, width, width),
        "attn_k": take(layers, kv_heads * head, width),
        "attn_v": take(layers, kv_heads * head, width),
        "attn_output": take(layers, width, width),
        "ffn_norm": take(layers, width),
        "ffn_gate": take(layers, hidden, width),
        "ffn_down": take(layers, width, hidden),
        "ffn_up": take(layers, hidden, width),
        "output_norm": take(width),
    }
    take(context, head // 2)  # cosines and sines, which llama.cpp computes itself
    take(context, head // 2)
    output = parts["token_embd"] if is_shared else take(words, width)
    tensors: dict[str, Array] = {
        "token_embd.weight": parts["token_embd"],
        "output_norm.weight": parts["output_norm"],
        "output.weight": output,
    }
    for layer in range(layers):
        for name, array in parts.items():
            if name not in {"token_embd", "output_norm"}:
                tensors[f"blk.{layer}.{name}.weight"] = np.ascontiguousarray(array[layer])
    shape = TinyShape(width=width, layers=layers, heads=heads, kv_heads=kv_heads, hidden=hidden, context=context)
    return gguf_bytes({**_llama_metadata(shape, "stories"), **_llama2c_vocabulary(vocabulary, words)}, tensors)


def _llama_metadata(shape: TinyShape, name: str) -> dict[str, object]:
    return {
        "general.architecture": "llama",
        "general.name": name,
        "general.type": "model",
        "llama.block_count": shape.layers,
        "llama.context_length": shape.context,
        "llama.embedding_length": shape.width,
        "llama.feed_forward_length": shape.hidden,
        "llama.attention.head_count": shape.heads,
        "llama.attention.head_count_kv": shape.kv_heads,
        "llama.attention.layer_norm_rms_epsilon": 1e-5,
        "llama.rope.dimension_count": shape.width // shape.heads,
    }


def _byte_vocabulary() -> tuple[list[str], list[str]]:
    """Gives GPT-2's letters for the 256 bytes, and a few words with the merges that make them."""
    plain = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [each for each in range(256) if each not in plain]
    letters = {each: chr(each) for each in plain} | {each: chr(256 + place) for place, each in enumerate(others)}
    space = letters[ord(" ")]
    merges = [(space, "t"), ("h", "e"), (f"{space}t", "he"), (space, "a"), ("i", "n"), ("e", "r"), ("o", "u")]
    tokens = [letters[each] for each in range(256)]
    return tokens + [left + right for left, right in merges], [f"{left} {right}" for left, right in merges]


def _llama2c_vocabulary(path: Path, words: int) -> dict[str, object]:
    raw = path.read_bytes()
    tokens: list[str] = []
    scores: list[float] = []
    types: list[int] = []
    place = 4
    for number in range(words):
        score, length = struct.unpack_from("<fi", raw, place)
        place += 8
        text = raw[place : place + length].decode()
        place += length
        if number < _LLAMA2C_BYTES_FROM:
            tokens.append(("<unk>", "<s>", "</s>")[number])
            types.append(_CONTROL if number else _UNKNOWN)
        elif number < _LLAMA2C_BYTES_FROM + 256:
            tokens.append(f"<0x{number - _LLAMA2C_BYTES_FROM:02X}>")
            types.append(_BYTE)
        else:
            tokens.append(text.replace(" ", "\u2581"))
            types.append(_NORMAL)
        scores.append(score)
    return {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.scores": scores,
        "tokenizer.ggml.token_type": types,
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.ggml.unknown_token_id": 0,
    }


def _type_number(array: Array | Blocks) -> int:
    if isinstance(array, Blocks):
        return array.type_number
    return 1 if array.dtype == np.float16 else 0


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % _ALIGNMENT)


def _text(value: str) -> bytes:
    raw = value.encode("utf-8", "surrogateescape")
    return struct.pack("<Q", len(raw)) + raw


def _value(value: object) -> bytes:
    if isinstance(value, list):
        return struct.pack("<I", 9) + _items(value)
    number, raw = _scalar(value, signed=False)
    return struct.pack("<I", number) + raw


def _items(values: Sequence[object]) -> bytes:
    made = [_scalar(each, signed=True) for each in values]
    return struct.pack("<IQ", made[0][0] if made else 8, len(made)) + b"".join(raw for _, raw in made)


def _scalar(value: object, *, signed: bool) -> tuple[int, bytes]:
    if isinstance(value, bool):
        return 7, struct.pack("<?", value)
    if isinstance(value, int):
        return (5, struct.pack("<i", value)) if signed else (4, struct.pack("<I", value))
    if isinstance(value, float):
        return 6, struct.pack("<f", value)
    return 8, _text(str(value))
