"""Reads the header of a GGUF file, and refuses what would abort the engine.

llama.cpp answers most damage with an error, but a few kinds end its process by an assertion (`block_count` over its bound,
`context_length` 0, a token twice in the vocabulary). So every file is read here first: all counts, lengths, types and offsets are
held against the file's size, and what cannot be is refused with its name and place. Reading goes through `pread`, not a mapping:
a file that is cut while it is read then gives an error instead of a signal.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md (versions 2 and 3, little-endian).
"""

import math
import os
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from alcove.kernel.chat import JsonValue
from alcove.runtime.errors import BadModelFile
from alcove.runtime.models import ModelShape

KEPT_ITEMS: Final = 1024
"""Arrays of more items than this are left out of `metadata` unless asked for."""

_MAX_VALUES = 1 << 16
_MAX_TENSORS = 1 << 16
_MAX_HEADER_BYTES = 1 << 28  # the largest vocabularies of today take some 30 MB
_MAX_TEXTS = 1 << 21  # in one array; the largest vocabularies have some 300,000 tokens and 600,000 merges
_MAX_KEPT_ITEMS = 1 << 22  # of all arrays that are kept: in Python an item takes tens of times its bytes in the file
_MAX_KEY_BYTES = 1 << 16  # as the format says
_MAX_STRING_BYTES = 1 << 24
_MAX_NAME_BYTES = 63  # GGML_MAX_NAME is 64, with the closing zero
_MAX_DIMENSIONS = 4  # GGML_MAX_DIMS
_MAX_ALIGNMENT = 1 << 20
_MAX_LAYERS = 512  # LLAMA_MAX_LAYERS: more than these abort the process
_MAX_CONTEXT = 1 << 30
_MAX_WIDTH = 1 << 20
_MAX_HEADS = 1 << 12
_MAX_EXPERTS = 1024
_VERSIONS = (2, 3)
_WINDOW_BYTES = 1 << 20
_KV_BYTES = 2  # keys and values are kept as F16
_REPACKED_ROWS = 8

_UINT8, _INT8, _UINT16, _INT16, _UINT32, _INT32, _FLOAT32, _BOOL, _STRING, _ARRAY, _UINT64, _INT64, _FLOAT64 = range(13)
_SCALARS: Final[Mapping[int, struct.Struct]] = {
    _UINT8: struct.Struct("<B"),
    _INT8: struct.Struct("<b"),
    _UINT16: struct.Struct("<H"),
    _INT16: struct.Struct("<h"),
    _UINT32: struct.Struct("<I"),
    _INT32: struct.Struct("<i"),
    _FLOAT32: struct.Struct("<f"),
    _BOOL: struct.Struct("<B"),
    _UINT64: struct.Struct("<Q"),
    _INT64: struct.Struct("<q"),
    _FLOAT64: struct.Struct("<d"),
}
_U32 = _SCALARS[_UINT32]
_U64 = _SCALARS[_UINT64]

TENSOR_TYPES: Final[Mapping[int, tuple[str, int, int]]] = {
    0: ("F32", 1, 4),
    1: ("F16", 1, 2),
    2: ("Q4_0", 32, 18),
    3: ("Q4_1", 32, 20),
    6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24),
    8: ("Q8_0", 32, 34),
    9: ("Q8_1", 32, 36),
    10: ("Q2_K", 256, 84),
    11: ("Q3_K", 256, 110),
    12: ("Q4_K", 256, 144),
    13: ("Q5_K", 256, 176),
    14: ("Q6_K", 256, 210),
    15: ("Q8_K", 256, 292),
    16: ("IQ2_XXS", 256, 66),
    17: ("IQ2_XS", 256, 74),
    18: ("IQ3_XXS", 256, 98),
    19: ("IQ1_S", 256, 50),
    20: ("IQ4_NL", 32, 18),
    21: ("IQ3_S", 256, 110),
    22: ("IQ2_S", 256, 82),
    23: ("IQ4_XS", 256, 136),
    24: ("I8", 1, 1),
    25: ("I16", 1, 2),
    26: ("I32", 1, 4),
    27: ("I64", 1, 8),
    28: ("F64", 1, 8),
    29: ("IQ1_M", 256, 56),
    30: ("BF16", 1, 2),
    34: ("TQ1_0", 256, 54),
    35: ("TQ2_0", 256, 66),
    39: ("MXFP4", 32, 17),
    40: ("NVFP4", 64, 36),
    41: ("Q1_0", 128, 18),
}
"""Name, items and bytes of a block, by number (ggml.h and ggml-common.h of llama.cpp)."""

_REPACKED: Final = frozenset({"Q4_0", "Q4_K", "IQ4_NL"})  # ggml-cpu/repack.cpp, the choice for AVX2
_TOKENS = "tokenizer.ggml.tokens"
_BESIDE_TOKENS: Final[Mapping[str, frozenset[int]]] = {
    "tokenizer.ggml.scores": frozenset({_FLOAT32}),
    "tokenizer.ggml.token_type": frozenset({_INT32, _UINT32}),
}
"""Arrays the engine reads at the place of each token, and the type it takes their items for without a look."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tensor:
    """One tensor of the file.

    Attributes:
        name: Such as `blk.0.attn_q.weight`.
        type: Such as `Q4_0`.
        shape: Its lengths, the innermost first, as the file has them.
        offset: Its first byte, counted from the start of the tensors.
        size_bytes: Its bytes.
    """

    name: str
    type: str
    shape: tuple[int, ...]
    offset: int
    size_bytes: int

    @property
    def items(self) -> int:
        """How many numbers it has."""
        return math.prod(self.shape)


@dataclass(frozen=True, kw_only=True, slots=True)
class GgufHeader:
    """What stands before the weights.

    Attributes:
        version: Of the format.
        metadata: Keys and values; arrays of more than `KEPT_ITEMS` items are left out unless asked for, numbers that are not
            finite are None.
        array_lengths: Items of every array, by its key.
        tensors: The tensors, in the file's order.
        size_bytes: Size of the file.
        data_offset: Where the tensors start.
    """

    version: int
    metadata: Mapping[str, JsonValue]
    array_lengths: Mapping[str, int]
    tensors: tuple[Tensor, ...]
    size_bytes: int
    data_offset: int

    @property
    def architecture(self) -> str:
        """The model's architecture, such as `llama`; `clip` for a projector."""
        return str(self.metadata.get("general.architecture", ""))

    @property
    def is_model(self) -> bool:
        """Whether it is a language or embedding model, rather than a projector or an adapter."""
        return self.metadata.get("general.type", "model") == "model" and self.architecture != "clip"

    def integer(self, key: str, default: int = 0) -> int:
        """Gives a whole number of the architecture (`context_length` of `llama.context_length`).

        Raises:
            BadModelFile: When the value is of another kind.
        """
        name = f"{self.architecture}.{key}"
        value = self.metadata.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int):
            msg = f"The model's file is damaged: {name} is not a whole number."
            raise BadModelFile(msg)
        return value

    def per_layer(self, key: str, layers: int, default: int) -> tuple[int, ...]:
        """Gives a number for each layer, where the file has one for all or one for each.

        Raises:
            BadModelFile: When they are not whole numbers, or not one for each layer.
        """
        name = f"{self.architecture}.{key}"
        value = self.metadata.get(name, default)
        values = value if isinstance(value, list) else [value] * layers
        if len(values) < layers:
            msg = f"The model's file is damaged: {name} has {len(values)} values for {layers} layers."
            raise BadModelFile(msg)
        found = tuple(each for each in values[:layers] if isinstance(each, int) and not isinstance(each, bool))
        if len(found) != layers or not all(0 <= each <= _MAX_WIDTH for each in found):
            msg = f"The model's file is damaged: {name} is not a sensible number."
            raise BadModelFile(msg)
        return found

    def shape(self) -> ModelShape:
        """Gives what memory is predicted from.

        Keys and values take, for each token and layer, `head_count_kv` heads of `key_length` and `value_length` numbers of two bytes
        (llama.cpp, `llama_kv_cache`); both lengths are the width through the heads where the file does not say. Of the weights,
        llama.cpp copies on processors what it can lay out anew: matrices of Q4_0, Q4_K and IQ4_NL with rows in eights
        (`ggml-cpu/repack.cpp`), and not the token embedding, which is looked up by row.
        """
        layers = self.integer("block_count")
        width = self.integer("embedding_length")
        heads = self.per_layer("attention.head_count", layers, 0)
        kv_heads = heads if "attention.head_count_kv" not in self._own_keys() else self._kv_heads(layers)
        most = max(heads, default=0) or 1
        key_length = self.integer("attention.key_length", width // most)
        value_length = self.integer("attention.value_length", width // most)
        return ModelShape(
            architecture=self.architecture,
            parameters=sum(each.items for each in self.tensors),
            layers=layers,
            context_length=self.integer("context_length"),
            embedding_length=width,
            kv_bytes_per_token=_KV_BYTES * sum(kv_heads) * (key_length + value_length),
            weights_bytes=sum(each.size_bytes for each in self.tensors),
            repacked_bytes=sum(each.size_bytes for each in self.tensors if _is_repacked(each)),
        )

    def _kv_heads(self, layers: int) -> tuple[int, ...]:
        return self.per_layer("attention.head_count_kv", layers, 0)

    def _own_keys(self) -> frozenset[str]:
        prefix = f"{self.architecture}."
        return frozenset(each.removeprefix(prefix) for each in self.metadata if each.startswith(prefix))


def read_header(path: Path, *, with_arrays: bool = False) -> GgufHeader:
    """Reads and checks the header of a GGUF file. Blocks: some tenths of a second for the largest vocabularies.

    Args:
        path: The file.
        with_arrays: Whether to keep arrays of more than `KEPT_ITEMS` items too.

    Raises:
        BadModelFile: When it cannot be read, is damaged, or would abort the engine; says what is wrong and where.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        msg = f"The model's file cannot be read: {getattr(error, 'strerror', None) or error}."
        raise BadModelFile(msg) from error
    try:
        size_bytes = os.fstat(descriptor).st_size
        reader = _Reader(descriptor, size_bytes)
        header = _read(reader, size_bytes, with_arrays=with_arrays)
    except OSError as error:
        msg = f"The model's file cannot be read: {error.strerror}."
        raise BadModelFile(msg) from error
    finally:
        os.close(descriptor)
    if header.is_model:
        _refuse_fatal(header)
    return header


def _read(reader: "_Reader", size_bytes: int, *, with_arrays: bool) -> GgufHeader:
    version = _read_version(reader, size_bytes)
    tensor_count = reader.count("tensors", _MAX_TENSORS, 24)
    value_count = reader.count("values", _MAX_VALUES, 13)
    values = _Values(reader, with_arrays=with_arrays)
    for _ in range(value_count):
        values.read()
    values.check_vocabulary()
    tensors = [_read_tensor(reader, number) for number in range(tensor_count)]
    alignment = values.metadata.get("general.alignment", 32)
    if not isinstance(alignment, int) or not 0 < alignment <= _MAX_ALIGNMENT or alignment & (alignment - 1):
        msg = f"The model's file is damaged: general.alignment is {alignment!r}, not a power of two."
        raise BadModelFile(msg)
    data_offset = -(-reader.position // alignment) * alignment
    _check_places(tensors, alignment, size_bytes - data_offset)
    return GgufHeader(
        version=version,
        metadata=values.metadata,
        array_lengths=values.lengths,
        tensors=tuple(tensors),
        size_bytes=size_bytes,
        data_offset=data_offset,
    )


def _read_version(reader: "_Reader", size_bytes: int) -> int:
    if not size_bytes:
        msg = "The model's file is empty."
        raise BadModelFile(msg)
    magic = reader.take(4, "the first four bytes")
    if magic != b"GGUF":
        msg = f"The file is not a GGUF model: it begins with {magic!r} instead of b'GGUF'."
        raise BadModelFile(msg)
    version = reader.u32("the version")
    if version not in _VERSIONS:
        is_swapped = int.from_bytes(version.to_bytes(4, "little"), "big") in _VERSIONS
        why = "is written for big-endian machines" if is_swapped else f"has version {version} of GGUF"
        msg = f"The model's file {why}; versions 2 and 3 in little-endian order can be read."
        raise BadModelFile(msg)
    return version


def _read_tensor(reader: "_Reader", number: int) -> Tensor:
    what = f"tensor {number}"
    name = reader.text(_MAX_NAME_BYTES, f"the name of {what}")
    count = reader.u32(f"the dimensions of {what}")
    if not 1 <= count <= _MAX_DIMENSIONS:
        msg = f"The model's file is damaged: {what} ({name!r}) has {count} dimensions, not one to {_MAX_DIMENSIONS}."
        raise BadModelFile(msg)
    shape = tuple(reader.u64(f"the shape of {what}") for _ in range(count))
    type_number = reader.u32(f"the type of {what}")
    offset = reader.u64(f"the offset of {what}")
    known = TENSOR_TYPES.get(type_number)
    if known is None:
        msg = f"The model's file has a tensor ({name!r}) of type {type_number}, which this engine does not know."
        raise BadModelFile(msg)
    type_name, block_items, block_bytes = known
    items = math.prod(shape)
    if not items or items >= 1 << 62 or shape[0] % block_items:
        msg = f"The model's file is damaged: tensor {name!r} of type {type_name} cannot have the shape {list(shape)}."
        raise BadModelFile(msg)
    return Tensor(name=name, type=type_name, shape=shape, offset=offset, size_bytes=items // block_items * block_bytes)


def _check_places(tensors: Sequence[Tensor], alignment: int, room_bytes: int) -> None:
    names: set[str] = set()
    for each in tensors:
        if each.name in names:
            msg = f"The model's file is damaged: it has the tensor {each.name!r} twice."
            raise BadModelFile(msg)
        names.add(each.name)
        if each.offset % alignment:
            msg = f"The model's file is damaged: tensor {each.name!r} begins at {each.offset}, which is not aligned."
            raise BadModelFile(msg)
        if each.offset + each.size_bytes > room_bytes:
            missing = each.offset + each.size_bytes - room_bytes
            msg = f"The model's file is cut: tensor {each.name!r} needs {missing} bytes after its end. Pull it again."
            raise BadModelFile(msg)


def _refuse_fatal(header: GgufHeader) -> None:
    """Refuses what the engine answers by ending its process, found by changing files at random and running them."""
    if not header.architecture:
        msg = "The model's file is damaged: it does not name its architecture."
        raise BadModelFile(msg)
    if not header.tensors:
        msg = "The model's file has no weights: only its vocabulary can be in it."
        raise BadModelFile(msg)
    _refuse_sizes(header)
    _refuse_experts(header)


def _refuse_sizes(header: GgufHeader) -> None:
    bounds = {"block_count": _MAX_LAYERS, "context_length": _MAX_CONTEXT, "embedding_length": _MAX_WIDTH}
    for key, highest in bounds.items():
        value = header.integer(key)
        if not 1 <= value <= highest:
            msg = (
                f"The model's file is damaged: {header.architecture}.{key} is {value}; "
                f"it has to be between 1 and {highest}."
            )
            raise BadModelFile(msg)
    for key in ("attention.key_length", "attention.value_length"):
        if not 0 <= header.integer(key) <= _MAX_WIDTH:
            msg = f"The model's file is damaged: {header.architecture}.{key} is {header.integer(key)}."
            raise BadModelFile(msg)
    for key in ("attention.layer_norm_rms_epsilon", "attention.layer_norm_epsilon"):
        epsilon = header.metadata.get(f"{header.architecture}.{key}", 0.0)
        if not isinstance(epsilon, int | float) or epsilon < 0:
            msg = f"The model's file is damaged: {header.architecture}.{key} is {epsilon!r}; it has to be 0 or more."
            raise BadModelFile(msg)
    layers = header.integer("block_count")
    for key in ("attention.head_count", "attention.head_count_kv"):
        if max(header.per_layer(key, layers, 0)) > _MAX_HEADS:
            msg = f"The model's file is damaged: {header.architecture}.{key} is over {_MAX_HEADS}."
            raise BadModelFile(msg)


def _refuse_experts(header: GgufHeader) -> None:
    """Holds the experts' numbers to what llama.cpp asserts when it reads them (`llama_model::load_hparams`)."""
    count, used = header.integer("expert_count"), header.integer("expert_used_count")
    groups, groups_used = header.integer("expert_group_count"), header.integer("expert_group_used_count")
    are_experts_sound = 0 <= used <= count <= _MAX_EXPERTS and (used > 0) == (count > 0)
    are_groups_sound = groups <= 1 or (count % groups == 0 and 0 < groups_used < groups < count)
    if not are_experts_sound or not are_groups_sound:
        msg = (
            f"The model's file is damaged: it claims to use {used} of {count} experts, "
            f"and {groups_used} of {groups} groups of them."
        )
        raise BadModelFile(msg)


def _is_repacked(tensor: Tensor) -> bool:
    return (
        tensor.type in _REPACKED
        and len(tensor.shape) > 1
        and tensor.shape[1] % _REPACKED_ROWS == 0
        and tensor.name != "token_embd.weight"
    )


@dataclass(slots=True)
class _Values:
    """The keys and values read so far."""

    reader: "_Reader"
    with_arrays: bool
    metadata: dict[str, JsonValue] = field(default_factory=dict)
    lengths: dict[str, int] = field(default_factory=dict)
    item_types: dict[str, int] = field(default_factory=dict)
    types: dict[str, int] = field(default_factory=dict)
    kept_items: int = 0

    def read(self) -> None:
        """Reads the next key and its value."""
        key = self.reader.text(_MAX_KEY_BYTES, f"key {len(self.types)}")
        if key in self.types:
            msg = f"The model's file is damaged: it has the key {key!r} twice."
            raise BadModelFile(msg)
        kind = self.reader.u32(f"the type of {key!r}")
        self.types[key] = kind
        if kind == _ARRAY:
            self._read_array(key)
        elif kind == _STRING:
            self.metadata[key] = self.reader.text(_MAX_STRING_BYTES, repr(key))
        elif kind in _SCALARS:
            self.metadata[key] = _plain(kind, self.reader.number(_SCALARS[kind], repr(key)))
        else:
            msg = f"The model's file is damaged: {key!r} has the unknown type {kind}."
            raise BadModelFile(msg)

    def _read_array(self, key: str) -> None:
        kind = self.reader.u32(f"the type of {key!r}")
        if kind != _STRING and kind not in _SCALARS:
            what = "arrays" if kind == _ARRAY else f"the unknown type {kind}"
            msg = f"The model's file is damaged: {key!r} is an array of {what}, which the engine does not read."
            raise BadModelFile(msg)
        highest, item_bytes = (_MAX_TEXTS, 8) if kind == _STRING else (_MAX_HEADER_BYTES, _SCALARS[kind].size)
        count = self.reader.count(f"items of {key!r}", highest, item_bytes)
        self.lengths[key] = count
        self.item_types[key] = kind
        is_kept = self.with_arrays or count <= KEPT_ITEMS
        self.kept_items += count if is_kept else 0
        if self.kept_items > _MAX_KEPT_ITEMS:
            msg = f"The model's file is damaged: its arrays have over {_MAX_KEPT_ITEMS} items together, at {key!r}."
            raise BadModelFile(msg)
        if kind == _STRING:
            texts = self.reader.strings(count, repr(key), is_kept=is_kept or key == _TOKENS)
            if key == _TOKENS:
                _refuse_twins(texts)
            if is_kept:
                self.metadata[key] = [each.decode("utf-8", "replace") for each in texts]
            return
        raw = self.reader.take(count * _SCALARS[kind].size, repr(key))
        if is_kept:
            self.metadata[key] = [_plain(kind, each) for (each,) in _SCALARS[kind].iter_unpack(raw)]

    def check_vocabulary(self) -> None:
        """Refuses arrays that the engine reads beside the tokens, or as texts, without looking at their length or type."""
        tokens = self.lengths.get(_TOKENS)
        for key in (_TOKENS, "tokenizer.ggml.merges"):
            if key in self.types and self.item_types.get(key) != _STRING:
                msg = f"The model's file is damaged: {key!r} is not a list of texts."
                raise BadModelFile(msg)
        for key, kinds in _BESIDE_TOKENS.items():
            if key not in self.types:
                continue
            if self.item_types.get(key) not in kinds:
                msg = f"The model's file is damaged: {key!r} has items of the wrong type."
                raise BadModelFile(msg)
            if tokens is not None and self.lengths[key] != tokens:
                msg = f"The model's file is damaged: {key!r} has {self.lengths[key]} items for {tokens} tokens."
                raise BadModelFile(msg)


def _refuse_twins(tokens: Sequence[bytes]) -> None:
    """Refuses a vocabulary with a token twice, which llama.cpp asserts against.

    It reads tokens up to their first zero byte, and gives empty ones names of their own.
    """
    words: Sequence[bytes] = tokens
    if any(b"\0" in each for each in tokens):
        words = [each.split(b"\0", 1)[0] for each in tokens]
    if b"" in words:
        words = [each or b"[EMPTY_%d]" % place for place, each in enumerate(words)]
    if len(set(words)) == len(words):
        return
    seen: set[bytes] = set()
    for place, word in enumerate(words):
        if word in seen:
            msg = f"The model's file is damaged: token {place} of its vocabulary ({word[:40]!r}) is there twice."
            raise BadModelFile(msg)
        seen.add(word)


def _plain(kind: int, value: float) -> JsonValue:
    if kind == _BOOL:
        return bool(value)
    return value if math.isfinite(value) else None


class _Reader:
    """Reads forward through a window, and never past the end."""

    __slots__ = ("_base", "_descriptor", "_size_bytes", "_taken", "_window")

    def __init__(self, descriptor: int, size_bytes: int) -> None:
        self._descriptor = descriptor
        self._size_bytes = size_bytes
        self._window = b""
        self._base = 0  # where the window begins in the file
        self._taken = 0  # how much of the window is behind us

    @property
    def position(self) -> int:
        """The next byte."""
        return self._base + self._taken

    def take(self, length: int, what: str) -> bytes:
        """Gives the next bytes."""
        if self._taken + length > len(self._window):
            self._fill(length, what)
        start = self._taken
        self._taken += length
        return self._window[start : self._taken]

    def number(self, kind: struct.Struct, what: str) -> float:
        """Gives the next number."""
        found: float = kind.unpack(self.take(kind.size, what))[0]
        return found

    def u32(self, what: str) -> int:
        """Gives the next number of four bytes."""
        return int.from_bytes(self.take(4, what), "little")

    def u64(self, what: str) -> int:
        """Gives the next number of eight bytes."""
        return int.from_bytes(self.take(8, what), "little")

    def count(self, what: str, highest: int, item_bytes: int) -> int:
        """Gives the number of items that follow, of at least so many bytes each."""
        count = self.u64(f"the number of {what}")
        if count > highest:
            msg = f"The model's file is damaged: it claims {count} {what}; at most {highest} are allowed."
            raise BadModelFile(msg)
        if count * item_bytes > self._size_bytes - self.position:
            msg = f"The model's file is cut or damaged: it claims {count} {what}, more than fit into the file."
            raise BadModelFile(msg)
        return count

    def text(self, highest: int, what: str) -> str:
        """Gives the next text."""
        length = self.u64(what)
        if length > highest:
            msg = f"The model's file is damaged: {what} is {length} bytes long; at most {highest} are allowed."
            raise BadModelFile(msg)
        return self.take(length, what).decode("utf-8", "replace")

    def strings(self, count: int, what: str, *, is_kept: bool) -> list[bytes]:
        """Gives the next texts; none when they are only to be passed over. Written for vocabularies of some 300,000."""
        found: list[bytes] = []
        unpack, keep = _U64.unpack_from, found.append
        window, end = self._window, self._taken
        size = len(window)
        for _ in range(count):
            start = end + 8
            if start <= size:
                end = start + unpack(window, end)[0]
            if start > size or end > size:  # the window ends here
                self._taken = start - 8
                length = self.u64(what)
                if length > _MAX_STRING_BYTES:
                    msg = f"The model's file is damaged: an item of {what} is {length} bytes long."
                    raise BadModelFile(msg)
                keep(self.take(length, what))
                window, end = self._window, self._taken
                size = len(window)
            elif is_kept:
                keep(window[start:end])
        self._taken = end
        return found

    def _fill(self, length: int, what: str) -> None:
        """Moves the window so that the next `length` bytes are in it."""
        self._base += self._taken
        self._taken = 0
        if self._base + length > self._size_bytes:
            msg = f"The model's file is cut: it ends after {self._size_bytes} bytes, inside {what}. Pull it again."
            raise BadModelFile(msg)
        if self._base + length > _MAX_HEADER_BYTES:
            msg = f"The model's file is damaged: its header is over {_MAX_HEADER_BYTES} bytes long, at {what}."
            raise BadModelFile(msg)
        pieces: list[bytes] = []
        wanted, place = max(length, min(_WINDOW_BYTES, self._size_bytes - self._base)), self._base
        while wanted > 0:
            piece = os.pread(self._descriptor, wanted, place)
            if not piece:
                break
            pieces.append(piece)
            wanted -= len(piece)
            place += len(piece)
        self._window = b"".join(pieces)
        if len(self._window) < length:  # cut while we read it
            msg = f"The model's file was cut while it was read, inside {what}."
            raise BadModelFile(msg)
